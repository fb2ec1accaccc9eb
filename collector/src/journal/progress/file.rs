//! The files of the progress: fixed records in two preallocated files that take turns, so that a full disk cannot keep the
//! progress from being written, and the end of the process at any moment leaves one of them whole.
//!
//! Numbers are little-endian. A file begins with
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 8 | `FLOWPRG1` |
//! | 8 | 16 | id of the journal |
//! | 24 | 8 | size of a segment in bytes |
//! | 32 | 8 | generation: the file with the higher one is in force |
//! | 40 | 4 | CRC-32C of the 40 bytes before |
//!
//! and from offset 64 on holds records of 24 bytes:
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 4 | CRC-32C of the first 40 bytes of the file, of the record's offset (8 bytes), and of the 20 bytes that follow |
//! | 4 | 1 | 1 begun, 2 settled, 3 keep from |
//! | 5 | 1 | zero |
//! | 6 | 2 | shard |
//! | 8 | 8 | from |
//! | 16 | 8 | to; with 3, how far ranges had begun |
//!
//! The checksum covers the generation, so what an earlier use of the file left is no record.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::super::allocate::allocate;
use super::super::{Id, Position};
use super::ranges::{Range, Ranges};

const MAGIC: [u8; 8] = *b"FLOWPRG1";
const HEADER: usize = 40;
const FIRST_RECORD: usize = 64;
const RECORD: usize = 24;
/// Smallest size of a file: room for 2700 records.
const FILE_BYTES_MIN: usize = 64 << 10;
/// No file is longer; a longer one is no file of ours.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// The two that take turns.
const NAMES: [&str; 2] = ["progress.0", "progress.1"];

const BEGUN: u8 = 1;
const SETTLED: u8 = 2;
const KEEP_FROM: u8 = 3;

/// Whose progress it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Identity {
    pub(in super::super) id: Id,
    pub(in super::super) segment_bytes: u64,
}

/// What the files of a directory say.
#[derive(Debug, Clone)]
pub(in super::super) struct Loaded {
    pub(in super::super) identity: Identity,
    pub(in super::super) ranges: Ranges,
    /// Records, or a whole file, that are neither whole nor unused.
    pub(in super::super) damaged: u64,
    generation: u64,
    turn: usize,
    used: usize,
    size: usize,
}

/// One thing to write down.
#[derive(Debug, Clone, Copy)]
pub(super) enum Note {
    Begun(Range),
    Settled(Range),
    KeepFrom { position: Position, begun: Position },
}

/// The file in force, open for appending.
#[derive(Debug)]
pub(super) struct Writer {
    directory: PathBuf,
    identity: Identity,
    is_synchronised: bool,
    generation: u64,
    /// Which file is in force, or was last.
    turn: usize,
    /// None while neither file can be written.
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    file: File,
    seed: u32,
    used: usize,
    size: usize,
}

/// Reads what the files of a directory say; `None` where neither says anything.
pub(in super::super) fn load(directory: &Path) -> Option<Loaded> {
    let mut damaged = 0;
    let mut newest: Option<Loaded> = None;
    for (turn, name) in NAMES.iter().enumerate() {
        let Some(bytes) = read(&directory.join(name)) else { continue };
        let Some(loaded) = parse(&bytes, turn) else {
            // A file that was made and never used is no damage.
            damaged += u64::from(bytes.iter().any(|byte| *byte != 0));
            continue;
        };
        if newest.as_ref().is_none_or(|other| other.generation < loaded.generation) {
            newest = Some(loaded);
        }
    }
    let mut newest = newest?;
    newest.damaged += damaged;
    if newest.damaged > 0 {
        newest.ranges.fill_gaps();
    }
    Some(newest)
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let length = std::fs::metadata(path).ok()?.len();
    if length > FILE_BYTES_MAX {
        return None;
    }
    std::fs::read(path).ok()
}

/// Reads the bytes of a file; `None` if its header is not whole. Any bytes will do.
fn parse(bytes: &[u8], turn: usize) -> Option<Loaded> {
    let header: &[u8; HEADER] = bytes.first_chunk()?;
    let crc: &[u8; 4] = bytes.get(HEADER..)?.first_chunk()?;
    let seed = crc32c::crc32c(header);
    if seed.to_le_bytes() != *crc || header[..8] != MAGIC {
        return None;
    }
    let identity = Identity { id: *header[8..].first_chunk()?, segment_bytes: number(header, 24) };
    let generation = number(header, 32);
    let mut loaded = Loaded {
        identity,
        ranges: Ranges::default(),
        damaged: 0,
        generation,
        turn,
        used: FIRST_RECORD,
        size: bytes.len(),
    };
    // What is no record may be the unused rest, or what an earlier use left there: damage only if a record follows.
    let mut broken = 0;
    for (index, record) in bytes.get(FIRST_RECORD..)?.chunks_exact(RECORD).enumerate() {
        let offset = FIRST_RECORD + index * RECORD;
        let is_noted = note(record, seed, offset).is_some_and(|note| apply(&mut loaded.ranges, note));
        if !is_noted {
            broken += 1;
            continue;
        }
        loaded.damaged += broken;
        broken = 0;
        loaded.used = offset + RECORD;
    }
    Some(loaded)
}

/// Takes a note into the account; whether it makes sense.
fn apply(ranges: &mut Ranges, note: Note) -> bool {
    match note {
        Note::Begun(range) | Note::Settled(range) if range.from >= range.to => return false,
        Note::Begun(range) => ranges.begin(range),
        Note::Settled(range) => {
            ranges.begin(range);
            ranges.settle(range);
        }
        Note::KeepFrom { position, begun } => {
            ranges.keep_from(position);
            ranges.begun_until(begun);
        }
    }
    true
}

