//! What the walk says became of a datagram.

use netflow::skew::ClockSkew;
use netflow::{Event, Message, Outcome, Record, Report, decode, dissect};

use crate::Decoded;
use crate::encoder::{self, DOMAIN, EXPORT_S, EXPORTER, FieldOf, UPTIME_MS, ipfix, set, template, v1, v5, v7, v9};
use crate::v9_options_template;

const PORTS: [FieldOf; 2] = [(7, 2), (11, 2)];
const DATA: [u8; 4] = [0, 1, 0, 2];
const EXPORT_MS: i64 = EXPORT_S as i64 * 1000;

/// The outcome of a datagram, the same for columns and rows.
fn outcome_of(payload: &[u8]) -> Outcome {
    let mut decoded = Decoded::default();
    let outcome = decode(&encoder::datagram(payload), &mut decoded.store, &mut decoded.tables, &mut decoded.report);
    let mut store = netflow::MapStore::default();
    let of_rows = dissect(&encoder::datagram(payload), &mut store, &mut Report::default(), &mut |_: Record<'_>| {});
    assert_eq!(of_rows, outcome);
    outcome
}

fn message(version: u8) -> Message {
    let (export_ms, uptime_ms) = (Some(EXPORT_MS), Some(UPTIME_MS));
    let agent = EXPORTER;
    let skew = ClockSkew::Small;
    Message { exporter: EXPORTER, agent, version, domain: DOMAIN, sequence: 1, export_ms, uptime_ms, skew }
}

#[test]
fn messages_of_every_version() {
    let check = |payload: &[u8], expected: Message, flow_records: u32| {
        let outcome = outcome_of(payload);
        assert_eq!(outcome.message, Some(expected), "{}", expected.version);
        assert_eq!((outcome.flow_records, outcome.records, outcome.is_complete), (flow_records, flow_records, true));
    };
    let half = Some(EXPORT_MS + 500);
    check(&v1(&[[0; 48]; 2]), Message { domain: 0, sequence: 0, export_ms: half, ..message(1) }, 2);
    check(&v5(0, &[[0; 48]; 3]), Message { domain: 0x102, export_ms: half, ..message(5) }, 3);
    check(&v7(&[[0; 52]]), Message { domain: 0, export_ms: half, ..message(7) }, 1);
    check(&v9(&[set(0, &template(256, &PORTS)), set(256, &DATA)]), message(9), 1);
    check(&ipfix(&[set(2, &template(256, &PORTS)), set(256, &DATA)]), Message { uptime_ms: None, ..message(10) }, 1);
}

/// An sFlow datagram: agent 192.0.2.9, sub-agent 3, sequence 77, uptime 5000 ms; so many samples, and these.
fn sflow(count: u32, samples: &[Vec<u8>]) -> Vec<u8> {
    let words = [5, 1, 0xc000_0209, 3, 77, 5000, count].map(u32::to_be_bytes).concat();
    [words, samples.concat()].concat()
}

fn sample(format: u32, words: &[u32]) -> Vec<u8> {
    let length = u32::try_from(words.len() * 4).expect("short");
    [format, length].iter().chain(words).flat_map(|word| word.to_be_bytes()).collect()
}

#[test]
fn samples_of_sflow() {
    // Sequence, source, rate, pool, drops, input, output, no records; and a counter sample.
    let samples = [sample(1, &[1, 2, 512, 512, 0, 3, 4, 0]), sample(2, &[1, 2, 0])];
    let expected = Message {
        exporter: EXPORTER,
        agent: [&EXPORTER[..15], &[9]].concat().try_into().expect("16 bytes"),
        version: 105,
        domain: 3,
        sequence: 77,
        export_ms: None,
        uptime_ms: Some(5000),
        skew: ClockSkew::Small,
    };
    let check = |name: &str, payload: &[u8], is_complete: bool, fault: Option<Event>| {
        let found = outcome_of(payload);
        let counts = Outcome { message: Some(expected), records: 2, flow_records: 1, ..Outcome::default() };
        assert_eq!(found, Outcome { is_complete, fault, ..counts }, "{name}");
    };
    check("whole", &sflow(2, &samples), true, None);
    check("a sample is missing", &sflow(3, &samples), false, Some(Event::SamplesMissing));
    let unknown = [samples.to_vec(), vec![sample(99, &[1])]].concat();
    check("a sample of an unknown format", &sflow(3, &unknown), false, None);
    let mut agentless = sflow(2, &samples);
    agentless[7] = 9;
    let fault = Some(Event::AgentAddressUnknown);
    assert_eq!(outcome_of(&agentless), Outcome { fault, ..Outcome::default() });
}

/// The store hears of every sample, however the datagram is decoded.
#[test]
fn the_store_hears_of_samples() {
    let mut heard = crate::Heard::default();
    let payload = sflow(2, &[sample(1, &[1, 2, 512, 512, 0, 3, 4, 0]), sample(2, &[8, 2, 0])]);
    let (mut tables, mut report) = (netflow::Tables::default(), Report::default());
    decode(&encoder::datagram(&payload), &mut heard, &mut tables, &mut report);
    dissect(&encoder::datagram(&payload), &mut heard, &mut report, &mut |_: Record<'_>| {});
    assert_eq!(heard.0, [1, 8, 1, 8]);
}

#[test]
fn what_is_missing_and_what_is_wrong() {
    let check = |name: &str, payload: &[u8], records: (u32, u32), sets_held: u32, fault: Option<Event>| {
        let outcome = outcome_of(payload);
        assert_eq!((outcome.records, outcome.flow_records), records, "{name}");
        assert_eq!((outcome.sets_held, outcome.sets_refused, outcome.fault), (sets_held, 0, fault), "{name}");
        assert!(!outcome.is_complete, "{name}");
    };
    let known = || vec![set(0, &template(256, &PORTS)), set(256, &DATA)];
    let and = |more: Vec<u8>| v9(&[known(), vec![more]].concat());
    check("empty", &[], (0, 0), 0, Some(Event::HeaderTruncated));
    check("half a header", &v9(&[])[..19], (0, 0), 0, Some(Event::HeaderTruncated));
    check("no version", &[0, 77, 0, 0], (0, 0), 0, Some(Event::VersionUnknown));
    check("no template", &and(set(257, &DATA)), (1, 1), 1, None);
    check("before its template", &v9(&known().into_iter().rev().collect::<Vec<_>>()), (0, 0), 1, None);
    check("reserved", &and(set(2, &DATA)), (1, 1), 0, None);
    check("too short a set", &and(vec![1, 0, 0, 3]), (1, 1), 0, Some(Event::SetTooShort));
    check("too long a set", &and(vec![1, 0, 0, 30]), (1, 1), 0, Some(Event::SetTruncated));
    check(
        "the first fault",
        &and([set(0, &template(257, &[])), vec![1, 0, 0, 3]].concat()),
        (1, 1),
        0,
        Some(Event::TemplateEmpty),
    );
    let mut short = ipfix(&[set(2, &template(256, &PORTS)), set(256, &DATA)]);
    short[3] += 9;
    check("a message longer than its datagram", &short, (1, 1), 0, Some(Event::MessageTruncated));
    let text = ipfix(&[set(2, &template(256, &[(371, 65_535)])), set(256, &[1, b'a', 9])]);
    check("a truncated record", &text, (1, 1), 0, Some(Event::RecordTruncated));
    let mut counted = v5(0, &[[0; 48]]);
    counted[3] = 2;
    check("fewer records than counted", &counted, (1, 1), 0, Some(Event::RecordsMissing));
    let options = v9(&[v9_options_template(300, &[(1, 1)], &[(34, 1)]), set(300, &[0, 5, 0, 5]), set(2, &[])]);
    check("options data records are records", &options, (2, 0), 0, None);
}

#[test]
fn faults_do_not_outlive_their_datagram() {
    let mut decoded = Decoded::default();
    decoded.feed(&[0, 77]);
    let payload = v9(&[set(0, &template(256, &PORTS)), vec![0; 8]]);
    let outcome = decode(&encoder::datagram(&payload), &mut decoded.store, &mut decoded.tables, &mut decoded.report);
    assert_eq!((outcome.fault, outcome.is_complete), (None, true), "a tail of zeros takes nothing away");
}
