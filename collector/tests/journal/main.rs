//! The journal: what was appended is there after any end, what is forgotten was stored or is named.

/// Any damage to the files of a journal that was never closed.
mod crash;
/// A disk that is full.
mod full_disk;
/// A process that is killed.
mod kill;
/// What is kept, and what is forgotten, against a model.
mod model;
/// Reading from outside.
mod reading;
/// The seeds of the fuzz target.
mod seeds;
/// Journals of a test.
mod support;
