//! The files of a journal as they are at any moment, damaged at any place: every record that was not hit is there, none is
//! invented, none of an earlier use of a file comes back.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use collector::journal::{Journal, Position, Range, Recovered, SEGMENT_BYTES_MIN};
use proptest::prelude::*;

use crate::support::{Folder, Kept, all, append, entry, settings};

/// One thing that happens to a journal.
#[derive(Debug, Clone)]
enum Step {
    /// Records of so many bytes.
    Append(Vec<usize>),
    /// A record whose datagram is what stands in a file: the worst that an exporter could send.
    Mirror { from: u16, bytes: usize },
    /// A range to the tip is begun.
    Begin,
    /// A range that was begun is settled.
    Settle(prop::sample::Index),
    /// Replay begins at the end of the last range.
    KeepFrom,
    /// The journal forgets.
    Tend,
}

/// What happens to a file afterwards.
#[derive(Debug, Clone)]
enum Damage {
    None,
    Truncate,
    /// So many bytes become zero.
    Zero(usize),
    /// So many bytes become these, over and over.
    Garble(usize, u8),
    Flip(u8),
    Delete,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(0_usize..3000, 1..60).prop_map(Step::Append),
        1 => Just(Step::Append(vec![65_535, 0, 65_535])),
        2 => (any::<u16>(), 0_usize..60_000).prop_map(|(from, bytes)| Step::Mirror { from, bytes }),
        3 => Just(Step::Begin),
        3 => any::<prop::sample::Index>().prop_map(Step::Settle),
        2 => Just(Step::KeepFrom),
        2 => Just(Step::Tend),
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        1 => Just(Damage::None),
        3 => Just(Damage::Truncate),
        2 => (1_usize..200_000).prop_map(Damage::Zero),
        2 => (1_usize..5000, any::<u8>()).prop_map(|(bytes, with)| Damage::Garble(bytes, with)),
        3 => (0_u8..8).prop_map(|bit| Damage::Flip(1 << bit)),
        1 => Just(Damage::Delete),
    ]
}

/// Ranges of the test's own account.
#[derive(Debug, Default)]
struct Account {
    ranges: Vec<(Range, bool)>,
    stored: Position,
    /// Every record there ever was, by position.
    appended: HashMap<u64, Kept>,
}

impl Account {
    fn append(&mut self, journal: &mut Journal, number: u64, payload: &[u8]) {
        let entry = entry(number, payload);
        let from = append(journal, &entry);
        self.appended.insert(from.0, Kept::of(&entry, from, journal.tip()));
    }
}

fn run(journal: &mut Journal, folder: &Folder, steps: &[Step]) -> Account {
    let mut account = Account::default();
    let progress = journal.progress();
    let (mut number, mut begun) = (0, Position(0));
    for step in steps {
        match step {
            Step::Append(lengths) => {
                for length in lengths {
                    account.append(journal, number, &vec![number as u8; *length]);
                    number += 1;
                }
            }
            Step::Mirror { from, bytes } => {
                let files = folder.files();
                let file = files.iter().find(|file| is_segment(file)).expect("there is a segment");
                let file = std::fs::read(file).unwrap_or_default();
                let from = usize::from(*from).next_multiple_of(8).min(file.len());
                account.append(journal, number, &file[from..file.len().min(from + bytes)]);
                number += 1;
            }
            Step::Begin if begun < journal.tip() => {
                let range = Range { from: begun, to: journal.tip(), shard: number as u16 };
                progress.begin(range).expect("the disk has room");
                account.ranges.push((range, false));
                begun = range.to;
            }
            Step::Begin => {}
            Step::Settle(index) => {
                if !account.ranges.is_empty() {
                    let index = index.index(account.ranges.len());
                    let (range, is_settled) = &mut account.ranges[index];
                    progress.settle(*range);
                    *is_settled = true;
                }
            }
            Step::KeepFrom => progress.keep_from(begun),
            Step::Tend => journal.tend(0),
        }
    }
    account.stored = progress.stored();
    account
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "segment")
}

/// Does damage to a file at `at`; which bytes it hit.
fn hurt(path: &Path, damage: &Damage, at: usize) -> std::ops::Range<usize> {
    let mut bytes = std::fs::read(path).expect("the file is there");
    // A file that was just made is empty: it can only go.
    let is_empty = bytes.is_empty() && !matches!(damage, Damage::Delete);
    let at = at.min(bytes.len().saturating_sub(1));
    let hit = match damage {
        _ if is_empty => 0..0,
        Damage::None => 0..0,
        Damage::Truncate => {
            let end = bytes.len();
            bytes.truncate(at);
            at..end
        }
        Damage::Zero(length) => {
            let hit = at..bytes.len().min(at + length);
            bytes[hit.clone()].fill(0);
            hit
        }
        Damage::Garble(length, with) => {
            let hit = at..bytes.len().min(at + length);
            bytes[hit.clone()].fill(*with);
            hit
        }
        Damage::Flip(bit) => {
            bytes[at] ^= bit;
            at..at + 1
        }
        Damage::Delete => {
            std::fs::remove_file(path).expect("the file is there");
            return 0..bytes.len();
        }
    };
    std::fs::write(path, bytes).expect("the file can be written");
    hit
}

