//! Repairs that are refused: nothing changes, one line says why and what to do.

use std::fs::File;

use crate::datagrams::{V5_RECORDS, v5, v9_data};
use crate::site::{Engine, Site, midnight_ms, now_ms, text};

const MINUTE_MS: i64 = 60_000;
const EXPORTER: &str = "192.0.2.1";
const RIGHT: &str = "[[exporters]]\naddress = \"192.0.2.0/24\"\nname = \"lab\"\n";

/// The repair fails with one line on standard error that has these parts, besides those that tell how far it came.
#[track_caller]
fn check(site: &Site, from_ms: i64, to_ms: i64, more: &[&str], parts: &[&str]) {
    let before = site.contents();
    let output = site.repair(from_ms, to_ms, more).output().expect("start the program");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = errors.lines().filter(|line| !line.starts_with("repair: ")).collect();
    assert_eq!(lines.len(), 1, "{errors}");
    for part in parts {
        assert!(lines[0].contains(part), "no {part:?} in {}", lines[0]);
    }
    assert_eq!(site.contents(), before);
    site.assert_tidy();
}

#[test]
fn what_is_not_retained_is_not_repaired() {
    let Some(engine) = Engine::start() else { return };
    let mut site = Site::with_retained(&engine, 300 << 10);
    let begin_ms = midnight_ms();
    let datagrams: i64 = 6000;
    for number in 0..datagrams {
        site.receive(EXPORTER, begin_ms + number, &v5(begin_ms, 500));
    }
    site.collect();
    site.configure(RIGHT);
    let end_ms = begin_ms + datagrams;
    check(&site, begin_ms, end_ms, &[], &["retains nothing from before", "--partial", "retain_bytes"]);
    let told = site.repaired(begin_ms, end_ms, &["--partial"]);
    assert!(told.contains("before which nothing is retained"), "{told}");
    let rows = u64::try_from(datagrams).expect("many") * V5_RECORDS;
    assert_eq!(site.count("SELECT count() FROM flows"), rows);
    let named = site.count("SELECT count() FROM flows WHERE exporter_name = 'lab'");
    assert!(named > 0 && named < rows, "{named}");
    let later = "SELECT min(time_received) > (SELECT max(time_received) FROM flows WHERE exporter_name = '') FROM flows \
                 WHERE exporter_name = 'lab'";
    assert_eq!(site.count(later), 1);
}

#[test]
fn what_another_collector_stored_is_not_lost() {
    let Some(engine) = Engine::start() else { return };
    let mut site = Site::new(&engine);
    let begin_ms = midnight_ms();
    site.receive(EXPORTER, begin_ms, &v5(begin_ms, 500));
    site.collect();
    let other = "INSERT INTO flows (time_received, exporter_address) SELECT time_received + 1, toIPv6('203.0.113.9') FROM flows";
    site.sql(other);
    site.configure(RIGHT);
    let parts = ["flows has 2 rows of exporter 203.0.113.9", "the journal gives 0", "--exporter", "--allow-fewer"];
    check(&site, begin_ms, begin_ms + MINUTE_MS, &[], &parts);
    site.repaired(begin_ms, begin_ms + MINUTE_MS, &["--exporter", EXPORTER]);
    assert_eq!(site.count("SELECT count() FROM flows"), 2 * V5_RECORDS);
    assert_eq!(site.count("SELECT count() FROM flows WHERE exporter_name = 'lab'"), V5_RECORDS);
    site.repaired(begin_ms, begin_ms + MINUTE_MS, &["--allow-fewer"]);
    assert_eq!(site.count("SELECT count() FROM flows"), V5_RECORDS);
}

#[test]
fn data_that_may_still_be_decoded_is_waited_for() {
    let Some(engine) = Engine::start() else { return };
    let mut site = Site::new(&engine);
    let at_ms = now_ms() - 2 * MINUTE_MS;
    site.receive(EXPORTER, at_ms, &v9_data(at_ms));
    site.receive(EXPORTER, at_ms, &v5(at_ms, 500));
    site.collect();
    site.configure(RIGHT);
    let to_ms = at_ms + MINUTE_MS;
    check(&site, at_ms, to_ms, &[], &["1 data sets of the period still wait for their template", "--partial"]);
    let told = site.repaired(at_ms, to_ms, &["--partial"]);
    assert!(told.contains("1 data sets of the period without a template"), "{told}");
    assert_eq!(site.count("SELECT count() FROM flows WHERE exporter_name = 'lab'"), V5_RECORDS);
}

#[test]
fn requests_that_cannot_be_meant_are_refused() {
    let Some(engine) = Engine::start() else { return };
    let mut site = Site::new(&engine);
    let begin_ms = midnight_ms();
    site.receive(EXPORTER, begin_ms, &v5(begin_ms, 500));
    site.collect();
    check(&site, begin_ms, begin_ms, &[], &["is empty", "--from before --to"]);
    check(&site, begin_ms, now_ms() + 60 * MINUTE_MS, &[], &["is not over", "a --to that is past"]);
    let path = site.lock_path().with_file_name("repair.lock");
    let file = File::create(&path).expect("a lock file");
    file.lock().expect("locked");
    check(&site, begin_ms, begin_ms + 1, &[], &["another repair is under way", "wait for its end"]);
}
