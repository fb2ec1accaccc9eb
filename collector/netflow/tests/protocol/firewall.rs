//! What firewalls decide, and for whom; names of users and applications, interfaces and VRFs.

use netflow::FlowColumns;
use netflow::Text;

use crate::encoder::{self, FieldOf, set, template};
use crate::sampling::{ipfix_options_template, v9_options_template};
use crate::{Decoded, iana};

#[test]
fn events() {
    let of = |fields: &[FieldOf], data: &[u8]| {
        let flows = Decoded::of_v9(fields, data).tables.flows;
        (flows.firewall_event[0], flows.firewall_ext_event[0], flows.bytes[0])
    };
    assert_eq!(of(&[(233, 1)], &[1]), (1, 0, 0), "created");
    assert_eq!(of(&[(233, 1), (33_002, 2)], &[3, 3, 233]), (3, 1001, 0), "denied");
    assert_eq!(of(&[(233, 1), (33_002, 2), (231, 4)], &[2, 7, 238, 0, 0, 1, 0]), (2, 2030, 256), "torn down");
    assert_eq!(of(&[(40_005, 1)], &[5]), (5, 0, 0), "an update, before IANA's number");
    assert_eq!(of(&[(40_005, 1), (233, 1)], &[5, 2]), (2, 0, 0), "IANA's number counts");
    let ipfix = Decoded::of_fields(&[(9, 234, 2), (9, 7237, 1)], &[3, 233, 3]).tables.flows;
    assert_eq!((ipfix.firewall_event[0], ipfix.firewall_ext_event[0]), (3, 1001), "Cisco's in IPFIX");
}

#[test]
fn names_in_records() {
    let check = |name: &str, fields: &[FieldOf], data: &[u8], column: fn(&FlowColumns) -> &Text, expected: &str| {
        for decoded in [Decoded::of_v9(fields, data), Decoded::of_v9(fields, &data.repeat(100))] {
            let flows = &decoded.tables.flows;
            assert_eq!(column(flows).get(flows.len() - 1), expected, "{name}");
        }
    };
    check("ASA's user", &[(40_000, 8)], b"alice\0\0\0", |c| &c.user_name, "alice");
    check("Palo Alto's user", &[(56_702, 8)], b"bob\0\0\0\0\0", |c| &c.user_name, "bob");
    check("IANA's user", &[(371, 4)], b"eve\0", |c| &c.user_name, "eve");
    check("IANA's user counts", &[(40_000, 1), (371, 1)], b"ab", |c| &c.user_name, "b");
    check("Palo Alto's application", &[(56_701, 4)], b"ssl\0", |c| &c.application_name, "ssl");
    check("an interface", &[(82, 4)], b"eth0", |c| &c.in_if_name, "eth0");
    check("the second interface", &[(82, 4), (82, 4)], b"eth0eth1", |c| &c.out_if_name, "eth1");
    check("a VRF", &[(236, 3)], b"red", |c| &c.ingress_vrf_name, "red");
    check("the second VRF", &[(236, 3), (236, 4)], b"redblue", |c| &c.egress_vrf_name, "blue");
    check("of variable length", &[(371, 65_535), (4, 1)], b"\x05alice\x06", |c| &c.user_name, "alice");
    let nokia = Decoded::of_fields(&[(637, 93, 65_535), iana(1, 1)], b"\x04sub1\x09");
    assert_eq!(nokia.tables.flows.user_name.get(0), "sub1");
}

#[test]
fn names_from_options() {
    let interfaces = v9_options_template(300, &[(2, 4)], &[(82, 4)]);
    let vrfs = v9_options_template(301, &[(1, 1)], &[(234, 4), (236, 4)]);
    let fields = template(256, &[(10, 4), (14, 4), (234, 4), (235, 4)]);
    let mut decoded = Decoded::default();
    decoded.feed(&encoder::v9(&[interfaces, vrfs, set(0, &fields)]));
    decoded.feed(&encoder::v9(&[set(300, b"\0\0\0\x01eth1\0\0\0\x02eth2"), set(301, b"\0\0\0\0\x07red\0")]));
    let flow = [[0, 0, 0, 1], [0, 0, 0, 2], [0, 0, 0, 7], [0, 0, 0, 9]].concat();
    decoded.feed(&encoder::v9(&[set(256, &flow), set(256, &[0; 16])]));
    let flows = &decoded.tables.flows;
    let names = [&flows.in_if_name, &flows.out_if_name, &flows.ingress_vrf_name, &flows.egress_vrf_name];
    assert_eq!(names.map(|column| column.get(0)), ["eth1", "eth2", "red", ""]);
    assert_eq!(names.map(|column| column.get(1)), [""; 4], "id 0 has no name");
    // A name in the record counts.
    let own = template(257, &[(10, 4), (82, 4)]);
    decoded.feed(&encoder::v9(&[set(0, &own), set(257, b"\0\0\0\x01ppp0")]));
    assert_eq!(decoded.tables.flows.in_if_name.get(2), "ppp0");
}

#[test]
fn rates_by_sequence_of_selectors() {
    let sequences = ipfix_options_template(300, 1, &[(301, 8), (302, 8), (305, 4), (306, 4)]);
    let of_sequence = [&5_u64.to_be_bytes()[..], &7_u64.to_be_bytes(), &[0, 0, 0, 1], &[0, 0, 0, 63]].concat();
    let fields = template(256, &[(301, 1)]);
    let mut decoded = Decoded::default();
    decoded.feed(&encoder::ipfix(&[sequences, set(300, &of_sequence), set(2, &fields), set(256, &[5, 6])]));
    assert_eq!(decoded.tables.flows.sampling_rate, [64, 1]);
}
