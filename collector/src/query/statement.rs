//! SQL with its parameters and the columns of its answer. Values are parameters that the server puts in (`{name:Type}`); no text
//! of anybody's is ever part of the SQL.

use std::fmt::{Display, Write as _};

/// A statement, ready to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The text, with `{name:Type}` where values belong.
    pub sql: String,
    /// The values.
    pub parameters: Vec<Parameter>,
    /// What comes back, in order.
    pub columns: Vec<Column>,
}

/// A value that the server puts into the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name; ClickHouse takes it as `param_` and this name.
    pub name: String,
    /// ClickHouse's name of its type.
    pub kind: &'static str,
    /// The value as text, as it is.
    pub value: String,
}

impl Parameter {
    /// The value as ClickHouse reads parameters: as a field of TSV, in which backslashes begin escapes and tabs and line ends end it.
    #[must_use]
    pub fn escaped(&self) -> String {
        let mut text = String::with_capacity(self.value.len());
        for character in self.value.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '\t' => text.push_str("\\t"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\0' => text.push_str("\\0"),
                other => text.push(other),
            }
        }
        text
    }
}

/// A column of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name: in the SQL, in JSON and in CSV.
    pub name: &'static str,
    /// What is in it.
    pub kind: Kind,
}

/// What is in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An IP address.
    Address,
    /// A number that names something: an AS, a port, an ifIndex, a protocol.
    Number,
    /// How many.
    Count,
    /// How many octets.
    Bytes,
    /// Bits per second.
    BitRate,
    /// Packets per second.
    PacketRate,
    /// Per cent.
    Percent,
    /// Milliseconds that something lasted.
    Duration,
    /// Any text.
    Text,
    /// A point in time, ISO 8601 in UTC.
    Time,
}

/// Values on their way into a statement.
#[derive(Debug, Default)]
pub(super) struct Parameters(pub(super) Vec<Parameter>);

impl Parameters {
    /// Adds a value; returns what stands for it in the SQL. A name that is taken for another value gets a number.
    pub(super) fn put(&mut self, name: &str, kind: &'static str, value: impl Display) -> String {
        let value = value.to_string();
        let mut free = name.to_owned();
        let mut number = 1;
        while let Some(taken) = self.0.iter().find(|parameter| parameter.name == free) {
            if taken.kind == kind && taken.value == value {
                return format!("{{{free}:{kind}}}");
            }
            number += 1;
            free.truncate(name.len());
            let _ = write!(free, "_{number}");
        }
        let placeholder = format!("{{{free}:{kind}}}");
        self.0.push(Parameter { name: free, kind, value });
        placeholder
    }
}

/// A moment as ClickHouse reads parameters of the type `DateTime64(3, 'UTC')`: seconds since 1970 with three decimals.
pub(super) fn seconds(ms: i64) -> String {
    let ms = ms.max(0);
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// A moment as ClickHouse reads parameters of the type `DateTime('UTC')`: ten digits of seconds since 1970, the nearest that 32 bits
/// have. With fewer digits it takes them for a date.
pub(super) fn whole_seconds(ms: i64) -> String {
    format!("{:010}", (ms / 1000).clamp(0, u32::MAX.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_taken_get_a_number() {
        let mut parameters = Parameters::default();
        assert_eq!(parameters.put("as", "UInt32", 1), "{as:UInt32}");
        assert_eq!(parameters.put("as", "UInt32", 2), "{as_2:UInt32}");
        assert_eq!(parameters.put("as", "UInt32", 3), "{as_3:UInt32}");
        assert_eq!(parameters.put("as", "UInt32", 2), "{as_2:UInt32}");
        assert_eq!(parameters.0.len(), 3);
    }

    #[test]
    fn whole_seconds_have_ten_digits() {
        for (ms, text) in
            [(-1_000, "0000000000"), (1_999, "0000000001"), (1_772_600_400_000, "1772600400"), (i64::MAX, "4294967295")]
        {
            assert_eq!(whole_seconds(ms), text);
        }
    }

    #[test]
    fn values_are_escaped_as_fields_of_tsv() {
        for (value, escaped) in [
            ("plain 'x'", "plain 'x'"),
            ("a\\b", "a\\\\b"),
            ("\t\n\r\0", "\\t\\n\\r\\0"),
            ("é{x:String}", "é{x:String}"),
        ] {
            let parameter = Parameter { name: "x".to_owned(), kind: "String", value: value.to_owned() };
            assert_eq!(parameter.escaped(), escaped);
        }
    }
}
