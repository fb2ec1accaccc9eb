//! Enrichment of blocks, and GeoIP files that are replaced while it runs.

/// Files made here.
#[path = "common/mmdb.rs"]
mod mmdb;

use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use collector::batch::Block;
use collector::enrich::{
    Enricher, Geo, Names, Networks, Published, PublishedRates, Sampling, SamplingRates, Watcher, watcher,
};
use collector::metrics::Exposition;
use netflow::columns::Address;

/// The folder with the test databases; `None`, loudly, where it is absent.
fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/geoip"));
    if !folder.is_dir() {
        eprintln!("SKIPPED: no test databases at {}", folder.display());
        return None;
    }
    Some(folder)
}

fn address(text: &str) -> Address {
    match text.parse().expect("an address") {
        std::net::IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        std::net::IpAddr::V6(address) => address.octets(),
    }
}

/// Adds rows of (exporter, source, destination).
fn add(block: &mut Block, rows: &[(&str, &str, &str)]) {
    let start = block.decoded.flows.len();
    block.decoded.flows.resize(start + rows.len());
    for (row, (exporter, src, dst)) in rows.iter().enumerate() {
        block.decoded.flows.exporter[start + row] = address(exporter);
        block.decoded.flows.src_addr[start + row] = address(src);
        block.decoded.flows.dst_addr[start + row] = address(dst);
    }
}

/// One row's enriched cells: exporter name, then country, city, AS number and name of both ends.
fn row(block: &Block, row: usize) -> String {
    let end = |origin: &collector::batch::Origin| {
        let (country, city) = (origin.country.get(row), origin.city.get(row));
        format!("{country} {city} {} {}", origin.asn[row], origin.as_name.get(row))
    };
    format!("{} | {} | {}", block.exporter_name.get(row), end(&block.src), end(&block.dst))
}

fn check(block: &Block, expected: &[&str]) {
    let rows: Vec<String> = (0..block.len()).map(|index| row(block, index)).collect();
    assert_eq!(rows, expected);
    for column in [&block.src.country, &block.dst.city, &block.src.as_name, &block.dst.as_name, &block.exporter_name] {
        assert_eq!(column.keys().len(), block.len());
    }
}

const UNKNOWN: &str = "unknown unknown 0 unknown";

fn names() -> Published<Names> {
    let named = [("10.0.0.0/8", "core"), ("10.0.0.9", "edge")];
    Published::new(Names::new(named.map(|(prefix, name)| (prefix.parse().expect("a prefix"), name.to_owned()))))
}

#[test]
fn without_files_everything_is_unknown() {
    let none: [PathBuf; 0] = [];
    let mut enricher = Enricher::new(&Published::new(Geo::open(&none).expect("no file is no fault")), &names());
    let mut block = Block::default();
    enricher.enrich(&mut block);
    check(&block, &[]);
    add(&mut block, &[("10.0.0.9", "1.1.1.1", "::1"), ("192.0.2.1", "::", "2001:218::1")]);
    enricher.enrich(&mut block);
    check(&block, &[&format!("edge | {UNKNOWN} | {UNKNOWN}"), &format!(" | {UNKNOWN} | {UNKNOWN}")]);
}

#[test]
fn rows_are_filled_once_and_blocks_keep_their_dictionaries_apart() {
    let Some(folder) = folder() else { return };
    let files = ["GeoIP2-City-Test.mmdb", "GeoLite2-ASN-Test.mmdb"].map(|file| folder.join(file));
    let mut enricher = Enricher::new(&Published::new(Geo::open(&files).expect("the files are sound")), &names());
    let london = "GB London 0 unknown";
    let (london_row, unknown_row) = (format!("core | {london} | {UNKNOWN}"), format!("edge | {UNKNOWN} | {UNKNOWN}"));
    let google = format!(" | unknown unknown 15169 Google Inc. | {london}");
    let (mut one, mut other) = (Block::default(), Block::default());
    add(&mut one, &[("10.0.0.1", "81.2.69.160", "10.0.0.1")]);
    enricher.enrich(&mut one);
    check(&one, &[&london_row]);
    // The same rows come again, other rows are added, and another block comes in between, and is then used again.
    enricher.enrich(&mut one);
    add(&mut other, &[("10.0.0.9", "::", "fe80::1"), ("192.0.2.1", "1.0.0.1", "81.2.69.160")]);
    enricher.enrich(&mut other);
    check(&other, &[&unknown_row, &google]);
    add(&mut one, &[("192.0.2.1", "1.0.0.1", "81.2.69.161"), ("10.0.0.1", "81.2.69.160", "::")]);
    enricher.enrich(&mut one);
    check(&one, &[&london_row, &google, &london_row]);
    one.clear();
    add(&mut one, &[("192.0.2.1", "1.0.0.1", "81.2.69.161"), ("10.0.0.1", "81.2.69.160", "::")]);
    enricher.enrich(&mut one);
    check(&one, &[&google, &london_row]);
}

