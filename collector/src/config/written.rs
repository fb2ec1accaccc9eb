//! The file as it was written: every key, its type and its default.
//!
//! What a key means is said once, in `deploy/collector.toml`; a test holds its keys and defaults against these.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Deserialize;
use toml::de::DeTable;

use super::error::ConfigError;
use super::keys;
use super::meant::Secret;
use crate::rollup;

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($key:ident: $type:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $(#[doc = concat!("Key `", stringify!($key), "`, described in `deploy/collector.toml`.")] pub $key: $type,)*
        }

        impl $name {
            /// The keys whose values are not the same in `other`.
            fn changed(&self, other: &Self) -> Vec<&'static str> {
                let mut keys = Vec::new();
                $(if self.$key != other.$key { keys.push(stringify!($key)); })*
                keys
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }
    };
}

section! {
    /// The whole file.
    Written {
        state_dir: PathBuf = PathBuf::from("/var/lib/collector"),
        capture: Capture = Capture::default(),
        front_door: FrontDoor = FrontDoor::default(),
        journal: Journal = Journal::default(),
        templates: Templates = Templates::default(),
        decode: Decode = Decode::default(),
        geoip: GeoIp = GeoIp::default(),
        names: Names = Names::default(),
        clickhouse: ClickHouse = ClickHouse::default(),
        store: Store = Store::default(),
        rollups: Rollups = Rollups::default(),
        retention: Retention = Retention::default(),
        metrics: Metrics = Metrics::default(),
        log: Log = Log::default(),
        exporters: Vec<Exporter> = Vec::new(),
    }
}

section! {
    /// `[capture]`: how datagrams are taken off the wire.
    Capture {
        mode: CaptureMode = CaptureMode::Auto,
        interfaces: Vec<String> = Vec::new(),
        mirror: Vec<String> = Vec::new(),
        addresses: Vec<String> = Vec::new(),
        ports: Vec<u16> = vec![2055],
        workers: usize = 0,
        attach: Attach = Attach::Auto,
        bind: Bind = Bind::Auto,
        frame_bytes: u32 = 2048,
        frames_per_socket: u32 = 4096,
        ring_descriptors: u32 = 2048,
        spread: Spread = Spread::ByExporter,
        udp_address: String = "::".to_owned(),
        udp_receive_buffer_bytes: usize = 32 << 20,
        pin: bool = true,
        busy_poll_us: u32 = 0,
        checksum: Checksum = Checksum::Auto,
    }
}

section! {
    /// `[front_door]`: who may send, and how fast.
    FrontDoor {
        allowed: Vec<String> = Vec::new(),
        datagrams_per_second: u64 = 0,
        burst: u64 = 0,
        exporters: u32 = 16_384,
    }
}

section! {
    /// `[journal]`: the log of datagrams, until they are stored and some time longer.
    Journal {
        directory: Option<PathBuf> = None,
        segment_bytes: u64 = 64 << 20,
        budget_bytes: u64 = 8 << 30,
        retain_bytes: u64 = 2 << 30,
        retain_hours: u64 = 24,
        durability: Durability = Durability::Process,
        sync_ms: u64 = 200,
    }
}

section! {
    /// `[templates]`: bounds and snapshot of the template store.
    Templates {
        max_per_exporter: usize = 4096,
        max_total: usize = 131_072,
        snapshot_seconds: u64 = 60,
        hold_bytes_per_exporter: usize = 256 << 10,
        hold_bytes_total: usize = 64 << 20,
        hold_seconds: u64 = 30 * 60,
    }
}

section! {
    /// `[decode]`: what is made of records.
    Decode {
        keep_unknown: bool = false,
        largest_packet_bytes: u64 = 65_600,
        fastest_link_gbps: u64 = 800,
    }
}

section! {
    /// `[geoip]`: files of places and autonomous systems.
    GeoIp {
        files: Vec<PathBuf> = Vec::new(),
    }
}

section! {
    /// `[names]`: what the operator calls things.
    Names {
        as_names: Option<PathBuf> = None,
        protocols: Option<PathBuf> = None,
        ports: Option<PathBuf> = None,
        interfaces: Option<PathBuf> = None,
        networks: Option<PathBuf> = None,
    }
}

section! {
    /// `[clickhouse]`: where rows go.
    ClickHouse {
        url: Option<String> = None,
        urls: Vec<String> = Vec::new(),
        shards: Vec<Shard> = Vec::new(),
        cluster: Option<String> = None,
        discard: bool = false,
        database: String = "collector".to_owned(),
        user: String = "default".to_owned(),
        password: Option<Secret> = None,
        password_file: Option<PathBuf> = None,
        ca_file: Option<PathBuf> = None,
        compression: Compression = Compression::Lz4,
        block_rows: usize = 65_536,
        block_age_ms: u64 = 1000,
        pending_rows: u64 = 524_288,
        pending_bytes: u64 = 256 << 20,
        inserters: usize = 2,
        connect_timeout_seconds: u64 = 5,
        request_timeout_seconds: u64 = 60,
    }
}

/// `[[clickhouse.shards]]`: the servers of one shard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Key `urls`.
    pub urls: Vec<String>,
}

section! {
    /// `[store]`: the embedded ClickHouse.
    Store {
        listen: String = "127.0.0.1:8123".to_owned(),
        library: Option<PathBuf> = None,
        memory_bytes: u64 = 0,
        connections: usize = 8,
    }
}

section! {
    /// `[rollups]`: which sums are kept of flows.
    Rollups {
        tables: Vec<String> = rollup::TABLES.iter().map(|table| table.name.to_owned()).collect(),
    }
}

