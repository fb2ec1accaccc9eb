//! The exporters that send: what each is, how well it does, and what is wrong with it.
//!
//! An exporter is who sends, and the device that this is said to be of: see [`Identity`]. A bounded directory that all workers write and `GET /exporters` reads. An exporter that has sent something that decodes
//! cannot be pushed out by newcomers, so a flood of forged addresses finds its own end. Not here: the account of datagrams
//! (`crate::ledger`), templates, and what the front door lets through.

/// What is wrong with an exporter, in words, and what mends it.
pub mod advice;
/// What was sent while the collector was not running.
mod away;
/// All exporters.
mod directory;
/// One exporter.
mod exporter;
/// Numbers that were passed over.
mod gaps;
/// Who an exporter is.
mod identity;
/// Where all sequences stand, to be saved.
mod kept;
/// The sequence of a sub-agent, whoever carries it.
mod line;
/// What the log says of exporters.
mod news;
/// How often something happens, lately.
mod rate;
/// Templates that are redefined again and again.
mod redefined;
/// What an operator does about each fault.
pub mod remedies;
/// Which sequence a datagram is followed in.
mod routes;
/// Sampling rates in force.
mod sampling;
/// Sequence numbers.
pub mod sequence;
/// What is told of an exporter: the JSON of `GET /exporters`.
pub mod status;
/// What a sequence counts.
mod unit;
/// A worker's way to the directory.
mod view;

pub use directory::Directory;
pub use identity::Identity;
pub use kept::KeptSequence;
pub use news::News;
pub use unit::Unit;
pub use view::{Heard, View};
