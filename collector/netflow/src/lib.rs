//! NetFlow v5, NetFlow v9 and IPFIX: a datagram in; flow columns, templates, option values and counted errors out.
//!
//! Sans-I/O: no socket, no clock, no log, no thread; whoever calls keeps the templates (see [`Store`]) and the blocks
//! (see [`FlowColumns`]). Not here: enrichment, storage, and anything that knows ClickHouse.

/// Columns of decoded flow records.
pub mod columns;
/// What exporters announce in options data records.
pub mod options;
/// What the decoder asks of the keeper of templates and option values.
pub mod store;
/// Templates and their fields.
pub mod template;
/// A dictionary-encoded column of strings.
pub mod text;

pub use columns::FlowColumns;
pub use text::Text;
