//! Repairs beside a collector that goes on storing, and repairs that are killed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use collector::batch::Block;
use collector::clickhouse::lock::InsertLock;
use collector::templates::{Settings, Templates};

use crate::datagrams::{V5_RECORDS, v5, v9_data, v9_template};
use crate::site::{Engine, Site, block_on, decode, mapped, midnight_ms, now_ms};

const MINUTE_MS: i64 = 60_000;
const EXPORTER: &str = "192.0.2.1";
const WRONG: &str = "[[exporters]]\naddress = \"192.0.2.0/24\"\nname = \"lib\"\nsampling_rate = 1000\n";
const RIGHT: &str = "[[exporters]]\naddress = \"192.0.2.0/24\"\nname = \"lab\"\nsampling_rate = 100\n";

#[test]
fn what_comes_in_meanwhile_is_neither_lost_nor_doubled() {
    let Some(engine) = Engine::start() else { return };
    let mut site = Site::new(&engine);
    site.configure(WRONG);
    let (from_ms, to_ms) = (now_ms() - 5 * MINUTE_MS, now_ms() - MINUTE_MS);
    let datagrams: u64 = 50;
    for number in 0..datagrams {
        let at_ms = from_ms + i64::try_from(number).expect("few") * 1000;
        site.receive(EXPORTER, at_ms, &v5(at_ms, 500));
    }
    site.collect();
    site.configure(RIGHT);

    let is_over = AtomicBool::new(false);
    let mut writer = site.writer();
    let lock = InsertLock::open(&site.lock_path()).expect("a lock");
    let (told, blocks) = std::thread::scope(|scope| {
        let inserting = scope.spawn(|| {
            let mut cache = Templates::new(Settings::default()).cache();
            let mut blocks: u64 = 0;
            while !is_over.load(Ordering::Relaxed) {
                let mut block = Block::default();
                decode(&mut cache, &mut block, mapped(EXPORTER), now_ms(), &v5(now_ms(), 500));
                let held = block_on(lock.shared()).expect("the lock");
                writer.store(block, &format!("meanwhile-{blocks}"));
                drop(held);
                blocks += 1;
            }
            blocks
        });
        let told = [site.repaired(from_ms, to_ms, &[]), site.repaired(from_ms, to_ms, &[])];
        is_over.store(true, Ordering::Relaxed);
        (told, inserting.join().expect("inserted"))
    });
    assert!(told[0].contains("partitions exchanged: flows "), "{}", told[0]);
    assert!(blocks > 0);
    let rows = (datagrams + blocks) * V5_RECORDS;
    assert_eq!(site.count("SELECT count() FROM flows WHERE sampling_rate = 100"), rows);
    assert_eq!(site.count("SELECT count() FROM flows"), rows);
    for table in ["as_5m", "country_5m", "service_5m", "network_5m"] {
        let sums = site.sql(&format!("SELECT sum(bytes), sum(raw_bytes), sum(flows) FROM {table}"));
        assert_eq!(sums, format!("{}\t{}\t{rows}\n", rows * 50_000, rows * 500), "{table}");
    }
    for table in ["interface_1m", "hosts_1h"] {
        let sums = site.sql(&format!("SELECT sum(bytes), sum(raw_bytes), sum(flows) FROM {table}"));
        assert_eq!(sums, format!("{}\t{}\t{}\n", 2 * rows * 50_000, 2 * rows * 500, 2 * rows), "{table}");
    }
}

#[test]
fn a_repair_that_is_killed_leaves_nothing_half_done() {
    let Some(engine) = Engine::start() else { return };
    let mut sites = [Site::new(&engine), Site::new(&engine)];
    let (from_ms, to_ms) = (midnight_ms() - 5 * MINUTE_MS, midnight_ms() + 5 * MINUTE_MS);
    for (site, configuration) in sites.iter_mut().zip([RIGHT, WRONG]) {
        site.configure(configuration);
        for minute in -5..5 {
            let at_ms = midnight_ms() + minute * MINUTE_MS;
            site.receive(EXPORTER, at_ms, &v9_template(at_ms));
            site.receive(EXPORTER, at_ms + 1, &v9_data(at_ms));
            site.receive(EXPORTER, at_ms + 2, &v5(at_ms, 500));
        }
        site.collect();
    }
    let [right, site] = sites;
    let (wrong_contents, right_contents) = (site.contents(), right.contents());
    let mut configurations = [RIGHT, WRONG].into_iter().cycle();
    for attempt in 0..24_u64 {
        // Each repair goes the other way, so that there is always something to exchange.
        let Some(configuration) = configurations.next() else { break };
        site.configure(configuration);
        let mut repair = site.spawn(from_ms, to_ms);
        std::thread::sleep(Duration::from_millis(100 + attempt * 60));
        // It may have ended by itself.
        drop(repair.kill());
        repair.wait().expect("ended");
        let rows = site.count("SELECT count() FROM flows");
        assert_eq!(rows, 10 * 5, "attempt {attempt}");
    }
    site.configure(RIGHT);
    site.repaired(from_ms, to_ms, &[]);
    assert_eq!(site.contents(), right_contents);
    site.configure(WRONG);
    site.repaired(from_ms, to_ms, &[]);
    assert_eq!(site.contents(), wrong_contents);
    site.assert_tidy();
    assert_eq!(site.count("SELECT count() FROM repairs FINAL WHERE outcome = 'running'"), 0);
}
