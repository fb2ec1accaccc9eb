//! Structured data (RFC 6313): what is in a basicList, subTemplateList or subTemplateMultiList, over the bytes of its field.
//!
//! Nothing here allocates or looks further than one level: whoever reads nested lists keeps to [`NESTING_LIMIT`].

use std::sync::Arc;

use crate::record::{Records, split_field};
use crate::template::{FieldSpecifier, Template, VARIABLE};
use crate::wire::{u16_at, u32_at, variable_at};

/// Levels of lists in lists that are read; what lies deeper is left as bytes.
pub const NESTING_LIMIT: usize = 8;

/// basicList: values of one element.
pub(crate) const BASIC_LIST: u16 = 291;
/// subTemplateList: records of one template.
const SUB_TEMPLATE_LIST: u16 = 292;
/// subTemplateMultiList: records of several templates.
const SUB_TEMPLATE_MULTI_LIST: u16 = 293;
/// The bit of an element id that says that an enterprise number follows.
const ENTERPRISE_BIT: u16 = 0x8000;

/// Finds a template of the domain that the list came from.
pub(crate) type FindTemplate<'a> = &'a dyn Fn(u16) -> Option<Arc<Template>>;

/// Whether an element is structured data.
#[must_use]
pub fn is_list(field: &FieldSpecifier) -> bool {
    field.enterprise == 0 && (BASIC_LIST..=SUB_TEMPLATE_MULTI_LIST).contains(&field.element)
}

/// One list.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    /// How the values relate, by IANA's numbers: see [`semantic_name`].
    pub semantic: u8,
    content: Content<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Content<'a> {
    Values { field: FieldSpecifier, bytes: &'a [u8] },
    Records { template_id: u16, bytes: &'a [u8] },
    Mixed { bytes: &'a [u8] },
}

/// One part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// A value of a basicList.
    Value {
        /// Its element; the length is that of all values, or variable.
        field: FieldSpecifier,
        /// Its bytes, without the length prefix of a variable-length one.
        bytes: &'a [u8],
    },
    /// Records of one template, one after the other.
    Records {
        /// Template id in the domain of the message.
        template_id: u16,
        /// All records.
        bytes: &'a [u8],
    },
}

/// A list whose lengths do not fit each other, or lists nested too deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

impl<'a> List<'a> {
    /// Reads the header of a list of which [`is_list`] holds.
    ///
    /// # Errors
    /// It is shorter than its header.
    pub fn read(field: &FieldSpecifier, bytes: &'a [u8]) -> Result<Self, Broken> {
        Self::parse(field.element, bytes).ok_or(Broken)
    }

    fn parse(element: u16, bytes: &'a [u8]) -> Option<Self> {
        let (semantic, body) = bytes.split_first()?;
        let content = match element {
            BASIC_LIST => {
                let (id, length) = (u16_at(body, 0)?, u16_at(body, 2)?);
                let has_enterprise = id & ENTERPRISE_BIT != 0;
                let enterprise = if has_enterprise { u32_at(body, 4)? } else { 0 };
                let field = FieldSpecifier { element: id & !ENTERPRISE_BIT, enterprise, length };
                Content::Values { field, bytes: body.get(if has_enterprise { 8 } else { 4 }..)? }
            }
            SUB_TEMPLATE_LIST => Content::Records { template_id: u16_at(body, 0)?, bytes: body.get(2..)? },
            _ => Content::Mixed { bytes: body },
        };
        Some(Self { semantic: *semantic, content })
    }

    /// The parts in wire order; an error is the last of them.
    #[must_use]
    pub fn parts(&self) -> Parts<'a> {
        Parts(Some(self.content))
    }
}

/// The parts of a list.
#[derive(Debug, Clone)]
pub struct Parts<'a>(Option<Content<'a>>);

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        let (part, rest) = match self.0.take()? {
            Content::Records { template_id, bytes } => (Some(Part::Records { template_id, bytes }), None),
            Content::Values { bytes: [], .. } | Content::Mixed { bytes: [] } => return None,
            Content::Values { field, bytes } => match value_of(field, bytes) {
                Some((value, bytes)) => {
                    (Some(Part::Value { field, bytes: value }), Some(Content::Values { field, bytes }))
                }
                None => (None, None),
            },
            Content::Mixed { bytes } => match records_of(bytes) {
                Some((template_id, records, bytes)) => {
                    (Some(Part::Records { template_id, bytes: records }), Some(Content::Mixed { bytes }))
                }
                None => (None, None),
            },
        };
        self.0 = rest;
        Some(part.ok_or(Broken))
    }
}

/// The first value of a basicList, and what follows it. A length of zero would never come to an end.
fn value_of(field: FieldSpecifier, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match field.length {
        0 => None,
        VARIABLE => {
            let (value, end) = variable_at(bytes, 0)?;
            Some((value, bytes.get(end..)?))
        }
        length => bytes.split_at_checked(usize::from(length)),
    }
}

/// Template id and bytes of the first records of a subTemplateMultiList, and what follows them. Their length counts their
/// header of four bytes (RFC 6313 section 4.5.3).
fn records_of(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (template_id, length) = (u16_at(bytes, 0)?, usize::from(u16_at(bytes, 2)?));
    let (records, rest) = bytes.split_at_checked(length)?;
    Some((template_id, records.get(4..)?, rest))
}

