//! The program's accounts: each datagram is in exactly one exporter's minute, whoever else sends.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use aya::programs::{TestRun, TestRunOptions};
use collector::front_door::{Limit, Rules};
use collector::prefix::Prefix;
use collector::steering::{Count, ExporterMinute, Program, Verdict};

use crate::door::{from, program, rules};
use crate::frames::PAYLOAD;
use crate::privileged::privileged;
use crate::table::run;

const MINUTE_NS: u64 = 60_000_000_000;
/// The middle of a minute.
const NOON_NS: u64 = 1_700_000_070_000_000_000;
const NOON: u32 = (NOON_NS / MINUTE_NS) as u32;

/// Datagrams steered, not allowed, and rate limited, by exporter and minutes after noon.
type Table = BTreeMap<(String, i64), [u64; 3]>;

fn address(text: &str) -> [u8; 16] {
    text.parse::<Prefix>().expect("an address").first()
}

fn table(minutes: &[ExporterMinute]) -> Table {
    let mut table = Table::new();
    for minute in minutes {
        let exporter = Ipv6Addr::from(minute.exporter).to_canonical().to_string();
        let counts = [minute.steered, minute.not_allowed, minute.rate_limited];
        for count in counts {
            assert_eq!(count.bytes, count.datagrams * PAYLOAD.len() as u64, "{minute:?}");
        }
        let key = (exporter, i64::from(minute.minute) - i64::from(NOON));
        assert_eq!(table.insert(key, counts.map(|count| count.datagrams)), None, "handed out twice");
    }
    table
}

fn expected(rows: &[(&str, i64, [u64; 3])]) -> Table {
    rows.iter().map(|(exporter, minute, counts)| (((*exporter).to_owned(), *minute), *counts)).collect()
}

fn send(program: &mut Program, exporter: &str, count: u32) {
    let frame = from(exporter, &[]);
    let options = TestRunOptions { data_in: Some(&frame), repeat: count, ..TestRunOptions::new() };
    program.xdp_mut().test_run(options).expect("run the program");
}

/// Sets the program's clock to this many minutes after noon, and waits until it is sure to have done with what was before.
fn set_minute(program: &mut Program, minute: i64) {
    let wall_ns = NOON_NS.wrapping_add_signed(minute * MINUTE_NS as i64);
    program.set_time(wall_ns).expect("set the time");
    std::thread::sleep(std::time::Duration::from_millis(1100));
}

fn handed_out(program: &mut Program, up_to: i64) -> Table {
    let up_to = (i64::from(NOON) + up_to) as u32;
    table(&program.exporter_minutes(up_to).expect("read the accounts"))
}

#[test]
fn minutes_are_handed_out_once_and_when_they_are_over() {
    if !privileged("minutes_are_handed_out_once_and_when_they_are_over") {
        return;
    }
    let limited = Limit::from_words([3_600_000_000_000, 2 * 3_600_000_000_000]);
    let rules = rules(&["10.0.0.0/8", "2001:db8::/32"], Limit::NONE, &[("10.0.0.3", limited)]);
    let (mut program, _socket) = program(rules, 64);
    program.admit(&[address("10.0.0.1")]).expect("admit");
    set_minute(&mut program, 0);
    for (exporter, count) in [("10.0.0.1", 5), ("2001:db8::9", 7), ("10.0.0.3", 10), ("192.0.2.1", 4), ("10.0.0.1", 1)]
    {
        send(&mut program, exporter, count);
    }
    assert_eq!(handed_out(&mut program, 0), Table::new(), "the minute is not over");
    assert_eq!(handed_out(&mut program, 9), Table::new());
    // Known in the middle of a minute: both accounts are one.
    program.admit(&[address("2001:db8::9")]).expect("admit");
    send(&mut program, "2001:db8::9", 2);
    set_minute(&mut program, 1);
    send(&mut program, "10.0.0.1", 3);
    assert_eq!(handed_out(&mut program, -1), Table::new(), "not asked for yet");
    let noon = [
        ("10.0.0.1", 0, [6, 0, 0]),
        ("2001:db8::9", 0, [9, 0, 0]),
        ("10.0.0.3", 0, [3, 0, 7]),
        ("192.0.2.1", 0, [0, 4, 0]),
    ];
    assert_eq!(handed_out(&mut program, 0), expected(&noon));
    assert_eq!(handed_out(&mut program, 0), Table::new());
    // Two minutes unread, then the clock is set back onto one that was handed out.
    set_minute(&mut program, 2);
    send(&mut program, "10.0.0.1", 4);
    set_minute(&mut program, 0);
    send(&mut program, "10.0.0.1", 2);
    let two = [("10.0.0.1", 1, [3, 0, 0]), ("10.0.0.1", 2, [4, 0, 0])];
    assert_eq!(handed_out(&mut program, -1), expected(&two), "from before the clock was set back");
    assert_eq!(table(&program.last_exporter_minutes().expect("read")), expected(&[("10.0.0.1", 0, [2, 0, 0])]));
    assert_eq!(program.last_exporter_minutes().expect("read"), []);
}

