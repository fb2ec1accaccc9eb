//! Validated settings, a struct for each part: what is meant by what was written.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use netflow::plausible::Limits;

use super::written::{Attach, Bind, CaptureMode, Checksum, Compression, LogFormat, Spread, Written};
use crate::clickhouse::{Cluster, retention};
use crate::dictionaries::Interface;
use crate::enrich::{Networks, Sampling};
use crate::front_door::Limit;
use crate::prefix::Prefix;
use crate::rollup;
use crate::templates::HeldBounds;

/// Everything the collector can be told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Directory for the template snapshot and the embedded store's data.
    pub state_dir: PathBuf,
    /// How datagrams are taken off the wire.
    pub capture: Capture,
    /// Who may send, and how fast.
    pub front_door: FrontDoor,
    /// The log of datagrams.
    pub journal: Journal,
    /// Bounds and snapshot of the template store.
    pub templates: Templates,
    /// What is made of records.
    pub decode: Decode,
    /// Files of places and autonomous systems.
    pub geoip: GeoIp,
    /// Files of names.
    pub names_files: Names,
    /// Networks by prefix, as their file has them.
    pub networks: Networks,
    /// Where rows go.
    pub clickhouse: ClickHouse,
    /// The embedded ClickHouse; used where `clickhouse.url` is absent.
    pub store: Store,
    /// Which rollups are made.
    pub rollups: rollup::Selection,
    /// How long rows stay.
    pub retention: retention::Settings,
    /// The Prometheus page.
    pub metrics: Metrics,
    /// Log lines.
    pub log: Log,
    /// Names, sampling and limits of exporters.
    pub exporters: Vec<Exporter>,
    /// Whether rows are written to standard output too; a flag alone, never in the file.
    pub stdout: Option<StdoutFormat>,
    /// What this was resolved from, to tell what changes when the file is read again.
    pub written: Written,
}

/// How rows look on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum StdoutFormat {
    /// One JSON object a line, the columns under their names; rows of other tables than flows begin with the key `table`
    Json,
}

/// How datagrams are taken off the wire.
#[derive(Debug, Clone)]
pub struct Capture {
    /// Which way.
    pub mode: CaptureMode,
    /// Interfaces for XDP, each once; never empty with [`CaptureMode::Xdp`].
    pub interfaces: Vec<String>,
    /// Those of them that carry others' traffic to be looked at: whoever a datagram is addressed to, it is taken.
    pub mirror: Vec<String>,
    /// Addresses that are as good as the machine's own.
    pub addresses: Vec<Prefix>,
    /// UDP destination ports, ascending, each once; never empty.
    pub ports: Vec<u16>,
    /// Worker threads; `None` for one per receive queue, at most half the usable CPUs.
    pub workers: Option<usize>,
    /// Where the XDP program hooks in.
    pub attach: Attach,
    /// How AF_XDP sockets get at frames.
    pub bind: Bind,
    /// Bytes of a frame in the umem: 2048 or 4096.
    pub frame_bytes: u32,
    /// Frames of one socket: a power of two.
    pub frames_per_socket: u32,
    /// Descriptors of a ring: a power of two, at most `frames_per_socket`.
    pub ring_descriptors: u32,
    /// Which worker gets a datagram.
    pub spread: Spread,
    /// Address of the plain UDP sockets.
    pub udp_address: IpAddr,
    /// Receive buffer of each plain UDP socket.
    pub udp_receive_buffer_bytes: usize,
    /// Whether worker threads are pinned to CPUs.
    pub pin: bool,
    /// What is asked of UDP checksums of frames that XDP takes.
    pub checksum: Checksum,
    /// How long a worker asks the driver for frames itself after the last datagram, before it sleeps; zero for not at all.
    pub busy_poll: Duration,
}

/// Who may send, and how fast; limits of single exporters are in [`Exporter`].
#[derive(Debug, Clone)]
pub struct FrontDoor {
    /// Prefixes of exporters that may send; everybody if empty.
    pub allowed: Vec<Prefix>,
    /// The limit of each exporter without one of its own.
    pub limit: Limit,
    /// Exporters that are kept apart.
    pub exporters: u32,
}

