//! `perf table`: the claims of results as a table in Markdown, and the README that has it.
//!
//! A result is a JSON document; each object of its array `claims` becomes a row, and what is claimed and whether it is met is decided where
//! it was measured. Results of measurements that only have figures get their words here.

/// Rows for results without claims.
mod derived;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Between these lines of a file stands the table.
const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// What `perf table` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Results, in the order of the table.
    #[arg(required = true, value_name = "RESULT.json")]
    results: Vec<PathBuf>,
    /// Put the table into this file, between the lines `<!-- bench:begin -->` and `<!-- bench:end -->`, instead of printing it.
    #[arg(long, value_name = "README.md")]
    update: Option<PathBuf>,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    claim: String,
    target: String,
    measured: String,
    is_met: Option<bool>,
    /// Where the measurement is, as a link in the table.
    result: String,
}

/// What a result says of the machine that it was measured on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Machine {
    text: String,
    result: String,
}

/// Prints the table, or puts it where it belongs.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (mut claims, mut machines) = (Vec::new(), Vec::new());
    for path in &arguments.results {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let document: Value = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))?;
        let result = link(path, arguments.update.as_deref())?;
        let claimed = claims_of(&document, &result).with_context(|| format!("{}", path.display()))?;
        // Of a result that claims nothing the table does not tell.
        machines.extend(machine_of(&document, &result).filter(|_| !claimed.is_empty()));
        claims.extend(claimed);
    }
    ensure!(!claims.is_empty(), "none of the results claims anything");
    let table = render(&claims, &machines);
    let Some(file) = &arguments.update else {
        print!("{table}");
        return Ok(());
    };
    let before = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let after = replace(&before, &table).with_context(|| format!("{} stays as it is", file.display()))?;
    std::fs::write(file, after).with_context(|| format!("cannot write {}", file.display()))
}

/// Where a result is, seen from the directory of the file that links to it.
fn link(result: &Path, file: Option<&Path>) -> Result<String> {
    let whole = |path: &Path| path.canonicalize().with_context(|| format!("there is no {}", path.display()));
    let Some(directory) = file.map(whole).transpose()?.and_then(|file| file.parent().map(Path::to_owned)) else {
        return Ok(result.display().to_string());
    };
    let absolute = whole(result)?;
    Ok(absolute.strip_prefix(&directory).unwrap_or(&absolute).display().to_string())
}

fn claims_of(document: &Value, result: &str) -> Result<Vec<Claim>> {
    let Some(claims) = document["claims"].as_array() else {
        return Ok(derived::claims_of(document, result));
    };
    let read = |claim: &Value| {
        let text = |name: &str| claim[name].as_str().map(str::to_owned);
        let (claimed, target, measured) = (text("claim"), text("target"), text("measured"));
        Some(Claim {
            claim: claimed?,
            target: target.unwrap_or_default(),
            measured: measured?,
            is_met: claim["met"].as_bool(),
            result: result.to_owned(),
        })
    };
    claims.iter().map(|claim| read(claim).with_context(|| format!("it has a claim without words: {claim}"))).collect()
}

fn machine_of(document: &Value, result: &str) -> Option<Machine> {
    let machine = &document["machine"];
    let processors = machine["processors"].as_u64()?;
    let (processor, kernel) = (machine["processor"].as_str()?, machine["kernel"].as_str()?);
    let load = machine["load_average"].as_str().and_then(|load| load.split(' ').next()).unwrap_or("unknown");
    let text = format!("{processors} cores of {processor}, kernel {kernel}, load {load} at the start");
    Some(Machine { text, result: result.to_owned() })
}

fn render(claims: &[Claim], machines: &[Machine]) -> String {
    let mut text = String::from("| what | target | measured | met | result |\n| --- | --- | --- | --- | --- |\n");
    for Claim { claim, target, measured, is_met, result } in claims {
        let met = match is_met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        let name = Path::new(result).file_stem().unwrap_or_default().to_string_lossy();
        let [claim, target, measured] = [claim, target, measured].map(|cell| escaped(cell));
        let _ = writeln!(text, "| {claim} | {target} | {measured} | {met} | [{name}]({result}) |");
    }
    // Results of one machine under one load, as of one run of all, need one line.
    let mut told: Vec<(&str, Vec<String>)> = Vec::new();
    for machine in machines {
        let name = Path::new(&machine.result).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match told.iter_mut().find(|(text, _)| *text == machine.text) {
            Some((_, names)) => names.push(name),
            None => told.push((&machine.text, vec![name])),
        }
    }
    for (number, (machine, names)) in told.iter().enumerate() {
        let start = if number == 0 { "\n" } else { "" };
        let _ = writeln!(text, "{start}- {}: {machine}", names.join(", "));
    }
    text
}

