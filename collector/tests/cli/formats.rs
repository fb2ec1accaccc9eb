//! Capture formats, compression, link types, VLAN tags and fragments: the same flows, whatever they come wrapped in.

use std::io::Write as _;

use crate::captures::{
    self, MICROSECONDS_BIG, MICROSECONDS_LITTLE, NANOSECONDS_BIG, NANOSECONDS_LITTLE, Order, PacketBlock, ethernet,
    ipv4, ipv4_fragments, ipv6, ipv6_fragments, netflow_v5, pcap, pcapng_section, udp,
};
use crate::{run_with_input, stderr, stdout};

/// Decodes a capture from standard input; the rows.
fn rows(capture: &[u8]) -> Vec<serde_json::Value> {
    let output = run_with_input(&["decode", "-"], capture);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// The rows of the plainest capture of two datagrams: what every other wrapping must give too.
fn expected() -> Vec<serde_json::Value> {
    let rows = rows(&pcap(MICROSECONDS_LITTLE, 1, &[frame(30), frame(1)]));
    assert_eq!(rows.len(), 31);
    assert_eq!(rows[30]["bytes"], 1000);
    assert_eq!(rows[29]["src_port"], 30);
    assert_eq!(rows[0]["exporter_address"], "192.0.2.7");
    assert_eq!(rows[0]["time_received"], "2023-11-14T22:13:20.123Z");
    rows
}

fn datagram(records: u16) -> Vec<u8> {
    udp(2055, &netflow_v5(records))
}

fn packet(records: u16) -> Vec<u8> {
    ipv4(0x4000, &datagram(records))
}

fn frame(records: u16) -> Vec<u8> {
    ethernet(&[], &packet(records))
}

#[track_caller]
fn check(name: &str, capture: &[u8]) {
    assert_eq!(rows(capture), expected(), "{name}");
}

/// A pcap of the two datagrams, each packet wrapped by `wrap`.
fn wrapped(link: u32, wrap: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    pcap(MICROSECONDS_LITTLE, link, &[wrap(packet(30)), wrap(packet(1))])
}

#[test]
fn byte_orders_and_time_units_of_pcap() {
    for magic in [MICROSECONDS_BIG, NANOSECONDS_LITTLE, NANOSECONDS_BIG] {
        check(&format!("{magic:x?}"), &pcap(magic, 1, &[frame(30), frame(1)]));
    }
}

#[test]
fn sections_interfaces_and_packet_blocks_of_pcapng() {
    let (first, second) = ([frame(30)], [frame(1)]);
    for order in [Order::Little, Order::Big] {
        for kind in [PacketBlock::Enhanced, PacketBlock::Obsolete] {
            check("one section", &pcapng_section(order, kind, 1, &[frame(30), frame(1)]));
        }
    }
    let little = pcapng_section(Order::Little, PacketBlock::Enhanced, 1, &first);
    check("two sections", &[little, pcapng_section(Order::Big, PacketBlock::Obsolete, 1, &second)].concat());
    let timed = pcapng_section(Order::Little, PacketBlock::Enhanced, 1, &first);
    let simple = pcapng_section(Order::Little, PacketBlock::Simple, 1, &second);
    check("a packet without a time has that of the one before", &[timed, simple].concat());
    check("raw IP", &pcapng_section(Order::Little, PacketBlock::Enhanced, 101, &[packet(30), packet(1)]));
}

#[test]
fn link_types() {
    for link in [12, 101, 228] {
        check("raw IP", &wrapped(link, |packet| packet));
    }
    let cooked = |packet: Vec<u8>| {
        [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], captures::ethertype(&packet).as_slice(), &packet].concat()
    };
    check("Linux cooked", &wrapped(113, cooked));
    let cooked_2 = |packet: Vec<u8>| [captures::ethertype(&packet).as_slice(), &[0; 18], &packet].concat();
    check("Linux cooked, version 2", &wrapped(276, cooked_2));
    check("BSD null, little-endian", &wrapped(0, |packet| [[2, 0, 0, 0].as_slice(), &packet].concat()));
    check("BSD null, big-endian", &wrapped(0, |packet| [[0, 0, 0, 2].as_slice(), &packet].concat()));
    check("BSD loop", &wrapped(108, |packet| [[0, 0, 0, 2].as_slice(), &packet].concat()));
}