/// Which segment a file holds, by its header.
fn number_of(path: &Path) -> u64 {
    let bytes = std::fs::read(path).expect("the file is there");
    // A file may have been copied when it was just made, and empty.
    bytes.get(24..32).map_or(u64::MAX, |number| u64::from_le_bytes(number.try_into().expect("eight bytes")))
}

/// The records that damage of a segment's file may not cost: all that it did not hit, if it left the front of the file.
fn unhurt(record: &Kept, number: u64, hit: &std::ops::Range<usize>) -> bool {
    const HEADER: usize = 64;
    if record.from.0 / SEGMENT_BYTES_MIN != number || hit.is_empty() {
        return true;
    }
    let offset = (record.from.0 % SEGMENT_BYTES_MIN) as usize;
    let end = offset + (record.to.0 - record.from.0) as usize;
    hit.start >= HEADER && (end <= hit.start || hit.end <= offset)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_was_not_hit_is_there(
        steps in prop::collection::vec(step(), 1..40),
        damage in damage(),
        file in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
    ) {
        let folder = Folder::new();
        let (mut journal, found) = Journal::open(settings(folder.path()), [7; 16]).expect("it opens");
        prop_assert_eq!(found, Recovered::default());
        let account = run(&mut journal, &folder, &steps);
        let kept = all(&journal);
        let ranges = journal.progress().ranges();
        let tip = journal.tip();
        let left = folder.copy();
        drop(journal);

        let files: Vec<PathBuf> = left.files().into_iter().filter(|file| !file.ends_with("lock")).collect();
        let victim = file.get(&files);
        let length = SEGMENT_BYTES_MIN as usize;
        let number = if is_segment(victim) { number_of(victim) } else { u64::MAX };
        // Most of a file of progress is not in use.
        let hit = hurt(victim, &damage, at.index(if is_segment(victim) { length } else { 1500 }));

        let (mut journal, _) = Journal::open(settings(left.path()), [8; 16]).expect("it opens whatever is in it");
        let read = all(&journal);
        for record in &read {
            prop_assert_eq!(Some(record), account.appended.get(&record.from.0), "invented, or of an earlier use");
        }
        let expected: Vec<&Kept> = kept.iter().filter(|record| unhurt(record, number, &hit)).collect();
        let there: HashMap<u64, &Kept> = read.iter().map(|record| (record.from.0, record)).collect();
        for record in expected {
            prop_assert!(there.contains_key(&record.from.0), "lost: {:?} of {:?}", record.from, hit);
        }

        // The progress says no more than was true, and all of it where it was not hit.
        let progress = journal.progress();
        prop_assert!(progress.stored() <= account.stored);
        for (range, is_settled) in progress.ranges() {
            let inside = |other: &Range| range.from <= other.from && other.to <= range.to;
            let unsettled = account.ranges.iter().any(|(other, is_settled)| !is_settled && inside(other));
            prop_assert!(!is_settled || !unsettled, "{:?} was not settled", range);
        }
        if is_segment(victim) || hit.is_empty() {
            prop_assert_eq!(progress.ranges(), ranges);
            prop_assert_eq!(progress.stored(), account.stored);
            prop_assert_eq!(journal.id(), [7; 16]);
        }

        // It goes on where nothing was before.
        let position = append(&mut journal, &entry(1, b"after"));
        prop_assert!(is_segment(victim) && !hit.is_empty() || position >= tip || !hit.is_empty());
        let last = all(&journal).pop();
        prop_assert_eq!(last.map(|record| record.payload), Some(b"after".to_vec()));
    }
}

#[test]
fn a_journal_that_is_damaged_again_and_again_collects_on() {
    let folder = Folder::new();
    let mut expected = 0;
    for round in 0..12_usize {
        let (mut journal, _) = Journal::open(settings(folder.path()), [7; 16]).expect("it opens");
        let before = all(&journal).len();
        for number in 0..100 {
            append(&mut journal, &entry(number, &[1; 700]));
        }
        assert_eq!(all(&journal).len(), before + 100);
        drop(journal);
        let files = folder.files();
        let segments: Vec<&PathBuf> = files.iter().filter(|file| is_segment(file)).collect();
        let victim = segments[round * 7 % segments.len()];
        hurt(victim, [&Damage::Truncate, &Damage::Flip(1), &Damage::Delete][round % 3], 4000);
        expected = before + 100;
    }
    assert!(expected > 100, "something survived");
}
