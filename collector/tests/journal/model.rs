//! What is kept, and what is forgotten, against a model: only what is stored or shown as lost ever goes, the bounds hold, and what
//! is within them stays.

use std::collections::BTreeMap;
use std::time::Duration;

use collector::journal::{Journal, Position, Range, SEGMENT_BYTES_MIN, Settings};
use proptest::prelude::*;

use crate::support::{Folder, Kept, all, append, entry, settings};

#[derive(Debug, Clone)]
enum Step {
    /// So many records of so many bytes.
    Append(usize, usize),
    /// A part of what waits is decoded and begun.
    Decode(u8),
    /// The oldest range that is not settled is settled, or the newest.
    Settle { oldest: bool },
    /// Nothing that was begun is needed for replay.
    KeepFrom,
    /// So many seconds pass, and the journal is tended.
    Tend(u64),
    /// The budget is enforced.
    GiveUp,
    /// The process ends and begins again.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1_usize..300, 0_usize..4000).prop_map(|(count, bytes)| Step::Append(count, bytes)),
        4 => any::<u8>().prop_map(Step::Decode),
        4 => any::<bool>().prop_map(|oldest| Step::Settle { oldest }),
        2 => Just(Step::KeepFrom),
        3 => (0_u64..40).prop_map(Step::Tend),
        3 => Just(Step::GiveUp),
        1 => Just(Step::Restart),
    ]
}

const SECOND_NS: i64 = 1_000_000_000;
const RETAIN: Duration = Duration::from_secs(60);

struct Model {
    now_ns: i64,
    number: u64,
    /// Records that must be there.
    waiting: BTreeMap<Position, u64>,
    decoded: Position,
    ranges: Vec<Range>,
    lost: Vec<u64>,
}

impl Model {
    fn step(&mut self, journal: &mut Journal, settings: &Settings, step: &Step) -> Result<(), TestCaseError> {
        let progress = journal.progress();
        match step {
            Step::Append(count, bytes) => {
                for _ in 0..*count {
                    let payload = vec![self.number as u8; *bytes];
                    let mut entry = entry(self.number, &payload);
                    entry.received_ns = self.now_ns;
                    self.waiting.insert(append(journal, &entry), self.number);
                    self.number += 1;
                }
            }
            Step::Decode(part) => {
                let from = self.decoded;
                let mut records = usize::from(*part) * 2;
                while let Some((_, _, to)) = journal.read(self.decoded).filter(|_| records > 0) {
                    self.decoded = to;
                    records -= 1;
                }
                if from < self.decoded {
                    let range = Range { from, to: self.decoded, shard: 0 };
                    progress.begin(range).expect("the disk has room");
                    self.ranges.push(range);
                }
            }
            Step::Settle { oldest } => {
                let index = if *oldest { 0 } else { self.ranges.len().saturating_sub(1) };
                if index < self.ranges.len() {
                    progress.settle(self.ranges.remove(index));
                }
            }
            Step::KeepFrom => progress.keep_from(self.decoded),
            Step::Tend(seconds) => {
                self.now_ns += seconds.cast_signed() * SECOND_NS;
                journal.tend(self.now_ns);
                self.check_bounds(journal, settings)?;
            }
            Step::GiveUp => self.give_up(journal, settings)?,
            Step::Restart => unreachable!("the caller does it"),
        }
        Ok(())
    }

    fn give_up(&mut self, journal: &mut Journal, settings: &Settings) -> Result<(), TestCaseError> {
        loop {
            let waits = journal.waiting_bytes(self.decoded);
            let mut lost = Vec::new();
            let number_of = |exporter: [u8; 16]| u64::from_be_bytes(exporter[8..].try_into().expect("eight bytes"));
            let end = journal.give_up_oldest(self.decoded, |entry| lost.push(number_of(entry.exporter)));
            let Some(end) = end else {
                // A part of the segment that is being decoded, and the one that is written, stay above the budget.
                prop_assert!(waits <= settings.budget_bytes + 2 * SEGMENT_BYTES_MIN || journal.status().segments < 3);
                return Ok(());
            };
            prop_assert!(waits > settings.budget_bytes);
            let gone: Vec<(Position, u64)> =
                self.waiting.range(self.decoded..end).map(|(at, number)| (*at, *number)).collect();
            // The first of them may be what is left of a segment that is being decoded; the rest is what was shown.
            let whole: Vec<u64> =
                gone.iter().map(|(_, number)| *number).filter(|number| lost.contains(number)).collect();
            prop_assert_eq!(&whole, &lost);
            for (at, number) in gone {
                if lost.contains(&number) {
                    self.waiting.remove(&at);
                }
            }
            self.lost.extend(lost);
        }
    }

