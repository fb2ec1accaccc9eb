//! The template store's contents as a file, so that a restart does not wait for exporters to repeat their templates.
//!
//! A file is a header of 32 bytes and an rkyv archive of [`Snapshot`] (little-endian, 32-bit relative pointers). Header, all
//! little-endian: magic (8 bytes), format version (u32), CRC-32C of the body (u32), body length in bytes (u64), zeros (8 bytes).
//! Of versions 3 and 4, which knew no journal and no running totals, what they have is taken; a file of any other version is not converted:
//! exporters repeat their templates anyway. Compiled plans are not stored, a template is compiled again when it is put back.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use netflow::options::{OptionKey, OptionValue};
use netflow::store::{DomainKey, Learned, TemplateKey};
use netflow::template::{FieldSpecifier, Kind, MAX_EMPTY_FIELDS, MAX_FIELDS, Template};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use rkyv::rancor::BoxedError;
use rkyv::util::AlignedVec;

use super::announced::Announced;
pub use super::saved::{
    SavedClock, SavedDomain, SavedField, SavedOptions, SavedPosition, SavedSampling, SavedScope, SavedSequence,
    SavedSet, SavedTemplate, Snapshot,
};
use super::saved::{SnapshotOf3, SnapshotOf4};
pub use super::saved_totals::{SavedFlow, SavedTotals};
use super::{Entry, Restored, Shared};

const MAGIC: [u8; 8] = *b"nftmplts";
/// Raised whenever [`Snapshot`] or anything in it changes.
const FORMAT_VERSION: u32 = 5;
/// The version before clocks and running totals were kept.
const FORMAT_VERSION_4: u32 = 4;
/// The version before there was a journal.
const FORMAT_VERSION_3: u32 = 3;
/// A multiple of 16, so that the body is as aligned as the buffer.
const HEADER_BYTES: usize = 32;
/// No store of ours is larger; a length beyond this is damage, and is not allocated.
const MAX_BODY_BYTES: u64 = 1 << 30;

/// Why a snapshot was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system said no.
    #[error("cannot {operation} template snapshot {}: {source}; check the state directory's owner and free space", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The file is not what this program wrote.
    #[error("template snapshot {} is unusable: {reason}; templates are learned again as exporters repeat them", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: Damage,
    },
}

/// What is wrong with a snapshot file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The magic bytes differ.
    #[error("it is no template snapshot")]
    Magic,
    /// Written by another version of the program.
    #[error("its format version is {found}, this program knows {FORMAT_VERSION}")]
    Version {
        /// The file's version.
        found: u32,
    },
    /// Shorter or longer than its header says.
    #[error("it is truncated or has bytes too many")]
    Length,
    /// The body is not the one that was written.
    #[error("its checksum is wrong")]
    Checksum,
    /// The checksum is right and the archive is not.
    #[error("its body is not well-formed")]
    Body,
}

impl Error {
    /// Whether there simply is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::Unusable { .. } => false,
        }
    }
}

/// Reads a snapshot file.
///
/// # Errors
/// The file cannot be read, or is not a whole and undamaged snapshot of this program's format version.
pub fn read(path: &Path) -> Result<Snapshot, Error> {
    let unusable = |reason| Error::Unusable { path: path.to_owned(), reason };
    let failed = |operation| move |source| Error::Io { operation, path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed("open"))?;
    let file_bytes = file.metadata().map_err(failed("read"))?.len();
    let mut header = [0; HEADER_BYTES];
    if file_bytes < HEADER_BYTES as u64 {
        return Err(unusable(Damage::Length));
    }
    file.read_exact(&mut header).map_err(failed("read"))?;
    let (version, checksum, body_bytes) = check_header(&header, file_bytes).map_err(unusable)?;
    let mut body = AlignedVec::<16>::with_capacity(body_bytes);
    body.resize(body_bytes, 0);
    file.read_exact(&mut body).map_err(failed("read"))?;
    if crc32c::crc32c(&body) != checksum {
        return Err(unusable(Damage::Checksum));
    }
    let read = match version {
        FORMAT_VERSION_4 => rkyv::from_bytes::<SnapshotOf4, BoxedError>(&body).map(Snapshot::from),
        FORMAT_VERSION_3 => rkyv::from_bytes::<SnapshotOf3, BoxedError>(&body).map(Snapshot::from),
        _ => rkyv::from_bytes::<Snapshot, BoxedError>(&body),
    };
    read.map_err(|_| unusable(Damage::Body))
}

