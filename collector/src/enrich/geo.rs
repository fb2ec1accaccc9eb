//! GeoIP: the place and the autonomous system of an address, from MaxMind DB files flattened into tables.
//!
//! Several files are joined when they are loaded, so that one lookup answers for all of them: of each attribute the first
//! file holds that has it for the address. Not here: noticing that a file was replaced (see [`super::watcher`]).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use netflow::columns::Address;

use super::error::Error;
use super::interner::{Interner, UNKNOWN};
use super::merge::Merge;
use super::mmdb::{Database, Family, Record};
use super::signature::Signature;
use super::tree::{Builder, NOTHING, Tree};

/// Every /24 has its own root entry: the tree's one node below it is the deepest there is.
const V4_ROOT_BITS: u32 = 24;
/// As large as that of IPv4, but few parts of IPv6 are in use: the pages of the others are never touched, so they take no memory.
const V6_ROOT_BITS: u32 = 24;

/// The tables made from a set of files. Immutable: a replaced file makes new ones.
#[derive(Debug)]
pub struct Geo {
    serial: u64,
    names: Box<[Box<str>]>,
    places: Box<[Record]>,
    v4: Tree,
    v6: Tree,
    files: Vec<LoadedFile>,
    networks: u64,
    build_time: Duration,
}

/// The number of a place in one [`Geo`]; 0 is the unknown place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PlaceId(pub(super) u32);

/// What is known about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// ISO 3166-1 alpha-2 code, or "unknown".
    pub country: &'a str,
    /// English name, or "unknown".
    pub city: &'a str,
    /// Number of the autonomous system, or 0.
    pub asn: u32,
    /// Its name, or "unknown".
    pub as_name: &'a str,
}

/// A file that the tables were made from.
#[derive(Debug, Clone)]
pub struct LoadedFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it calls itself, like `GeoLite2-City`.
    pub kind: String,
    /// When its maker built it, seconds since 1970.
    pub built_at: u64,
    pub(super) signature: Signature,
}

impl Geo {
    /// Reads the files and builds the tables: seconds and hundreds of megabytes for files of real size.
    ///
    /// # Errors
    /// A file that cannot be read, or has any fault anywhere; the error names it.
    pub fn open(files: &[impl AsRef<Path>]) -> Result<Self, Error> {
        let begun = Instant::now();
        let databases = files.iter().map(|path| Database::open(path.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let mut names = Interner::new();
        let mut places = Places::new();
        let (v4, v4_networks) = build(&databases, Family::V4, &mut names, &mut places)?;
        let (v6, v6_networks) = build(&databases, Family::V6, &mut names, &mut places)?;
        let loaded = |(path, database): (_, &Database)| LoadedFile {
            path: AsRef::<Path>::as_ref(path).to_owned(),
            kind: database.kind().to_owned(),
            built_at: database.built_at(),
            signature: database.signature(),
        };
        Ok(Self {
            serial: next_serial(),
            names: names.finish(),
            places: places.places.into_boxed_slice(),
            v4,
            v6,
            files: files.iter().zip(&databases).map(loaded).collect(),
            networks: v4_networks + v6_networks,
            build_time: begun.elapsed(),
        })
    }

    /// Tables without any file: everything is unknown.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            serial: next_serial(),
            names: Interner::new().finish(),
            places: Box::new([Record::default()]),
            v4: Tree::empty(),
            v6: Tree::empty(),
            files: Vec::new(),
            networks: 0,
            build_time: Duration::ZERO,
        }
    }

    /// The place of an address. Nothing is known about the all-zero address, which stands for "none".
    #[must_use]
    #[inline]
    pub fn lookup(&self, address: &Address) -> PlaceId {
        let key = u128::from_be_bytes(*address);
        if key >> 32 == 0xffff {
            return PlaceId(self.v4.find(key << 96));
        }
        PlaceId(self.lookup_v6(key))
    }

    /// What is known about a place.
    #[must_use]
    pub fn place(&self, id: PlaceId) -> Place<'_> {
        let place = self.places.get(id.0 as usize).copied().unwrap_or_default();
        let name = |number: u32| self.names.get(number as usize).map_or(UNKNOWN, |name| name);
        Place { country: name(place.country), city: name(place.city), asn: place.asn, as_name: name(place.as_name) }
    }

    /// The autonomous systems that any of the files names, in no order; an AS of several names comes several times.
    pub fn autonomous_systems(&self) -> impl Iterator<Item = (u32, String)> {
        let named = self.places.iter().filter(|place| place.asn != 0 && place.as_name != 0);
        named.filter_map(|place| Some((place.asn, self.names.get(place.as_name as usize)?.to_string())))
    }

    /// The files, in the order in which they were given.
    #[must_use]
    pub fn files(&self) -> &[LoadedFile] {
        &self.files
    }

    /// Ranges of addresses that the joined files tell apart.
    #[must_use]
    pub fn networks(&self) -> u64 {
        self.networks
    }

    /// How long loading took.
    #[must_use]
    pub fn build_time(&self) -> Duration {
        self.build_time
    }

    /// Memory that the tables take, bytes; with the pages of the IPv6 root that were never touched, so up to 64 MiB too much.
    #[must_use]
    pub fn bytes(&self) -> usize {
        // Each short text is an allocation of its own; 16 bytes stand for the allocator's share.
        let names: usize = self.names.iter().map(|name| name.len() + size_of_val(name) + 16).sum();
        self.v4.bytes() + self.v6.bytes() + size_of_val(&*self.places) + names
    }

    /// Differs between any two tables of this process.
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    fn lookup_v6(&self, key: u128) -> u32 {
        // MaxMind's files give 6to4 addresses (RFC 3056) the place of the IPv4 address inside, and Teredo addresses
        // (RFC 4380) that of the server's, by pointing these parts of the tree at the IPv4 part.
        if key >> 112 == 0x2002 {
            return self.v4.find(key << 16 >> 96 << 96);
        }
        if key >> 96 == 0x2001_0000 {
            return self.v4.find(key << 32 >> 96 << 96);
        }
        if key == 0 {
            return NOTHING;
        }
        self.v6.find(key)
    }
}

/// Distinct joined records, numbered.
struct Places {
    places: Vec<Record>,
    numbers: HashMap<Record, u32, foldhash::fast::RandomState>,
}

impl Places {
    fn new() -> Self {
        let mut numbers = HashMap::default();
        numbers.insert(Record::default(), NOTHING);
        Self { places: vec![Record::default()], numbers }
    }

    fn number(&mut self, record: Record) -> Result<u32, Error> {
        if let Some(number) = self.numbers.get(&record) {
            return Ok(*number);
        }
        let number = u32::try_from(self.places.len()).map_err(|_| Error::TooLarge)?;
        self.places.push(record);
        self.numbers.insert(record, number);
        Ok(number)
    }
}

fn build(
    databases: &[Database],
    family: Family,
    names: &mut Interner,
    places: &mut Places,
) -> Result<(Tree, u64), Error> {
    if databases.is_empty() {
        return Ok((Tree::empty(), 0));
    }
    let mut builder = Builder::new(match family {
        Family::V4 => V4_ROOT_BITS,
        Family::V6 => V6_ROOT_BITS,
    });
    let mut merge = Merge::new(databases, family, names)?;
    let mut networks = 0;
    while let Some(range) = merge.next(names)? {
        let place = places.number(range.record)?;
        builder.push(range.first, range.last, place).map_err(|_| Error::TooLarge)?;
        networks += 1;
    }
    let tree = builder.finish().map_err(|_| Error::TooLarge)?;
    Ok((tree, networks))
}

fn next_serial() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}
