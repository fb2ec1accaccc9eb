//! From written to meant: every rule a setting has to keep, each broken one an error with the remedy.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use netflow::plausible::Limits;

use super::error::ConfigError;
use super::exporters::exporters;
use super::front_door::front_door;
use super::meant::{
    Capture, ClickHouse, Config, Decode, GeoIp, Journal, Log, Metrics, Names, Secret, Store, Templates,
};
use super::written::{self, CaptureMode, Written};
use crate::clickhouse::{Cluster, retention};
use crate::enrich::Networks;
use crate::journal::{Durability, SEGMENT_BYTES_MIN};
use crate::prefix::BadPrefix;
use crate::rollup;
use crate::templates::HeldBounds;

/// A block is inserted as one, and ClickHouse cuts what has more than `max_insert_block_size` (1 048 449) rows into several parts.
/// Half of that leaves room for the rows that one datagram, or data sets that were held, put on top.
const MOST_BLOCK_ROWS: u64 = 1 << 19;
/// Octets that a link of 1 Gbit/s carries in a millisecond.
const BYTES_PER_MS_OF_GBPS: u64 = 125_000;
/// Days beyond which a period is a slip of the keyboard: a century.
const DAYS_MAX: u64 = 36_525;
/// The longest name an interface can have: `IFNAMSIZ` less its NUL, `include/uapi/linux/if.h`.
const INTERFACE_NAME_BYTES: usize = 15;

/// Largest segment of the journal: each worker has one ready beside the one that it writes.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// Segments consist of whole pages.
const SEGMENT_BYTES_UNIT: u64 = 4096;

impl Config {
    /// Validates what was written. `password` is the one from the environment; it stands above the file's.
    ///
    /// # Errors
    /// [`ConfigError::Meaning`] for the first setting that cannot be meant, [`ConfigError::PasswordFile`], [`ConfigError::Networks`].
    pub fn resolve(written: Written, password: Option<Secret>) -> Result<Self, ConfigError> {
        let as_written = written.clone();
        let state_dir = written.state_dir;
        if state_dir.as_os_str().is_empty() {
            return Err(ConfigError::meaning("state_dir", "empty", "name a directory, such as /var/lib/collector"));
        }
        let exporters = exporters(written.exporters)?;
        Ok(Self {
            capture: capture(written.capture)?,
            front_door: front_door(&written.front_door, &exporters)?,
            journal: journal(written.journal, &state_dir)?,
            templates: templates(&written.templates, &state_dir)?,
            decode: decode(&written.decode)?,
            geoip: GeoIp { files: written.geoip.files },
            names_files: names(&written.names),
            networks: networks(written.names.networks)?,
            clickhouse: clickhouse(written.clickhouse, password)?,
            store: store(written.store, &state_dir)?,
            rollups: rollups(&written.rollups)?,
            retention: retention(&written.retention)?,
            metrics: Metrics { listen: optional_address("metrics.listen", &written.metrics.listen)? },
            log: Log { level: written.log.level, format: written.log.format },
            exporters,
            stdout: None,
            written: as_written,
            state_dir,
        })
    }
}

fn decode(written: &written::Decode) -> Result<Decode, ConfigError> {
    let written::Decode { keep_unknown, largest_packet_bytes, fastest_link_gbps } = *written;
    in_range("decode.largest_packet_bytes", largest_packet_bytes, 576..=1 << 30)?;
    in_range("decode.fastest_link_gbps", fastest_link_gbps, 1..=1_000_000)?;
    let limits =
        Limits { packet_bytes: largest_packet_bytes, link_bytes_per_ms: fastest_link_gbps * BYTES_PER_MS_OF_GBPS };
    Ok(Decode { keep_unknown, limits })
}

fn rollups(written: &written::Rollups) -> Result<rollup::Selection, ConfigError> {
    rollup::Selection::of(&written.tables).map_err(|rollup::Unknown(name)| {
        let known: Vec<&str> = rollup::TABLES.iter().map(|table| table.name).collect();
        let remedy = format!("name rollups: {}", known.join(", "));
        ConfigError::meaning("rollups.tables", format_args!("\"{name}\""), remedy)
    })
}

fn retention(written: &written::Retention) -> Result<retention::Settings, ConfigError> {
    let written::Retention {
        flows_days,
        rollups_days,
        nat_events_days,
        interface_counters_days,
        ledger_days,
        budget_bytes,
    } = *written;
    for (key, days) in [
        ("retention.flows_days", flows_days),
        ("retention.rollups_days", rollups_days),
        ("retention.nat_events_days", nat_events_days),
        ("retention.interface_counters_days", interface_counters_days),
        ("retention.ledger_days", ledger_days),
    ] {
        in_range(key, u64::from(days), 0..=DAYS_MAX)?;
    }
    Ok(retention::Settings {
        flows_days,
        rollups_days,
        nat_events_days,
        interface_counters_days,
        ledger_days,
        budget_bytes,
    })
}

