//! The engine in this process: started once, sessions opened for each request, queries cancelled by their tag.
//!
//! Not here: what the requests are. One process may hold a data directory, so the directory is locked before the engine
//! opens it.

use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use nix::fcntl::{Flock, FlockArg};
use tokio::sync::Semaphore;

use super::body::Spools;
use super::errors::Exception;
use super::libchdb::{Connection, Library, LibraryFile};
use super::request::quoted_name;
use super::{Error, Settings};

/// The engine's privileges: all that queries need, and nothing that reads or writes files, runs programs or opens
/// connections. Whoever may ask questions over HTTP must not thereby read what this process may read. Of the SYSTEM
/// statements those that look after tables: SYSTEM SHUTDOWN sends SIGTERM to the whole process group.
const GRANTS: &str = "GRANT SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE DICTIONARY, \
    CREATE TEMPORARY TABLE, CREATE FUNCTION, DROP, UNDROP TABLE, TRUNCATE, OPTIMIZE, KILL QUERY, dictGet, \
    SYSTEM DROP CACHE, SYSTEM FLUSH, SYSTEM MERGES, SYSTEM TTL MERGES, SYSTEM RELOAD DICTIONARY, INTROSPECTION ON *.*";
/// The table engines that keep their data to themselves.
const TABLE_ENGINES: &[&str] = &[
    "MergeTree",
    "SummingMergeTree",
    "ReplacingMergeTree",
    "AggregatingMergeTree",
    "CollapsingMergeTree",
    "VersionedCollapsingMergeTree",
    "CoalescingMergeTree",
    "GraphiteMergeTree",
    "Memory",
    "Null",
    "Log",
    "TinyLog",
    "StripeLog",
    "Set",
    "Join",
    "Buffer",
    "Merge",
    "View",
    "MaterializedView",
    "Dictionary",
    "GenerateRandom",
    "KeeperMap",
];

/// Bytes, uncompressed, from which on a part has a file for each column. A block of flows has some 70 columns and is merged with others
/// soon: written as one file it takes the engine a fifth less.
const WIDE_PART_BYTES: u64 = 128 << 20;

/// The running engine.
pub(super) struct Engine {
    library: Arc<Library>,
    arguments: Vec<CString>,
    /// Bounds the queries that read, and those that insert, apart: long SELECTs never keep an INSERT waiting.
    pub(super) reads: Semaphore,
    pub(super) inserts: Semaphore,
    /// Where bodies go that are too large for memory.
    pub(super) bodies: PathBuf,
    /// Where the others go.
    pub(super) spools: Spools,
    /// The database of requests that name none.
    pub(super) database: String,
    /// `timezone()` and `version()` of the engine.
    pub(super) timezone: String,
    pub(super) version: String,
    /// Keeps the engine up between requests: it shuts down with its last connection.
    _root: Mutex<Connection>,
    _lock: Flock<File>,
}

impl Engine {
    /// Loads the library and opens the data directory.
    pub(super) fn start(settings: &Settings, library: LibraryFile) -> Result<Self, Error> {
        let lock = lock(&settings.data_dir)?;
        let bodies = settings.data_dir.join("bodies");
        empty_directory(&bodies)?;
        let configuration = write_configuration(settings)?;
        let library = library.load()?;
        let mut argument = b"--config-file=".to_vec();
        argument.extend_from_slice(configuration.as_os_str().as_bytes());
        let refused = || Error::EngineRefused { path: settings.data_dir.clone() };
        let arguments = [b"collector-store".to_vec(), argument].map(CString::new);
        let arguments = arguments.into_iter().collect::<Result<Vec<_>, _>>().map_err(|_| refused())?;
        let mut root = Connection::open(&library, &arguments).ok_or_else(refused)?;
        let mut about = |sql: &str| {
            let output = root.query(sql.as_bytes(), "TabSeparated").map_err(|_| refused())?;
            Ok(String::from_utf8_lossy(&output).trim().to_owned())
        };
        let timezone = about("SELECT timezone()")?;
        let version = about("SELECT version()")?;
        about(&format!("CREATE DATABASE IF NOT EXISTS {}", quoted_name(&settings.database)))?;
        Ok(Self {
            database: settings.database.clone(),
            library,
            arguments,
            reads: Semaphore::new(settings.connections.max(1)),
            inserts: Semaphore::new(settings.connections.max(1)),
            bodies,
            spools: Spools::default(),
            timezone,
            version,
            _root: Mutex::new(root),
            _lock: lock,
        })
    }

