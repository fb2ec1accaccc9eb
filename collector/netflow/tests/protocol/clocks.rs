//! Exporters whose clock is off: times are moved by a steady skew, what was told is there to be found again, and nothing is guessed.

use netflow::columns::flags::{CLOCK_CORRECTED, CLOCK_OFF, END_CLAMPED, START_CLAMPED};
use netflow::{Datagram, MapStore, Report, Tables, decode_part};

use crate::encoder::{self, EXPORTER, FieldOf, UPTIME_MS};
use crate::{iana, ipfix_of};

const NOW_S: u32 = 1_700_000_000;
const NOW_MS: i64 = NOW_S as i64 * 1000;
const HOUR_S: i64 = 3600;
/// Flows of the tests began so long before they were exported, and ended so long.
const BEGAN_MS: i64 = 15_000;
const ENDED_MS: i64 = 1_000;

/// The ways to tell the time of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    V1,
    V5,
    V7,
    V9,
    /// flowStartMilliseconds and flowEndMilliseconds.
    Ipfix,
    /// flowStartDeltaMicroseconds and flowEndDeltaMicroseconds: before the export.
    BeforeExport,
}

const KINDS: [Kind; 6] = [Kind::V1, Kind::V5, Kind::V7, Kind::V9, Kind::Ipfix, Kind::BeforeExport];

/// A message that a clock stamps `export_s` on, with one flow.
fn message(kind: Kind, export_s: i64, domain: u32) -> Vec<u8> {
    let uptimes = [UPTIME_MS - BEGAN_MS as u32, UPTIME_MS - ENDED_MS as u32].map(u32::to_be_bytes).concat();
    let mut classic = [0; 48];
    classic[24..32].copy_from_slice(&uptimes);
    let template = |fields: &[FieldOf]| encoder::set(2, &encoder::template(256, fields));
    let mut payload = match kind {
        Kind::V1 => encoder::v1(&[classic]),
        Kind::V5 => encoder::v5(0, &[classic]),
        Kind::V7 => encoder::v7(&[[&classic[..], &[0; 4]].concat().try_into().expect("52 bytes")]),
        Kind::V9 => {
            encoder::v9(&[encoder::set(0, &encoder::template(256, &[(22, 4), (21, 4)])), encoder::set(256, &uptimes)])
        }
        Kind::Ipfix => {
            let times = [BEGAN_MS, ENDED_MS].map(|ago| (export_s * 1000 - ago).to_be_bytes()).concat();
            encoder::ipfix(&[template(&[(152, 8), (153, 8)]), encoder::set(256, &times)])
        }
        Kind::BeforeExport => {
            let times = [BEGAN_MS, ENDED_MS].map(|ago| (ago as u32 * 1000).to_be_bytes()).concat();
            encoder::ipfix(&[template(&[(158, 4), (159, 4)]), encoder::set(256, &times)])
        }
    };
    let (at, domain_at) = match kind {
        Kind::V1 | Kind::V5 | Kind::V7 => (8, None),
        Kind::V9 => (8, Some(16)),
        Kind::Ipfix | Kind::BeforeExport => (4, Some(12)),
    };
    payload[at..at + 4].copy_from_slice(&(export_s as u32).to_be_bytes());
    if let Some(at) = domain_at {
        payload[at..at + 4].copy_from_slice(&domain.to_be_bytes());
    }
    if matches!(kind, Kind::V1 | Kind::V5 | Kind::V7) {
        // No half second.
        payload[12..16].fill(0);
    }
    payload
}

/// Receives datagrams, one after the other.
#[derive(Default)]
struct Received {
    store: MapStore,
    tables: Tables,
    report: Report,
}

impl Received {
    fn take(&mut self, payload: &[u8], received_ms: i64) {
        let datagram = Datagram { payload, exporter: EXPORTER, received_ms };
        decode_part(&datagram, &mut self.store, &mut self.tables, &mut self.report);
    }

    /// Start, end, skew and flags of each row.
    fn rows(&mut self) -> Vec<(i64, i64, i64, u8)> {
        self.tables.complete();
        let flows = &self.tables.flows;
        (0..flows.len())
            .map(|row| (flows.start_ms[row], flows.end_ms[row], flows.clock_skew[row], flows.flags[row]))
            .collect()
    }
}

/// The rows of a datagram a second for `seconds`, of a clock that is off by what `skew` says of each second.
fn course(kind: Kind, seconds: i64, skew: impl Fn(i64) -> i64) -> Vec<(i64, i64, i64, u8)> {
    let mut received = Received::default();
    for second in 0..seconds {
        received.take(&message(kind, NOW_MS / 1000 + second + skew(second), 1), NOW_MS + second * 1000 + 40);
    }
    received.rows()
}

