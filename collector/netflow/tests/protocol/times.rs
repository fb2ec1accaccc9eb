//! Start and end of flows, by every way exporters have to tell them.

use netflow::Event;
use netflow::columns::flags::{CLOCK_CORRECTED, CLOCK_OFF, END_CLAMPED, START_CLAMPED};

use crate::Decoded;
use crate::encoder::{self, EXPORT_S, FieldOf, RECEIVED_MS, UPTIME_MS};

const EXPORT_MS: i64 = EXPORT_S as i64 * 1000;

fn check(name: &str, decoded: &Decoded, start_ms: i64, end_ms: i64) {
    let columns = &decoded.tables.flows;
    assert_eq!((&columns.start_ms[..], &columns.end_ms[..]), (&[start_ms][..], &[end_ms][..]), "{name}");
}

fn check_ipfix(name: &str, fields: &[FieldOf], values: &[&[u8]], start_ms: i64, end_ms: i64) {
    check(name, &Decoded::of_ipfix(fields, &values.concat()), start_ms, end_ms);
}

#[test]
fn uptimes_of_v9() {
    let check_v9 = |name: &str, first: u32, last: u32, start_ms: i64, end_ms: i64| {
        let data = [first.to_be_bytes(), last.to_be_bytes()].concat();
        check(name, &Decoded::of_v9(&[(22, 4), (21, 4)], &data), start_ms, end_ms);
    };
    check_v9("before the export", UPTIME_MS - 15_000, UPTIME_MS - 1, EXPORT_MS - 15_000, EXPORT_MS - 1);
    check_v9("started before the uptime wrapped", 0xffff_ffff, 0, EXPORT_MS - 100_001, EXPORT_MS - 100_000);
    check_v9("ahead of the header", UPTIME_MS, UPTIME_MS + 40, EXPORT_MS, EXPORT_MS + 40);
    let late = [(UPTIME_MS - 15_000).to_be_bytes(), UPTIME_MS.to_be_bytes()].concat();
    let decoded = Decoded::of_v9(&[(21, 4), (22, 4)], &late);
    check("last before first", &decoded, EXPORT_MS - 15_000, EXPORT_MS - 15_000);
}

#[test]
fn uptimes_of_v1_v5_and_v7_are_milliseconds() {
    let mut record = [0; 48];
    record[24..28].copy_from_slice(&(UPTIME_MS - 15_000).to_be_bytes());
    record[28..32].copy_from_slice(&(UPTIME_MS - 250).to_be_bytes());
    // The header says half a second past the second of export.
    check("v5", &Decoded::of(encoder::v5(0, &[record])), EXPORT_MS + 500 - 15_000, EXPORT_MS + 500 - 250);
    let longer: [u8; 52] = [&record[..], &[0; 4]].concat().try_into().expect("52 bytes");
    check("v1", &Decoded::of(encoder::v1(&[record])), EXPORT_MS + 500 - 15_000, EXPORT_MS + 500 - 250);
    check("v7", &Decoded::of(encoder::v7(&[longer])), EXPORT_MS + 500 - 15_000, EXPORT_MS + 500 - 250);
    // Nanoseconds that are no part of a second.
    let mut wrong = encoder::v5(0, &[record]);
    wrong[12..16].copy_from_slice(&u32::MAX.to_be_bytes());
    check("v5, nanoseconds of 4 s", &Decoded::of(wrong), EXPORT_MS - 15_000, EXPORT_MS - 250);
}

#[test]
fn absolute_times() {
    let (start, end) = (EXPORT_MS - 5000, EXPORT_MS - 1000);
    let seconds = |ms: i64| u32::try_from(ms / 1000).expect("a time of this century").to_be_bytes();
    check_ipfix("seconds", &[(150, 4), (151, 4)], &[&seconds(start), &seconds(end)], start, end);
    check_ipfix("milliseconds", &[(152, 8), (153, 8)], &[&start.to_be_bytes(), &end.to_be_bytes()], start, end);
    let ntp = |ms: i64| {
        ((u64::from(EXPORT_S) + 2_208_988_800 - 10 + u64::try_from(ms).expect("positive") / 1000) << 32).to_be_bytes()
    };
    check_ipfix("NTP microseconds", &[(154, 8), (155, 8)], &[&ntp(5000), &ntp(9000)], start, end);
    check_ipfix("NTP nanoseconds", &[(156, 8), (157, 8)], &[&ntp(5000), &ntp(9000)], start, end);
    let plain = |ms: i64| (ms * 1000).to_be_bytes();
    check_ipfix("plain microseconds", &[(154, 8), (155, 8)], &[&plain(start), &plain(end)], start, end);
    let before = |ms: u32| (ms * 1000).to_be_bytes();
    check_ipfix("before the export", &[(158, 4), (159, 4)], &[&before(5000), &before(1000)], start, end);
    check_ipfix("an event", &[(323, 8)], &[&start.to_be_bytes()], start, start);
    let both: [&[u8]; 3] = [&end.to_be_bytes(), &start.to_be_bytes(), &EXPORT_MS.to_be_bytes()];
    check_ipfix("an event with its flow", &[(323, 8), (152, 8), (153, 8)], &both, start, EXPORT_MS);
}

