//! Records in a form that does not depend on the protocol: field names and values. For tools and tests, not for speed.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::constant;
use crate::element::{self, Element, REVERSE, Type};
use crate::list::{self, Broken, List, Part};
use crate::record::{Field, Record, SubTemplates};
use crate::sflow::{self, Sample};
use crate::wire::{chunk_at, unsigned, without_trailing_zeros};

/// Seconds from 1900 (NTP) to 1970.
const NTP_TO_UNIX: i128 = 2_208_988_800;
/// Fill bytes: a field of NetFlow v1, v5 and v7 that is left out.
const PADDING_OCTETS: u16 = 210;

/// Which names fields of vendors get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// `enterprise/element`, or the number alone in NetFlow v9.
    Numbers,
    /// What the vendor calls it where that is known, and its value by the vendor's type. Structured data is shown by its parts, not as bytes.
    Vendors,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// A field of length zero.
    Null,
    /// An unsigned number.
    Unsigned(u64),
    /// A signed number; a time in nanoseconds.
    Signed(i64),
    /// A floating point number.
    Float(f64),
    /// A truth value.
    Boolean(bool),
    /// A string without the zeros at its end; bytes that are no UTF-8 are U+FFFD.
    Text(Cow<'a, str>),
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// A MAC address.
    Mac([u8; 6]),
    /// Anything else; shown as lower-case hexadecimal digits.
    Bytes(&'a [u8]),
    /// The values of an element that the template has more than once, in template order; what sFlow has several of.
    List(Vec<Self>),
    /// A record of an sFlow sample.
    Object(Object<'a>),
    /// A list of structured data (RFC 6313), or a record in one: names and values in wire order.
    Structured(Vec<(Cow<'static, str>, Self)>),
}

/// Names and values in wire order.
pub type Object<'a> = Vec<(&'static str, Value<'a>)>;

/// The fields of a sample by name: what it says. Its records are a list of objects, the last field; with the names of vendors each
/// has that of its structure, where it is known.
#[must_use]
pub fn sample_fields<'a>(sample: &Sample<'a>, names: Names) -> Object<'a> {
    sflow::neutral::fields(sample, names)
}

/// The flow that a flow sample's row tells, where it is another than the sampled packet's outermost IP header.
#[must_use]
pub fn sample_flow<'a>(sample: &Sample<'a>) -> Option<Object<'a>> {
    sflow::neutral::flow(sample)
}

/// The fields of a record by name, in wire order; the values of an element that is repeated stand together where the first
/// one is.
#[must_use]
pub fn fields<'a>(record: &Record<'a>, names: Names) -> Vec<(Cow<'static, str>, Value<'a>)> {
    let version = record.header.version;
    let mut fields: Vec<(Cow<'static, str>, Value<'a>)> = Vec::new();
    for field in record.fields() {
        if constant::is_constant(version) && field.specifier.element == PADDING_OCTETS {
            continue;
        }
        let value = match names {
            Names::Numbers => render(version, &field),
            Names::Vendors => structured(version, &field, record.sub_templates()),
        };
        put(&mut fields, name(version, &field, names), value);
    }
    fields
}

/// Puts a value beside those of the same name, where there are any.
fn put<'a>(fields: &mut Vec<(Cow<'static, str>, Value<'a>)>, name: Cow<'static, str>, value: Value<'a>) {
    match fields.iter_mut().find(|(known, _)| *known == name) {
        Some((_, Value::List(values))) => values.push(value),
        Some((_, first)) => *first = Value::List(vec![std::mem::replace(first, Value::Null), value]),
        None => fields.push((name, value)),
    }
}