#[test]
fn links_of_providers_and_cores() {
    let behind = |front: &'static [u8]| move |packet: Vec<u8>| [front, &packet].concat();
    check("PPP", &wrapped(9, behind(&[0xff, 3, 0, 0x21])));
    check("PPP in HDLC's frame", &wrapped(50, behind(&[0xff, 3, 0, 0x21])));
    check("Cisco's HDLC", &wrapped(104, behind(&[0x0f, 0, 8, 0])));
    check("frame relay", &wrapped(107, behind(&[0x18, 0x41, 3, 0xcc])));
    check("PPPoE alone", &wrapped(51, behind(&[0x11, 0, 0, 7, 0, 99, 0, 0x21])));
    let framed = |front: &'static [u8]| move |packet: Vec<u8>| [&[2; 12], front, &packet].concat();
    check("MPLS", &wrapped(1, framed(&[0x88, 0x47, 0, 6, 0x40, 64, 0, 6, 0x41, 64])));
    check("MPLS alone", &wrapped(219, behind(&[0, 6, 0x41, 64])));
    check("PPPoE", &wrapped(1, framed(&[0x81, 0, 0, 7, 0x88, 0x64, 0x11, 0, 0, 7, 0, 99, 0, 0x21])));
    let pseudowire =
        |packet: Vec<u8>| [&[2; 12], &[0x88, 0x47, 0, 6, 0x41, 64, 0, 0, 0, 0][..], &ethernet(&[], &packet)].concat();
    check("a pseudowire", &wrapped(1, pseudowire));
    let logged = |packet: Vec<u8>| {
        let length = u16::try_from(4 + packet.len()).expect("it fits").to_le_bytes();
        [&[2, 0, 0, 1, 8, 0, 1, 0, 8, 0, 1, 0], &length[..], &[9, 0], &packet].concat()
    };
    check("netfilter's log", &wrapped(239, logged));
}

#[test]
fn compressed_files() {
    let plain = pcap(MICROSECONDS_LITTLE, 1, &[frame(30), frame(1)]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).expect("it is packed");
    let gzip = gzip.finish().expect("it is packed");
    check("gzip", &gzip);
    check("zstd", &ruzstd::encoding::compress_to_vec(&plain[..], ruzstd::encoding::CompressionLevel::Fastest));
    let output = run_with_input(&["decode", "-"], &gzip[..gzip.len() - 1]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("what it holds in gzip is damaged or cut short"), "{}", stderr(&output));
}

/// Decodes a capture with nothing to decode; the last line.
#[track_caller]
fn check_last(link: u32, packets: &[Vec<u8>], expected: &str) {
    let output = run_with_input(&["decode", "-"], &pcap(MICROSECONDS_LITTLE, link, packets));
    assert!(output.status.success());
    let told = stderr(&output);
    let last = told.lines().last().expect("it says something");
    let starts = format!("decode: nothing to decode: {expected}");
    assert!(last.starts_with(&starts), "want {starts:?}, got {told}");
    // Ports are the remedy only where datagrams go to others.
    assert_eq!(last.contains("--port"), expected.contains("by port"), "{last}");
}

#[test]
fn the_last_line_tells_the_reason() {
    let mut cut = frame(30);
    cut.truncate(96);
    let arp = || [[2; 12].as_slice(), &[0x08, 0x06], &[0; 46]].concat();
    let other = || ethernet(&[], &ipv4(0, &udp(53, b"dns")));
    let mut tcp = frame(1);
    tcp[23] = 6;
    check_last(1, &[cut.clone()], "1 datagrams were cut short by the capture's snap length: capture again with -s 0");
    check_last(149, &[frame(1)], "packets that are not read: link type 149, USER: 1: capture on");
    check_last(9999, &[frame(1), frame(2)], "packets that are not read: link type 9999: 2: capture on");
    check_last(1, &[arp(), arp()], "packets that hold no IP: arp: 2: capture where");
    check_last(1, &[tcp], "packets of IP that are not UDP: 1: capture the exporters' datagrams");
    check_last(1, &[other()], "UDP datagrams by port: 53: 1: name the exporters' port with --port");
    check_last(
        1,
        &[cut.clone(), cut, other()],
        "2 datagrams were cut short by the capture's snap length: capture again with -s 0; UDP datagrams by port: 53: 1",
    );
    check_last(1, &[], "the file holds no packets");
}

