//! Every capture decodes, record by record and field by field, to what is known to be in it.

use std::fs;
use std::net::Ipv6Addr;
use std::path::Path;

use netflow::neutral::{self, Names, Value};
use netflow::sflow;
use netflow::template::Kind;
use netflow::{MapStore, Record, Report, Sample, Tables, Visit, decode, dissect};
use serde_json::{Map, Value as Json, json};

use crate::captures;

/// Records that are in a capture but not in what is known of it: capture, version, why.
const BESIDE: &[(&str, u8, &str)] = &[(
    "tcpdump__sflow-multiple-counter-30-pdus",
    5,
    "packets 13 and 19 to 22 are NetFlow v5: their first word is not the version 5 of sFlow (sflow_version_5.txt, \
     sample_datagram_type), but version 5 and a count in 16 bits each",
)];

/// What was found in a capture so far.
#[derive(Default)]
struct Found {
    packet: usize,
    records: Vec<Json>,
    late_records: Vec<Json>,
}

impl Visit for Found {
    fn record(&mut self, record: Record<'_>) {
        self.records.push(json_of(&record, self.packet));
    }

    fn late_record(&mut self, record: Record<'_>) {
        let packet = usize::try_from(record.header.received_ms - captures::RECEIVED_MS).expect("few packets");
        self.late_records.push(json_of(&record, packet));
    }

    fn sample(&mut self, sample: Sample<'_>) {
        self.records.push(json_of_sample(&sample, self.packet));
    }
}