fn note(record: &[u8], seed: u32, offset: usize) -> Option<Note> {
    let crc = checksum(seed, offset, record.get(4..RECORD)?);
    if *record.first_chunk::<4>()? != crc.to_le_bytes() {
        return None;
    }
    let (from, to) = (Position(number(record, 8)), Position(number(record, 16)));
    let range = Range { from, to, shard: u16::from_le_bytes([record[6], record[7]]) };
    match record[4] {
        BEGUN => Some(Note::Begun(range)),
        SETTLED => Some(Note::Settled(range)),
        KEEP_FROM => Some(Note::KeepFrom { position: from, begun: to }),
        _ => None,
    }
}

fn encode(note: Note, seed: u32, offset: usize) -> [u8; RECORD] {
    let (kind, shard, from, to) = match note {
        Note::Begun(range) => (BEGUN, range.shard, range.from, range.to),
        Note::Settled(range) => (SETTLED, range.shard, range.from, range.to),
        Note::KeepFrom { position, begun } => (KEEP_FROM, 0, position, begun),
    };
    let mut record = [0; RECORD];
    record[4] = kind;
    record[6..8].copy_from_slice(&shard.to_le_bytes());
    record[8..16].copy_from_slice(&from.0.to_le_bytes());
    record[16..].copy_from_slice(&to.0.to_le_bytes());
    let crc = checksum(seed, offset, &record[4..]);
    record[..4].copy_from_slice(&crc.to_le_bytes());
    record
}

fn checksum(seed: u32, offset: usize, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed, &(offset as u64).to_le_bytes()), bytes)
}

/// Eight bytes of a slice that has them.
fn number(bytes: &[u8], offset: usize) -> u64 {
    bytes.get(offset..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

impl Writer {
    /// Goes on where `loaded` ends, or begins anew; what is known is written to the other file at once where the disk has room.
    pub(super) fn open(directory: &Path, identity: Identity, is_synchronised: bool, loaded: Option<&Loaded>) -> Self {
        let mut writer = Self {
            directory: directory.to_path_buf(),
            identity,
            is_synchronised,
            generation: 0,
            turn: 1,
            current: None,
        };
        if let Some(loaded) = loaded {
            (writer.generation, writer.turn) = (loaded.generation, loaded.turn);
            writer.current = writer.reopen(loaded).ok();
        }
        let known = loaded.map(|loaded| loaded.ranges.clone()).unwrap_or_default();
        if let Err(error) = writer.compact(&known) {
            tracing::warn!(%error, directory = %directory.display(), "the journal's progress cannot be written anew; it is tried again");
        }
        writer
    }

    fn reopen(&self, loaded: &Loaded) -> io::Result<Current> {
        let path = self.directory.join(NAMES[loaded.turn]);
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let seed = crc32c::crc32c(&header(self.identity, loaded.generation));
        Ok(Current { file, seed, used: loaded.used, size: loaded.size })
    }

    /// Appends a note; `known` is what the account says with it, for a file begun anew.
    pub(super) fn append(&mut self, note: Note, known: &Ranges) -> io::Result<()> {
        let is_begin = matches!(note, Note::Begun(_));
        let Some(current) = self.current.as_mut().filter(|current| current.used + RECORD <= current.size) else {
            return self.compact(known);
        };
        let record = encode(note, current.seed, current.used);
        current.file.write_all_at(&record, current.used as u64)?;
        // Only that a range begins must be on disk: the other notes save work, and their loss repeats what repeats harmlessly.
        if self.is_synchronised && is_begin {
            current.file.sync_data()?;
        }
        current.used += RECORD;
        Ok(())
    }

    /// Writes what is known to the file whose turn it is not, and makes it the one in force.
    fn compact(&mut self, known: &Ranges) -> io::Result<()> {
        let turn = 1 - self.turn;
        let generation = self.generation + 1;
        let header = header(self.identity, generation);
        let seed = crc32c::crc32c(&header);
        let mut bytes = vec![0; FIRST_RECORD];
        bytes[..HEADER].copy_from_slice(&header);
        bytes[HEADER..HEADER + 4].copy_from_slice(&seed.to_le_bytes());
        let keep = Note::KeepFrom { position: known.replay_from(), begun: known.begun() };
        let ranges = known.all().into_iter().map(|(range, is_settled)| match is_settled {
            true => Note::Settled(range),
            false => Note::Begun(range),
        });
        for note in std::iter::once(keep).chain(ranges) {
            let record = encode(note, seed, bytes.len());
            bytes.extend_from_slice(&record);
        }
        // Half of it stays free, so that this is not done again soon.
        let size = (2 * bytes.len()).next_multiple_of(FILE_BYTES_MIN);
        let path = self.directory.join(NAMES[turn]);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let length = file.metadata()?.len();
        if length < size as u64 {
            allocate(&file, size as u64)?;
        }
        let size = size.max(usize::try_from(length).unwrap_or(size));
        file.write_all_at(&bytes[FIRST_RECORD..], FIRST_RECORD as u64)?;
        if self.is_synchronised {
            file.sync_data()?;
        }
        // The header last: before it the other file is in force, behind it this one.
        file.write_all_at(&bytes[..FIRST_RECORD], 0)?;
        if self.is_synchronised {
            file.sync_all()?;
            File::open(&self.directory)?.sync_all()?;
        }
        (self.generation, self.turn) = (generation, turn);
        self.current = Some(Current { file, seed, used: bytes.len(), size });
        Ok(())
    }
}

fn header(identity: Identity, generation: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..24].copy_from_slice(&identity.id);
    header[24..32].copy_from_slice(&identity.segment_bytes.to_le_bytes());
    header[32..].copy_from_slice(&generation.to_le_bytes());
    header
}
