//! What exporters announce in options data records: sampling rates in every form that devices use, application names, when
//! they started.
//!
//! Sources: RFC 3954 section 6.1 and Cisco's sampler tables (34, 35, 48-50), RFC 5477 (302, 304-306, 309, 310), RFC 6759
//! (95, 96).

use crate::template::{Field, Protocol, Template, Value, iana};
use crate::wire::number;

/// For what a sampling rate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The whole exporter: v9's scope "system", IPFIX' observation domain (149).
    Everything,
    /// What was metered at an interface: v9's scope "interface", IPFIX' ingressInterface (10).
    Interface(u32),
}

/// The elements in which a sampling rate is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// samplingInterval and samplingAlgorithm (34, 35).
    Interval,
    /// samplerId, samplerMode, samplerRandomInterval (48, 49, 50).
    Sampler(u16),
    /// selectorId, selectorAlgorithm, samplingPacketInterval and -Space (302, 304, 305, 306): one, then the rest skipped.
    Packets(u16),
    /// selectorId, selectorAlgorithm, samplingSize and -Population (302, 304, 309, 310).
    Population(u16),
    /// samplingPacketInterval (305) and -Space (306) without a selector.
    PacketsOfAll,
    /// samplingSize (309) and -Population (310) without a selector.
    PopulationOfAll,
}

impl Form {
    /// The sampler or selector that flow records name, if the form has one.
    #[must_use]
    pub fn sampler(self) -> Option<u16> {
        match self {
            Self::Sampler(id) | Self::Packets(id) | Self::Population(id) => Some(id),
            Self::Interval | Self::PacketsOfAll | Self::PopulationOfAll => None,
        }
    }
}

/// An options template for a sampling rate, and its one record: one packet in `rate`, which is not 0.
#[must_use]
pub fn sampling(protocol: Protocol, id: u16, scope: Scope, form: Form, rate: u32) -> (Template, Vec<Value>) {
    let (scope_field, scope_value) = scope_of(protocol, scope);
    let told: Vec<(Field, u64)> = match form {
        Form::Interval => vec![(iana(34, 4), rate.into()), (iana(35, 1), 2)],
        Form::Sampler(id) => vec![(iana(48, 2), id.into()), (iana(49, 1), 2), (iana(50, 4), rate.into())],
        Form::Packets(id) => {
            vec![(iana(302, 2), id.into()), (iana(304, 2), 1), (iana(305, 4), 1), (iana(306, 4), u64::from(rate) - 1)]
        }
        Form::Population(id) => {
            vec![(iana(302, 8), id.into()), (iana(304, 2), 3), (iana(309, 4), 1), (iana(310, 4), rate.into())]
        }
        Form::PacketsOfAll => vec![(iana(305, 4), 1), (iana(306, 4), u64::from(rate) - 1)],
        Form::PopulationOfAll => vec![(iana(309, 4), 10), (iana(310, 8), u64::from(rate) * 10)],
    };
    let mut fields: Vec<Field> = told.iter().map(|(field, _)| *field).collect();
    let mut values: Vec<Value> = told.iter().map(|(field, value)| value_of(field, *value)).collect();
    // Where the form has a sampler, that is the scope in IPFIX; v9 numbers its scopes apart and has none for it.
    let scope_fields = if protocol == Protocol::Ipfix && form.sampler().is_some() && scope == Scope::Everything {
        vec![fields.remove(0)]
    } else {
        values.insert(0, scope_value);
        vec![scope_field]
    };
    (Template::options(id, &scope_fields, &fields), values)
}

/// An options template for application names, and a record for each: ids of four bytes, engine in the first.
#[must_use]
pub fn applications(protocol: Protocol, id: u16, names: &[(u32, &str)]) -> (Template, Vec<Vec<Value>>) {
    const NAME_BYTES: usize = 24;
    let (scope_field, scope_value) = scope_of(protocol, Scope::Everything);
    let fields = [iana(95, 4), iana(96, NAME_BYTES as u16)];
    let record = |(application, name): &(u32, &str)| {
        let mut padded = name.as_bytes().to_vec();
        padded.resize(NAME_BYTES, 0);
        vec![scope_value.clone(), value_of(&fields[0], (*application).into()), Value::from(padded)]
    };
    (Template::options(id, &[scope_field], &fields), names.iter().map(record).collect())
}

/// An options template for the time at which the exporter started (160), and its record.
#[must_use]
pub fn system_init(protocol: Protocol, id: u16, boot_ms: i64) -> (Template, Vec<Value>) {
    let (scope_field, scope_value) = scope_of(protocol, Scope::Everything);
    let field = iana(160, 8);
    (Template::options(id, &[scope_field], &[field]), vec![scope_value, value_of(&field, boot_ms.unsigned_abs())])
}

fn scope_of(protocol: Protocol, scope: Scope) -> (Field, Value) {
    let (field, value) = match (protocol, scope) {
        (Protocol::V9, Scope::Everything) => (iana(1, 4), 0),
        (Protocol::V9, Scope::Interface(index)) => (iana(2, 4), u64::from(index)),
        (Protocol::Ipfix, Scope::Everything) => (iana(149, 4), 0),
        (Protocol::Ipfix, Scope::Interface(index)) => (iana(10, 4), u64::from(index)),
    };
    (field, value_of(&field, value))
}

fn value_of(field: &Field, value: u64) -> Value {
    Value::from(number(value, usize::from(field.length)))
}
