//! The columns of every capture against the fields that are known to be in it, and some captures by hand.

use std::fs;
use std::net::Ipv6Addr;
use std::path::Path;

use netflow::columns::{Address, SamplingSource, flags};
use netflow::{FlowColumns, MapStore, Report, Tables, decode};
use serde_json::Value as Json;

use crate::captures;

/// Decodes a capture into tables.
fn tables_of(corpus: &Path, name: &str) -> (Tables, Report) {
    let (mut store, mut report, mut tables) = (MapStore::default(), Report::default(), Tables::default());
    for packet in captures::packets(corpus, name) {
        decode(&packet.datagram(), &mut store, &mut tables, &mut report);
    }
    (tables, report)
}

/// Decodes a capture into columns.
pub(crate) fn columns_of(corpus: &Path, name: &str) -> FlowColumns {
    tables_of(corpus, name).0.flows
}

type Number = fn(&FlowColumns, usize) -> u64;
type AddressCell = fn(&FlowColumns, usize) -> Address;

/// Elements that decide about their column alone, and the column.
const NUMBERS: &[(&str, Number)] = &[
    ("octetDeltaCount", |c, row| c.bytes[row]),
    ("packetDeltaCount", |c, row| c.packets[row]),
    ("sourceTransportPort", |c, row| c.src_port[row].into()),
    ("destinationTransportPort", |c, row| c.dst_port[row].into()),
    ("protocolIdentifier", |c, row| c.protocol[row].into()),
    ("ipClassOfService", |c, row| c.tos[row].into()),
    ("tcpControlBits", |c, row| c.tcp_flags[row].into()),
    ("ingressInterface", |c, row| c.in_if[row].into()),
    ("egressInterface", |c, row| c.out_if[row].into()),
    ("bgpSourceAsNumber", |c, row| c.src_as[row].into()),
    ("bgpDestinationAsNumber", |c, row| c.dst_as[row].into()),
    ("vlanId", |c, row| c.src_vlan[row].into()),
    ("postVlanId", |c, row| c.dst_vlan[row].into()),
    ("flowEndReason", |c, row| c.flow_end_reason[row].into()),
    ("forwardingStatus", |c, row| c.forwarding_status[row].into()),
    ("icmpTypeCodeIPv4", |c, row| u64::from(c.icmp_type[row]) * 256 + u64::from(c.icmp_code[row])),
    ("postNAPTSourceTransportPort", |c, row| c.post_nat_src_port[row].into()),
    ("postNAPTDestinationTransportPort", |c, row| c.post_nat_dst_port[row].into()),
    ("ingressVRFID", |c, row| c.ingress_vrf[row].into()),
    ("egressVRFID", |c, row| c.egress_vrf[row].into()),
    ("flowStartMilliseconds", |c, row| c.start_ms[row].cast_unsigned()),
    ("flowEndMilliseconds", |c, row| c.end_ms[row].cast_unsigned()),
    ("initiatorOctets", |c, row| c.bytes[row]),
];

/// Elements that share their column with another form, that form, and the column.
const ADDRESSES: &[(&str, &str, AddressCell)] = &[
    ("sourceIPv4Address", "sourceIPv6Address", |c, row| c.src_addr[row]),
    ("destinationIPv4Address", "destinationIPv6Address", |c, row| c.dst_addr[row]),
    ("sourceIPv6Address", "sourceIPv4Address", |c, row| c.src_addr[row]),
    ("destinationIPv6Address", "destinationIPv4Address", |c, row| c.dst_addr[row]),
    ("ipNextHopIPv4Address", "ipNextHopIPv6Address", |c, row| c.next_hop[row]),
    ("ipNextHopIPv6Address", "ipNextHopIPv4Address", |c, row| c.next_hop[row]),
    ("bgpNextHopIPv4Address", "bgpNextHopIPv6Address", |c, row| c.bgp_next_hop[row]),
    ("postNATSourceIPv4Address", "postNATSourceIPv6Address", |c, row| c.post_nat_src_addr[row]),
    ("postNATDestinationIPv4Address", "postNATDestinationIPv6Address", |c, row| c.post_nat_dst_addr[row]),
];

#[test]
fn columns_are_what_the_fields_say() {
    let Some(corpus) = captures::corpus() else { return };
    let mut checked = 0;
    for name in captures::captures(&corpus) {
        let expected = fs::read_to_string(corpus.join("expected").join(&name).with_extension("json"));
        let expected: Json = serde_json::from_str(&expected.expect("readable")).expect("JSON");
        let columns = columns_of(&corpus, &name);
        let is_ours = |record: &&Json| record["kind"] == "data";
        let records = expected["records"].as_array().expect("records").iter().filter(is_ours);
        let late = expected["late_records"].as_array().expect("late records").iter().filter(is_ours);
        // The rows of the other direction of biflows are no records of their own.
        let forward = (0..columns.len()).filter(|row| columns.flags[*row] & flags::REVERSE == 0);
        let is_late = |row: &usize| columns.flags[*row] & flags::HELD != 0;
        let (late_rows, rows): (Vec<usize>, Vec<usize>) = forward.partition(is_late);
        assert_eq!(late_rows.len(), late.clone().count(), "{name}");
        for (row, record) in rows.into_iter().zip(records).chain(late_rows.into_iter().zip(late)) {
            checked += check(&name, &columns, row, &record["fields"]);
        }
    }
    assert!(checked > 10_000, "only {checked} cells in the captures");
}

