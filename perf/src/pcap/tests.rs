//! What is written is read, in every format; damaged files end or are refused, and nothing panics.

use std::time::Duration;

use super::link::{Datagram, Skip, datagram};
use super::read::{Error, packets};
use super::write::{ETHERNET, Writer};
use crate::envelope::Envelope;
use crate::random::Random;

fn envelope(is_six: bool) -> Envelope {
    let ends =
        if is_six { ["[2001:db8::1]:40000", "[2001:db8::2]:2055"] } else { ["192.0.2.1:40000", "192.0.2.2:2055"] };
    let [source, destination] = ends.map(|end| end.parse().expect("an address"));
    Envelope { source, destination, source_mac: [2; 6], destination_mac: [4; 6], has_checksum: false }
}

/// A pcapng block in one byte order.
fn block(is_big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let word = |value: u32| if is_big { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut padded = body.to_vec();
    padded.resize(body.len().next_multiple_of(4), 0);
    let length = word(padded.len() as u32 + 12);
    [&word(kind)[..], &length, &padded, &length].concat()
}

/// A pcapng file: an interface of raw IP with this option, and a packet of each form.
fn ng(is_big: bool, option: &[u8], time: u64, packet: &[u8]) -> Vec<u8> {
    let word = |value: u32| if is_big { value.to_be_bytes() } else { value.to_le_bytes() };
    let half = |value: u16| if is_big { value.to_be_bytes() } else { value.to_le_bytes() };
    let section = [&word(0x1a2b_3c4d)[..], &half(1), &half(0), &[0xff; 8]].concat();
    let interface = [&half(101)[..], &half(0), &word(0), option, &[0; 4]].concat();
    let length = word(packet.len() as u32);
    let times = [word((time >> 32) as u32), word(time as u32)].concat();
    let enhanced = [&word(0)[..], &times, &length, &length, packet].concat();
    let old = [&half(0)[..], &half(7), &times, &length, &length, packet].concat();
    [
        block(is_big, 0x0a0d_0d0a, &section),
        block(is_big, 1, &interface),
        block(is_big, 6, &enhanced),
        block(is_big, 0xbad, b"of somebody else"),
        block(is_big, 2, &old),
        block(is_big, 3, &[&length[..], packet].concat()),
    ]
    .concat()
}

#[test]
fn written_is_read() {
    for is_six in [false, true] {
        let envelope = envelope(is_six);
        let mut writer = Writer::new(Vec::new()).expect("memory takes it");
        let times = [Duration::new(1_700_000_000, 5), Duration::new(1_700_000_000, 999_999_999)];
        for (index, at) in times.into_iter().enumerate() {
            writer.frame(at, &envelope.frame(&vec![index as u8; 100 + index])).expect("memory takes it");
        }
        let file = writer.finish().expect("memory takes it");
        let read = packets(&file).expect("a capture");
        assert_eq!(read.len(), 2);
        for (index, packet) in read.iter().enumerate() {
            assert_eq!((packet.at, packet.link), (times[index], ETHERNET));
            let found = datagram(packet.link, packet.bytes).expect("a datagram");
            let payload = vec![index as u8; 100 + index];
            let expected = Datagram { source: envelope.source, destination: envelope.destination, payload: &payload };
            assert_eq!(found, expected);
        }
        // The same in the other byte order, and in microseconds.
        let swapped: Vec<u8> = file[..24].chunks(4).flat_map(|word| word.iter().rev().copied()).collect();
        let record: Vec<u8> = file[24..40].chunks(4).flat_map(|word| word.iter().rev().copied()).collect();
        let mut other = [&swapped[..], &record, &file[40..]].concat();
        assert_eq!(packets(&other).expect("a capture")[0], read[0]);
        other[..4].copy_from_slice(&0xa1b2_c3d4_u32.to_ne_bytes().map(|byte| byte));
        other[..4].reverse();
        assert_eq!(packets(&other).expect("a capture")[0].at, Duration::new(1_700_000_000, 5000));
    }
}

#[test]
fn pcapng_of_both_orders_and_all_precisions() {
    let frame = envelope(false).frame(b"datagram");
    let packet = &frame[14..];
    for is_big in [false, true] {
        let half = |value: u16| if is_big { value.to_be_bytes() } else { value.to_le_bytes() };
        let precision = |power: u8| [&half(9)[..], &half(1), &[power, 0, 0, 0]].concat();
        let eight = if is_big { 100_u64.to_be_bytes() } else { 100_u64.to_le_bytes() };
        let offset = [&half(14)[..], &half(8), &eight].concat();
        let cases = [
            (vec![], 1_700_000_000_000_005, Duration::new(1_700_000_000, 5000)),
            (precision(9), 1_700_000_000_000_000_005, Duration::new(1_700_000_000, 5)),
            (precision(0x80 | 1), 3_400_000_001, Duration::new(1_700_000_000, 500_000_000)),
            (offset, 1_700_000_000_000_000, Duration::new(1_700_000_100, 0)),
        ];
        for (option, time, expected) in cases {
            let file = ng(is_big, &option, time, packet);
            let read = packets(&file).expect("a capture");
            let found: Vec<Duration> = read.iter().map(|packet| packet.at).collect();
            assert_eq!(found, [expected, expected, Duration::ZERO], "{option:?}");
            for packet in read {
                assert_eq!(datagram(packet.link, packet.bytes).expect("a datagram").payload, b"datagram");
            }
        }
    }
}

#[test]
fn links_are_unwrapped() {
    let frames = [envelope(false).frame(b"datagram"), envelope(true).frame(b"datagram")];
    for frame in &frames {
        let (kind, packet) = (&frame[12..14], &frame[14..]);
        let six = frame[12] == 0x86;
        let cases: Vec<(u32, Vec<u8>)> = vec![
            (1, frame.clone()),
            (1, [&frame[..12], &[0x81, 0, 0, 5], kind, packet].concat()),
            (1, [&frame[..12], &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6], kind, packet].concat()),
            (101, packet.to_vec()),
            (0, [&[2, 0, 0, 0], packet].concat()),
            (113, [&[0; 14], kind, packet].concat()),
            (276, [kind, &[0; 18], packet].concat()),
            (if six { 229 } else { 228 }, [packet, b"padding"].concat()),
        ];
        for (link, bytes) in cases {
            assert_eq!(datagram(link, &bytes).map(|found| found.payload), Ok(&b"datagram"[..]), "{link}");
            // Cut anywhere it is not taken for a whole one.
            for length in 0..bytes.len() - 7 {
                assert!(datagram(link, &bytes[..length]).map(|found| found.payload.len()) != Ok(8) || link > 227);
            }
        }
        assert_eq!(datagram(147, frame), Err(Skip::Link));
        assert_eq!(datagram(1, &[&frame[..12], &[8, 6], packet].concat()), Err(Skip::NotIp));
        let mut tcp = frame.clone();
        tcp[if six { 20 } else { 23 }] = 6;
        assert_eq!(datagram(1, &tcp), Err(Skip::NotUdp));
    }
    let mut fragment = frames[0].clone();
    fragment[20] = 0x20;
    assert_eq!(datagram(1, &fragment), Err(Skip::Fragment));
    let mut fragment = frames[1].clone();
    fragment[20] = 44;
    assert_eq!(datagram(1, &fragment), Err(Skip::Fragment));
    let mut options = [&frames[1][..54], &[17, 0, 1, 4, 0, 0, 0, 0], &frames[1][54..]].concat();
    options[20] = 60;
    assert_eq!(datagram(1, &options).map(|found| found.payload), Ok(&b"datagram"[..]));
}