#[test]
fn vlan_tags() {
    for tags in [[0x8100].as_slice(), &[0x88a8, 0x8100], &[0x8100, 0x8100], &[0x9100, 0x88a8, 0x8100]] {
        check(&format!("{tags:x?}"), &wrapped(1, |packet| ethernet(tags, &packet)));
    }
}

#[test]
fn fragments_are_joined() {
    let single = frame(1);
    let capture = |mut fragments: Vec<Vec<u8>>, arrange: fn(&mut [Vec<u8>])| {
        arrange(&mut fragments);
        let mut packets: Vec<Vec<u8>> = fragments.iter().map(|fragment| ethernet(&[], fragment)).collect();
        packets.push(single.clone());
        pcap(MICROSECONDS_LITTLE, 1, &packets)
    };
    let whole = datagram(30);
    for bytes in [8, 512, 1400] {
        check("IPv4 in order", &capture(ipv4_fragments(&whole, bytes), |_| {}));
        check("IPv4 backwards", &capture(ipv4_fragments(&whole, bytes), <[_]>::reverse));
        check("IPv6 in order", &capture(ipv6_fragments(&whole, bytes), |_| {}));
        check("IPv6 turned", &capture(ipv6_fragments(&whole, bytes), |fragments| fragments.rotate_left(1)));
    }
    let mut doubled = ipv4_fragments(&whole, 512);
    doubled.insert(1, doubled[0].clone());
    check("IPv4 with one twice", &capture(doubled, |_| {}));
}

#[test]
fn ipv6_extension_headers_are_stepped_over() {
    let hop_by_hop = |datagram: Vec<u8>| ipv6(0, &[&[17, 0, 1, 4, 0, 0, 0, 0], datagram.as_slice()].concat());
    let packets = [hop_by_hop(datagram(30)), hop_by_hop(datagram(1))].map(|packet| ethernet(&[], &packet));
    check("hop by hop", &pcap(MICROSECONDS_LITTLE, 1, &packets));
}

/// Decodes a capture of one good datagram and something else, which must be told on standard error.
#[track_caller]
fn check_told(other: Vec<u8>, told: &str) {
    let output = run_with_input(&["decode", "-"], &pcap(MICROSECONDS_LITTLE, 1, &[other, frame(1)]));
    assert!(output.status.success());
    assert_eq!(stdout(&output).lines().count(), 1);
    assert!(stderr(&output).contains(told), "want {told:?}, got {}", stderr(&output));
}

#[test]
fn what_is_passed_over_is_told_by_reason() {
    check_told(ethernet(&[], &[0x60; 10]), "passed over: cut short by the capture: 1: capture again with -s 0");
    check_told([[0; 12].as_slice(), &[0x08, 0x06], &[0; 46]].concat(), "passed over: not IP: 1 (arp: 1)");
    let mut tcp = packet(1);
    tcp[9] = 6;
    check_told(ethernet(&[], &tcp), "passed over: not UDP: 1");
    check_told(ethernet(&[], &ipv4(0, &udp(53, b"dns"))), "passed over: UDP to another port: 1");
    check_told(ethernet(&[], &ipv4(0x2000, &[0; 8])), "passed over: incomplete fragments: 1");
    check_told(ethernet(&[], &ipv4(0, &[0; 4])), "passed over: malformed headers: 1");
    check_told(ethernet(&[], &ipv4(0, &udp(2055, &[0, 99, 0, 0]))), "not decoded: version_unknown: 1");
    let mut cut = frame(30);
    cut.truncate(200);
    check_told(cut, "passed over: cut short by the capture: 1");
}

