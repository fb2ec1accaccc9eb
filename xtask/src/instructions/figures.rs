//! The committed figures: read, compared, written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::callgrind::Count;
use crate::{machine, programs};

/// A count may differ by so much, upwards and downwards.
pub(super) const TOLERANCE_PERCENT: f64 = 5.0;

/// What the file says.
#[derive(Debug)]
pub(super) struct Figures {
    /// Instructions for one unit, by case.
    pub(super) cases: BTreeMap<String, f64>,
    /// What the counted program was made with.
    pub(super) toolchain: String,
}

/// A case beside its figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As many as the figure says, or nearly.
    Within,
    /// More: it has become slower.
    More,
    /// Fewer: it has become faster, and the figure is stale.
    Fewer,
    /// There is no figure.
    New,
    /// There is a figure and no such case.
    Gone,
}

/// Reads the file.
pub(super) fn read(file: &Path) -> Result<Figures> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("no figures in {}; run: cargo xtask instructions --bless", file.display()))?;
    parse(&text).with_context(|| format!("{} is not a document of figures", file.display()))
}

fn parse(text: &str) -> Option<Figures> {
    let document: Value = serde_json::from_str(text).ok()?;
    let cases = document["cases"].as_object()?.iter();
    let cases = cases.map(|(name, case)| Some((name.clone(), case["instructions"].as_f64()?)));
    Some(Figures { cases: cases.collect::<Option<_>>()?, toolchain: document["toolchain"].as_str()?.to_owned() })
}

/// Every case that was counted or has a figure.
pub(super) fn compare(known: &BTreeMap<String, f64>, counts: &BTreeMap<String, Count>) -> Vec<(String, Verdict)> {
    let names: BTreeSet<&String> = known.keys().chain(counts.keys()).collect();
    let verdict = |name: &String| match (known.get(name), counts.get(name)) {
        (Some(figure), Some(count)) => of_change(percent(*figure, count.instructions)),
        (None, _) => Verdict::New,
        (Some(_), None) => Verdict::Gone,
    };
    names.into_iter().map(|name| (name.clone(), verdict(name))).collect()
}

/// Whether a count is as the figure says, or nearly.
pub(super) fn is_within(figure: f64, now: f64) -> bool {
    of_change(percent(figure, now)) == Verdict::Within
}

fn of_change(percent: f64) -> Verdict {
    if percent > TOLERANCE_PERCENT {
        return Verdict::More;
    }
    if percent < -TOLERANCE_PERCENT { Verdict::Fewer } else { Verdict::Within }
}

fn percent(figure: f64, now: f64) -> f64 {
    (now / figure - 1.0) * 100.0
}

/// A case as it is shown.
pub(super) fn line(name: &str, figure: Option<f64>, count: Option<&Count>, verdict: Verdict) -> String {
    let number = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |number| format!("{number:.1}"));
    let now = count.map(|count| count.instructions);
    let change = figure.zip(now).map_or_else(String::new, |(figure, now)| format!(" {:+.1} %", percent(figure, now)));
    let unit = count.map_or("", |count| &count.unit);
    let word = match verdict {
        Verdict::Within => "",
        Verdict::More => " MORE",
        Verdict::Fewer => " FEWER",
        Verdict::New => " NEW",
        Verdict::Gone => " GONE",
    };
    format!("{name:<36}{:>12}{:>12} a {unit}{change}{word}", number(figure), number(now))
}

/// What is to be done, where a case is not within.
pub(super) fn advice(verdicts: &[(String, Verdict)]) -> String {
    let which = |wanted: Verdict| {
        let names = verdicts.iter().filter(|(_, verdict)| *verdict == wanted).map(|(name, _)| name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let bless = "cargo xtask instructions --bless";
    let texts = [
        (Verdict::More, format!("more instructions than before: mend it, or say why in the commit and run: {bless}")),
        (Verdict::Fewer, format!("fewer instructions than before; keep the gain: {bless}")),
        (Verdict::New, format!("cases without a figure: {bless}")),
        (Verdict::Gone, format!("figures without a case: {bless}")),
    ];
    let told = texts.iter().map(|(verdict, text)| (which(*verdict), text)).filter(|(names, _)| !names.is_empty());
    told.map(|(names, text)| format!("{names}: {text}")).collect::<Vec<_>>().join("; ")
}

/// Writes the file anew.
pub(super) fn write(file: &Path, counts: &BTreeMap<String, Count>) -> Result<()> {
    let rounded = |instructions: f64| (instructions * 10.0).round() / 10.0;
    let case = |(name, count): (&String, &Count)| {
        (name.clone(), json!({ "instructions": rounded(count.instructions), "per": count.unit }))
    };
    let document = json!({
        "what": "instructions for one flow (or what `per` says), counted by callgrind in a warm round",
        "machine": machine::describe(),
        "toolchain": toolchain(),
        "tolerance_percent": TOLERANCE_PERCENT,
        "cases": counts.iter().map(case).collect::<serde_json::Map<_, _>>(),
        "claims": [],
    });
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    std::fs::write(file, format!("{document:#}\n")).with_context(|| format!("cannot write {}", file.display()))
}

/// The compiler and the C library, which both have a part in the counts, and valgrind, which says what the processor can do.
pub(super) fn toolchain() -> String {
    let first_line = |program: &str| {
        let text = programs::output(Command::new(program).arg("--version")).unwrap_or_default();
        text.lines().next().unwrap_or_default().to_owned()
    };
    ["rustc", "ldd", "valgrind"].map(first_line).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(instructions: f64) -> Count {
        Count { instructions, unit: "flow".to_owned() }
    }

    #[test]
    fn counts_are_held_against_figures() {
        let cases = [
            ("the same", Some(200.0), Some(200.0), Verdict::Within),
            ("a little more", Some(200.0), Some(209.9), Verdict::Within),
            ("a little less", Some(200.0), Some(190.1), Verdict::Within),
            ("more", Some(200.0), Some(210.2), Verdict::More),
            ("fewer", Some(200.0), Some(189.8), Verdict::Fewer),
            ("new", None, Some(1.0), Verdict::New),
            ("gone", Some(1.0), None, Verdict::Gone),
        ];
        for (name, figure, now, expected) in cases {
            let known = figure.map(|figure| (name.to_owned(), figure)).into_iter().collect();
            let counts = now.map(|now| (name.to_owned(), counted(now))).into_iter().collect();
            let verdicts = compare(&known, &counts);
            assert_eq!(verdicts, [(name.to_owned(), expected)]);
            let says = advice(&verdicts);
            assert_eq!(says.is_empty(), expected == Verdict::Within, "{says}");
            assert!(says.is_empty() || says.contains("--bless") && says.starts_with(name), "{says}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let file = std::env::temp_dir().join(format!("xtask-figures-{}.json", std::process::id()));
        let counts = [("a".to_owned(), counted(12.34)), ("b".to_owned(), counted(7.0))].into();
        write(&file, &counts).unwrap();
        let figures = read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(figures.cases, [("a".to_owned(), 12.3), ("b".to_owned(), 7.0)].into());
        assert_eq!(figures.toolchain, toolchain());
        assert!(compare(&figures.cases, &counts).iter().all(|(_, verdict)| *verdict == Verdict::Within));
    }

    #[test]
    fn documents_of_another_kind_are_refused() {
        for text in ["", "{}", r#"{"cases": {}}"#, r#"{"cases": {"a": 1}, "toolchain": "rustc"}"#] {
            assert!(parse(text).is_none(), "{text}");
        }
        assert!(parse(r#"{"cases": {"a": {"instructions": 1}}, "toolchain": "rustc"}"#).is_some());
    }
}
