//! Help, wrong usage, configuration errors, and the small commands.

use std::process::Stdio;

use crate::captures::{MICROSECONDS_LITTLE, ethernet, ipv4, netflow_v5, pcap, udp};
use crate::{TemporaryFile, collector, run, stderr, stdout};

const COMMANDS: [&str; 12] = [
    "run",
    "check",
    "store",
    "schema",
    "decode",
    "replay",
    "repair",
    "exporters",
    "templates",
    "journal",
    "export",
    "query",
];

#[test]
fn help_names_every_command_and_each_has_help_with_examples() {
    let help = stdout(&run(&["--help"]));
    for command in COMMANDS {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{command} is missing in\n{help}");
        let output = run(&[command, "--help"]);
        assert_eq!(output.status.code(), Some(0));
        for text in [&format!("Usage: collector {command}"), "\nExamples:\n"] {
            assert!(stdout(&output).contains(text), "{text}: {}", stdout(&output));
        }
    }
    for text in ["Examples:", "Exit status:", "COLLECTOR_CONFIG", "COLLECTOR_CLICKHOUSE_PASSWORD"] {
        assert!(help.contains(text), "{text} is missing in\n{help}");
    }
    assert!(stdout(&run(&["check", "--help"])).contains("Say whether this machine can do what is asked for"));
    assert!(stdout(&run(&["schema", "apply", "--help"])).contains("Make the tables"));
    assert_eq!(stdout(&run(&["--version"])), format!("collector {}\n", env!("CARGO_PKG_VERSION")));
}

/// Runs the binary: the exit code, and what standard error must contain. Failures are one line.
#[track_caller]
fn check(args: &[&str], code: i32, told: &str) {
    let output = run(args);
    let error = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
    assert!(error.contains(told), "{args:?}: want {told:?}, got {error}");
    if code == 1 {
        assert_eq!(error.lines().count(), 1, "{args:?}: {error}");
        assert!(error.starts_with("collector: "), "{args:?}: {error}");
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    check(&[], 2, "Usage: collector");
    check(&["fly"], 2, "unrecognized subcommand 'fly'");
    check(&["decode"], 2, "<FILE>");
    check(&["decode", "x.pcap", "--names"], 2, "--fields");
    check(&["decode", "x.pcap", "--port", "0"], 2, "0 is not in 1..=65535");
    check(&["run", "--capture", "xpd"], 2, "[possible values: auto, xdp, udp]");
    check(&["run", "--password", "secret"], 2, "unexpected argument '--password'");
    check(&["schema"], 2, "Usage: collector schema");
    check(&["journal"], 2, "Usage: collector journal");
    check(&["export"], 2, "--from <TIME>");
    check(&["export", "--from", "soon"], 2, "\"soon\" is no time");
    check(&["repair", "--from", "-1h"], 2, "--to <TIME>");
    check(&["query"], 2, "Usage: collector query");
    check(&["query", "host", "300.1.1.1"], 2, "write it like 192.0.2.1");
    check(&["query", "top", "--limit", "0"], 2, "0 is not in 1..=1000000");
}

#[test]
fn failures_are_one_line_and_exit_code_1() {
    check(&["decode", "/nonexistent.pcap"], 1, "opening capture file /nonexistent.pcap: No such file");
    check(&["decode", "/"], 1, "reading capture file /: Is a directory");
    check(&["--config", "/nonexistent.toml", "check"], 1, "reading configuration file /nonexistent.toml");
    check(&["templates", "/nonexistent.snapshot"], 1, "/nonexistent.snapshot");
    check(&["templates", "/etc/passwd"], 1, "/etc/passwd");
    check(&["--log-level", "loud=very", "decode", "x.pcap"], 1, "log level \"loud=very\" is not valid");
    check(&["schema", "apply", "--clickhouse-url", "http://127.0.0.1:1"], 1, "127.0.0.1:1");
    check(&["schema", "apply", "--clickhouse-url", "127.0.0.1:1"], 1, "write http://HOST:8123");
    check(&["schema", "apply", "--dry-run", "--clickhouse-url", "http://127.0.0.1:1"], 1, "127.0.0.1:1");
    check(&["journal", "status", "--state-dir", "/nonexistent"], 1, "no journal in /nonexistent/journal");
    check(&["export", "--from", "-1h", "--state-dir", "/nonexistent"], 1, "no journal in /nonexistent/journal");
    check(&["query", "top", "--from", "now", "--to", "-1h"], 1, "ends before it begins");
    check(&["query", "top", "--clickhouse-url", "http://127.0.0.1:1"], 1, "127.0.0.1:1");
    check(&["schema", "status", "--json", "--clickhouse-url", "http://127.0.0.1:1"], 1, "127.0.0.1:1");
}

#[test]
fn an_unknown_key_is_told_with_file_line_and_the_nearest_key() {
    let file = TemporaryFile::new("unknown.toml", b"[capture]\nports = [2055]\ninterface = \"eth0\"\n");
    let told = format!(
        "collector: {}:3: unknown key \"interface\" in [capture]: the nearest known key is \"interfaces\"",
        file.path()
    );
    check(&["--config", file.path(), "check"], 1, &told);
    check(&["run", "--config", file.path()], 1, &told);
    let output = collector(&["check"]).env("COLLECTOR_CONFIG", file.path()).output().expect("it starts");
    assert!(stderr(&output).contains(&told), "{}", stderr(&output));
    // Commands that need no configuration do not stumble over a broken one.
    check(&["--config", file.path(), "decode", "/nowhere.pcap"], 1, "/nowhere.pcap");
}

#[test]
fn flags_stand_above_the_file() {
    let file = TemporaryFile::new("flags.toml", b"[capture]\nmode = \"xdp\"\n");
    check(&["check", "--config", file.path()], 1, "name the interface with --interface NAME");
    let output = run(&["check", "--config", file.path(), "--capture", "udp", "--metrics", "off"]);
    assert!(stdout(&output).contains("plain UDP sockets, as configured"), "{}", stdout(&output));
}

#[test]
fn the_schema_is_printed() {
    assert!(stdout(&run(&["schema", "print", "--system-logs"])).contains("ALTER TABLE system.query_log MODIFY TTL"));
    let output = run(&["schema", "print"]);
    assert!(output.status.success());
    assert!(stdout(&output).contains("CREATE TABLE") && stdout(&output).contains("flows"), "{}", stdout(&output));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let frame = ethernet(&[], &ipv4(0, &udp(2055, &netflow_v5(30))));
    let file = TemporaryFile::new("pipe.pcap", &pcap(MICROSECONDS_LITTLE, 1, &vec![frame; 2000]));
    let mut child =
        collector(&["decode", file.path()]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output), "");
}
