//! Fields that no column takes, kept if asked for.

use crate::encoder::{self, set, template};
use crate::{Decoded, FieldSpec, REVERSED, iana, ipfix_of};

fn keeping() -> Decoded {
    let mut decoded = Decoded::default();
    decoded.tables.flows.raw.keep = true;
    decoded
}

fn check(name: &str, fields: &[FieldSpec], data: &[u8], expected: &[(&str, &str)]) {
    let mut decoded = keeping();
    decoded.feed(&ipfix_of(fields, data));
    let raw = &decoded.tables.flows.raw;
    assert_eq!(raw.get(0).collect::<Vec<_>>(), expected, "{name}");
    assert_eq!(raw.ends.len(), decoded.tables.flows.len(), "{name}");
}

#[test]
fn names_and_values() {
    check("all taken", &[iana(8, 4), iana(1, 1)], &[10, 0, 0, 1, 9], &[]);
    check("a number", &[iana(1, 1), iana(3, 2)], &[9, 1, 0], &[("deltaFlowCount", "256")]);
    check("an address", &[iana(211, 4)], &[192, 0, 2, 9], &[("collectorIPv4Address", "192.0.2.9")]);
    check("a string of variable length", &[iana(83, 65_535)], b"\x03wan", &[("interfaceDescription", "wan")]);
    check("an empty one", &[iana(83, 65_535), iana(1, 1)], &[0, 9], &[("interfaceDescription", "")]);
    check("one that is always empty", &[iana(83, 0), iana(1, 1)], &[9], &[]);
    check("a number that is not known", &[(4242, 7, 2)], &[1, 0xab], &[("4242/7", "01ab")]);
    check("the worse of two", &[iana(85, 1), iana(1, 1)], &[8, 9], &[("octetTotalCount", "8")]);
    // A basicList (RFC 6313 section 4.5.1) of two deltaFlowCounts, all of them.
    let list = [&[7, 3][..], &[0, 3, 0, 1], &[4, 5]].concat();
    check("a list", &[iana(291, 65_535)], &list, &[("basicList", "semantic=allOf,deltaFlowCount=4,5")]);
    check("fill bytes", &[iana(210, 3), iana(1, 1)], &[0, 0, 0, 9], &[]);
    check("no other direction", &[(REVERSED, 6, 1), iana(1, 1)], &[2, 9], &[("reverseTcpControlBits", "2")]);
    let long = [&[255, 8, 0][..], &[b'x'; 2048]].concat();
    check("too long", &[iana(83, 65_535)], &long, &[("interfaceDescription", &"x".repeat(1024))]);
}

#[test]
fn rows_keep_their_own() {
    let mut decoded = keeping();
    decoded.feed(&ipfix_of(&[iana(1, 1)], &[1, 2]));
    decoded.feed(&ipfix_of(&[iana(1, 1), iana(3, 1), (REVERSED, 1, 1)], &[3, 4, 0, 5, 6, 9]));
    decoded.feed(&encoder::v5(0, &[[0; 48]]));
    let flows = &decoded.tables.flows;
    let rows: Vec<Vec<&str>> = (0..6).map(|row| flows.raw.get(row).map(|(_, value)| value).collect()).collect();
    assert_eq!(rows, [vec![], vec![], vec!["4"], vec!["6"], vec![], vec![]], "the other direction has none");
    assert_eq!(flows.bytes, [1, 2, 3, 5, 9, 0]);

    let many: Vec<(u16, u16)> = (0..100).map(|index| (300 + index, 1)).collect();
    let mut decoded = keeping();
    decoded.feed(&encoder::ipfix(&[set(2, &template(256, &many)), set(256, &[1; 100])]));
    let kept = decoded.tables.flows.raw.get(0).count();
    assert_eq!(kept, 64, "a row keeps so many fields");

    let mut decoded = Decoded::of(ipfix_of(&[(4242, 7, 2)], &[1, 2]));
    assert_eq!(decoded.tables.flows.raw.get(0).count(), 0, "not asked for");
    decoded.tables.clear();
    assert!(!decoded.tables.flows.raw.keep);
}
