//! The ClickHouse side against the embedded store, which is the real engine, and against a server that fails on command.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test as tests do")]

/// The tables of a cluster.
mod cluster;
/// Several servers: failover, shards.
mod endpoints;
/// A real engine behind ClickHouse's HTTP interface.
mod engine;
/// Each way an insert can fail, and what is done about it.
mod failures;
/// A server that fails on command.
mod fake;
/// Acknowledgements that are lost on the way.
mod lost;
/// Names in tables and dictionaries.
mod names;
/// Who had which address.
mod nat;
/// Each way a ClickHouse can fail to be there.
mod probe;
/// Questions against a brute force over the flows.
mod query;
/// Flows that questions are asked about, and what the answers must be.
mod query_flows;
/// What people name, and what they are told.
mod query_known;
/// Hosts behind address translation.
mod query_nat;
/// The SQL of the documents.
mod readme;
/// Flows that answers leave out, or take at another time.
mod remarks;
/// How long rows are kept.
mod retention;
/// Rollups, and their twins in SQL.
mod rollups;
/// What comes back of each column.
mod round_trip;
/// Blocks with random and extreme values.
mod rows;
/// The tables and their migrations.
mod schema;
/// Inserts that are repeated, given up, deduplicated.
mod sink;
/// Batches of several tables: what is repeated, given up, observed.
mod sink_tables;
/// TLS to ClickHouse: what is refused and why.
mod tls;
/// A proxy that takes TLS off.
mod tls_proxy;
/// Upgrades with data, and tables that are refused.
mod upgrade;
