//! Every capture of the corpus against what it contains: `decode --fields` gives its records, in order.
//!
//! Skipped, loudly, where the corpus is not beside the repository.

use std::path::{Path, PathBuf};

use netflow::columns::flags;
use serde_json::Value;

use crate::{run, stderr, stdout};

/// What a record is compared by, beside its fields.
const KEYS: [&str; 9] =
    ["exporter", "version", "template_id", "domain", "packet", "kind", "scope_fields", "agent", "sample_type"];

/// Captures that hold more than the expectation lists: (capture, version of the records beside, how many, why).
const BESIDE: [(&str, u64, usize, &str); 1] = [(
    "tcpdump__sflow-multiple-counter-30-pdus",
    5,
    7,
    "five datagrams among the sFlow ones are NetFlow v5, version 5 in the first 16 bits where sFlow has 32",
)];

fn corpus() -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus"));
    if path.is_dir() {
        return Some(path.to_path_buf());
    }
    eprintln!("SKIPPED: no corpus at {}", path.display());
    None
}

/// Names of the corpus' captures, without ending.
fn captures(corpus: &Path) -> Vec<String> {
    let folder = std::fs::read_dir(corpus.join("expected")).expect("the corpus has expectations");
    let mut names: Vec<String> = folder
        .map(|entry| entry.expect("the folder is readable").file_name().into_string().expect("names are UTF-8"))
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() > 70, "the corpus has {} captures", names.len());
    names
}

#[test]
fn every_capture_gives_its_records_in_order() {
    let Some(corpus) = corpus() else { return };
    let mut records = 0;
    for name in captures(&corpus) {
        records += check(&corpus, &name);
    }
    assert!(records > 1000, "only {records} records were compared");
}

/// Compares one capture; the number of its records.
#[track_caller]
fn check(corpus: &Path, name: &str) -> usize {
    let text = std::fs::read_to_string(corpus.join("expected").join(format!("{name}.json"))).expect("it is readable");
    let expected: Value = serde_json::from_str(&text).expect("it is JSON");
    let list = |key: &str| expected[key].as_array().unwrap_or_else(|| panic!("{name}: {key} are a list"));
    let (expected, expected_late) = (list("records"), list("late_records"));

    let path = corpus.join("pcap").join(format!("{name}.pcap"));
    let output = run(&["decode", "--fields", path.to_str().expect("the path is UTF-8")]);
    assert!(output.status.success(), "{name}: {}", stderr(&output));
    let mut decoded: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    if let Some((_, version, beside, _)) = BESIDE.iter().find(|(capture, ..)| *capture == name) {
        let all = decoded.len();
        decoded.retain(|record| record["version"] != *version);
        assert_eq!(all - decoded.len(), *beside, "{name}: records of version {version}");
    }

    let (late, decoded): (Vec<Value>, Vec<Value>) = decoded.into_iter().partition(|record| record["late"] == true);
    let both = decoded.iter().zip(expected).chain(late.iter().zip(expected_late));
    for (number, (got, want)) in both.enumerate() {
        for key in KEYS {
            assert_eq!(got[key], want[key], "{name}: {key} of record {number}\n got: {got}\nwant: {want}");
        }
        check_fields(&format!("{name}: record {number}"), &got["fields"], &want["fields"]);
        let header = want["header"].as_object().expect("headers are objects");
        for (key, value) in header {
            assert_eq!(&got["header"][key], value, "{name}: header {key} of record {number}");
        }
    }
    assert_eq!(decoded.len(), expected.len(), "{name}: number of records\n{}", stderr(&output));
    assert_eq!(late.len(), expected_late.len(), "{name}: number of late records");
    decoded.len() + late.len()
}

#[track_caller]
fn check_fields(what: &str, got: &Value, want: &Value) {
    let (got, want) = (got.as_object().expect("fields are an object"), want.as_object().expect("they are"));
    let names = |fields: &serde_json::Map<String, Value>| fields.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(got), names(want), "{what}");
    for (name, want) in want {
        assert!(same(name, &got[name], want), "{what}: {name} is {}, expected {want}", got[name]);
    }
}

/// Whether two values are the same; microseconds come as fractions of 2^32 and are compared rounded.
fn same(name: &str, got: &Value, want: &Value) -> bool {
    match (got, want) {
        (Value::Array(got), Value::Array(want)) => {
            got.len() == want.len() && got.iter().zip(want).all(|(got, want)| same(name, got, want))
        }
        _ if name.ends_with("Microseconds") => match (got.as_i64(), want.as_i64()) {
            (Some(got), Some(want)) => (got - want).abs() <= 1000,
            _ => got == want,
        },
        _ => match (got.as_f64(), want.as_f64()) {
            (Some(got), Some(want)) if !want.fract().eq(&0.0) => (got - want).abs() <= want.abs() * 1e-6,
            _ => got == want,
        },
    }
}

#[test]
fn rows_are_the_flow_records() {
    let Some(corpus) = corpus() else { return };
    for name in captures(&corpus) {
        let path = corpus.join("pcap").join(format!("{name}.pcap"));
        let path = path.to_str().expect("the path is UTF-8");
        let rows = stdout(&run(&["decode", path]));
        let records = stdout(&run(&["decode", "--fields", path]));
        let is_flow = |line: &&str| ["data", "flow"].iter().any(|kind| line.contains(&format!("\"kind\":\"{kind}\"")));
        let flows = records.lines().filter(is_flow).count();
        let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).expect("each line is JSON")).collect();
        // A record that tells of both directions has two rows.
        let is_forward = |row: &&Value| row["flags"].as_u64().expect("a number") & u64::from(flags::REVERSE) == 0;
        assert_eq!(rows.iter().filter(is_forward).count(), flows, "{name}");
        for row in rows {
            assert!(row.as_object().is_some_and(|row| row.values().all(|cell| !cell.is_null())), "{name}: {row}");
        }
    }
}

#[test]
fn vendors_names_stand_in_for_numbers_where_asked_for() {
    let Some(corpus) = corpus() else { return };
    let path = corpus.join("pcap/logstash__ipfix-yaf-basic-with-applabel.pcap");
    let path = path.to_str().expect("the path is UTF-8");
    let numbers = stdout(&run(&["decode", "--fields", path]));
    let names = stdout(&run(&["decode", "--fields", "--names", path]));
    assert!(numbers.contains("\"6871/40\":\"0001\""), "{numbers}");
    assert!(names.contains("\"flowAttributes\":1,"), "{names}");
}