#[test]
fn a_flood_of_forged_addresses_evicts_no_known_exporter_and_no_datagram() {
    if !privileged("a_flood_of_forged_addresses_evicts_no_known_exporter_and_no_datagram") {
        return;
    }
    let limited = Limit::from_words([3_600_000_000_000, 19 * 3_600_000_000_000]);
    for allowed in [&[][..], &["10.0.0.0/24"]] {
        let (mut program, _socket) = program(rules(allowed, Limit::NONE, &[("10.0.0.2", limited)]), 64);
        set_minute(&mut program, 0);
        // Heard before it is known, and then drowned.
        send(&mut program, "10.0.0.1", 11);
        program.admit(&[address("10.0.0.1"), address("10.0.0.2")]).expect("admit");
        send(&mut program, "10.0.0.2", 20);
        for number in 0..20_000_u32 {
            let [_, _, high, low] = number.to_be_bytes();
            run_once(&mut program, &format!("172.20.{high}.{low}"));
            if number % 100 == 0 {
                send(&mut program, "10.0.0.1", 1);
                send(&mut program, "10.0.0.2", 1);
            }
        }
        let minutes = program.last_exporter_minutes().expect("read the accounts");
        let table = table(&minutes);
        assert_eq!(table[&("10.0.0.1".to_owned(), 0)], [211, 0, 0], "{allowed:?}");
        assert_eq!(
            table[&("10.0.0.2".to_owned(), 0)],
            [20, 0, 200],
            "{allowed:?}: its bucket stays as empty as it was"
        );
        assert!(table[&("::".to_owned(), 0)].iter().sum::<u64>() > 10_000, "{allowed:?}: what was evicted is told");
        assert_sums(&program, &minutes);
    }
}

#[test]
fn with_all_accounts_taken_the_others_are_still_counted() {
    if !privileged("with_all_accounts_taken_the_others_are_still_counted") {
        return;
    }
    let (mut program, _socket) = program(Rules::default(), 16);
    set_minute(&mut program, 0);
    let exporters: Vec<[u8; 16]> = (1..=40).map(|host| address(&format!("10.0.0.{host}"))).collect();
    assert_eq!(program.admit(&exporters).expect("admit"), 24);
    assert_eq!(program.admit(&exporters[..16]).expect("admit"), 0, "those that have one");
    for host in 1..=40 {
        send(&mut program, &format!("10.0.0.{host}"), host);
    }
    let minutes = program.last_exporter_minutes().expect("read the accounts");
    let table = table(&minutes);
    for host in 1..=16 {
        assert_eq!(table[&(format!("10.0.0.{host}"), 0)], [host, 0, 0]);
    }
    assert_sums(&program, &minutes);
}

/// Runs the program once on a datagram of this exporter.
fn run_once(program: &mut Program, exporter: &str) {
    send(program, exporter, 1);
}

/// What was handed out is what the verdicts say, to the datagram.
fn assert_sums(program: &Program, minutes: &[ExporterMinute]) {
    let verdicts = program.verdicts().expect("read the verdicts");
    let sum = |of: fn(&ExporterMinute) -> Count| minutes.iter().map(|minute| of(minute).datagrams).sum::<u64>();
    assert_eq!(sum(|minute| minute.steered), verdicts.get(Verdict::Steered));
    assert_eq!(sum(|minute| minute.not_allowed), verdicts.get(Verdict::NotAllowed));
    assert_eq!(sum(|minute| minute.rate_limited), verdicts.get(Verdict::RateLimited));
}

#[test]
fn cpus_that_count_at_once_lose_nothing() {
    if !privileged("cpus_that_count_at_once_lose_nothing") {
        return;
    }
    const EACH: u32 = 300_000;
    let (mut program, _socket) = program(Rules::default(), 64);
    program.admit(&[address("10.0.0.1")]).expect("admit");
    // One frame first, so that the newcomer's account is opened by one CPU.
    assert_eq!(run(&mut program, &from("10.0.0.2", &[])).1, Verdict::Steered);
    let xdp: &aya::programs::Xdp = program.xdp_mut();
    std::thread::scope(|scope| {
        for exporter in ["10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.2"] {
            scope.spawn(move || {
                let frame = from(exporter, &[]);
                let options = TestRunOptions { data_in: Some(&frame), repeat: EACH, ..TestRunOptions::new() };
                xdp.test_run(options).expect("run the program");
            });
        }
    });
    let minutes = program.last_exporter_minutes().expect("read the accounts");
    let sum = |exporter: &str| -> u64 {
        let minutes = minutes.iter().filter(|minute| minute.exporter == address(exporter));
        minutes.map(|minute| minute.steered.datagrams).sum()
    };
    assert_eq!(sum("10.0.0.1"), u64::from(2 * EACH));
    assert_eq!(sum("10.0.0.2"), u64::from(2 * EACH + 1));
}
