//! Names of what flows know by number: autonomous systems, protocols, ports, exporters, interfaces, networks.
//!
//! They are kept in ordinary tables that ClickHouse's dictionaries are made from, each filled as a whole: written beside the old
//! one and exchanged for it, so that nobody sees half of it. A file with a fault is told with its line, and what was there before
//! stays. Not here: names that are stored with each flow (`enrich`), and who looks names up.

/// Names known without any file.
mod builtin;
/// What the tables are filled with.
mod content;
/// Lines of fields.
mod csv;
/// A table, replaced as a whole.
mod fill;
/// The thread that keeps the tables up to date.
mod keeper;

use std::net::IpAddr;
use std::path::PathBuf;

use crate::enrich::Networks;
use crate::prefix::Prefix;

pub use content::{Content, Error, Rows};
pub use fill::{TABLES, fill};
pub use keeper::{Announced, IsReady, Keeper};

/// Where names come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// CSV file: number, name.
    pub as_names: Option<PathBuf>,
    /// CSV file: number, name.
    pub protocols: Option<PathBuf>,
    /// CSV file: protocol, port, name.
    pub ports: Option<PathBuf>,
    /// CSV file: exporter, ifIndex, name, and Mbit/s if known.
    pub interfaces: Option<PathBuf>,
    /// Networks and customers.
    pub networks: Networks,
    /// Exporters of the configuration.
    pub exporters: Vec<Exporter>,
}

/// What the configuration calls an exporter and its interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exporter {
    /// Which exporters.
    pub prefix: Prefix,
    /// Their name; may be empty.
    pub name: String,
    /// Where they are; may be empty.
    pub site: String,
    /// Their interfaces.
    pub interfaces: Vec<Interface>,
}

/// What is known of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its ifIndex.
    pub if_index: u32,
    /// Its name; may be empty.
    pub name: String,
    /// Bits per second; 0 where not known.
    pub speed_bps: u64,
}

/// An exporter's address as the tables have it: IPv4 mapped.
fn mapped(address: IpAddr) -> std::net::Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
