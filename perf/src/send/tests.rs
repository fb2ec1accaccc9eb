//! What is told is what arrives.

use std::net::UdpSocket;
use std::time::Duration;

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn told_for(line: &str, to: &str) -> Value {
    // Little enough for the receiver's buffer, as it is read afterwards.
    let words = ["send", "--to", to, "--records", "3"].into_iter().chain(line.split_whitespace());
    send(&Line::try_parse_from(words).expect("arguments").arguments).expect("it is sent")
}

/// Payloads that have arrived, with where from.
fn received(receiver: &UdpSocket, count: u64) -> Vec<(IpAddr, Vec<u8>)> {
    let mut buffer = [0; 65_536];
    let one = |_| {
        let (length, from) = receiver.recv_from(&mut buffer).expect("it arrives");
        (from.ip(), buffer[..length].to_vec())
    };
    (0..count).map(one).collect()
}

fn receiver() -> (UdpSocket, String) {
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
    receiver.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket has a timeout");
    let to = receiver.local_addr().expect("it is bound").to_string();
    (receiver, to)
}

#[test]
fn what_is_told_is_what_arrives() {
    let (receiver, to) = receiver();
    let check = |line: &str, exporters: usize| {
        let told = told_for(line, &to);
        let datagrams = told["sent"]["datagrams"].as_u64().expect("a number")
            + told["templates_first"]["datagrams"].as_u64().unwrap_or(0);
        let all = received(&receiver, datagrams);
        let mut sources: Vec<&IpAddr> = all.iter().map(|(from, _)| from).collect();
        sources.sort();
        sources.dedup();
        assert_eq!(sources.len(), exporters, "{line}");
        let of_all = |key: &str| -> u64 {
            told["exporters"].as_array().expect("a list").iter().filter_map(|one| one[key].as_u64()).sum()
        };
        assert_eq!(of_all("delivered"), told["sent"]["datagrams"], "{line}");
        assert_eq!(of_all("delivered_flows"), told["sent"]["flows"], "{line}");
        assert_eq!(of_all("delivered_bytes"), told["sent"]["bytes"], "{line}");
        let bytes: usize = all.iter().map(|(_, payload)| payload.len()).sum();
        let first = told["templates_first"]["bytes"].as_u64().unwrap_or(0);
        assert_eq!(told["sent"]["bytes"].as_u64().map(|sent| sent + first), Some(bytes as u64), "{line}");
        told
    };
    let told = check("--version v5 --from 127.0.0.4/8 --loss 200 --duplicate 100 --datagrams 50 --rate 0", 1);
    assert!(told["exporters"][0]["lost"].as_u64() > Some(0), "{told}");
    assert!(told["exporters"][0]["duplicates"].as_u64() > Some(0), "{told}");
    let told = check("--version v9 --from 127.0.0.4/8 --exporters 3 --datagrams 20 --rate 0", 3);
    assert_eq!((&told["sent"]["datagrams"], &told["sent"]["flows"]), (&60.into(), &180.into()));
    let line = "--version ipfix --from 127.0.0.4/8 --exporters 3 --datagrams 20 --rate 0 --preload 10 --templates 10 --templates-first";
    let told = check(line, 3);
    assert_eq!((&told["sent"]["datagrams"], &told["templates_first"]["datagrams"]), (&60.into(), &3.into()));
    let told = check("--version sflow --from 127.0.0.4/8 --preload 10 --seconds 0.2 --rate 200", 1);
    assert_eq!(told["sent"]["datagrams"], 40);
}

#[test]
fn sequences_have_no_gaps() {
    let (receiver, to) = receiver();
    let check = |line: &str, version: u16, per_datagram: Option<u32>| {
        let told = told_for(line, &to);
        let (mut next, mut seconds) = (None, 0);
        for (_, payload) in received(&receiver, told["sent"]["datagrams"].as_u64().expect("a number")) {
            let word = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().expect("a word"));
            assert_eq!(u16::from_be_bytes([payload[0], payload[1]]), version);
            let (sequence, export_s) = if version == 5 { (word(16), word(8)) } else { (word(12), word(8)) };
            assert_eq!(sequence, next.unwrap_or(sequence), "{line}");
            assert!(export_s >= seconds, "{line}");
            seconds = export_s;
            next = Some(sequence + per_datagram.unwrap_or_else(|| u32::from(payload[3])));
        }
    };
    for preload in ["", "--preload 7"] {
        check(&format!("--version v5 --datagrams 50 --rate 0 {preload}"), 5, None);
        check(&format!("--version v9 --datagrams 50 --rate 0 {preload}"), 9, Some(1));
    }
}

#[test]
fn wrong_arguments_say_what_is_wrong() {
    let check = |line: &str, expected: &str| {
        let words = ["send"].into_iter().chain(line.split_whitespace());
        let error = match Line::try_parse_from(words) {
            Ok(line) => format!("{:#}", send(&line.arguments).expect_err("it is refused")),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(expected), "{line}: {error}");
    };
    let to = "--to 127.0.0.1:9";
    check("", "--to");
    check(&format!("{to} --exporters 2"), "--from");
    check(&format!("{to} --exporters 65537"), "65536");
    check(&format!("{to} --exporters 300 --from 127.0.0.1/24"), "not that many addresses");
    check(&format!("{to} --from 192.0.2.1/24"), "is it an address of this machine?");
    check(&format!("{to} --from ::1/128"), "different IP versions");
    check(&format!("{to} --seconds 0"), "more than 0");
    check(&format!("{to} --seconds 1 --datagrams 1"), "cannot be used with");
    check(&format!("{to} --preload 10 --loss 1"), "cannot be used with");
    check(&format!("{to} --no-send"), "--write");
    check(&format!("{to} --no-send --write /nonexistent/a.pcap"), "--from");
    check(
        &format!("{to} --no-send --write /nonexistent/a.pcap --from 192.0.2.1/24"),
        "cannot write /nonexistent/a.pcap",
    );
    check(&format!("{to} --version v10"), "no device is called v10");
    check(&format!("{to} --via packet"), "--interface");
    check(&format!("{to} --via packet --interface lo"), "--to-mac");
    check(&format!("{to} --via xdp --interface no-such-one --to-mac 02:00:00:00:00:01"), "there is no interface");
    check(&format!("{to} --via packet --interface lo --to-mac 2"), "02:00:00:00:00:01");
    check(&format!("{to} --core 1000"), "processor 1000");
}
