//! Rules about the lines of one Rust file: how many, how they open, unfinished work, unsafe code out of place.

use super::{Finding, Source};

/// Above this a file is more than one noun.
const MOST_LINES: usize = 500;
/// Above this it is about to be.
const MANY_LINES: usize = 400;

/// Where unsafe code may be: a folder when it ends in a slash. Tests bring what they need with a reason of their own.
const UNSAFE_PLACES: &[&str] = &[
    "collector/netflow/src/ahead.rs",
    "collector/src/xsk/",
    "collector/src/journal/",
    "collector/src/store/libchdb.rs",
    "collector/src/store/libchdb/",
    "collector-ebpf/src/main.rs",
    "perf/src/transmit/raw.rs",
];

/// Words of work that was put off. Split, so that this file does not find itself.
const UNFINISHED: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("un", "implemented!"), concat!("to", "do!")];

/// Checks one Rust file.
pub fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let count = source.text.lines().count();
    if count > MOST_LINES {
        findings.push(Finding::error(source, 0, format!("{count} lines; a file has at most {MOST_LINES}")));
    } else if count > MANY_LINES {
        findings.push(Finding::warning(source, 0, format!("{count} lines; time to split it before {MOST_LINES}")));
    }
    if !source.text.starts_with("//!") {
        findings.push(Finding::error(source, 1, "does not open with `//!`: what it is responsible for, and what not"));
    }
    let may_be_unsafe = may_be_unsafe(&source.path);
    for (index, line) in source.text.lines().enumerate() {
        if let Some(word) = UNFINISHED.iter().find(|word| has_word(line, word)) {
            findings.push(Finding::error(source, index + 1, format!("unfinished: {word}")));
        }
        if !may_be_unsafe && has_word(code_of(line), "unsafe") {
            findings.push(Finding::error(source, index + 1, "unsafe code has no place here"));
        }
    }
    findings
}

fn may_be_unsafe(path: &str) -> bool {
    path.split('/').any(|part| part == "tests")
        || UNSAFE_PLACES.iter().any(|place| if place.ends_with('/') { path.starts_with(place) } else { path == *place })
}

/// A line without its comment and without its strings, as far as one line can tell.
pub fn code_of(line: &str) -> &str {
    let end = line.find("//").or_else(|| line.find('"')).unwrap_or(line.len());
    let end = line.find('"').map_or(end, |quote| quote.min(end));
    line.get(..end).unwrap_or(line)
}

/// Whether `word` stands in `line` with no letter, digit or underscore beside it.
fn has_word(line: &str, word: &str) -> bool {
    let part_of_name = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(part_of_name) && !after.is_some_and(part_of_name)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Weight;
    use super::*;

    #[test]
    fn each_rule_finds_what_it_is_for() {
        let long = |lines: usize| format!("//! Long.\n{}", "\n".repeat(lines - 1));
        let unfinished = format!("//! A.\n// {}: later\n", concat!("TO", "DO"));
        type Case = (&'static str, String, &'static [(usize, Weight)]);
        let cases: &[Case] = &[
            ("xtask/src/a.rs", "//! Good.\n".to_owned(), &[]),
            ("xtask/src/a.rs", "fn main() {}\n".to_owned(), &[(1, Weight::Error)]),
            ("xtask/src/a.rs", long(400), &[]),
            ("xtask/src/a.rs", long(401), &[(0, Weight::Warning)]),
            ("xtask/src/a.rs", long(500), &[(0, Weight::Warning)]),
            ("xtask/src/a.rs", long(501), &[(0, Weight::Error)]),
            ("xtask/src/a.rs", unfinished, &[(2, Weight::Error)]),
            ("collector/src/udp.rs", "//! A.\nlet a = unsafe { b() };\n".to_owned(), &[(2, Weight::Error)]),
            ("collector/src/udp.rs", "//! A.\n#![forbid(unsafe_code)] // unsafe\n".to_owned(), &[]),
            ("collector/src/udp.rs", "//! A.\nlet a = \"unsafe\";\n".to_owned(), &[]),
            ("collector/src/xsk/ring.rs", "//! A.\nlet a = unsafe { b() };\n".to_owned(), &[]),
            ("collector/tests/a/b.rs", "//! A.\nlet a = unsafe { b() };\n".to_owned(), &[]),
        ];
        for (path, text, expected) in cases {
            let source = Source { path: (*path).to_owned(), text: text.clone() };
            let found: Vec<(usize, Weight)> =
                check(&source).iter().map(|finding| (finding.line, finding.weight)).collect();
            assert_eq!(&found, expected, "{path}: {text:.60}");
        }
    }

    #[test]
    fn words_are_whole() {
        let cases = [("unsafe {", true), ("unsafe_code", false), ("(unsafe)", true), ("an_unsafe", false), ("", false)];
        for (line, expected) in cases {
            assert_eq!(has_word(line, "unsafe"), expected, "{line}");
        }
    }
}
