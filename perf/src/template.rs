//! Templates, sets and messages of NetFlow v9 (RFC 3954) and IPFIX (RFC 7011).
//!
//! Each function writes what it is told, also what is forbidden: tests of hostile input want that.

use crate::clock::Clock;
use crate::wire::short;

/// The length of a field that brings its own (RFC 7011 section 7).
pub const VARIABLE: u16 = 0xffff;
/// The lowest id of a template.
pub const FIRST_ID: u16 = 256;

/// Which of the two protocols with templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// NetFlow v9.
    V9,
    /// IPFIX.
    Ipfix,
}

impl Protocol {
    /// The number in the header.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::V9 => 9,
            Self::Ipfix => 10,
        }
    }

    /// The ids of template sets and of options template sets.
    #[must_use]
    pub fn template_sets(self) -> [u16; 2] {
        match self {
            Self::V9 => [0, 1],
            Self::Ipfix => [2, 3],
        }
    }
}

/// One field of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Field {
    /// Information element.
    pub element: u16,
    /// Whose; 0 for IANA's. NetFlow v9 cannot say.
    pub enterprise: u32,
    /// Length in bytes, or [`VARIABLE`].
    pub length: u16,
}

/// A template or, with scope fields, an options template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// 256 and up.
    pub id: u16,
    /// How many of the fields are the scope; `None` for data.
    pub scope: Option<usize>,
    /// In wire order, scope fields first.
    pub fields: Vec<Field>,
}

/// One value of a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Value {
    /// Its bytes: as many as the field's length, unless that is variable.
    pub bytes: Vec<u8>,
    /// Whether a variable-length field has its length in three bytes even if one would do.
    pub is_long: bool,
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, is_long: false }
    }
}

/// A field of an IANA element.
#[must_use]
pub const fn iana(element: u16, length: u16) -> Field {
    Field { element, enterprise: 0, length }
}

/// A field of somebody else's element.
#[must_use]
pub const fn private(enterprise: u32, element: u16, length: u16) -> Field {
    Field { element, enterprise, length }
}

impl Template {
    /// A data template.
    #[must_use]
    pub fn data(id: u16, fields: Vec<Field>) -> Self {
        Self { id, scope: None, fields }
    }

    /// An options template.
    #[must_use]
    pub fn options(id: u16, scope: &[Field], fields: &[Field]) -> Self {
        Self { id, scope: Some(scope.len()), fields: [scope, fields].concat() }
    }

    /// The template as it stands in its set.
    #[must_use]
    pub fn encode(&self, protocol: Protocol) -> Vec<u8> {
        let mut bytes = self.id.to_be_bytes().to_vec();
        match (protocol, self.scope) {
            (_, None) => bytes.extend(short(self.fields.len())),
            (Protocol::Ipfix, Some(scope)) => bytes.extend([short(self.fields.len()), short(scope)].concat()),
            // Lengths in bytes, of the scope first.
            (Protocol::V9, Some(scope)) => {
                bytes.extend([short(4 * scope), short(4 * (self.fields.len() - scope))].concat());
            }
        }
        for field in &self.fields {
            let has_enterprise = protocol == Protocol::Ipfix && field.enterprise != 0;
            let bit = if has_enterprise { 0x8000 } else { 0 };
            bytes.extend((field.element | bit).to_be_bytes());
            bytes.extend(field.length.to_be_bytes());
            if has_enterprise {
                bytes.extend(field.enterprise.to_be_bytes());
            }
        }
        bytes
    }

    /// A record: the values one after the other, variable ones behind their lengths.
    ///
    /// # Panics
    ///
    /// When there are not as many values as fields, or one has another length than its field.
    #[must_use]
    pub fn record(&self, values: &[Value]) -> Vec<u8> {
        assert_eq!(values.len(), self.fields.len(), "a value for each field");
        let mut bytes = Vec::new();
        for (field, value) in self.fields.iter().zip(values) {
            if field.length != VARIABLE {
                assert_eq!(value.bytes.len(), usize::from(field.length), "{field:?} has a fixed length");
            } else if value.is_long || value.bytes.len() >= 255 {
                bytes.push(255);
                bytes.extend(short(value.bytes.len()));
            } else {
                bytes.push(value.bytes.len() as u8);
            }
            bytes.extend(&value.bytes);
        }
        bytes
    }

    /// The length of the shortest record: what is shorter at the end of a set is padding.
    #[must_use]
    pub fn shortest_record(&self) -> usize {
        self.fields.iter().map(|field| if field.length == VARIABLE { 1 } else { usize::from(field.length) }).sum()
    }
}

/// One set: an id and what comes after its header.
#[must_use]
pub fn set(id: u16, body: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes(), &short(body.len() + 4)[..], body].concat()
}

