//! One MaxMind DB file: its networks in ascending order, and of each distinct record what enrichment takes from it.
//!
//! Every record is decoded whole, once: a damaged file often opens well and breaks only when the value at fault is decoded. A
//! field of an unexpected type is passed over. Not here: which fields are read (see [`super::fields`]), and how several files are
//! joined.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use maxminddb::{Reader, Within, WithinOptions};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::error::Error;
use super::fields::Fields;
use super::gives::Gives;
use super::interner::Interners;
use super::signature::Signature;

/// Of a file that gives nothing so many records are looked at for the names of their fields,
const RECORDS_DESCRIBED: usize = 64;
/// and so many names are told.
const FIELDS_TOLD: usize = 24;

/// What one record says; the texts are numbers of its kind in [`Interners`], and 0 is what it does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct Record {
    pub(super) country: u32,
    pub(super) city: u32,
    pub(super) asn: u32,
    pub(super) as_name: u32,
}

/// An opened file.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    reader: Reader<Vec<u8>>,
    signature: Signature,
}

/// Which addresses: the two families are laid out in tables of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// Consecutive addresses that share a record. Keys are left-aligned in 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u128,
    pub(super) last: u128,
    pub(super) record: Record,
}

/// The networks of one family in a file, ascending.
pub(super) struct Networks<'a> {
    database: &'a Database,
    family: Family,
    within: Option<Within<'a, Vec<u8>>>,
    /// Records by their offset in the file: most are shared by many networks.
    records: HashMap<usize, Record, foldhash::fast::RandomState>,
    /// A sound file has no more networks than this.
    left: u64,
    last: Option<u128>,
    gives: Gives,
}

impl Database {
    /// Reads a file into memory.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(unreadable)?;
        let signature = Signature::of(&file.metadata().map_err(unreadable)?);
        let mut bytes = Vec::with_capacity(usize::try_from(signature.bytes()).unwrap_or(0));
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        let reader = Reader::from_source(bytes).map_err(|error| Error::damaged(path, &error))?;
        Ok(Self { path: path.to_owned(), reader, signature })
    }

    /// Which version of the file was read.
    pub(super) fn signature(&self) -> Signature {
        self.signature
    }

    /// When the file's maker built it, seconds since 1970.
    pub(super) fn built_at(&self) -> u64 {
        self.reader.metadata().build_epoch
    }

    /// What the file calls itself, like `GeoLite2-City`.
    pub(super) fn kind(&self) -> &str {
        &self.reader.metadata().database_type
    }

    /// The error for a file whose records say nothing of what is read.
    pub(super) fn foreign(&self) -> Error {
        let fields = self.field_names();
        let told: Vec<&str> = fields.iter().map(String::as_str).take(FIELDS_TOLD).collect();
        let fields = match (told.as_slice(), fields.len() - told.len()) {
            ([], _) => "it has no records with fields".to_owned(),
            (_, 0) => format!("its fields are {}", told.join(", ")),
            (_, more) => format!("its fields are {} and {more} more", told.join(", ")),
        };
        Error::Foreign { path: self.path.clone(), kind: self.kind().to_owned(), fields }
    }

    /// Keys of the first records, and of the maps below them as `key.key`.
    fn field_names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let all = if self.reader.metadata().ip_version == 6 { "::/0" } else { "0.0.0.0/0" };
        let all = all.parse().expect("a constant network parses");
        let Ok(within) = self.reader.within(all, WithinOptions::default()) else { return names };
        for found in within.filter_map(Result::ok).take(RECORDS_DESCRIBED) {
            match found.decode::<Value>() {
                Ok(Some(Value::Object(record))) => {
                    for (key, value) in record {
                        match value {
                            Value::Object(below) => names.extend(below.keys().map(|inner| format!("{key}.{inner}"))),
                            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                                names.insert(key);
                            }
                        }
                    }
                }
                // A value that JSON cannot hold.
                Err(_) => names.extend(
                    found
                        .decode::<BTreeMap<String, IgnoredAny>>()
                        .ok()
                        .flatten()
                        .into_iter()
                        .flat_map(BTreeMap::into_keys),
                ),
                Ok(_) => {}
            }
        }
        names
    }

    /// The networks of one family.
    pub(super) fn networks(&self, family: Family) -> Result<Networks<'_>, Error> {
        let all = match family {
            Family::V4 => "0.0.0.0/0",
            Family::V6 => "::/0",
        };
        let all = all.parse().expect("a constant network parses");
        let has_family = family == Family::V4 || self.reader.metadata().ip_version == 6;
        let within = has_family.then(|| self.reader.within(all, WithinOptions::default()));
        let within = within.transpose().map_err(|error| Error::damaged(&self.path, &error))?;
        let left = u64::from(self.reader.metadata().node_count) * 2;
        Ok(Networks {
            database: self,
            family,
            within,
            records: HashMap::default(),
            left,
            last: None,
            gives: Gives::default(),
        })
    }
}

impl Networks<'_> {
    /// What the records up to here say.
    pub(super) fn gives(&self) -> Gives {
        self.gives
    }

    /// The next network, or `None` after the last.
    pub(super) fn next(&mut self, names: &mut Interners) -> Result<Option<Range>, Error> {
        let damaged = |error: &dyn fmt::Display| Error::damaged(&self.database.path, error);
        let Some(within) = &mut self.within else { return Ok(None) };
        for found in within {
            let found = found.map_err(|error| damaged(&error))?;
            self.left = self.left.checked_sub(1).ok_or_else(|| damaged(&"its search tree has a cycle"))?;
            let network = found.network().map_err(|error| damaged(&error))?;
            let Some((first, bits)) = key_of(self.family, network.ip(), network.prefix()) else { continue };
            let Some(offset) = found.offset() else { continue };
            let record = match self.records.get(&offset) {
                Some(record) => *record,
                None => {
                    let mut record = Record::default();
                    if let Some(fields) = found.decode::<Fields>().map_err(|error| damaged(&error))? {
                        record = fields.record(names);
                    }
                    self.gives.take(&record);
                    self.records.insert(offset, record);
                    record
                }
            };
            let last = first | u128::MAX.checked_shr(bits).unwrap_or(0);
            if self.last.is_some_and(|before| first <= before) {
                return Err(damaged(&"its networks are not in order"));
            }
            self.last = Some(last);
            return Ok(Some(Range { first, last, record }));
        }
        Ok(None)
    }
}

/// The left-aligned key and prefix length of a network in its family; `None` for one of the other family.
fn key_of(family: Family, address: IpAddr, bits: u8) -> Option<(u128, u32)> {
    match (family, address) {
        (Family::V4, IpAddr::V4(address)) => Some((u128::from(u32::from(address)) << 96, u32::from(bits))),
        (Family::V6, IpAddr::V6(address)) => Some((u128::from(address), u32::from(bits))),
        // The file has one record for a whole region of IPv6 that the place of IPv4 is inside of.
        (Family::V4, IpAddr::V6(_)) => Some((0, 0)),
        (Family::V6, IpAddr::V4(_)) => None,
    }
}