    fn check_bounds(&self, journal: &Journal, settings: &Settings) -> Result<(), TestCaseError> {
        let stored = journal.progress().stored();
        let mut stored_segments: BTreeMap<u64, (Position, i64)> = BTreeMap::new();
        for record in all(journal) {
            let latest = stored_segments.entry(record.from.0 / SEGMENT_BYTES_MIN).or_insert((record.to, 0));
            *latest = (record.to, record.received_ns);
        }
        stored_segments.pop_last();
        stored_segments.retain(|_, (end, _)| *end <= stored);
        prop_assert!(stored_segments.len() as u64 * SEGMENT_BYTES_MIN <= settings.retain_bytes);
        for (_, last_ns) in stored_segments.values() {
            prop_assert!(self.now_ns - last_ns < RETAIN.as_nanos() as i64);
        }
        Ok(())
    }

    /// What is not stored is there; what is there was appended and not given up.
    fn check(&self, journal: &Journal) -> Result<(), TestCaseError> {
        let stored = journal.progress().stored();
        let read: BTreeMap<Position, Kept> = all(journal).into_iter().map(|record| (record.from, record)).collect();
        for (at, record) in &read {
            prop_assert_eq!(self.waiting.get(at).map(|number| *number as u16), Some(record.port));
        }
        for (at, number) in self.waiting.range(stored..) {
            prop_assert!(read.contains_key(at), "record {} at {:?} is gone, stored is {:?}", number, at, stored);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn only_what_is_stored_or_shown_goes(
        steps in prop::collection::vec(step(), 1..60),
        budget in 2_u64..6,
        retain in 0_u64..5,
    ) {
        let folder = Folder::new();
        let settings = Settings {
            budget_bytes: budget * SEGMENT_BYTES_MIN,
            retain_bytes: retain * SEGMENT_BYTES_MIN,
            retain: RETAIN,
            ..settings(folder.path())
        };
        let (mut journal, _) = Journal::open(settings.clone(), [7; 16]).expect("it opens");
        let mut model = Model {
            now_ns: 1_000 * SECOND_NS,
            number: 0,
            waiting: BTreeMap::new(),
            decoded: Position(0),
            ranges: Vec::new(),
            lost: Vec::new(),
        };
        for step in &steps {
            if let Step::Restart = step {
                drop(journal);
                (journal, _) = Journal::open(settings.clone(), [9; 16]).expect("it opens");
                model.decoded = journal.progress().begun().max(model.decoded);
            } else {
                model.step(&mut journal, &settings, step)?;
            }
            model.check(&journal)?;
        }
    }
}

/// A journal with `segments` full segments of which `stored` are stored, tended at `now_seconds`; how many are left.
#[track_caller]
fn check(retain_segments: u64, segments: u64, stored: u64, now_seconds: i64, expected: usize) {
    let folder = Folder::new();
    let settings =
        Settings { retain_bytes: retain_segments * SEGMENT_BYTES_MIN, retain: RETAIN, ..settings(folder.path()) };
    let (mut journal, _) = Journal::open(settings, [7; 16]).expect("it opens");
    while journal.tip().0 < segments * SEGMENT_BYTES_MIN + 1000 {
        append(&mut journal, &entry(0, &[0; 1400]));
    }
    let progress = journal.progress();
    let range = Range { from: Position(0), to: Position(stored * SEGMENT_BYTES_MIN + 1), shard: 0 };
    progress.begin(range).expect("the disk has room");
    progress.settle(range);
    progress.keep_from(range.to);
    journal.tend(now_seconds * SECOND_NS);
    assert_eq!(journal.status().segments, expected, "{retain_segments} {segments} {stored} {now_seconds}");
}

#[test]
fn stored_segments_are_kept_within_bytes_and_time() {
    check(0, 5, 0, 0, 6);
    check(0, 5, 2, 0, 4);
    check(0, 5, 5, 0, 1);
    check(2, 5, 5, 59, 3);
    check(2, 5, 1, 59, 6);
    check(9, 5, 5, 59, 6);
    check(9, 5, 5, 60, 1);
    check(9, 5, 3, 60, 3);
}