#[test]
fn nine_hours_ahead_from_the_first_datagram_on() {
    for kind in KINDS {
        for (second, row) in (0..).zip(course(kind, 60, |_| 9 * HOUR_S)) {
            let (start_ms, end_ms, skew, flags) = row;
            let export_ms = NOW_MS + second * 1000;
            assert!((skew - 9 * HOUR_S).abs() <= 1, "{kind:?} {row:?}");
            assert!((start_ms - export_ms + BEGAN_MS).abs() <= 1000, "{kind:?} {row:?}");
            assert_eq!((end_ms - start_ms, flags), (BEGAN_MS - ENDED_MS, CLOCK_CORRECTED), "{kind:?}");
            // What was told, to the millisecond.
            assert_eq!(end_ms + skew * 1000, export_ms + 9 * HOUR_S * 1000 - ENDED_MS, "{kind:?}");
        }
    }
}

#[test]
fn behind_by_zones_of_quarters_of_an_hour_once_it_is_steady() {
    for kind in KINDS {
        for skew_s in [-5 * HOUR_S - 2700, -HOUR_S / 2, -12 * HOUR_S, -20_000 * HOUR_S] {
            let rows = course(kind, 30, |_| skew_s);
            for (second, (start_ms, end_ms, skew, flags)) in (0..).zip(rows) {
                let told_ms = NOW_MS + (second + skew_s) * 1000;
                assert_eq!((start_ms + skew * 1000, end_ms + skew * 1000), (told_ms - BEGAN_MS, told_ms - ENDED_MS));
                let expected = if second < 10 { (0, CLOCK_OFF) } else { (skew, CLOCK_CORRECTED) };
                assert_eq!((skew, flags), expected, "{kind:?} {skew_s} {second}");
                assert!(second < 10 || (skew - skew_s).abs() <= 1, "{kind:?} {skew_s} {skew}");
            }
        }
    }
}

#[test]
fn what_flows_tolerate_is_left_alone() {
    for kind in KINDS {
        for skew_s in [0, 1, -3, 60, -118, 118] {
            let rows = course(kind, 30, |_| skew_s);
            let is_told = |(second, row): (i64, &(i64, i64, i64, u8))| {
                let told_ms = NOW_MS + (second + skew_s) * 1000;
                *row == (told_ms - BEGAN_MS, told_ms - ENDED_MS, 0, 0)
            };
            assert!((0..).zip(&rows).all(is_told), "{kind:?} {skew_s}: {rows:?}");
        }
    }
}

#[test]
fn a_drift_is_followed_and_a_step_is_waited_out() {
    // A second an hour.
    let mut received = Received::default();
    for minute in 0..3 * 1440_i64 {
        let second = minute * 60;
        let export_s = NOW_MS / 1000 + second + 2 * HOUR_S + second / 3600;
        received.take(&message(Kind::Ipfix, export_s, 1), NOW_MS + second * 1000);
    }
    for (minute, (_, end_ms, skew, flags)) in (0..).zip(received.rows()) {
        let off_ms = end_ms - (NOW_MS + minute * 60_000 - ENDED_MS);
        assert!(off_ms.abs() <= 3000 && flags == CLOCK_CORRECTED, "{minute}: {off_ms} {skew}");
    }
    // From nine hours to three, and at last to right.
    let skew = |second: i64| match second {
        0..30 => 9 * HOUR_S,
        30..60 => 3 * HOUR_S,
        _ => 0,
    };
    for (second, (_, end_ms, found, flags)) in (0..).zip(course(Kind::V9, 90, skew)) {
        let told_ms = NOW_MS + (second + skew(second)) * 1000 - ENDED_MS;
        assert_eq!(end_ms + found * 1000, told_ms);
        let (is_close, expected) = match second {
            0..30 | 40..60 => ((found - skew(second)).abs() <= 1, CLOCK_CORRECTED),
            30..40 => (found == 0, CLOCK_OFF),
            _ => (found == 0, 0),
        };
        assert!(is_close && flags == expected, "{second}: {found} {flags}");
    }
}

#[test]
fn domains_and_engines_have_clocks_of_their_own() {
    for kind in [Kind::V9, Kind::Ipfix] {
        let mut received = Received::default();
        let skews = [(1, 9 * HOUR_S), (2, 2 * HOUR_S + 1800), (3, 0)];
        for second in 0..30 {
            for (domain, skew_s) in skews {
                received.take(&message(kind, NOW_MS / 1000 + second + skew_s, domain), NOW_MS + second * 1000);
            }
        }
        for (row, (_, end_ms, skew, flags)) in received.rows().into_iter().enumerate() {
            let (_, skew_s) = skews[row % 3];
            assert!((skew - skew_s).abs() <= 1 && (end_ms - NOW_MS - row as i64 / 3 * 1000 + ENDED_MS).abs() <= 1000);
            assert_eq!(flags, if skew_s == 0 { 0 } else { CLOCK_CORRECTED }, "{kind:?} {row}");
        }
    }
}

