//! `collector journal` and `collector export`: what the files hold, from the command line.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use collector::journal::{Durability, Entry, Journal, Range, SEGMENT_BYTES_MIN, Settings};
use collector::pcap::{Datagrams, Ports};

use crate::{run, stderr, stdout};

const START_NS: i64 = 1_795_406_400_000_000_123;

/// A state directory with two journals; it goes away with this value.
struct StateDirectory(PathBuf);

impl StateDirectory {
    /// Two journals with 200 datagrams each, one a second, in turns.
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("collector-cli-journal-{}-{name}", std::process::id()));
        for worker in 0..2_u8 {
            let settings = Settings {
                directory: path.join("journal").join(worker.to_string()),
                segment_bytes: SEGMENT_BYTES_MIN,
                budget_bytes: 1 << 30,
                retain_bytes: 1 << 30,
                retain: Duration::from_secs(3600),
                durability: Durability::Process,
            };
            let (mut journal, _) = Journal::open(settings, [worker; 16]).expect("the directory is writable");
            for number in (i64::from(worker)..400).step_by(2) {
                let exporter = if number % 4 < 2 {
                    Ipv4Addr::new(192, 0, 2, worker).to_ipv6_mapped()
                } else {
                    "2001:db8::1".parse().expect("an address")
                };
                let received_ns = START_NS + number * 1_000_000_000;
                let payload = [number as u8; 1001];
                let entry =
                    Entry { received_ns, exporter: exporter.octets(), port: 4000, path: worker, payload: &payload };
                while journal.append(&entry).is_err() {
                    std::thread::yield_now();
                }
            }
            let range = Range { from: journal.progress().begun(), to: journal.tip(), shard: 0 };
            journal.progress().begin(range).expect("the directory is writable");
            if worker == 0 {
                journal.progress().settle(range);
                journal.progress().keep_from(range.to);
            }
        }
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("the path is text")
    }
}

impl Drop for StateDirectory {
    fn drop(&mut self) {
        // What is gone already is as good.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn status_tells_what_waits() {
    let state = StateDirectory::new("status");
    let output = run(&["journal", "status", "--state-dir", state.path()]);
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}{}", stderr(&output));
    assert!(lines[1].starts_with("0        2         256.0 KiB"), "{text}");
    assert!(lines[1].contains("2026-11-23T04:00:00.000Z  2026-11-23T04:06:38.000Z"), "{text}");

    let output = run(&["journal", "status", "--json", "--state-dir", state.path()]);
    let json: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("it is JSON");
    let values = |key: &str| [json[0][key].as_u64(), json[1][key].as_u64()];
    assert_eq!(values("records"), [Some(200), Some(200)]);
    assert_eq!(values("unstored_bytes"), [Some(0), Some(200 * 1048)]);
    assert_eq!(values("ranges_unsettled"), [Some(0), Some(1)]);
}

