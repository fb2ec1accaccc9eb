//! Datagrams whose UDP checksum is not right: refused and counted as the kernel does for its sockets, but for those that a local sender
//! has not finished. Needs root; no engine.

use std::net::{IpAddr, UdpSocket};

use crate::datagrams::v5;
use crate::interface::BY_UDP;
use crate::netns::{COLLECTOR, COLLECTOR_V4, COLLECTOR_V6, EXPORTER, VethPair, privileged};
use crate::process::{Collector, Place, wait_until};
use crate::wire::{Wire, frame};

/// The metric of datagrams that came by a ring.
const BY_XDP: &str = "collector_datagrams_total{worker=\"0\",path=\"xdp\"}";

/// A ones' complement sum.
fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |byte| u32::from(*byte)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// A frame with a datagram whose checksum is what `checksum` makes of the sums of the pseudo header and of all of it.
fn datagram(exporter: &str, port: u16, payload: &[u8], checksum: impl Fn(u16, u16) -> u16) -> Vec<u8> {
    let exporter: IpAddr = exporter.parse().expect("an address");
    let mut frame = frame(&[], exporter, port, payload);
    let udp = frame.len() - payload.len() - 8;
    let addresses = if exporter.is_ipv4() { udp - 8..udp } else { udp - 32..udp };
    let length = ((8 + payload.len()) as u16).to_be_bytes();
    let pseudo = [&frame[addresses], &[0, 17], &length].concat();
    let whole = sum(&[&pseudo[..], &frame[udp..]].concat());
    let field = checksum(sum(&pseudo), whole);
    frame[udp + 6..udp + 8].copy_from_slice(&field.to_be_bytes());
    frame
}

const RIGHT: fn(u16, u16) -> u16 = |_, whole| if whole == 0xffff { 0xffff } else { !whole };
const WRONG: fn(u16, u16) -> u16 = |_, whole| if whole == !0x1234 { 0x1235 } else { 0x1234 };
const NONE: fn(u16, u16) -> u16 = |_, _| 0;
const UNFINISHED: fn(u16, u16) -> u16 = |pseudo, _| pseudo;

