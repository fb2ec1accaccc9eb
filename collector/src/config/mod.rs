//! What the operator wrote, and what is meant by it.
//!
//! Two steps: [`Written`] is the TOML file key by key, with defaults, overridden by flags; [`Config`] is validated and
//! resolved, with a small struct for each part. Not here: the flags themselves, and acting on any setting.

/// What can be wrong with a configuration, in one line each.
pub mod error;
/// What is meant by `[[exporters]]`.
mod exporters;
/// The front door's part of it.
mod front_door;
/// Which keys there are, and which one was probably meant.
mod keys;
/// Validated settings, a struct for each part.
pub mod meant;
/// The settings of each part.
mod parts;
/// From written to meant.
mod resolve;
/// The file as it was written.
pub mod written;

pub use error::ConfigError;
pub use meant::{
    Capture, ClickHouse, Config, Decode, Exporter, FrontDoor, GeoIp, Journal, Log, Metrics, Names, Secret,
    StdoutFormat, Store, Templates,
};
pub use written::{Attach, Bind, CaptureMode, Checksum, Compression, LogFormat, Spread, Written};

/// The file that is read when none is named and this one exists.
pub const DEFAULT_PATH: &str = "/etc/collector/collector.toml";

/// Environment variable that holds ClickHouse's password; it stands above the file and below `--password-file`.
pub const PASSWORD_VARIABLE: &str = "COLLECTOR_CLICKHOUSE_PASSWORD";

/// Every key the file can have, as (section, key); the section is empty for the keys above the first one.
#[must_use]
pub fn known_keys() -> Vec<(&'static str, &'static str)> {
    let sections =
        keys::sections().into_iter().flat_map(|section| section.keys.iter().map(move |key| (section.name, *key)));
    keys::top().iter().map(|key| ("", *key)).chain(sections).collect()
}
