//! Templates: what a data set's bytes mean.

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
    /// Information element id without the enterprise bit.
    pub element: u16,
    /// Private enterprise number; 0 for IANA's elements.
    pub enterprise: u32,
    /// Length in bytes; [`VARIABLE`] for variable-length.
    pub length: u16,
}

/// The length that says "each value brings its own length" (RFC 7011 section 7).
pub const VARIABLE: u16 = 0xffff;

/// A template with the plan that decodes its data sets. Immutable; shared by workers as `Arc<Template>`.
#[derive(Debug)]
pub struct Template {
    kind: Kind,
    fields: Box<[FieldSpecifier]>,
}

impl Template {
    /// Compiles a template. `version` is 5, 9 or 10: scope fields and some element numbers of NetFlow v9 mean other things.
    #[must_use]
    pub fn new(version: u8, kind: Kind, fields: Box<[FieldSpecifier]>) -> Self {
        let _ = version;
        Self { kind, fields }
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
}
