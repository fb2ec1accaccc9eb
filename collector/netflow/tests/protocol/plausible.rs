//! Records whose counts cannot be: flagged by what the exporter tells, before the sampling rate is applied.

use netflow::Event;
use netflow::columns::flags::{IMPLAUSIBLE, REVERSE};

use crate::encoder::{self, EXPORT_S};
use crate::{Decoded, FieldSpec, iana};

/// Flags of the rows of one record.
fn flags_of(fields: &[FieldSpec], values: &[&[u8]]) -> Vec<u8> {
    let decoded = Decoded::of_fields(fields, &values.concat());
    let flags = decoded.tables.flows.flags.to_vec();
    let flagged = flags.iter().filter(|flags| **flags & IMPLAUSIBLE != 0).count();
    assert_eq!(decoded.report.get(Event::Implausible), flagged as u64);
    flags
}

#[test]
fn octets_and_packets_of_one_record() {
    let both = [iana(1, 8), iana(2, 8)];
    for (bytes, packets, expected) in
        [(1500, 1, 0), (65_601, 1, IMPLAUSIBLE), (19, 1, IMPLAUSIBLE), (5, 0, IMPLAUSIBLE), (0, 3, 0), (0, 0, 0)]
    {
        let values = [u64::to_be_bytes(bytes), u64::to_be_bytes(packets)];
        assert_eq!(flags_of(&both, &[&values[0], &values[1]]), [expected], "{bytes} {packets}");
    }
}

#[test]
fn what_is_not_told_is_not_missed() {
    assert_eq!(flags_of(&[iana(1, 8)], &[&5_u64.to_be_bytes()]), [0], "octets alone, as firewalls tell them");
    assert_eq!(flags_of(&[iana(2, 8)], &[&5_u64.to_be_bytes()]), [0], "packets alone");
    let one = 1_u64.to_be_bytes();
    let ten = 10_u64.to_be_bytes();
    // Octets of initiator and responder are those of the payload.
    let halves = [iana(231, 8), iana(298, 8), iana(232, 8), iana(299, 8)];
    assert_eq!(flags_of(&halves, &[&one, &ten, &one, &ten]), [0, REVERSE]);
    let much = (1_u64 << 40).to_be_bytes();
    assert_eq!(flags_of(&halves, &[&one, &ten, &much, &ten]), [0, REVERSE | IMPLAUSIBLE]);
}

#[test]
fn a_rate_is_applied_afterwards() {
    let fields = [iana(1, 8), iana(2, 8), iana(34, 4)];
    let values = [&1500_u64.to_be_bytes()[..], &1_u64.to_be_bytes(), &u32::MAX.to_be_bytes()];
    assert_eq!(flags_of(&fields, &values), [0]);
}

#[test]
fn more_than_a_link_carries_in_the_life_of_the_flow() {
    let export_ms = i64::from(EXPORT_S) * 1000;
    let fields = [iana(1, 8), iana(2, 8), iana(152, 8), iana(153, 8)];
    let flags = |bytes: u64, lived_ms: i64| {
        let times = [export_ms - lived_ms, export_ms].map(i64::to_be_bytes);
        flags_of(&fields, &[&bytes.to_be_bytes(), &(bytes / 1000).to_be_bytes(), &times[0], &times[1]])
    };
    assert_eq!(flags(5_000_000_000_000, 60_000), [0]);
    assert_eq!(flags(7_000_000_000_000, 60_000), [IMPLAUSIBLE]);
    // Without times it may have lasted a day.
    let values = [&7_000_000_000_000_u64.to_be_bytes()[..], &7_000_000_000_u64.to_be_bytes()];
    assert_eq!(flags_of(&fields[..2], &values), [0]);
}

#[test]
fn netflow_v5_too() {
    let mut record = [0; 48];
    record[16..24].copy_from_slice(&[1_u32, 70_000].map(u32::to_be_bytes).concat());
    let mut sound = record;
    sound[16..20].copy_from_slice(&2_u32.to_be_bytes());
    let decoded = Decoded::of(encoder::v5(0, &[sound, record, sound]));
    assert_eq!(decoded.tables.flows.flags, [0, IMPLAUSIBLE, 0]);
}