    /// A new session, which takes a fraction of a millisecond: settings and parameters of a request end with it.
    pub(super) fn session(&self) -> Result<Connection, Exception> {
        Connection::open(&self.library, &self.arguments)
            .ok_or_else(|| Exception::new(49, "LOGICAL_ERROR", "The engine opened no session"))
    }

    /// Asks the engine to stop the query whose session has this tag.
    pub(super) fn kill(&self, tag: &str) {
        let sql = format!("KILL QUERY WHERE Settings['log_comment'] = '{tag}' ASYNC");
        let killed = self.session().and_then(|mut session| {
            session.query(sql.as_bytes(), "Null").map(|_| ()).map_err(|message| Exception::from_engine(&message))
        });
        if let Err(exception) = killed {
            tracing::warn!(error = %exception.text, "a query of a client that has gone could not be stopped");
        }
    }
}

fn lock(data_dir: &Path) -> Result<Flock<File>, Error> {
    let unusable = |source| Error::DataDirectory { path: data_dir.to_path_buf(), source };
    let file =
        File::options().write(true).create(true).truncate(false).open(data_dir.join("lock")).map_err(unusable)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
        if errno == nix::errno::Errno::EWOULDBLOCK {
            return Error::DataDirectoryInUse { path: data_dir.to_path_buf() };
        }
        unusable(errno.into())
    })
}

fn empty_directory(path: &Path) -> Result<(), Error> {
    let unusable = |source| Error::DataDirectory { path: path.to_path_buf(), source };
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unusable(error)),
        Ok(()) | Err(_) => {}
    }
    std::fs::create_dir(path).map_err(unusable)
}

/// Writes the engine's configuration into the data directory. Without one it would take the `config.xml` of whatever
/// directory it is started in. No section for query_log and its like: those tables do not exist then.
fn write_configuration(settings: &Settings) -> Result<PathBuf, Error> {
    let directory = std::path::absolute(&settings.data_dir)
        .map_err(|source| Error::DataDirectory { path: settings.data_dir.clone(), source })?;
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        std::fs::write(&path, text).map_err(|source| Error::DataDirectory { path: path.clone(), source })?;
        Ok(path)
    };
    let engines: String =
        TABLE_ENGINES.iter().map(|engine| format!("<query>GRANT TABLE ENGINE ON {engine}</query>")).collect();
    let users = write(
        "users.xml",
        format!(
            "<clickhouse>\n<profiles><default><async_insert>0</async_insert><implicit_select>0</implicit_select>\
             </default></profiles>\n<quotas><default></default></quotas>\n<users><default><password></password>\
             <networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>\
             <grants><query>{GRANTS}</query>{engines}</grants></default></users>\n</clickhouse>\n"
        ),
    )?;
    let memory = settings.memory_bytes.map_or_else(String::new, |bytes| {
        // The caches may take a quarter of it between them.
        let (marks, primary) = (bytes / 8, bytes / 8);
        format!(
            "<max_server_memory_usage>{bytes}</max_server_memory_usage>\n<mark_cache_size>{marks}</mark_cache_size>\n\
             <primary_index_cache_size>{primary}</primary_index_cache_size>\n"
        )
    });
    let path = xml_text(&directory.join("engine"));
    let users = xml_text(&users);
    write(
        "engine.xml",
        format!(
            "<clickhouse>\n<path>{path}</path>\n<users_config>{users}</users_config>\n{memory}\
             <access_control_improvements><table_engines_require_grant>true</table_engines_require_grant>\
             </access_control_improvements>\n<merge_tree><min_bytes_for_wide_part>{WIDE_PART_BYTES}</min_bytes_for_wide_part>\
             </merge_tree>\n</clickhouse>\n"
        ),
    )
}

fn xml_text(path: &Path) -> String {
    path.to_string_lossy().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
