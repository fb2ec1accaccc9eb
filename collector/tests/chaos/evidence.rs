//! Which datagrams the journals hold, read from their files by the documented layout and not with the collector's own reader.
//! Only while no collector runs.

use std::collections::{BTreeMap, HashSet};
use std::io::Read as _;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use crate::load::{self, EXPORTERS};

/// Where the first record of a segment begins.
const FIRST_RECORD: usize = 128;
const RECORD_HEADER: usize = 40;
/// The newest segments of a journal, which may have grown since they were read.
const GROWING: usize = 6;

/// A record of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    /// Where its payload is in the file.
    pub(crate) offset: usize,
    pub(crate) length: usize,
    /// Which of the exporters, and which of its datagrams; nothing for other datagrams.
    pub(crate) datagram: Option<(usize, u64)>,
}

/// What was found in the journals so far.
pub(crate) struct Evidence {
    directory: PathBuf,
    journaled: HashSet<(usize, u64)>,
    damaged: HashSet<(usize, u64)>,
    /// Segments that will not change any more, by file and number.
    read: HashSet<(PathBuf, u64)>,
}

impl Evidence {
    /// Of the journals below a directory.
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_path_buf(),
            journaled: HashSet::new(),
            damaged: HashSet::new(),
            read: HashSet::new(),
        }
    }

    /// Reads what has come since the last time.
    pub(crate) fn collect(&mut self) {
        for segments in self.journals() {
            let growing = segments.len().saturating_sub(GROWING);
            for (index, segment) in segments.into_iter().enumerate() {
                if self.read.contains(&segment) {
                    continue;
                }
                let records = records(&std::fs::read(&segment.0).unwrap_or_default());
                self.journaled.extend(records.iter().filter_map(|record| record.datagram));
                if index < growing {
                    self.read.insert(segment);
                }
            }
        }
    }

    /// The segments of each journal with their numbers, ascending.
    pub(crate) fn journals(&self) -> Vec<Vec<(PathBuf, u64)>> {
        let of = |journal: PathBuf| {
            let numbered = entries(&journal).into_iter().filter_map(|path| Some((number_of(&path)?, path)));
            let ascending: BTreeMap<u64, PathBuf> = numbered.collect();
            ascending.into_iter().map(|(number, path)| (path, number)).collect()
        };
        entries(&self.directory).into_iter().map(of).collect()
    }

    /// Says that a datagram's record is about to be damaged.
    pub(crate) fn will_damage(&mut self, datagram: Option<(usize, u64)>) {
        self.damaged.extend(datagram);
    }

    /// How many datagrams' records were damaged.
    pub(crate) fn damaged(&self) -> usize {
        self.damaged.len()
    }

    /// Whether a datagram came into a journal.
    pub(crate) fn has(&self, exporter: usize, number: u64) -> bool {
        self.journaled.contains(&(exporter, number))
    }

    /// Whether its record was damaged.
    pub(crate) fn is_damaged(&self, exporter: usize, number: u64) -> bool {
        self.damaged.contains(&(exporter, number))
    }
}

/// The whole records of a segment.
pub(crate) fn records(bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    let Some(front) = Front::of(bytes) else { return records };
    let seed = crc32c::crc32c(&front.journal);
    let mut offset = FIRST_RECORD;
    while let Some(header) = bytes.get(offset..offset + RECORD_HEADER) {
        let length = u32::from_le_bytes(header[4..8].try_into().expect("four bytes")) as usize;
        let end = offset + RECORD_HEADER + length;
        let whole = bytes.get(offset + 4..end.max(offset + 4)).filter(|_| length <= 65_535);
        let checksum = u32::from_le_bytes(header[..4].try_into().expect("four bytes"));
        let position = front.number * front.size + offset as u64;
        let of_place = crc32c::crc32c_append(seed, &position.to_le_bytes());
        let Some(_) = whole.filter(|whole| crc32c::crc32c_append(of_place, whole) == checksum) else {
            // Damage: the next whole record is somewhere behind.
            offset += 8;
            continue;
        };
        let address: [u8; 16] = header[16..32].try_into().expect("16 bytes");
        let address = Ipv6Addr::from(address).to_canonical().to_string();
        let payload = offset + RECORD_HEADER;
        let exporter = EXPORTERS.iter().position(|(of, _)| *of == address);
        let datagram = exporter.zip(load::number_of(&bytes[payload..end]));
        records.push(Record { offset: payload, length, datagram });
        offset = end.next_multiple_of(8);
    }
    records
}

/// What the front of a segment says.
struct Front {
    journal: [u8; 16],
    number: u64,
    size: u64,
}

impl Front {
    /// Reads it, if it is whole and no spare's.
    fn of(bytes: &[u8]) -> Option<Self> {
        let word = |offset: usize| Some(u64::from_le_bytes(bytes.get(offset..offset + 8)?.try_into().ok()?));
        let is_whole = bytes.get(40..44)? == crc32c::crc32c(bytes.get(..40)?).to_le_bytes();
        let (journal, number, size) = (bytes.get(8..24)?.try_into().ok()?, word(24)?, word(32)?);
        (is_whole && bytes.starts_with(b"FLOWJRN1") && number != u64::MAX).then_some(Self { journal, number, size })
    }
}

fn number_of(path: &Path) -> Option<u64> {
    path.extension().filter(|extension| *extension == "segment")?;
    let mut front = [0; FIRST_RECORD];
    std::fs::File::open(path).ok()?.read_exact(&mut front).ok()?;
    Some(Front::of(&front)?.number)
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(directory).into_iter().flatten().flatten();
    listed.map(|entry| entry.path()).collect()
}
