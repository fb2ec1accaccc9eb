//! Who may import whom inside the collector: the data path knows neither its supervisor nor the database.
//!
//! Tests are left out, in files of their own and below `#[cfg(test)]`: they may use whatever shows the thing at work.

use super::lines::code_of;
use super::{Finding, Source};

const ROOT: &str = "collector/src/";

/// What each part of the collector may import. A part that is not listed may import any.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("metrics", &[]),
    ("xsk", &[]),
    ("journal", &[]),
    ("pcap", &[]),
    ("unpack", &[]),
    ("slots", &[]),
    ("utc", &[]),
    ("batch", &["metrics", "utc"]),
    ("udp", &["metrics"]),
    ("prefix", &[]),
    ("front_door", &["metrics", "prefix"]),
    ("steering", &["front_door", "metrics", "prefix"]),
    ("templates", &["metrics", "slots"]),
    ("enrich", &["batch", "metrics", "prefix"]),
    ("rollup", &["batch", "metrics"]),
    ("sql_tokens", &[]),
    ("clickhouse", &["batch", "metrics", "sql_tokens"]),
    ("store", &["metrics", "sql_tokens", "unpack"]),
    ("query", &["clickhouse", "prefix", "rollup"]),
    ("dictionaries", &["clickhouse", "enrich", "prefix"]),
    ("repair", &["batch", "clickhouse", "enrich", "journal", "prefix", "rollup", "templates", "utc"]),
    ("console", &["clickhouse", "metrics", "templates"]),
    ("ledger", &["batch", "metrics"]),
    ("exporters", &["batch", "enrich", "front_door", "ledger", "metrics", "slots"]),
    (
        "worker",
        &[
            "exporters",
            "ledger",
            "batch",
            "enrich",
            "front_door",
            "journal",
            "metrics",
            "pcap",
            "rollup",
            "steering",
            "templates",
            "udp",
            "utc",
            "xsk",
        ],
    ),
    // The configuration is read into the small settings of each part, never into the supervisor.
    (
        "config",
        &[
            "batch",
            "clickhouse",
            "console",
            "dictionaries",
            "enrich",
            "front_door",
            "journal",
            "prefix",
            "rollup",
            "steering",
            "store",
            "templates",
            "udp",
            "worker",
            "xsk",
        ],
    ),
];

/// Checks the imports of one Rust file.
pub fn check(source: &Source) -> Vec<Finding> {
    let Some(path) = source.path.strip_prefix(ROOT) else { return Vec::new() };
    if path.ends_with("tests.rs") || path.split('/').any(|part| part == "tests") {
        return Vec::new();
    }
    let part = path.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == part) else { return Vec::new() };
    imported(&source.text, &super_path(path))
        .into_iter()
        .filter(|(_, name)| name != part && !allowed.contains(&name.as_str()))
        .map(|(line, name)| Finding::error(source, line, format!("{part} may not import {name}")))
        .collect()
}

/// The `super::` chain that leads from the file to the crate's root.
fn super_path(path: &str) -> String {
    let inner = path.trim_end_matches(".rs").trim_end_matches("/mod");
    "super::".repeat(inner.split('/').count())
}

/// The crate's modules that a text names, with the lines.
fn imported(text: &str, super_path: &str) -> Vec<(usize, String)> {
    let product = text.split_once("#[cfg(test)]").map_or(text, |(product, _)| product);
    let code: Vec<&str> = product.lines().map(code_of).collect();
    let mut found = Vec::new();
    for (index, line) in code.iter().enumerate() {
        for prefix in ["crate::", super_path] {
            for (at, _) in line.match_indices(prefix) {
                let before = line.get(..at).and_then(|text| text.chars().next_back());
                if before.is_some_and(|character| character.is_alphanumeric() || matches!(character, '_' | ':')) {
                    continue;
                }
                let first = line.get(at + prefix.len()..).unwrap_or_default();
                let rest = code.iter().skip(index + 1).fold(first.to_owned(), |text, line| text + "\n" + line);
                found.extend(first_names(&rest).into_iter().map(|name| (index + 1, name)));
            }
        }
    }
    found
}

/// The first name of each path that follows: one, or several in braces. Only modules, whose names are in lower case.
fn first_names(rest: &str) -> Vec<String> {
    let is_name = |character: &char| character.is_ascii_lowercase() || character.is_ascii_digit() || *character == '_';
    let name_of = |path: &str| -> String { path.trim_start().chars().take_while(is_name).collect() };
    let Some(group) = rest.strip_prefix('{') else { return named(name_of(rest)) };
    let mut depth = 0;
    let mut names = Vec::new();
    let mut start = 0;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.extend(named(name_of(group.get(start..at).unwrap_or_default())));
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

fn named(name: String) -> Vec<String> {
    if name.is_empty() { Vec::new() } else { vec![name] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_imports_are_found_in_every_form() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("metrics/mod.rs", "use crate::worker::Worker;", &["metrics may not import worker"]),
            (
                "clickhouse/insert.rs",
                "use crate::{batch::Block, metrics, worker};",
                &["clickhouse may not import worker"],
            ),
            (
                "clickhouse/insert.rs",
                "use crate::{\n    batch::{Block, Pool},\n    worker::{self, Worker},\n};",
                &["clickhouse may not import worker"],
            ),
            ("xsk/ring.rs", "fn a(counter: &crate::metrics::Counter) {}", &["xsk may not import metrics"]),
            ("udp.rs", "use super::config::Settings;", &["udp may not import config"]),
            ("xsk/mod.rs", "use super::worker;", &["xsk may not import worker"]),
            ("xsk/ring.rs", "use super::memory;\nuse super::super::worker;", &["xsk may not import worker"]),
            ("xsk/ring.rs", "use crate::xsk::memory;", &[]),
            ("xsk/ring.rs", "use some_crate::worker;", &[]),
            ("xsk/ring.rs", "// Unlike crate::worker this never waits.", &[]),
            ("xsk/ring.rs", "#[cfg(test)]\nmod tests {\n    use crate::worker;\n}", &[]),
            ("xsk/ring_tests.rs", "use crate::worker;", &[]),
            ("supervisor.rs", "use crate::worker;", &[]),
            ("worker/mod.rs", "use crate::clickhouse::Writer;", &["worker may not import clickhouse"]),
        ];
        for (path, text, expected) in cases {
            let source = Source { path: format!("{ROOT}{path}"), text: (*text).to_owned() };
            let found: Vec<String> = check(&source).into_iter().map(|finding| finding.rule).collect();
            assert_eq!(&found, expected, "{path}: {text}");
        }
    }
}