section! {
    /// `[retention]`: how long rows stay.
    Retention {
        flows_days: u32 = 30,
        rollups_days: u32 = 400,
        nat_events_days: u32 = 180,
        interface_counters_days: u32 = 90,
        ledger_days: u32 = 400,
        budget_bytes: u64 = 0,
    }
}

section! {
    /// `[metrics]`: the Prometheus page.
    Metrics {
        listen: String = "127.0.0.1:9105".to_owned(),
    }
}

section! {
    /// `[log]`: what is logged, and how.
    Log {
        level: String = "info".to_owned(),
        format: LogFormat = LogFormat::Auto,
    }
}

/// `[[exporters]]`: what is known about the exporters of an address or a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exporter {
    /// Key `address`.
    pub address: String,
    /// Key `name`; without it the name of a shorter prefix holds.
    pub name: Option<String>,
    /// Key `site`.
    pub site: Option<String>,
    /// Key `interfaces`: names by ifIndex.
    #[serde(default)]
    pub interfaces: BTreeMap<String, String>,
    /// Key `interface_mbps`: speeds by ifIndex.
    #[serde(default)]
    pub interface_mbps: BTreeMap<String, u64>,
    /// Key `sampling_rate`.
    #[serde(default)]
    pub sampling_rate: Option<u64>,
    /// Key `interface_sampling`: rates by ifIndex.
    #[serde(default)]
    pub interface_sampling: BTreeMap<String, u64>,
    /// Key `sampling_override`.
    #[serde(default)]
    pub sampling_override: bool,
    /// Key `datagrams_per_second`; without it the one of `[front_door]` holds.
    pub datagrams_per_second: Option<u64>,
    /// Key `burst`.
    pub burst: Option<u64>,
}

/// Which way datagrams are taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum CaptureMode {
    /// XDP where it can run, plain UDP sockets where it cannot
    Auto,
    /// XDP, or not at all
    Xdp,
    /// Plain UDP sockets
    Udp,
}

/// Where the XDP program hooks in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Attach {
    /// In the driver where it can, in the kernel's generic path where it cannot
    Auto,
    /// In the driver, or not at all
    Native,
    /// In the kernel's generic path
    Generic,
}

/// How an AF_XDP socket gets at frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Bind {
    /// Zero-copy where the driver can, copy where it cannot
    Auto,
    /// Zero-copy, or not at all
    ZeroCopy,
    /// Copy
    Copy,
}

/// What the journal survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// The end of the process, however sudden
    Process,
    /// Power loss too
    Disk,
}

/// Which worker gets a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Spread {
    /// All datagrams of an exporter to one worker
    ByExporter,
    /// Each datagram to the next worker
    RoundRobin,
}

/// What is asked of UDP checksums of frames that XDP takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Checksum {
    /// Right ones, and on virtual interfaces those that a local sender has not finished
    Auto,
    /// Right ones
    Verify,
    /// Nothing
    Trust,
}

/// Compression between the collector and ClickHouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// LZ4 blocks
    Lz4,
    /// None, for a fast network
    None,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Text; as a service of systemd, text with priorities for its journal
    Auto,
    /// Text
    Human,
    /// Text with the priorities of systemd's journal
    Journal,
    /// One JSON object a line
    Json,
}

/// Keys that take effect while the collector runs.
const LIVE: [&str; 10] = [
    "capture.addresses",
    "front_door.allowed",
    "front_door.datagrams_per_second",
    "front_door.burst",
    "exporters",
    "names.as_names",
    "names.protocols",
    "names.ports",
    "names.interfaces",
    "names.networks",
];

impl Written {
    /// Keys, with their sections, that `other` has other values for and that do not take effect before a restart.
    #[must_use]
    pub fn changed_for_restart(&self, other: &Self) -> Vec<String> {
        let sections = [
            ("capture", self.capture.changed(&other.capture)),
            ("front_door", self.front_door.changed(&other.front_door)),
            ("journal", self.journal.changed(&other.journal)),
            ("templates", self.templates.changed(&other.templates)),
            ("decode", self.decode.changed(&other.decode)),
            ("geoip", self.geoip.changed(&other.geoip)),
            ("names", self.names.changed(&other.names)),
            ("clickhouse", self.clickhouse.changed(&other.clickhouse)),
            ("store", self.store.changed(&other.store)),
            ("rollups", self.rollups.changed(&other.rollups)),
            ("retention", self.retention.changed(&other.retention)),
            ("metrics", self.metrics.changed(&other.metrics)),
            ("log", self.log.changed(&other.log)),
        ];
        // A key above the first section stands alone; of a section that changed, the keys are told below.
        let top = self.changed(other).into_iter().filter(|key| sections.iter().all(|(section, _)| section != key));
        let inside = sections.iter().flat_map(|(section, keys)| keys.iter().map(move |key| format!("{section}.{key}")));
        top.map(str::to_owned).chain(inside).filter(|key| !LIVE.contains(&key.as_str())).collect()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError::Read`], or as [`Written::parse`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|cause| ConfigError::Read { path: path.to_path_buf(), cause })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads TOML text; `origin` is the name that errors carry.
    ///
    /// # Errors
    /// [`ConfigError::Syntax`] or [`ConfigError::UnknownKey`], with the line.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let syntax = |error: toml::de::Error| {
            let offset = error.span().map_or(0, |span| span.start);
            keys::single_brackets(text, offset, origin).unwrap_or_else(|| ConfigError::Syntax {
                origin: origin.to_owned(),
                line: keys::line_of(text, offset),
                message: error.message().lines().collect::<Vec<_>>().join(", "),
            })
        };
        let document = DeTable::parse(text).map_err(syntax)?;
        keys::check(document.get_ref(), text, origin)?;
        toml::from_str(text).map_err(syntax)
    }
}