#[test]
fn what_is_not_told() {
    let (start, end) = (EXPORT_MS - 5000, EXPORT_MS - 1000);
    check_ipfix("nothing", &[(4, 1)], &[&[6]], RECEIVED_MS, RECEIVED_MS);
    check_ipfix("zeros", &[(152, 8), (153, 8)], &[&[0; 16]], RECEIVED_MS, RECEIVED_MS);
    check_ipfix("start", &[(152, 8)], &[&start.to_be_bytes()], start, RECEIVED_MS);
    check_ipfix("end", &[(153, 8)], &[&end.to_be_bytes()], end, end);
    check_ipfix(
        "start and duration",
        &[(152, 8), (161, 4)],
        &[&start.to_be_bytes(), &4000_u32.to_be_bytes()],
        start,
        end,
    );
    check_ipfix(
        "end and duration",
        &[(162, 4), (153, 8)],
        &[&4_000_000_u32.to_be_bytes(), &end.to_be_bytes()],
        start,
        end,
    );
    check_ipfix("duration", &[(161, 4)], &[&4000_u32.to_be_bytes()], RECEIVED_MS - 4000, RECEIVED_MS);
}

#[test]
fn uptimes_of_ipfix() {
    let uptimes: [&[u8]; 2] = [&95_000_u32.to_be_bytes(), &99_000_u32.to_be_bytes()];
    let fields = [(22, 4), (21, 4)];
    check_ipfix("start of the exporter unknown", &fields, &uptimes, RECEIVED_MS - 4000, RECEIVED_MS);

    let init_ms = EXPORT_MS - 100_000;
    let in_record: [&[u8]; 3] = [uptimes[0], uptimes[1], &init_ms.to_be_bytes()];
    check_ipfix("in the record", &[(22, 4), (21, 4), (160, 8)], &in_record, EXPORT_MS - 5000, EXPORT_MS - 1000);

    // An options record with the metering process (143) as its scope, as softflowd sends it.
    let options = [&257_u16.to_be_bytes()[..], &[0, 2, 0, 1, 0, 143, 0, 4, 0, 160, 0, 8]].concat();
    let announcement = [&[0, 0, 0, 9][..], &init_ms.to_be_bytes()].concat();
    let decoded = Decoded::of(encoder::ipfix(&[
        encoder::set(3, &options),
        encoder::set(257, &announcement),
        encoder::set(2, &encoder::template(256, &fields)),
        encoder::set(256, &uptimes.concat()),
    ]));
    check("announced", &decoded, EXPORT_MS - 5000, EXPORT_MS - 1000);

    // The exporter has run for 60 days: its uptime has wrapped once.
    let long_ago = EXPORT_MS - 60 * 86_400_000;
    let now = u32::try_from(60 * 86_400_000_i64 - (1 << 32)).expect("one wrap");
    let wrapped: [&[u8]; 3] = [&(now - 5000).to_be_bytes(), &(now - 1000).to_be_bytes(), &long_ago.to_be_bytes()];
    check_ipfix("after a wrap", &[(22, 4), (21, 4), (160, 8)], &wrapped, EXPORT_MS - 5000, EXPORT_MS - 1000);
}

#[test]
fn times_that_cannot_be() {
    const DAY_MS: i64 = 86_400_000;
    let check = |name: &str, [start, end]: [i64; 2], expected: [i64; 2], flags: u8| {
        let data = [start.to_be_bytes(), end.to_be_bytes()].concat();
        let decoded = Decoded::of_ipfix(&[(152, 8), (153, 8)], &data);
        let flows = &decoded.tables.flows;
        assert_eq!(([flows.start_ms[0], flows.end_ms[0]], flows.flags[0]), (expected, flags), "{name}");
        assert_eq!(decoded.report.get(Event::TimeClamped), u64::from(flags != 0), "{name}");
    };
    let (start, end) = (EXPORT_MS - 5000, EXPORT_MS - 1000);
    check("sane", [start, end], [start, end], 0);
    check("a moment", [end, end], [end, end], 0);
    check("start after end", [end, start], [start, start], START_CLAMPED);
    check("an end cut off to whole seconds", [end, end - 999], [end, end], 0);
    check("an hour ahead", [start, EXPORT_MS + 3_600_000], [start, EXPORT_MS + 3_600_000], 0);
    check("a week ahead", [start, EXPORT_MS + 7 * DAY_MS], [start, RECEIVED_MS], END_CLAMPED);
    let ahead = EXPORT_MS + 7 * DAY_MS;
    check("both a week ahead", [ahead, ahead], [RECEIVED_MS; 2], START_CLAMPED | END_CLAMPED);
    check("open for three months", [end - 90 * DAY_MS, end], [end - 90 * DAY_MS, end], 0);
    check("two years", [end - 2 * 366 * DAY_MS, end], [end, end], START_CLAMPED);
    check("past any calendar", [-1, end], [end, end], START_CLAMPED);
    check("both past any calendar", [-1, -1], [RECEIVED_MS; 2], START_CLAMPED | END_CLAMPED);
    check("since 1970", [1, end], [end, end], START_CLAMPED);
}