/// A capture that is replayed faster than it was recorded tells nothing about the exporter's clock.
#[test]
fn what_jumps_is_not_corrected() {
    for (_, _, skew, flags) in course(Kind::V5, 200, |second| -20 * HOUR_S + second * 59) {
        assert_eq!((skew, flags), (0, CLOCK_OFF));
    }
    let random = |second: i64| HOUR_S * (1 + second * 7 % 5);
    assert!(course(Kind::V5, 200, random)[1..].iter().all(|(_, _, skew, flags)| (*skew, *flags) == (0, CLOCK_OFF)));
}

#[test]
fn a_right_date_under_a_wrong_header_stays_as_it_is() {
    let mut received = Received::default();
    for second in 0..30 {
        let mut payload = message(Kind::Ipfix, NOW_MS / 1000 + second, 1);
        payload[4..8].fill(0);
        received.take(&payload, NOW_MS + second * 1000);
    }
    for (second, (start_ms, end_ms, skew, flags)) in (0..).zip(received.rows()) {
        let now_ms = NOW_MS + second * 1000;
        assert_eq!((start_ms, end_ms, skew), (now_ms - BEGAN_MS, now_ms - ENDED_MS, 0));
        assert_eq!(flags, if second < 10 { CLOCK_OFF } else { 0 }, "{second}");
    }
}

#[test]
fn times_that_are_not_told_are_those_of_the_receipt() {
    let skew_s = 9 * HOUR_S;
    let stamp = |fields: &[crate::FieldSpec], data: &[u8]| {
        let mut payload = ipfix_of(fields, data);
        payload[4..8].copy_from_slice(&(NOW_S + skew_s as u32).to_be_bytes());
        let mut received = Received::default();
        received.take(&payload, NOW_MS);
        received.rows()[0]
    };
    assert_eq!(stamp(&[iana(4, 1)], &[6]), (NOW_MS, NOW_MS, 0, 0), "none");
    let skew = skew_s + 1;
    let told = NOW_MS + skew_s * 1000 - 5000;
    let row = stamp(&[iana(152, 8)], &told.to_be_bytes());
    assert_eq!(row, (told - skew * 1000, NOW_MS, skew, CLOCK_CORRECTED), "the start alone");
    let row = stamp(&[iana(153, 8), iana(161, 4)], &[&told.to_be_bytes()[..], &2000_u32.to_be_bytes()].concat());
    assert_eq!(row, (told - skew * 1000 - 2000, told - skew * 1000, skew, CLOCK_CORRECTED), "end and duration");
    // What cannot be is found by what it is after the correction.
    let year = 366 * 86_400_000;
    let row = stamp(&[iana(152, 8), iana(153, 8)], &[(told - 2 * year).to_be_bytes(), told.to_be_bytes()].concat());
    assert_eq!((row.1, row.3), (told - skew * 1000, CLOCK_CORRECTED | START_CLAMPED));
    let row =
        stamp(&[iana(152, 8), iana(153, 8)], &[told.to_be_bytes(), (told + 2 * 86_400_000).to_be_bytes()].concat());
    assert_eq!((row.1, row.3), (NOW_MS, CLOCK_CORRECTED | END_CLAMPED));
}

#[test]
fn address_translations_and_the_other_direction_are_moved_too() {
    let skew_s = 9 * HOUR_S;
    let mut received = Received::default();
    let mut take = |fields: &[crate::FieldSpec], data: &[u8]| {
        let mut payload = ipfix_of(fields, data);
        payload[4..8].copy_from_slice(&(NOW_S + skew_s as u32).to_be_bytes());
        received.take(&payload, NOW_MS + 500);
    };
    let told = NOW_MS + skew_s * 1000 - 3000;
    take(&[iana(230, 1), iana(323, 8)], &[&[4][..], &told.to_be_bytes()].concat());
    let reverse = |element| (crate::REVERSED, element, 8);
    let times = [told, told + 1, told + 2, told + 3].map(i64::to_be_bytes).concat();
    let fields = [iana(152, 8), iana(153, 8), reverse(152), reverse(153), iana(1, 8), reverse(1)];
    take(&fields, &[times, [1_u64; 2].map(u64::to_be_bytes).concat()].concat());
    let events = &received.tables.nat_events;
    assert_eq!((events.event_ms[0], events.clock_skew[0]), (NOW_MS - 3000, skew_s));
    let moved = NOW_MS - 3000;
    let expected = [(moved, moved + 1, skew_s, CLOCK_CORRECTED), (moved + 2, moved + 3, skew_s, CLOCK_CORRECTED | 8)];
    assert_eq!(received.rows(), expected);
}