#[test]
fn ports_are_those_that_are_named() {
    let capture = pcap(MICROSECONDS_LITTLE, 1, &[ethernet(&[], &ipv4(0, &udp(9000, &netflow_v5(2)))), frame(1)]);
    let count = |args: &[&str]| stdout(&run_with_input(args, &capture)).lines().count();
    assert_eq!(count(&["decode", "-"]), 1);
    assert_eq!(count(&["decode", "-", "--port", "9000"]), 2);
    assert_eq!(count(&["decode", "-", "-p", "9000", "-p", "2055"]), 3);
    let output = run_with_input(&["decode", "-", "--port", "7"], &capture);
    assert!(output.status.success());
    assert!(stderr(&output).contains("UDP datagrams by port: 2055: 1, 9000: 1"), "{}", stderr(&output));
}

#[test]
fn tables_are_those_that_are_named() {
    let capture = pcap(MICROSECONDS_LITTLE, 1, &[frame(2)]);
    for (flags, flows) in [
        (&[][..], 2),
        (&["--table", "flows"], 2),
        (&["--table", "interface_counters"], 0),
        (&["--table", "nat_events", "--table", "flows"], 2),
    ] {
        let output = run_with_input(&[&["decode", "-"], flags].concat(), &capture);
        assert!(output.status.success(), "{}", stderr(&output));
        let rows = stdout(&output);
        assert_eq!(rows.lines().filter(|row| row.starts_with("{\"time_received\":")).count(), flows, "{flags:?}");
        let told = "rows of other tables: flows: 2; --table flows shows them";
        assert_eq!(stderr(&output).contains(told), flows == 0, "{}", stderr(&output));
    }
    let refused = run_with_input(&["decode", "-", "--table", "flow"], &capture);
    assert!(stderr(&refused).contains("flows, nat_events, interface_counters"), "{}", stderr(&refused));
}

#[test]
fn a_file_that_ends_too_early_gives_what_is_there() {
    for whole in [
        pcap(MICROSECONDS_LITTLE, 1, &[frame(2), frame(3)]),
        pcapng_section(Order::Big, PacketBlock::Enhanced, 1, &[frame(2), frame(3)]),
    ] {
        let output = run_with_input(&["decode", "-"], &whole[..whole.len() - 30]);
        assert!(output.status.success());
        assert_eq!(stdout(&output).lines().count(), 2);
        assert!(stderr(&output).contains("- ends in the middle of a packet: the 1 packets before it were read"));
    }
}

/// A broken file: the rows that come before the break, exit code 1, and one line on why.
#[track_caller]
fn check_broken(capture: &[u8], rows: usize, why: &str) {
    let output = run_with_input(&["decode", "-"], capture);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(stdout(&output).lines().count(), rows);
    let told = stderr(&output);
    let last = told.lines().last().expect("it says something");
    assert!(last.starts_with("collector: reading capture file -: ") && last.contains(why), "want {why:?}, got {told}");
}

#[test]
fn broken_files_are_told_in_one_line() {
    check_broken(b"", 0, "shorter than a file header");
    check_broken(b"PK\x03\x04 something else", 0, "not a pcap or pcapng file");
    check_broken(&[0x1f, 0x8b, 8, 0, 0, 0], 0, "what it holds in gzip is damaged or cut short");
    check_broken(b"BZh91AY&SY", 0, "bunzip2");
    check_broken(&[0x0c, 0xa5, 2, 0], 0, "nfreplay");
    check_broken(&MICROSECONDS_BIG, 0, "shorter than a file header");
    let mut huge = pcap(MICROSECONDS_LITTLE, 1, &[frame(2), frame(2)]);
    let second = huge.len() - frame(2).len() - 8;
    huge[second..second + 4].fill(0xff);
    check_broken(&huge, 2, "damaged at byte");
    let mut unequal = pcapng_section(Order::Little, PacketBlock::Enhanced, 1, &[frame(2), frame(2)]);
    let end = unequal.len();
    unequal[end - 4] ^= 4;
    check_broken(&unequal, 2, "a block whose two lengths differ");
    let mut section = pcapng_section(Order::Little, PacketBlock::Enhanced, 1, &[]);
    section[8] = 0;
    check_broken(&section, 0, "its section header is not valid");
}
