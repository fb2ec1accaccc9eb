//! ClickHouse: the tables, blocks in its Native format, and inserts that are repeated until they are acknowledged.
//!
//! Everything speaks ClickHouse's HTTP interface through the `clickhouse` crate's client, whether a server answers or the
//! embedded store. Not here: filling blocks, and the embedded store.

/// Queries with parameters.
mod asked;
/// The rows that are stored as one.
mod batch;
/// How large the next blocks are to be.
mod block_size;
/// The client: settings, probe, queries, one insert.
pub mod client;
/// What a cluster makes of tables and statements.
pub mod cluster;
/// What is counted.
pub mod counters;
/// Which endpoint of a shard an insert goes to.
mod endpoints;
/// What went wrong, in classes that say what to do about it.
pub mod error;
/// What tables there must be, as the migrations say.
mod expected;
/// Compression framing.
mod frames;
/// One insert: its request and its answer.
mod insert;
/// The threads that insert.
mod inserter;
/// The lock between inserts and an exchange of what is stored.
pub mod lock;
/// Blocks in ClickHouse's Native format.
pub mod native;
/// Who is told what becomes of rows.
mod observer;
/// Rows as bytes to send.
pub mod pieces;
/// Whether endpoints that failed are back.
mod prober;
/// Batches that wait for their insert, within a bound.
mod queue;
/// A request with settings in its URL.
mod request;
/// How long rows are kept.
pub mod retention;
/// The schema on every endpoint.
pub mod rollout;
/// The tables and their migrations.
pub mod schema;
/// Takes batches, and stops.
pub mod sink;
/// ClickHouse's logs about itself.
pub mod system_logs;
/// HTTP and TLS connections.
mod transport;

pub use batch::{Batch, Receipt};
pub use client::{Client, Settings};
pub use cluster::Cluster;
pub use counters::{Counters, Loss};
pub use error::{Class, Error};
pub use observer::Observer;
pub use sink::{BatchSender, Destination, Drained, Sink};