/// Writes a snapshot file, mode 0600: to a temporary file beside it, which then changes places with it. So the room for the next
/// one is there, and a full disk does not keep the state from being saved, without which the journal could forget nothing.
///
/// # Errors
/// The operation that failed. The file at `path` is whole in any case: the old one or the new one.
pub fn write(path: &Path, snapshot: &Snapshot) -> Result<(), Error> {
    let failed = |operation| move |source| Error::Io { operation, path: path.to_owned(), source };
    let body = rkyv::to_bytes::<BoxedError>(snapshot)
        .map_err(|error| failed("encode")(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    let temporary = with_ending(path, ".tmp");
    let result = write_synced(&temporary, &header(&body), &body).and_then(|()| exchange(&temporary, path));
    result.map_err(failed("write"))?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed("sync the directory of"))
}

/// Renames an unusable file, so that it can be looked at and the next save does not overwrite it.
pub(super) fn set_aside(path: &Path) {
    // Where this fails, so will the next save, and that is reported.
    let _ = fs::rename(path, with_ending(path, ".bad"));
}

/// Copies the store.
pub(super) fn take(shared: &Shared, now: u64) -> Snapshot {
    let mut templates: Vec<SavedTemplate> = shared
        .templates
        .pin()
        .iter()
        .map(|(key, entry)| SavedTemplate {
            domain: key.domain.into(),
            id: key.id,
            scope_fields: match entry.template.kind() {
                Kind::Data => None,
                Kind::Options { scope_fields } => Some(scope_fields),
            },
            fields: entry.template.fields().iter().map(|field| (*field).into()).collect(),
            learned_at: entry.learned_at,
            seen_at: entry.seen_at(),
            used_at: entry.used_at.load(Ordering::Relaxed),
        })
        .collect();
    templates.sort_unstable_by_key(|template| (template.domain, template.id));
    let mut options: Vec<SavedOptions> =
        shared.options.pin().iter().map(|(domain, announced)| save_options(*domain, announced)).collect();
    options.sort_unstable_by_key(|options| options.domain);
    let clocks = shared.clocks().iter().map(SavedClock::from).collect();
    Snapshot {
        taken_at: now,
        templates,
        options,
        held: shared.held.all(),
        clocks,
        totals: shared.totals.all(),
        journals: Vec::new(),
        sequences: Vec::new(),
    }
}

/// Puts what the store lacks back into it, within its bounds.
pub(super) fn put_back(shared: &Shared, snapshot: &Snapshot) -> Restored {
    let now = snapshot.taken_at;
    let mut restored =
        Restored { journals: snapshot.journals.clone(), sequences: snapshot.sequences.clone(), ..Restored::default() };
    let oldest = shared.settings.idle_expiry.map_or(0, |expiry| now.saturating_sub(expiry.as_secs()));
    for saved in &snapshot.templates {
        let key = TemplateKey { domain: saved.domain.into(), id: saved.id };
        if !is_well_formed(saved) {
            restored.refused += 1;
            continue;
        }
        if saved.seen_at < oldest {
            restored.expired += 1;
            continue;
        }
        if shared.find(&key).is_some() {
            continue;
        }
        // A clock that was set back must not make a template immortal.
        let entry = Entry {
            learned_at: saved.learned_at.min(now),
            repeated_at: AtomicU64::new(saved.seen_at.min(now)),
            used_at: AtomicU64::new(saved.used_at.min(now)),
            ..Entry::new(saved.domain.version, Arc::new(compile(saved)), now)
        };
        match shared.keep(key, entry) {
            Some(Learned::New | Learned::Replaced) | None => restored.templates += 1,
            Some(Learned::Refused) => restored.refused += 1,
        }
    }
    for saved in &snapshot.options {
        let domain = DomainKey::from(saved.domain);
        if shared.find_options(&domain).is_some() {
            continue;
        }
        let mut values = announced_values(saved);
        let saved_values = values.len();
        values.retain(|(_, seen_at)| *seen_at >= oldest);
        let kept = shared.announce(&domain, values.iter().map(|(value, seen_at)| (value, (*seen_at).min(now))));
        restored.expired += saved_values - values.len();
        restored.option_values += kept;
        restored.refused += values.len() - kept;
    }
    for saved in &snapshot.held {
        let key = TemplateKey { domain: saved.domain.into(), id: saved.id };
        restored.held += usize::from(shared.held.hold(&key, &saved.header(), &saved.bytes, saved.is_proven));
    }
    for saved in &snapshot.clocks {
        let domain = DomainKey::from(saved.domain);
        shared.shard(&domain.exporter).clocks().put_back(domain, saved.clock());
    }
    shared.totals.put_back(&snapshot.totals);
    restored
}

/// The format version, the body's checksum and its length.
fn check_header(header: &[u8; HEADER_BYTES], file_bytes: u64) -> Result<(u32, u32, usize), Damage> {
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if header[..8] != MAGIC {
        return Err(Damage::Magic);
    }
    if !matches!(word(8), FORMAT_VERSION | FORMAT_VERSION_4 | FORMAT_VERSION_3) {
        return Err(Damage::Version { found: word(8) });
    }
    let body_bytes = u64::from(word(16)) | u64::from(word(20)) << 32;
    if body_bytes > MAX_BODY_BYTES || file_bytes != body_bytes + HEADER_BYTES as u64 {
        return Err(Damage::Length);
    }
    Ok((word(8), word(12), usize::try_from(body_bytes).map_err(|_| Damage::Length)?))
}

fn header(body: &[u8]) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    header[16..24].copy_from_slice(&(body.len() as u64).to_le_bytes());
    header
}

