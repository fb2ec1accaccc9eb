//! Datagrams that break the protocol: each costs a counter with its name, and never what is sound beside it.

use netflow::neutral::{Names, sample_fields, sample_flow};
use netflow::{Event, sflow};

use crate::encoder::{
    counted, counter, datagram, dropped, flow, flow_expanded, gateway, header, interface_counters, ipv4_numbers,
    opaque, router, structure, switch, words,
};
use crate::frames::{IPV4, MPLS, ethernet, gre, ipv4, ipv6, mpls, tagged, tcp, udp, vxlan};
use crate::{columns, samples};

fn packet() -> Vec<u8> {
    header(1, &ethernet(IPV4, &ipv4([1, 2], 6, &tcp(443))))
}

#[track_caller]
fn check(name: &str, payload: &[u8], event: Event, rows: u64) {
    let (_, report) = columns(payload);
    assert_eq!(report.get(event), 1, "{name}: {report:?}");
    assert_eq!(report.flow_records(), rows, "{name}");
    agree(payload);
}

#[test]
fn each_fault_has_its_name() {
    let sound = || flow(&[packet()]);
    check("a header without an end", &datagram(&[])[..27], Event::HeaderTruncated, 0);
    check("a version alone", &words(&[5]), Event::HeaderTruncated, 0);
    check("an agent of type 3", &words(&[5, 3, 0, 0, 0, 0, 0, 0]), Event::AgentAddressUnknown, 0);
    check("sFlow version 3", &words(&[3, 1, 0, 0, 0, 0, 0]), Event::VersionUnknown, 0);
    check("fewer samples than counted", &counted(3, &[sound(), sound()]), Event::SamplesMissing, 2);
    check("a million samples counted", &counted(u32::MAX, &[sound()]), Event::SamplesMissing, 1);
    check("more samples than counted", &counted(1, &[sound(), sound()]), Event::TrailingBytes, 1);
    let lies = |length: u32| [sound(), words(&[1, length])].concat();
    check("a sample past the end", &counted(2, &[lies(8)]), Event::SampleTruncated, 1);
    check("a sample far past the end", &counted(2, &[lies(u32::MAX)]), Event::SampleTruncated, 1);
    check("half a sample header", &counted(2, &[sound(), words(&[1])]), Event::SampleTruncated, 1);
    check("a sample of nothing", &datagram(&[structure(1, &[]), sound()]), Event::SampleTooShort, 1);
    check("a sample of seven words", &datagram(&[structure(1, &words(&[0; 7])), sound()]), Event::SampleTooShort, 1);
    check("a counter sample of two words", &datagram(&[structure(2, &words(&[0; 2]))]), Event::SampleTooShort, 0);
    let counts =
        |count: u32, records: &[u8]| structure(1, &[&words(&[1, 7, 9, 9, 9, 7, 9, count])[..], records].concat());
    check("more records than there are", &datagram(&[counts(u32::MAX, &packet())]), Event::SampleRecordTruncated, 1);
    check(
        "a record past its sample",
        &datagram(&[counts(1, &words(&[1, 99, 0])), sound()]),
        Event::SampleRecordTruncated,
        2,
    );
    let short = |record: Vec<u8>| datagram(&[flow(&[record, router()]), sound()]);
    check("a packet header of three words", &short(structure(1, &words(&[1, 64, 4]))), Event::SampleRecordTooShort, 2);
    let lying = structure(1, &[words(&[1, 64, 4, 999]), ethernet(IPV4, &ipv4([1, 2], 6, &tcp(443)))].concat());
    check("a packet header longer than its record", &short(lying), Event::SampleRecordTooShort, 2);
    check("a switch of three words", &short(structure(1001, &words(&[1; 3]))), Event::SampleRecordTooShort, 2);
    check("a next hop of no type", &short(structure(1002, &words(&[9, 0, 0, 0]))), Event::SampleRecordTooShort, 2);
    let path =
        |segments: u32, numbers: u32| structure(1003, &words(&[0, 1, 2, 3, segments, 2, numbers, 64_500, 0, 100]));
    check("a path of too many segments", &short(path(u32::MAX, 1)), Event::SampleRecordTooShort, 2);
    check("a segment of too many numbers", &short(path(1, u32::MAX)), Event::SampleRecordTooShort, 2);
    check("a segment whose length wraps", &short(path(1, 0x4000_0001)), Event::SampleRecordTooShort, 2);
    assert_eq!(columns(&short(path(1, 1))).1.malformed(), 0, "but this one is sound");
}