#[test]
fn networks_are_filled_and_replaced() {
    let parse = |text: &str| Networks::parse(text).expect("sound");
    let networks = Published::new(parse("10.0.0.0/8,ten,us\n10.1.0.0/16,one,them"));
    let none: [PathBuf; 0] = [];
    let geo = Published::new(Geo::open(&none).expect("no file is no fault"));
    let mut enricher = Enricher::new(&geo, &names()).with_networks(&networks);
    let of = |block: &Block| {
        let end = |origin: &collector::batch::Origin, row| {
            format!("{}/{}", origin.network.get(row), origin.customer.get(row))
        };
        (0..block.len()).map(|row| format!("{} {}", end(&block.src, row), end(&block.dst, row))).collect::<Vec<_>>()
    };
    let mut block = Block::default();
    add(&mut block, &[("::1", "10.1.2.3", "10.2.2.3"), ("::1", "192.0.2.1", "::"), ("::1", "10.2.2.3", "10.1.2.3")]);
    enricher.enrich(&mut block);
    assert_eq!(of(&block), ["one/them ten/us", "/ /", "ten/us one/them"]);
    networks.replace(parse("10.1.0.0/16,one,\n::/0,rest,all"));
    add(&mut block, &[("::1", "10.1.2.3", "10.2.2.3"), ("::1", "::", "192.0.2.1")]);
    enricher.enrich(&mut block);
    assert_eq!(of(&block)[3..], ["one/ rest/all", "/ rest/all"]);
    block.clear();
    add(&mut block, &[("::1", "10.2.2.3", "10.1.2.3")]);
    enricher.enrich(&mut block);
    assert_eq!(of(&block), ["rest/all one/"]);
}

#[test]
fn exporters_are_named_in_every_table() {
    let none: [PathBuf; 0] = [];
    let mut enricher = Enricher::new(&Published::new(Geo::open(&none).expect("no file is no fault")), &names());
    let mut block = Block::default();
    for exporter in ["10.0.0.9", "192.0.2.1", "10.0.0.1"] {
        // No flow record at all, then some: each table is filled by its own length.
        let rows = block.decoded.nat_events.len() + 1;
        block.decoded.nat_events.resize(rows);
        block.decoded.nat_events.exporter[rows - 1] = address(exporter);
        block.decoded.interface_counters.resize(2 * rows);
        block.decoded.interface_counters.exporter[2 * rows - 1] = address(exporter);
        if exporter == "10.0.0.1" {
            add(&mut block, &[(exporter, "::", "::")]);
        }
        enricher.enrich(&mut block);
    }
    let texts = |text: &netflow::Text| (0..text.keys().len()).map(|row| text.get(row).to_owned()).collect::<Vec<_>>();
    assert_eq!(texts(&block.exporter_name), ["core"]);
    assert_eq!(texts(&block.nat_exporter_name), ["edge", "", "core"]);
    assert_eq!(texts(&block.counters_exporter_name), ["", "edge", "", "", "", "core"]);
}

#[test]
fn configured_sampling_rates_are_taken_up_when_they_are_replaced() {
    let rates = |rate| {
        let sampling = Sampling { rate: NonZeroU64::new(rate), overrides: true, ..Sampling::default() };
        SamplingRates::new([("10.0.0.0/8".parse().expect("a prefix"), sampling)])
    };
    let published = PublishedRates::new(rates(10));
    let mut enricher = Enricher::new(&Published::new(Geo::empty()), &names()).with_rates(&published);
    let mut block = Block::default();
    for rate in [10, 20] {
        published.replace(rates(rate));
        add(&mut block, &[("10.0.0.1", "::", "::"), ("192.0.2.1", "::", "::")]);
        enricher.enrich(&mut block);
    }
    assert_eq!(block.decoded.flows.sampling_rate, [10, 0, 20, 0]);
    assert_eq!(block.decoded.flows.sampling_source, [4, 0, 4, 0]);
}

