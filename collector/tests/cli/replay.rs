//! `collector replay` over loopback: what is sent, how often, and what is told.

use std::net::UdpSocket;
use std::thread;

use crate::captures::{MICROSECONDS_LITTLE, ethernet, ipv4, ipv4_fragments, netflow_v5, pcap, udp};
use crate::{TemporaryFile, run, run_with_input, stderr, stdout};

fn capture() -> Vec<u8> {
    let mut packets: Vec<Vec<u8>> = (1..=5).map(|records| ipv4(0, &udp(2055, &netflow_v5(records)))).collect();
    packets.push(ipv4(0, &udp(6343, b"something else")));
    packets.extend(ipv4_fragments(&udp(2055, &netflow_v5(30)), 512));
    let frames: Vec<Vec<u8>> = packets.iter().map(|packet| ethernet(&[], packet)).collect();
    pcap(MICROSECONDS_LITTLE, 1, &frames)
}

/// Replays with `args` and receives until the sender is done; payload lengths and the sender's standard output.
fn replay(name: &str, args: &[&str]) -> (Vec<usize>, String) {
    let file = TemporaryFile::new(name, &capture());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
    let target = socket.local_addr().expect("it is bound");
    let sent = {
        let to = target.to_string();
        let all = [["replay", file.path(), "--to", to.as_str()].as_slice(), args].concat();
        let output = run(&all);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    // Loopback delivers before the sender returns, so an end mark sent now comes last.
    let end = thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
        socket.send_to(b"end", target).expect("loopback takes it");
    });
    let mut lengths = Vec::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let length = socket.recv(&mut buffer).expect("something comes");
        if &buffer[..length] == b"end" {
            break;
        }
        lengths.push(length);
    }
    end.join().expect("it ended");
    (lengths, sent)
}

#[track_caller]
fn check(name: &str, args: &[&str], expected: &[usize]) {
    let (lengths, told) = replay(name, args);
    assert_eq!(lengths, expected, "{name}");
    let bytes: usize = expected.iter().sum();
    let counts = format!("sent {} datagrams, {bytes} bytes, to 127.0.0.1:", expected.len());
    assert!(told.starts_with(&counts) && told.trim_end().ends_with("0 failed"), "{told}");
}

#[test]
fn every_datagram_is_sent_once_and_counted() {
    let v5 = |records: usize| 24 + 48 * records;
    let all = [v5(1), v5(2), v5(3), v5(4), v5(5), 14, v5(30)];
    check("all", &[], &all);
    check("speed", &["--speed", "1000"], &all);
    check("rate", &["--rate", "0", "--loop", "3"], &all.repeat(3));
    check("paced", &["--rate", "1000"], &all);
    check("port", &["--port", "6343"], &[14]);
}

#[test]
fn what_cannot_be_replayed_is_told() {
    let file = TemporaryFile::new("told", &capture());
    let check = |args: &[&str], code: i32, told: &str| {
        let output = run_with_input(args, &capture());
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(told), "want {told:?}, got {}", stderr(&output));
    };
    check(&["replay", file.path()], 2, "--to <HOST:PORT>");
    check(&["replay", file.path(), "--to", "127.0.0.1:9", "--rate", "1", "--speed", "2"], 2, "cannot be used with");
    check(&["replay", file.path(), "--to", "127.0.0.1:9", "--speed", "0"], 2, "must be more than 0");
    check(&["replay", file.path(), "--to", "127.0.0.1:9", "--loop", "0"], 2, "--loop");
    check(&["replay", "-", "--to", "127.0.0.1:9", "--loop", "2"], 2, "standard input can be sent once only");
    check(&["replay", file.path(), "--to", "127.0.0.1"], 1, "write HOST:PORT");
    check(&["replay", file.path(), "--to", "127.0.0.1:9", "--port", "7"], 1, "nothing to send: UDP datagrams by port");
    check(&["replay", "/nonexistent.pcap", "--to", "127.0.0.1:9"], 1, "opening capture file /nonexistent.pcap");
}
