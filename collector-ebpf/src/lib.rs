//! What the XDP program and user space must agree on: the walk through a frame, the verdicts, the maps.
//!
//! The program (`main.rs`) and the worker that takes frames from a ring call the same [`walk()`], so they cannot disagree about
//! what a datagram is. Not here: loading and attaching, which is user space's alone.

#![no_std]
#![forbid(unsafe_code)]

/// The maps of the program: names, sizes, and how their entries are found.
pub mod maps;
/// What the program decided about a frame.
pub mod verdict;
/// From the first byte of a frame to the payload of its UDP datagram.
pub mod walk;

pub use maps::{Config, Spread};
pub use verdict::Verdict;
pub use walk::{Datagram, Frame, walk};
