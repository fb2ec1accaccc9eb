//! Each information element reaches its column, in every length it may have.

use netflow::FlowColumns;

use crate::encoder::{self, FieldOf};
use crate::{Decoded, v4};

/// One record in NetFlow v9 and in IPFIX: what `cell` gives of its row.
fn check<T: PartialEq + std::fmt::Debug>(
    name: &str,
    fields: &[FieldOf],
    data: &[u8],
    cell: impl Fn(&FlowColumns) -> Vec<T>,
    expected: T,
) {
    for (version, decoded) in [(9, Decoded::of_v9(fields, data)), (10, Decoded::of_ipfix(fields, data))] {
        let cells = cell(&decoded.tables.flows);
        assert_eq!(cells.first(), Some(&expected), "{name} in version {version}");
        assert_eq!(cells.len(), 1, "{name} in version {version}");
    }
}

#[test]
fn addresses() {
    let six = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let four = [192, 0, 2, 9];
    let mapped = v4(192, 0, 2, 9);
    check("source IPv4", &[(8, 4)], &four, |c| c.src_addr.to_vec(), mapped);
    check("source IPv6", &[(27, 16)], &six, |c| c.src_addr.to_vec(), six);
    check("destination IPv4", &[(12, 4)], &four, |c| c.dst_addr.to_vec(), mapped);
    check("destination IPv6", &[(28, 16)], &six, |c| c.dst_addr.to_vec(), six);
    check("source prefix", &[(44, 4)], &four, |c| c.src_addr.to_vec(), mapped);
    check("destination IPv6 prefix", &[(169, 16)], &six, |c| c.dst_addr.to_vec(), six);
    check("next hop", &[(15, 4)], &four, |c| c.next_hop.to_vec(), mapped);
    check("IPv6 next hop", &[(62, 16)], &six, |c| c.next_hop.to_vec(), six);
    check("BGP next hop", &[(18, 4)], &four, |c| c.bgp_next_hop.to_vec(), mapped);
    check("IPv6 BGP next hop", &[(63, 16)], &six, |c| c.bgp_next_hop.to_vec(), six);
    check("source after NAT", &[(225, 4)], &four, |c| c.post_nat_src_addr.to_vec(), mapped);
    check("IPv6 destination after NAT", &[(282, 16)], &six, |c| c.post_nat_dst_addr.to_vec(), six);
    check("address of three bytes", &[(8, 3), (4, 1)], &[1, 2, 3, 6], |c| c.src_addr.to_vec(), [0; 16]);
    let both = [&[0; 4][..], &six].concat();
    check("IPv6 where the IPv4 form is empty", &[(8, 4), (27, 16)], &both, |c| c.src_addr.to_vec(), six);
    let both = [&four[..], &[0; 16]].concat();
    check("IPv4 where the IPv6 form is empty", &[(8, 4), (27, 16)], &both, |c| c.src_addr.to_vec(), mapped);
    let both = [&[10, 0, 0, 0][..], &four].concat();
    check("address before prefix", &[(44, 4), (8, 4)], &both, |c| c.src_addr.to_vec(), mapped);
}