/// The name of a field.
#[must_use]
pub fn name(version: u8, field: &Field<'_>, names: Names) -> Cow<'static, str> {
    let (enterprise, id) = (field.specifier.enterprise, field.specifier.element);
    if is_v9_scope(version, field) {
        return scope_name(id).map_or_else(|| Cow::Owned(id.to_string()), Cow::Borrowed);
    }
    let known = match (enterprise, names) {
        (0, _) if element::iana(id).is_some() => element::iana(id).map(|element| element.name),
        (0, Names::Vendors) if version == 9 => element::netflow9_name(id),
        (REVERSE, _) => element::reverse_name(id),
        (_, Names::Vendors) => element::vendor_name(enterprise, id),
        (_, Names::Numbers) => None,
    };
    match known {
        Some(name) => Cow::Borrowed(name),
        None if enterprise == 0 => Cow::Owned(id.to_string()),
        None => Cow::Owned(format!("{enterprise}/{id}")),
    }
}

/// The value of a field by the type of its element. Bytes that cannot be of that type are left as they are.
#[must_use]
pub fn render<'a>(version: u8, field: &Field<'a>) -> Value<'a> {
    let bytes = field.bytes;
    let kind = if is_v9_scope(version, field) {
        // A cache is named by any bytes; the other scopes are numbers.
        scope_name(field.specifier.element).filter(|name| *name != "scopeCache").map(|_| Type::Unsigned)
    } else {
        iana_element(field).map(|element| element.kind)
    };
    match kind {
        Some(Type::String) => Value::Text(String::from_utf8_lossy(without_trailing_zeros(bytes))),
        _ if bytes.is_empty() => Value::Null,
        Some(kind) => typed(kind, bytes).unwrap_or(Value::Bytes(bytes)),
        None => Value::Bytes(bytes),
    }
}

/// As [`render`], but a list of structured data (RFC 6313) by its parts: `semantic`, and a name with its values or `records`.
/// Lists that are broken or nested too deep are left as bytes; so are records whose template is not known.
#[must_use]
pub(crate) fn structured<'a>(version: u8, field: &Field<'a>, templates: SubTemplates<'_>) -> Value<'a> {
    structured_within(version, field, templates, list::NESTING_LIMIT)
}

fn structured_within<'a>(version: u8, field: &Field<'a>, templates: SubTemplates<'_>, levels: usize) -> Value<'a> {
    let is_list = version == 10 && list::is_list(&field.specifier) && !field.bytes.is_empty();
    let Some(levels) = levels.checked_sub(1).filter(|_| is_list) else { return render_typed(version, field) };
    list_parts(version, field, templates, levels).map_or(Value::Bytes(field.bytes), Value::Structured)
}

fn list_parts<'a>(
    version: u8,
    field: &Field<'a>,
    templates: SubTemplates<'_>,
    levels: usize,
) -> Result<Vec<(Cow<'static, str>, Value<'a>)>, Broken> {
    let list = List::read(&field.specifier, field.bytes)?;
    let semantic = match list::semantic_name(list.semantic) {
        Some(name) => Value::Text(Cow::Borrowed(name)),
        None => Value::Unsigned(list.semantic.into()),
    };
    let (mut element, mut values, mut records) = (None, Vec::new(), Vec::new());
    let value_of = |specifier, bytes| {
        let field = Field { specifier, is_scope: false, bytes };
        (name(version, &field, Names::Vendors), structured_within(version, &field, templates, levels))
    };
    for part in list.parts() {
        match part? {
            Part::Value { field, bytes } => {
                let (name, value) = value_of(field, bytes);
                element = Some(name);
                values.push(value);
            }
            Part::Records { template_id, bytes } => {
                let Some(template) = templates.find(template_id) else {
                    let id = (Cow::Borrowed("template"), Value::Unsigned(template_id.into()));
                    records.push(Value::Structured(vec![id, (Cow::Borrowed("bytes"), Value::Bytes(bytes))]));
                    continue;
                };
                let mut found: Vec<Vec<(Cow<'static, str>, Value<'a>)>> = Vec::new();
                list::for_each_field(&template, bytes, |number, specifier, bytes| {
                    if found.len() <= number {
                        found.push(Vec::new());
                    }
                    let (name, value) = value_of(specifier, bytes);
                    found.last_mut().into_iter().for_each(|fields| put(fields, name.clone(), value.clone()));
                })?;
                records.extend(found.into_iter().map(Value::Structured));
            }
        }
    }
    let semantic = (Cow::Borrowed("semantic"), semantic);
    let is_basic = field.specifier.element == list::BASIC_LIST;
    Ok(match element {
        Some(name) => vec![semantic, (name, Value::List(values))],
        None if is_basic => vec![semantic],
        None => vec![semantic, (Cow::Borrowed("records"), Value::List(records))],
    })
}

/// As [`render`], with what is known of vendors' elements.
fn render_typed<'a>(version: u8, field: &Field<'a>) -> Value<'a> {
    let (enterprise, id) = (field.specifier.enterprise, field.specifier.element);
    let vendors = match enterprise {
        _ if is_v9_scope(version, field) || field.bytes.is_empty() || iana_element(field).is_some() => None,
        0 if version == 9 => element::netflow9(id),
        enterprise => element::vendor(enterprise, id),
    };
    match vendors.map(|element| element.kind) {
        Some(Type::String) => Value::Text(String::from_utf8_lossy(without_trailing_zeros(field.bytes))),
        Some(kind) => typed(kind, field.bytes).unwrap_or(Value::Bytes(field.bytes)),
        None => render(version, field),
    }
}

