//! The embedded store: libchdb, which is the ClickHouse engine as a shared library, behind ClickHouse's HTTP interface.
//!
//! The collector, the console and the tests speak ClickHouse HTTP and nothing else; this module answers it where no
//! ClickHouse server is configured. [`serve`] is the process that loads the engine, [`Child`] starts and supervises that
//! process, so that a crash of the engine takes no datagrams down. Not here: the tables, and who queries them.

/// What an answer is made of.
mod answer;
/// The command line of `collector store`.
mod args;
/// A request's body: received, unpacked, held back until it is complete.
mod body;
/// What the kernel keeps the process from.
mod cage;
/// The store as a supervised child process.
mod child;
/// The password that the store has of its own.
pub mod credential;
/// HTTP's content encodings.
mod encodings;
/// The engine in this process.
mod engine;
/// Exceptions: codes, texts, HTTP status.
mod errors;
/// Output formats.
mod formats;
/// ClickHouse's native compression framing.
mod frames;
/// The HTTP interface.
mod http;
/// The C interface of the library.
mod libchdb;
/// What a child hears from its parent.
mod lifeline;
/// What its process writes to standard error.
mod lines;
/// Where the library is.
pub mod locate;
/// Native blocks for clients with a protocol version.
mod native;
/// Which process goes first.
mod priority;
/// What the process gives up before it loads the engine.
mod privileges;
/// One request on its thread.
mod query;
/// A request's head.
mod request;
/// The process: from settings to a listening server, and to its end.
mod serve;
/// What a request's text asks for.
mod statement;

pub use args::StoreArgs;
pub use child::Child;
pub use serve::serve;

use std::net::SocketAddr;
use std::path::PathBuf;

/// How the store runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the engine keeps its data. One process at a time.
    pub data_dir: PathBuf,
    /// Where the HTTP interface listens.
    pub listen: SocketAddr,
    /// The library, where it is not in one of the places that [`locate::library`] knows.
    pub library: Option<PathBuf>,
    /// The database of requests that name none; made at the start where it is missing.
    pub database: String,
    /// The user that may ask, `default` where none is named.
    pub user: Option<String>,
    /// The user's password. Without one the store listens on loopback only.
    pub password: Option<String>,
    /// SELECTs that run at the same time; as many INSERTs beside them.
    pub connections: usize,
    /// Bound of the engine's memory, in bytes; nine tenths of the machine's where there is none.
    pub memory_bytes: Option<u64>,
    /// Whether [`serve`] is the child of a collector: it listens and ends as its standard input says.
    pub until_stdin_closes: bool,
}

/// Why the store does not run. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No library in any of the known places.
    #[error(
        "cannot find libchdb.so, the embedded ClickHouse engine: run `cargo xtask libchdb` in the repository, install the \
         collector's package, name the file by COLLECTOR_LIBCHDB or library in [store], or name a ClickHouse server \
         by --clickhouse-url"
    )]
    LibraryMissing,
    /// The library was found where others may have put it.
    #[error(
        "will not load the engine from {path}: {place} belongs to another user or is writable by everyone; change that, \
         or name the file by --library or COLLECTOR_LIBCHDB"
    )]
    LibraryUntrusted {
        /// The library.
        path: PathBuf,
        /// The file, or the directory above it.
        place: PathBuf,
    },
    /// The library that was named is no file.
    #[error(
        "cannot load the engine from {path}: no such file; correct what names it: COLLECTOR_LIBCHDB, library in [store] of the \
         configuration, or --library of `collector store`"
    )]
    LibraryNotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// The file is not a libchdb that works here.
    #[error("cannot load the engine from {path}: {source}; fetch it again with `cargo xtask libchdb`")]
    LibraryBroken {
        /// The file.
        path: PathBuf,
        /// What the dynamic linker says.
        source: libloading::Error,
    },
    /// The file is there, but cannot be opened.
    #[error("cannot read the engine {path}: {source}; make it readable, or name another by --library")]
    LibraryUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The store keeps the capabilities of whoever started it.
    #[error("cannot give up capabilities before the engine is loaded: {0}; allow prctl and capset to this process")]
    Privileges(std::io::Error),
    /// The kernel does not shut the process in.
    #[error("cannot shut the store's process in before the engine is loaded: {0}; allow landlock and seccomp to it")]
    Cage(String),
    /// The data directory cannot be used.
    #[error(
        "cannot use the store's data directory {path}: {source}; check that this user owns it (the store has no \
         capabilities, not even root's) and that the disk has space"
    )]
    DataDirectory {
        /// The directory, or the file in it.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another process holds the data directory.
    #[error(
        "the store's data directory {path} is in use by another process; stop that one or choose another --data-dir"
    )]
    DataDirectoryInUse {
        /// The directory.
        path: PathBuf,
    },
    /// The engine does not open its data.
    #[error(
        "the engine does not open the data in {path}, see its lines above; free disk space, or move the directory away"
    )]
    EngineRefused {
        /// The directory.
        path: PathBuf,
    },
    /// Someone else listens there, or the address is not ours.
    #[error(
        "cannot listen on {address}: {source}; end what listens there (`ss -ltnp` names it), or choose another address: listen \
         in [store] of the configuration, --listen of `collector store`"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// Everyone on the network could read and delete the data.
    #[error("refusing to listen on {address} without a password; give --password-file, or listen on 127.0.0.1")]
    Exposed {
        /// The address.
        address: SocketAddr,
    },
    /// A password file that cannot be read, or the store's own that cannot be made.
    #[error("cannot use the password file {path}: {source}")]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A child was told nothing by its collector.
    #[error("the store's process heard nothing from its collector on standard input: {0}; start it by `collector run`")]
    Lifeline(std::io::Error),
    /// The store's own password cannot be made.
    #[error(
        "cannot write the store's password {path}: {source}; check that this user owns the state directory and that the disk has \
         space, or choose another directory with --state-dir"
    )]
    PasswordUnmade {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The threads of the server could not be made.
    #[error("cannot start the store's server: {0}")]
    Server(std::io::Error),
    /// The child process could not be started.
    #[error("cannot start the store's process {program}: {source}")]
    Spawn {
        /// The executable.
        program: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The child process was not to answer any more.
    #[error("the store was stopped before it answered")]
    Stopped,
    /// The child process ended before it answered.
    #[error("the store did not start: {reason}")]
    ChildFailed {
        /// Its last words.
        reason: String,
    },
}
