//! What the exporter did not say: places, autonomous systems and networks of both ends, names of exporters, configured sampling
//! rates.
//!
//! Files are loaded on threads of their own ([`geo::Geo::open`], [`watcher::Watcher`]); workers fill the columns of their blocks
//! from the tables in force ([`Enricher`]) and never wait. Missing knowledge never drops a row: the column says "unknown".
//! Not here: sampling rates and application names that the exporter announces itself (`templates`).

/// What happened to the GeoIP files.
mod counters;
/// A worker's part.
mod enricher;
/// Why GeoIP files could not be taken up.
mod error;
/// What is taken from a record.
mod fields;
/// Addresses to places.
pub mod geo;
/// What a file gives of what is read.
mod gives;
/// Memory for large tables.
mod huge;
/// Texts, each kept once.
mod interner;
/// Dictionary keys of the block at hand.
mod memo;
/// Several files joined.
mod merge;
/// One MaxMind DB file.
mod mmdb;
/// Names of exporters.
pub mod names;
/// Networks and whose they are.
pub mod networks;
/// The tables in force.
mod published;
/// Sampling rates from the configuration.
pub mod sampling;
/// Which version of a file this is.
mod signature;
/// A table from addresses to numbers.
mod tree;
/// Replaced files.
pub mod watcher;

pub use counters::Counters;
pub use enricher::Enricher;
pub use error::Error;
pub use geo::Geo;
pub use gives::Gives;
pub use names::Names;
pub use networks::Networks;
pub use published::Published;
pub use sampling::{PublishedRates, Sampling, SamplingRates};
pub use watcher::Watcher;
