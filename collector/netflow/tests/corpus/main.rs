//! The decoder against captures of real exporters whose contents are known. Without the captures these tests say so and pass.

#![expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a test may panic")]

mod captures;
mod columns;
mod hostile;
mod records;
mod samples;