/// Exporter, what its checksum is, and whether it is kept by the setting `checksum`: auto, verify, trust; and by the kernel.
type Row = (&'static str, fn(u16, u16) -> u16, [bool; 4]);
const ROWS: [Row; 7] = [
    ("192.0.2.1", RIGHT, [true, true, true, true]),
    ("192.0.2.1", NONE, [true, true, true, true]),
    ("192.0.2.1", WRONG, [false, false, true, false]),
    ("192.0.2.1", UNFINISHED, [true, false, true, false]),
    ("2001:db8::1", RIGHT, [true, true, true, true]),
    ("2001:db8::1", NONE, [false, false, true, false]),
    ("2001:db8::1", WRONG, [false, false, true, false]),
];

#[test]
fn wrong_checksums_are_refused_and_counted_by_name() {
    let Some(_turn) = privileged("wrong_checksums_are_refused_and_counted_by_name") else { return };
    for (index, setting) in ["auto", "verify", "trust", "udp"].into_iter().enumerate() {
        let pair = VethPair::new("checksum");
        let place = Place::discarding(&pair.collector, &format!("checksum-{setting}"));
        let udp = ["--capture", "udp"];
        let xdp = ["--capture", "xdp", "--interface", COLLECTOR];
        let is_udp = setting == "udp";
        if !is_udp {
            place.change_config("[capture]\n", &format!("[capture]\nchecksum = \"{setting}\"\n"));
        }
        let mut collector = Collector::start(&place, if is_udp { &udp } else { &xdp });
        let wire = pair.exporter.enter(|| Wire::new(EXPORTER));
        let mut odd = v5();
        odd.push(0x77);
        for (exporter, checksum, _) in ROWS {
            for payload in [&v5(), &odd] {
                wire.send(&datagram(exporter, place.udp_port(), payload, checksum));
            }
        }
        let kept = 2 * ROWS.iter().filter(|row| row.2[index]).count() as u64;
        let refused = 2 * ROWS.len() as u64 - kept;
        if is_udp {
            collector.wait_for(BY_UDP, kept);
        } else {
            collector.wait_for(BY_XDP, 2 * ROWS.len() as u64);
            collector.wait_for("collector_bad_checksum_total", refused);
            let missing = if setting == "trust" { 0 } else { 2 };
            assert_eq!(collector.metric("reason=\"missing\""), missing, "{setting}");
        }
        wait_until(&format!("{setting}: decoded"), || {
            collector.metric("collector_ledger_decoded_total ") + collector.metric("collector_ledger_malformed_total ")
                == kept
        });
        let told = if refused == 0 || is_udp { 0 } else { 1 };
        assert_eq!(collector.log().matches("refused for their UDP checksum").count(), told, "{}", collector.log());
        assert_eq!(collector.terminate(), 0, "{}", collector.log());
    }
}

#[test]
fn the_ledger_adds_up_with_refused_checksums() {
    let Some(_turn) = privileged("the_ledger_adds_up_with_refused_checksums") else { return };
    let pair = VethPair::new("added");
    let place = Place::discarding(&pair.collector, "added");
    let mut collector = Collector::start(&place, &["--capture", "xdp", "--interface", COLLECTOR]);
    let wire = pair.exporter.enter(|| Wire::new(EXPORTER));
    for _ in 0..30 {
        wire.send(&datagram("192.0.2.1", place.udp_port(), &v5(), WRONG));
        wire.send(&datagram("192.0.2.2", place.udp_port(), &v5(), RIGHT));
    }
    collector.wait_for("collector_ledger_bad_checksum_total ", 30);
    assert_eq!(collector.metric("collector_ledger_bad_checksum_bytes_total "), 30 * v5().len() as u64);
    assert_eq!(collector.metric("collector_exporter_bad_checksum_total{exporter=\"192.0.2.1\"}"), 30);
    assert_eq!(collector.metric("collector_exporter_bad_checksum_total{exporter=\"192.0.2.2\"}"), 0);
    collector.wait_for("collector_ledger_received_xdp_total ", 60);
    collector.wait_for("collector_ledger_decoded_total ", 30);
    // Once the minute is settled, all that the program steered came out of the ring.
    wait_until("the minute is settled", || collector.metric("collector_ledger_seen_xdp_total ") == 60);
    assert_eq!(collector.metric("collector_ledger_ring_"), 0, "{}", collector.metrics());
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}

#[test]
fn what_a_local_sender_has_not_finished_is_kept() {
    let Some(_turn) = privileged("what_a_local_sender_has_not_finished_is_kept") else { return };
    let pair = VethPair::new("unfinished");
    // The pair's other side leaves checksums to this one, as it does unless told otherwise.
    let mut ethtool = pair.exporter.command("ethtool");
    assert!(ethtool.args(["-K", EXPORTER, "tx", "on"]).status().expect("ethtool is installed").success());
    for (setting, refused) in [("auto", 0), ("verify", 2)] {
        let place = Place::discarding(&pair.collector, &format!("unfinished-{setting}"));
        place.change_config("[capture]\n", &format!("[capture]\nchecksum = \"{setting}\"\n"));
        let mut collector = Collector::start(&place, &["--capture", "xdp", "--interface", COLLECTOR]);
        for (from, to) in [("192.0.2.1", COLLECTOR_V4), ("2001:db8::1", COLLECTOR_V6)] {
            pair.exporter.enter(|| {
                let exporter = UdpSocket::bind((from, 0)).expect("the address is ours");
                exporter.send_to(&v5(), (to, place.udp_port())).expect("the veth pair is up");
            });
        }
        collector.wait_for(BY_XDP, 2);
        collector.wait_for("collector_bad_checksum_total", refused);
        assert_eq!(collector.terminate(), 0, "{}", collector.log());
    }
}
