//! Records of a data set as they came: boundaries, and each field's bytes. The row path; columns are filled elsewhere, from
//! records that are taken apart while their ends are found.

use std::sync::{Arc, Mutex};

use crate::header::Header;
use crate::template::{FieldSpecifier, Kind, Template, VARIABLE};
use crate::totals::Totals;
use crate::wire::variable_at;

/// One data record or options data record.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Header of the message it came in.
    pub header: &'a Header,
    /// Template id; `None` for NetFlow v1, v5 and v7.
    pub template_id: Option<u16>,
    template: &'a Template,
    bytes: &'a [u8],
    sub_templates: SubTemplates<'a>,
}

/// Finds the templates that structured data in a record names (RFC 6313), in the record's own domain.
#[derive(Clone, Copy, Default)]
pub(crate) struct SubTemplates<'a>(pub(crate) Option<&'a (dyn Fn(u16) -> Option<Arc<Template>> + 'a)>);

impl SubTemplates<'_> {
    pub(crate) fn find(&self, id: u16) -> Option<Arc<Template>> {
        self.0?(id)
    }
}

impl std::fmt::Debug for SubTemplates<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SubTemplates").finish_non_exhaustive()
    }
}

/// One field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The field as the template describes it.
    pub specifier: FieldSpecifier,
    /// Whether it is one of the leading scope fields of an options data record.
    pub is_scope: bool,
    /// Its bytes, without the length prefix of a variable-length field.
    pub bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// Data, or options with the number of scope fields.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.template.kind()
    }

    /// The template it was found with.
    #[must_use]
    pub fn template(&self) -> &'a Template {
        self.template
    }

    /// The fields in wire order.
    #[must_use]
    pub fn fields(&self) -> Fields<'a> {
        Fields {
            specifiers: self.template.fields().iter(),
            scope_left: self.template.scope_fields(),
            bytes: self.bytes,
        }
    }

    pub(crate) fn sub_templates(&self) -> SubTemplates<'a> {
        self.sub_templates
    }

    /// All bytes of the record, length prefixes included.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// The fields of one record.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    specifiers: std::slice::Iter<'a, FieldSpecifier>,
    scope_left: usize,
    bytes: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let specifier = *self.specifiers.next()?;
        let (bytes, rest) = split_field(specifier, self.bytes)?;
        self.bytes = rest;
        let is_scope = self.scope_left > 0;
        self.scope_left = self.scope_left.saturating_sub(1);
        Some(Field { specifier, is_scope, bytes })
    }
}

/// The value of the first field of `bytes`, without a length prefix, and what follows it; `None` if it runs past the end.
pub(crate) fn split_field(specifier: FieldSpecifier, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match specifier.length {
        VARIABLE => {
            let (value, end) = variable_at(bytes, 0)?;
            Some((value, bytes.get(end..)?))
        }
        length => bytes.split_at_checked(usize::from(length)),
    }
}

/// The records of one data set, found by the lengths of its template.
#[derive(Debug, Clone)]
pub(crate) struct Records<'a> {
    template: &'a Template,
    set: &'a [u8],
    position: usize,
    is_truncated: bool,
}

impl<'a> Records<'a> {
    pub(crate) fn new(template: &'a Template, set: &'a [u8]) -> Self {
        Self { template, set, position: 0, is_truncated: false }
    }

    /// Whether the last record runs past the end of the set; known when there is no next.
    pub(crate) fn is_truncated(&self) -> bool {
        self.is_truncated
    }

    /// Start and end of the next record in the set.
    pub(crate) fn next_range(&mut self) -> Option<(usize, usize)> {
        let start = self.position;
        let left = self.set.len().saturating_sub(start);
        if self.is_truncated || self.template.is_padding(left) {
            return None;
        }
        let Some(end) = self.template.record_end(self.set, start) else {
            self.is_truncated = true;
            return None;
        };
        self.position = end;
        Some((start, end))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (start, end) = self.next_range()?;
        self.set.get(start..end)
    }
}

/// The bytes of one data set with all that is needed to make sense of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DataSet<'a> {
    pub(crate) header: &'a Header,
    pub(crate) template_id: Option<u16>,
    pub(crate) template: &'a Template,
    /// The set without its header.
    pub(crate) bytes: &'a [u8],
    /// Templates for structured data in its records.
    pub(crate) sub_templates: SubTemplates<'a>,
    /// What the exporter's flows have reported so far, where the template has totals.
    pub(crate) totals: Option<&'a Mutex<Totals>>,
}

impl<'a> DataSet<'a> {
    pub(crate) fn records(&self) -> Records<'a> {
        Records::new(self.template, self.bytes)
    }

    pub(crate) fn record(&self, bytes: &'a [u8]) -> Record<'a> {
        Record {
            header: self.header,
            template_id: self.template_id,
            template: self.template,
            bytes,
            sub_templates: self.sub_templates,
        }
    }
}