/// Names of interfaces, each once, behind those in `known`.
fn interfaces(key: &'static str, names: &[String], known: &[String]) -> Result<Vec<String>, ConfigError> {
    let mut interfaces = known.to_vec();
    for name in names {
        let named = (1..=INTERFACE_NAME_BYTES).contains(&name.len()) && !name.contains(['/', ' ', ':']);
        if !named {
            let remedy = "name network interfaces as `ip link` shows them";
            return Err(ConfigError::meaning(key, format_args!("\"{name}\""), remedy));
        }
        if !interfaces.contains(name) {
            interfaces.push(name.clone());
        }
    }
    Ok(interfaces)
}

fn capture(written: written::Capture) -> Result<Capture, ConfigError> {
    let mirror = interfaces("capture.mirror", &written.mirror, &[])?;
    let named = interfaces("capture.interfaces", &written.interfaces, &[])?;
    let interfaces = interfaces("capture.mirror", &mirror, &named)?;
    let address = |text: &String| {
        text.parse().map_err(|bad: BadPrefix| {
            ConfigError::meaning("capture.addresses", format_args!("\"{text}\""), bad.to_string())
        })
    };
    let addresses = written.addresses.iter().map(address).collect::<Result<_, _>>()?;
    if written.mode == CaptureMode::Xdp && interfaces.is_empty() {
        return Err(ConfigError::meaning(
            "capture.interfaces",
            "empty while capture.mode is \"xdp\"",
            "name the interface with --interface NAME, or use mode \"udp\"",
        ));
    }
    let mut ports = written.ports;
    ports.sort_unstable();
    ports.dedup();
    if ports.first().is_none_or(|port| *port == 0) {
        return Err(ConfigError::meaning(
            "capture.ports",
            format_args!("{ports:?}"),
            "list at least one UDP port from 1 to 65535",
        ));
    }
    let udp_address = written.udp_address.parse().map_err(|_| {
        ConfigError::meaning(
            "capture.udp_address",
            format_args!("\"{}\"", written.udp_address),
            "write an IP address; \"::\" takes IPv4 and IPv6 on every interface",
        )
    })?;
    if !matches!(written.frame_bytes, 2048 | 4096) {
        return Err(ConfigError::meaning("capture.frame_bytes", written.frame_bytes, "the kernel takes 2048 or 4096"));
    }
    in_range("capture.workers", written.workers as u64, 0..=1024)?;
    power_of_two("capture.frames_per_socket", written.frames_per_socket, 64..=1 << 20)?;
    power_of_two("capture.ring_descriptors", written.ring_descriptors, 64..=written.frames_per_socket)?;
    in_range("capture.udp_receive_buffer_bytes", written.udp_receive_buffer_bytes as u64, 4096..=1 << 30)?;
    in_range("capture.busy_poll_us", u64::from(written.busy_poll_us), 0..=1_000_000)?;
    Ok(Capture {
        mode: written.mode,
        interfaces,
        mirror,
        addresses,
        ports,
        workers: Some(written.workers).filter(|workers| *workers > 0),
        attach: written.attach,
        bind: written.bind,
        frame_bytes: written.frame_bytes,
        frames_per_socket: written.frames_per_socket,
        ring_descriptors: written.ring_descriptors,
        spread: written.spread,
        udp_address,
        udp_receive_buffer_bytes: written.udp_receive_buffer_bytes,
        pin: written.pin,
        checksum: written.checksum,
        busy_poll: Duration::from_micros(u64::from(written.busy_poll_us)),
    })
}

fn journal(written: written::Journal, state_dir: &Path) -> Result<Journal, ConfigError> {
    let segment_bytes = written.segment_bytes;
    in_range("journal.segment_bytes", segment_bytes, SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX)?;
    if !segment_bytes.is_multiple_of(SEGMENT_BYTES_UNIT) {
        let remedy = format!("use a multiple of {SEGMENT_BYTES_UNIT}");
        return Err(ConfigError::meaning("journal.segment_bytes", segment_bytes, remedy));
    }
    in_range("journal.budget_bytes", written.budget_bytes, 2 * segment_bytes..=1 << 50)?;
    in_range("journal.retain_bytes", written.retain_bytes, 0..=1 << 50)?;
    in_range("journal.retain_hours", written.retain_hours, 0..=24 * 366 * 10)?;
    in_range("journal.sync_ms", written.sync_ms, 1..=60_000)?;
    Ok(Journal {
        directory: written.directory.unwrap_or_else(|| state_dir.join("journal")),
        segment_bytes,
        budget_bytes: written.budget_bytes,
        retain_bytes: written.retain_bytes,
        retain: Duration::from_secs(written.retain_hours * 3600),
        durability: match written.durability {
            written::Durability::Process => Durability::Process,
            written::Durability::Disk => Durability::Disk { every: Duration::from_millis(written.sync_ms) },
        },
    })
}

