//! Data sets that wait for their template: bounded, released to whoever learns it, and every one accounted for.

use std::thread;
use std::time::Duration;

use collector::metrics::Exposition;
use collector::templates::{GivenUp, HeldBounds, Reason, Settings, Templates};
use netflow::header::Header;
use netflow::store::{DomainKey, Store, TemplateKey};
use netflow::{Datagram, Event, Report, Tables, decode};

use crate::{domain, key, marked};

/// What a held set takes beside its bytes, at most.
const OVERHEAD: usize = 640;
const MINUTE_MS: i64 = 60_000;

fn header(of: DomainKey, received_ms: i64) -> Header {
    Header {
        exporter: of.exporter,
        received_ms,
        version: of.version,
        domain: of.domain,
        sequence: 0,
        export_ms: 0,
        uptime_ms: None,
        count: None,
        sampling: None,
        skew: netflow::skew::ClockSkew::Small,
    }
}

fn holding(bytes_per_exporter: usize, bytes_total: usize) -> Templates {
    let held = HeldBounds { bytes_per_exporter, bytes_total, age: Duration::from_secs(100) };
    Templates::new(Settings { held, ..Settings::default() })
}

/// Held, decoded late, expired, evicted, waiting: the sums must agree.
fn account(templates: &Templates) -> [u64; 5] {
    let mut out = Exposition::default();
    templates.write(&mut out);
    let text = out.finish();
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
    };
    let event = |event| value(&format!("collector_held_sets_total{{event=\"{event}\"}}"));
    let waiting = value("collector_held_sets ");
    let account = [event("held"), event("decoded_late"), event("expired"), event("evicted"), waiting];
    assert_eq!(account[0], account[1..].iter().sum::<u64>(), "{account:?}");
    account
}

#[test]
fn another_worker_releases_what_one_held() {
    let templates = Templates::new(Settings::default());
    let (mut one, mut other) = (templates.cache(), templates.cache());
    let of = key(1, 9, 7, 256);
    for second in 0..3 {
        assert!(one.hold(&of, &header(of.domain, second), &[second as u8; 10]));
    }
    assert!(one.hold(&key(1, 9, 7, 257), &header(of.domain, 9), &[9]));
    assert!(other.is_held(&of) && !other.is_held(&key(1, 9, 8, 256)));
    let released: Vec<(i64, u8)> =
        other.release(&of).iter().map(|held| (held.header.received_ms, held.bytes[0])).collect();
    assert_eq!(released, [(0, 0), (1, 1), (2, 2)], "in the order in which they came");
    assert!(one.release(&of).is_empty() && !one.is_held(&of));
    assert_eq!(account(&templates), [4, 3, 0, 0, 1]);
}

#[test]
fn an_exporter_is_bounded_and_its_oldest_go_first() {
    let templates = holding(5 * (OVERHEAD + 100), 1 << 20);
    let mut cache = templates.cache();
    let (mine, other) = (key(1, 9, 1, 256), key(2, 9, 1, 256));
    assert!(cache.hold(&other, &header(other.domain, 0), &[7; 100]));
    for number in 0..8_i64 {
        assert!(cache.hold(&mine, &header(mine.domain, number), &[number as u8; 100]));
    }
    let kept: Vec<u8> = cache.release(&mine).iter().map(|held| held.bytes[0]).collect();
    assert_eq!(kept, [3, 4, 5, 6, 7]);
    assert_eq!(cache.release(&other).len(), 1, "another exporter loses nothing");
    let expected = GivenUp { domain: mine.domain, received_ms: 0, sets: 3, bytes: 300, reason: Reason::Evicted };
    assert_eq!(templates.held_given_up(0), [expected]);
    assert_eq!(templates.held_given_up(0), [], "told once");
    assert_eq!(account(&templates), [9, 6, 0, 3, 0]);
    assert!(!cache.hold(&mine, &header(mine.domain, 0), &vec![0; 6000]), "more than it may ever have");
    assert_eq!(account(&templates), [9, 6, 0, 3, 0]);
}

#[test]
fn nothing_waits_too_long() {
    let templates = holding(1 << 20, 1 << 20);
    let mut cache = templates.cache();
    let of = key(1, 10, 3, 300);
    for received_ms in [0, 1, MINUTE_MS - 1, MINUTE_MS, 100_000] {
        assert!(cache.hold(&of, &header(of.domain, received_ms), &[0; 10]));
    }
    assert_eq!(templates.held_given_up(100), []);
    let mut given_up = templates.held_given_up(170);
    given_up.sort_unstable_by_key(|given_up| given_up.received_ms);
    let expected =
        |received_ms, sets, bytes| GivenUp { domain: of.domain, received_ms, sets, bytes, reason: Reason::Expired };
    assert_eq!(given_up, [expected(0, 3, 30), expected(MINUTE_MS, 1, 10)], "by the minute they were received in");
    assert_eq!(account(&templates), [5, 0, 4, 0, 1]);
    assert_eq!(cache.release(&of).len(), 1);
}

