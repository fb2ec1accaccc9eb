//! SIGKILL at any moment: what was received before it is stored once, what comes after it too.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal::SIGKILL;

use crate::process::{Collector, Place, wait_until};
use crate::server::Server;
use crate::traffic::{self, Sender};

/// Datagrams that come before their template, in each round: few enough to be held.
const EARLY: u32 = 15;
/// The round in which the late template comes.
const LATE_ROUND: u16 = 3;

/// How often the collector is killed; more on demand.
fn kills() -> u16 {
    std::env::var("COLLECTOR_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(6)
}

#[test]
fn what_was_received_is_stored_once_whenever_it_is_killed() {
    for (workers, is_store_killed) in [("1", false), ("2", true)] {
        check(workers, is_store_killed);
    }
}

fn check(workers: &str, is_store_killed: bool) {
    let test = format!("kill-{workers}");
    let Some(place) = Place::with_engine(&test) else { return };
    place.change_config("block_age_ms = 60000", "block_age_ms = 50\nblock_rows = 5000\npending_rows = 50000");
    place.change_config("[capture]", "[templates]\nsnapshot_seconds = 1\n[capture]");
    let mut server = Server::new(place.directory().join("server"));
    server.start();
    let (url, port) = (server.url(), place.udp_port());
    let arguments = ["--capture", "udp", "--workers", workers, "--clickhouse-url", &url];
    let mut senders: Vec<Sender> = (2..=5).map(|host| Sender::new(host, port)).collect();
    let mut late = Sender::new(9, port);
    let mut moments = 0x2545_f491_4f6c_dd1d_u64;
    let kills = kills();
    for round in 1..=kills {
        let mut collector = Collector::start(&place, &arguments);
        if round == 1 {
            senders.iter_mut().for_each(Sender::send_template);
        }
        for number in 1..=EARLY {
            late.send_data(round, number);
        }
        if round == LATE_ROUND {
            late.send_template();
        }
        moments ^= moments << 13;
        moments ^= moments >> 7;
        moments ^= moments << 17;
        let moment = Duration::from_millis(200 + moments % 2500);
        let (stop, sent) = (AtomicBool::new(false), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for sender in &mut senders {
                let (stop, sent) = (&stop, &sent);
                scope.spawn(move || {
                    for number in 1.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        sender.send_data(round, number);
                        sent.fetch_add(1, Ordering::Relaxed);
                        if number.is_multiple_of(2) {
                            std::thread::sleep(Duration::from_millis(2));
                        }
                    }
                });
            }
            std::thread::sleep(moment / 2);
            if is_store_killed && round.is_multiple_of(2) {
                server.kill();
            }
            std::thread::sleep(moment / 2);
            collector.signal(SIGKILL);
            stop.store(true, Ordering::Relaxed);
        });
        collector.wait();
        assert!(sent.load(Ordering::Relaxed) > 0);
    }
    let mut collector = Collector::start(&place, &arguments);
    let has_gone_through = || collector.log().contains("went through the journal of the last run");
    wait_until("all that was received is stored", || {
        has_gone_through() && collector.metric("collector_journal_waiting_bytes") == 0
    });
    assert_eq!(collector.terminate(), 0, "{}", collector.log());

    let stored = traffic::stored(&server);
    for round in 1..=kills {
        for sender in &senders {
            let name = format!("{workers} workers, {} in round {round}", sender.stored_address());
            let found = stored.get(&(sender.stored_address(), round)).unwrap_or_else(|| panic!("{name}: nothing"));
            found.check(&name);
        }
        if round <= LATE_ROUND {
            let found = stored.get(&(late.stored_address(), round)).copied();
            let found = found.unwrap_or_else(|| panic!("{workers} workers: nothing was decoded late in round {round}"));
            found.check("late");
            assert_eq!(found.last, EARLY, "{workers} workers, round {round}: all that came before the template");
        }
    }
    let mut collector = Collector::start(&place, &arguments);
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
    assert_eq!(traffic::stored(&server), stored, "a clean stop leaves nothing to repeat");
    server.stop();
}
