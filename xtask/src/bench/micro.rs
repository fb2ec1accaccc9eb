//! The part `micro`: nanoseconds of each step of the collector, by criterion, and the claims about them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::claims::{Bound, Claim};
use super::estimates::{self, Estimate};
use crate::{machine, programs};

/// The other decoder's benchmarks are called like ours, below this.
const PEER: &str = "netflow_parser/";
/// Where the benchmarks leave the counts of system calls.
const RECEIVE_COUNTS: &str = "tmp/receive.json";
/// Some file systems keep times of files by the second.
const CLOCK_STEP: Duration = Duration::from_secs(1);

type Estimates = BTreeMap<String, Estimate>;

/// The claims about single steps: benchmark, words, nanoseconds.
const TIMES: [(&str, &str, f64); 6] = [
    ("decode_v9_22_fields", "decode NetFlow v9, 22 fields, 24 records a datagram", 20.0),
    ("decode_v9_22_fields_ipv4", "decode NetFlow v9, 22 fields, 24 records a datagram, IPv4 alone", 20.0),
    ("decode_v5", "decode NetFlow v5", 12.0),
    ("decode_ipfix_variable_length", "decode IPFIX with fields of variable length", 60.0),
    ("decode_enrich_native", "decode, GeoIP of both ends, Native block", 80.0),
    ("steer/ipv4_ours", "steer a frame, by BPF_PROG_TEST_RUN", 60.0),
];

/// Runs the benchmarks and writes the document.
pub(super) fn run(is_quick: bool, file: &Path) -> Result<()> {
    let since = SystemTime::now() - CLOCK_STEP;
    let mut command = programs::cargo();
    command.args(["bench", "--package", "collector", "--bench", "speed", "--"]);
    if is_quick {
        command.args(["--sample-size", "10", "--warm-up-time", "0.2", "--measurement-time", "0.5"]);
    }
    programs::run(&mut command)?;
    let estimates = estimates::read(&programs::target_folder().join("criterion"), since)?;
    if estimates.is_empty() {
        bail!("criterion left no estimates");
    }
    let counts = std::fs::read_to_string(programs::target_folder().join(RECEIVE_COUNTS)).unwrap_or_default();
    let counts: Value = serde_json::from_str(&counts).unwrap_or_default();
    let document = document(&estimates, &counts, is_quick);
    std::fs::write(file, format!("{document:#}\n")).with_context(|| format!("cannot write {}", file.display()))
}

fn document(estimates: &Estimates, counts: &Value, is_quick: bool) -> Value {
    let claims: Vec<Value> = claims(estimates, counts).iter().map(Claim::to_json).collect();
    json!({
        "what": "nanoseconds of one thread for one flow (address, look-up, datagram, frame): median, least and most of the samples",
        "method": "processor time of the thread, by criterion, pinned to a core, blocks of 65 536 rows, GeoIP files of some 5 M networks; \
                   steer: the kernel's own measure (BPF_PROG_TEST_RUN); receive: the receiving thread alone, in turns",
        "netflow_parser": "1.0.6, iter_packets, on the same datagrams, its templates known, in the same process: a vector of field and value pairs \
                           for each record, counted and dropped; ours fills the columns of a block",
        "is_quick": is_quick,
        "machine": machine::describe(),
        "cases": estimates.iter().map(|(name, estimate)| (name.clone(), to_json(estimate))).collect::<Map<_, _>>(),
        "ratios": ratios(estimates).into_iter().map(|(name, ratio)| (name, json!(rounded(ratio)))).collect::<Map<_, _>>(),
        "receive": counts,
        "claims": claims,
    })
}

fn to_json(estimate: &Estimate) -> Value {
    json!({
        "median_ns": rounded(estimate.median_ns),
        "min_ns": rounded(estimate.min_ns),
        "max_ns": rounded(estimate.max_ns),
        "samples": estimate.samples,
    })
}

fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// How many times as long the other decoder takes, by the medians.
fn ratios(estimates: &Estimates) -> BTreeMap<String, f64> {
    let of_peer = estimates.iter().filter_map(|(name, peer)| Some((name.strip_prefix(PEER)?, peer)));
    of_peer
        .filter_map(|(name, peer)| Some((name.to_owned(), peer.median_ns / estimates.get(name)?.median_ns)))
        .collect()
}

fn claims(estimates: &Estimates, counts: &Value) -> Vec<Claim> {
    let median = |name: &str| estimates.get(name).map(|estimate| estimate.median_ns);
    let mut claims = Vec::new();
    for (name, words, target) in TIMES {
        claims.extend(median(name).map(|measured| Claim::new(words, Bound::Below, target, measured, "ns")));
    }
    for (name, ratio) in ratios(estimates) {
        let words = format!("{name} beside netflow_parser 1.0.6");
        claims.push(Claim::new(&words, Bound::AtLeast, 20.0, ratio, "times as fast"));
    }
    if let (Some(ring), Some(socket)) = (median("receive/af_xdp"), median("receive/recvmmsg")) {
        let words = "receive by AF_XDP, as a part of recvmmsg's processor time";
        claims.push(Claim::new(words, Bound::Below, 1.0, ring / socket, "times"));
    }
    if let (Some(calls), Some(datagrams)) = (counts["system_calls_af_xdp"].as_f64(), counts["datagrams"].as_f64()) {
        let words = "system calls of AF_XDP for 1000 datagrams, under load";
        claims.push(Claim::new(words, Bound::Below, 1.0, calls * 1000.0 / datagrams, "calls"));
    }
    if let (Some(few), Some(many)) =
        (median("templates_2_workers/10_exporters"), median("templates_2_workers/10000_exporters"))
    {
        // Of the cost of a flow in datagrams of 24, with one data set each, a look-up is a 24th.
        let decode = median("decode_v9_22_fields").unwrap_or_default();
        let ratio = (decode + many / 24.0) / (decode + few / 24.0);
        let words =
            "decode and look up the template: 10 000 exporters with 100 000 templates beside 10 exporters, 2 threads";
        claims.push(Claim::new(words, Bound::Below, 1.3, ratio, "times"));
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(names: &[(&str, f64)]) -> Estimates {
        let estimate = |median_ns| Estimate { median_ns, min_ns: median_ns, max_ns: median_ns, samples: 1 };
        names.iter().map(|(name, median_ns)| ((*name).to_owned(), estimate(*median_ns))).collect()
    }

    #[test]
    fn claims_are_made_of_what_was_measured_alone() {
        let none = Value::Null;
        assert_eq!(claims(&measured(&[("journal_append_and_read", 90.0)]), &none), []);
        let estimates = measured(&[
            ("decode_v5", 11.0),
            ("netflow_parser/decode_v5", 209.0),
            ("netflow_parser/decode_asa", 100.0),
            ("receive/af_xdp", 30.0),
            ("receive/recvmmsg", 300.0),
        ]);
        let counts = json!({ "datagrams": 2048, "system_calls_af_xdp": 0 });
        let lines: Vec<String> = claims(&estimates, &counts).iter().map(Claim::to_string).collect();
        assert_eq!(
            lines,
            [
                "met    decode NetFlow v5: 11.0 ns (target: under 12 ns)",
                "MISSED decode_v5 beside netflow_parser 1.0.6: 19.0 times as fast (target: at least 20 times as fast)",
                "met    receive by AF_XDP, as a part of recvmmsg's processor time: 0.1 times (target: under 1 times)",
                "met    system calls of AF_XDP for 1000 datagrams, under load: 0.0 calls (target: under 1 calls)",
            ]
        );
        let document = document(&estimates, &counts, true);
        assert_eq!(document["ratios"], json!({ "decode_v5": 19.0 }));
        assert_eq!(document["claims"].as_array().map(Vec::len), Some(4));
    }
}
