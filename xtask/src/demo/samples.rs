//! Samples of a `/metrics` page: the text format of Prometheus, as far as the demo reads it.

/// The samples of one scrape.
#[derive(Debug, Default)]
pub struct Samples(Vec<Sample>);

#[derive(Debug)]
struct Sample {
    name: String,
    /// As written, between the braces.
    labels: String,
    value: f64,
}

impl Samples {
    /// Takes the samples out of the text; comments and what does not parse are left out.
    pub fn parse(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(Sample::parse).collect())
    }

    /// Sum over all samples of a family whose labels contain each of `labels`.
    pub fn sum(&self, name: &str, labels: &[&str]) -> u64 {
        self.matching(name, labels).map(|sample| sample.value as u64).sum()
    }

    /// The value of `label` in the first sample of a family that is not 0, such as the mode in an information metric.
    pub fn label_of(&self, name: &str, label: &str) -> Option<&str> {
        let sample = self.0.iter().find(|sample| sample.name == name && sample.value != 0.0)?;
        let start = format!("{label}=\"");
        let (_, rest) = sample.labels.split_once(&start)?;
        rest.split('"').next()
    }

    fn matching<'a>(&'a self, name: &'a str, labels: &'a [&'a str]) -> impl Iterator<Item = &'a Sample> {
        self.0
            .iter()
            .filter(move |sample| sample.name == name && labels.iter().all(|label| sample.labels.contains(label)))
    }
}

impl Sample {
    fn parse(line: &str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        Some(Self {
            name: name.to_owned(),
            labels: labels.trim_end_matches('}').to_owned(),
            value: value.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_by_labels() {
        let samples = Samples::parse(
            "# HELP datagrams_total Datagrams.\n# TYPE datagrams_total counter\n\
             datagrams_total{worker=\"0\",path=\"xdp\"} 7\ndatagrams_total{worker=\"1\",path=\"xdp\"} 5\n\
             datagrams_total{worker=\"0\",path=\"udp\"} 1\nmode{mode=\"generic\"} 0\nmode{mode=\"native copy\"} 1\n\
             rows_total 12\nnonsense\n",
        );
        let cases: [(&str, &[&str], u64); 5] = [
            ("datagrams_total", &[], 13),
            ("datagrams_total", &["path=\"xdp\""], 12),
            ("datagrams_total", &["path=\"xdp\"", "worker=\"1\""], 5),
            ("rows_total", &[], 12),
            ("absent_total", &[], 0),
        ];
        for (name, labels, expected) in cases {
            assert_eq!(samples.sum(name, labels), expected, "{name} {labels:?}");
        }
        assert_eq!(samples.label_of("mode", "mode"), Some("native copy"));
        assert_eq!(samples.label_of("rows_total", "mode"), None);
    }
}