fn write_synced(path: &Path, header: &[u8], body: &[u8]) -> io::Result<()> {
    // Not truncated before: the room that it has is written again.
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.write_all(header)?;
    file.write_all(body)?;
    file.set_len((header.len() + body.len()) as u64)?;
    file.sync_all()
}

/// Puts a file in the place of another in one step, and that one, if there is one, in its own.
fn exchange(new: &Path, path: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, new, AT_FDCWD, path, RenameFlags::RENAME_EXCHANGE) {
        Ok(()) => Ok(()),
        // None is there yet, or the file system knows no exchange.
        Err(_) => fs::rename(new, path),
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Whether the decoder could have learned this: whatever wrote the file, nothing else reaches the decoder.
fn is_well_formed(saved: &SavedTemplate) -> bool {
    matches!(saved.domain.version, 9 | 10)
        && saved.id >= 256
        && (1..=MAX_FIELDS).contains(&saved.fields.len())
        && saved.fields.iter().any(|field| field.length > 0)
        && saved.fields.iter().filter(|field| field.length == 0).count() <= MAX_EMPTY_FIELDS
        && saved.scope_fields.is_none_or(|scope_fields| usize::from(scope_fields) <= saved.fields.len())
}

fn compile(saved: &SavedTemplate) -> Template {
    let kind = match saved.scope_fields {
        None => Kind::Data,
        Some(scope_fields) => Kind::Options { scope_fields },
    };
    let fields = saved.fields.iter().map(|field| FieldSpecifier::from(*field)).collect();
    Template::new(saved.domain.version, kind, fields)
}

fn save_options(domain: DomainKey, announced: &Announced) -> SavedOptions {
    let options = &announced.options;
    let seen_at = |key| announced.seen_at(key);
    let mut sampling: Vec<SavedSampling> = options
        .sampling
        .iter()
        .map(|(of, rate)| SavedSampling { scope: of.into(), rate, seen_at: seen_at(OptionKey::Sampling(of)) })
        .collect();
    sampling.sort_unstable();
    SavedOptions {
        domain: domain.into(),
        sampling,
        applications: sorted(&options.applications),
        interface_names: sorted(&options.interface_names),
        vrf_names: sorted(&options.vrf_names),
        system_init_ms: options.system_init_ms,
        // All names of a kind have the same age, whatever the id.
        applications_seen_at: seen_at(OptionKey::Application(0)),
        interface_names_seen_at: seen_at(OptionKey::InterfaceName(0)),
        vrf_names_seen_at: seen_at(OptionKey::VrfName(0)),
        system_init_seen_at: seen_at(OptionKey::SystemInit),
    }
}

fn sorted<K: Copy + Ord>(names: &HashMap<K, Arc<str>>) -> Vec<(K, String)> {
    let mut names: Vec<(K, String)> = names.iter().map(|(key, name)| (*key, name.to_string())).collect();
    names.sort_unstable();
    names
}

/// The saved values, each with the time when it was last announced.
fn announced_values(saved: &SavedOptions) -> Vec<(OptionValue, u64)> {
    let rates = saved
        .sampling
        .iter()
        .map(|saved| (OptionValue::Sampling { scope: saved.scope.into(), rate: saved.rate }, saved.seen_at));
    let names = saved.applications.iter().map(|(id, name)| {
        (OptionValue::Application { id: *id, name: name.as_str().into() }, saved.applications_seen_at)
    });
    let interfaces = saved.interface_names.iter().map(|(index, name)| {
        let value = OptionValue::InterfaceName { index: *index, name: name.as_str().into() };
        (value, saved.interface_names_seen_at)
    });
    let vrfs = saved
        .vrf_names
        .iter()
        .map(|(id, name)| (OptionValue::VrfName { id: *id, name: name.as_str().into() }, saved.vrf_names_seen_at));
    let start =
        saved.system_init_ms.map(|milliseconds| (OptionValue::SystemInit { milliseconds }, saved.system_init_seen_at));
    rates.chain(names).chain(interfaces).chain(vrfs).chain(start).collect()
}