/// Shows `each` the fields of every record of a template, in wire order: the number of the record, the field, its bytes.
///
/// # Errors
/// The records do not fill the bytes.
pub(crate) fn for_each_field<'a>(
    template: &Template,
    bytes: &'a [u8],
    mut each: impl FnMut(usize, FieldSpecifier, &'a [u8]),
) -> Result<(), Broken> {
    let mut records = Records::new(template, bytes);
    let (mut number, mut filled) = (0_usize, 0_usize);
    while let Some((start, end)) = records.next_range() {
        let mut rest = bytes.get(start..end).unwrap_or(&[]);
        for specifier in template.fields() {
            let (value, after) = split_field(*specifier, rest).ok_or(Broken)?;
            each(number, *specifier, value);
            rest = after;
        }
        (number, filled) = (number.saturating_add(1), end);
    }
    if filled == bytes.len() { Ok(()) } else { Err(Broken) }
}

/// Whether a list and all lists in it can be read, as far as their templates are known. An empty field is no list.
pub(crate) fn is_sound(field: &FieldSpecifier, bytes: &[u8], find: FindTemplate<'_>) -> bool {
    bytes.is_empty() || is_sound_within(field, bytes, find, NESTING_LIMIT)
}

fn is_sound_within(field: &FieldSpecifier, bytes: &[u8], find: FindTemplate<'_>, levels: usize) -> bool {
    let Some(levels) = levels.checked_sub(1) else { return false };
    let Ok(list) = List::read(field, bytes) else { return false };
    let is_value_sound = |field: &FieldSpecifier, value: &[u8]| {
        !is_list(field) || value.is_empty() || is_sound_within(field, value, find, levels)
    };
    list.parts().all(|part| match part {
        Err(Broken) => false,
        Ok(Part::Value { field, bytes }) => is_value_sound(&field, bytes),
        Ok(Part::Records { template_id, bytes }) => {
            let Some(template) = find(template_id) else { return true };
            let mut are_sound = true;
            let walked = for_each_field(&template, bytes, |_, field, value| {
                are_sound &= is_value_sound(&field, value);
            });
            are_sound && walked.is_ok()
        }
    })
}

/// The name of a semantic (RFC 6313 section 4.4); `None` for numbers that are not assigned.
#[must_use]
pub fn semantic_name(semantic: u8) -> Option<&'static str> {
    Some(match semantic {
        0 => "noneOf",
        1 => "exactlyOneOf",
        2 => "oneOrMoreOf",
        3 => "allOf",
        4 => "ordered",
        255 => "undefined",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRING: FieldSpecifier = FieldSpecifier { element: 371, enterprise: 0, length: VARIABLE };
    const OCTETS: FieldSpecifier = FieldSpecifier { element: 1, enterprise: 9, length: 2 };

    fn parts(element: u16, bytes: &[u8]) -> Vec<Result<Part<'_>, Broken>> {
        let field = FieldSpecifier { element, enterprise: 0, length: VARIABLE };
        assert!(is_list(&field));
        List::read(&field, bytes).map_or_else(|broken| vec![Err(broken)], |list| list.parts().collect())
    }

    #[test]
    fn parts_in_wire_order() {
        let value = |field, bytes| Ok(Part::Value { field, bytes });
        let records = |template_id, bytes| Ok(Part::Records { template_id, bytes });
        assert_eq!(
            parts(291, &[3, 1, 115, 255, 255, 1, b'a', 0, 2, b'b', b'c']),
            [value(STRING, b"a"), value(STRING, b""), value(STRING, b"bc")]
        );
        let enterprise = [4, 0x80, 1, 0, 2, 0, 0, 0, 9, 1, 2, 3, 4];
        assert_eq!(parts(291, &enterprise), [value(OCTETS, &[1, 2]), value(OCTETS, &[3, 4])]);
        assert_eq!(parts(291, &[255, 1, 115, 0, 1]), []);
        assert_eq!(parts(292, &[3, 1, 0, 7, 8]), [records(256, &[7, 8])]);
        let several = [3, 1, 0, 0, 5, 7, 1, 1, 0, 4, 1, 0, 0, 6, 8, 9];
        assert_eq!(parts(293, &several), [records(256, &[7]), records(257, &[]), records(256, &[8, 9])]);
    }

    #[test]
    fn lengths_that_lie() {
        let broken = |element, bytes: &[u8]| {
            assert_eq!(parts(element, bytes).last(), Some(&Err(Broken)), "{element}: {bytes:?}");
        };
        broken(291, &[]);
        broken(291, &[3, 1, 115, 0]);
        broken(291, &[3, 0x80, 1, 0, 2, 0, 0, 0]);
        broken(291, &[3, 1, 115, 0, 0, 1]);
        broken(291, &[3, 1, 115, 0, 2, 1]);
        broken(291, &[3, 1, 115, 255, 255, 9, 1]);
        broken(292, &[3, 1]);
        broken(293, &[3, 1, 0, 0, 3, 1]);
        broken(293, &[3, 1, 0, 0, 9, 1]);
        broken(293, &[3, 1, 0]);
    }

    #[test]
    fn soundness_goes_to_the_bottom() {
        let basic = FieldSpecifier { element: 291, enterprise: 0, length: VARIABLE };
        let nothing = |_| None;
        // A basicList of one basicList each, so many levels deep; the innermost is empty.
        let nested = |levels: usize| {
            (1..levels).fold(vec![3, 1, 115, 0, 1], |inner, _| {
                let length = u8::try_from(inner.len()).expect("short");
                [&[3, 1, 35, 255, 255, length][..], &inner].concat()
            })
        };
        assert!(is_sound(&basic, &[], &nothing), "an empty field is no list");
        assert!(is_sound(&basic, &nested(NESTING_LIMIT), &nothing));
        assert!(!is_sound(&basic, &nested(NESTING_LIMIT.saturating_add(1)), &nothing));
        let mut hollow = nested(2);
        hollow.pop();
        assert!(!is_sound(&basic, &hollow, &nothing));
    }
}