#[test]
fn numbers() {
    check("source port", &[(7, 2)], &[1, 0xbb], |c| c.src_port.to_vec(), 443);
    check("TCP source port", &[(182, 2)], &[1, 0xbb], |c| c.src_port.to_vec(), 443);
    check("destination port", &[(11, 2)], &[0, 53], |c| c.dst_port.to_vec(), 53);
    check("UDP destination port", &[(181, 2)], &[0, 53], |c| c.dst_port.to_vec(), 53);
    check("protocol", &[(4, 1)], &[17], |c| c.protocol.to_vec(), 17);
    check("TOS", &[(5, 1)], &[0xb8], |c| c.tos.to_vec(), 0xb8);
    check("DSCP", &[(195, 1)], &[46], |c| c.tos.to_vec(), 0xb8);
    check("TOS before DSCP", &[(195, 1), (5, 1)], &[46, 1], |c| c.tos.to_vec(), 1);
    check("TCP flags in one byte", &[(6, 1)], &[0x1b], |c| c.tcp_flags.to_vec(), 0x1b);
    check("TCP flags in two bytes", &[(6, 2)], &[1, 0x1b], |c| c.tcp_flags.to_vec(), 0x11b);
    check("input interface", &[(10, 4)], &[0x3f, 0xff, 0xff, 0xff], |c| c.in_if.to_vec(), 0x3fff_ffff);
    check("input interface in two bytes", &[(10, 2)], &[0, 9], |c| c.in_if.to_vec(), 9);
    check("physical interface", &[(252, 4)], &[0, 0, 0, 9], |c| c.in_if.to_vec(), 9);
    check("output interface in three bytes", &[(14, 3)], &[1, 0, 9], |c| c.out_if.to_vec(), 65_545);
    check("source AS", &[(16, 4)], &[0, 3, 0, 1], |c| c.src_as.to_vec(), 196_609);
    check("destination AS", &[(17, 2)], &[0xfd, 0xe8], |c| c.dst_as.to_vec(), 65_000);
    check("source prefix length", &[(9, 1)], &[24], |c| c.src_prefix_len.to_vec(), 24);
    check("IPv6 destination prefix length", &[(30, 1)], &[64], |c| c.dst_prefix_len.to_vec(), 64);
    check("VLAN", &[(58, 2)], &[0, 100], |c| c.src_vlan.to_vec(), 100);
    check("802.1Q VLAN", &[(243, 2)], &[0, 100], |c| c.src_vlan.to_vec(), 100);
    check("post VLAN", &[(59, 2)], &[0, 101], |c| c.dst_vlan.to_vec(), 101);
    check("source MAC", &[(56, 6)], &[2, 0, 0, 0, 0, 1], |c| c.src_mac.to_vec(), 0x0200_0000_0001);
    check("destination MAC", &[(80, 6)], &[2, 0, 0, 0, 0, 2], |c| c.dst_mac.to_vec(), 0x0200_0000_0002);
    check("post destination MAC", &[(57, 6)], &[2, 0, 0, 0, 0, 3], |c| c.dst_mac.to_vec(), 0x0200_0000_0003);
    check("ingress", &[(61, 1)], &[0], |c| c.direction.to_vec(), 1);
    check("egress", &[(61, 1)], &[1], |c| c.direction.to_vec(), 2);
    check("neither direction", &[(61, 1)], &[255], |c| c.direction.to_vec(), 0);
    check("flow end reason", &[(136, 1)], &[3], |c| c.flow_end_reason.to_vec(), 3);
    check("ingress VRF", &[(234, 4)], &[0x60, 0, 0, 1], |c| c.ingress_vrf.to_vec(), 0x6000_0001);
    check("egress VRF", &[(235, 4)], &[0x60, 0, 0, 2], |c| c.egress_vrf.to_vec(), 0x6000_0002);
    check("source port after NAPT", &[(227, 2)], &[4, 1], |c| c.post_nat_src_port.to_vec(), 1025);
    check("destination port after NAPT", &[(228, 2)], &[4, 2], |c| c.post_nat_dst_port.to_vec(), 1026);
    check("forwarded", &[(89, 1)], &[0x40], |c| c.forwarding_status.to_vec(), 0x40);
    check("forwarded in four bytes", &[(89, 4)], &[0, 0, 0, 0x42], |c| c.forwarding_status.to_vec(), 0x42);
    check("forwarded, first of four", &[(89, 4)], &[0x42, 0, 0, 0], |c| c.forwarding_status.to_vec(), 0x42);
}

