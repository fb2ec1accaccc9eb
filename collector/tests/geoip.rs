//! GeoIP tables against MaxMind's test databases and the JSON that these were built from.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use collector::enrich::geo::{Geo, Place};
use netflow::columns::Address;
use serde_json::Value;

/// The folder with the test databases; `None`, loudly, where it is absent.
fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/geoip"));
    if !folder.is_dir() {
        eprintln!("SKIPPED: no test databases at {}", folder.display());
        return None;
    }
    Some(folder)
}

fn address(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// First, middle and last address of a network written as CIDR, and its prefix length.
fn ends(network: &str) -> ([IpAddr; 3], u8) {
    let (first, bits) = network.split_once('/').expect("a network");
    let bits: u8 = bits.parse().expect("a prefix length");
    let ends = match first.parse().expect("an address") {
        IpAddr::V4(first) => {
            let (first, size) = (u32::from(first), u32::MAX.checked_shr(u32::from(bits)).unwrap_or(0));
            let (first, last) = (first & !size, first | size);
            [first, first + size / 2, last].map(|address| IpAddr::V4(Ipv4Addr::from(address)))
        }
        IpAddr::V6(first) => {
            let (first, size) = (u128::from(first), u128::MAX.checked_shr(u32::from(bits)).unwrap_or(0));
            let (first, last) = (first & !size, first | size);
            [first, first + size / 2, last].map(|address| IpAddr::V6(Ipv6Addr::from(address)))
        }
    };
    (ends, bits)
}

/// Networks and records of a source file. Later ones overwrite earlier ones where they overlap, as in the database.
fn source(path: &Path) -> Vec<(String, Value)> {
    let text = std::fs::read_to_string(path).expect("the source is readable");
    let list: Vec<HashMap<String, Value>> = serde_json::from_str(&text).expect("the source is JSON");
    list.into_iter().flatten().collect()
}

/// The record of the last network in the list that has the address.
fn expected(networks: &[([IpAddr; 3], u8, Value)], address: IpAddr) -> &Value {
    let inside =
        |ends: &[IpAddr; 3]| ends[0] <= address && address <= ends[2] && ends[0].is_ipv4() == address.is_ipv4();
    let found = networks.iter().rev().find(|(ends, _, _)| inside(ends));
    found.map_or(&Value::Null, |(_, _, record)| record)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("unknown")
}

/// Every network of `json` is found in `files` at its first, middle and last address.
fn check(files: &[&str], json: &str, matches: fn(&Place<'_>, &Value) -> bool) {
    let Some(folder) = folder() else { return };
    let files: Vec<PathBuf> = files.iter().map(|file| folder.join(file)).collect();
    let geo = Geo::open(&files).expect("the files are sound");
    let mut networks: Vec<([IpAddr; 3], u8, Value)> = source(&folder.join(json))
        .into_iter()
        .map(|(network, record)| {
            let (ends, bits) = ends(&network);
            (ends, bits, record)
        })
        .collect();
    networks.sort_by_key(|(_, bits, _)| *bits);
    assert!(networks.len() > 100);
    for (ends, bits, _) in &networks {
        for end in ends {
            let place = geo.place(geo.lookup(&address(*end)));
            let record = expected(&networks, *end);
            assert!(matches(&place, record), "{end} of {}/{bits} is {place:?}, the source says {record}", ends[0]);
        }
    }
}

fn city_matches(place: &Place<'_>, record: &Value) -> bool {
    place.country == text(&record["country"]["iso_code"]) && place.city == text(&record["city"]["names"]["en"])
}

fn asn_matches(place: &Place<'_>, record: &Value) -> bool {
    u64::from(place.asn) == record["autonomous_system_number"].as_u64().unwrap_or(0)
        && place.as_name == text(&record["autonomous_system_organization"])
}

#[test]
fn every_network_of_the_city_file() {
    check(&["GeoLite2-City-Test.mmdb"], "GeoLite2-City-Test.json", city_matches);
}

#[test]
fn every_network_of_the_asn_file() {
    check(&["GeoLite2-ASN-Test.mmdb"], "GeoLite2-ASN-Test.json", asn_matches);
}

#[test]
fn two_files_answer_as_one() {
    let both = ["GeoLite2-City-Test.mmdb", "GeoLite2-ASN-Test.mmdb"];
    check(&both, "GeoLite2-City-Test.json", city_matches);
    check(&both, "GeoLite2-ASN-Test.json", asn_matches);
    let turned = ["GeoLite2-ASN-Test.mmdb", "GeoLite2-City-Test.mmdb"];
    check(&turned, "GeoLite2-City-Test.json", city_matches);
    check(&turned, "GeoLite2-ASN-Test.json", asn_matches);
}

#[test]
fn a_broken_file_is_refused_by_name() {
    let Some(folder) = folder() else { return };
    let sound = std::fs::read(folder.join("GeoLite2-City-Test.mmdb")).expect("the file is readable");
    let scratch = std::env::temp_dir().join(format!("collector-geoip-broken-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).expect("a directory can be made");
    let write = |name: &str, bytes: &[u8]| {
        let path = scratch.join(name);
        std::fs::write(&path, bytes).expect("a file can be written");
        path
    };
    let cases = [
        folder.join("GeoIP2-City-Test-Broken-Double-Format.mmdb"),
        folder.join("GeoIP2-City-Test-Invalid-Node-Count.mmdb"),
        write("empty.mmdb", &[]),
        write("text.mmdb", b"<html>404</html>"),
        write("head.mmdb", &sound[..sound.len() / 2]),
        write("tail.mmdb", &sound[sound.len() / 2..]),
        scratch.join("missing.mmdb"),
        scratch.clone(),
    ];
    for file in &cases {
        let error = Geo::open(&[folder.join("GeoLite2-ASN-Test.mmdb"), file.clone()]).expect_err("the file is broken");
        let text = error.to_string();
        assert!(text.contains(&*file.to_string_lossy()) && !text.contains('\n'), "{text}");
    }
    std::fs::remove_dir_all(&scratch).expect("the directory can be removed");
}

#[test]
fn other_files_of_the_maker_answer_too() {
    let Some(folder) = folder() else { return };
    let cases = [
        ("GeoLite2-Country-Test.mmdb", "2.125.160.216", ("GB", "unknown", 0, "unknown")),
        ("GeoIP2-Enterprise-Test.mmdb", "74.209.24.0", ("US", "Chatham", 14671, "FairPoint Communications")),
        ("GeoIP2-City-Test.mmdb", "81.2.69.160", ("GB", "London", 0, "unknown")),
        ("GeoIP2-City-Test.mmdb", "10.0.0.1", ("unknown", "unknown", 0, "unknown")),
        ("GeoIP2-City-Test.mmdb", "192.168.1.1", ("unknown", "unknown", 0, "unknown")),
        ("GeoIP2-City-Test.mmdb", "fd00::1", ("unknown", "unknown", 0, "unknown")),
        ("GeoIP2-City-Test.mmdb", "::", ("unknown", "unknown", 0, "unknown")),
        ("GeoIP2-City-Test.mmdb", "0.0.0.0", ("unknown", "unknown", 0, "unknown")),
        ("GeoIP2-City-Test.mmdb", "2002:5102:45a0::1", ("GB", "London", 0, "unknown")),
    ];
    for (file, of, expected) in cases {
        let geo = Geo::open(&[folder.join(file)]).expect("the file is sound");
        let place = geo.place(geo.lookup(&address(of.parse().expect("an address"))));
        assert_eq!((place.country, place.city, place.asn, place.as_name), expected, "{of} in {file}");
    }
}

/// The tables say what MaxMind's reader says, for addresses in and around every network of the file and in between.
#[test]
fn the_tables_agree_with_the_reader() {
    let Some(folder) = folder() else { return };
    for (file, json) in
        [("GeoLite2-City-Test.mmdb", "GeoLite2-City-Test.json"), ("GeoLite2-ASN-Test.mmdb", "GeoLite2-ASN-Test.json")]
    {
        let geo = Geo::open(&[folder.join(file)]).expect("the file is sound");
        let reader = maxminddb::Reader::open_readfile(folder.join(file)).expect("the file is sound");
        for (network, _) in source(&folder.join(json)) {
            let ([first, _, last], _) = ends(&network);
            for around in [neighbour(first, -1), first, last, neighbour(last, 1)] {
                let record = reader.lookup(around).expect("the file is sound").decode::<Value>();
                let record = record.expect("the file is sound").unwrap_or_default();
                let place = geo.place(geo.lookup(&address(around)));
                let agrees =
                    if file.contains("ASN") { asn_matches(&place, &record) } else { city_matches(&place, &record) };
                assert!(agrees, "{around} in {file} is {place:?}, the reader says {record}");
            }
        }
    }
}

fn neighbour(address: IpAddr, step: i8) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from(u32::from(address).wrapping_add_signed(step.into())).into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address).wrapping_add_signed(step.into())).into(),
    }
}
