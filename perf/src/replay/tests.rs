//! What was written is replayed, and told.

use std::net::UdpSocket;
use std::path::Path;

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn replayed(file: &Path, line: &str) -> Result<Value> {
    let file = file.to_str().expect("a name");
    let words = ["replay", file].into_iter().chain(line.split_whitespace());
    replay(&Line::try_parse_from(words)?.arguments)
}

/// A capture of two exporters, a millisecond between datagrams; deleted at the end.
struct Capture(PathBuf);

impl Capture {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("perf-{}-{name}.pcap", std::process::id()));
        let written = path.to_str().expect("a name").to_owned();
        let line = [
            "send",
            "--to",
            "192.0.2.200:2055",
            "--from",
            "192.0.2.1/24",
            "--exporters",
            "2",
            "--datagrams",
            "10",
            "--records",
            "2",
            "--rate",
            "1000",
            "--no-send",
            "--write",
            &written,
        ];
        #[derive(Debug, Parser)]
        struct Send {
            #[command(flatten)]
            arguments: crate::send::Arguments,
        }
        let told = crate::send::send(&Send::parse_from(line).arguments).expect("it is written");
        assert_eq!(told["sent"]["datagrams"], 20);
        Self(path)
    }

    fn payloads(&self) -> Vec<Vec<u8>> {
        let file = std::fs::read(&self.0).expect("it was written");
        let recording = Recording::read(&file, &FLOW_PORTS).expect("a capture");
        recording.datagrams.iter().map(|datagram| datagram.payload.to_vec()).collect()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn captures_are_sent_byte_for_byte() {
    let capture = Capture::new("bytes");
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
    receiver.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket has a timeout");
    let to = receiver.local_addr().expect("it is bound");
    let check = |line: &str, times: usize, sources: [&str; 2]| {
        let told = replayed(&capture.0, &format!("--to {to} {line}")).expect("it is sent");
        assert_eq!(told["sent"]["datagrams"], 20 * times, "{line}");
        let mut buffer = [0; 65_536];
        // Of each exporter in order.
        let mut received = [Vec::new(), Vec::new()];
        for _ in 0..20 * times {
            let (length, from) = receiver.recv_from(&mut buffer).expect("it arrives");
            assert!(sources.contains(&from.ip().to_string().as_str()), "{line}: {from}");
            // Exporters have the same domain and other flows: their own datagrams tell them apart.
            let is_second = capture.payloads().iter().skip(1).step_by(2).any(|one| one == &buffer[..length]);
            received[usize::from(is_second)].push(buffer[..length].to_vec());
        }
        for (number, received) in received.into_iter().enumerate() {
            let once: Vec<Vec<u8>> = capture.payloads().into_iter().skip(number).step_by(2).collect();
            let expected: Vec<Vec<u8>> = std::iter::repeat_n(once, times).flatten().collect();
            assert_eq!(received, expected, "{line}");
        }
    };
    check("--speed flat", 1, ["127.0.0.1"; 2]);
    check("--speed x10 --loop 2 --from 127.0.0.5/8", 2, ["127.0.0.5", "127.0.0.6"]);
    check("--rate 2000 --port 2055,1", 1, ["127.0.0.1"; 2]);
}

#[test]
fn paces_are_of_the_capture() {
    let capture = Capture::new("paces");
    let written = Capture(std::env::temp_dir().join(format!("perf-{}-paced.pcap", std::process::id())));
    let path = written.0.to_str().expect("a name");
    let check = |line: &str, expected_us: &[u64]| {
        let all = format!("--to 192.0.2.9:2055 --no-send --write {path} {line}");
        let told = replayed(&capture.0, &all).expect("it is written");
        assert_eq!(told["capture"]["sources"], 2);
        let file = std::fs::read(path).expect("it was written");
        let recording = Recording::read(&file, &[0]).expect("a capture");
        assert_eq!(recording.sources, ["192.0.2.1", "192.0.2.2"].map(|one| one.parse::<IpAddr>().expect("an address")));
        let found: Vec<u64> = recording.datagrams.iter().map(|datagram| datagram.after.as_micros() as u64).collect();
        assert_eq!(found, expected_us, "{line}");
    };
    let every = |step: u64, count: u64| (0..count).map(|number| number * step).collect::<Vec<u64>>();
    check("", &every(1000, 20));
    check("--speed x4", &every(250, 20));
    check("--rate 100", &every(10_000, 20));
    check("--loop 3", &every(1000, 60));
    check("--seconds 0.0055", &every(1000, 6));
}

#[test]
fn wrong_arguments_say_what_is_wrong() {
    let capture = Capture::new("wrong");
    let check = |file: &Path, line: &str, expected: &str| {
        let error = format!("{:#}", replayed(file, line).expect_err("it is refused"));
        assert!(error.contains(expected), "{line}: {error}");
    };
    let to = "--to 127.0.0.1:9";
    check(Path::new("/nonexistent"), to, "cannot read /nonexistent");
    check(Path::new("/proc/self/status"), to, "neither pcap nor pcapng");
    check(&capture.0, &format!("{to} --port 514"), "no datagram to port [514]");
    check(&capture.0, &format!("{to} --speed fast"), "as in x10");
    check(&capture.0, &format!("{to} --speed x0"), "as in x10");
    check(&capture.0, &format!("{to} --speed flat --rate 1"), "cannot be used with");
    check(&capture.0, &format!("{to} --from 127.0.0.1/32"), "not that many addresses");
    check(&capture.0, "--to [::1]:9 --no-send --write /dev/null", "--from");
    check(&capture.0, "", "--to");
}
