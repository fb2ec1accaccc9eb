//! Counters of every part, and their text in Prometheus' exposition format.
//!
//! A part owns its counters and writes them into an [`Exposition`] when asked. No label value comes straight from the wire.
//! What a sample means is the business of its part.

/// The HTTP server of `/metrics`.
pub mod server;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::utils::CachePadded;

/// A number that only grows, on a cache line of its own. Cheap for one writer, correct for several.
#[derive(Debug, Default)]
pub struct Counter(CachePadded<AtomicU64>);

impl Counter {
    /// Adds `count`.
    pub fn add(&self, count: u64) {
        if count > 0 {
            self.0.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Takes over a total that is counted elsewhere (the kernel, another counter).
    pub fn set(&self, total: u64) {
        self.0.store(total, Ordering::Relaxed);
    }

    /// The count so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What Prometheus takes a metric for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// The text of `/metrics` in the making: text format 0.0.4.
#[derive(Debug, Default)]
pub struct Exposition {
    families: BTreeMap<String, String>,
}

impl Exposition {
    /// One sample. Samples of one name may come in any order; they are kept together in the text.
    pub fn sample(
        &mut self,
        kind: Kind,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        value: impl std::fmt::Display,
    ) {
        let family = self.families.entry(name.to_owned()).or_default();
        if family.is_empty() {
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            let _ = writeln!(family, "# HELP {name} {help}\n# TYPE {name} {kind}");
        }
        family.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            let opening = if index == 0 { '{' } else { ',' };
            let _ = write!(family, "{opening}{label}=\"");
            for character in value.chars() {
                match character {
                    '\\' => family.push_str("\\\\"),
                    '"' => family.push_str("\\\""),
                    '\n' => family.push_str("\\n"),
                    other => family.push(other),
                }
            }
            family.push('"');
        }
        if !labels.is_empty() {
            family.push('}');
        }
        let _ = writeln!(family, " {value}");
    }

    /// A counter's sample.
    pub fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: u64) {
        self.sample(Kind::Counter, name, help, labels, value);
    }

    /// A gauge's sample.
    pub fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.sample(Kind::Gauge, name, help, labels, value);
    }

    /// The text, families in alphabetical order.
    #[must_use]
    pub fn finish(self) -> String {
        self.families.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_a_family_stay_together_and_labels_are_escaped() {
        let mut exposition = Exposition::default();
        exposition.counter("b_total", "B.", &[("why", "a \"b\"\n")], 1);
        exposition.gauge("a", "A.", &[], 0.5);
        exposition.counter("b_total", "B.", &[("why", "c"), ("who", "d\\")], 2);
        let expected = "# HELP a A.\n# TYPE a gauge\na 0.5\n# HELP b_total B.\n# TYPE b_total counter\n\
                        b_total{why=\"a \\\"b\\\"\\n\"} 1\nb_total{why=\"c\",who=\"d\\\\\"} 2\n";
        assert_eq!(exposition.finish(), expected);
    }
}
