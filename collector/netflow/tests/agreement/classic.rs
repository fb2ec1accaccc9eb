//! NetFlow v1, v5 and v7.

use netflow::Event;
use netflow::columns::SamplingSource;
use perf::Flow;
use perf::classic::{Header, Version, carried, datagram, sampling};
use proptest::prelude::*;
use proptest::sample::select;

use crate::generate::{clock, flows};
use crate::rows::told;
use crate::{Decoded, EXPORTER, RECEIVED_MS, config};

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn columns_are_the_flows(
        version in select(&[Version::V1, Version::V5, Version::V7][..]),
        mut clock in clock(),
        residual_ms in 0..1000_i64,
        engine in any::<[u8; 2]>(),
        mode in 0..4_u8,
        interval in prop_oneof![Just(0_u16), 1_u16..1 << 14],
        count in 0..31_usize,
        seed in any::<u64>(),
    ) {
        clock.export_ms += residual_ms;
        let flows = flows(seed, count.min(version.most_records()), clock);
        let flows: Vec<Flow> = flows.iter().map(|flow| carried(version, clock, flow)).collect();
        let header = Header { clock, sequence: 99, engine, sampling: sampling(mode, interval) };
        let mut decoded = Decoded::default();
        decoded.feed(EXPORTER, &datagram(version, &header, &flows));

        prop_assert_eq!(decoded.report.malformed() + decoded.report.get(Event::TrailingBytes), 0);
        let expected: Vec<Flow> = flows.iter().map(|flow| told(flow, RECEIVED_MS)).collect();
        prop_assert_eq!(decoded.flows(), expected);
        let columns = &decoded.tables.flows;
        // The rate without the bits of its mode; no rate is 1.
        let is_told = version == Version::V5 && interval > 0;
        let rate = if is_told { u64::from(interval) } else { 1 };
        let source = if is_told { SamplingSource::Header } else { SamplingSource::None };
        prop_assert!(columns.sampling_rate.iter().all(|found| *found == rate));
        prop_assert!(columns.sampling_source.iter().all(|found| *found == source as u8));
        let domain = if version == Version::V5 { u32::from(u16::from_be_bytes(engine)) } else { 0 };
        prop_assert!(columns.domain.iter().all(|found| *found == domain));
    }
}
