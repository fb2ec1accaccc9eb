//! ClickHouse: the table, blocks in its Native format, and inserts that are repeated until they are acknowledged.
//!
//! Everything speaks ClickHouse's HTTP interface through the `clickhouse` crate's client, whether a server answers or the
//! embedded store. Not here: filling blocks, and the embedded store.

/// The client: settings, probe, queries, one insert.
pub mod client;
/// What is counted.
pub mod counters;
/// What went wrong, in classes that say what to do about it.
pub mod error;
/// Blocks in ClickHouse's Native format.
pub mod native;
/// Batches that wait for their insert, within a bound.
mod queue;
/// The tables and their migrations.
pub mod schema;
/// The threads that insert.
pub mod sink;
/// HTTP and TLS connections.
mod transport;

pub use client::{Client, Settings};
pub use counters::Counters;
pub use error::{Class, Error};
pub use queue::Batch;
pub use sink::{BatchSender, Drained, Sink};
