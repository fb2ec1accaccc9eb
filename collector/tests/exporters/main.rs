//! Real exporters: what they say they sent, what other collectors read in the same datagrams, and what is stored, are the
//! same.
//!
//! Needs root, the engine, and the programs of Debian's packages softflowd, pmacct, fprobe and nfdump.

/// The traffic that is metered.
mod capture;
/// The repository's demo.
mod demo;
/// The exporters.
mod exporter;
/// Network namespaces.
#[path = "../common/netns.rs"]
mod netns;
/// Other collectors.
mod peer;
/// The running binary.
#[path = "../run/process.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod process;
/// Flows by their keys.
mod totals;

use std::net::UdpSocket;
use std::path::Path;

use capture::Packets;
use exporter::{Exporter, Run};
use netns::{COLLECTOR, COLLECTOR_V4, COLLECTOR_V6, EXPORTER, VethPair, privileged};
use peer::Peer;
use process::{Collector, Place, wait_until};
use totals::Totals;

/// The metric of datagrams that came by the plain UDP socket.
const BY_UDP: &str = "collector_datagrams_total{worker=\"0\",path=\"udp\"}";
/// Of the veth pair.
const MTU: usize = 1500;
/// Programs without which nothing can be compared.
const PROGRAMS: [&str; 6] = ["softflowd", "pmacctd", "sfacctd", "fprobe", "nfcapd", "nfdump"];

/// One exporter, and how many packets it leaves out for each that it looks at.
struct Case {
    name: &'static str,
    exporter: Exporter,
    sampling: u32,
    /// The rate that the exporter tells the collector; 1 where it tells none.
    told: u32,
    peer: Peer,
}

const fn case(name: &'static str, exporter: Exporter, sampling: u32, told: u32) -> Case {
    let peer = if matches!(exporter, Exporter::Sfprobe) { Peer::Sfacctd } else { Peer::Nfcapd };
    Case { name, exporter, sampling, told, peer }
}

const CASES: [Case; 15] = [
    case("softflowd v5", Exporter::Softflowd(5), 1, 1),
    case("softflowd v9", Exporter::Softflowd(9), 1, 1),
    case("softflowd IPFIX", Exporter::Softflowd(10), 1, 1),
    case("softflowd v5, sampled", Exporter::Softflowd(5), 10, 10),
    case("softflowd v9, sampled", Exporter::Softflowd(9), 10, 10),
    case("softflowd IPFIX, sampled", Exporter::Softflowd(10), 10, 10),
    case("nfprobe v5", Exporter::Nfprobe(5), 1, 1),
    case("nfprobe v9", Exporter::Nfprobe(9), 1, 1),
    case("nfprobe IPFIX", Exporter::Nfprobe(10), 1, 1),
    case("nfprobe v9, sampled", Exporter::Nfprobe(9), 10, 10),
    case("nfprobe IPFIX, sampled", Exporter::Nfprobe(10), 10, 10),
    case("sfprobe", Exporter::Sfprobe, 1, 1),
    case("sfprobe, sampled", Exporter::Sfprobe, 10, 10),
    case("fprobe v5", Exporter::Fprobe(5), 1, 1),
    case("fprobe v7", Exporter::Fprobe(7), 1, 1),
];