/// Forged exporters fill the room; one of which a template is known still finds its place, and keeps it.
#[test]
fn a_flood_of_forged_exporters_displaces_no_known_one() {
    let templates = holding(10 * (OVERHEAD + 100), 50 * (OVERHEAD + 100));
    let mut cache = templates.cache();
    let (known, missing) = (key(200, 9, 1, 256), key(200, 9, 1, 257));
    cache.learn(known, marked(&known, 0, 2));
    let forged = |cache: &mut collector::templates::Cache| {
        (1..=100_u8)
            .filter(|exporter| cache.hold(&key(*exporter, 9, 1, 256), &header(domain(*exporter, 9, 1), 0), &[0; 100]))
            .count()
    };
    assert_eq!(forged(&mut cache), 100, "among themselves the oldest goes");
    for number in 0..10 {
        assert!(cache.hold(&missing, &header(missing.domain, number), &[0; 100]));
    }
    assert_eq!(forged(&mut cache), 100);
    assert_eq!(account(&templates)[3..], [160, 50]);
    assert_eq!(cache.release(&missing).len(), 10, "none of its own was given up");
    // With nothing but known ones in it, a full room takes no forged one.
    for exporter in 201..=205 {
        let of = key(exporter, 9, 1, 256);
        cache.learn(of, marked(&of, 0, 2));
        (0..10).for_each(|_| assert!(cache.hold(&key(exporter, 9, 1, 300), &header(of.domain, 0), &[0; 100])));
    }
    assert_eq!(forged(&mut cache), 0);
    let evicted: u32 = templates.held_given_up(0).iter().map(|given_up| given_up.sets).sum();
    assert_eq!(u64::from(evicted), account(&templates)[3]);
}

/// However many domains give up sets, the list of them stays short and loses none.
#[test]
fn the_list_of_what_was_given_up_is_bounded() {
    let templates = holding(OVERHEAD + 100, 1 << 20);
    let mut cache = templates.cache();
    for number in 0..20_000_u32 {
        let of = TemplateKey { domain: DomainKey { domain: number, ..domain(1, 9, 0) }, id: 256 };
        assert!(cache.hold(&of, &header(of.domain, 0), &[0; 100]));
    }
    let given_up = templates.held_given_up(0);
    assert!(given_up.len() <= 16_386, "{}", given_up.len());
    assert_eq!(given_up.iter().map(|given_up| u64::from(given_up.sets)).sum::<u64>(), 19_999);
    assert!(given_up.iter().any(|given_up| given_up.domain.exporter == [0; 16] && given_up.sets > 3000));
}

#[test]
fn nothing_is_held_where_the_bound_is_nothing() {
    let templates = holding(0, 0);
    assert!(!templates.cache().hold(&key(1, 9, 1, 256), &header(domain(1, 9, 1), 0), &[0; 4]));
    assert_eq!(account(&templates), [0; 5]);
}

/// A NetFlow v9 datagram of source id 1 with one set.
fn v9(set_id: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 4).expect("short");
    let header = [&9_u16.to_be_bytes()[..], &[0, 1], &[0; 12], &1_u32.to_be_bytes()].concat();
    [&header[..], &set_id.to_be_bytes(), &length.to_be_bytes(), body].concat()
}

/// One worker gets the data and another the templates, at the same time: nothing is left behind.
#[test]
fn no_set_is_left_behind_by_a_race() {
    const ROUNDS: u16 = 2000;
    // Room for all: one of the workers may be done before the other begins.
    let bytes = usize::from(ROUNDS) * (OVERHEAD + 100);
    let templates = holding(bytes, bytes);
    let exporter = domain(1, 9, 1).exporter;
    let run = |payload_of: &(dyn Fn(u16) -> Vec<u8> + Sync)| {
        let (mut cache, mut tables, mut report) = (templates.cache(), Tables::default(), Report::default());
        for round in 0..ROUNDS {
            let payload = payload_of(256 + round);
            let datagram = Datagram { payload: &payload, exporter, received_ms: 0 };
            decode(&datagram, &mut cache, &mut tables, &mut report);
        }
        (tables.flows.len(), report.get(Event::SetDecodedLate))
    };
    let data = |id: u16| v9(id, &[0, 1, 0, 2]);
    let template = |id: u16| v9(0, &[&id.to_be_bytes()[..], &[0, 2, 0, 7, 0, 2, 0, 11, 0, 2]].concat());
    let (one, other) = thread::scope(|scope| {
        let one = scope.spawn(|| run(&data));
        let other = scope.spawn(|| run(&template));
        (one.join().expect("no panic"), other.join().expect("no panic"))
    });
    assert_eq!(one.0 + other.0, usize::from(ROUNDS), "each flow record came out once");
    let [held, late, .., waiting] = account(&templates);
    assert_eq!((held, late, waiting), (late, one.1 + other.1, 0));
}