/// A directory that is removed with what is in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("collector-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory can be made");
        Self(path)
    }

    /// Puts a copy of `source` at `name` in one step.
    fn replace(&self, name: &str, source: &Path) -> PathBuf {
        let (path, temporary) = (self.0.join(name), self.0.join("incoming"));
        fs::write(&temporary, fs::read(source).expect("the file is readable")).expect("a file can be written");
        fs::rename(&temporary, &path).expect("a file can be renamed");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Waits for something that another thread does; generous, since only its absence is a failure.
fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never saw: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// What watching must survive, once told by the directory and once by looking only.
fn check_replacing(name: &str, look_every: Duration) {
    let Some(folder) = folder() else { return };
    let scratch = Scratch::new(name);
    let file = scratch.replace("geo.mmdb", &folder.join("GeoLite2-ASN-Test.mmdb"));
    let published = Published::new(Geo::open(std::slice::from_ref(&file)).expect("the file is sound"));
    let settings = watcher::Settings { look_every, settle: Duration::from_millis(50), files: vec![file.clone()] };
    let watcher = Watcher::start(settings, published.clone()).expect("a thread can be started");

    let stop = AtomicBool::new(false);
    let now = || {
        let mut block = Block::default();
        add(&mut block, &[("192.0.2.1", "1.0.0.1", "81.2.69.160")]);
        Enricher::new(&published, &Published::new(Names::default())).enrich(&mut block);
        row(&block, 0)
    };
    let asn = format!(" | unknown unknown 15169 Google Inc. | {UNKNOWN}");
    let city = format!(" | {UNKNOWN} | GB London 0 unknown");
    thread::scope(|scope| {
        // Another thread looks up all the while, with one enricher: it sees either table, never anything else.
        let lookups = scope.spawn(|| {
            let mut enricher = Enricher::new(&published, &Published::new(Names::default()));
            let mut block = Block::default();
            let mut rows = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                if block.len() > 100 {
                    block.clear();
                }
                add(&mut block, &[("192.0.2.1", "1.0.0.1", "81.2.69.160")]);
                enricher.enrich(&mut block);
                let row = row(&block, block.len() - 1);
                assert!(row == asn || row == city, "{row}");
                rows += 1;
                thread::yield_now();
            }
            rows
        });
        assert_eq!(now(), asn);
        scratch.replace("geo.mmdb", &folder.join("GeoIP2-City-Test.mmdb"));
        eventually("the city file", || watcher.counters().taken_up.get() == 1);
        assert_eq!(now(), city);
        scratch.replace("geo.mmdb", &folder.join("GeoIP2-City-Test-Broken-Double-Format.mmdb"));
        eventually("the refusal", || watcher.counters().refused.get() == 1);
        assert_eq!(now(), city);
        // A sound file that has none of what is read.
        let foreign = mmdb::file("Own", &[("198.18.4.0/24", r#"{"hosting": true}"#)]);
        fs::write(scratch.0.join("foreign.mmdb"), foreign).expect("the file can be written");
        scratch.replace("geo.mmdb", &scratch.0.join("foreign.mmdb"));
        eventually("the refusal of a foreign file", || watcher.counters().refused.get() == 2);
        assert_eq!(now(), city);
        fs::remove_file(&file).expect("the file can be removed");
        eventually("the refusal of nothing", || watcher.counters().refused.get() == 3);
        assert_eq!(now(), city);
        // Written in place, slowly and in parts.
        let bytes = fs::read(folder.join("GeoLite2-ASN-Test.mmdb")).expect("the file is readable");
        fs::write(&file, &bytes[..bytes.len() / 2]).expect("the file can be written");
        fs::write(&file, &bytes).expect("the file can be written");
        eventually("the AS file", || watcher.counters().taken_up.get() == 2);
        assert_eq!(now(), asn);
        stop.store(true, Ordering::Relaxed);
        assert!(lookups.join().expect("the looking thread saw nothing wrong") > 0);
    });
    let mut out = Exposition::default();
    watcher.counters().write(&published, &mut out);
    let text = out.finish();
    assert!(text.contains("collector_geoip_reloads_total{result=\"taken_up\"} 2\n"), "{text}");
}

#[test]
fn a_replaced_file_is_taken_up_by_news_of_its_directory() {
    check_replacing("geoip-news", Duration::from_secs(3600));
}

#[test]
fn a_replaced_file_is_taken_up_by_looking() {
    check_replacing("geoip-look", Duration::from_millis(20));
}
