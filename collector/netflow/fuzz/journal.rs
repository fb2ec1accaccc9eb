//! What the fuzz target `journal`, and the test that replays its seeds, do with bytes.
//!
//! The bytes tell how to make a journal's files: whole records and whole notes of progress, written here from the documents of
//! their layout, with anything else in between. Whatever that is, the whole records are found, and nothing else.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::journal::{Durability, Journal, Position, Reader, SEGMENT_BYTES_MIN, Settings};

const ID: [u8; 16] = *b"the fuzz journal";
const SIZE: usize = SEGMENT_BYTES_MIN as usize;
const FRONT: usize = 128;
const NUMBER: u64 = 3;

/// A record that was written: where, and what datagram.
type Written = (u64, Vec<u8>);

/// A directory that is taken away on drop.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes files of `bytes`, reads them from outside and from inside, and compares.
pub(crate) fn read(bytes: &[u8]) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = Folder(std::env::temp_dir().join(format!("journal-fuzz-{}-{number}", std::process::id())));
    std::fs::create_dir_all(&folder.0).expect("the temporary directory is writable");
    let (kind, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let (progress, records) = rest.split_at(rest.len() / 4);
    let (segment, written) = segment(records, *kind);
    std::fs::write(folder.0.join("00000000.segment"), segment).expect("it is writable");
    std::fs::write(folder.0.join("progress.0"), notes(progress, *kind)).expect("it is writable");

    let outside = outside(&folder.0);
    assert_eq!(outside, written, "from outside");
    let inside = inside(&folder.0);
    assert_eq!(inside, written, "from inside");
}

/// A segment's file, and the records in it.
fn segment(mut script: &[u8], kind: u8) -> (Vec<u8>, Vec<Written>) {
    let mut file = vec![0; FRONT];
    file[..8].copy_from_slice(b"FLOWJRN1");
    file[8..24].copy_from_slice(&ID);
    file[24..32].copy_from_slice(&NUMBER.to_le_bytes());
    file[32..40].copy_from_slice(&(SIZE as u64).to_le_bytes());
    let crc = crc32c::crc32c(&file[..40]);
    file[40..44].copy_from_slice(&crc.to_le_bytes());
    let mut written = Vec::new();
    while let [order, length, rest @ ..] = script {
        let length = (usize::from(*length) << (order >> 5)).min(rest.len());
        let (data, rest) = rest.split_at(length);
        script = rest;
        if file.len() + 56 + length > SIZE {
            break;
        }
        match order & 3 {
            // Whatever stands there.
            0 => file.extend_from_slice(data),
            // The beginning of a record, which does not end in zeros: these would make it whole.
            1 => {
                let whole = record(file.len(), &[data, &[1]].concat());
                file.extend_from_slice(&whole[..whole.len() / 2]);
            }
            _ => {
                written.push((NUMBER * SIZE as u64 + file.len() as u64, data.to_vec()));
                let whole = record(file.len(), data);
                file.extend_from_slice(&whole);
            }
        }
        file.resize(file.len().next_multiple_of(8), 0);
    }
    let used = file.len();
    if kind & 1 == 0 {
        file.resize(SIZE, 0);
    }
    if kind & 2 == 0 {
        seal(&mut file, used);
    }
    (file, written)
}

fn record(offset: usize, payload: &[u8]) -> Vec<u8> {
    let position = NUMBER * SIZE as u64 + offset as u64;
    let (length, seed) = (payload.len() as u32, crc32c::crc32c(&ID));
    let mut record = vec![0; 40];
    record[4..8].copy_from_slice(&length.to_le_bytes());
    record[8..16].copy_from_slice(&7_i64.to_le_bytes());
    record[36..40].copy_from_slice(&(seed ^ length ^ (position / 8) as u32).to_le_bytes());
    record.extend_from_slice(payload);
    let crc = crc32c::crc32c(&[&ID, position.to_le_bytes().as_slice(), &record[4..]].concat());
    record[..4].copy_from_slice(&crc.to_le_bytes());
    record
}

fn seal(file: &mut [u8], used: usize) {
    file[64..80].copy_from_slice(&ID);
    file[80..88].copy_from_slice(&NUMBER.to_le_bytes());
    file[88..96].copy_from_slice(&(used as u64).to_le_bytes());
    // How many records there are is not said rightly: readers count.
    file[96..104].copy_from_slice(&1_u64.to_le_bytes());
    file[104..112].copy_from_slice(&7_i64.to_le_bytes());
    file[112..120].copy_from_slice(&7_i64.to_le_bytes());
    let crc = crc32c::crc32c(&[b"FLOWSEAL".as_slice(), &file[64..120]].concat());
    file[120..124].copy_from_slice(&crc.to_le_bytes());
}

/// A file of progress with notes of which every other is whole; nothing in it says that anything is stored.
fn notes(script: &[u8], kind: u8) -> Vec<u8> {
    if kind & 4 == 0 {
        return script.to_vec();
    }
    let mut file = vec![0; 64];
    file[..8].copy_from_slice(b"FLOWPRG1");
    file[8..24].copy_from_slice(&ID);
    file[24..32].copy_from_slice(&(SIZE as u64).to_le_bytes());
    file[32..40].copy_from_slice(&9_u64.to_le_bytes());
    let seed = crc32c::crc32c(&file[..40]);
    file[40..44].copy_from_slice(&seed.to_le_bytes());
    for chunk in script.chunks_exact(10) {
        let mut note = vec![0; 24];
        note[4] = 1 + chunk[0] % 2;
        note[8..12].copy_from_slice(&chunk[2..6]);
        note[16..20].copy_from_slice(&chunk[6..10]);
        let crc = crc32c::crc32c_append(seed, &(file.len() as u64).to_le_bytes());
        let crc = crc32c::crc32c_append(crc, &note[4..]) ^ u32::from(chunk[1] & 1);
        note[..4].copy_from_slice(&crc.to_le_bytes());
        file.extend(note);
    }
    file
}

fn outside(folder: &Path) -> Vec<Written> {
    let reader = Reader::open(folder).expect("any files will do");
    let verified = reader.verify().expect("they can be read");
    let mut found = Vec::new();
    let walked = reader.walk(0, i64::MAX, |entry, position| {
        found.push((position.0, entry.payload.to_vec()));
        ControlFlow::Continue(())
    });
    let walked = walked.expect("they can be read");
    assert_eq!((walked.records, verified.records), (found.len() as u64, found.len() as u64));
    for (range, _) in reader.ranges() {
        assert!(range.from < range.to, "no range is empty");
    }
    found
}

fn inside(folder: &Path) -> Vec<Written> {
    let settings = Settings {
        directory: folder.to_path_buf(),
        segment_bytes: SEGMENT_BYTES_MIN,
        budget_bytes: 1 << 30,
        retain_bytes: 1 << 30,
        retain: Duration::MAX,
        durability: Durability::Process,
    };
    let (journal, recovered) = Journal::open(settings, [1; 16]).expect("any files will do");
    let mut found = Vec::new();
    let mut at = Position(0);
    while let Some((entry, from, to)) = journal.read(at) {
        assert!(at <= from && from < to && to <= journal.tip());
        found.push((from.0, entry.payload.to_vec()));
        at = to;
    }
    assert_eq!(recovered.records, found.len() as u64);
    found
}
