//! GeoIP tables against MaxMind's test databases and the JSON that these were built from.

/// Files made here.
#[path = "common/mmdb.rs"]
mod mmdb;

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

/// A file of a test's own; it goes away with this value.
struct Made(PathBuf);

impl Made {
    fn new(name: &str, kind: &str, records: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("collector-geoip-{}-{name}.mmdb", std::process::id()));
        std::fs::write(&path, mmdb::file(kind, records)).expect("the temporary directory is writable");
        Self(path)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// One record as each maker writes it: kind of file, record, what is found, what the file is said to give.
type Maker = (&'static str, &'static str, (&'static str, &'static str, u32, &'static str), &'static str);

#[test]
fn files_of_all_makers_are_read() {
    let makers: [Maker; 10] = [
        (
            "DBIP-City-Lite",
            r#"{"city": {"names": {"en": "Kiel"}}, "country": {"iso_code": "DE", "is_in_european_union": true}}"#,
            ("DE", "Kiel", 0, "unknown"),
            "country and city",
        ),
        (
            "DBIP-ASN-Lite (compat=GeoLite2-ASN)",
            r#"{"autonomous_system_number": 64500, "autonomous_system_organization": "Example Net"}"#,
            ("unknown", "unknown", 64_500, "Example Net"),
            "AS",
        ),
        // IP2Location's files call themselves as MaxMind's do, and are made like them.
        (
            "GeoLite2-City",
            r#"{"city": {"names": {"en": "Kiel"}}, "country": {"iso_code": "DE"}, "location": {"latitude": 54.3}}"#,
            ("DE", "Kiel", 0, "unknown"),
            "country and city",
        ),
        (
            "ipinfo generic_lite.mmdb",
            r#"{"country": "Germany", "country_code": "DE", "continent_code": "EU", "asn": "AS64500", "as_name": "Example Net", "as_domain": "example.net"}"#,
            ("DE", "unknown", 64_500, "Example Net"),
            "country and AS",
        ),
        (
            "ipinfo generic_country_asn_free.mmdb",
            r#"{"country": "DE", "country_name": "Germany", "continent": "EU", "asn": "AS64500", "as_name": "Example Net"}"#,
            ("DE", "unknown", 64_500, "Example Net"),
            "country and AS",
        ),
        (
            "ipinfo standard_location.mmdb",
            r#"{"city": "Kiel", "region": "Schleswig-Holstein", "country": "DE", "lat": "54.3"}"#,
            ("DE", "Kiel", 0, "unknown"),
            "country and city",
        ),
        (
            "ipinfo standard_asn.mmdb",
            r#"{"asn": "AS64500", "name": "Example Net", "type": "isp", "country": "US"}"#,
            ("unknown", "unknown", 64_500, "Example Net"),
            "AS",
        ),
        ("country", r#"{"country_code": "DE"}"#, ("DE", "unknown", 0, "unknown"), "country"),
        (
            "city",
            r#"{"city": "Kiel", "country_code": "DE", "latitude": 54.3, "state1": "Schleswig-Holstein", "timezone": "Europe/Berlin"}"#,
            ("DE", "Kiel", 0, "unknown"),
            "country and city",
        ),
        (
            "GeoOpen-Country-ASN",
            r#"{"country": {"iso_code": "DE", "AutonomousSystemNumber": "64500", "AutonomousSystemOrganization": "Example Net"}}"#,
            ("DE", "unknown", 64_500, "Example Net"),
            "country and AS",
        ),
    ];
    for (number, (kind, record, expected, gives)) in makers.into_iter().enumerate() {
        let file = Made::new(&number.to_string(), kind, &[("198.18.4.0/24", record), ("2a00:1::/32", record)]);
        let geo = Geo::open(&[&file.0]).expect("the file is sound");
        for inside in ["198.18.4.9", "2a00:1::9"] {
            let place = geo.place(geo.lookup(&address(inside.parse().expect("an address"))));
            assert_eq!((place.country, place.city, place.asn, place.as_name), expected, "{inside} in {kind}");
        }
        let loaded = &geo.files()[0];
        assert_eq!((loaded.kind.as_str(), loaded.gives.to_string().as_str()), (kind, gives));
    }
}

#[test]
fn a_file_that_gives_nothing_is_refused_with_what_it_has() {
    let good = Made::new("good", "GeoLite2-ASN", &[("198.18.4.0/24", r#"{"autonomous_system_number": 7}"#)]);
    for (name, kind, record, fields) in [
        ("privacy", "ipinfo privacy", r#"{"hosting": true, "vpn": false}"#, "its fields are hosting, vpn;"),
        ("nested", "Own", r#"{"country": {"code": "DE"}, "org": "Net"}"#, "its fields are country.code, org;"),
        ("named", "Own", r#"{"country": "Germany"}"#, "its fields are country;"),
        ("empty", "Own", "{}", "it has no records with fields;"),
    ] {
        let file = Made::new(name, kind, &[("198.18.4.0/24", record)]);
        let error = Geo::open(&[&good.0, &file.0]).expect_err("it gives nothing").to_string();
        let expected = format!("{} ({kind}) gives neither country nor city nor AS: {fields}", file.0.display());
        assert!(error.contains(&expected) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn the_flat_file_of_the_field_gives_what_its_record_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/field/k07-geoip-flat-schema-a.mmdb");
    if !path.exists() {
        eprintln!("SKIPPED: no {}", path.display());
        return;
    }
    let geo = Geo::open(&[path]).expect("the file is sound");
    let place = geo.place(geo.lookup(&address("192.0.2.10".parse().expect("an address"))));
    assert_eq!((place.country, place.asn, place.as_name), ("DE", 64_500, "Example Net"));
    assert_eq!(geo.files()[0].gives.to_string(), "country and AS");
}
