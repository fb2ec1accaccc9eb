//! What a repair changes: what the configuration says otherwise today, in the rows of the period, and nothing else.

use std::path::PathBuf;

use crate::datagrams::{V5_RECORDS, V9_RECORDS, v5, v9_data, v9_template};
use crate::site::{Engine, Site, midnight_ms};

const MINUTE_MS: i64 = 60_000;
const LAB: &str = "192.0.2.1";
const EDGE: &str = "198.51.100.7";

/// The configuration that is right: names, sampling rates, and places where the test databases are there.
fn right() -> String {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/geoip"));
    let mut text = String::new();
    if folder.is_dir() {
        let city = folder.join("GeoIP2-City-Test.mmdb");
        text.push_str(&format!("[geoip]\nfiles = [\"{}\"]\n", city.display()));
    } else {
        eprintln!("SKIPPED: places, no test databases at {}", folder.display());
    }
    text.push_str("[[exporters]]\naddress = \"192.0.2.0/24\"\nname = \"lab\"\nsampling_rate = 100\n");
    text.push_str("[[exporters]]\naddress = \"198.51.100.7\"\nname = \"edge\"\nsampling_rate = 7\n");
    text
}

/// A configuration that is not.
const WRONG: &str = "[[exporters]]\naddress = \"192.0.2.0/24\"\nname = \"lib\"\nsampling_rate = 1000\n";

/// Twenty minutes around a midnight: two partitions of flows, two exporters, one with templates.
fn traffic(site: &mut Site) {
    for minute in -10..10 {
        let at_ms = midnight_ms() + minute * MINUTE_MS;
        if minute % 7 == 0 || minute == -10 {
            site.receive(EDGE, at_ms, &v9_template(at_ms));
        }
        site.receive(LAB, at_ms + 100, &v5(at_ms, 1000 + u32::try_from(minute + 10).expect("from 0 on")));
        site.receive(EDGE, at_ms + 200, &v9_data(at_ms));
    }
}

/// Two sites with the same traffic, collected by the right configuration and by the wrong one; the second has the right one now.
fn right_and_wrong(engine: &Engine, traffic: impl Fn(&mut Site)) -> [Site; 2] {
    let mut sites = [Site::new(engine), Site::new(engine)];
    for (site, configuration) in sites.iter_mut().zip([&*right(), WRONG]) {
        site.configure(configuration);
        traffic(site);
        site.collect();
    }
    sites[1].configure(&right());
    sites
}

#[test]
fn everything_is_as_if_it_had_been_right_from_the_start() {
    let Some(engine) = Engine::start() else { return };
    let [expected, site] = right_and_wrong(&engine, traffic);
    assert_ne!(site.contents(), expected.contents());
    let (from_ms, to_ms) = (midnight_ms() - 10 * MINUTE_MS, midnight_ms() + 10 * MINUTE_MS);

    let before = site.contents();
    let told = site.repaired(from_ms, to_ms, &["--dry-run"]);
    let rows = 20 * (V5_RECORDS + V9_RECORDS);
    assert!(told.contains(&format!("flows: {rows} rows would be replaced")), "{told}");
    assert_eq!(site.contents(), before);

    let told = site.repaired(from_ms, to_ms, &[]);
    assert!(told.contains(&format!("flows: {rows} rows before, {rows} after")), "{told}");
    assert_eq!(site.contents(), expected.contents(), "{told}");
    site.assert_tidy();
    let audit =
        "SELECT outcome, rows_before['flows'], rows_after['flows'], datagrams, length(partitions) FROM repairs FINAL";
    let datagrams = 40 + 4;
    assert_eq!(site.sql(audit), format!("done\t{rows}\t{rows}\t{datagrams}\t2\n"));

    let again = site.repaired(from_ms, to_ms, &[]);
    assert!(again.contains("partitions exchanged: none"), "{again}");
    assert_eq!(site.contents(), expected.contents());
}

#[test]
fn only_the_exporters_that_are_meant_change() {
    let Some(engine) = Engine::start() else { return };
    let [expected, site] = right_and_wrong(&engine, traffic);
    let of = |site: &Site, exporter: &str| {
        let tables = ["flows", "interface_1m", "as_5m", "country_5m", "service_5m", "hosts_1h"];
        tables.map(|table| {
            let sums = if table == "flows" { "count()" } else { "sum(flows)" };
            site.sql(&format!(
                "SELECT {sums}, sum(bytes), sum(packets) FROM {table} WHERE exporter_address = toIPv6('{exporter}')"
            ))
        })
    };
    let edge_before = of(&site, EDGE);
    let (from_ms, to_ms) = (midnight_ms() - 10 * MINUTE_MS, midnight_ms() + 10 * MINUTE_MS);
    site.repaired(from_ms, to_ms, &["--exporter", "192.0.2.0/24"]);
    assert_eq!(of(&site, LAB), of(&expected, LAB));
    assert_eq!(of(&site, EDGE), edge_before);
    assert_eq!(site.count("SELECT uniqExact(exporter_name) FROM flows WHERE exporter_name IN ('lab', '')"), 2);
    site.repaired(from_ms, to_ms, &["--exporter", EDGE]);
    assert_eq!(site.contents(), expected.contents());
}

