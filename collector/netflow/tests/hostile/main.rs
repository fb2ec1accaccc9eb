//! Datagrams that mean harm: the decoder keeps going, counts what it gives up, and keeps to its memory.
//!
//! Allocations are counted by an allocator of the test's own, so these are a program of their own.

#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
#![expect(unsafe_code, reason = "a global allocator is the one way to count allocations")]

/// Floods of templates, options and names.
mod floods;
/// Counters at their ends, lengths that lie, records of no length.
mod lies;
/// Lists inside lists (RFC 6313).
mod lists;
/// Bytes in use.
mod memory;

use netflow::{Datagram, MapStore, Record, Report, Tables, decode, dissect};
use perf::Protocol;
use perf::clock::Clock;
use perf::template::{Header, message};

/// The largest UDP payload.
const LARGEST_PAYLOAD: usize = 65_507;
const RECEIVED_MS: i64 = 1_700_000_001_250;
const PROTOCOLS: [Protocol; 2] = [Protocol::V9, Protocol::Ipfix];

/// What came of some datagrams, both ways.
#[derive(Default)]
struct Decoded {
    store: MapStore,
    tables: Tables,
    report: Report,
    row_store: MapStore,
    row_report: Report,
}

impl Decoded {
    /// Feeds a datagram both ways; what they count must agree.
    fn feed(&mut self, payload: &[u8]) -> &mut Self {
        assert!(payload.len() <= LARGEST_PAYLOAD, "{} bytes are no datagram", payload.len());
        let datagram = Datagram { payload, exporter: [1; 16], received_ms: RECEIVED_MS };
        decode(&datagram, &mut self.store, &mut self.tables, &mut self.report);
        dissect(&datagram, &mut self.row_store, &mut self.row_report, &mut |record: Record<'_>| {
            assert_eq!(record.fields().count(), record.template().fields().len(), "a record has all its fields");
        });
        assert_eq!(self.report.without_rows(), self.row_report.without_rows(), "columns and rows agree");
        self
    }

    fn sets(&mut self, protocol: Protocol, sets: &[Vec<u8>]) -> &mut Self {
        self.feed(&of_sets(protocol, sets))
    }
}

/// A message of domain 1.
fn of_sets(protocol: Protocol, sets: &[Vec<u8>]) -> Vec<u8> {
    let clock = Clock { export_ms: 1_700_000_000_000, uptime_ms: 100_000 };
    message(protocol, &Header { clock, sequence: 0, domain: 1 }, sets.len(), sets)
}
