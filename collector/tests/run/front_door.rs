//! The front door as an operator meets it: exporters that may not send or send too fast cost the others nothing, what is refused
//! is counted, and the rules change under traffic.
//!
//! The exporters send over a veth pair, to the XDP program or to plain UDP sockets. Needs root and the engine.

use std::net::UdpSocket;

use nix::sys::signal::Signal::SIGHUP;

use crate::datagrams::{V5_RECORDS, v5};
use crate::netns::{COLLECTOR, COLLECTOR_V4, VethPair, privileged};
use crate::process::{Collector, Place, wait_until};

/// The two ways, by their flags and the metrics of what they refused.
const WAYS: [(&[&str], [&str; 2]); 2] = [
    (
        &["--interface", COLLECTOR, "--capture", "xdp"],
        [
            "collector_xdp_verdicts_total{interface=\"collector0\",verdict=\"rate_limited\"}",
            "collector_xdp_verdicts_total{interface=\"collector0\",verdict=\"not_allowed\"}",
        ],
    ),
    (
        &["--capture", "udp"],
        [
            "collector_refused_total{worker=\"0\",path=\"udp\",reason=\"rate_limited\"}",
            "collector_refused_total{worker=\"0\",path=\"udp\",reason=\"not_allowed\"}",
        ],
    ),
];

const STEADY: &str = "192.0.2.1";
const FLOODING: &str = "192.0.2.2";

/// Sends `count` datagrams from one address; call inside the exporters' namespace.
fn send(exporter: &UdpSocket, port: u16, count: u64) {
    for _ in 0..count {
        exporter.send_to(&v5(), (COLLECTOR_V4, port)).expect("the veth pair is up");
    }
}

fn exporter(address: &str) -> UdpSocket {
    UdpSocket::bind((address, 0)).expect("the address is ours")
}

#[test]
fn who_floods_harms_nobody_else() {
    let Some(_turn) = privileged("who_floods_harms_nobody_else") else { return };
    for (flags, [rate_limited, not_allowed]) in WAYS {
        let pair = VethPair::new("flood");
        let Some(place) = Place::inside(&pair.collector, "flood") else { return };
        // So slow that nothing refills while the test runs.
        place.change_config("[clickhouse]", "[front_door]\nallowed = [\"192.0.2.0/28\"]\n[clickhouse]");
        let entry = format!("[[exporters]]\naddress = \"{FLOODING}\"\nname = \"flooding\"\n");
        let limit = "datagrams_per_second = 1\nburst = 50\n";
        place.change_config("[[exporters]]", &format!("{entry}{limit}[[exporters]]"));
        let mut collector = Collector::start(&place, &[flags, &["--workers", "1"]].concat());
        let (rounds, steady, flood) = (50, 4, 100);
        pair.exporter.enter(|| {
            let (steady_exporter, flooding_exporter) = (exporter(STEADY), exporter(FLOODING));
            for _ in 0..rounds {
                send(&flooding_exporter, place.udp_port(), flood);
                send(&steady_exporter, place.udp_port(), steady);
            }
        });
        let all = rounds * (steady + flood);
        let account = || {
            let refused = collector.metric(rate_limited);
            (collector.metric("collector_datagrams_total"), refused)
        };
        wait_until(&format!("{flags:?}: every datagram is taken or refused"), || {
            let (taken, refused) = account();
            taken + refused == all
        });
        let (taken, refused) = account();
        let of_flooding = taken - rounds * steady;
        assert!((50..500).contains(&of_flooding), "{flags:?}: the burst and a few seconds: {of_flooding}");
        assert_eq!(refused, rounds * flood - of_flooding, "{flags:?}: {}", collector.metrics());
        assert_eq!(collector.metric(not_allowed), 0, "{flags:?}");
        assert_eq!(collector.metric("event=\"flow_record\""), taken * V5_RECORDS, "{flags:?}");
        assert_eq!(collector.metric("collector_ring_frames_without_time_total"), 0, "{flags:?}");
        assert_eq!(collector.terminate(), 0, "{}", collector.log());

        let collector = Collector::start(&place, &["--capture", "udp"]);
        let stored = collector.sql(&format!(
            "SELECT countIf(exporter_address = '::ffff:{STEADY}'), countIf(exporter_name = 'flooding') FROM collector.flows"
        ));
        let expected = format!("{}\t{}\n", rounds * steady * V5_RECORDS, of_flooding * V5_RECORDS);
        assert_eq!(stored, expected, "{flags:?}");
    }
}

#[test]
fn rules_and_names_change_under_traffic() {
    let Some(_turn) = privileged("rules_and_names_change_under_traffic") else { return };
    for (flags, [_, not_allowed]) in WAYS {
        let pair = VethPair::new("reload");
        let Some(place) = Place::inside(&pair.collector, "reload") else { return };
        place.change_config("[clickhouse]", "[front_door]\nallowed = []\n[clickhouse]");
        let mut collector = Collector::start(&place, &[flags, &["--workers", "1"]].concat());
        let (steady, other) = pair.exporter.enter(|| (exporter(STEADY), exporter(FLOODING)));
        let port = place.udp_port();
        let reload = |old: &str, new: &str, said: &str| {
            place.change_config(old, new);
            let before = collector.log().matches(said).count();
            collector.signal(SIGHUP);
            // The steady exporter goes on meanwhile.
            send(&steady, port, 100);
            wait_until(said, || collector.log().matches(said).count() > before);
        };
        let mut taken = 200;
        send(&steady, port, 100);
        send(&other, port, 100);
        collector.wait_for("collector_datagrams_total", taken);

        reload("allowed = []", &format!("allowed = [\"{STEADY}\"]"), "reloaded the configuration");
        send(&other, port, 30);
        collector.wait_for(not_allowed, 30);
        reload("allowed = [", "allowed = [\"nobody\", ", "the configuration was not reloaded");
        assert!(collector.log().contains("front_door.allowed is"), "{}", collector.log());
        send(&other, port, 30);
        collector.wait_for(not_allowed, 60);
        let named = "name = \"renamed\"\n[[exporters]]\naddress = \"192.0.2.0/24\"\nname = \"net\"";
        place.change_config("block_age_ms = 60000", "block_age_ms = 60001");
        place.change_config("name = \"lab\"", named);
        reload("allowed = [\"nobody\", ", "allowed = [\"192.0.2.2\", ", "these keys wait for a restart");
        assert!(collector.log().contains("clickhouse.block_age_ms"), "{}", collector.log());
        send(&other, port, 70);
        taken += 3 * 100 + 70;
        collector.wait_for("collector_datagrams_total", taken);
        assert_eq!(collector.metric(not_allowed), 60, "{flags:?}");
        assert_eq!(collector.metric("collector_socket_drops_total"), 0, "{flags:?}");
        assert_eq!(collector.terminate(), 0, "{}", collector.log());
        let collector = Collector::start(&place, &["--capture", "udp"]);
        // Rows have the names that hold when their block is handed on, which is when it is full, old, or the state is saved.
        let stored = collector.sql("SELECT count(), countIf(exporter_name = 'net') >= 70 FROM collector.flows");
        assert_eq!(stored, format!("{}\t1\n", taken * V5_RECORDS), "{flags:?}");
    }
}
