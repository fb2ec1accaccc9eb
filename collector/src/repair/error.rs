//! Why a period was not repaired. Each is one line that says what to do; unless it says otherwise, nothing was changed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a period was not repaired.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// ClickHouse.
    #[error(transparent)]
    ClickHouse(#[from] crate::clickhouse::Error),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] crate::journal::Error),
    /// The system refused something.
    #[error("{operation}: {source}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// There is nothing to repair from.
    #[error("there is no journal in {}: repair on the machine that collected, with the configuration of its collector", .0.display())]
    NoJournal(PathBuf),
    /// The journal has forgotten a part of the period.
    #[error(
        "the journal retains nothing from before {retained}: repair from then on, or take --partial, which does so; [journal] retain_bytes and retain_hours make it keep more"
    )]
    NotRetained {
        /// From when on everything is retained.
        retained: String,
    },
    /// The journal forgot a part of the period while it was read.
    #[error(
        "the journal forgot datagrams while they were read: repair from a later time on, or raise [journal] retain_bytes and retain_hours"
    )]
    Forgotten,
    /// The period is empty, or not over.
    #[error("the period from {from} to {to} {fault}: give a --from before --to, and a --to that is past")]
    Period {
        /// Its start.
        from: String,
        /// Behind its end.
        to: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// Another repair is under way.
    #[error("another repair is under way with {}: wait for its end", .0.display())]
    Busy(PathBuf),
    /// The tables are not those of a single server.
    #[error(
        "table {table} is of the engine {engine}: a repair exchanges partitions of MergeTree tables of a single server; on a cluster, leave it to each shard's server"
    )]
    Engine {
        /// Which table.
        table: String,
        /// Its engine.
        engine: String,
    },
    /// The collector has not stored yet what the repair has read.
    #[error("datagrams of the period wait to be stored, after {} s still: start the collector, or look into its log, and repair again then", .0.as_secs())]
    Waiting(Duration),
    /// Data sets of the period may still be decoded by the running collector.
    #[error(
        "{sets} data sets of the period still wait for their template, until {until} at the latest: repair again after that, or take --partial to leave them to the collector"
    )]
    Held {
        /// How many.
        sets: u64,
        /// When the collector gives them up.
        until: String,
    },
    /// The journal gives fewer rows than are stored.
    #[error(
        "{table} has {stored} rows of exporter {exporter} in the period, the journal gives {decoded}: another collector may have stored them; take --exporter for those of this one, or --allow-fewer to lose the others"
    )]
    Fewer {
        /// Which table.
        table: &'static str,
        /// Whose rows.
        exporter: String,
        /// Rows there.
        stored: u64,
        /// Rows that the journal gives.
        decoded: u64,
    },
    /// An insert did not end.
    #[error("an insert of the collector has not ended for {} s, so its tables were left as they are: see in its log what ClickHouse lacks, and repair again", .0.as_secs())]
    Inserting(Duration),
    /// Somebody else writes into the partition.
    #[error(
        "partition {partition} of {table} changed while inserts were kept off, so it was left as it is: stop whatever else writes into it or drops partitions, and repair again"
    )]
    Foreign {
        /// Which table.
        table: &'static str,
        /// Its partition.
        partition: String,
    },
    /// The partition that was put together is not what it must be.
    #[error(
        "partition {partition} of {table} came to {found} rows instead of {expected}, so it was left as it is: repair again, and report this if it happens again"
    )]
    Rows {
        /// Which table.
        table: &'static str,
        /// Its partition.
        partition: String,
        /// Rows that were found.
        found: u64,
        /// Rows that it must have.
        expected: u64,
    },
    /// A block cannot be encoded, which is a fault of this program.
    #[error("a block of rows is at fault, which is a fault of this program: {0}")]
    Block(String),
    /// ClickHouse answered something else than it was asked for.
    #[error("ClickHouse gave no number as its answer to: {0}")]
    Answer(String),
    /// A thread panicked.
    #[error("a thread that reads the journal ended unexpectedly: report this")]
    Thread,
    /// Part of the period is repaired, part of it is not.
    #[error("{0}; what was exchanged by then stays, the rest is as it was: repair the period again")]
    Midway(Box<Error>),
}

impl Error {
    pub(super) fn system(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { operation, source }
    }
}
