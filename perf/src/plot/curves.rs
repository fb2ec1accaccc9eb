//! What a plot needs of the results of `perf curve`.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// One way of capturing with a number of workers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    /// The way, for the colour.
    pub(super) mode: String,
    pub(super) workers: u64,
    /// By the rate offered.
    pub(super) points: Vec<Point>,
    /// Flows a second at zero loss: with the collector keeping up, and for as long as a step, with a backlog.
    pub(super) kept_up: f64,
    pub(super) lossless: f64,
    /// Nanoseconds of all of the collector's threads for a flow, user and kernel, in the step of [`Curve::kept_up`].
    pub(super) cpu_ns: Option<(f64, f64)>,
    pub(super) syscalls_per_datagram: Option<f64>,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// Flows a second.
    pub(super) offered: f64,
    pub(super) stored: f64,
    /// The share of datagrams that was lost.
    pub(super) lost: f64,
    pub(super) kept_up: bool,
}

/// The curves of one result.
///
/// # Errors
///
/// When it is no result of `perf curve`.
pub(super) fn read(document: &Value) -> Result<Vec<Curve>> {
    ensure!(document["measurement"] == "curve", "it is not a result of perf curve");
    let series = document["series"].as_array().context("series is missing")?;
    series.iter().map(curve).collect()
}

/// In a few words what was measured, and on what.
pub(super) fn caption(document: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (machine, load) = (&document["machine"], &document["load"]);
    let models = text(&machine["processor"]);
    format!(
        "{} cores of {}, Linux {}; {} with {} records a datagram from {} exporters over a veth pair; sink: {}",
        machine["processors"],
        models.trim(),
        text(&machine["kernel"]),
        text(&load["version"]),
        load["records_per_datagram"],
        load["exporters"],
        text(&document["sink"]),
    )
}

fn curve(series: &Value) -> Result<Curve> {
    let steps = series["steps"].as_array().context("steps are missing")?;
    let points = steps.iter().map(point).collect::<Result<Vec<_>>>()?;
    let best = |name: &str| series[name]["flows_per_second"].as_f64().unwrap_or_default();
    let kept_up = best("highest_at_zero_loss_keeping_up");
    let cpu_ns = steps
        .iter()
        .find(|step| step["offered_flows_per_second"].as_f64() == Some(kept_up))
        .and_then(|step| step["cpu"].as_object())
        .map(|groups| {
            let sum = |name: &str| groups.values().filter_map(|group| group[name].as_f64()).sum();
            (sum("user_ns_per_flow"), sum("kernel_ns_per_flow"))
        });
    Ok(Curve {
        mode: series["mode"].as_str().context("mode is missing")?.to_owned(),
        workers: series["workers"].as_u64().context("workers is missing")?,
        points,
        kept_up,
        lossless: best("highest_at_zero_loss"),
        cpu_ns,
        syscalls_per_datagram: series["syscalls"]["syscalls_per_datagram"].as_f64(),
    })
}

fn point(step: &Value) -> Result<Point> {
    let number = |name: &str| step[name].as_f64().with_context(|| format!("{name} is missing"));
    let is_kept_up = step["kept_up"].as_bool().context("kept_up is missing")?;
    Ok(Point {
        offered: number("offered_flows_per_second")?,
        stored: number("stored_flows_per_second")?,
        lost: number("lost_datagrams")? / number("sent_datagrams")?.max(1.0),
        kept_up: is_kept_up,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_result_is_read() {
        let step = json!({
            "offered_flows_per_second": 1000.0, "stored_flows_per_second": 900.0, "lost_datagrams": 1,
            "sent_datagrams": 4, "kept_up": true,
            "cpu": { "worker": { "user_ns_per_flow": 5.0, "kernel_ns_per_flow": 2.0 }, "insert": { "user_ns_per_flow": 1.0 } },
        });
        let document = json!({
            "measurement": "curve",
            "series": [{
                "mode": "udp", "workers": 2, "steps": [step],
                "highest_at_zero_loss": { "flows_per_second": 2000.0 },
                "highest_at_zero_loss_keeping_up": { "flows_per_second": 1000.0 },
                "syscalls": { "syscalls_per_datagram": 0.5 },
            }],
        });
        let curves = read(&document).expect("it is a result");
        let expected = Curve {
            mode: "udp".to_owned(),
            workers: 2,
            points: vec![Point { offered: 1000.0, stored: 900.0, lost: 0.25, kept_up: true }],
            kept_up: 1000.0,
            lossless: 2000.0,
            cpu_ns: Some((6.0, 2.0)),
            syscalls_per_datagram: Some(0.5),
        };
        assert_eq!(curves, [expected]);
        assert!(read(&json!({ "measurement": "burst" })).is_err());
        assert!(read(&json!({ "measurement": "curve", "series": [{ "mode": "udp" }] })).is_err());
    }
}
