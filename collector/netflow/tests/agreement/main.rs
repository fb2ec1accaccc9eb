//! The decoder against encoders that were written apart from it: decoding what they made of flows gives the flows.

#![expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a test may panic")]

/// NetFlow v1, v5 and v7.
mod classic;
/// Models of devices, behind bad networks.
mod devices;
/// Arbitrary templates and flows.
mod generate;
/// Rows as flows.
mod rows;
/// Sampling rates in every form.
mod sampling;
/// sFlow.
mod sflow;
/// Several exporters with equal template ids.
mod streams;
/// One template, one data set.
mod templates;

use netflow::columns::Address;
use netflow::{Datagram, MapStore, Report, Store, Tables, decode};
use proptest::test_runner::Config;

/// When the tests' messages are exported, milliseconds since 1970.
const EXPORT_MS: i64 = 1_700_000_000_000;
/// When the tests' datagrams are received.
const RECEIVED_MS: i64 = EXPORT_MS + 1250;
/// The exporter of the tests: 192.0.2.1.
const EXPORTER: Address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1];

/// What came of some datagrams.
struct Decoded<S = MapStore> {
    store: S,
    tables: Tables,
    report: Report,
}

impl Default for Decoded {
    fn default() -> Self {
        Self::with(MapStore::default())
    }
}

impl<S: Store> Decoded<S> {
    fn with(store: S) -> Self {
        Self { store, tables: Tables::default(), report: Report::default() }
    }

    fn feed(&mut self, exporter: Address, payload: &[u8]) {
        let datagram = Datagram { payload, exporter, received_ms: RECEIVED_MS };
        decode(&datagram, &mut self.store, &mut self.tables, &mut self.report);
    }

    /// The rows as flows, in order.
    fn flows(&self) -> Vec<perf::Flow> {
        (0..self.tables.flows.len()).map(|row| rows::flow(&self.tables.flows, row)).collect()
    }
}

/// As many cases as one test takes a second or two for; failures are told with the input, which is enough to repeat them.
fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}