fn iana_element(field: &Field<'_>) -> Option<Element> {
    let is_iana = field.specifier.enterprise == 0 || field.specifier.enterprise == REVERSE;
    is_iana.then(|| element::iana(field.specifier.element)).flatten()
}

/// NetFlow v9 numbers the scopes of options apart from the fields (RFC 3954 section 6.1).
fn is_v9_scope(version: u8, field: &Field<'_>) -> bool {
    version == 9 && field.is_scope
}

fn scope_name(id: u16) -> Option<&'static str> {
    Some(match id {
        1 => "scopeSystem",
        2 => "scopeInterface",
        3 => "scopeLineCard",
        4 => "scopeCache",
        5 => "scopeTemplate",
        _ => return None,
    })
}

/// The value of bytes that are not empty; `None` if they are too many or too few for the type.
fn typed(kind: Type, bytes: &[u8]) -> Option<Value<'_>> {
    Some(match kind {
        Type::Unsigned | Type::DateTimeSeconds | Type::DateTimeMilliseconds => Value::Unsigned(unsigned(bytes)?),
        Type::Signed => Value::Signed(signed(bytes)?),
        Type::Float => Value::Float(match bytes.len() {
            4 => f64::from(f32::from_be_bytes(chunk_at(bytes, 0)?)),
            8 => f64::from_be_bytes(chunk_at(bytes, 0)?),
            _ => return None,
        }),
        Type::Boolean => match unsigned(bytes)? {
            1 => Value::Boolean(true),
            2 => Value::Boolean(false),
            other => Value::Unsigned(other),
        },
        Type::String => Value::Text(String::from_utf8_lossy(bytes)),
        Type::Ipv4Address => Value::Ipv4(<[u8; 4]>::try_from(bytes).ok()?.into()),
        Type::Ipv6Address => Value::Ipv6(<[u8; 16]>::try_from(bytes).ok()?.into()),
        Type::MacAddress => Value::Mac(<[u8; 6]>::try_from(bytes).ok()?),
        Type::DateTimeMicroseconds | Type::DateTimeNanoseconds => {
            Value::Signed(ntp_nanoseconds(u64::from_be_bytes(<[u8; 8]>::try_from(bytes).ok()?)))
        }
        Type::OctetArray | Type::List => return None,
    })
}

fn signed(bytes: &[u8]) -> Option<i64> {
    let value = unsigned(bytes)?;
    let unused_bits = 64_u32.saturating_sub(u32::try_from(bytes.len()).ok()?.saturating_mul(8));
    Some((value << unused_bits).cast_signed() >> unused_bits)
}

/// An NTP timestamp (RFC 7011 section 6.1.10) in nanoseconds since 1970.
fn ntp_nanoseconds(timestamp: u64) -> i64 {
    let seconds = i128::from(timestamp >> 32).saturating_sub(NTP_TO_UNIX);
    let nanoseconds = i128::from(timestamp & 0xffff_ffff).saturating_mul(1_000_000_000) >> 32;
    let since_1970 = seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds);
    i64::try_from(since_1970).unwrap_or(i64::MAX)
}

impl std::fmt::Display for Value<'_> {
    /// The value as text, without quotes; a list with commas.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Unsigned(value) => value.fmt(out),
            Self::Signed(value) => value.fmt(out),
            Self::Float(value) => value.fmt(out),
            Self::Boolean(value) => value.fmt(out),
            Self::Text(value) => value.fmt(out),
            Self::Ipv4(value) => value.fmt(out),
            Self::Ipv6(value) => value.fmt(out),
            Self::Mac([a, b, c, d, e, f]) => write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"),
            Self::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}")),
            Self::List(values) => values.iter().enumerate().try_for_each(|(index, value)| {
                if index > 0 {
                    out.write_str(",")?;
                }
                value.fmt(out)
            }),
            Self::Structured(fields) => fields.iter().enumerate().try_for_each(|(index, (name, value))| {
                let separator = if index > 0 { "," } else { "" };
                write!(out, "{separator}{name}={value}")
            }),
            Self::Object(fields) => fields.iter().enumerate().try_for_each(|(index, (name, value))| {
                let separator = if index > 0 { "," } else { "" };
                write!(out, "{separator}{name}={value}")
            }),
        }
    }
}
