//! Templates: what a data set's bytes mean.

use crate::leaf::Leaf;
use crate::list;
use crate::plan::Plan;
use crate::wire::variable_at;

/// A data template or an options template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Describes flow records.
    Data,
    /// Describes options data records; the first `scope_fields` of its fields are the scope.
    Options {
        /// Number of leading scope fields.
        scope_fields: u16,
    },
}

/// One field of a template as it came on the wire (RFC 7011 section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldSpecifier {
    /// Information element id without the enterprise bit; NetFlow v9 has no such bit and uses all 16 for the id.
    pub element: u16,
    /// Private enterprise number; 0 for IANA's elements.
    pub enterprise: u32,
    /// Length in bytes; [`VARIABLE`] for variable-length.
    pub length: u16,
}

/// The length that says "each value brings its own length" (RFC 7011 section 7). H3C sends it in NetFlow v9 too.
pub const VARIABLE: u16 = 0xffff;

/// Most fields a template may have. The largest templates of real exporters have about a hundred.
pub const MAX_FIELDS: usize = 1024;

/// Most fields of length zero a template may have; real exporters send up to three. They cost work in every record and no byte
/// on the wire: with a thousand of them beside one of a byte, a single datagram would have sixty million fields.
pub const MAX_EMPTY_FIELDS: usize = 32;

/// Longest record that fits a UDP datagram behind the shortest message and set header.
pub const MAX_RECORD_LENGTH: usize = 65_507 - 16 - 4;

/// A template with the plan that decodes its data sets. Immutable; shared by workers as `Arc<Template>`.
#[derive(Debug)]
pub struct Template {
    kind: Kind,
    fields: Box<[FieldSpecifier]>,
    /// Lengths of the runs of fixed-length fields before each variable-length one, then of the run after the last.
    runs: Box<[usize]>,
    min_length: usize,
    has_lists: bool,
    plan: Plan,
    /// The loop of each op of the plan that has one.
    leaves: Box<[Option<Leaf>]>,
}

impl Template {
    /// Compiles a template. `version` is that of the protocol: scope fields and some element numbers of NetFlow v9 mean other things.
    #[must_use]
    pub fn new(version: u8, kind: Kind, fields: Box<[FieldSpecifier]>) -> Self {
        let plan = match kind {
            Kind::Data => Plan::new(version, &fields),
            Kind::Options { .. } => Plan::default(),
        };
        Self {
            kind,
            runs: runs(&fields),
            min_length: min_length(fields.iter().copied()),
            has_lists: version == 10 && fields.iter().any(list::is_list),
            leaves: plan.ops.iter().map(Leaf::of).collect(),
            plan,
            fields,
        }
    }

    /// Data or options.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The fields in wire order, scope fields first.
    #[must_use]
    pub fn fields(&self) -> &[FieldSpecifier] {
        &self.fields
    }

    /// Number of leading scope fields; 0 for a data template.
    #[must_use]
    pub fn scope_fields(&self) -> usize {
        match self.kind {
            Kind::Data => 0,
            Kind::Options { scope_fields } => usize::from(scope_fields),
        }
    }

    /// Length in bytes of every record; `None` if it has variable-length fields.
    #[must_use]
    pub fn record_length(&self) -> Option<usize> {
        (self.runs.len() == 1).then_some(self.min_length)
    }

    /// Whether so many bytes at the end of a set are no record: what is shorter than the shortest record is padding (RFC 7011
    /// section 3.3.1), whatever its bytes.
    pub(crate) fn is_padding(&self, left: usize) -> bool {
        left < self.min_length() || left == 0
    }

    /// Length in bytes of the shortest record: variable-length fields count one byte each.
    #[must_use]
    pub fn min_length(&self) -> usize {
        self.min_length
    }

    /// Lengths of the runs of fixed-length fields; a variable-length field stands between two runs.
    pub(crate) fn runs(&self) -> &[usize] {
        &self.runs
    }

    /// Whether there is structured data in its records (RFC 6313).
    pub(crate) fn has_lists(&self) -> bool {
        self.has_lists
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The loops of the plan's ops for records of equal length, in the order of the ops.
    pub(crate) fn leaves(&self) -> &[Option<Leaf>] {
        &self.leaves
    }

    /// The end of the record that starts at `start` of `set`; `None` if it runs past the end.
    pub(crate) fn record_end(&self, set: &[u8], start: usize) -> Option<usize> {
        let (last, before) = self.runs.split_last()?;
        let mut position = start;
        for run in before {
            position = variable_at(set, position.checked_add(*run)?)?.1;
        }
        let end = position.checked_add(*last)?;
        (end <= set.len()).then_some(end)
    }
}

/// Length in bytes of the shortest record with these fields.
pub(crate) fn min_length(fields: impl Iterator<Item = FieldSpecifier>) -> usize {
    fields.fold(0, |sum: usize, field| match field.length {
        VARIABLE => sum.saturating_add(1),
        length => sum.saturating_add(usize::from(length)),
    })
}

fn runs(fields: &[FieldSpecifier]) -> Box<[usize]> {
    fields.split(|field| field.length == VARIABLE).map(|run| min_length(run.iter().copied())).collect()
}