/// The log of datagrams; each worker has one of its own.
#[derive(Debug, Clone)]
pub struct Journal {
    /// Directory of the workers' journals.
    pub directory: PathBuf,
    /// Size of a segment file.
    pub segment_bytes: u64,
    /// Bytes that may wait in a worker's journal.
    pub budget_bytes: u64,
    /// Bytes of stored data that are kept in it.
    pub retain_bytes: u64,
    /// For how long stored data is kept.
    pub retain: Duration,
    /// What it survives.
    pub durability: crate::journal::Durability,
}

/// Bounds and snapshot of the template store.
#[derive(Debug, Clone)]
pub struct Templates {
    /// Templates one exporter may have.
    pub max_per_exporter: usize,
    /// Templates in all.
    pub max_total: usize,
    /// How often changed templates are saved.
    pub snapshot_interval: Duration,
    /// The snapshot file, in the state directory.
    pub snapshot: PathBuf,
    /// How much of data sets without a template is held.
    pub held: HeldBounds,
}

/// What is made of records.
#[derive(Debug, Clone, Copy)]
pub struct Decode {
    /// Whether fields that no column takes are kept in the column `raw`.
    pub keep_unknown: bool,
    /// Beyond what counts are implausible.
    pub limits: Limits,
}

/// Files of places and autonomous systems.
#[derive(Debug, Clone)]
pub struct GeoIp {
    /// City, Country and ASN files in any order.
    pub files: Vec<PathBuf>,
}

/// Files of names.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Names of autonomous systems.
    pub as_names: Option<PathBuf>,
    /// Names of IP protocols.
    pub protocols: Option<PathBuf>,
    /// Names of ports.
    pub ports: Option<PathBuf>,
    /// Names and speeds of interfaces.
    pub interfaces: Option<PathBuf>,
}

/// Where rows go.
#[derive(Debug, Clone)]
pub struct ClickHouse {
    /// The first server of the first shard; `None` for the embedded store.
    pub url: Option<String>,
    /// Servers of every shard; none for the embedded store.
    pub shards: Vec<Vec<String>>,
    /// The cluster that the server is part of; `None` for a server that stands alone.
    pub cluster: Option<Cluster>,
    /// Whether rows are thrown away once they are encoded, and there is no ClickHouse at all.
    pub discard: bool,
    /// Database of the flows table.
    pub database: String,
    /// User name.
    pub user: String,
    /// Password; may be empty.
    pub password: Secret,
    /// PEM file of certificate authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Compression of inserts.
    pub compression: Compression,
    /// Rows at which a block is handed on.
    pub block_rows: usize,
    /// Age at which a block is handed on, full or not.
    pub block_age: Duration,
    /// Rows that may wait in memory for ClickHouse.
    pub pending_rows: u64,
    /// Bytes of memory that they may take.
    pub pending_bytes: u64,
    /// Inserts under way at a time.
    pub inserters: usize,
    /// Time that opening a connection may take.
    pub connect_timeout: Duration,
    /// Time an insert or query may take.
    pub request_timeout: Duration,
}

/// The embedded ClickHouse.
#[derive(Debug, Clone)]
pub struct Store {
    /// Loopback address of its HTTP interface.
    pub listen: SocketAddr,
    /// The libchdb file; `None` to look in the usual places.
    pub library: Option<PathBuf>,
    /// Memory the engine may use; `None` for its own default.
    pub memory_bytes: Option<u64>,
    /// Queries that run side by side.
    pub connections: usize,
    /// Its data directory, in the state directory.
    pub data: PathBuf,
}

/// The Prometheus page.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Address of `/metrics`; `None` for no page.
    pub listen: Option<SocketAddr>,
}

/// Log lines.
#[derive(Debug, Clone)]
pub struct Log {
    /// Filter in `tracing`'s syntax: `info`, `debug`, `collector::xsk=debug,info`.
    pub level: String,
    /// How they look.
    pub format: LogFormat,
}

/// What is known about the exporters of a prefix, and how fast each of them may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exporter {
    /// Which exporters; the longest prefix that holds an address wins.
    pub prefix: Prefix,
    /// Their name, if they have one.
    pub name: Option<String>,
    /// Where they are; may be empty.
    pub site: String,
    /// What is known of their interfaces; none for more than one address.
    pub interfaces: Vec<Interface>,
    /// Their sampling, where the operator says; entries without it are no part of the search for the longest prefix.
    pub sampling: Option<Sampling>,
    /// Their limit, if not that of all.
    pub limit: Option<Limit>,
}

/// A text that never appears in a log or an error.
#[derive(Clone, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` out of `Debug` output.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "(none)" } else { "(redacted)" })
    }
}
