//! The columns of every capture's sFlow samples against what is known to be in them.

use std::fs;
use std::net::Ipv6Addr;
use std::path::Path;

use netflow::FlowColumns;
use serde_json::Value as Json;

use crate::captures;
use crate::columns::columns_of;

type Number = fn(&FlowColumns, usize) -> u64;

/// Fields of a sample, and the column.
const SAMPLE: &[(&str, Number)] =
    &[("samplingRate", |c, row| c.sampling_rate[row]), ("input", |c, row| c.in_if[row].into())];

/// Record, its field, and the column.
const RECORDS: &[(&str, &str, Number)] = &[
    ("0/1", "frameLength", |c, row| c.bytes[row]),
    ("0/1", "proto", |c, row| c.protocol[row].into()),
    ("0/1", "tos", |c, row| c.tos[row].into()),
    ("0/1", "srcPort", |c, row| c.src_port[row].into()),
    ("0/1", "dstPort", |c, row| c.dst_port[row].into()),
    ("0/1", "tcpFlags", |c, row| c.tcp_flags[row].into()),
    ("0/1001", "srcVlan", |c, row| c.src_vlan[row].into()),
    ("0/1001", "dstVlan", |c, row| c.dst_vlan[row].into()),
    ("0/1002", "srcMaskLen", |c, row| c.src_prefix_len[row].into()),
    ("0/1002", "dstMaskLen", |c, row| c.dst_prefix_len[row].into()),
];

/// Cells that differ from the field for a reason: capture, record, field, expected, found, why.
const APART: &[(&str, &str, &str, u64, u64, &str)] = &[(
    "telegraf__sflow-issue-15918",
    "0/1",
    "proto",
    0,
    58,
    "the field is the next header of the IPv6 header, hop-by-hop options; the column is the protocol behind them (RFC 8200 section 4.1)",
)];

#[test]
fn columns_are_what_the_samples_say() {
    let Some(corpus) = captures::corpus() else { return };
    let mut checked = 0;
    for name in captures::captures(&corpus) {
        checked += check(&corpus, &name);
    }
    assert!(checked > 150, "only {checked} cells in the captures");
}

fn check(corpus: &Path, name: &str) -> usize {
    let text = fs::read_to_string(corpus.join("expected").join(name).with_extension("json")).expect("readable");
    let expected: Json = serde_json::from_str(&text).expect("JSON");
    let samples = expected["records"].as_array().expect("records").iter().filter(|record| record["kind"] == "flow");
    let columns = columns_of(corpus, name);
    let mut checked = 0;
    for (row, sample) in samples.enumerate() {
        let place = format!("{name}, row {row}");
        assert_eq!(columns.version[row], 105, "{place}");
        let fields = &sample["fields"];
        for (field, cell) in SAMPLE {
            assert_eq!(Some(cell(&columns, row)), fields[*field].as_u64(), "{place}: {field}");
            checked += 1;
        }
        let output = if fields["outputFormat"] == 0 { fields["output"].as_u64() } else { Some(0) };
        assert_eq!(Some(u64::from(columns.out_if[row])), output, "{place}: output");
        for record in fields["records"].as_array().expect("records") {
            checked += check_record(name, record, &columns, row);
        }
    }
    checked
}

fn check_record(name: &str, record: &Json, columns: &FlowColumns, row: usize) -> usize {
    let mut checked = 0;
    for (_, field, cell) in RECORDS.iter().filter(|(kind, ..)| record["type"] == *kind) {
        let Some(expected) = record[*field].as_u64() else { continue };
        let found = cell(columns, row);
        let is_apart = |(capture, kind, apart, other, ours, _): &&(&str, &str, &str, u64, u64, &str)| {
            *capture == name && record["type"] == *kind && apart == field && *other == expected && *ours == found
        };
        assert!(found == expected || APART.iter().any(|apart| is_apart(&apart)), "{name}, row {row}: {field} {found}");
        checked += 1;
    }
    let addresses =
        [("srcIp", columns.src_addr[row]), ("dstIp", columns.dst_addr[row]), ("nextHop", columns.next_hop[row])];
    for (field, found) in addresses {
        let Some(expected) = record[field].as_str() else { continue };
        assert_eq!(Ipv6Addr::from(found).to_canonical().to_string(), expected, "{name}, row {row}: {field}");
        checked += 1;
    }
    for (field, found) in [("srcMac", columns.src_mac[row]), ("dstMac", columns.dst_mac[row])] {
        let Some(expected) = record[field].as_str() else { continue };
        let expected = u64::from_str_radix(&expected.replace(':', ""), 16).expect("a MAC address");
        assert_eq!(found, expected, "{name}, row {row}: {field}");
        checked += 1;
    }
    checked
}