/// A set of templates of one kind, that of the first, with `padding` zeros behind.
#[must_use]
pub fn template_set(protocol: Protocol, templates: &[Template], padding: usize) -> Vec<u8> {
    let is_options = templates.first().is_some_and(|template| template.scope.is_some());
    let mut body: Vec<u8> = templates.iter().flat_map(|template| template.encode(protocol)).collect();
    body.resize(body.len() + padding, 0);
    set(protocol.template_sets()[usize::from(is_options)], &body)
}

/// A set of records, with `padding` zeros behind.
#[must_use]
pub fn data_set(template: &Template, records: &[Vec<Value>], padding: usize) -> Vec<u8> {
    let mut body: Vec<u8> = records.iter().flat_map(|values| template.record(values)).collect();
    body.resize(body.len() + padding, 0);
    set(template.id, &body)
}

/// Zeros that make a set of this many bytes end on four (RFC 3954 section 5.3).
#[must_use]
pub fn padding(length: usize) -> usize {
    length.next_multiple_of(4) - length
}

/// An IPFIX set that withdraws templates of one kind (RFC 7011 section 8.1).
#[must_use]
pub fn withdrawal(is_options: bool, ids: &[u16]) -> Vec<u8> {
    let body: Vec<u8> = ids.iter().flat_map(|id| [id.to_be_bytes(), [0; 2]].concat()).collect();
    set(Protocol::Ipfix.template_sets()[usize::from(is_options)], &body)
}

/// An IPFIX set that withdraws all templates of one kind: by the id of their sets.
#[must_use]
pub fn withdrawal_of_all(is_options: bool) -> Vec<u8> {
    withdrawal(is_options, &[Protocol::Ipfix.template_sets()[usize::from(is_options)]])
}

/// What the header of a message says beside counts and lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The time.
    pub clock: Clock,
    /// v9: datagrams sent before this one. IPFIX: data records sent before, options among them.
    pub sequence: u32,
    /// Observation domain or source id.
    pub domain: u32,
}

/// A message of these sets. `records` is the count of a v9 header: templates and records of all kinds.
#[must_use]
pub fn message(protocol: Protocol, header: &Header, records: usize, sets: &[Vec<u8>]) -> Vec<u8> {
    let body = sets.concat();
    let clock = header.clock;
    let mut bytes = protocol.number().to_be_bytes().to_vec();
    match protocol {
        Protocol::V9 => {
            bytes.extend(short(records));
            bytes.extend(clock.uptime().to_be_bytes());
        }
        Protocol::Ipfix => bytes.extend(short(body.len() + 16)),
    }
    for word in [clock.export_s(), header.sequence, header.domain] {
        bytes.extend(word.to_be_bytes());
    }
    [bytes, body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7011() {
        // Appendix A.2.1 and A.2.2, without and with an enterprise's element.
        let plain = Template::data(256, vec![iana(8, 4), iana(12, 4), iana(15, 4), iana(2, 4), iana(1, 4)]);
        let expected = [0, 2, 0, 28, 1, 0, 0, 5, 0, 8, 0, 4, 0, 12, 0, 4, 0, 15, 0, 4, 0, 2, 0, 4, 0, 1, 0, 4];
        assert_eq!(template_set(Protocol::Ipfix, &[plain], 0), expected);
        let private = Template::data(257, vec![iana(8, 4), private(32_473, 15, 4)]);
        let expected = [1, 1, 0, 2, 0, 8, 0, 4, 0x80, 15, 0, 4, 0, 0, 0x7e, 0xd9];
        assert_eq!(private.encode(Protocol::Ipfix), expected);
        assert_eq!(private.encode(Protocol::V9), [1, 1, 0, 2, 0, 8, 0, 4, 0, 15, 0, 4]);
    }

    #[test]
    fn options_templates_count_fields_or_bytes() {
        let options = Template::options(258, &[iana(1, 4)], &[iana(34, 2), iana(35, 1)]);
        assert_eq!(options.encode(Protocol::Ipfix)[..6], [1, 2, 0, 3, 0, 1]);
        assert_eq!(options.encode(Protocol::V9)[..6], [1, 2, 0, 4, 0, 8]);
        assert_eq!(withdrawal_of_all(true), [0, 3, 0, 8, 0, 3, 0, 0]);
    }

    #[test]
    fn variable_lengths_of_both_forms() {
        let template = Template::data(256, vec![iana(82, VARIABLE), iana(4, 1)]);
        let of =
            |bytes: &[u8], is_long| template.record(&[Value { bytes: bytes.to_vec(), is_long }, Value::from(vec![6])]);
        assert_eq!(of(b"ab", false), [2, b'a', b'b', 6]);
        assert_eq!(of(b"ab", true), [255, 0, 2, b'a', b'b', 6]);
        assert_eq!(of(&[7; 255], false)[..4], [255, 0, 255, 7]);
        assert_eq!(of(b"", false), [0, 6]);
        assert_eq!((template.shortest_record(), padding(5), padding(8)), (2, 3, 0));
    }
}