#[test]
fn damaged_files_end_or_are_refused() {
    assert_eq!(packets(b""), Err(Error::Magic));
    assert_eq!(packets(b"GIF89a"), Err(Error::Magic));
    let frame = envelope(false).frame(b"datagram");
    let mut writer = Writer::new(Vec::new()).expect("memory takes it");
    writer.frame(Duration::ZERO, &frame).expect("memory takes it");
    writer.frame(Duration::ZERO, &frame).expect("memory takes it");
    let file = writer.finish().expect("memory takes it");
    assert_eq!(packets(&file[..file.len() - 1]).map(|found| found.len()), Ok(1));
    let files = [file, ng(false, &[], 5, &frame[14..]), ng(true, &[], 5, &frame[14..])];
    let mut random = Random::new(9);
    for file in &files {
        for length in 0..file.len() {
            let _ = packets(&file[..length]);
        }
        for _ in 0..2000 {
            let mut damaged = file.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(damaged.len() as u64) as usize;
                damaged[at] = random.bits() as u8;
            }
            for packet in packets(&damaged).unwrap_or_default() {
                let _ = datagram(packet.link, packet.bytes);
            }
        }
    }
    let orphan = block(false, 6, &[0; 20]);
    assert_eq!(packets(&[&files[1][..28], &orphan].concat()), Err(Error::Interface(28)));
    assert_eq!(packets(&[&files[1][..28], &[9, 0, 0, 0, 4, 0, 0, 0][..]].concat()), Err(Error::Block(28)));
}
