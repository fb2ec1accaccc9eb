//! Flows as records of a template: what a template can carry of a flow, and the values.

use std::net::IpAddr;

use crate::clock::Clock;
use crate::element::{Meaning, Number, Time, address_of, addresses, encode, fits, meaning};
use crate::flow::{Direction, Flow, is_icmp};
use crate::random::Random;
use crate::template::{Field, Protocol, Template, VARIABLE, Value};
use crate::wire::largest;

/// The longest application name that collectors keep.
const NAME_BYTES: usize = 255;

/// The flow as records of this template can carry it: what has no field is not said, what is wider than its narrowest field
/// is cut. Encoding this and decoding again must give this.
#[must_use]
pub fn carried(protocol: Protocol, template: &Template, flow: &Flow) -> Flow {
    Reach::new(protocol, template).carried(flow)
}

/// What records of a template can carry of any flow.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    meanings: Vec<(Meaning, u16)>,
    /// Numbers that have a field, and the largest that it holds.
    numbers: Vec<(Number, u64)>,
    /// For each address whether there is a field for it of IPv4 and of IPv6.
    addresses: [[bool; 2]; 6],
    start: Option<Time>,
    end: Option<Time>,
    levels: usize,
    name: Option<u16>,
}

impl Reach {
    /// That of a template.
    pub(crate) fn new(protocol: Protocol, template: &Template) -> Self {
        let meanings: Vec<(Meaning, u16)> = told(protocol, &template.fields).collect();
        let narrowest = |of: Meaning| narrowest(&meanings, of);
        let has_address = |index: usize, wanted: u16| {
            meanings.iter().any(|(meaning, length)| {
                *meaning == Meaning::Address(index) && (*length == wanted || *length == VARIABLE)
            })
        };
        let best = |is: fn(&Meaning) -> Option<Time>| meanings.iter().filter_map(|(meaning, _)| is(meaning)).min();
        let number = |number: &Number| narrowest(Meaning::Number(*number)).map(|width| (*number, largest(width)));
        let names = meanings.iter().filter(|(meaning, _)| *meaning == Meaning::ApplicationName);
        Self {
            numbers: Number::ALL.iter().filter_map(number).collect(),
            addresses: std::array::from_fn(|index| [4, 16].map(|length| has_address(index, length))),
            start: best(|meaning| if let Meaning::Start(time) = meaning { Some(*time) } else { None }),
            end: best(|meaning| if let Meaning::End(time) = meaning { Some(*time) } else { None }),
            // A stack is known from its top down as far as there are fields.
            levels: (0..10).take_while(|level| narrowest(Meaning::Label(*level)).is_some()).count(),
            name: names.map(|(_, length)| *length).min(),
            meanings,
        }
    }

    /// As the function of this name.
    pub(crate) fn carried(&self, flow: &Flow) -> Flow {
        let narrowest = |of: Meaning| narrowest(&self.meanings, of);
        let mut out = Flow::default();
        for (number, largest) in &self.numbers {
            number.set(&mut out, number.get(flow) & largest);
        }
        tos(&narrowest, flow, &mut out);
        icmp(&narrowest, flow, &mut out);
        for (index, to) in addresses(&mut out).into_iter().enumerate() {
            let fits = |address: &IpAddr| self.addresses[index][usize::from(address.is_ipv6())];
            *to = address_of(flow, index).filter(|address| fits(address) && !address.is_unspecified());
        }
        if narrowest(Meaning::Direction).is_some() {
            out.direction = flow.direction;
        }
        let moment = |time: Option<Time>, ms: Option<i64>| Some(rounded(time?, ms?));
        out.start_ms = moment(self.start, flow.start_ms);
        out.end_ms = moment(self.end, flow.end_ms);
        out.labels = flow.labels.iter().take(self.levels).copied().collect();
        if let Some(width) = self.name {
            out.application_name = flow.application_name.chars().take(usize::from(width).min(NAME_BYTES)).collect();
        }
        out
    }
}

/// The narrowest of the fields that have this meaning.
fn narrowest(meanings: &[(Meaning, u16)], of: Meaning) -> Option<usize> {
    meanings.iter().filter(|(meaning, _)| *meaning == of).map(|(_, length)| width(*length)).min()
}

