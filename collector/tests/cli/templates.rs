//! `collector templates`: what a snapshot holds, printed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use collector::templates::{Settings, Templates};
use netflow::store::{DomainKey, Store as _, TemplateKey};
use netflow::template::{FieldSpecifier, Kind};
use netflow::{Template, columns::Address};

use crate::{TemporaryFile, run, stderr, stdout};

const EXPORTER: Address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7];

/// A state directory with a snapshot of one template; it goes away with this value.
struct StateDirectory(PathBuf);

impl StateDirectory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("collector-templates-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).expect("the temporary directory is writable");
        let templates = Templates::new(Settings::default());
        let fields = [(8, 0, 4), (12, 0, 4), (1, 29_305, 8), (40, 6871, 2), (500, 65_000, 4)];
        let fields = fields.map(|(element, enterprise, length)| FieldSpecifier { element, enterprise, length });
        let domain = DomainKey { exporter: EXPORTER, version: 10, domain: 33 };
        let template = Template::new(10, Kind::Data, Box::new(fields));
        templates.cache().learn(TemplateKey { domain, id: 256 }, Arc::new(template));
        templates.save(&path.join("templates.snapshot"), 1_700_000_000).expect("the directory is writable");
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for StateDirectory {
    fn drop(&mut self) {
        // What is gone already is as good.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_snapshot_is_printed_with_names() {
    let state = StateDirectory::new("text");
    let file = state.path().join("templates.snapshot");
    let output = run(&["templates", file.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let parts =
        ["192.0.2.7", "256", "sourceIPv4Address", "reverseOctetDeltaCount", "flowAttributes", "65000", "1 template"];
    for part in parts {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn json_has_an_object_a_line() {
    let state = StateDirectory::new("json");
    let file = state.path().join("templates.snapshot");
    let output = run(&["templates", "--json", file.to_str().expect("UTF-8")]);
    let text = stdout(&output);
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert!(text.contains("sourceIPv4Address"), "{text}");
}

#[test]
fn the_configurations_state_directory_is_the_default() {
    let state = StateDirectory::new("configured");
    let configuration = format!("state_dir = \"{}\"\n", state.path().display());
    let file = TemporaryFile::new("templates.toml", configuration.as_bytes());
    let output = run(&["templates", "--config", file.path()]);
    assert!(stdout(&output).contains("1 template"), "{}", stderr(&output));
}
