//! What the demo shows: on a terminal it redraws itself, in a pipe it goes on line by line.

use std::io::{self, IsTerminal, Write};

/// Clears the screen and goes to its upper left corner (ECMA-48, ED and CUP).
const CLEAR: &str = "\x1b[2J\x1b[H";
const COLUMN_GAP: &str = "  ";

/// Standard output.
#[derive(Debug)]
pub struct Screen {
    redraws: bool,
}

impl Screen {
    /// Finds out whether standard output is a terminal.
    pub fn new() -> Self {
        Self { redraws: io::stdout().is_terminal() }
    }

    /// Shows `text` in place of what was shown before.
    ///
    /// # Errors
    ///
    /// When nobody reads any more.
    pub fn show(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        if self.redraws {
            stdout.write_all(CLEAR.as_bytes())?;
        }
        writeln!(stdout, "{}", text.trim_end())?;
        if !self.redraws {
            writeln!(stdout)?;
        }
        stdout.flush()
    }
}

/// Aligns cells in columns: the first row is the heading, numbers go to the right.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let is_number = |column: usize| {
        let mut cells = rows.iter().skip(1).filter_map(|row| row.get(column)).peekable();
        cells.peek().is_some()
            && cells.all(|cell| {
                cell.starts_with(|first: char| first.is_ascii_digit())
                    && !cell.contains(':')
                    && cell.matches('.').count() < 2
            })
    };
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let aligned = if is_number(column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
            line.push_str(&aligned);
            line.push_str(COLUMN_GAP);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The cells of tab-separated lines, as ClickHouse answers.
pub fn cells(lines: &str) -> impl Iterator<Item = Vec<String>> {
    lines.lines().map(|line| line.split('\t').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned_to_the_right_and_addresses_to_the_left() {
        let mut rows = vec![vec!["source".to_owned(), "flows".to_owned(), "bytes".to_owned()]];
        rows.extend(cells("198.51.100.1\t7\t1.5 MiB\n2001:db8::1\t1234\t20.0 KiB\n"));
        let expected = "source        flows     bytes\n198.51.100.1      7   1.5 MiB\n2001:db8::1    1234  20.0 KiB\n";
        assert_eq!(table(&rows), expected);
    }
}