/// The values of a record that says of a flow what the template can carry: `flow` is what [`carried`] gave. Fields without a
/// meaning get bytes of `random`, which also decides how variable lengths are written.
#[must_use]
pub fn values(protocol: Protocol, template: &Template, clock: Clock, flow: &Flow, random: &mut Random) -> Vec<Value> {
    let of_field = |field: &Field| {
        let bytes = match meaning(protocol, field) {
            Some(meaning) => encode(meaning, field, clock, flow),
            None if field.length == VARIABLE => {
                // Mostly short; now and then around the length at which the prefix grows.
                let length = if random.per_mille(50) { 250 + random.below(10) } else { random.below(20) };
                random.bytes(length as usize)
            }
            None => random.bytes(usize::from(field.length)),
        };
        Value { bytes, is_long: field.length == VARIABLE && random.per_mille(200) }
    };
    template.fields.iter().map(of_field).collect()
}

/// The meanings and lengths of the fields that can hold theirs. Of an element that is repeated the first counts: what a
/// second value means beside it, no document says.
fn told(protocol: Protocol, fields: &[Field]) -> impl Iterator<Item = (Meaning, u16)> {
    let mut known = Vec::new();
    fields.iter().filter_map(move |field| {
        let meaning = meaning(protocol, field).filter(|meaning| fits(*meaning, field.length))?;
        let is_new = !known.contains(&field.element);
        known.push(field.element);
        is_new.then_some((meaning, field.length))
    })
}

fn width(length: u16) -> usize {
    if length == VARIABLE { 8 } else { usize::from(length) }
}

/// The DSCP tells six bits of the byte, where the byte itself is not told.
fn tos(narrowest: &impl Fn(Meaning) -> Option<usize>, flow: &Flow, out: &mut Flow) {
    if narrowest(Meaning::Number(Number::Tos)).is_none() && narrowest(Meaning::Dscp).is_some() {
        out.tos = flow.tos & 0xfc;
    }
}

/// Type and code together, or each for itself, or in the destination port.
fn icmp(narrowest: &impl Fn(Meaning) -> Option<usize>, flow: &Flow, out: &mut Flow) {
    let has = |number: Number| narrowest(Meaning::Number(number)).is_some();
    if let Some(width) = narrowest(Meaning::IcmpPair) {
        out.icmp_type = if width > 1 { flow.icmp_type } else { 0 };
        out.icmp_code = flow.icmp_code;
        return;
    }
    let has_ports = has(Number::DestinationPort) && has(Number::Protocol);
    if has_ports && !has(Number::IcmpType) && is_icmp(out.protocol) {
        let [kind, code] = out.destination_port.to_be_bytes();
        out.icmp_type = kind;
        out.icmp_code = if has(Number::IcmpCode) { out.icmp_code } else { code };
    }
}

fn rounded(time: Time, ms: i64) -> i64 {
    match time {
        Time::Seconds => ms.div_euclid(1000) * 1000,
        Time::Milliseconds | Time::Microseconds | Time::Nanoseconds | Time::Uptime | Time::BeforeExport => ms,
    }
}

/// What a direction is in the tables: 0 unknown, 1 ingress, 2 egress.
#[must_use]
pub fn direction_number(direction: Direction) -> u8 {
    match direction {
        Direction::Unknown => 0,
        Direction::Ingress => 1,
        Direction::Egress => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::iana;

    #[test]
    fn a_template_carries_what_it_has_fields_for() {
        let template =
            Template::data(256, vec![iana(8, 4), iana(1, 2), iana(85, 4), iana(4, 1), iana(11, 2), iana(150, 4)]);
        let flow = Flow {
            source: "2001:db8::1".parse().ok(),
            octets: 0x1_0005,
            protocol: 1,
            destination_port: 0x0800,
            start_ms: Some(1_700_000_000_999),
            tos: 9,
            ..Flow::default()
        };
        let expected = Flow {
            octets: 5,
            protocol: 1,
            destination_port: 0x0800,
            icmp_type: 8,
            start_ms: Some(1_700_000_000_000),
            ..Flow::default()
        };
        let carried = carried(Protocol::Ipfix, &template, &flow);
        assert_eq!(carried, expected);
        let clock = Clock { export_ms: 1_700_000_001_000, uptime_ms: 1 };
        let values = values(Protocol::Ipfix, &template, clock, &carried, &mut Random::new(1));
        let bytes: Vec<Vec<u8>> = values.into_iter().map(|value| value.bytes).collect();
        assert_eq!(bytes, [vec![0; 4], vec![0, 5], vec![0, 0, 0, 5], vec![1], vec![8, 0], vec![0x65, 0x53, 0xf1, 0]]);
    }
}