fn templates(written: &written::Templates, state_dir: &Path) -> Result<Templates, ConfigError> {
    in_range("templates.max_total", written.max_total as u64, 1..=16 << 20)?;
    in_range("templates.max_per_exporter", written.max_per_exporter as u64, 1..=written.max_total as u64)?;
    in_range("templates.snapshot_seconds", written.snapshot_seconds, 1..=86_400)?;
    let held = HeldBounds {
        bytes_per_exporter: written.hold_bytes_per_exporter,
        bytes_total: written.hold_bytes_total,
        age: Duration::from_secs(written.hold_seconds),
    };
    in_range("templates.hold_bytes_total", held.bytes_total as u64, 0..=16 << 30)?;
    in_range("templates.hold_bytes_per_exporter", held.bytes_per_exporter as u64, 0..=held.bytes_total as u64)?;
    in_range("templates.hold_seconds", written.hold_seconds, 1..=86_400)?;
    Ok(Templates {
        max_per_exporter: written.max_per_exporter,
        max_total: written.max_total,
        snapshot_interval: Duration::from_secs(written.snapshot_seconds),
        snapshot: state_dir.join("templates.snapshot"),
        held,
    })
}

fn names(written: &written::Names) -> Names {
    let written::Names { as_names, protocols, ports, interfaces, networks: _ } = written.clone();
    Names { as_names, protocols, ports, interfaces }
}

fn networks(file: Option<PathBuf>) -> Result<Networks, ConfigError> {
    let Some(path) = file else { return Ok(Networks::default()) };
    Networks::read(&path).map_err(|cause| ConfigError::Networks { path, cause })
}

fn clickhouse(written: written::ClickHouse, password: Option<Secret>) -> Result<ClickHouse, ConfigError> {
    let shards = shards(&written)?;
    let cluster = cluster(&written, &shards)?;
    if written.discard && !shards.is_empty() {
        let remedy =
            "rows are thrown away or stored: leave out discard (--discard), or url, urls and shards (--clickhouse-url)";
        return Err(ConfigError::meaning("clickhouse.discard", "given together with a ClickHouse server", remedy));
    }
    let identifier = written.database.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && written.database.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    if !identifier {
        return Err(ConfigError::meaning(
            "clickhouse.database",
            format_args!("\"{}\"", written.database),
            "use letters, digits and _, not starting with a digit",
        ));
    }
    if written.password.is_some() && written.password_file.is_some() {
        return Err(ConfigError::meaning(
            "clickhouse.password",
            "given together with clickhouse.password_file",
            "keep one of the two",
        ));
    }
    in_range("clickhouse.block_rows", written.block_rows as u64, 1..=MOST_BLOCK_ROWS)?;
    in_range("clickhouse.block_age_ms", written.block_age_ms, 1..=600_000)?;
    in_range("clickhouse.pending_rows", written.pending_rows, written.block_rows as u64..=1 << 32)?;
    in_range("clickhouse.pending_bytes", written.pending_bytes, 1 << 20..=1 << 48)?;
    in_range("clickhouse.connect_timeout_seconds", written.connect_timeout_seconds, 1..=600)?;
    in_range("clickhouse.inserters", written.inserters as u64, 1..=64)?;
    in_range("clickhouse.request_timeout_seconds", written.request_timeout_seconds, 1..=3600)?;
    let password = match (password, &written.password_file) {
        (Some(password), _) => password,
        (None, Some(path)) => read_password(path)?,
        (None, None) => written.password.unwrap_or_default(),
    };
    Ok(ClickHouse {
        url: shards.first().and_then(|urls| urls.first()).cloned(),
        shards,
        cluster,
        discard: written.discard,
        database: written.database,
        user: written.user,
        password,
        ca_file: written.ca_file,
        compression: written.compression,
        block_rows: written.block_rows,
        block_age: Duration::from_millis(written.block_age_ms),
        pending_rows: written.pending_rows,
        pending_bytes: written.pending_bytes,
        inserters: written.inserters,
        connect_timeout: Duration::from_secs(written.connect_timeout_seconds),
        request_timeout: Duration::from_secs(written.request_timeout_seconds),
    })
}