#[test]
fn only_the_period_changes() {
    let Some(engine) = Engine::start() else { return };
    let [_, site] = right_and_wrong(&engine, traffic);
    let (from_ms, to_ms) = (midnight_ms() - 3 * MINUTE_MS, midnight_ms() + 4 * MINUTE_MS + 150);
    site.repaired(from_ms, to_ms, &[]);
    let named = |name: &str| {
        site.sql(&format!(
            "SELECT count(), min(toUnixTimestamp64Milli(time_received)), max(toUnixTimestamp64Milli(time_received)) FROM flows \
             WHERE exporter_name = '{name}'"
        ))
    };
    let of = |rows: u64, first_ms: i64, last_ms: i64| format!("{rows}\t{first_ms}\t{last_ms}\n");
    // Eight of the one, and seven of the other: the last comes when the period is over.
    assert_eq!(named("lab"), of(8 * V5_RECORDS, from_ms + 100, midnight_ms() + 4 * MINUTE_MS + 100));
    assert_eq!(named("edge"), of(7 * V9_RECORDS, from_ms + 200, midnight_ms() + 3 * MINUTE_MS + 200));
    assert_eq!(site.count("SELECT count() FROM flows"), 20 * (V5_RECORDS + V9_RECORDS));
    // The rollups are the sums of what is there now.
    for table in ["as_5m", "country_5m", "service_5m", "network_5m"] {
        let sums = site.sql(&format!("SELECT sum(bytes), sum(packets), sum(raw_bytes), sum(flows) FROM {table}"));
        let flows = "SELECT sum(bytes * greatest(sampling_rate, 1)), sum(packets * greatest(sampling_rate, 1)), sum(bytes), count() FROM flows";
        assert_eq!(sums, site.sql(flows), "{table}");
    }
}

#[test]
fn data_that_waited_for_its_template_belongs_to_its_own_time() {
    let Some(engine) = Engine::start() else { return };
    let begin_ms = midnight_ms();
    let [expected, site] = right_and_wrong(&engine, |site| {
        // One set waits for a template within the period, one of the period for a template behind it.
        site.receive(EDGE, begin_ms, &v9_data(begin_ms));
        site.receive(EDGE, begin_ms + 5 * MINUTE_MS, &v9_template(begin_ms));
        site.receive("198.51.100.8", begin_ms + 6 * MINUTE_MS, &v9_data(begin_ms));
        site.receive("198.51.100.8", begin_ms + 20 * MINUTE_MS, &v9_template(begin_ms));
    });
    let (from_ms, to_ms) = (begin_ms + MINUTE_MS, begin_ms + 10 * MINUTE_MS);
    site.repaired(from_ms, to_ms, &[]);
    assert_eq!(site.count("SELECT count() FROM flows"), 2 * V9_RECORDS);
    assert_eq!(site.count("SELECT count() FROM flows WHERE exporter_name = 'edge'"), 0);
    assert_eq!(site.count("SELECT sum(country_5m.flows) FROM country_5m"), 2 * V9_RECORDS);
    site.repaired(begin_ms, to_ms, &[]);
    assert_eq!(site.contents(), expected.contents());
}

#[test]
fn a_template_that_only_the_collector_knows_is_taken_from_it() {
    let Some(engine) = Engine::start() else { return };
    let begin_ms = midnight_ms();
    let [expected, site] = right_and_wrong(&engine, |site| {
        site.overhear(EDGE, begin_ms - MINUTE_MS, &v9_template(begin_ms));
        site.receive(EDGE, begin_ms, &v9_data(begin_ms));
        site.save_templates();
    });
    let told = site.repaired(begin_ms, begin_ms + MINUTE_MS, &[]);
    assert!(told.contains("1 templates that only the collector's saved ones told"), "{told}");
    // A row that waited says so, and this one waited for the repair's end.
    let columns = "SELECT * EXCEPT (flags) FROM flows ORDER BY ALL";
    assert_eq!(site.sql(columns), expected.sql(columns));
    assert_eq!(site.contents()[1..], expected.contents()[1..]);
}
