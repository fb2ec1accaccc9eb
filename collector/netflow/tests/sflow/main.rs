//! sFlow against datagrams written for one purpose each.

#![expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a test may panic")]

/// What records beside the packet say of it.
mod beside;
/// Frames of every kind that is opened.
mod carriers;
/// Interface counters.
mod counters;
/// Writes datagrams.
mod encoder;
/// Writes the packets that are sampled.
mod frames;
/// Datagrams that break the protocol.
mod malformed;
/// Versions 2 and 4.
mod older;
/// Packets in columns: the innermost.
mod packets;
/// Records in columns.
mod records;
/// The fuzz targets' seeds.
mod seeds;
/// The innermost packets as another program finds them.
mod tshark;
/// What cannot be opened.
mod unopened;
/// Samples as names and values.
mod values;

use netflow::columns::Address;
use netflow::{Datagram, FlowColumns, MapStore, Report, Sample, Tables, Visit, decode, dissect};

/// When the tests' datagrams are received, milliseconds since 1970.
const RECEIVED_MS: i64 = 1_700_000_001_250;
/// The exporter of the tests: 192.0.2.1.
const EXPORTER: Address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1];

fn received(payload: &[u8]) -> Datagram<'_> {
    Datagram { payload, exporter: EXPORTER, received_ms: RECEIVED_MS }
}

/// What comes of one datagram in columns.
fn columns(payload: &[u8]) -> (FlowColumns, Report) {
    let (mut columns, mut report) = (Tables::default(), Report::default());
    decode(&received(payload), &mut MapStore::default(), &mut columns, &mut report);
    (columns.flows, report)
}

/// Shows each sample of a datagram.
fn samples(payload: &[u8], visit: impl FnMut(Sample<'_>)) -> Report {
    struct Samples<F>(F);
    impl<F: FnMut(Sample<'_>)> Visit for Samples<F> {
        fn record(&mut self, _: netflow::Record<'_>) {
            panic!("sFlow has no data records");
        }
        fn sample(&mut self, sample: Sample<'_>) {
            self.0(sample);
        }
    }
    let mut report = Report::default();
    dissect(&received(payload), &mut MapStore::default(), &mut report, &mut Samples(visit));
    report
}

fn address(text: &str) -> Address {
    let address: std::net::IpAddr = text.parse().expect("an address");
    match address {
        std::net::IpAddr::V4(four) => four.to_ipv6_mapped().octets(),
        std::net::IpAddr::V6(six) => six.octets(),
    }
}
