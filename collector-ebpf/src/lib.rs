//! What the XDP program and user space must agree on: the walk through a frame, the verdicts, the maps.
//!
//! The program (`main.rs`) and the worker that takes frames from a ring call the same [`walk()`], so they cannot disagree about
//! what a datagram is. Not here: loading and attaching, which is user space's alone.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

/// What the program keeps of an exporter.
pub mod account;
/// The wall clock of the program.
pub mod clock;
/// Rate limits: token buckets.
pub mod limit;
/// The maps of the program: names, sizes, and how their entries are found.
pub mod maps;
/// What the front door says about an exporter.
pub mod rule;
/// The receive time in front of a frame.
pub mod stamp;
/// What the program decided about a frame.
pub mod verdict;
/// From the first byte of a frame to the payload of its UDP datagram.
pub mod walk;

pub use account::Fate;
pub use clock::Clock;
pub use limit::Limit;
pub use maps::{Config, Spread};
pub use rule::{DatedRule, Rule};
pub use stamp::Stamp;
pub use verdict::Verdict;
pub use walk::{Datagram, Frame, walk};
