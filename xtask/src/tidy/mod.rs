//! `cargo xtask tidy`: the rules of the source tree that no compiler checks.
//!
//! Which files there are comes from git, so what is ignored is not looked at. What cargo, rustfmt and clippy can check is
//! theirs: this looks at lengths, opening words, where unsafe code is, who imports whom, and what the README promises.

mod imports;
mod lines;
mod manifests;

use std::fmt;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::programs;

/// A file of the tree: its path from the root, and its text.
#[derive(Debug)]
pub struct Source {
    pub path: String,
    pub text: String,
}

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    /// From 1; 0 for the file as a whole.
    pub line: usize,
    pub rule: String,
    pub weight: Weight,
}

/// What a finding does to the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Told, no more.
    Warning,
    /// The tree is not tidy.
    Error,
}

impl Finding {
    fn error(source: &Source, line: usize, rule: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line, rule: rule.into(), weight: Weight::Error }
    }

    fn warning(source: &Source, line: usize, rule: impl Into<String>) -> Self {
        Self { weight: Weight::Warning, ..Self::error(source, line, rule) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match self.weight {
            Weight::Warning => "warning",
            Weight::Error => "error",
        };
        match self.line {
            0 => write!(formatter, "{weight}: {}: {}", self.path, self.rule),
            line => write!(formatter, "{weight}: {}:{line}: {}", self.path, self.rule),
        }
    }
}

/// Checks the tree.
///
/// # Errors
///
/// When a rule is broken, after all findings are shown.
pub fn run() -> Result<()> {
    let sources = sources()?;
    let mut findings: Vec<Finding> = sources.iter().flat_map(check).collect();
    findings.extend(readme(&sources));
    for finding in &findings {
        println!("{finding}");
    }
    let errors = findings.iter().filter(|finding| finding.weight == Weight::Error).count();
    println!("tidy: {} files, {errors} errors, {} warnings", sources.len(), findings.len() - errors);
    if errors > 0 {
        bail!("the tree is not tidy");
    }
    Ok(())
}

fn check(source: &Source) -> Vec<Finding> {
    if source.path.ends_with("Cargo.toml") {
        return manifests::check(source);
    }
    if !source.path.ends_with(".rs") {
        return Vec::new();
    }
    let mut findings = lines::check(source);
    findings.extend(imports::check(source));
    findings
}

/// The two commands that a reader of the README needs.
fn readme(sources: &[Source]) -> Vec<Finding> {
    let Some(readme) = sources.iter().find(|source| source.path == "README.md") else {
        let rule = "is missing".to_owned();
        return vec![Finding { path: "README.md".to_owned(), line: 0, rule, weight: Weight::Error }];
    };
    let commands = ["cargo xtask demo", "cargo xtask test"].into_iter();
    let absent = commands.filter(|command| !readme.text.contains(command));
    absent.map(|command| Finding::error(readme, 0, format!("does not name `{command}`"))).collect()
}

/// Every file that git knows or would take, as far as the rules are about it.
fn sources() -> Result<Vec<Source>> {
    let mut git = Command::new("git");
    git.current_dir(programs::workspace());
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.rs", "*Cargo.toml", "README.md"]);
    let mut sources = Vec::new();
    for path in programs::output(&mut git)?.split('\0').filter(|path| !path.is_empty()) {
        let file = programs::workspace().join(path);
        if !file.exists() {
            // Removed, and the removal not committed yet.
            continue;
        }
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {path}"))?;
        sources.push(Source { path: path.to_owned(), text });
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_names_both_commands() {
        let readme_of = |text: &str| vec![Source { path: "README.md".to_owned(), text: text.to_owned() }];
        assert_eq!(readme(&[]).len(), 1);
        assert_eq!(readme(&readme_of("run `cargo xtask demo`")).len(), 1);
        assert_eq!(readme(&readme_of("run `cargo xtask demo`, then `cargo xtask test`")), Vec::new());
    }

    #[test]
    fn a_finding_reads_as_a_compiler_s() {
        let source = Source { path: "a.rs".to_owned(), text: String::new() };
        assert_eq!(Finding::error(&source, 7, "is wrong").to_string(), "error: a.rs:7: is wrong");
        assert_eq!(Finding::warning(&source, 0, "is long").to_string(), "warning: a.rs: is long");
    }
}
