//! The collector: takes flow datagrams off the wire, decodes and enriches them on pinned cores, and streams them into
//! ClickHouse. The modules in the order in which a datagram meets them.

/// Blocks of rows on their way to ClickHouse.
pub mod batch;
/// ClickHouse: schema, Native encoding, inserts.
pub mod clickhouse;
/// The subcommands of the command line.
pub mod commands;
/// What the operator wrote, and what is meant by it.
pub mod config;
/// Names of what flows know by number, for questions: tables and dictionaries in ClickHouse.
pub mod dictionaries;
/// What the exporter did not say: places, autonomous systems, names.
pub mod enrich;
/// The exporters that send, and what is wrong with them.
pub mod exporters;
/// Who may send, and how fast.
pub mod front_door;
/// The log of datagrams: what is received is written here before anything is made of it.
pub mod journal;
/// What became of every datagram, per exporter and minute.
pub mod ledger;
/// Counters of every part, and their Prometheus text.
pub mod metrics;
/// Capture files: datagrams out of pcap and pcapng, and into pcapng.
pub mod pcap;
/// Prefixes of addresses, and what is known by prefix.
pub mod prefix;
/// Questions about the stored flows, and their answers.
pub mod query;
/// A past period, decoded again from the journal.
pub mod repair;
/// Small tables of sums, each for a question, computed from each block.
pub mod rollup;
/// A worker's own cache in front of a shared table.
mod slots;
/// The lexical rules of ClickHouse's SQL.
mod sql_tokens;
/// The XDP program: loading, attaching, its maps and verdict counters.
pub mod steering;
/// The embedded ClickHouse: libchdb behind ClickHouse's HTTP interface.
pub mod store;
/// Starts everything in order and stops it in reverse.
pub mod supervisor;
/// Templates and option values of all exporters: lock-free to read, saved across restarts.
pub mod templates;
/// Plain UDP sockets: what XDP passes up, and everything where XDP cannot run.
pub mod udp;
/// Compressed streams.
mod unpack;
/// Points in time: now, dates, RFC 3339.
mod utc;
/// One pinned thread: receive, decode, enrich, batch.
pub mod worker;
/// AF_XDP: umem, rings, sockets; lends frames.
pub mod xsk;
