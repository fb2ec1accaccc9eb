//! NetFlow v1, v5, v7 and v9, IPFIX and sFlow v2, v4 and v5: a datagram in; flow columns, templates, option values and counted errors out.
//!
//! Sans-I/O: no socket, no clock, no log, no thread; whoever calls keeps the templates (see [`Store`]) and the blocks
//! (see [`FlowColumns`]). Not here: enrichment, storage, and anything that knows ClickHouse.

#![deny(unsafe_code)]

/// Columns of decoded flow records.
pub mod columns;
/// Into columns, or record by record.
pub mod decode;
/// Names and types of information elements.
pub mod element;
/// A column of cells of one width.
pub mod flat;
/// Datagrams and message headers.
pub mod header;
/// Link layers of captured packets.
pub mod link;
/// Structured data: lists in fields.
pub mod list;
/// A keeper of templates and option values in plain maps.
pub mod map_store;
/// Records as names and values.
pub mod neutral;
/// What exporters announce in options data records.
pub mod options;
/// What became of one datagram.
pub mod outcome;
/// Counts that cannot be.
pub mod plausible;
/// A column of maps of what no other column takes.
pub mod raw;
/// Records as they came.
pub mod record;
/// What happened while decoding, counted by name.
pub mod report;
/// Samples of sFlow.
pub mod sflow;
/// How far exporters' clocks are off.
pub mod skew;
/// What the decoder asks of the keeper of templates and option values.
pub mod store;
/// The rows that datagrams give, table by table.
pub mod tables;
/// Templates and their fields.
pub mod template;
/// A dictionary-encoded column of strings.
pub mod text;
/// What flows have reported so far.
pub mod totals;

mod ahead;
mod announce;
mod arrays;
mod clock;
mod constant;
mod counts;
mod derive;
mod fill;
mod frame;
mod kept;
mod leaf;
mod plan;
mod reverse;
mod section;
mod sets;
mod source;
mod straight;
mod translate;
mod walk;
mod wire;

pub use columns::FlowColumns;
pub use decode::{Visit, decode, decode_part, dissect};
pub use flat::Flat;
pub use header::{Datagram, Header};
pub use map_store::MapStore;
pub use outcome::{Message, Outcome};
pub use raw::Raw;
pub use record::{Field, Record};
pub use report::{Event, Report};
pub use sflow::Sample;
pub use store::Store;
pub use tables::Tables;
pub use template::Template;
pub use text::Text;
