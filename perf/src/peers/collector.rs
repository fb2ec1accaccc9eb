//! The collector among its peers: everything as with ClickHouse, but that the bytes of a block are thrown away and acknowledged at the
//! last step.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Map, Value};

use super::account::Account;
use super::contender::{Amount, Place, Running, Stored};
use super::load::Sent;
use crate::rig::{Collector, Run, pause};

/// How long rows may stand still before they count as all there are: longer than a block waits to become full.
const STANDSTILL: Duration = Duration::from_secs(3);
/// Size of the journal's files. With small ones, of which it keeps few, these are soon used again, as on a collector that runs for
/// days. A run of seconds would else measure how fast the system gives it memory for new ones.
const SEGMENT_BYTES: u64 = 8 << 20;
/// Stored datagrams that the journal keeps: two of its files.
const RETAIN_BYTES: u64 = 2 * SEGMENT_BYTES;
/// Between two looks at its counters, which cost it time.
const LOOK: Duration = Duration::from_millis(300);
/// As `/metrics` begins the lines of rows of the table of flows.
const ROWS: &str = "collector_clickhouse_rows_total{table=\"flows\",outcome=\"discarded\"}";
/// Beginnings of the lines that tell of datagrams and their loss.
const TOLD: [&str; 7] = [
    "collector_datagrams_total",
    "collector_socket_drops_total",
    "collector_ring_",
    "collector_bad_checksum_total",
    "collector_journal_refused_total",
    "collector_malformed_total",
    "collector_clickhouse_rows_total{table=\"flows\"",
];

/// Which collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    capture: Capture,
    has_rollups: bool,
    has_lz4: bool,
}

/// How it takes datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Capture {
    /// The XDP program in the driver, AF_XDP in copy mode.
    Xdp,
    /// Plain sockets, `recvmmsg`.
    Udp,
}

struct Started<'p> {
    collector: Collector<'p>,
    sent: Sent,
}

impl Kind {
    /// The least: no rollups, no compression.
    pub(super) const XDP: Self = Self { capture: Capture::Xdp, has_rollups: false, has_lz4: false };
    pub(super) const UDP: Self = Self { capture: Capture::Udp, ..Self::XDP };

    pub(super) const fn with_rollups(self) -> Self {
        Self { has_rollups: true, ..self }
    }

    pub(super) const fn with_lz4(self) -> Self {
        Self { has_lz4: true, ..self }
    }

    pub(super) fn stores(self) -> String {
        let capture = match self.capture {
            Capture::Xdp => "XDP in the driver, AF_XDP in copy mode",
            Capture::Udp => "plain UDP sockets (recvmmsg)",
        };
        let rollups = if self.has_rollups { "all six rollups" } else { "no rollups" };
        let compression = if self.has_lz4 { "LZ4" } else { "not compressed" };
        format!(
            "{capture}, one worker. Every datagram in the journal (tmpfs, 128 MiB kept beyond what waits); every flow as a row of the table flows in ClickHouse's \
             Native format, {compression}, {rollups}, ledger; no GeoIP files. The bytes of the blocks are discarded and acknowledged."
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.capture {
            Capture::Xdp => "collector-xdp",
            Capture::Udp => "collector-udp",
        })?;
        f.write_str(if self.has_rollups { "-rollups" } else { "" })?;
        f.write_str(if self.has_lz4 { "-lz4" } else { "" })
    }
}

pub(super) fn start<'p>(kind: Kind, place: &'p Place, account: &Account) -> Result<Box<dyn Running + 'p>> {
    let run = Run::new(place.collector.as_deref())?
        .argument("--discard")
        .on_core(Some(place.core))
        .state_under(Some(&place.directory))
        .set("capture", "workers", 1)
        .set("capture", "udp_receive_buffer_bytes", place.buffer_bytes)
        .set("journal", "segment_bytes", SEGMENT_BYTES)
        .set("journal", "retain_bytes", RETAIN_BYTES)
        .set("clickhouse", "compression", if kind.has_lz4 { "\"lz4\"" } else { "\"none\"" });
    let run = if kind.has_rollups { run } else { run.set("rollups", "tables", "[]") };
    let run = match kind.capture {
        Capture::Xdp => run.capture_xdp("native", "copy"),
        Capture::Udp => run.capture_udp(),
    };
    let collector = run.start(&place.pair.receiver)?;
    account.adopt(collector.id())?;
    Ok(Box::new(Started { collector, sent: Sent::default() }))
}

impl Running for Started<'_> {
    fn address(&self) -> SocketAddr {
        Collector::address()
    }

    fn settle(&mut self, sent: Sent) -> Result<()> {
        self.sent = sent;
        let (mut rows, mut since) = (0.0, Instant::now());
        while rows < sent.flows as f64 && since.elapsed() < STANDSTILL {
            pause(LOOK)?;
            self.collector.check()?;
            let now = self.collector.metrics()?.get(ROWS).copied().unwrap_or_default();
            if now > rows {
                (rows, since) = (now, Instant::now());
            }
        }
        Ok(())
    }

    /// Every row was acknowledged before.
    fn ends_with_work(&self) -> bool {
        false
    }

    fn stop(self: Box<Self>) -> Result<Stored> {
        let metrics = self.collector.metrics()?;
        let sum = |start: &str| {
            metrics.iter().filter(|(name, _)| name.starts_with(start)).map(|(_, value)| *value).sum::<f64>() as u64
        };
        let is_told = |name: &str, value: f64| value != 0.0 && TOLD.iter().any(|start| name.starts_with(start));
        let counters: Map<String, Value> = metrics
            .iter()
            .filter(|(name, value)| is_told(name, **value))
            .map(|(name, value)| (name.clone(), (*value).into()))
            .collect();
        let stored = Stored {
            what: Amount::Flows(sum(ROWS)),
            socket_drops: sum("collector_socket_drops_total"),
            counters: counters.into(),
        };
        self.collector.stop()?;
        Ok(stored)
    }
}
