//! What is patched is what the model of the exporter encodes afresh.

use std::net::SocketAddr;

use super::*;
use crate::checksum::{folded, sum};
use crate::device::DEVICES;
use crate::exporter::Settings;

const START_MS: i64 = 1_700_000_000_250;
const RECORDS: usize = 8;
const KEPT: usize = 6;

fn exporter(device: Device, number: u8, step_ms: u32) -> Exporter {
    Exporter::new(Settings {
        address: [192, 0, 2, number].into(),
        domain: 7,
        device,
        seed: number.into(),
        records: RECORDS,
        template_every: 0,
        sampling: 100,
        start_ms: START_MS,
        step_ms,
        uptime_ms: 90_000_500,
    })
}

fn envelope(number: u8, is_six: bool) -> Envelope {
    let address = |number: u8| -> SocketAddr {
        if is_six {
            ([0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into()], 5000).into()
        } else {
            ([192, 0, 2, number], 5000).into()
        }
    };
    Envelope {
        source: address(number),
        destination: address(200),
        source_mac: [2; 6],
        destination_mac: [4; 6],
        has_checksum: true,
    }
}

/// Bytes of a header whose numbers change: what is behind them is of the records, and as it was.
fn header_bytes(device: Device) -> usize {
    match Layout::of(device) {
        Layout::Classic { has_sequence: true } => 20,
        Layout::Classic { has_sequence: false } | Layout::V9 | Layout::Ipfix => 16,
        Layout::Sflow => 28,
    }
}

/// The records, with the numbers of samples zeroed.
fn records(device: Device, payload: &[u8]) -> Vec<u8> {
    let mut rest = payload[header_bytes(device)..].to_vec();
    if device == Device::Sflow {
        let mut sample = 0;
        while sample < rest.len() {
            let length = u32::from_be_bytes(rest[sample + 4..sample + 8].try_into().expect("a length")) as usize;
            rest[sample + 8..sample + 12].fill(0);
            rest[sample + 20..sample + 24].fill(0);
            sample += 8 + length;
        }
    }
    rest
}

#[test]
fn patched_is_encoded_afresh() {
    for (name, device) in DEVICES {
        for is_six in [false, true] {
            let mut preload = Preload::new(
                vec![exporter(device, 1, 0), exporter(device, 2, 0)],
                &[1, 2].map(|n| envelope(n, is_six)),
                2 * KEPT,
                0,
            );
            // The second exporter goes on for three times as long as was kept, a second a datagram.
            let mut afresh = exporter(device, 2, 1000);
            let mut kept = exporter(device, 2, 0);
            let kept: Vec<Exported> = (0..KEPT).map(|_| kept.export()).collect();
            let mut batch = Vec::new();
            for index in 0..3 * KEPT {
                preload.fill(2, START_MS + 1000 * index as i64, &mut batch);
                assert_eq!(batch.len(), 2);
                let (frame, place) = preload.frame(batch[1]);
                let payload = &frame[usize::from(place.payload_at)..];
                let expected = afresh.export();
                let (header, of_kept) = (header_bytes(device), &kept[index % KEPT]);
                let case = format!("{name}, datagram {index}");
                assert_eq!(payload[..2], expected.payload[..2], "{case}");
                // The length of an IPFIX message and the count of v9 are of the kept records.
                assert_eq!(payload[4..header], expected.payload[4..header], "{case}");
                assert_eq!(payload[2..4], of_kept.payload[2..4], "{case}");
                assert_eq!(records(device, payload), records(device, &of_kept.payload), "{case}");
                assert_eq!((place.exporter, usize::from(place.flows)), (1, of_kept.flows.len()), "{case}");
                let addresses = if is_six { 22..54 } else { 26..34 };
                let udp = usize::from(place.payload_at) - 8;
                let pseudo = (frame.len() - udp) as u64 + 17;
                assert_eq!(folded(sum(&frame[addresses]) + pseudo + sum(&frame[udp..])), 0, "checksum of {case}");
            }
        }
    }
}

#[test]
fn samples_are_numbered_on() {
    let mut preload = Preload::new(vec![exporter(Device::Sflow, 1, 0)], &[envelope(1, false)], KEPT, 0);
    let mut batch = Vec::new();
    let mut expected = 1;
    for _ in 0..2 * KEPT {
        preload.fill(1, START_MS, &mut batch);
        let (frame, place) = preload.frame(batch[0]);
        let payload = &frame[usize::from(place.payload_at)..];
        let word = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().expect("a word"));
        let mut sample = 28;
        for _ in 0..word(24) {
            assert_eq!((word(sample + 8), word(sample + 20)), (expected, expected * 100));
            expected += 1;
            sample += 8 + word(sample + 4) as usize;
        }
        assert_eq!(sample, payload.len());
    }
    assert_eq!(expected, 2 * (KEPT * RECORDS) as u32 + 1);
}

#[test]
fn announcements_come_in_their_turn_and_count() {
    // Two exporters with ten templates of sixty fields each, which do not fit one datagram.
    let exporters =
        [1, 2].map(|number| exporter(Device::SixtyFields, number, 0).with_templates(10).with_payload(1400)).to_vec();
    let parts = exporters[0].clone().announce();
    assert!(parts.len() > 1 && parts.iter().all(|part| part.payload.len() <= 1400 && part.flows.is_empty()));
    assert_eq!(parts.iter().map(|part| part.counts).sum::<u32>(), 1, "one record of options");
    let mut preload = Preload::new(exporters, &[1, 2].map(|n| envelope(n, false)), 8, 4);
    let mut batch = Vec::new();
    let (mut next, mut announced, mut rounds) = ([0_u32; 2], [0_u64; 2], [0_u64; 2]);
    for _ in 0..1000 {
        preload.fill(1, START_MS, &mut batch);
        let (frame, place) = preload.frame(batch[0]);
        let exporter = place.exporter as usize;
        let sequence = u32::from_be_bytes(frame[50..54].try_into().expect("a sequence number"));
        assert_eq!(sequence, next[exporter]);
        next[exporter] += u32::from(place.counts);
        if place.flows == 0 { announced[exporter] += 1 } else { rounds[exporter] += 1 }
    }
    for (announced, rounds) in announced.iter().zip(rounds) {
        let expected = rounds.div_ceil(4) * parts.len() as u64;
        assert!(announced.abs_diff(expected) <= parts.len() as u64, "{announced} in {rounds} rounds");
    }
}

#[test]
fn no_frame_is_twice_in_a_batch() {
    let mut preload = Preload::new(vec![exporter(Device::Vyos, 1, 0)], &[envelope(1, false)], 5, 2);
    let mut batch = Vec::new();
    for _ in 0..100 {
        preload.fill(64, START_MS, &mut batch);
        let mut sorted = batch.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert!(!batch.is_empty() && sorted.len() == batch.len(), "{batch:?}");
    }
    preload.announce(0, 64, START_MS, &mut batch);
    assert_eq!(batch.len(), 1);
}