#[test]
fn what_can_be_read_of_a_lying_packet_header_counts() {
    let lying = structure(1, &[words(&[1, 64, 4, 999]), ethernet(IPV4, &ipv4([1, 2], 6, &tcp(443)))].concat());
    let (columns, _) = columns(&datagram(&[flow(&[lying])]));
    assert_eq!((columns.dst_port[0], columns.bytes[0]), (443, 64));
}

/// Both ways of decoding give as many rows and count the same; all values can be shown.
pub(crate) fn agree(payload: &[u8]) {
    let (columns, column_report) = columns(payload);
    let mut flows = 0;
    let row_report = samples(payload, |sample| {
        flows += usize::from(sample.kind() == sflow::Kind::Flow);
        drop(sample_fields(&sample, Names::Vendors));
        drop(sample_flow(&sample));
    });
    assert_eq!(column_report.without_rows(), row_report.without_rows(), "{payload:02x?}");
    assert_eq!([columns.len(), columns.src_addr.len(), columns.egress_vrf.len()], [flows; 3], "{payload:02x?}");
    assert_eq!(column_report.flow_records(), flows as u64);
    assert_eq!([columns.application_name.keys().len(), columns.mpls_labels.ends.len()], [flows; 2]);
    assert!(columns.sampling_rate.iter().all(|rate| *rate > 0), "{payload:02x?}");
    assert!((0..flows).all(|row| columns.mpls_labels.get(row).len() <= 10), "{payload:02x?}");
    assert_eq!(columns.mpls_labels.values.len() as u64, columns.mpls_labels.ends.last().copied().unwrap_or(0));
}

/// Every datagram cut at every byte, and with every byte changed: the decoder ends, and both ways agree.
#[test]
fn cut_and_changed_anywhere() {
    let inner = ipv4([3, 4], 6, &tcp(443));
    let vlan =
        tagged(&[(0x88a8, 1), (0x8100, 2)], IPV4, &ipv4([1, 2], 17, &udp(4789, &vxlan(&ethernet(IPV4, &inner)))));
    let extension = [&[6, 0, 0, 0, 0, 0, 0, 0][..], &tcp(443)].concat();
    let datagrams = [
        datagram(&[flow(&[header(1, &vlan), switch(1, 2), router(), gateway(&[(2, &[1, 2]), (1, &[3])])])]),
        datagram(&[
            flow_expanded(
                9,
                [0, 1],
                [0, 2],
                &[header(1, &ethernet(MPLS, &mpls(&[1, 2], &ipv6([1, 2], 0, &extension))))],
            ),
            counter(&[interface_counters()]),
            dropped(&[header(11, &ipv4([1, 2], 47, &gre(0x2000, 4, IPV4, &inner))), structure(1037, &acl())]),
        ]),
        datagram(&[flow(&[ipv4_numbers(), structure(2000, &[1; 6])]), structure(77, &[0; 12])]),
        datagram(&[flow(&[
            header(1, &ethernet(IPV4, &inner)),
            structure(1004, &[words(&[106]), opaque(b"alice"), words(&[106]), opaque(b"b")].concat()),
            structure(1006, &words(&[1, 9, 2, 16, 17, 1, 18])),
            structure(1007, &words(&[1, 7, 1, 8])),
            structure(1012, &words(&[1, 0x8100_0005])),
            structure(1020, &words(&[1, 2])),
            structure(1027, &words(&[14])),
        ])]),
    ];
    for payload in &datagrams {
        for length in 0..payload.len() {
            agree(&payload[..length]);
        }
        // The first word decides about the protocol.
        for index in 4..payload.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = payload.clone();
                changed[index] = value;
                agree(&changed);
            }
        }
    }
}

fn acl() -> Vec<u8> {
    [words(&[5]), opaque(b"block"), words(&[1])].concat()
}

#[test]
fn output_is_bounded_by_the_datagram() {
    let many: Vec<Vec<u8>> = (0..1600).map(|_| flow(&[])).collect();
    let payload = counted(u32::MAX, &many);
    assert!(payload.len() > 64_000);
    assert_eq!(columns(&payload).0.len(), 1600);
    agree(&payload);
    let nested: Vec<Vec<u8>> = (0..8000).map(|_| structure(1, &[])).collect();
    assert!(columns(&datagram(&nested)).0.is_empty());
}
