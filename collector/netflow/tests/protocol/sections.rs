//! Beginnings of packets in records: dataLinkFrameSection, ipHeaderPacketSection and the label stack.

use netflow::{Event, FlowColumns};

use crate::{Decoded, FieldSpec, iana, v4};

/// 10.0.0.1:1000 to 10.0.0.2:80, TCP with SYN, TOS 0xb8, 60 octets by its header.
const PACKET: [u8; 34] = [
    0x45, 0xb8, 0, 60, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, //
    3, 232, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2,
];

/// Ethernet with a VLAN tag.
const LINK: [u8; 18] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 100, 8, 0];

fn flows(fields: &[FieldSpec], values: &[&[u8]]) -> FlowColumns {
    Decoded::of_fields(fields, &values.concat()).tables.flows
}

fn check_packet(name: &str, flows: &FlowColumns, bytes: u64) {
    assert_eq!((flows.src_addr[0], flows.dst_addr[0]), (v4(10, 0, 0, 1), v4(10, 0, 0, 2)), "{name}");
    assert_eq!((flows.src_port[0], flows.dst_port[0], flows.protocol[0]), (1000, 80, 6), "{name}");
    assert_eq!((flows.tos[0], flows.tcp_flags[0]), (0xb8, 2), "{name}");
    assert_eq!((flows.bytes[0], flows.packets[0]), (bytes, 1), "{name}");
}

#[test]
fn of_the_link_layer() {
    let frame = [&LINK[..], &PACKET].concat();
    let found = flows(&[iana(315, 52)], &[&frame]);
    check_packet("of fixed length", &found, 60);
    assert_eq!((found.src_mac[0], found.dst_mac[0], found.src_vlan[0]), (0x0200_0000_0001, 0x0200_0000_0002, 100));
    check_packet("in the element before it", &flows(&[iana(104, 52)], &[&frame]), 60);
    check_packet("with the frame's length", &flows(&[iana(312, 2), iana(315, 52)], &[&[0, 78], &frame]), 78);
    let variable = [&[52][..], &frame].concat();
    let both = flows(&[iana(315, 65_535), iana(10, 1)], &[&variable, &[3], &variable, &[4]]);
    check_packet("of variable length", &both, 60);
    assert_eq!((both.in_if.as_slice(), both.src_port.as_slice()), (&[3, 4][..], &[1000, 1000][..]));
    let many = [&variable[..], &[3]].concat().repeat(100);
    let many = flows(&[iana(315, 65_535), iana(10, 1)], &[&many]);
    assert_eq!((many.len(), many.dst_port[99], many.src_vlan[99]), (100, 80, 100));
    let broken = flows(&[iana(315, 4)], &[&[1, 2, 3, 4]]);
    assert_eq!((broken.src_addr[0], broken.bytes[0], broken.packets[0]), ([0; 16], 0, 1));
}

#[test]
fn what_cannot_be_opened_is_counted() {
    let arp = [&LINK[..16], &[8, 6], &[0; 28]].concat();
    let found = Decoded::of_fields(&[iana(315, 46)], &[&arp[..], &arp].concat());
    assert_eq!((found.tables.flows.len(), found.report.get(Event::UnopenedArp)), (2, 2));
}

#[test]
fn of_the_network_layer() {
    check_packet("IPv4", &flows(&[iana(313, 34)], &[&PACKET]), 60);
    check_packet("with its length", &flows(&[iana(224, 8), iana(313, 34)], &[&[0, 0, 0, 0, 0, 0, 0, 61], &PACKET]), 61);
    let counted = flows(&[iana(1, 1), iana(2, 1), iana(7, 2), iana(313, 34)], &[&[9, 2, 0, 7], &PACKET]);
    assert_eq!((counted.bytes[0], counted.packets[0], counted.src_port[0]), (9, 2, 7), "the record counts");
    assert_eq!(counted.dst_port[0], 80);
    let zero = flows(&[iana(1, 1), iana(313, 34)], &[&[0], &PACKET]);
    assert_eq!(zero.bytes[0], 0, "a counter of zero is one");
    // IPv4 in IPv4: the inner packet is the flow, the outer one has the octets.
    let mut outer = PACKET;
    outer[3] = 80;
    outer[9] = 4;
    let tunnel = [&outer[..20], &PACKET].concat();
    check_packet("a tunnel", &flows(&[iana(313, 54)], &[&tunnel]), 80);
}

#[test]
fn label_stacks() {
    let stack = [0, 1, 0, 64, 0x18, 0x6a, 0x01, 64];
    assert_eq!(flows(&[iana(316, 8)], &[&stack]).mpls_labels.get(0), [16, 100_000]);
    let two = flows(&[iana(316, 4), iana(4, 1)], &[&[0, 1, 1, 64, 6], &[0, 2, 1, 64, 6]]);
    assert_eq!((two.mpls_labels.get(0), two.mpls_labels.get(1)), (&[16][..], &[32][..]));
}