fn check(name: &str, columns: &FlowColumns, row: usize, fields: &Json) -> usize {
    let mut checked = 0;
    for (element, cell) in NUMBERS {
        // A zero time says nothing; initiatorOctets counts where there is no other counter, and at the end of a connection it
        // repeats what updates had.
        let is_repeated = fields.get("octetDeltaCount").is_some() || fields["firewallEvent"].as_u64() == Some(2);
        let is_apart = *element == "initiatorOctets" && is_repeated;
        if let Some(expected) = fields[*element].as_u64().filter(|time| !element.contains("seconds") || *time > 0)
            && !is_apart
        {
            assert_eq!(cell(columns, row), expected, "{name}, row {row}: {element}");
            checked += 1;
        }
    }
    for (element, other, cell) in ADDRESSES {
        let Some(expected) = fields[*element].as_str().filter(|_| fields.get(*other).is_none()) else { continue };
        let found = Ipv6Addr::from(cell(columns, row)).to_canonical().to_string();
        assert_eq!(found, expected, "{name}, row {row}: {element}");
        checked += 1;
    }
    if let Some(expected) = fields["applicationId"].as_str() {
        assert_eq!(
            columns.application_id[row],
            u64::from_str_radix(expected, 16).expect("hexadecimal"),
            "{name}, row {row}"
        );
        checked += 1;
    }
    checked
}

/// Eight connections, seven of which told of their octets before the end that repeats them.
#[test]
fn connections_count_once() {
    let Some(corpus) = captures::corpus() else { return };
    let flows = columns_of(&corpus, "logstash__netflow-9-cisco-asa-2");
    let octets = 844 + 6288 + 9156 + 5617 + 14_248 + 14_247 + 956 + 14_247;
    assert_eq!(flows.bytes.iter().sum::<u64>(), octets);
}

/// One row, by hand: start, end, sampling rate and where it came from.
fn check_row(corpus: &Path, name: &str, row: usize, start_ms: i64, end_ms: i64, rate: u64, source: SamplingSource) {
    let columns = columns_of(corpus, name);
    assert_eq!((columns.start_ms[row], columns.end_ms[row]), (start_ms, end_ms), "{name}, row {row}");
    assert_eq!((columns.sampling_rate[row], columns.sampling_source[row]), (rate, source as u8), "{name}, row {row}");
}

#[test]
fn rows_by_hand() {
    use SamplingSource::{Header, None as Nobody, Option as Announced};
    let Some(corpus) = captures::corpus() else { return };
    let check =
        |name: &str, row, start_ms, end_ms, rate, source| check_row(&corpus, name, row, start_ms, end_ms, rate, source);
    let received_ms = captures::RECEIVED_MS;
    // Uptime 90003000 at 1666354081 s and 0 ns; first 86400660, last 86403316.
    check("telegraf__netflow-v5-example", 0, 1_666_350_478_660, 1_666_350_481_316, 1, Nobody);
    // Sampling field 1000, mode 0; uptime 51469784 at 1544476581 s and 0 ns; first 51402145, last 51433264.
    check("vflow__v5", 0, 1_544_476_513_361, 1_544_476_544_480, 1000, Header);
    // Uptime 1704770673 at 1481018964 s; first and last 1704740613.
    check("logstash__netflow-9-cisco-asr-9000-series-template-260", 0, 1_481_018_933_940, 1_481_018_933_940, 1, Nobody);
    // Uptime 400418 at 1440544201 s; first and last 55520. One in 100, announced for interface 0 in the same datagram.
    check("logstash__netflow-9-invalid-01", 0, 1_440_543_856_102, 1_440_543_856_102, 100, Announced);
    // A flow with its start, and the time of the event.
    check("logstash__netflow-9-cisco-asa-2", 0, 1_469_109_032_955, 1_469_109_033_015, 1, Nobody);
    check("logstash__ipfix-procera", 0, 1_523_762_810_000, 1_523_762_942_000, 1, Nobody);
    // NTP timestamps.
    check("logstash__ipfix-netscaler-with-variable-length-fields", 0, 1_478_866_159_000, 1_478_866_159_000, 1, Nobody);
    // Uptimes 8464760 ms and 178 ms later before the announced start 1585735165729; its export time is in 1994.
    check("bitkeks-netflow__ipfix-softflowd", 0, 1_585_726_700_969, 1_585_726_701_147, 1, Announced);
    // Uptimes, and nothing says since when.
    check("logstash__ipfix-mikrotik-routeros-6-39-2", 0, received_ms, received_ms, 1, Nobody);
}
