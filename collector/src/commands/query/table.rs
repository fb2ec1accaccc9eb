//! Columns that fit a terminal: names in the place of numbers where there are any, human units, at most [`WIDTH`] characters a line.

use std::collections::HashMap;
use std::io::{self, Write};

use super::told;
use super::units::{duration, scaled};
use crate::query::{Answer, Cell, Kind, Request};

/// Characters of a line.
const WIDTH: usize = 100;
/// Texts are cut to no less than this.
const LEAST_TEXT: usize = 12;
const GAP: usize = 2;
/// Columns that only the other formats have: they would push out what is asked for more often.
const HIDDEN: [&str; 11] = [
    "covered_ms",
    "in_if",
    "out_if",
    "sampling_rate",
    "post_nat_src_addr",
    "post_nat_src_port",
    "post_nat_dst_addr",
    "post_nat_dst_port",
    "time_received",
    "tcp_flags",
    "flags",
];

/// A column as it is printed.
struct Printed {
    head: String,
    is_text: bool,
    /// Whether it may be cut: names may, but half an address is none.
    is_name: bool,
    cells: Vec<String>,
}

/// Prints the rows.
pub(super) fn print(answer: &Answer, request: &Request, out: &mut impl Write) -> io::Result<()> {
    if answer.rows.is_empty() {
        return writeln!(out, "Nothing found for `{}`.", request.question.name());
    }
    let mut columns = columns(answer);
    let left_out = fit(&mut columns);
    let widths: Vec<usize> = columns.iter().map(Printed::width).collect();
    for row in 0..=answer.rows.len() {
        let mut line = String::new();
        for (column, width) in columns.iter().zip(&widths) {
            let text = if row == 0 { &column.head } else { &column.cells[row - 1] };
            let blanks = " ".repeat(width.saturating_sub(text.chars().count()));
            if column.is_text {
                line.extend([text.as_str(), &blanks]);
            } else {
                line.extend([&blanks, text.as_str()]);
            }
            line.push_str(&" ".repeat(GAP));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    if !left_out.is_empty() {
        writeln!(out, "For want of room without {}: see --format json or csv.", left_out.join(", "))?;
    }
    Ok(())
}

/// A text without what a terminal would obey instead of show.
pub(super) fn visible(text: &str) -> String {
    // Characters of direction can make a line read as another one.
    let is_obeyed = |character: char| {
        character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|character| if is_obeyed(character) { '?' } else { character }).collect()
}

/// The columns; a name stands in the place of its number or beside it, a port behind its address.
fn columns(answer: &Answer) -> Vec<Printed> {
    let mut columns: Vec<Printed> = Vec::new();
    // Which end a host was found by shows where its address stands, but after translation.
    let is_hidden = |name: &str| HIDDEN.contains(&name) || name == "matched_by" && told::after_nat(answer) == 0;
    for (index, column) in answer.columns.iter().enumerate().filter(|(_, column)| !is_hidden(column.name)) {
        let cells = answer.rows.iter().map(|row| shown(column.kind, &row[index])).collect();
        let name = column.name;
        let previous = index.checked_sub(1).map_or("", |previous| answer.columns[previous].name);
        let is_port =
            ["src", "dst"].iter().any(|end| name == format!("{end}_port") && previous == format!("{end}_addr"));
        let is_name =
            name.strip_suffix("_name").is_some_and(|of| previous.starts_with(of) || of == "service" || of == "if");
        match columns.last_mut() {
            Some(last) if is_port => last.join(cells, |address, port| match port {
                "0" => address.to_owned(),
                port if address.contains(':') => format!("[{address}]:{port}"),
                port => format!("{address}:{port}"),
            }),
            Some(last) if is_name => {
                let replaces = name == "protocol_name" || name == "exporter_name" && !is_shared(&last.cells, &cells);
                last.is_text = true;
                last.is_name = true;
                last.join(cells, |number, name| match name {
                    "" => number.to_owned(),
                    name if replaces => name.to_owned(),
                    name => format!("{number} {name}"),
                });
            }
            _ => columns.push(Printed {
                head: head(name),
                is_text: is_text(column.kind),
                is_name: column.kind == Kind::Text,
                cells,
            }),
        }
    }
    columns
}

/// Whether a name is that of several addresses, which it cannot stand for then.
fn is_shared(addresses: &[String], names: &[String]) -> bool {
    let mut named: HashMap<&str, &str> = HashMap::new();
    let mut both = addresses.iter().zip(names).filter(|(_, name)| !name.is_empty());
    both.any(|(address, name)| named.insert(name, address).is_some_and(|other| other != address))
}

impl Printed {
    fn width(&self) -> usize {
        self.cells.iter().chain([&self.head]).map(|cell| cell.chars().count()).max().unwrap_or(0)
    }

    fn join(&mut self, others: Vec<String>, joined: impl Fn(&str, &str) -> String) {
        for (cell, other) in self.cells.iter_mut().zip(others) {
            *cell = joined(cell, &other);
        }
    }

    fn cut(&mut self, width: usize) {
        for cell in &mut self.cells {
            if let Some((end, _)) = cell.char_indices().nth(width)
                && let Some((last, _)) = cell.char_indices().nth(width.saturating_sub(1))
            {
                debug_assert!(last < end);
                cell.truncate(last);
                cell.push('…');
            }
        }
    }
}

/// Cuts texts, the longest first, and then leaves out columns from behind, until a line fits. Says which were left out.
fn fit(columns: &mut Vec<Printed>) -> Vec<String> {
    let mut left_out = Vec::new();
    loop {
        let total: usize = columns.iter().map(|column| column.width() + GAP).sum::<usize>().saturating_sub(GAP);
        let Some(excess) = total.checked_sub(WIDTH).filter(|excess| *excess > 0) else { break };
        let texts = columns
            .iter_mut()
            .filter(|column| column.is_name && column.width() > LEAST_TEXT.max(column.head.chars().count()));
        if let Some(widest) = texts.max_by_key(|column| column.width()) {
            let least = LEAST_TEXT.max(widest.head.chars().count());
            // By one half at most, so that another long text gives its part.
            let width = widest.width();
            widest.cut(width.saturating_sub(excess).max(width * 3 / 4).max(least).min(width - 1));
            continue;
        }
        let Some(last) = columns.pop() else { break };
        left_out.insert(0, last.head);
    }
    left_out
}

fn head(name: &str) -> String {
    match name {
        "bits_per_second" => "RATE".to_owned(),
        "exporter_address" => "EXPORTER".to_owned(),
        "src_addr" => "FROM".to_owned(),
        "dst_addr" => "TO".to_owned(),
        "percent" => "SHARE".to_owned(),
        "time_start" => "START".to_owned(),
        "duration_ms" => "LASTED".to_owned(),
        "port_block_start" => "PORTS".to_owned(),
        "port_block_end" => "UP TO".to_owned(),
        name => name
            .replace("_bits_per_second", "")
            .replace("_packets_per_second", " packets")
            .replace('_', " ")
            .to_uppercase(),
    }
}

fn is_text(kind: Kind) -> bool {
    matches!(kind, Kind::Text | Kind::Address | Kind::Time)
}

fn shown(kind: Kind, cell: &Cell) -> String {
    match (kind, cell) {
        (_, Cell::Nothing) => "-".to_owned(),
        (Kind::Bytes, cell) => scaled(cell.as_f64(), "B"),
        (Kind::BitRate, cell) => scaled(cell.as_f64().round(), "bit/s"),
        (Kind::PacketRate, cell) => scaled(cell.as_f64().round(), "/s"),
        (Kind::Percent, cell) => format!("{:.1} %", cell.as_f64()),
        (Kind::Count, Cell::Whole(count)) if *count >= 1_000_000 => scaled(cell.as_f64(), ""),
        (Kind::Duration, Cell::Whole(ms)) => duration(*ms),
        (_, Cell::Whole(number)) => number.to_string(),
        (_, Cell::Real(number)) => format!("{number:.2}"),
        (_, Cell::Address(address)) => address.to_string(),
        (Kind::Time, Cell::Text(time)) => {
            time.replace('T', " ").trim_end_matches('Z').trim_end_matches(".000").to_owned()
        }
        (_, Cell::Text(text)) => visible(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Column, Ends, Grouping, Measure, Question, Span};

    fn printed(columns: &[(&'static str, Kind)], rows: Vec<Vec<Cell>>) -> String {
        let columns = columns.iter().map(|(name, kind)| Column { name, kind: *kind }).collect();
        let answer = Answer { columns, rows, rows_read: 0, seconds: 0.0 };
        let request = Request {
            question: Question::Top(Grouping::Src),
            span: Span { from_ms: 0, to_ms: 1 },
            ends: Ends::Asked,
            filters: Vec::new(),
            measure: Measure::Bytes,
            limit: 1,
            approximate: false,
            implausible: false,
        };
        let mut out = Vec::new();
        print(&answer, &request, &mut out).expect("memory takes it");
        String::from_utf8(out).expect("text")
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn names_stand_with_their_numbers_and_ports_behind_addresses() {
        let columns = [
            ("src_addr", Kind::Address),
            ("src_port", Kind::Number),
            ("protocol", Kind::Number),
            ("protocol_name", Kind::Text),
            ("src_as", Kind::Number),
            ("src_as_name", Kind::Text),
            ("bytes", Kind::Bytes),
        ];
        let address = |text: &str| Cell::Address(text.parse().expect("an address"));
        let found = printed(
            &columns,
            vec![
                vec![
                    address("192.0.2.1"),
                    Cell::Whole(443),
                    Cell::Whole(6),
                    text("TCP"),
                    Cell::Whole(64500),
                    text("Example"),
                    Cell::Whole(1_500),
                ],
                vec![
                    address("2001:db8::1"),
                    Cell::Whole(53),
                    Cell::Whole(99),
                    text(""),
                    Cell::Whole(7),
                    text(""),
                    Cell::Whole(3),
                ],
            ],
        );
        let expected = "FROM              PROTOCOL  SRC AS           BYTES\n\
                        192.0.2.1:443     TCP       64500 Example  1.50 kB\n\
                        [2001:db8::1]:53  99        7                  3 B\n";
        assert_eq!(found, expected);
    }

    #[test]
    fn a_name_stands_for_an_exporter_that_has_it_alone() {
        let columns = [("exporter_address", Kind::Address), ("exporter_name", Kind::Text)];
        let row = |address: &str, name: &str| vec![Cell::Address(address.parse().expect("an address")), text(name)];
        for (rows, expected) in [
            ([("192.0.2.1", "a"), ("192.0.2.2", "b"), ("192.0.2.1", "a")], "EXPORTER\na\nb\na\n"),
            ([("192.0.2.1", ""), ("192.0.2.2", ""), ("192.0.2.3", "c")], "EXPORTER\n192.0.2.1\n192.0.2.2\nc\n"),
            (
                [("192.0.2.1", "a"), ("192.0.2.2", "a"), ("192.0.2.3", "c")],
                "EXPORTER\n192.0.2.1 a\n192.0.2.2 a\n192.0.2.3 c\n",
            ),
        ] {
            let rows = rows.map(|(address, name)| row(address, name)).to_vec();
            assert_eq!(printed(&columns, rows), expected);
        }
    }

    #[test]
    fn no_line_is_too_long_and_nothing_is_obeyed() {
        let columns: Vec<_> =
            ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].map(|name| (name, Kind::Text)).to_vec();
        let long = text(&"é\u{1b}[31m\u{202e}".repeat(40));
        for count in 1..=columns.len() {
            let found = printed(&columns[..count], vec![vec![long.clone(); count]]);
            for line in found.lines() {
                assert!(line.chars().count() <= WIDTH, "{line}");
            }
            assert!(!found.contains(['\u{1b}', '\u{202e}']));
        }
        assert!(printed(&columns, vec![vec![long; 10]]).contains("For want of room without"));
    }

    #[test]
    fn no_rows_are_said() {
        assert_eq!(printed(&[("a", Kind::Text)], Vec::new()), "Nothing found for `top`.\n");
    }
}
