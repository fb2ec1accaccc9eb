//! What came back: rows of typed cells, read from ClickHouse's `JSONCompact`.

use std::net::{IpAddr, Ipv6Addr};

use serde_json::Value;

use super::statement::{Column, Kind};

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What is in a row.
    pub columns: Vec<Column>,
    /// The rows, each with a cell for each column.
    pub rows: Vec<Vec<Cell>>,
    /// Rows that ClickHouse read for it.
    pub rows_read: u64,
    /// Seconds that it took there.
    pub seconds: f64,
}

/// What is in one column of one row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing known.
    Nothing,
    /// A whole number.
    Whole(u64),
    /// A number with a fraction.
    Real(f64),
    /// An address; IPv4 ones as such.
    Address(IpAddr),
    /// A text, or a time in ISO 8601.
    Text(String),
}

impl Answer {
    /// Reads an answer with these columns; `None` where it is not one.
    pub(super) fn read(columns: &[Column], bytes: &[u8]) -> Option<Self> {
        let answer: Value = serde_json::from_slice(bytes).ok()?;
        let names = answer.get("meta")?.as_array()?.iter().map(|column| column.get("name")?.as_str());
        if !names.eq(columns.iter().map(|column| Some(column.name))) {
            return None;
        }
        let rows = answer.get("data")?.as_array()?.iter();
        let rows = rows.map(|row| {
            let cells = row.as_array()?.iter().zip(columns);
            cells.map(|(value, column)| Cell::read(column.kind, value)).collect::<Option<Vec<_>>>()
        });
        let statistics = answer.get("statistics");
        let statistic = |name: &str| statistics.and_then(|statistics| statistics.get(name));
        Some(Self {
            columns: columns.to_vec(),
            rows: rows.collect::<Option<_>>()?,
            rows_read: statistic("rows_read").and_then(Value::as_u64).unwrap_or(0),
            seconds: statistic("elapsed").and_then(Value::as_f64).unwrap_or(0.0),
        })
    }

    /// The column of this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

impl Cell {
    fn read(kind: Kind, value: &Value) -> Option<Self> {
        if value.is_null() {
            return Some(Self::Nothing);
        }
        match kind {
            Kind::Address => {
                let address: Ipv6Addr = value.as_str()?.parse().ok()?;
                Some(Self::Address(IpAddr::V6(address).to_canonical()))
            }
            Kind::Text | Kind::Time => Some(Self::Text(value.as_str()?.to_owned())),
            // Numbers of 64 bits come as texts unless the server was asked otherwise.
            Kind::Number | Kind::Count | Kind::Bytes => {
                value.as_u64().or_else(|| value.as_str()?.parse().ok()).map(Self::Whole)
            }
            Kind::Duration => {
                let ms = value.as_i64().or_else(|| value.as_str()?.parse().ok())?;
                Some(Self::Whole(ms.max(0).unsigned_abs()))
            }
            Kind::BitRate | Kind::PacketRate | Kind::Percent => value.as_f64().map(Self::Real),
        }
    }

    /// As a number; nothing is 0.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        match self {
            Self::Whole(number) => *number as f64,
            Self::Real(number) => *number,
            Self::Nothing | Self::Address(_) | Self::Text(_) => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { name: "a", kind: Kind::Address },
        Column { name: "n", kind: Kind::Bytes },
        Column { name: "t", kind: Kind::Text },
    ];

    #[test]
    fn rows_are_read_by_their_columns() {
        let answer = |data: &str| {
            let text = format!(
                r#"{{"meta":[{{"name":"a"}},{{"name":"n"}},{{"name":"t"}}],"data":[{data}],"statistics":{{"elapsed":0.5,"rows_read":7}}}}"#
            );
            Answer::read(&COLUMNS, text.as_bytes())
        };
        let found = answer(r#"["::ffff:192.0.2.1", 18446744073709551615, "x"], ["2001:db8::1", "3", null]"#)
            .expect("an answer");
        assert_eq!((found.rows_read, found.seconds), (7, 0.5));
        assert_eq!(
            found.rows[0],
            [Cell::Address([192, 0, 2, 1].into()), Cell::Whole(u64::MAX), Cell::Text("x".to_owned())]
        );
        assert_eq!(found.rows[1][1..], [Cell::Whole(3), Cell::Nothing]);
        assert_eq!(answer(r#"["nowhere", 1, "x"]"#), None);
        assert_eq!(answer(r#"["::", "many", "x"]"#), None);
        assert_eq!(Answer::read(&COLUMNS[..2], br#"{"meta":[{"name":"b"}],"data":[]}"#), None);
        assert_eq!(Answer::read(&COLUMNS, b"Code: 60"), None);
    }
}
