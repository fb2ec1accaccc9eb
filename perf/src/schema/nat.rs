//! Address translations as a carrier's gateways tell of them: sessions of inside hosts behind few outside addresses.

use perf::random::Random;

use super::flows::{BEGIN_MS, MAPPED};
use super::native::{self, Column};

/// Columns of `nat_events` that are filled, with their types; the rest take their defaults.
pub(crate) const COLUMNS: &[(&str, &str)] = &[
    ("time_received", "DateTime64(3, 'UTC')"),
    ("time_event", "DateTime64(3, 'UTC')"),
    ("exporter_address", "IPv6"),
    ("event", "UInt8"),
    ("protocol", "UInt8"),
    ("src_addr", "IPv6"),
    ("post_nat_src_addr", "IPv6"),
    ("src_port", "UInt16"),
    ("post_nat_src_port", "UInt16"),
    ("dst_addr", "IPv6"),
    ("dst_port", "UInt16"),
    ("port_block_start", "UInt16"),
    ("port_block_end", "UInt16"),
];

const GATEWAYS: u64 = 8;
const INSIDE_HOSTS: u64 = 200_000;
const OUTSIDE_ADDRESSES: u64 = 4_096;
const OUTSIDE_HOSTS: u64 = 400_000;
/// NAT44 session create and delete, information element 230.
const SESSION_EVENTS: [u64; 2] = [4, 5];

/// Produces blocks, the same for the same seed.
pub(crate) struct NatEvents {
    random: Random,
    event_every_ms: f64,
    elapsed_ms: f64,
}

impl NatEvents {
    /// Events that arrive at `rows_per_second`.
    pub(crate) fn new(rows_per_second: f64) -> Self {
        Self { random: Random::new(2), event_every_ms: 1000.0 / rows_per_second, elapsed_ms: 0.0 }
    }

    /// The next `rows` events as a Native block.
    pub(crate) fn block(&mut self, rows: u64) -> Vec<u8> {
        let mut columns: Vec<Column> = COLUMNS.iter().map(|(name, kind)| Column::new(name, kind)).collect();
        for _ in 0..rows {
            self.row(&mut columns);
        }
        native::encode(&columns)
    }

    fn row(&mut self, columns: &mut [Column]) {
        self.elapsed_ms += self.event_every_ms;
        let now_ms = BEGIN_MS + self.elapsed_ms as u64;
        let random = &mut self.random;
        let host = random.zipf(INSIDE_HOSTS);
        // A host keeps its outside address: pooling is paired, RFC 4787 4.1.
        let outside = Random::new(host).below(OUTSIDE_ADDRESSES);
        let port = 1_024 + random.below(64_512);
        let mut columns = columns.iter_mut();
        let mut next = || columns.next().unwrap_or_else(|| unreachable!("as many cells as columns"));
        next().number(now_ms);
        next().number(now_ms - random.below(5_000));
        next().address(MAPPED | 0x0aff_0000 | u128::from(outside % GATEWAYS));
        next().number(SESSION_EVENTS[random.below(2) as usize]);
        next().number([6, 6, 6, 17][random.below(4) as usize]);
        next().address(inside_address(host));
        next().address(MAPPED | 0xcb00_0000 | u128::from(outside));
        next().number(32_768 + random.below(28_232));
        next().number(port);
        next().address(MAPPED | 0x1000_0000 | u128::from(Random::new(random.zipf(OUTSIDE_HOSTS)).below(1 << 27)));
        next().number([443, 443, 80, 53, 123][random.zipf(5) as usize]);
        next().number(port);
        next().number(port);
    }
}

/// The address of an inside host: 100.64.0.0/10, RFC 6598.
fn inside_address(host: u64) -> u128 {
    MAPPED | 0x6440_0000 | u128::from(host)
}
