//! Rules about what packages depend on: the decoder on nothing, the tools on nothing of ours.

use super::{Finding, Source};

/// Packages of this workspace, by the names under which a manifest would depend on them.
const OURS: &[&str] = &["collector", "netflow", "collector-ebpf", "xtask", "perf"];

/// Checks one `Cargo.toml`.
pub fn check(source: &Source) -> Vec<Finding> {
    let forbidden: &dyn Fn(&str, &str) -> bool = match source.path.as_str() {
        "collector/netflow/Cargo.toml" => &|section, _| section == "dependencies",
        "xtask/Cargo.toml" | "perf/Cargo.toml" => &|_, name| OURS.contains(&name),
        "collector-ebpf/Cargo.toml" => &|section, name| section == "dependencies" && OURS.contains(&name),
        _ => return Vec::new(),
    };
    let mut section = "";
    let mut findings = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            continue;
        }
        let Some((key, _)) = line.split_once('=') else { continue };
        let name = key.split('.').next().unwrap_or_default().trim();
        if section.ends_with("dependencies") && !line.starts_with('#') && forbidden(section, name) {
            findings.push(Finding::error(source, index + 1, format!("may not depend on {name}")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_dependencies_are_found() {
        let cases: &[(&str, &str, usize)] = &[
            ("collector/netflow/Cargo.toml", "[dependencies]\n\n[dev-dependencies]\nserde_json.workspace = true\n", 0),
            ("collector/netflow/Cargo.toml", "[dependencies]\nserde.workspace = true\n", 1),
            ("perf/Cargo.toml", "[dependencies]\nanyhow = \"1\"\nnetflow.workspace = true\n", 1),
            ("xtask/Cargo.toml", "[package]\nname = \"xtask\"\n[dependencies]\nclap.workspace = true\n", 0),
            ("collector/Cargo.toml", "[dependencies]\nnetflow.workspace = true\n", 0),
        ];
        for (path, text, expected) in cases {
            let source = Source { path: (*path).to_owned(), text: (*text).to_owned() };
            assert_eq!(check(&source).len(), *expected, "{path}: {text}");
        }
    }
}
