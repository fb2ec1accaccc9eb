//! The configuration as an operator meets it: the documented file, its defaults, and what mistakes are told.

use std::num::NonZeroU64;
use std::path::PathBuf;

use collector::config::{CaptureMode, Config, Secret, Written};
use collector::front_door::{Limit, Ruling};
use collector::prefix::Prefix;

fn documented() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/collector.toml");
    std::fs::read_to_string(path).expect("deploy/collector.toml is part of the tree")
}

/// The documented file with every commented-out setting switched on.
fn documented_in_full() -> String {
    let is_setting = |line: &str| line.starts_with("[[") || line.split_once(" = ").is_some_and(|(key, _)| is_key(key));
    let line = |line: &str| line.strip_prefix("# ").filter(|rest| is_setting(rest)).unwrap_or(line).to_owned();
    // A password and a password file exclude each other only when resolved, so this still parses.
    documented().lines().map(line).collect::<Vec<_>>().join("\n")
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|character| character.is_ascii_lowercase() || character == '_')
}

#[test]
fn the_documented_file_means_the_defaults() {
    let written = Written::parse(&documented(), "deploy/collector.toml").expect("it is valid");
    assert_eq!(written, Written::default());
    Config::resolve(written, None).expect("the defaults can be meant");
}

#[test]
fn the_documented_file_has_every_key() {
    let text = documented_in_full();
    let written = Written::parse(&text, "deploy/collector.toml").expect("the commented-out settings are valid too");
    assert_eq!(written.exporters.len(), 1, "the example of [[exporters]] was switched on");
    let table: toml::Table = text.parse().expect("it is TOML");
    let missing: Vec<String> = collector::config::known_keys()
        .into_iter()
        .filter(|(section, key)| {
            let keys = match (*section, table.get(*section)) {
                ("", _) => Some(&table),
                (_, Some(toml::Value::Array(elements))) => elements[0].as_table(),
                (_, found) => found.and_then(toml::Value::as_table),
            };
            !keys.is_some_and(|keys| keys.contains_key(*key))
        })
        .map(|(section, key)| format!("[{section}] {key}"))
        .collect();
    assert_eq!(missing, Vec::<String>::new(), "keys that deploy/collector.toml does not document");
}

/// Parses and resolves `text`; the error must contain `expected` and be one line.
#[track_caller]
fn check(text: &str, expected: &str) {
    let error = match Written::parse(text, "file.toml") {
        Err(error) => error.to_string(),
        Ok(written) => Config::resolve(written, None).expect_err("this cannot be meant").to_string(),
    };
    assert!(error.contains(expected), "{text:?}\n got: {error}\nwant: {expected}");
    assert!(!error.contains('\n'), "one line: {error}");
}

#[test]
fn rows_are_stored_or_thrown_away() {
    check(
        "[clickhouse]\ndiscard = true\nurl = \"http://clickhouse:8123\"",
        "clickhouse.discard is given together with a ClickHouse server: rows are thrown away or stored: leave out",
    );
}

#[test]
fn an_unknown_key_names_the_nearest_known_one_and_the_line() {
    check(
        "# a comment\n[capture]\nprots = [2055]\n",
        "file.toml:3: unknown key \"prots\" in [capture]: the nearest known key is \"ports\"",
    );
    check("captur.mode = 1\n", "file.toml:1: unknown key \"captur\": the nearest known key is \"capture\"");
    check("\n\nstatedir = \"/x\"", "file.toml:3: unknown key \"statedir\": the nearest known key is \"state_dir\"");
    check(
        "[capture]\nblock_rows = 1",
        "\"block_rows\" in [capture]: the nearest known key is \"clickhouse.block_rows\"",
    );
    check("[log]\nlisten = 1", "the nearest known key is \"store.listen\"");
    check("[[exporters]]\naddress = \"::1\"\nnmae = \"x\"", "file.toml:3: unknown key \"nmae\" in [[exporters]]");
    check("[[exporters]]\naddress = \"::1\"\nnmae = \"x\"", "is \"name\"");
}

#[test]
fn syntax_and_type_errors_carry_the_line() {
    check("[capture]\nports = 2055\n", "file.toml:2: ");
    check("[capture]\nmode = \"xpd\"\n", "file.toml:2: unknown variant `xpd`, expected one of `auto`, `xdp`, `udp`");
    check("[capture\n", "file.toml:1: ");
    check("[capture]\nports = [70000]\n", "file.toml:2: ");
    check("\n[[exporters]]\nname = \"x\"\n", "missing field `address`");
}