#[test]
fn exporters_other_collectors_and_the_store_agree() {
    let Some(_turn) = privileged("exporters_other_collectors_and_the_store_agree") else { return };
    for program in PROGRAMS {
        let folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
        if !folders.iter().any(|folder| Path::new(folder).join(program).exists()) {
            assert!(std::env::var_os("COLLECTOR_REQUIRE_PRIVILEGED").is_none(), "no {program}: run cargo xtask test");
            eprintln!("SKIPPED: exporters_other_collectors_and_the_store_agree: no {program}; run cargo xtask test");
            return;
        }
    }
    let pair = VethPair::new("exporters");
    let Some(place) = Place::inside(&pair.collector, "exporters") else { return };
    place.change_config("block_age_ms = 60000", "block_age_ms = 200");
    for number in 10..=CASES.len() {
        pair.exporter.ip(&format!("address add 192.0.2.{number}/24 dev {EXPORTER}"));
        pair.exporter.ip(&format!("address add 2001:db8::{number}/64 dev {EXPORTER} nodad"));
    }
    let mut collector = Collector::start(&place, &["--interface", COLLECTOR, "--capture", "xdp"]);
    let packets = Packets::new(11);
    let (mut sent, mut fragmented) = (0, 0);
    for (number, case) in (1..).zip(&CASES) {
        let run = Run::new(&pair.exporter, place.directory(), case.exporter, case.sampling, &packets);
        sent += 2 * run.datagrams.len() as u64;
        let longer_than = |most| run.datagrams.iter().filter(|datagram| datagram.len() > most).count() as u64;
        fragmented += longer_than(MTU - 20 - 8) + longer_than(MTU - 40 - 8);
        forward(&pair, &place, number, &run.datagrams);
        collector.wait_for("collector_datagrams_total{", sent);
        check(case, number, &run, &pair, &place, &collector);
    }
    assert_eq!(collector.metric(BY_UDP), fragmented, "all but fragments came over the ring");
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}

/// Sends the datagrams on as exporter `number`, once from its IPv4 address and once from its IPv6 address.
fn forward(pair: &VethPair, place: &Place<'_>, number: u32, datagrams: &[Vec<u8>]) {
    pair.exporter.enter(|| {
        for (from, to) in [(format!("192.0.2.{number}"), COLLECTOR_V4), (format!("2001:db8::{number}"), COLLECTOR_V6)] {
            let socket = UdpSocket::bind((from.as_str(), 0)).expect("the address is ours");
            for datagram in datagrams {
                socket.send_to(datagram, (to, place.udp_port())).expect("the veth pair is up");
            }
        }
    });
}

fn check(case: &Case, number: u32, run: &Run, pair: &VethPair, place: &Place<'_>, collector: &Collector<'_>) {
    let name = case.name;
    let by_peer = case.peer.read(&pair.exporter, place.directory(), &run.datagrams);
    if let Some(told) = &run.told {
        totals::compare(
            &format!("{name}: the exporter and {:?}", case.peer),
            told,
            &by_peer.divided(case.peer_factor()),
        );
    }
    for exporter in [format!("::ffff:192.0.2.{number}"), format!("2001:db8::{number}")] {
        let whose = format!("exporter_address = toIPv6('{exporter}')");
        let records = run.records();
        wait_until(&format!("{name}: {records} rows of {exporter} are stored"), || {
            collector.sql(&format!("SELECT count() FROM collector.flows WHERE {whose}")).trim() == records.to_string()
        });
        let stored = Totals::of_rows(&collector.sql(&format!(
            "SELECT src_addr, dst_addr, src_port, dst_port, protocol, count(), sum(packets), sum(bytes) \
             FROM collector.flows WHERE {whose} GROUP BY ALL FORMAT TSV"
        )));
        totals::compare(
            &format!("{name}: {:?} and the rows of {exporter}", case.peer),
            &by_peer.divided(case.peer_factor()),
            &if case.peer == Peer::Sfacctd { stored.without_records() } else { stored },
        );
        let rates = collector.sql(&format!("SELECT DISTINCT sampling_rate FROM collector.flows WHERE {whose}"));
        assert_eq!(rates.trim(), case.told.to_string(), "{name}: the sampling rate of {exporter}");
    }
}

impl Case {
    /// nfcapd multiplies what it reads by the rate that v5's header tells, not by one that it was told in options.
    fn peer_factor(&self) -> u64 {
        if self.exporter == Exporter::Softflowd(5) { u64::from(self.told) } else { 1 }
    }
}