/// The cluster: only servers that were named can be part of one.
fn cluster(written: &written::ClickHouse, shards: &[Vec<String>]) -> Result<Option<Cluster>, ConfigError> {
    const KEY: &str = "clickhouse.cluster";
    let Some(name) = &written.cluster else { return Ok(None) };
    if shards.is_empty() {
        let remedy = "name its servers in [[clickhouse.shards]], or leave the key out";
        return Err(ConfigError::meaning(KEY, format_args!("\"{name}\" for the embedded store"), remedy));
    }
    let cluster = Cluster::new(name).map_err(|_unfit| {
        let remedy = "write the name that system.clusters has: letters, digits, _, - and .";
        ConfigError::meaning(KEY, format_args!("\"{name}\""), remedy)
    })?;
    Ok(Some(cluster))
}

/// The servers by shard, from whichever key names them.
fn shards(written: &written::ClickHouse) -> Result<Vec<Vec<String>>, ConfigError> {
    let mut ways = Vec::new();
    ways.extend(written.url.iter().map(|url| ("clickhouse.url", vec![vec![url.clone()]])));
    if !written.urls.is_empty() {
        ways.push(("clickhouse.urls", vec![written.urls.clone()]));
    }
    if !written.shards.is_empty() {
        let shards = written.shards.iter().map(|shard| shard.urls.clone()).collect();
        ways.push(("clickhouse.shards", shards));
    }
    if let [_, (key, _), ..] = ways[..] {
        let remedy = "keep one of url, urls and [[clickhouse.shards]]";
        return Err(ConfigError::meaning(key, "given together with other servers", remedy));
    }
    let Some((key, shards)) = ways.pop() else { return Ok(Vec::new()) };
    let mut known = std::collections::BTreeSet::new();
    for urls in &shards {
        if urls.is_empty() {
            return Err(ConfigError::meaning(key, "a shard without urls", "name at least one of its servers"));
        }
        for url in urls {
            check_url(key, url)?;
            if !known.insert(url) {
                return Err(ConfigError::meaning(key, format_args!("\"{url}\" twice"), "name each server once"));
            }
        }
    }
    Ok(shards)
}

/// Reads a file that holds a password on its first line.
fn read_password(path: &Path) -> Result<Secret, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|cause| ConfigError::PasswordFile { path: path.to_path_buf(), cause })?;
    Ok(Secret::new(text.lines().next().unwrap_or_default().to_owned()))
}

/// A URL is `http://host[:port][/path]` or `https://...`; user and password do not belong into it, because URLs are logged.
fn check_url(key: &'static str, url: &str) -> Result<(), ConfigError> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    if authority.contains('@') {
        return Err(ConfigError::meaning(
            key,
            "carrying a user or password",
            "take them out of the URL; set clickhouse.user and clickhouse.password_file",
        ));
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, port)| {
        let number = port.parse::<u16>().is_ok_and(|port| port > 0);
        // The last colon of a bracketed IPv6 address without a port belongs to the address.
        if number {
            host
        } else if port.ends_with(']') {
            authority
        } else {
            ""
        }
    });
    if host.is_empty() || url.contains(char::is_whitespace) {
        return Err(ConfigError::meaning(
            key,
            format_args!("\"{url}\""),
            "write http://HOST:8123 or https://HOST:8443",
        ));
    }
    Ok(())
}

fn store(written: written::Store, state_dir: &Path) -> Result<Store, ConfigError> {
    let listen = address("store.listen", &written.listen)?;
    if !listen.ip().is_loopback() {
        return Err(ConfigError::meaning(
            "store.listen",
            listen,
            "the embedded store speaks on loopback alone; use 127.0.0.1:8123, or a ClickHouse server",
        ));
    }
    in_range("store.connections", written.connections as u64, 1..=256)?;
    Ok(Store {
        listen,
        library: written.library,
        memory_bytes: Some(written.memory_bytes).filter(|bytes| *bytes > 0),
        connections: written.connections,
        data: state_dir.join("store"),
    })
}

fn optional_address(key: &'static str, text: &str) -> Result<Option<SocketAddr>, ConfigError> {
    if text == "off" {
        return Ok(None);
    }
    address(key, text).map(Some)
}

fn address(key: &'static str, text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| {
        ConfigError::meaning(
            key,
            format_args!("\"{text}\""),
            "write ADDRESS:PORT, such as 127.0.0.1:9105 or [::1]:9105",
        )
    })
}

pub(super) fn in_range(key: &'static str, value: u64, range: std::ops::RangeInclusive<u64>) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(ConfigError::meaning(key, value, format!("use a number from {} to {}", range.start(), range.end())))
}

fn power_of_two(key: &'static str, value: u32, range: std::ops::RangeInclusive<u32>) -> Result<(), ConfigError> {
    if value.is_power_of_two() && range.contains(&value) {
        return Ok(());
    }
    Err(ConfigError::meaning(key, value, format!("use a power of two from {} to {}", range.start(), range.end())))
}
