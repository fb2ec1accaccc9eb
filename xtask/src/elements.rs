//! `cargo xtask elements`: writes the table of information elements that the decoder is compiled with, from the text files
//! beside it; with `--check`, fails when the committed table is not theirs.
//!
//! The text files hold the facts, each with its origin at the top. What an element means to a column is not here.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

/// Arguments of `cargo xtask elements`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Fail when the committed table is not that of the text files; write nothing
    #[arg(long)]
    check: bool,
}

impl Args {
    /// As with `--check`.
    #[must_use]
    pub fn check() -> Self {
        Self { check: true }
    }
}

/// Writes or checks the table.
///
/// # Errors
///
/// When a text file has a line that is no element, or the committed table is another one.
pub fn run(args: &Args) -> Result<()> {
    let folder = folder();
    let path = folder.join("table.inc");
    let table = table(&folder)?;
    if !args.check {
        return fs::write(&path, table).with_context(|| format!("cannot write {}", path.display()));
    }
    let committed = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if committed != table {
        bail!("{} is not the table of the text files beside it; run: cargo xtask elements", path.display());
    }
    Ok(())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../collector/netflow/src/element")
}

/// One line of a text file: numbers that name it, type, unit, name.
struct Line {
    key: Vec<u32>,
    kind: &'static str,
    unit: String,
    name: String,
}

fn table(folder: &Path) -> Result<String> {
    let mut out = "// Written by `cargo xtask elements` from the text files beside it.\n".to_owned();
    let iana = read(&folder.join("iana.tsv"), 1)?;
    write_table(&mut out, "IANA", "u16", &iana);
    out.push_str("static REVERSE_NAMES: &[(u16, &str)] = &[\n");
    for line in &iana {
        let mut letters = line.name.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase()).unwrap_or_default();
        let _ = writeln!(out, "    ({}, \"reverse{first}{}\"),", line.key[0], letters.as_str());
    }
    out.push_str("];\n");
    write_table(&mut out, "VENDORS", "(u32, u16)", &read(&folder.join("vendors.tsv"), 2)?);
    write_table(&mut out, "NETFLOW9", "u16", &read(&folder.join("netflow9.tsv"), 1)?);
    Ok(out)
}

fn write_table(out: &mut String, name: &str, key: &str, lines: &[Line]) {
    let _ = writeln!(out, "static {name}: &[({key}, Element)] = &[");
    for line in lines {
        let key = match line.key.as_slice() {
            [enterprise, id] => format!("({enterprise}, {id})"),
            key => key.iter().map(u32::to_string).collect(),
        };
        let Line { kind, unit, name, .. } = line;
        let _ = writeln!(out, "    ({key}, Element {{ name: \"{name}\", kind: Type::{kind}, unit: \"{unit}\" }}),");
    }
    out.push_str("];\n");
}

/// The elements of a text file, whose first `keys` cells name them. They must ascend, so that they can be searched.
fn read(path: &Path, keys: usize) -> Result<Vec<Line>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut lines: Vec<Line> = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        let at = || format!("{}, line {}: {line}", path.display(), number + 1);
        let line = parse(line, keys).with_context(at)?;
        ensure!(lines.last().is_none_or(|last| last.key < line.key), "not in ascending order: {}", at());
        lines.push(line);
    }
    ensure!(!lines.is_empty(), "{} has no element", path.display());
    Ok(lines)
}

fn parse(line: &str, keys: usize) -> Result<Line> {
    let cells: Vec<&str> = line.split('\t').collect();
    ensure!(cells.len() == keys + 3, "{} cells, expected {}", cells.len(), keys + 3);
    let (key, rest) = cells.split_at(keys);
    let key: Vec<u32> = key.iter().map(|cell| cell.parse()).collect::<Result<_, _>>()?;
    ensure!(key.last().is_some_and(|id| u16::try_from(*id).is_ok()), "an id has 16 bits");
    let is_plain = |cell: &str| {
        !cell.is_empty() && cell.chars().all(|letter| letter.is_ascii_graphic() && letter != '"' && letter != '\\')
    };
    ensure!(is_plain(rest[1]) && is_plain(rest[2]), "unit and name are plain words");
    let unit = rest[1].trim_start_matches('-').to_owned();
    Ok(Line { key, kind: kind(rest[0])?, unit, name: rest[2].to_owned() })
}

/// The decoder's name of a type.
fn kind(label: &str) -> Result<&'static str> {
    Ok(match label {
        "u8" | "u16" | "u32" | "u64" => "Unsigned",
        "i8" | "i16" | "i32" | "i64" => "Signed",
        "f32" | "f64" => "Float",
        "bool" => "Boolean",
        "string" => "String",
        "bytes" => "OctetArray",
        "ipv4" => "Ipv4Address",
        "ipv6" => "Ipv6Address",
        "mac" => "MacAddress",
        "s" => "DateTimeSeconds",
        "ms" => "DateTimeMilliseconds",
        "us" => "DateTimeMicroseconds",
        "ns" => "DateTimeNanoseconds",
        "list" => "List",
        _ => bail!("no such type: {label}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_table_is_that_of_the_text_files() {
        run(&Args::check()).expect("it is up to date");
    }

    #[test]
    fn lines_that_are_no_elements() {
        let check = |line: &str, keys: usize, why: &str| {
            let error = parse(line, keys).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(why), "{line}: {error}");
        };
        check("1\tu64\toctets", 1, "3 cells");
        check("70000\tu64\t-\ta", 1, "16 bits");
        check("1\tu65\t-\ta", 1, "no such type");
        check("1\tu64\t-\ta\"", 1, "plain words");
        check("9\tx\tu64\t-\ta", 2, "invalid digit");
        let line = parse("9\t1\tu64\toctets\tname", 2).expect("an element");
        assert_eq!((line.key, line.kind, &*line.unit, &*line.name), (vec![9, 1], "Unsigned", "octets", "name"));
    }
}
