//! The journal: what was appended is there after any end, what is forgotten was stored or is named.

/// Any damage to the files of a journal that was never closed.
mod crash;
/// What is kept, and what is forgotten, against a model.
mod model;
/// Journals of a test.
mod support;
