//! What the log says, and in which form: text off a terminal, priorities for systemd's journal, JSON where it is asked for; the store's
//! lines among the collector's own.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::datagrams::{V9_RECORDS, v9_data, v9_template};
use crate::process::{Collector, Place, wait_until};

/// The lines of a whole run with the embedded store, from the start to the end.
fn lines_of_a_run(place: &Place<'_>, arguments: &[&str]) -> Vec<String> {
    let mut collector = Collector::start(place, &[&["--capture", "udp"], arguments].concat());
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
    collector.log().lines().map(str::to_owned).collect()
}

#[test]
fn off_a_terminal_the_log_is_text_and_the_stores_lines_are_like_all_others() {
    let Some(place) = Place::with_engine("logs") else { return };
    let lines = lines_of_a_run(&place, &[]);
    let text = lines.join("\n");
    for line in &lines {
        let mut words = line.split_whitespace();
        let (time, level) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        assert!(time.ends_with('Z') && time.contains('T') && ["INFO", "WARN"].contains(&level), "{line:?} in\n{text}");
    }
    let port = place.udp_port();
    for part in [
        "the store answers",
        "collecting",
        &format!("next: point exporters at UDP port {port} of 127.0.0.1"),
        "then: `collector exporters --metrics 127.0.0.1:",
        "`collector query top --clickhouse-url http://127.0.0.1:",
        "stopped",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let mut counts: HashMap<&str, u32> = HashMap::new();
    for line in &lines {
        let message = line.splitn(3, ' ').nth(2).unwrap_or_default();
        *counts.entry(message).or_default() += 1;
    }
    assert!(counts.values().all(|count| *count == 1), "nothing is said twice: {counts:?}");

    let lines = lines_of_a_run(&place, &["--log-format", "json"]);
    for line in &lines {
        let event: serde_json::Value = serde_json::from_str(line).expect("a JSON object a line");
        assert!(event["level"].is_string() && event["message"].is_string(), "{line}");
    }
    assert!(lines.iter().any(|line| line.contains("the store answers")), "{lines:?}");
}

#[test]
fn a_service_of_systemd_gives_its_journal_priorities() {
    let place = Place::new("journald");
    let path = place.directory().join("journal-stream");
    let stream = std::fs::File::create(&path).expect("a file");
    let metadata = stream.metadata().expect("it is open");
    let mut child = place
        .command(&["--capture", "udp", "--discard"])
        .env("JOURNAL_STREAM", format!("{}:{}", metadata.dev(), metadata.ino()))
        .stderr(stream)
        .spawn()
        .expect("it starts");
    let log = || std::fs::read_to_string(&path).unwrap_or_default();
    wait_until("it collects", || log().contains("collecting"));
    let process = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    kill(process, Signal::SIGTERM).expect("it runs");
    assert!(child.wait().expect("it ends").success(), "{}", log());
    let text = log();
    assert!(text.lines().all(|line| ["<3>", "<4>", "<6>", "<7>"].iter().any(|part| line.starts_with(part))), "{text}");
    assert!(text.lines().any(|line| line.starts_with("<6>collecting capture=")), "{text}");
    assert!(text.lines().any(|line| line.starts_with("<4>NOTHING IS STORED")), "{text}");
}

#[test]
fn exporters_and_their_trouble_are_said_once() {
    let place = Place::new("news");
    let mut collector = Collector::start(&place, &["--capture", "udp", "--discard"]);
    let count = |part: &str| collector.log().lines().filter(|line| line.contains(part)).count();
    collector.send(&v9_template());
    wait_until("the exporter is named", || count("an exporter sends for the first time") == 1);
    let line = collector.log();
    let line = line.lines().find(|line| line.contains("for the first time")).unwrap_or_default();
    assert!(line.contains("exporter=127.0.0.1 name=\"lab\" version=\"NetFlow v9\""), "{line}");
    for _ in 0..5 {
        collector.send(&[0, 9]);
    }
    wait_until("the fault is named", || count("datagrams break their protocol") == 1);
    // What comes after that is said an hour later.
    collector.send(&[0, 9]);
    collector.send(&v9_data());
    collector.wait_for("collector_datagrams_total", 8);
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(count("an exporter sends for the first time"), 1, "{}", collector.log());
    assert_eq!(count("datagrams break their protocol"), 1, "{}", collector.log());
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}

#[test]
fn journal_status_and_metrics_agree() {
    let Some(place) = Place::with_engine("agree") else { return };
    place.change_config("block_age_ms = 60000", "block_age_ms = 20");
    let mut collector = Collector::start(&place, &["--capture", "udp"]);
    collector.send(&v9_template());
    collector.send(&v9_data());
    collector.wait_for("collector_clickhouse_rows_inserted_total", V9_RECORDS);
    let status = || {
        let output = Command::new(env!("CARGO_BIN_EXE_collector"))
            .arg("--config")
            .arg(place.config())
            .args(["journal", "status", "--json"])
            .output()
            .expect("the binary starts");
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        status.as_array().expect("a list").clone()
    };
    // The metric is of a moment ago; rows are inserted a moment before their range is settled.
    wait_until("both say that nothing waits", || {
        collector.metric("collector_journal_waiting_bytes") == 0
            && status().iter().all(|journal| journal["unstored_bytes"] == 0)
    });
    assert!(status().iter().any(|journal| journal["records"] != 0), "{:?}", status());
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}
