//! Rollups: small tables of sums, each for a question, computed from a worker's enriched block and stored as more tables of it.
//!
//! They are inserted under the same token as the flows they were made of, hence exactly once, and without materialized views
//! in ClickHouse, which would compute every one of them again from rows that it has just taken apart.
//!
//! * A flow counts in the buckets it lived in, see [`life`]: bytes and packets in proportion to time, the flow itself in the first.
//!   So the sums over a rollup are the sums over its flows; only when traffic was is told by bucket, not by row.
//! * Bytes and packets are multiplied by the sampling rate (0 counts as 1), beside the raw counts. A product or a sum of
//!   a block that does not fit 64 bits is the largest number that does. ClickHouse adds the rows of blocks modulo 2^64 when it merges them.
//! * Every flow record makes rows: reverse directions and a firewall's events without octets too. But none whose counts cannot be
//!   ([`netflow::columns::flags::IMPLAUSIBLE`]): one of them would be more than all others together.
//! * `interface_1m`: a flow counts once under its input interface (`in`) and once under its output interface (`out`).
//! * `as_5m`: the AS that the exporter says, or GeoIP's where it says 0. `country_5m`: GeoIP's. `network_5m`: the configured networks.
//! * `service_5m`: the lower port of both ends that is not 0, for TCP, UDP, DCCP, SCTP and UDP-Lite; 0 for other protocols. Clients
//!   take high ports, so the lower one is the service's with few exceptions, and the rule needs no list.
//! * `hosts_1h`: a flow counts once under its source (`sent`) and once under its destination (`received`). Of each block the 1000
//!   sums of a host, exporter, direction and hour with most bytes, with most packets and with most flows have rows; the others go to the
//!   address `::` together. A host's sum is therefore a lower bound, exact for hosts that were among the busiest of every block; the sum
//!   over all rows is exact. Of equals those of the lower exporter address are kept, and of one exporter those that came first.
//!
//! A block makes at most [`SPARE_BUCKETS`] more rows than it has flows for each table and direction: a hostile exporter's flows of a
//! day each cannot fill the memory. Past it flows count whole in the bucket they ended in; [`Counts`] tells of both.
//!
//! What makes it cheap: rows are taken exporter by exporter ([`parts`]), so that the sums being added to fit the nearest caches; flows
//! are cut into buckets once for all tables ([`pieces`]); and rows are sorted by digits of numbers that are packed as narrowly as
//! they differ ([`order`]).
//!
//! Each rollup but `hosts_1h` has a twin in SQL ([`sql()`]) that makes the same rows from the table `flows`; that of `hosts_1h` names every
//! host. Not here: the tables and their columns ([`crate::batch::rollups`]), and how they are stored.

/// The busiest of many.
mod busiest;
/// What rollups do not tell apart.
mod counts;
/// Pairs of customer and network.
mod ends;
/// Sums by key.
mod groups;
/// The busiest hosts.
mod hosts;
/// When a flow lived.
mod life;
/// The tables whose rows add up, whatever the block.
mod linear;
/// The order of rows.
mod order;
/// A block's rows by exporter.
mod parts;
/// Flows cut into buckets.
mod pieces;
/// Values numbered in their order.
mod ranks;
/// A worker's part.
mod roller;
/// Which rollups are made.
mod selection;
/// The same in SQL.
mod sql;
/// What is summed up.
mod sums;
/// What rollups have in common.
mod table;

pub use crate::batch::rollups::TABLES;
pub use counts::Counts;
pub use pieces::SPARE_BUCKETS;
pub use roller::Roller;
pub use selection::{Selection, Unknown};
pub use sql::sql;