#[test]
fn counters_in_every_length() {
    let wire = [1, 2, 3, 4, 5, 6, 7, 8];
    for length in 1..=8_u16 {
        let bytes = &wire[..usize::from(length)];
        let expected = bytes.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
        check("octets", &[(1, length)], bytes, |c| c.bytes.to_vec(), expected);
        check("packets", &[(2, length)], bytes, |c| c.packets.to_vec(), expected);
    }
    check("a counter of nine bytes", &[(1, 9)], &[1; 9], |c| c.bytes.to_vec(), 0);
    check("total octets", &[(85, 4)], &[0, 0, 1, 0], |c| c.bytes.to_vec(), 256);
    check("octets before total", &[(85, 2), (1, 2)], &[0, 9, 0, 5], |c| c.bytes.to_vec(), 5);
    check("octets after the metering point", &[(23, 2)], &[0, 9], |c| c.bytes.to_vec(), 9);
    check("initiator's octets", &[(231, 2)], &[0, 9], |c| c.bytes.to_vec(), 9);
    check("initiator's packets", &[(298, 2)], &[0, 8], |c| c.packets.to_vec(), 8);
    check("layer 2 octets", &[(352, 2)], &[0, 9], |c| c.bytes.to_vec(), 9);
    check("the first of a repeated element", &[(1, 1), (1, 1)], &[4, 5], |c| c.bytes.to_vec(), 4);
}

#[test]
fn icmp() {
    let both = |c: &FlowColumns| c.icmp_type.iter().copied().zip(c.icmp_code.iter().copied()).collect::<Vec<_>>();
    check("type and code of IPv4", &[(32, 2)], &[3, 1], both, (3, 1));
    check("type and code of IPv6", &[(139, 2)], &[128, 0], both, (128, 0));
    check("type and code apart", &[(176, 1), (177, 1)], &[3, 4], both, (3, 4));
    check("type and code of IPv6 apart", &[(179, 1), (178, 1)], &[4, 1], both, (1, 4));
    check("in the destination port", &[(4, 1), (11, 2)], &[1, 8, 0], both, (8, 0));
    check("ICMPv6 in the destination port", &[(4, 1), (11, 2)], &[58, 135, 0], both, (135, 0));
    check("not in the port of TCP", &[(4, 1), (11, 2)], &[6, 8, 0], both, (0, 0));
    check("an element before the port", &[(4, 1), (11, 2), (32, 2)], &[1, 8, 0, 3, 3], both, (3, 3));
}

#[test]
fn labels() {
    let stack = |c: &FlowColumns| c.mpls_labels.get(0).to_vec();
    let data = [0, 0x01, 0x00, 0x18, 0x6a, 0x01, 0, 0, 0];
    for decoded in
        [Decoded::of_v9(&[(70, 3), (71, 3), (72, 3)], &data), Decoded::of_ipfix(&[(70, 3), (71, 3), (72, 3)], &data)]
    {
        assert_eq!(stack(&decoded.tables.flows), [16, 100_000]);
    }
    let out_of_order = Decoded::of_v9(&[(71, 3), (70, 3)], &[0, 0, 0x21, 0, 0, 0x10]);
    assert_eq!(stack(&out_of_order.tables.flows), [1, 2], "the top of the stack comes first");
    let explicit_null = Decoded::of_v9(&[(70, 3), (71, 3)], &[0, 0, 1, 0, 0, 0]);
    assert_eq!(stack(&explicit_null.tables.flows), [0], "label 0 at the bottom of the stack");
    let none = Decoded::of_v9(&[(1, 4)], &[0; 4]);
    assert!(stack(&none.tables.flows).is_empty());
}

#[test]
fn variable_length_fields_move_the_rest() {
    let fields = [(82, 65_535), (7, 2), (96, 65_535), (70, 3), (95, 65_535), (1, 4)];
    let long = [&[255, 1, 4][..], &[b'x'; 260]].concat();
    let record = |interface: &[u8], name: &str| {
        let name = [&[u8::try_from(name.len()).expect("short")], name.as_bytes()].concat();
        [interface, &[1, 0xbb], &name, &[0, 0x10, 1], &[4, 13, 0, 1, 0xc7], &[0, 0, 2, 0]].concat()
    };
    let records = [record(&[0], "dns"), record(&[3, b'e', b't', b'h'], ""), record(&long, "ssl\0")].concat();
    let many: Vec<u8> = records.repeat(30);
    for decoded in [Decoded::of_ipfix(&fields, &many), Decoded::of_v9(&fields, &many)] {
        let columns = &decoded.tables.flows;
        assert_eq!(columns.len(), 90, "records are decoded in groups, and none is lost between");
        for row in 0..90 {
            assert_eq!((columns.src_port[row], columns.bytes[row]), (443, 512), "row {row}");
            assert_eq!(columns.application_id[row], 0x0d00_01c7, "row {row}");
            assert_eq!(columns.mpls_labels.get(row), [256], "row {row}");
            assert_eq!(columns.application_name.get(row), ["dns", "", "ssl"][row % 3], "row {row}");
        }
    }
}

