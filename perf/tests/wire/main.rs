//! What `perf send` and `perf replay` say they sent is what arrives at the other end of a veth pair, byte for byte, and what the
//! kernel refused is not in it. Needs root; says so when it cannot run.

#![cfg(target_os = "linux")]

/// Two namespaces and a receiver.
mod bench;

use bench::{Bench, Scratch};
use perf::pcap::{link, read};
use serde_json::Value;

/// Datagrams of a capture: sources, and payloads.
fn captured(file: &[u8]) -> Vec<(String, Vec<u8>)> {
    let packets = read::packets(file).expect("a capture");
    packets
        .iter()
        .map(|packet| link::datagram(packet.link, packet.bytes).expect("a datagram"))
        .map(|found| (found.source.ip().to_string(), found.payload.to_vec()))
        .collect()
}

/// Runs `perf send` with these arguments, and compares what was told, written and received.
fn check(bench: &Bench, scratch: &Scratch, to: &str, line: &str) -> Value {
    let receiver = bench.receiver();
    let file = scratch.path("sent.pcap");
    let all = format!("send --to {to} --write {file} {line}");
    let told = bench.perf(&all);
    let number = |of: &Value, key: &str| of[key].as_u64().unwrap_or(0);
    let count = number(&told["sent"], "datagrams") + number(&told["templates_first"], "datagrams");
    let written = captured(&std::fs::read(&file).expect("it was written"));
    let received = bench::datagrams(&receiver, count);
    assert_eq!(written.len() as u64, count, "{line}: {told}");
    for (index, (sent, arrived)) in written.iter().zip(&received).enumerate() {
        assert!(sent == arrived, "{line}: datagram {index} of {count}");
    }
    assert!(bench::is_empty(&receiver), "{line}: more arrived than was told");
    let of_exporters = |key: &str| -> u64 {
        told["exporters"].as_array().expect("a list").iter().map(|exporter| number(exporter, key)).sum()
    };
    for (sum, key) in [("datagrams", "delivered"), ("flows", "delivered_flows"), ("bytes", "delivered_bytes")] {
        assert_eq!(number(&told["sent"], sum), of_exporters(key), "{line}: {key}");
    }
    assert_eq!(number(&told["sent"], "refused"), of_exporters("refused"), "{line}");
    let bytes = number(&told["sent"], "bytes") + number(&told["templates_first"], "bytes");
    assert_eq!(bytes, received.iter().map(|(_, payload)| payload.len() as u64).sum::<u64>(), "{line}");
    told
}

/// Sequence numbers of NetFlow v9 go on by one for each exporter.
fn assert_no_gap(file: &str) {
    let mut next = std::collections::HashMap::new();
    for (source, payload) in captured(&std::fs::read(file).expect("it was written")) {
        let sequence = u32::from_be_bytes(payload[12..16].try_into().expect("a sequence number"));
        let expected = next.insert(source.clone(), sequence.wrapping_add(1)).unwrap_or(0);
        assert_eq!(sequence, expected, "{source}");
    }
}

#[test]
fn raw_frames_arrive_as_told() {
    let Some(bench) = Bench::new("wire") else { return };
    let scratch = Scratch::new("wire");
    let ends = [("198.18.255.254:2055", "198.18.1.0/16"), ("[2001:db8:18::ff]:2055", "2001:db8:18::1:0/64")];
    for via in ["packet", "xdp"] {
        let how = format!("--via {via} --interface {} --to-mac {}", bench::SENDER, bench::RECEIVER_MAC);
        for (to, from) in ends {
            let from = format!("{how} --from {from}");
            check(&bench, &scratch, to, &format!("{from} --exporters 70 --preload 300 --rate 4000 --seconds 0.3"));
            assert_no_gap(&scratch.path("sent.pcap"));
            check(
                &bench,
                &scratch,
                to,
                &format!("{from} --exporters 3 --datagrams 30 --rate 4000 --loss 100 --duplicate 50"),
            );
            let line = "--exporters 20 --templates 10 --templates-first --preload 64 --version ipfix --udp-checksum";
            let told = check(&bench, &scratch, to, &format!("{from} {line} --rate 4000 --datagrams 20"));
            // Ten templates are more than half a datagram.
            assert_eq!(told["templates_first"]["datagrams"], 40);
            // More in one go than a ring has room for.
            check(&bench, &scratch, to, &format!("{from} --preload 64 --records 1 --datagrams 2500 --rate 0"));
        }
    }
}

#[test]
fn refused_frames_are_named() {
    let Some(bench) = Bench::new("refuse") else { return };
    let scratch = Scratch::new("refuse");
    // The receiver's interface takes no frames as long as some of these.
    bench.ip("sender", &format!("link set {} mtu 3000", bench::SENDER));
    for via in ["packet", "xdp"] {
        let line = format!(
            "--via {via} --interface {} --to-mac {} --from 198.18.1.0/16 --exporters 5 --payload 2900 --records 18",
            bench::SENDER,
            bench::RECEIVER_MAC
        );
        for rest in ["--preload 100 --rate 0 --datagrams 200", "--rate 3000 --datagrams 100"] {
            let told = check(&bench, &scratch, "198.18.255.254:2055", &format!("{line} {rest}"));
            let sent = &told["sent"];
            let (datagrams, refused) = (sent["datagrams"].as_u64(), sent["refused"].as_u64());
            assert!(datagrams > Some(50) && refused > Some(50), "{via}: {sent}");
        }
        bench.ip("receiver", &format!("link set {} down", bench::RECEIVER));
        let told = bench.perf(&format!("send --to 198.18.255.254:2055 {line} --preload 100 --rate 0 --datagrams 30"));
        assert_eq!((&told["sent"]["datagrams"], &told["sent"]["refused"]), (&0.into(), &150.into()), "{via}");
        bench.ip("receiver", &format!("link set {} up", bench::RECEIVER));
    }
}

#[test]
fn replayed_frames_keep_their_sources() {
    let Some(bench) = Bench::new("replay") else { return };
    let scratch = Scratch::new("replay");
    let (capture, written) = (scratch.path("capture.pcap"), scratch.path("written.pcap"));
    let to = "198.18.255.254:2055";
    bench.perf(&format!(
        "send --to {to} --from 198.18.2.0/16 --exporters 9 --datagrams 20 --rate 3000 --payload 1400 --no-send --write {capture}"
    ));
    let sent = captured(&std::fs::read(&capture).expect("it was written"));
    for via in ["packet", "xdp"] {
        let how = format!("--via {via} --interface {} --to-mac {}", bench::SENDER, bench::RECEIVER_MAC);
        for (rest, times) in [("--speed original", 1), ("--rate 4000 --loop 2", 2), ("--speed flat", 1)] {
            let receiver = bench.receiver();
            let told = bench.perf(&format!("replay {capture} --to {to} {how} {rest} --write {written}"));
            assert_eq!(told["sent"]["datagrams"], 180 * times, "{via} {rest}: {told}");
            let expected: Vec<(String, Vec<u8>)> = std::iter::repeat_n(sent.clone(), times).flatten().collect();
            assert!(bench::datagrams(&receiver, 180 * times as u64) == expected, "{via} {rest}");
            assert!(captured(&std::fs::read(&written).expect("it was written")) == expected, "{via} {rest}");
        }
    }
}
