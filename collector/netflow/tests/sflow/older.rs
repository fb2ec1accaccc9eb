//! sFlow versions 2 and 4, whose samples and records have no lengths (RFC 3176).

use netflow::{Event, FlowColumns, Report, Tables};

use crate::carriers::{inner, inner_6};
use crate::encoder::{gateway, interface_counters, ipv4_numbers, ipv6_numbers, opaque, router, switch, words};
use crate::frames::{IPV4, IPV6, checked, ethernet, udp};
use crate::malformed::agree;
use crate::tshark::tshark;
use crate::{EXPORTER, address, columns, received};

/// A datagram of 198.51.100.7.
pub(crate) fn datagram(version: u32, samples: &[Vec<u8>]) -> Vec<u8> {
    counted(version, u32::try_from(samples.len()).expect("few"), samples)
}

fn counted(version: u32, count: u32, samples: &[Vec<u8>]) -> Vec<u8> {
    [words(&[version, 1]), vec![198, 51, 100, 7], words(&[77, 100_000, count]), samples.concat()].concat()
}

/// A flow sample of interface 7 with a packet, and structures of what is beside it.
fn flow(output: u32, packet: &[u8], beside: &[Vec<u8>]) -> Vec<u8> {
    let count = u32::try_from(beside.len()).expect("few");
    [words(&[1, 5, 7, 512, 1_000_000, 0, 7, output]), packet.to_vec(), words(&[count]), beside.concat()].concat()
}

fn header(frame: &[u8]) -> Vec<u8> {
    [words(&[1, 1, u32::try_from(frame.len() + 4).expect("short")]), opaque(frame)].concat()
}

/// A structure of version 5 as it is in these: behind another number, without length.
fn bare(kind: u32, structure: &[u8]) -> Vec<u8> {
    [&words(&[kind]), &structure[8..]].concat()
}

/// The BGP route of version 4 has no next hop, that of version 2 no segments, communities and preference either.
fn route(version: u32) -> Vec<u8> {
    match version {
        2 => words(&[3, 64_500, 64_501, 64_502, 2, 64_502, 64_510]),
        _ => [words(&[3]), gateway(&[(2, &[64_502, 64_510])])[8 + 20..].to_vec()].concat(),
    }
}

fn users() -> Vec<u8> {
    [words(&[4]), opaque(b"alice"), opaque(b"bob")].concat()
}

fn url() -> Vec<u8> {
    [words(&[5, 1]), opaque(b"http://example.net")].concat()
}

/// Counters of this version of the structure, with as many bytes of those of the link.
fn counter(kind: u32, more: usize) -> Vec<u8> {
    let generic = if kind == 7 { Vec::new() } else { interface_counters()[8..].to_vec() };
    [words(&[2, 5, 7, 30, kind]), generic, vec![9; more]].concat()
}

/// Samples of every kind.
pub(crate) fn all(version: u32) -> Vec<Vec<u8>> {
    vec![
        flow(
            9,
            &header(&ethernet(IPV4, &inner())),
            &[bare(1, &switch(100, 200)), bare(2, &router()), route(version), users(), url()],
        ),
        counter(2, 52),
        flow(0x8000_000a, &bare(2, &ipv4_numbers()), &[]),
        counter(7, 28),
        flow(0x4000_0001, &bare(3, &ipv6_numbers()), &[url()]),
        flow(9, &header(&ethernet(IPV6, &inner_6())), &[bare(2, &router())]),
    ]
}

#[test]
fn every_column() {
    for version in [2, 4] {
        let (columns, report) = columns(&datagram(version, &all(version)));
        assert_eq!((columns.len(), report.malformed()), (4, 0), "version {version}: {report:?}");
        check(version, &columns, &report);
    }
}

fn check(version: u32, columns: &FlowColumns, report: &Report) {
    assert_eq!(u32::from(columns.version[0]), 100 + version);
    assert_eq!((columns.exporter[0], columns.domain[0], columns.sampling_rate[0]), (EXPORTER, 0, 512));
    let found = |row: usize| (columns.src_addr[row], columns.dst_port[row], columns.in_if[row], columns.out_if[row]);
    assert_eq!(found(0), (address("10.0.0.3"), 443, 7, 9));
    assert_eq!(found(1), (address("203.0.113.1"), 53, 7, 0), "to ten interfaces");
    assert_eq!(found(2), (address("2001:db8::1"), 443, 7, 0x4000_0001), "no bit of it says that it was discarded");
    assert_eq!(found(3), (address("fd00::3"), 443, 7, 9));
    assert_eq!((columns.bytes[0], columns.bytes[1], columns.forwarding_status[2]), (58, 500, 0));
    assert_eq!((columns.src_vlan[0], columns.dst_vlan[0], columns.user_name.get(0)), (100, 200, "alice"));
    assert_eq!((columns.next_hop[0], columns.src_prefix_len[0]), (address("192.0.2.254"), 24));
    assert_eq!((columns.src_as[0], columns.dst_as[0]), (64_501, 64_510));
    assert_eq!((report.get(Event::FlowSample), report.get(Event::CounterSample)), (4, 2));
    assert_eq!((report.get(Event::InterfaceCounters), report.get(Event::SampleRecordUnknown)), (1, 0));
}

