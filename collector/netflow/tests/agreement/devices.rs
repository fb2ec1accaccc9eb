//! Models of devices: what they say they sent is what is decoded, also behind a network that loses and repeats.

use netflow::Event;
use netflow::columns::SamplingSource;
use perf::device::DEVICES;
use perf::exporter::DATA_SOURCE;
use perf::{Device, Direction, Exporter, Faults, Flow, Path, Settings};

use crate::rows::told;
use crate::{Decoded, EXPORT_MS, EXPORTER, RECEIVED_MS};

fn settings(device: Device, sampling: u32) -> Settings {
    Settings {
        address: "192.0.2.1".parse().expect("an address"),
        domain: 5,
        device,
        seed: 11,
        records: 20,
        template_every: 8,
        sampling,
        start_ms: EXPORT_MS,
        // All are exported in the same second, so that none is later than its receipt.
        step_ms: 2,
        uptime_ms: (1 << 32) + 5_000_000,
    }
}

/// Flows that are delivered, as rows tell them: sFlow's direction is that of the interface that is sampled.
fn expected(device: Device, flow: &Flow) -> Flow {
    let direction = match (flow.input == DATA_SOURCE, flow.output == DATA_SOURCE) {
        _ if device != Device::Sflow => flow.direction,
        (true, false) => Direction::Ingress,
        (false, true) => Direction::Egress,
        _ => Direction::Unknown,
    };
    told(&Flow { direction, ..flow.clone() }, RECEIVED_MS)
}

#[track_caller]
fn check(name: &str, device: Device, sampling: u32, faults: Faults) {
    let mut path = Path::new(Exporter::new(settings(device, sampling)), faults, 3);
    let mut decoded = Decoded::default();
    let mut flows = Vec::new();
    let mut knows_templates = device.protocol().is_none();
    let (mut refused, mut repeated) = (0, 0);
    let mut deliver = |exported: &perf::Exported| {
        knows_templates |= exported.has_templates;
        decoded.feed(EXPORTER, &exported.payload);
        if knows_templates {
            flows.extend(exported.flows.iter().map(|flow| expected(device, flow)));
        } else {
            refused += 1;
        }
    };
    for _ in 0..60 {
        path.send(&mut deliver);
    }
    path.finish(&mut deliver);
    assert_eq!(decoded.report.malformed(), 0, "{name}");
    assert_eq!(decoded.report.get(Event::SetWithoutTemplate) > 0, refused > 0, "{name}");
    for (row, (found, expected)) in decoded.flows().iter().zip(&flows).enumerate() {
        // A rate that the record repeats is told of in the column of rates, which is compared below.
        let found = Flow { sampling_rate: expected.sampling_rate, ..found.clone() };
        // The end of a connection that comes twice has nothing new.
        let is_repeated = device == Device::AsaNsel && found.octets == 0 && faults.duplicate_per_mille > 0;
        repeated += u64::from(is_repeated && expected.octets > 0);
        let found = Flow { octets: if is_repeated { expected.octets } else { found.octets }, ..found };
        assert_eq!(found, *expected, "{name}, row {row}");
    }
    let columns = &decoded.tables.flows;
    assert_eq!(columns.len(), flows.len(), "{name}");
    assert!(repeated <= path.account().duplicate_flows, "{name}: {repeated}");
    let has_rate = matches!(device, Device::NetFlow1 | Device::NetFlow7);
    let rate = if has_rate { 1 } else { u64::from(sampling) };
    assert!(columns.sampling_rate.iter().all(|found| *found == rate), "{name}: {:?}", columns.sampling_rate);
    let is_told = columns.sampling_source.iter().all(|source| *source != SamplingSource::None as u8);
    assert!(is_told || rate == 1, "{name}");
    let account = path.account();
    assert_eq!(account.exported, 60, "{name}");
    assert_eq!(account.delivered, account.exported - account.lost + account.duplicates, "{name}");
    assert_eq!(
        account.delivered_flows,
        account.exported_flows - account.lost_flows + account.duplicate_flows,
        "{name}"
    );
}

#[test]
fn what_devices_say_they_sent_is_decoded() {
    let bad = Faults { loss_per_mille: 100, duplicate_per_mille: 100, reorder_per_mille: 100, restart_after: Some(30) };
    for (name, device) in DEVICES {
        check(name, device, 1, Faults::default());
        check(&format!("{name}, sampled"), device, 100, Faults::default());
        // The first datagram brings the templates, and it is not lost with this seed.
        check(&format!("{name}, behind a bad network"), device, 1, bad);
    }
}
