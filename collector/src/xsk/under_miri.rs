//! The root of a test program of its own, not a module of the collector: the part of this folder that makes no system
//! calls, for Miri, which would otherwise have to compile all dependencies of the collector. From the workspace:
//!
//! ```sh
//! sysroot="$(cargo +nightly miri setup --print-sysroot)"
//! "$(rustup +nightly which miri)" --test --edition 2024 --sysroot "$sysroot" -A warnings \
//!     collector/src/xsk/under_miri.rs
//! ```

mod lend;
mod metadata;
mod model;
mod ring;
mod umem;

pub use metadata::{METADATA_BYTES, Metadata};