#[test]
fn sections_with_the_wrong_brackets_are_told_so() {
    let list = |name: &str| format!("{name} is a list, an entry each time: write [[{name}]] with two brackets");
    check("\n[exporters]\naddress = \"192.0.2.1\"\n", &format!("file.toml:2: {}", list("exporters")));
    // A second one is a fault to TOML itself, and so is one of each kind.
    let one = "[exporters] # the first\naddress = \"192.0.2.1\"\n";
    check(&format!("{one}{one}"), &format!("file.toml:3: {}", list("exporters")));
    check(&format!("[{}]\naddress = \"::1\"\n{one}", "[exporters]"), &list("exporters"));
    check("[clickhouse.shards]\nurls = [\"http://a\"]\n", &list("clickhouse.shards"));
    check("[[capture]]\nports = [2055]\n", "file.toml:1: capture is one section, not a list: write [capture] once");
}

#[test]
fn values_that_cannot_be_meant_say_what_to_write() {
    check("[capture]\nports = []", "capture.ports is []: list at least one UDP port");
    check("[capture]\nports = [0, 2055]", "capture.ports");
    check("[capture]\nmode = \"xdp\"", "name the interface with --interface NAME");
    check("[capture]\ninterfaces = [\"a/b\"]", "capture.interfaces is \"a/b\"");
    check("[capture]\nframe_bytes = 3000", "capture.frame_bytes is 3000: the kernel takes 2048 or 4096");
    check("[capture]\nring_descriptors = 8192", "use a power of two from 64 to 4096");
    check("[capture]\nudp_address = \"eth0\"", "capture.udp_address");
    check(
        "[templates]\nhold_bytes_total = 9\nhold_bytes_per_exporter = 10",
        "templates.hold_bytes_per_exporter is 10: use a number from 0 to 9",
    );
    check("[templates]\nhold_seconds = 0", "templates.hold_seconds is 0: use a number from 1 to 86400");
    check("[templates]\nsnapshot_seconds = 0", "templates.snapshot_seconds is 0: use a number from 1 to 86400");
    check("[clickhouse]\nurl = \"clickhouse:8123\"", "write http://HOST:8123");
    check("[clickhouse]\nurl = \"http://\"", "write http://HOST:8123");
    check("[clickhouse]\nurl = \"http://host:port\"", "write http://HOST:8123");
    check("[clickhouse]\nurl = \"http://me:secret@host:8123\"", "take them out of the URL");
    let urls = |keys: &str| format!("[clickhouse]\n{keys}");
    check(&urls("urls = [\"http://a\", \"b:8123\"]"), "clickhouse.urls is \"b:8123\": write http://HOST:8123");
    check(&urls("urls = [\"http://a\", \"http://a\"]"), "clickhouse.urls is \"http://a\" twice: name each server once");
    check(&urls("url = \"http://a\"\nurls = [\"http://b\"]"), "keep one of url, urls and [[clickhouse.shards]]");
    check(&urls("[[clickhouse.shards]]\nurls = []"), "clickhouse.shards is a shard without urls: name at least one");
    check(&urls("[[clickhouse.shards]]\nurl = \"http://a\""), "file.toml:3: unknown field `url`");
    check("[clickhouse]\nblock_rows = 524289", "clickhouse.block_rows is 524289: use a number from 1 to 524288");
    check("[clickhouse]\ndatabase = \"a-b\"", "clickhouse.database is \"a-b\"");
    check("[clickhouse]\ncluster = \"flows\"", "name its servers in [[clickhouse.shards]]");
    check("[clickhouse]\nurl = \"http://a\"\ncluster = \"a b\"", "write the name that system.clusters has");
    check("[clickhouse]\npassword = \"a\"\npassword_file = \"b\"", "keep one of the two");
    check("[clickhouse]\npassword_file = \"/nonexistent/file\"", "reading password file /nonexistent/file");
    check("[clickhouse]\npending_rows = 5", "use a number from 65536");
    check(
        "[rollups]\ntables = [\"as_5m\", \"hosts\"]",
        "rollups.tables is \"hosts\": name rollups: interface_1m, as_5m",
    );
    check("[store]\nlisten = \"0.0.0.0:8123\"", "speaks on loopback alone");
    check("[metrics]\nlisten = \"9105\"", "write ADDRESS:PORT");
    check("[[exporters]]\naddress = \"192.0.2.0/33\"\nname = \"x\"", "write an address or a prefix");
    check("[[exporters]]\naddress = \"192.0.2.1\"\nname = \" \"", "give it a name");
    let exporter = |keys: &str| format!("[[exporters]]\naddress = \"192.0.2.0/24\"\nname = \"x\"\n{keys}");
    check(&exporter("sampling_rate = 0"), "exporters.sampling_rate is 0 for 192.0.2.0/24: use 1 for no sampling");
    check(&exporter("sampling_override = true"), "true for 192.0.2.0/24 without a rate: give sampling_rate or");
    check(
        &exporter("interface_sampling = { eth0 = 5 }"),
        "is \"eth0\" = 5 for 192.0.2.0/24: name interfaces by ifIndex",
    );
    check(
        &exporter("interface_sampling = { 3 = 0 }"),
        "exporters.interface_sampling is \"3\" = 0 for 192.0.2.0/24: use 1",
    );
    check(&exporter("sampling_rate = -1"), "file.toml:4: ");
    check(
        "[front_door]\nallowed = [\"10.0.0.0/40\"]",
        "front_door.allowed is \"10.0.0.0/40\": write an address or a prefix",
    );
    check("[front_door]\ndatagrams_per_second = 100000001", "use a number from 0 to 100000000");
    check(
        "[decode]\nlargest_packet_bytes = 20",
        "decode.largest_packet_bytes is 20: use a number from 576 to 1073741824",
    );
    check("[decode]\nfastest_link_gbps = 0", "decode.fastest_link_gbps is 0: use a number from 1 to 1000000");
    check("[front_door]\nburst = 4294967296", "front_door.burst is 4294967296: use a number from 0 to 4294967295");
    check("[front_door]\nexporters = 1", "front_door.exporters is 1: use a number from 16 to 1048576");
    check(&exporter("burst = 5"), "exporters.burst is 5 for 192.0.2.0/24 without datagrams_per_second");
    check(&exporter("datagrams_per_second = 999999999"), "exporters.datagrams_per_second");
    check("state_dir = \"\"", "state_dir is empty");
}

