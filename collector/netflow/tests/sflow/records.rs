//! What the records of flow samples and the samples themselves put into columns.

use netflow::columns::SamplingSource;
use netflow::{Event, FlowColumns};

use crate::encoder::{
    RATE, counter, counter_expanded, datagram, dropped, ethernet_numbers, flow, flow_between, flow_expanded, gateway,
    header, interface_counters, ipv4_numbers, ipv6_numbers, router, structure, switch, words,
};
use crate::frames::{IPV4, ethernet, ipv4, tagged, tcp};
use crate::{EXPORTER, RECEIVED_MS, address, columns};

/// One flow sample with these records.
fn of(records: &[Vec<u8>]) -> FlowColumns {
    let (columns, report) = columns(&datagram(&[flow(records)]));
    assert_eq!((columns.len(), report.malformed()), (1, 0), "{report:?}");
    columns
}

fn packet() -> Vec<u8> {
    header(1, &ethernet(IPV4, &ipv4([1, 2], 6, &tcp(443))))
}

#[test]
fn constants_of_the_datagram() {
    let columns = of(&[packet()]);
    assert_eq!((columns.version[0], columns.template_id[0], columns.domain[0]), (105, 0, 3));
    assert_eq!(columns.exporter, [EXPORTER], "the source of the datagram");
    assert_eq!(columns.agents(), [address("198.51.100.7")], "the agent it names");
    let times = [columns.received_ms[0], columns.start_ms[0], columns.end_ms[0]];
    assert_eq!(times, [RECEIVED_MS; 3]);
    assert_eq!((columns.packets[0], columns.sampling_rate[0]), (1, u64::from(RATE)));
    assert_eq!(columns.sampling_source, [SamplingSource::Record as u8]);
}

/// Input, output, direction, forwarding status.
#[track_caller]
fn check_interfaces(name: &str, sample: Vec<u8>, expected: (u32, u32, u8, u8)) {
    let (columns, _) = columns(&datagram(&[sample]));
    let found = (columns.in_if[0], columns.out_if[0], columns.direction[0], columns.forwarding_status[0]);
    assert_eq!(found, expected, "{name}");
}

#[test]
fn interfaces() {
    const LOCAL: u32 = 0x3fff_ffff;
    const SOURCE: u32 = 0x0100_0007;
    check_interfaces("in by the sampler's", flow_between(7, 9, &[]), (7, 9, 1, 0));
    check_interfaces("out by the sampler's", flow_between(9, 7, &[]), (9, 7, 2, 0));
    check_interfaces("by others", flow_between(8, 9, &[]), (8, 9, 0, 0));
    check_interfaces("unknown to the exporter itself", flow_between(0, LOCAL, &[]), (0, LOCAL, 0, 0));
    check_interfaces("discarded, code 7", flow_between(7, 1 << 30 | 7, &[]), (7, 0, 1, 0x80));
    check_interfaces("to ten interfaces", flow_between(7, 2 << 30 | 10, &[]), (7, 0, 1, 0));
    check_interfaces("expanded", flow_expanded(RATE, [0, SOURCE], [0, 1 << 31], &[]), (SOURCE, 1 << 31, 1, 0));
    check_interfaces("expanded, local", flow_expanded(RATE, [0, 1], [0, LOCAL], &[]), (1, LOCAL, 0, 0));
    check_interfaces("expanded, discarded", flow_expanded(RATE, [0, 1], [1, SOURCE], &[]), (1, 0, 0, 0x80));
    check_interfaces("expanded, several", flow_expanded(RATE, [0, 1], [2, 3], &[]), (1, 0, 0, 0));
}

#[test]
fn a_rate_of_zero_is_refused() {
    let (columns, report) = columns(&datagram(&[flow_expanded(0, [0, 1], [0, 2], &[packet()])]));
    assert_eq!((columns.sampling_rate[0], columns.sampling_source[0]), (1, SamplingSource::None as u8));
    assert_eq!(report.get(Event::SamplingRateZero), 1);
}

