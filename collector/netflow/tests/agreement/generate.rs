//! Arbitrary templates of all elements that columns are made of, of others' and of nobody's; and arbitrary flows.

use perf::clock::Clock;
use perf::element::{ADDRESSES, NUMBERS, TIMES, Time};
use perf::random::Random;
use perf::template::{VARIABLE, iana, private};
use perf::traffic::Traffic;
use perf::{Field, Flow, Protocol, Template};
use proptest::prelude::*;
use proptest::sample::select;

use crate::EXPORT_MS;

/// An enterprise number kept for documentation (RFC 5612), of which no collector knows an element.
const NOBODY: u32 = 32_473;

/// Addresses and ports after translation.
const POST_NAT: [u16; 6] = [225, 226, 227, 228, 281, 282];

/// The lengths in which exporters, and those that are broken, write a number.
fn number_length(natural: u16) -> impl Strategy<Value = u16> {
    prop_oneof![6 => Just(natural), 3 => 1_u16..=8, 1 => Just(VARIABLE), 1 => prop_oneof![Just(0_u16), 9_u16..20]]
}

fn field(protocol: Protocol) -> impl Strategy<Value = Field> {
    let number = select(NUMBERS).prop_flat_map(|(element, natural)| {
        number_length(natural).prop_map(move |length| {
            // Of some the length is fixed by more than its type.
            let is_mac = natural == 6;
            iana(element, if is_mac && length != VARIABLE { 6 } else { length })
        })
    });
    let address = (select(ADDRESSES), 0..20_u8).prop_map(|((element, length), kind)| match kind {
        0 => iana(element, VARIABLE),
        1 => iana(element, 5),
        2 => iana(element, 20 - length),
        _ => iana(element, length),
    });
    let other = prop_oneof![
        (1_u16..=4).prop_map(|length| iana(61, length)),
        (1_u16..=2).prop_map(|length| iana(195, length)),
        (select(&[32_u16, 139][..]), 1_u16..=4).prop_map(|(element, length)| iana(element, length)),
        (70_u16..=79, select(&[3_u16, 3, 4, 2][..])).prop_map(|(element, length)| iana(element, length)),
        select(&[0_u16, 1, 12, 40, VARIABLE][..]).prop_map(|length| iana(96, length)),
    ];
    let length = prop_oneof![4 => 0_u16..40, 1 => Just(VARIABLE)];
    let nobodys = (20_000_u16..32_000, length, any::<bool>()).prop_map(move |(element, length, is_private)| {
        let enterprise = if is_private && protocol == Protocol::Ipfix { NOBODY } else { 0 };
        private(enterprise, element, length)
    });
    prop_oneof![10 => number, 5 => address, 3 => other, 4 => nobodys]
}

/// The fields that tell start and end, in none, one or two ways.
fn times(protocol: Protocol) -> impl Strategy<Value = Vec<Field>> {
    let ways: Vec<_> =
        TIMES.iter().copied().filter(|(time, ..)| protocol == Protocol::V9 || *time != Time::Uptime).collect();
    let fields = move |(way, which): ((Time, u16, u16, u16), u8)| {
        let (_, start, end, length) = way;
        match which {
            0 => vec![iana(start, length)],
            1 => vec![iana(end, length)],
            _ => vec![iana(start, length), iana(end, length)],
        }
    };
    prop::collection::vec((select(ways), 0..8_u8).prop_map(fields), 0..3).prop_map(|ways| ways.concat())
}

/// A data template with this id whose records have a byte at least.
pub(crate) fn template(protocol: Protocol, id: u16) -> impl Strategy<Value = Template> {
    let fields = (prop::collection::vec(field(protocol), 1..24), times(protocol));
    fields
        .prop_map(|(fields, times)| {
            // An address behind translation without a counter is a log of translations, not a flow.
            let is_translated = fields.iter().any(|field| POST_NAT.contains(&field.element));
            [fields, times, if is_translated { vec![iana(1, 8)] } else { Vec::new() }].concat()
        })
        .prop_shuffle()
        .prop_map(move |fields| Template::data(id, fields))
        .prop_filter("records have a byte", |template| template.shortest_record() > 0)
}

pub(crate) fn protocol() -> impl Strategy<Value = Protocol> {
    select(&[Protocol::V9, Protocol::Ipfix][..])
}

/// The time of a message: an uptime of half an hour at least, up to beyond its wrap.
pub(crate) fn clock() -> impl Strategy<Value = Clock> {
    (3_600_000_u64..1 << 33).prop_map(|uptime_ms| Clock { export_ms: EXPORT_MS, uptime_ms })
}

/// Flows of a seed, now and then with numbers at the end of their range.
pub(crate) fn flows(seed: u64, count: usize, clock: Clock) -> Vec<Flow> {
    let (mut traffic, mut random) = (Traffic::new(seed, true), Random::new(seed));
    let flow = |_| {
        let mut flow = traffic.flow(clock.export_ms, clock.boot_ms());
        flow.sampling_rate = random.below(3) * random.below(1 << 33);
        flow.sampler = random.below(8);
        if random.per_mille(100) {
            flow.octets = u64::MAX;
            flow.packets = random.pick(&[0, u64::MAX]);
            flow.input = u32::MAX;
            flow.output = 0;
            flow.source_as = u32::MAX;
            flow.application_id = random.bits();
            flow.tcp_flags = u16::MAX;
        }
        flow
    };
    (0..count).map(flow).collect()
}