#[test]
fn a_url_with_a_secret_in_it_is_not_repeated() {
    let written = Written::parse("[clickhouse]\nurl = \"http://me:secret@host\"", "file.toml").expect("valid TOML");
    let error = Config::resolve(written, None).expect_err("secrets do not belong there").to_string();
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn what_was_written_is_what_is_meant() {
    let text = "state_dir = \"/tmp/state\"\n[capture]\nmode = \"udp\"\nports = [4739, 2055, 4739]\nworkers = 2\n\
                [clickhouse]\nurl = \"http://[::1]:8123/\"\npassword = \"written\"\n[metrics]\nlisten = \"off\"\n\
                [decode]\nkeep_unknown = true\nlargest_packet_bytes = 9018\nfastest_link_gbps = 10\n[rollups]\ntables = [\"hosts_1h\", \"as_5m\"]\n\
                [[exporters]]\naddress = \"2001:db8::/32\"\nname = \"lab\"\nsampling_rate = 10\n\
                interface_sampling = { 3 = 100 }\n";
    let written = Written::parse(text, "t").expect("valid");
    assert!(!format!("{written:?}").contains("written\""), "passwords stay out of logs");
    let config = Config::resolve(written, None).expect("meant");
    assert_eq!(config.capture.mode, CaptureMode::Udp);
    assert_eq!(config.capture.ports, [2055, 4739]);
    assert_eq!(config.capture.workers, Some(2));
    assert_eq!(config.templates.snapshot, PathBuf::from("/tmp/state/templates.snapshot"));
    assert_eq!(config.store.data, PathBuf::from("/tmp/state/store"));
    assert_eq!(config.metrics.listen, None);
    assert_eq!(config.exporters[0].prefix, "2001:db8::/32".parse().expect("a prefix"));
    assert_eq!(config.clickhouse.password.reveal(), "written");
    let sampling = config.exporters[0].sampling.as_ref().expect("a rate was written");
    assert_eq!(
        (sampling.rate.map(NonZeroU64::get), sampling.interfaces[&3].get(), sampling.overrides),
        (Some(10), 100, false)
    );
    assert!(config.decode.keep_unknown);
    let limits = (config.decode.limits.packet_bytes, config.decode.limits.link_bytes_per_ms);
    assert_eq!(limits, (9018, 1_250_000));
    let default = Config::resolve(Written::parse("", "t").expect("valid"), None).expect("meant").decode.limits;
    assert_eq!(default, netflow::plausible::Limits::default());
    assert_eq!(config.rollups.names().collect::<Vec<_>>(), ["as_5m", "hosts_1h"]);
    assert!(!format!("{config:?}").contains("written\""), "passwords stay out of logs");
}

#[test]
fn limits_of_exporters_stand_above_that_of_all() {
    let text = "[front_door]\nallowed = [\"192.0.2.0/24\"]\ndatagrams_per_second = 100\n\
                [[exporters]]\naddress = \"192.0.2.1\"\ndatagrams_per_second = 7\nburst = 9\n\
                [[exporters]]\naddress = \"192.0.2.2\"\nname = \"b\"\ndatagrams_per_second = 0\n\
                [[exporters]]\naddress = \"192.0.2.3\"\nname = \"c\"\n\
                [[exporters]]\naddress = \"198.51.100.1\"\nname = \"d\"\ndatagrams_per_second = 0\n";
    let rules = Config::resolve(Written::parse(text, "t").expect("valid"), None).expect("meant").rules();
    for (exporter, expected) in [
        ("192.0.2.1", Ruling::Limited(Limit::new(7, 9))),
        ("192.0.2.2", Ruling::Limited(Limit::NONE)),
        ("192.0.2.3", Ruling::Limited(Limit::new(100, 0))),
        ("192.0.2.4", Ruling::Limited(Limit::new(100, 100))),
        ("198.51.100.1", Ruling::Refused),
    ] {
        let exporter: Prefix = exporter.parse().expect("an address");
        assert_eq!(rules.of(&exporter.first()), expected, "{exporter:?}");
    }
}

#[test]
fn what_waits_for_a_restart_is_named() {
    let before = Written::default();
    for (text, expected) in [
        ("", &[][..]),
        ("[front_door]\nallowed = [\"::1\"]\ndatagrams_per_second = 9\nburst = 3", &[]),
        ("[[exporters]]\naddress = \"::1\"\nname = \"x\"", &[]),
        ("state_dir = \"/x\"\n[front_door]\nexporters = 99", &["state_dir", "front_door.exporters"]),
        (
            "[capture]\nports = [1]\npin = false\n[log]\nlevel = \"debug\"",
            &["capture.ports", "capture.pin", "log.level"],
        ),
        ("[names]\nnetworks = \"/x.csv\"", &[]),
        ("[clickhouse]\npassword = \"x\"", &["clickhouse.password"]),
        ("[rollups]\ntables = []", &["rollups.tables"]),
        ("[retention]\nbudget_bytes = 1", &["retention.budget_bytes"]),
    ] {
        let after = Written::parse(text, "t").expect("valid");
        assert_eq!(before.changed_for_restart(&after), expected, "{text:?}");
    }
    // Every section is compared: each of its keys is known to be one that changes at once or at a restart.
    let sections = collector::config::known_keys().into_iter().map(|(section, _)| section);
    let sections: std::collections::BTreeSet<&str> = sections.filter(|section| !section.is_empty()).collect();
    assert_eq!(sections.len(), 14, "a new section must be compared in changed_for_restart: {sections:?}");
}

#[test]
fn the_environments_password_stands_above_the_files() {
    let written = Written::parse("[clickhouse]\npassword = \"written\"", "t").expect("valid");
    let config = Config::resolve(written, Some(Secret::new("environment".to_owned()))).expect("meant");
    assert_eq!(config.clickhouse.password.reveal(), "environment");
}

#[test]
fn networks_are_read_with_the_file() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/networks.csv");
    let of = |path: &str| Written::parse(&format!("[names]\nnetworks = \"{path}\""), "t").expect("valid");
    let config = Config::resolve(of(example), None).expect("the example is sound");
    assert_eq!(config.networks.prefixes(), 6);
    let broken = std::env::temp_dir().join(format!("collector-networks-{}.csv", std::process::id()));
    std::fs::write(&broken, "10.0.0.0/8,ten\n10.0.0.0/99,more\n").expect("a file");
    let errors = [broken.to_str().expect("text"), "/nowhere.csv"].map(|path| {
        let error = Config::resolve(of(path), None).expect_err("this cannot be meant").to_string();
        assert!(error.starts_with(&format!("reading networks from {path}: ")) && !error.contains('\n'), "{error}");
        error
    });
    std::fs::remove_file(&broken).expect("it was made");
    assert!(errors[0].contains("line 2: \"10.0.0.0/99\" is no address and no prefix"), "{}", errors[0]);
}

#[test]
fn servers_are_named_in_one_of_three_ways() {
    for (keys, expected) in [
        ("", &[&["http://127.0.0.1:8123"][..]][..]),
        ("url = \"http://a:1\"", &[&["http://a:1"]]),
        ("urls = [\"http://a:1\", \"https://b:2\"]", &[&["http://a:1", "https://b:2"]]),
        (
            "[[clickhouse.shards]]\nurls = [\"http://a:1\", \"http://b:1\"]\n[[clickhouse.shards]]\nurls = [\"http://c:1\"]",
            &[&["http://a:1", "http://b:1"], &["http://c:1"]],
        ),
    ] {
        let written = Written::parse(&format!("[clickhouse]\n{keys}"), "file.toml").expect("valid TOML");
        let config = Config::resolve(written, None).expect("it can be meant");
        let urls: Vec<Vec<String>> =
            config.clients().into_iter().map(|shard| shard.into_iter().map(|client| client.url).collect()).collect();
        assert_eq!(urls, expected, "{keys}");
        assert_eq!(config.client().url, urls[0][0], "{keys}");
        let shards = config.sink().shards;
        assert!(if keys.is_empty() { shards.is_empty() } else { shards == urls }, "{keys}");
    }
}