#[test]
fn packets_in_numbers() {
    let columns = of(&[ipv4_numbers()]);
    assert_eq!((columns.src_addr[0], columns.dst_addr[0]), (address("203.0.113.1"), address("203.0.113.2")));
    assert_eq!((columns.protocol[0], columns.src_port[0], columns.dst_port[0], columns.tos[0]), (17, 5000, 53, 0xb8));
    assert_eq!(columns.bytes, [500]);
    let columns = of(&[ipv6_numbers()]);
    assert_eq!((columns.src_addr[0], columns.dst_addr[0]), (address("2001:db8::1"), address("2001:db8::2")));
    assert_eq!((columns.protocol[0], columns.dst_port[0], columns.tcp_flags[0]), (6, 443, 0x18));
    assert_eq!(columns.bytes, [1400]);
    let columns = of(&[ethernet_numbers()]);
    assert_eq!((columns.src_mac[0], columns.dst_mac[0]), (0x0200_0000_0001, 0x0200_0000_0002));
    assert_eq!(columns.bytes, [600]);
    // Octets are those of the frame, with a header or without.
    for records in [[ipv6_numbers(), ethernet_numbers()], [ethernet_numbers(), ipv6_numbers()]] {
        let columns = of(&records);
        assert_eq!((columns.bytes[0], columns.packets[0], columns.sampling_rate[0]), (600, 1, u64::from(RATE)));
    }
    for records in [[ipv4_numbers(), packet()], [packet(), ipv4_numbers()]] {
        let columns = of(&records);
        assert_eq!((columns.src_addr[0], columns.bytes[0]), (address("10.0.0.1"), 58), "the header counts first");
    }
    assert_eq!(of(&[]).bytes, [0], "a sample without a packet is a row too");
}

#[test]
fn switch_router_gateway() {
    let columns =
        of(&[packet(), switch(100, 200), router(), gateway(&[(2, &[64_502, 64_510]), (1, &[64_520, 64_530])])]);
    assert_eq!((columns.src_vlan[0], columns.dst_vlan[0]), (100, 200));
    assert_eq!((columns.next_hop[0], columns.bgp_next_hop[0]), (address("192.0.2.254"), address("2001:db8::9")));
    assert_eq!((columns.src_prefix_len[0], columns.dst_prefix_len[0]), (24, 19));
    assert_eq!((columns.src_as[0], columns.dst_as[0]), (64_501, 64_530));
    assert_eq!(of(&[gateway(&[])]).dst_as, [0], "an empty path has no end");
    assert_eq!(of(&[gateway(&[(2, &[64_502]), (2, &[])])]).dst_as, [64_502], "an empty segment has none either");
    let tag = header(1, &tagged(&[(0x88a8, 300), (0x8100, 400)], IPV4, &ipv4([1, 2], 6, &tcp(443))));
    assert_eq!(of(std::slice::from_ref(&tag)).src_vlan, [300], "the outer tag");
    assert_eq!(of(&[tag.clone(), switch(0, 0)]).src_vlan, [300], "a switch that knows no VLAN");
    assert_eq!(of(&[tag, switch(100, 200)]).src_vlan, [100], "a switch that does");
    assert_eq!(of(&[switch(u32::MAX, u32::MAX)]).dst_vlan, [0], "unknown");
}

#[test]
fn samples_without_a_row() {
    let all = [
        counter(&[interface_counters()]),
        flow(&[packet()]),
        counter_expanded(&[interface_counters()]),
        dropped(&[packet()]),
        structure(6, &[0; 40]),
        structure(4300 << 12 | 1, &[0; 40]),
        flow_expanded(
            RATE,
            [0, 1],
            [0, 2],
            &[packet(), structure(2209, &[0; 48]), structure(999, &[0; 12]), structure(1 << 12 | 1, &[0; 4])],
        ),
    ];
    let (columns, report) = columns(&datagram(&all));
    assert_eq!((columns.len(), columns.application_name.keys().len(), columns.mpls_labels.ends.len()), (2, 2, 2));
    let expected = [
        (Event::DatagramSflow, 1),
        (Event::FlowSample, 2),
        (Event::FlowRecord, 2),
        (Event::CounterSample, 2),
        (Event::DropSample, 1),
        (Event::InterfaceCounters, 2),
        (Event::SampleUnknown, 2),
        (Event::SampleRecordUnused, 1),
        (Event::SampleRecordUnknown, 2),
    ];
    for (event, count) in report.iter() {
        let expected = expected.iter().find(|(known, _)| *known == event).map_or(0, |(_, count)| *count);
        assert_eq!(count, expected, "{}", event.label());
    }
}

/// An agent by its type and bytes, and whose the row is.
#[test]
fn the_agent_is_the_device_where_there_is_one() {
    for (kind, bytes, expected) in [
        (1, &[198, 51, 100, 8][..], "198.51.100.8"),
        (2, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7], "2001:db8::7"),
        (1, &[192, 0, 2, 1], "192.0.2.1"),
        (0, &[], "192.0.2.1"),
        (1, &[0; 4], "192.0.2.1"),
        (2, &[0; 16], "192.0.2.1"),
    ] {
        let of_sub_agent = &datagram(&[flow(&[])])[12..];
        let payload = [&words(&[5, kind])[..], bytes, of_sub_agent].concat();
        let (columns, _) = columns(&payload);
        assert_eq!(
            (columns.agents(), &*columns.exporter),
            (&[address(expected)][..], &[EXPORTER][..]),
            "{kind} {bytes:?}"
        );
    }
}
