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
use super::gives::Gives;
use super::huge::Huge;
use super::interner::{Interners, Names};
use super::merge::Merge;
use super::mmdb::{Database, Family, Record};
use super::signature::Signature;
use super::tree::{Builder, Full, GROUP, NOTHING, Start, Tree};

/// Every /24 of IPv4 has its own root entry: the one node below it is the deepest there is. As many for IPv6, but few parts of
/// it are in use: the pages of the others are never touched, so they take no memory.
const ROOT_BITS: u32 = 24;

/// The tables made from a set of files. Immutable: a replaced file makes new ones.
#[derive(Debug)]
pub struct Geo {
    serial: u64,
    names: Names,
    places: Huge<Record>,
    tree: Tree,
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
    /// What of what is read its records say.
    pub gives: Gives,
    pub(super) signature: Signature,
}

impl Geo {
    /// Reads the files and builds the tables: seconds and hundreds of megabytes for files of real size.
    ///
    /// # Errors
    /// A file that cannot be read, has any fault anywhere, or says nothing of what is read; the error names it.
    pub fn open(files: &[impl AsRef<Path>]) -> Result<Self, Error> {
        let begun = Instant::now();
        let databases = files.iter().map(|path| Database::open(path.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let mut names = Interners::default();
        let mut places = Places::new();
        let Built { tree, networks, gives } = build(&databases, &mut names, &mut places)?;
        if let Some((foreign, _)) = databases.iter().zip(&gives).find(|(_, gives)| gives.is_nothing()) {
            return Err(foreign.foreign());
        }
        let loaded = |((path, database), gives): ((_, &Database), Gives)| LoadedFile {
            path: AsRef::<Path>::as_ref(path).to_owned(),
            kind: database.kind().to_owned(),
            built_at: database.built_at(),
            gives,
            signature: database.signature(),
        };
        Ok(Self {
            serial: next_serial(),
            names: names.finish(),
            places: Huge::of(&places.places),
            tree,
            files: files.iter().zip(&databases).zip(gives).map(loaded).collect(),
            networks,
            build_time: begun.elapsed(),
        })
    }

    /// Tables without any file: everything is unknown.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            serial: next_serial(),
            names: Interners::default().finish(),
            places: Huge::zeros(1),
            tree: Tree::empty(),
            files: Vec::new(),
            networks: 0,
            build_time: Duration::ZERO,
        }
    }

    /// The place of an address. Nothing is known about the all-zero address, which stands for "none".
    #[must_use]
    #[inline]
    pub fn lookup(&self, address: &Address) -> PlaceId {
        PlaceId(self.tree.find(address, start(address)))
    }

    /// Whether there is one record for all addresses, as without files.
    pub(super) fn is_empty(&self) -> bool {
        self.places.len() == 1
    }

    /// What the files say about at most [`GROUP`] addresses, at the same places of `records`.
    #[inline]
    pub(super) fn records(&self, addresses: &[Address], records: &mut [Record; GROUP]) {
        let mut places = [NOTHING; GROUP];
        self.tree.find_group(addresses, start, &mut places);
        let known = &*self.places;
        for (record, place) in records.iter_mut().zip(&places[..addresses.len().min(GROUP)]) {
            *record = known[*place as usize];
        }
    }

    /// The texts that records name by number.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// What is known about a place.
    #[must_use]
    pub fn place(&self, id: PlaceId) -> Place<'_> {
        let place = self.places.get(id.0 as usize).copied().unwrap_or_default();
        let Names { country, city, as_name } = &self.names;
        Place {
            country: &country[place.country as usize],
            city: &city[place.city as usize],
            asn: place.asn,
            as_name: &as_name[place.as_name as usize],
        }
    }

    /// The autonomous systems that any of the files names, in no order; an AS of several names comes several times.
    pub fn autonomous_systems(&self) -> impl Iterator<Item = (u32, String)> {
        let named = self.places.iter().filter(|place| place.asn != 0 && place.as_name != 0);
        named.filter_map(|place| Some((place.asn, self.names.as_name.get(place.as_name as usize)?.to_string())))
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
        let Names { country, city, as_name } = &self.names;
        // Each short text is an allocation of its own; 16 bytes stand for its counts and 16 for the allocator's share.
        let names: usize =
            [country, city, as_name].into_iter().flatten().map(|name| name.len() + size_of_val(name) + 32).sum();
        self.tree.bytes() + size_of_val(&*self.places) + names
    }

    /// Differs between any two tables of this process.
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }
}

/// Where the look-up of an address begins. MaxMind's files give 6to4 addresses (RFC 3056) the place of the IPv4 address inside,
/// and Teredo addresses (RFC 4380) that of the server's, by pointing these parts of the tree at the IPv4 part.
#[inline]
fn start(address: &Address) -> Start {
    let key = u128::from_be_bytes(*address);
    match (key >> 64) as u64 {
        0 if key == 0 => Start::nothing(),
        high if high >> 48 == 0x2002 => Start::v4((high >> 16) as u32, 2),
        high if high >> 32 == 0x2001_0000 => Start::v4(high as u32, 4),
        _ => Start::of(address),
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

/// What is made of the files together.
struct Built {
    tree: Tree,
    networks: u64,
    /// Of each file.
    gives: Vec<Gives>,
}

fn build(databases: &[Database], names: &mut Interners, places: &mut Places) -> Result<Built, Error> {
    let mut gives = vec![Gives::default(); databases.len()];
    if databases.is_empty() {
        return Ok(Built { tree: Tree::empty(), networks: 0, gives });
    }
    let full = |_: Full| Error::TooLarge;
    let mut builder = Builder::new(ROOT_BITS);
    let mut networks = 0;
    for (root, family) in [(0, Family::V4), (1, Family::V6)] {
        builder.begin_root(root).map_err(full)?;
        let mut merge = Merge::new(databases, family, names)?;
        while let Some(range) = merge.next(names)? {
            let place = places.number(range.record)?;
            builder.push(range.first, range.last, place).map_err(full)?;
            networks += 1;
        }
        for (gives, found) in gives.iter_mut().zip(merge.gives()) {
            *gives = gives.or(found);
        }
    }
    Ok(Built { tree: builder.finish().map_err(full)?, networks, gives })
}

fn next_serial() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}