#[test]
fn constants_of_the_message() {
    let mut decoded = Decoded::of_ipfix(&[(4, 1)], &[6, 17]);
    let columns = &decoded.tables.flows;
    assert_eq!(columns.received_ms, [encoder::RECEIVED_MS; 2]);
    assert_eq!(columns.exporter, [encoder::EXPORTER; 2]);
    assert_eq!((&columns.domain[..], &columns.version[..]), (&[7, 7][..], &[10, 10][..]));
    assert_eq!(columns.template_id, [256; 2]);
    decoded.feed(&encoder::v5(0, &[[0; 48]]));
    let columns = &decoded.tables.flows;
    assert_eq!((columns.domain[2], columns.version[2], columns.template_id[2]), (0x0102, 5, 0));
    assert_eq!(columns.len(), 3);
    assert_eq!(columns.application_name.keys().len(), 3);
    assert_eq!(columns.mpls_labels.ends.len(), 3);
}

/// Bytes 36 to 47 are where the layouts differ.
#[test]
fn layouts_without_templates() {
    let mut record = [0; 52];
    record[..4].copy_from_slice(&[192, 0, 2, 9]);
    record[16..24].copy_from_slice(&[0, 0, 0, 3, 0, 0, 2, 0]);
    record[32..36].copy_from_slice(&[1, 0xbb, 0, 53]);
    record[36..48].copy_from_slice(&[0, 0, 6, 0xb8, 0x1b, 0, 0, 0, 0, 0, 0, 0]);
    let shorter = |record: &[u8; 52]| record[..48].try_into().expect("48 bytes");
    let mut decoded = Decoded::of(encoder::v1(&[shorter(&record)]));
    record[36..48].copy_from_slice(&[0, 0x1b, 6, 0xb8, 0xfd, 0xe8, 0, 9, 24, 16, 0, 0]);
    decoded.feed(&encoder::v5(0, &[shorter(&record)])).feed(&encoder::v7(&[record]));
    let columns = &decoded.tables.flows;
    assert_eq!(columns.version, [1, 5, 7]);
    assert_eq!((&columns.domain[..], &columns.template_id[..]), (&[0, 0x0102, 0][..], &[0; 3][..]));
    assert_eq!(columns.src_addr, [v4(192, 0, 2, 9); 3]);
    assert_eq!((&columns.packets[..], &columns.bytes[..]), (&[3; 3][..], &[512; 3][..]));
    assert_eq!((&columns.src_port[..], &columns.dst_port[..]), (&[443; 3][..], &[53; 3][..]));
    assert_eq!((&columns.protocol[..], &columns.tos[..]), (&[6; 3][..], &[0xb8; 3][..]));
    assert_eq!(columns.tcp_flags, [0x1b; 3]);
    assert_eq!((&columns.src_as[..], &columns.dst_as[..]), (&[0, 65_000, 65_000][..], &[0, 9, 9][..]));
    assert_eq!((&columns.src_prefix_len[..], &columns.dst_prefix_len[..]), (&[0, 24, 24][..], &[0, 16, 16][..]));
}

#[test]
fn asa_translations() {
    let fields = [(40_001, 4), (40_002, 4), (40_003, 2), (40_004, 2)];
    let decoded = Decoded::of_v9(&fields, &[192, 0, 2, 9, 192, 0, 2, 8, 4, 1, 4, 2]);
    let columns = &decoded.tables.flows;
    assert_eq!((columns.post_nat_src_addr[0], columns.post_nat_dst_addr[0]), (v4(192, 0, 2, 9), v4(192, 0, 2, 8)));
    assert_eq!((columns.post_nat_src_port[0], columns.post_nat_dst_port[0]), (1025, 1026));
}
