//! What is broken in journals that nobody has open: a flipped bit in a record, a segment cut short, a segment's header.
//!
//! What gives a late template its meaning is left alone: a journal without it cannot know that the data sets before were
//! decoded and stored, so that they would wait for the next repetition of the template and be stored again.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use perf::random::Random;

use crate::evidence::{Evidence, Record, records};
use crate::load::{EXPORTERS, Habit};

/// Damages something somewhere; whether there was anything to damage.
pub(crate) fn damage(evidence: &mut Evidence, random: &mut Random) -> bool {
    let journals = evidence.journals();
    let journals: Vec<_> = journals.iter().filter(|segments| !segments.is_empty()).collect();
    if journals.is_empty() {
        return false;
    }
    let all = journals[random.below(journals.len() as u64) as usize];
    // Mostly of the newest ones: what is stored long since does not matter any more.
    let back = random.below(all.len().min(4) as u64) as usize;
    let (path, _) = &all[all.len() - 1 - back];
    let bytes = std::fs::read(path).unwrap_or_default();
    let found = records(&bytes);
    match random.below(4) {
        0 => cut(path, &found, evidence, random),
        1 if !found.is_empty() && !found.iter().any(has_late) => {
            found.iter().for_each(|record| evidence.will_damage(record.datagram));
            flip(path, 8 + random.below(24), random)
        }
        _ => {
            let candidates: Vec<&Record> =
                found.iter().filter(|record| !has_late(record) && record.length > 0).collect();
            if candidates.is_empty() {
                return false;
            }
            let record = candidates[random.below(candidates.len() as u64) as usize];
            evidence.will_damage(record.datagram);
            flip(path, record.offset as u64 + random.below(record.length as u64), random)
        }
    }
}

/// Cuts a segment within one of its last records.
fn cut(path: &Path, found: &[Record], evidence: &mut Evidence, random: &mut Random) -> bool {
    let most = found.iter().rev().take_while(|record| !has_late(record)).count().min(20);
    if most == 0 {
        return false;
    }
    let lost = &found[found.len() - 1 - random.below(most as u64) as usize..];
    lost.iter().for_each(|record| evidence.will_damage(record.datagram));
    let at = lost[0].offset as u64 + random.below(lost[0].length.max(1) as u64);
    OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(at)).is_ok()
}

fn flip(path: &Path, offset: u64, random: &mut Random) -> bool {
    let Ok(file) = OpenOptions::new().read(true).write(true).open(path) else { return false };
    let mut byte = [0];
    let flipped = file.read_exact_at(&mut byte, offset).and_then(|()| {
        byte[0] ^= 1 << random.below(8);
        file.write_all_at(&byte, offset)
    });
    flipped.is_ok()
}

/// Whether a record is of the exporter whose templates come late.
fn has_late(record: &Record) -> bool {
    record.datagram.is_none_or(|(exporter, _)| EXPORTERS[exporter].1 == Habit::Late)
}