#[test]
fn records_are_as_known() {
    let Some(corpus) = captures::corpus() else { return };
    let mut failures = Vec::new();
    let mut checked = 0;
    for name in captures::captures(&corpus) {
        match check(&corpus, &name) {
            Ok(records) => checked += records,
            Err(failure) => failures.push(format!("{name}: {failure}")),
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert!(checked > 1000, "only {checked} records in the captures");
}

/// The number of records that agree, or the first difference.
fn check(corpus: &Path, name: &str) -> Result<usize, String> {
    let text =
        fs::read_to_string(corpus.join("expected").join(name).with_extension("json")).map_err(|e| e.to_string())?;
    let expected: Json = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mut found = Found::default();
    let mut store = MapStore::default();
    let mut report = Report::default();
    for packet in captures::packets(corpus, name) {
        found.packet = packet.number;
        dissect(&packet.numbered(), &mut store, &mut report, &mut found);
    }
    let Found { records: mut found, late_records, .. } = found;
    let beside =
        |record: &Json| BESIDE.iter().any(|(capture, version, _)| *capture == name && record["version"] == *version);
    found.retain(|record| !beside(record));
    let late = compare_all(&late_records, &expected["late_records"]).map_err(|difference| format!("late {difference}"));
    Ok(compare_all(&found, &expected["records"]).map_err(|difference| format!("{difference}; {report:?}"))? + late?)
}

/// The number of records, all of which agree, or the first difference.
fn compare_all(found: &[Json], expected: &Json) -> Result<usize, String> {
    let expected = expected.as_array().ok_or("no records")?;
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        compare(found, expected).map_err(|difference| format!("record {}: {difference}", index + 1))?;
    }
    match found.len() == expected.len() {
        true => Ok(found.len()),
        false => Err(format!("records: {}, expected {}", found.len(), expected.len())),
    }
}

fn compare(found: &Json, expected: &Json) -> Result<(), String> {
    let is_sample = found["version"] == "sflow5";
    let keys = ["exporter", "version", "template_id", "domain", "packet", "kind", "scope_fields"];
    let of_samples: &[&str] = if is_sample { &["agent", "sample_type", "header"] } else { &[] };
    for key in keys.iter().chain(of_samples).copied() {
        if found[key] != expected[key] {
            return Err(format!("{key} is {}, expected {}", found[key], expected[key]));
        }
    }
    let (found, expected) = (object(&found["fields"])?, object(&expected["fields"])?);
    for (name, value) in expected {
        let same = found.get(name).is_some_and(|other| other == value || is_same_time(name, other, value));
        if !same {
            return Err(format!("{name} is {:?}, expected {value}", found.get(name)));
        }
    }
    match found.keys().find(|name| !expected.contains_key(*name)) {
        Some(name) => Err(format!("{name} is not expected")),
        None => Ok(()),
    }
}

fn object(value: &Json) -> Result<&Map<String, Json>, String> {
    value.as_object().ok_or_else(|| "no fields".to_owned())
}

/// Times told in microseconds are compared to the microsecond.
fn is_same_time(name: &str, one: &Json, other: &Json) -> bool {
    let microseconds = |value: &Json| value.as_i64().map(|nanoseconds| (nanoseconds + 500) / 1000);
    name.ends_with("Microseconds") && microseconds(one).is_some() && microseconds(one) == microseconds(other)
}

fn json_of(record: &Record<'_>, packet: usize) -> Json {
    let fields = neutral::fields(record, Names::Numbers);
    let fields: Map<String, Json> = fields.iter().map(|(name, value)| (name.to_string(), value_of(value))).collect();
    let mut json = json!({
        "exporter": Ipv6Addr::from(record.header.exporter).to_canonical().to_string(),
        "version": record.header.version,
        "template_id": record.template_id,
        "domain": record.header.domain,
        "packet": packet,
        "kind": "data",
        "fields": fields,
    });
    if let Kind::Options { scope_fields } = record.kind() {
        json["kind"] = Json::from("options");
        json["scope_fields"] = Json::from(scope_fields);
    }
    json
}

fn json_of_sample(sample: &Sample<'_>, packet: usize) -> Json {
    let address = |address| Ipv6Addr::from(address).to_canonical().to_string();
    json!({
        "exporter": address(sample.header.exporter),
        "version": "sflow5",
        "template_id": null,
        "domain": sample.header.sub_agent,
        "packet": packet,
        "kind": match sample.kind() {
            sflow::Kind::Flow => "flow",
            sflow::Kind::Counter => "counter",
            sflow::Kind::Drop => "drop",
        },
        "agent": address(sample.header.agent),
        "sample_type": format!("0/{}", sample.format),
        "header": {"seq": sample.header.sequence, "sysUpTime": sample.header.uptime_ms},
        "fields": value_of(&Value::Object(neutral::sample_fields(sample, Names::Numbers))),
    })
}

fn value_of(value: &Value<'_>) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Unsigned(number) => Json::from(*number),
        Value::Signed(number) => Json::from(*number),
        Value::Float(number) => Json::from(*number),
        Value::Boolean(value) => Json::from(*value),
        Value::List(values) => values.iter().map(value_of).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| ((*name).to_owned(), value_of(value))).collect::<Map<_, _>>().into()
        }
        Value::Structured(fields) => {
            fields.iter().map(|(name, value)| (name.to_string(), value_of(value))).collect::<Map<_, _>>().into()
        }
        Value::Text(_) | Value::Ipv4(_) | Value::Ipv6(_) | Value::Mac(_) | Value::Bytes(_) => {
            Json::from(value.to_string())
        }
    }
}

/// Counts what has a row.
#[derive(Default)]
struct Rows(usize);

impl Visit for Rows {
    fn record(&mut self, record: Record<'_>) {
        self.0 += usize::from(record.kind() == Kind::Data);
    }

    fn sample(&mut self, sample: Sample<'_>) {
        self.0 += usize::from(sample.kind() == sflow::Kind::Flow);
    }
}

#[test]
fn columns_and_rows_agree() {
    let Some(corpus) = captures::corpus() else { return };
    for name in captures::captures(&corpus) {
        let (mut row_store, mut column_store) = (MapStore::default(), MapStore::default());
        let (mut row_report, mut column_report) = (Report::default(), Report::default());
        let (mut rows, mut columns) = (Rows::default(), Tables::default());
        for packet in captures::packets(&corpus, &name) {
            dissect(&packet.datagram(), &mut row_store, &mut row_report, &mut rows);
            decode(&packet.datagram(), &mut column_store, &mut columns, &mut column_report);
            assert_eq!(columns.flows.len() as u64, column_report.flow_rows(), "{name}, packet {}", packet.number);
            assert_eq!(rows.0 as u64, column_report.flow_records(), "{name}, packet {}", packet.number);
        }
        assert_eq!(row_report.without_rows(), column_report.without_rows(), "{name}");
    }
}