#[test]
fn verify_names_what_is_broken() {
    let state = StateDirectory::new("verify");
    let output = run(&["journal", "verify", "--state-dir", state.path()]);
    assert!(output.status.success(), "{}", stderr(&output));

    let segment = state.0.join("journal/1/00000000.segment");
    let mut bytes = std::fs::read(&segment).expect("it is there");
    bytes[5000] ^= 1;
    std::fs::write(&segment, bytes).expect("it can be written");
    let output = run(&["journal", "verify", "--state-dir", state.path()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("00000000.segment: 1048 bytes in 1 places are no whole records"),
        "{}",
        stdout(&output)
    );
    assert!(stderr(&output).contains("broken in 1 places"), "{}", stderr(&output));
}

#[test]
fn without_a_journal_it_says_what_to_do() {
    for command in [["journal", "status"].as_slice(), &["journal", "verify"], &["export", "--from", "2h ago"]] {
        let output = run(&[command, &["--state-dir", "/nonexistent"]].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("or its state directory with --state-dir"), "{}", stderr(&output));
    }
}

/// Exports with these arguments; times of the datagrams, in seconds since the first of all.
fn export(state: &StateDirectory, arguments: &[&str]) -> (Vec<i64>, PathBuf) {
    let file = state.0.join("export.pcapng");
    let file_name = file.to_str().expect("the path is text");
    let output = run(&[&["export", "--state-dir", state.path(), "-o", file_name], arguments].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let bytes = std::fs::read(&file).expect("it was written");
    let mut capture = Datagrams::new(bytes.as_slice(), Ports::All).expect("it is a capture");
    let mut times = Vec::new();
    while let Some(datagram) = capture.next_datagram().expect("it is sound") {
        let second = (datagram.time_ns - START_NS) / 1_000_000_000;
        assert_eq!(datagram.time_ns, START_NS + second * 1_000_000_000, "to the nanosecond");
        assert_eq!((datagram.source_port, datagram.destination_port), (4000, 2055));
        assert_eq!(capture.payload(), [second as u8; 1001]);
        times.push(second);
    }
    assert_eq!(capture.skipped().next(), None);
    (times, file)
}

#[test]
fn datagrams_are_exported_in_order() {
    let state = StateDirectory::new("export");
    let day = ["--from", "2026-11-23", "--to", "2026-11-24"];
    assert_eq!(export(&state, &day).0, (0..400).collect::<Vec<_>>());
    let minute = ["--from", "2026-11-23T04:01:00Z", "--to", "2026-11-23 04:02"];
    assert_eq!(export(&state, &minute).0, (60..120).collect::<Vec<_>>());
    let one = [day.as_slice(), &["--exporter", "192.0.2.1/32"]].concat();
    assert_eq!(export(&state, &one).0, (0..400).filter(|second| second % 4 == 1).collect::<Vec<_>>());
}

#[test]
fn another_program_finds_no_fault_with_the_frames() {
    let state = StateDirectory::new("tshark");
    let (times, file) = export(&state, &["--from", "2026-11-23", "--to", "2026-11-24"]);
    let fields =
        ["frame.time_epoch", "udp.checksum.status", "ip.checksum.status", "frame.interface_name", "_ws.malformed"];
    let mut command = Command::new("tshark");
    command.args(["-r".as_ref(), file.as_os_str(), "-T".as_ref(), "fields".as_ref()]);
    command.args(["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "--disable-protocol", "cflow"]);
    let output = match command.args(fields.into_iter().flat_map(|field| ["-e", field])).output() {
        Ok(output) => output,
        Err(error) => {
            assert!(std::env::var_os("COLLECTOR_REQUIRE_PRIVILEGED").is_none(), "tshark: {error}");
            eprintln!("SKIPPED: tshark on exported frames: {error}");
            return;
        }
    };
    let text = stdout(&output);
    assert_eq!(text.lines().count(), times.len(), "{}", stderr(&output));
    for (second, line) in times.iter().zip(text.lines()) {
        let ip = if second % 4 < 2 { "1" } else { "" };
        let interface = ["xdp", "udp"][(*second % 2) as usize];
        let expected = format!("{}.000000123\t1\t{ip}\t{interface}\t", 1_795_406_400 + second);
        assert_eq!(line, expected);
    }
}

#[test]
fn an_empty_export_writes_nothing_and_says_so() {
    let state = StateDirectory::new("empty");
    let file = state.0.join("evidence.pcapng");
    std::fs::write(&file, "there before").expect("it can be written");
    let file_name = file.to_str().expect("the path is text");
    let of_nobody = ["--from", "2026-11-23", "--to", "2026-11-24", "--exporter", "198.51.100.1"];
    let before = ["--from", "2026-11-01", "--to", "2026-11-02"];
    for (arguments, told) in [
        (&before[..], "nothing written: no datagram was received from 2026-11-01"),
        (&of_nobody, "nothing written: no datagram of these exporters was received from 2026-11-23"),
    ] {
        for output in [&["-o", file_name][..], &[]] {
            let output = run(&[&["export", "--state-dir", state.path()], arguments, output].concat());
            assert!(output.status.success() && output.stdout.is_empty(), "{}", stderr(&output));
            let said = stderr(&output);
            assert!(
                said.contains(told) && said.contains("holds datagrams received from 2026-11-23T04:00:00"),
                "{said}"
            );
        }
    }
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "there before");
}

#[test]
fn exporters_may_be_named_as_they_are_in_the_configuration() {
    let state = StateDirectory::new("named");
    let config = state.0.join("collector.toml");
    std::fs::write(&config, "[[exporters]]\naddress = \"192.0.2.1\"\nname = \"vyos-1\"\n").expect("it can be written");
    let config = config.to_str().expect("the path is text");
    let day = ["--config", config, "--from", "2026-11-23", "--to", "2026-11-24", "--exporter"];
    let named = export(&state, &[&day[..], &["vyos-1"]].concat()).0;
    assert_eq!(named, (0..400).filter(|second| second % 4 == 1).collect::<Vec<_>>());
    let output = run(&[&["export", "--state-dir", state.path()], &day[..], &["vyos-2"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let told = "no exporter is called \"vyos-2\": is it vyos-1 that is meant?";
    assert!(stderr(&output).contains(told), "{}", stderr(&output));
}

#[test]
fn another_user_is_told_whose_the_journal_is() {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("COLLECTOR_REQUIRE_PRIVILEGED").is_none(), "only root can be another user");
        eprintln!("SKIPPED: only root can be another user");
        return;
    }
    let state = StateDirectory::new("other-user");
    // The way to the build may be closed to others, as the state directory is.
    let program = state.0.join("collector");
    std::fs::copy(env!("CARGO_BIN_EXE_collector"), &program).expect("it can be copied");
    let journal = state.0.join("journal");
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&journal, closed).expect("it is ours");
    for command in [&["journal", "status"][..], &["export", "--from", "2026-11-23"]] {
        let mut other = Command::new(&program);
        std::os::unix::process::CommandExt::uid(&mut other, 65_534);
        let output = other.args(command).args(["--state-dir", state.path()]).output().expect("it runs");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("may not read the journal in") && said.contains("run as root"), "{said}");
        assert!(!said.contains("no journal"), "{said}");
    }
}