/// A text that stays in its cell.
fn escaped(cell: &str) -> String {
    cell.replace('|', "\\|").replace('\n', " ")
}

/// The file with the table in its place, whatever stood there.
fn replace(file: &str, table: &str) -> Result<String> {
    let (head, rest) = file.split_once(BEGIN).with_context(|| format!("it has no line {BEGIN}"))?;
    let (_, tail) = rest.split_once(END).with_context(|| format!("it has no line {END} after {BEGIN}"))?;
    ensure!(!tail.contains(BEGIN), "it has the line {BEGIN} twice");
    Ok(format!("{head}{BEGIN}\n{table}{END}{tail}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "machine": {
                "processor": "A | B", "processors": 2, "kernel": "6.18", "load_average": "0.10 0.2 0.3 1/2 3",
            },
            "claims": [
                { "claim": "flows per core", "target": "10 times", "measured": "11 | 12", "met": true },
                { "claim": "loss", "target": "none", "measured": "3", "met": false },
                { "claim": "aside", "measured": "5 ns" },
            ],
        })
    }

    #[test]
    fn every_claim_is_a_row() {
        let claims = claims_of(&document(), "results/peers.json").expect("they have words");
        let machines: Vec<Machine> = ["results/peers.json", "results/curve.json"]
            .iter()
            .filter_map(|result| machine_of(&document(), result))
            .collect();
        let expected = "| what | target | measured | met | result |\n| --- | --- | --- | --- | --- |\n\
            | flows per core | 10 times | 11 \\| 12 | yes | [peers](results/peers.json) |\n\
            | loss | none | 3 | **no** | [peers](results/peers.json) |\n\
            | aside |  | 5 ns |  | [peers](results/peers.json) |\n\
            \n- peers, curve: 2 cores of A | B, kernel 6.18, load 0.10 at the start\n";
        assert_eq!(render(&claims, &machines), expected);
    }

    #[test]
    fn a_claim_without_words_is_refused_and_none_is_none() {
        let check = |document: Value, expected: Option<usize>| {
            assert_eq!(claims_of(&document, "x.json").ok().map(|claims| claims.len()), expected, "{document}");
        };
        check(json!({}), Some(0));
        check(json!({ "claims": [] }), Some(0));
        check(json!({ "claims": [{ "claim": "a" }] }), None);
        check(json!({ "claims": ["a"] }), None);
        check(json!([]), Some(0));
    }

    #[test]
    fn the_table_takes_the_place_of_the_one_before() {
        let check = |file: &str, expected: Option<&str>| {
            assert_eq!(replace(file, "| a |\n").ok().as_deref(), expected, "{file}");
        };
        let with = |middle: &str| format!("# Top\n\n{BEGIN}{middle}{END}\n\nbelow\n");
        let expected = with("\n| a |\n");
        check(&with(""), Some(&expected));
        check(&with("\n| old |\n| older |\n"), Some(&expected));
        check(&expected, Some(&expected));
        check("# Top\n", None);
        check(&format!("{END}\n{BEGIN}\n"), None);
        check(&format!("{BEGIN}\n{END}\n{BEGIN}\n{END}\n"), None);
    }

    #[test]
    fn links_are_seen_from_the_file() {
        let directory = std::env::temp_dir().join(format!("perf-table-{}", std::process::id()));
        let (result, readme) = (directory.join("perf/results/peers.json"), directory.join("README.md"));
        std::fs::create_dir_all(result.parent().expect("it has one")).expect("a directory");
        std::fs::write(&result, document().to_string()).expect("a file");
        std::fs::write(&readme, format!("{BEGIN}\n{END}\n")).expect("a file");
        run(&Arguments { results: vec![result], update: Some(readme.clone()) }).expect("it is updated");
        let text = std::fs::read_to_string(&readme).expect("a file");
        std::fs::remove_dir_all(&directory).expect("it is there");
        assert!(text.contains("[peers](perf/results/peers.json)"), "{text}");
    }
}
