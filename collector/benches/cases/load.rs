//! Datagrams by kind, as an exporter sends them: the first brings templates, all others data alone.

use std::net::{IpAddr, Ipv4Addr};

use netflow::Datagram;
use netflow::columns::Address;
use perf::clock::Clock;
use perf::random::Random;
use perf::record::{carried, values};
use perf::template::{self, Header, Protocol, Template, VARIABLE, Value, data_set, iana, message, template_set};
use perf::traffic::Traffic;
use perf::{Device, Exporter, Settings};

/// When all datagrams are sent and received, milliseconds since 1970.
const NOW_MS: i64 = 1_767_312_000_000;
const UPTIME_MS: u64 = 3_600_000;
/// Datagrams that differ; more of them would be more of the same.
const DATAGRAMS: usize = 512;
/// Flow records of templates of usual length that fit a datagram.
const RECORDS: usize = 24;
/// The exporter of all of them.
const EXPORTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The information element.
const APPLICATION_NAME: u16 = 96;

/// A template with names: 12 fields of fixed length around two interface names and an application's.
const NAMED: [(u16, u16); 15] = [
    (8, 4),
    (12, 4),
    (7, 2),
    (11, 2),
    (4, 1),
    (82, VARIABLE),
    (10, 4),
    (14, 4),
    (APPLICATION_NAME, VARIABLE),
    (1, 8),
    (2, 8),
    (152, 8),
    (153, 8),
    (6, 2),
    (236, VARIABLE),
];

/// What one exporter sends.
pub(crate) struct Load {
    /// Brings the templates, where there are any.
    pub(crate) opening: Vec<u8>,
    /// Data, and nothing else.
    pub(crate) payloads: Vec<Vec<u8>>,
    /// Flow records in each of them.
    pub(crate) flows: Vec<usize>,
}

impl Load {
    /// A payload as it is received.
    pub(crate) fn datagram(payload: &[u8]) -> Datagram<'_> {
        Datagram { payload, exporter: address(), received_ms: NOW_MS + 1000 }
    }

    /// One of its datagrams, and its flow records; after the last comes the first.
    pub(crate) fn at(&self, number: usize) -> (&[u8], usize) {
        let number = number % self.payloads.len();
        (&self.payloads[number], self.flows[number])
    }
}

/// The exporter as the decoder names it.
pub(crate) fn address() -> Address {
    EXPORTER.to_ipv6_mapped().octets()
}

/// NetFlow v5, full datagrams.
pub(crate) fn v5() -> Load {
    of_device(Device::NetFlow5, 30)
}

/// NetFlow v9 of VyOS, 22 fields; three flows in ten are of IPv6, in a data set of their own.
pub(crate) fn vyos(records: usize) -> Load {
    of_device(Device::Vyos, records)
}

/// The same, of IPv4 alone: a data set in each datagram.
pub(crate) fn vyos_ipv4(records: usize) -> Load {
    of_template(Protocol::V9, &Device::Vyos.templates()[0], records)
}

/// IPFIX of Juniper, 25 fields of fixed length.
pub(crate) fn juniper() -> Load {
    of_device(Device::Juniper, RECORDS)
}

/// IPFIX, 15 fields, three of them names of variable length.
pub(crate) fn variable() -> Load {
    let fields = NAMED.iter().map(|(element, length)| iana(*element, *length)).collect();
    of_template(Protocol::Ipfix, &Template::data(256, fields), RECORDS)
}

/// sFlow: samples of Ethernet frames.
pub(crate) fn sflow() -> Load {
    of_device(Device::Sflow, 7)
}

/// NetFlow v9 of a Cisco ASA, 17 fields; what it tells of translations makes rows of a second table.
pub(crate) fn asa() -> Load {
    of_device(Device::AsaNsel, RECORDS)
}

/// IPFIX, 60 fields, of which six are of variable length and 15 have no column.
pub(crate) fn sixty() -> Load {
    of_device(Device::SixtyFields, 6)
}

fn of_device(device: Device, records: usize) -> Load {
    let mut exporter = Exporter::new(Settings {
        address: IpAddr::V4(EXPORTER),
        domain: 1,
        device,
        seed: 1,
        records,
        template_every: u64::MAX,
        sampling: 1,
        start_ms: NOW_MS,
        step_ms: 0,
        uptime_ms: UPTIME_MS,
    });
    let opening = exporter.export().payload;
    let exported: Vec<_> = (0..DATAGRAMS).map(|_| exporter.export()).collect();
    let flows = exported.iter().map(|exported| exported.flows.len()).collect();
    Load { opening, payloads: exported.into_iter().map(|exported| exported.payload).collect(), flows }
}

/// Datagrams with a set of one template, of IPv4 flows.
fn of_template(protocol: Protocol, layout: &Template, records: usize) -> Load {
    let clock = Clock { export_ms: NOW_MS, uptime_ms: UPTIME_MS };
    let (mut traffic, mut random) = (Traffic::new(1, false), Random::new(2));
    let mut sequence = 0;
    let mut send = |count: usize, set: Vec<u8>| {
        let header = Header { clock, sequence, domain: 1 };
        sequence += if protocol == Protocol::V9 { 1 } else { count as u32 };
        message(protocol, &header, count.max(1), &[set])
    };
    let opening = send(0, template_set(protocol, std::slice::from_ref(layout), 0));
    let mut record = |_| {
        let flow = carried(protocol, layout, &traffic.flow(NOW_MS, NOW_MS - UPTIME_MS.cast_signed()));
        let mut record = values(protocol, layout, clock, &flow, &mut random);
        for (value, field) in record.iter_mut().zip(&layout.fields) {
            if field.length != VARIABLE {
                continue;
            }
            // Lengths in one byte, as devices write them.
            value.is_long = false;
            // Names of interfaces and VRFs, which the model knows nothing of, must be text; and none may be empty: the other decoder
            // gives up the rest of the set there.
            if field.element != APPLICATION_NAME {
                *value = Value::from(format!("GigabitEthernet0/0/{}", random.below(48)).into_bytes());
            } else if value.bytes.is_empty() {
                *value = Value::from(b"unknown".to_vec());
            }
        }
        record
    };
    let mut payload = |_| {
        let rows: Vec<_> = (0..records).map(&mut record).collect();
        let length: usize = rows.iter().map(|row| layout.record(row).len()).sum();
        send(records, data_set(layout, &rows, template::padding(length)))
    };
    Load { opening, payloads: (0..DATAGRAMS).map(&mut payload).collect(), flows: vec![records; DATAGRAMS] }
}