#[test]
fn only_wrong_rows_are_moved() {
    let (start, end) = (EXPORT_MS - 5000, EXPORT_MS - 1000);
    let rows = [[start, end], [end, start], [start, end]];
    let data: Vec<u8> = rows.iter().flatten().flat_map(|time| time.to_be_bytes()).collect();
    let decoded = Decoded::of_ipfix(&[(152, 8), (153, 8)], &data);
    assert_eq!(decoded.tables.flows.flags, [0, START_CLAMPED, 0]);
    assert_eq!(decoded.tables.flows.start_ms, [start; 3]);
}

/// One datagram of an exporter with a wrong clock: it is believed to be ahead by hours, and nothing else.
#[test]
fn a_clock_that_is_off() {
    let check = |name: &str, received_ms: i64, fields: &[FieldOf], data: &[u8], expected: [i64; 2], flags: u8| {
        let payload = encoder::ipfix(&[encoder::set(2, &encoder::template(256, fields)), encoder::set(256, data)]);
        let mut decoded = Decoded::default();
        let datagram = netflow::Datagram { received_ms, ..encoder::datagram(&payload) };
        netflow::decode(&datagram, &mut decoded.store, &mut decoded.tables, &mut decoded.report);
        let flows = &decoded.tables.flows;
        assert_eq!(([flows.start_ms[0], flows.end_ms[0]], flows.flags[0]), (expected, flags), "{name}");
    };
    let (start, end) = (EXPORT_MS - 5000, EXPORT_MS - 1000);
    let both = [start.to_be_bytes(), end.to_be_bytes()].concat();
    let year = 365 * 86_400_000;
    let half_a_day = 43_200_000;
    check("half a day behind", EXPORT_MS + half_a_day, &[(152, 8), (153, 8)], &both, [start, end], CLOCK_OFF);
    let ahead = [start - half_a_day, end - half_a_day];
    check("half a day ahead", EXPORT_MS + 500 - half_a_day, &[(152, 8), (153, 8)], &both, ahead, CLOCK_CORRECTED);
    check("behind", EXPORT_MS + year, &[(152, 8), (153, 8)], &both, [start, end], CLOCK_OFF);
    check("ahead", EXPORT_MS - year, &[(152, 8), (153, 8)], &both, [start, end], CLOCK_OFF);
    check("behind, no end", EXPORT_MS + year, &[(152, 8)], &start.to_be_bytes(), [start, EXPORT_MS], CLOCK_OFF);
    check("behind, no times", EXPORT_MS + year, &[(4, 1)], &[6], [EXPORT_MS + year; 2], CLOCK_OFF);
}

#[test]
fn uptimes_across_the_wrap() {
    let record = |first: u32, last: u32| {
        let mut record = [0; 48];
        record[24..28].copy_from_slice(&first.to_be_bytes());
        record[28..32].copy_from_slice(&last.to_be_bytes());
        encoder::v5(0, &[record])
    };
    let export_ms = EXPORT_MS + 500;
    // The header's uptime has wrapped since the flow began, or since it ended.
    let before = 0_u32.wrapping_sub(2000);
    let ago = i64::from(UPTIME_MS) + 2000;
    check("began before", &Decoded::of(record(before, UPTIME_MS)), export_ms - ago, export_ms);
    check("ended before", &Decoded::of(record(before, before + 1000)), export_ms - ago, export_ms - ago + 1000);
    // The flow's times have wrapped, the header was written just before.
    let mut late = record(UPTIME_MS, 5);
    late[4..8].copy_from_slice(&0xffff_fff6_u32.to_be_bytes());
    late[24 + 24..24 + 28].copy_from_slice(&0xffff_ff00_u32.to_be_bytes());
    check("ended behind the wrap", &Decoded::of(late), export_ms - 246, export_ms + 15);
}

#[test]
fn more_than_one_way_to_tell() {
    let (start, end) = (EXPORT_MS - 5000, EXPORT_MS - 1000);
    let seconds = EXPORT_S.to_be_bytes();
    let both: [&[u8]; 3] = [&seconds, &start.to_be_bytes(), &end.to_be_bytes()];
    check_ipfix("milliseconds before seconds", &[(150, 4), (152, 8), (153, 8)], &both, start, end);
    check_ipfix("when a collector had it", &[(258, 8)], &[&end.to_be_bytes()], end, end);
    check_ipfix(
        "an event before a collector",
        &[(258, 8), (323, 8)],
        &[&end.to_be_bytes(), &start.to_be_bytes()],
        start,
        start,
    );
    check_ipfix("a second", &[(322, 4)], &[&seconds], EXPORT_MS, EXPORT_MS);
}