#[test]
fn counters_of_every_kind_of_link() {
    for (kind, more) in [(1, 0), (2, 52), (3, 72), (4, 0), (5, 80), (6, 0), (7, 28)] {
        let samples = [counter(kind, more), flow(9, &header(&ethernet(IPV4, &inner())), &[])];
        let (mut tables, mut report) = (Tables::default(), Report::default());
        let payload = datagram(4, &samples);
        netflow::decode(&received(&payload), &mut netflow::MapStore::default(), &mut tables, &mut report);
        assert_eq!((tables.flows.len(), report.malformed()), (1, 0), "{kind}");
        assert_eq!(tables.interface_counters.len(), usize::from(kind != 7), "{kind}");
    }
}

#[track_caller]
fn check_end(name: &str, payload: &[u8], event: Event, rows: usize) {
    let (columns, report) = columns(payload);
    assert_eq!((columns.len(), report.get(event)), (rows, 1), "{name}: {report:?}");
    agree(payload);
}

#[test]
fn what_is_not_known_ends_the_datagram() {
    let sound = || flow(9, &header(&ethernet(IPV4, &inner())), &[]);
    let unknown = flow(9, &header(&ethernet(IPV4, &inner())), &[words(&[6, 1, 2, 3])]);
    for event in [Event::SampleRecordUnknown, Event::SamplesUnreachable] {
        check_end("something beside the packet", &datagram(4, &[sound(), unknown.clone(), sound()]), event, 2);
    }
    check_end("the last one", &datagram(4, &[sound(), unknown]), Event::SampleRecordUnknown, 2);
    check_end("a packet", &datagram(4, &[flow(9, &words(&[4]), &[]), sound()]), Event::SampleRecordUnknown, 1);
    check_end("a sample", &datagram(4, &[words(&[3, 1, 2]), sound()]), Event::SampleUnknown, 0);
    check_end("counters", &datagram(4, &[counter(8, 0), sound()]), Event::SamplesUnreachable, 0);
}

#[test]
fn each_fault_has_its_name() {
    let sound = || flow(9, &header(&ethernet(IPV4, &inner())), &[]);
    check_end("fewer samples than counted", &counted(4, 3, &[sound(), sound()]), Event::SamplesMissing, 2);
    check_end("more samples than counted", &counted(2, 1, &[sound(), sound()]), Event::TrailingBytes, 1);
    check_end("a million samples", &counted(4, u32::MAX, &[sound()]), Event::SamplesMissing, 1);
    check_end("half a sample", &datagram(4, &[sound(), sound()[..24].to_vec()]), Event::SampleTruncated, 1);
    let lying = [words(&[1, 1, 64, 900]), ethernet(IPV4, &inner())].concat();
    check_end("a header past the end", &datagram(4, &[flow(9, &lying, &[])]), Event::SampleRecordTruncated, 1);
    let many = [words(&[1, 5, 7, 512, 9, 0, 7, 9]), header(&inner()), words(&[u32::MAX])].concat();
    check_end("a million structures", &datagram(4, &[many]), Event::SampleRecordTruncated, 1);
    check_end("an agent of type 3", &words(&[4, 3, 0, 0, 0, 0, 0]), Event::AgentAddressUnknown, 0);
    check_end("half a header", &words(&[4, 1, 0, 0]), Event::HeaderTruncated, 0);
}

#[test]
fn cut_and_changed_anywhere() {
    for version in [2, 4] {
        let payload = datagram(version, &all(version));
        for length in 0..payload.len() {
            agree(&payload[..length]);
        }
        for index in 4..payload.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = payload.clone();
                changed[index] = value;
                agree(&changed);
            }
        }
    }
}

/// Of several samples `tshark` shows the last packet's addresses, which it finds only if it steps over all before as is done here.
#[test]
fn tshark_reads_the_same() {
    for version in [2, 4] {
        let mut samples = all(version);
        let expected = ["10.0.0.3", "10.0.0.4", "", "", "40000", "443"];
        samples.push(flow(9, &header(&ethernet(IPV4, &inner())), &[]));
        // What tshark makes of names in these versions is that of version 5.
        samples[0] = flow(
            9,
            &header(&ethernet(IPV4, &inner())),
            &[bare(1, &switch(100, 200)), bare(2, &router()), route(version)],
        );
        samples.retain(|sample| !sample.windows(4).any(|bytes| bytes == b"http"));
        samples.retain(|sample| sample.windows(2).all(|bytes| bytes != [0xfd, 0]));
        let payload = datagram(version, &samples);
        let frame = ethernet(IPV4, &checked([1, 2], 17, &udp(6343, &payload)));
        let Some(found) = tshark(1, &[&frame]) else { return };
        assert_eq!(found, [expected], "version {version}");
    }
}
