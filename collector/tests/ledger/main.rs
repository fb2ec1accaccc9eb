//! The ledger against what was really sent: the binary, the embedded store, a veth pair with the XDP program, and exporters
//! behind a bad network. Every cell that can be known is checked, and both equations for each exporter and minute.
//!
//! Needs root and the engine.

/// Network namespaces.
#[path = "../common/netns.rs"]
mod netns;
/// Rings and sockets that overflow.
mod overload;
/// The running binary.
#[path = "../run/process.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod process;
/// What the table says.
mod table;

use std::net::{IpAddr, UdpSocket};

use netns::{COLLECTOR, COLLECTOR_V4, VethPair, privileged};
use perf::faults::Sent;
use perf::{Device, Exporter, Fate, Faults, Path, Settings};
use process::{Collector, Place};
use table::Table;

/// Exporters behind a bad network: address, what it is, domain.
const BAD_NETWORK: [(&str, Device, u32); 4] = [
    ("192.0.2.1", Device::NetFlow5, 1),
    ("192.0.2.2", Device::Vyos, 7),
    ("192.0.2.3", Device::Juniper, 9),
    ("192.0.2.4", Device::Sflow, 3),
];
const HELD: &str = "192.0.2.5";
const MALFORMED: &str = "192.0.2.6";
const REFUSED: &str = "192.0.2.8";
const LIMITED: &str = "192.0.2.7";
/// What the limited exporter may send at once; it sends more in less than a second.
const BURST: u64 = 20;

#[test]
fn every_datagram_is_accounted_for() {
    let Some(_turn) = privileged("every_datagram_is_accounted_for") else { return };
    for way in [&["--interface", COLLECTOR, "--capture", "xdp"][..], &["--capture", "udp"]] {
        check(way);
    }
}

fn check(way: &[&str]) {
    let pair = VethPair::new("ledger");
    let Some(place) = Place::inside(&pair.collector, "ledger") else { return };
    place.change_config("[clickhouse]", "[front_door]\nallowed = [\"192.0.2.0/29\"]\n[clickhouse]");
    place.change_config("[clickhouse]", "[templates]\nhold_seconds = 5\n[clickhouse]");
    let limited = format!("[[exporters]]\naddress = \"{LIMITED}\"\nname = \"limited\"\n");
    let limit = format!("datagrams_per_second = 1\nburst = {BURST}\n");
    place.change_config("[[exporters]]", &format!("{limited}{limit}[[exporters]]"));
    let mut collector = Collector::start(&place, &[way, &["--workers", "1"]].concat());
    let port = place.udp_port();
    let sent = pair.exporter.enter(|| {
        let sent = BAD_NETWORK.map(|(address, device, domain)| behind_a_bad_network(address, device, domain, port));
        send(HELD, port, &held());
        send(MALFORMED, port, &[vec![0, 77, 1, 2, 3, 4], vec![0, 9], v5_with_lying_count()]);
        send(REFUSED, port, &vec![v5(1); 5]);
        send(LIMITED, port, &vec![v5(1); 3 * BURST as usize]);
        sent
    });
    let delivered: u64 = sent.iter().map(|(_, account)| account.delivered).sum();
    let received = delivered + held().len() as u64 + 3 + BURST;
    collector.wait_for("collector_datagrams_total", received);
    check_exporters(&collector, &place, &pair);
    // The set whose template does not come is given up in time; a stop would leave it waiting for the next start.
    collector.wait_for("collector_held_sets ", 0);
    assert_eq!(collector.terminate(), 0, "{}", collector.log());

    let collector = Collector::start(&place, &["--capture", "udp"]);
    let table = Table::read(&collector);
    table.check_equations();
    let seen = if way.contains(&"xdp") { "seen_xdp" } else { "seen_udp" };
    for ((address, device, domain), (sent, account)) in BAD_NETWORK.into_iter().zip(&sent) {
        let name = format!("{way:?} {device:?}");
        table.check(&name, address, &[(seen, account.delivered as i64), ("decoded", account.delivered as i64)]);
        table.check(&name, address, &[("flow_records", account.delivered_flows as i64)]);
        let found = expected(sent);
        table.check(&name, address, &[("duplicates", found.duplicates), ("reordered", found.reordered)]);
        table.check(&name, address, &[("restarts", account.restarts as i64)]);
        let counts_datagrams = matches!(device, Device::Vyos | Device::Sflow);
        let missing = if counts_datagrams { "missing_datagrams" } else { "missing_records" };
        table.check(&name, address, &[(missing, found.missing)]);
        let stored = collector.sql(&format!(
            "SELECT (SELECT count() FROM collector.flows WHERE exporter_address = toIPv6('{address}'))
                  + (SELECT count() FROM collector.nat_events WHERE exporter_address = toIPv6('{address}'))
                  + (SELECT count() FROM collector.interface_counters WHERE exporter_address = toIPv6('{address}'))"
        ));
        let stored = stored.trim().parse().unwrap_or_else(|_| panic!("{name}: {stored}"));
        table.check(&name, address, &[("rows_decoded", stored), ("rows_stored", stored)]);
        assert_eq!(table.domains(address), if domain == 0 { vec![0] } else { vec![0, domain] }, "{name}");
    }
    table.check("held", HELD, &[("sets_held", 2), ("sets_decoded_late", 1), ("sets_expired", 1), ("sets_evicted", 0)]);
    table.check("held", HELD, &[(seen, 3), ("decoded", 3), ("flow_records", 1), ("rows_stored", 1)]);
    table.check("malformed", MALFORMED, &[(seen, 3), ("malformed", 3), ("decoded", 0)]);
    assert_eq!(table.faults(MALFORMED), ["header_truncated 1", "records_missing 1", "version_unknown 1"]);
    table.check("refused", REFUSED, &[(seen, 5), ("not_allowed", 5), ("received_xdp", 0), ("received_udp", 0)]);
    let over = 2 * BURST as i64;
    table.check("limited", LIMITED, &[(seen, over + BURST as i64), ("rate_limited", over), ("decoded", BURST as i64)]);
}

