//! `collector repair` as an operator runs it: the binary, a real engine, and journals as a collector leaves them.
//!
//! Needs the engine's library (COLLECTOR_LIBCHDB or the usual places); without it the tests say so and are skipped.

/// What changes, and what does not.
mod changes;
/// Datagrams with known contents.
mod datagrams;
/// Beside a collector that stores, and after a sudden end.
mod disturbed;
/// What is refused, with one line that says what to do.
mod refusals;
/// A journal, a database and a configuration.
mod site;
