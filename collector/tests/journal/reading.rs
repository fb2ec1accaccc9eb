//! Reading from outside: by time, while it is written, while it is forgotten, and when it is broken.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use collector::journal::{Journal, Position, Range, Reader, SEGMENT_BYTES_MIN, Walked};

use crate::support::{Folder, append, entry, settings};

/// A journal with `count` records of 1000 bytes, received at 0, 1, 2, ...
fn filled(count: u64) -> (Folder, Journal) {
    let folder = Folder::new();
    let (mut journal, _) = Journal::open(settings(folder.path()), [7; 16]).expect("it opens");
    for number in 0..count {
        append(&mut journal, &entry(number, &[number as u8; 1000]));
    }
    (folder, journal)
}

fn times(reader: &Reader, from_ns: i64, to_ns: i64) -> (Vec<i64>, Walked) {
    let mut times = Vec::new();
    let walked = reader.walk(from_ns, to_ns, |entry, _| {
        assert_eq!(entry.payload, [entry.received_ns as u8; 1000]);
        times.push(entry.received_ns);
        ControlFlow::Continue(())
    });
    (times, walked.expect("the files can be read"))
}

#[test]
fn records_are_found_by_time() {
    let (folder, journal) = filled(600);
    let reader = Reader::open(folder.path()).expect("it is listed");
    assert_eq!(reader.id(), journal.id());
    assert!(reader.segments().len() > 3, "several segments");
    assert_eq!(reader.segments().last().map(|segment| (segment.to, segment.last_ns)), Some((journal.tip(), Some(599))));
    for (from, to) in [(0, 600), (0, 1), (599, 600), (100, 300), (126, 127), (600, 900), (-5, 3), (300, 100)] {
        let (found, walked) = times(&reader, from, to);
        let expected: Vec<i64> = (0..600).filter(|time| (from..to).contains(time)).collect();
        assert_eq!(found, expected, "[{from}, {to})");
        assert_eq!(walked, Walked { records: expected.len() as u64, ..Walked::default() });
    }
    assert_eq!(reader.time_at(Position(0)).expect("it can be read"), Some(0));
    assert_eq!(reader.time_at(journal.tip()).expect("it can be read"), None);
    assert_eq!(reader.bytes_behind(Position(0)), 600 * 1040);
}

#[test]
fn what_is_forgotten_meanwhile_is_said() {
    let (folder, mut journal) = filled(600);
    let reader = Reader::open(folder.path()).expect("it is listed");
    let all = Range { from: Position(0), to: journal.tip(), shard: 0 };
    let progress = journal.progress();
    progress.begin(all).expect("the disk has room");
    progress.settle(all);
    progress.keep_from(all.to);
    journal.tend(0);
    // The files are used again under other numbers.
    for number in 600..1200 {
        append(&mut journal, &entry(number, &[number as u8; 1000]));
    }
    let (found, walked) = times(&reader, 0, 600);
    assert!(walked.forgotten >= 3, "{walked:?}");
    assert_eq!(walked.gaps, 0);
    assert!(found.len() < 600 && found.iter().all(|time| *time < 600));
}

#[test]
fn a_journal_that_is_written_has_no_gaps() {
    let (folder, mut journal) = filled(0);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..20_000 {
                append(&mut journal, &entry(number, &[number as u8; 1000]));
            }
            is_over.store(true, Ordering::Release);
        });
        loop {
            let is_last = is_over.load(Ordering::Acquire);
            let reader = Reader::open(folder.path()).expect("it is listed");
            let (found, walked) = times(&reader, 0, i64::MAX);
            assert_eq!((walked.gaps, walked.forgotten), (0, 0));
            assert!(found.iter().copied().eq(0..found.len() as i64), "in order, none left out");
            assert_eq!(reader.verify().expect("it can be read").broken, Vec::<String>::new());
            if is_last {
                assert_eq!(found.len(), 20_000);
                break;
            }
        }
    });
}

/// Breaks a byte of a full segment, or of the last one; what verify says then.
#[track_caller]
fn check(is_last: bool, offset: usize, broken: usize, records: u64) {
    let (folder, journal) = filled(300);
    drop(journal);
    let reader = Reader::open(folder.path()).expect("it is listed");
    let segments = reader.segments();
    let victim = if is_last { segments.last() } else { segments.first() }.expect("there are segments");
    let mut bytes = std::fs::read(&victim.path).expect("it can be read");
    bytes[offset] ^= 1;
    std::fs::write(&victim.path, bytes).expect("it can be written");
    let verified = Reader::open(folder.path()).expect("it is listed").verify().expect("it can be read");
    assert_eq!((verified.broken.len(), verified.records), (broken, records), "{offset}: {verified:?}");
}

#[test]
fn what_is_broken_is_found() {
    let a_segment = (SEGMENT_BYTES_MIN - 128) / 1040;
    // A datagram's byte.
    check(false, 128 + 1040 * 5 + 700, 1, 299);
    // The last record of a full segment.
    check(false, 128 + 1040 * (a_segment as usize - 1) + 700, 1, 299);
    // The header of the file.
    check(false, 30, 1, 300 - a_segment);
    // What says that the segment is full: it is read to its end instead.
    check(false, 100, 0, 300);
    check(true, 128 + 1040 * 5 + 36, 1, 299);
}