/// What `collector exporters` says of them while the collector runs.
fn check_exporters(collector: &Collector<'_>, place: &Place<'_>, pair: &VethPair) {
    let output = pair
        .collector
        .command(env!("CARGO_BIN_EXE_collector"))
        .args(["--config", &place.config().display().to_string(), "exporters"])
        .output()
        .expect("start the collector's command");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?} {}", collector.log());
    for part in ["EXPORTER", "192.0.2.1 ", "NetFlow v5", "IPFIX", "sFlow v5", "limited", "per mille", "records_missing"]
    {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

fn behind_a_bad_network(address: &str, device: Device, domain: u32, port: u16) -> (Vec<Sent>, perf::Account) {
    let source: IpAddr = address.parse().expect("an address");
    let settings = Settings {
        address: source,
        domain,
        device,
        seed: u64::from(domain),
        records: 5,
        template_every: 1,
        sampling: 1,
        start_ms: now_ms(),
        step_ms: if device == Device::Juniper { 1_000 } else { 20 },
        uptime_ms: 3_600_000,
    };
    // No sequence number tells of a loss or a delay right at a restart; the seeds leave it in peace.
    let faults =
        Faults { loss_per_mille: 60, duplicate_per_mille: 30, reorder_per_mille: 30, restart_after: Some(200) };
    let socket = UdpSocket::bind((source, 0)).expect("the address is ours");
    let is_quiet = |sent: &[Sent]| [0, 199, 200, 299].iter().all(|at| sent[*at].fate == Fate::InTurn);
    for seed in 0.. {
        let mut path = Path::new(Exporter::new(settings.clone()), faults, seed);
        let mut payloads = Vec::new();
        let sent: Vec<Sent> = (0..300).map(|_| path.send(|exported| payloads.push(exported.payload.clone()))).collect();
        if is_quiet(&sent) {
            payloads.iter().for_each(|payload| {
                socket.send_to(payload, (COLLECTOR_V4, port)).expect("the veth pair is up");
            });
            return (sent, path.account());
        }
    }
    unreachable!("most seeds are quiet there")
}

#[derive(Default)]
struct Found {
    missing: i64,
    reordered: i64,
    duplicates: i64,
}

fn expected(sent: &[Sent]) -> Found {
    let mut found = Found::default();
    for sent in sent {
        match sent.fate {
            Fate::Lost => found.missing += i64::from(sent.exported.counts),
            Fate::Twice => found.duplicates += 1,
            Fate::Late => found.reordered += 1,
            Fate::InTurn => {}
        }
    }
    found
}

/// NetFlow v9: data sets of the templates 256 and 257, and after them only the template of the first.
fn held() -> Vec<Vec<u8>> {
    // Source address and octets.
    let template: Vec<u8> = [256u16, 2, 8, 4, 1, 4].iter().flat_map(|number| number.to_be_bytes()).collect();
    let record = [[10, 0, 0, 1], [0, 0, 1, 0]].concat();
    vec![v9(0, 256, &record), v9(1, 257, &record), v9(2, 0, &template)]
}

fn v9(sequence: u32, set_id: u16, set: &[u8]) -> Vec<u8> {
    let seconds = u32::try_from(now_ms() / 1000).expect("before 2106");
    let mut bytes = [9u16.to_be_bytes(), 1u16.to_be_bytes()].concat();
    for number in [60_000, seconds, sequence, 11] {
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend(set_id.to_be_bytes());
    bytes.extend(u16::try_from(4 + set.len()).expect("a small set").to_be_bytes());
    bytes.extend(set);
    bytes
}

fn v5(count: u16) -> Vec<u8> {
    let mut bytes = [5u16.to_be_bytes(), count.to_be_bytes()].concat();
    bytes.resize(24 + 48, 0);
    bytes
}

/// A v5 datagram of one record that says it has two.
fn v5_with_lying_count() -> Vec<u8> {
    v5(2)
}

fn send(address: &str, port: u16, datagrams: &[Vec<u8>]) {
    let source: IpAddr = address.parse().expect("an address");
    let socket = UdpSocket::bind((source, 0)).expect("the address is ours");
    for datagram in datagrams {
        socket.send_to(datagram, (COLLECTOR_V4, port)).expect("the veth pair is up");
    }
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the year 292 million")
}
