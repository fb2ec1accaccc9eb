//! The snapshot file: what was saved comes back, and anything else is refused and kept aside.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use collector::templates::snapshot::{self, Damage};
use collector::templates::{Bounds, Restored, Settings, Templates, print};
use netflow::options::{OptionValue, SamplingScope};
use netflow::store::{DomainKey, Store, TemplateKey};
use netflow::template::{FieldSpecifier, Kind, Template, VARIABLE};

/// A directory that is removed with what is in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("collector-snapshot-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory can be made");
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("templates.snapshot")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const NOW: u64 = 1_800_000_000;

fn domain(last: u8) -> DomainKey {
    let mut exporter = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 0];
    exporter[15] = last;
    DomainKey { exporter, version: 10, domain: 0xffff_fffe }
}

fn field(element: u16, enterprise: u32, length: u16) -> FieldSpecifier {
    FieldSpecifier { element, enterprise, length }
}

/// A store with a template of each kind and every kind of option value.
fn filled(settings: Settings) -> Templates {
    let templates = Templates::new(settings);
    let mut cache = templates.cache();
    cache.set_now(NOW);
    let fields = [field(8, 0, 4), field(12, 0, 4), field(1, 29_305, 8), field(460, 0, VARIABLE)];
    let data = Template::new(10, Kind::Data, fields.into());
    cache.learn(TemplateKey { domain: domain(1), id: 256 }, Arc::new(data));
    let options = Template::new(10, Kind::Options { scope_fields: 1 }, [field(149, 0, 4), field(34, 0, 4)].into());
    cache.learn(TemplateKey { domain: domain(1), id: 65_535 }, Arc::new(options));
    let values = [
        OptionValue::Sampling { scope: SamplingScope::Domain, rate: 1000 },
        OptionValue::Sampling { scope: SamplingScope::Sampler(u64::MAX), rate: 10 },
        OptionValue::Sampling { scope: SamplingScope::Interface(7), rate: u64::MAX },
        OptionValue::Sampling { scope: SamplingScope::EgressInterface(7), rate: 2 },
        OptionValue::Application { id: 0x0d00_0001, name: "web \u{1b}[31m".into() },
        OptionValue::InterfaceName { index: u32::MAX, name: "ge-0/0/0".into() },
        OptionValue::VrfName { id: 1, name: "blue".into() },
        OptionValue::Sampling { scope: SamplingScope::SelectionSequence(3), rate: 9 },
        OptionValue::SystemInit { milliseconds: 1_700_000_000_123 },
    ];
    cache.announce(&domain(2), &values);
    templates
}

#[test]
fn what_was_saved_comes_back() {
    let scratch = Scratch::new("back");
    let before = filled(Settings::default());
    let saved = before.save(&scratch.file(), NOW + 5).expect("it can be saved");
    assert_eq!((saved.templates.len(), saved.options.len(), saved.taken_at), (2, 1, NOW + 5));
    assert_eq!(snapshot::read(&scratch.file()).expect("it is whole"), saved);
    let mode = fs::metadata(scratch.file()).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let after = Templates::new(Settings::default());
    let restored = after.restore(&scratch.file()).expect("it is whole");
    assert_eq!(restored, Restored { templates: 2, option_values: 9, ..Restored::default() });
    assert_eq!(after.snapshot(NOW + 5), saved);
    let key = TemplateKey { domain: domain(1), id: 256 };
    let (one, other) = (before.cache().template(&key), after.cache().template(&key));
    assert_eq!(format!("{one:?}"), format!("{other:?}"), "the plan is compiled again");
    // Saved over itself, and nothing but the file and the room for the next one is left.
    after.save(&scratch.file(), NOW + 20).expect("it can be saved again");
    assert_eq!(fs::read_dir(&scratch.0).expect("it is a directory").count(), 2);
}

#[test]
fn no_file_is_an_empty_one() {
    let scratch = Scratch::new("none");
    let templates = Templates::new(Settings::default());
    assert_eq!(templates.restore(&scratch.file()).expect("nothing is no fault"), Restored::default());
}

#[test]
fn what_is_newer_or_too_old_or_too_much_stays_out() {
    let scratch = Scratch::new("out");
    filled(Settings::default()).save(&scratch.file(), NOW).expect("it can be saved");
    let expiring = Settings { idle_expiry: Some(Duration::from_secs(60)), ..Settings::default() };
    // What is too old is judged by the time of the snapshot: what was received after it has still to be decoded.
    let templates = Templates::new(expiring);
    let restored = templates.restore(&scratch.file()).expect("it is whole");
    assert_eq!(restored, Restored { templates: 2, option_values: 9, ..Restored::default() });
    assert_eq!(templates.expire(NOW + 61), 11);

    let small = Bounds { templates: 1, fields: 100, option_values: 3 };
    let restored = Templates::new(Settings { total: small, ..Settings::default() }).restore(&scratch.file());
    let expected = Restored { templates: 1, option_values: 3, refused: 7, ..Restored::default() };
    assert_eq!(restored.expect("it is whole"), expected);

    let newer = filled(Settings::default());
    let key = TemplateKey { domain: domain(1), id: 256 };
    newer.cache().learn(key, Arc::new(Template::new(10, Kind::Data, [field(1, 0, 8)].into())));
    newer.restore(&scratch.file()).expect("it is whole");
    assert_eq!(newer.cache().template(&key).expect("it is there").fields(), [field(1, 0, 8)]);
}

#[test]
fn a_damaged_file_is_refused_and_kept_aside() {
    let scratch = Scratch::new("damaged");
    let file = scratch.file();
    filled(Settings::default()).save(&file, NOW).expect("it can be saved");
    let sound = fs::read(&file).expect("it is readable");
    let changed = |at: usize, bit: u8| {
        let mut bytes = sound.clone();
        bytes[at] ^= bit;
        bytes
    };
    let forged = {
        // A body of noise with the right checksum.
        let body: Vec<u8> = (0..200_u8).map(|byte| byte.wrapping_mul(37) ^ 0xa5).collect();
        let mut bytes = sound[..32].to_vec();
        bytes[12..16].copy_from_slice(&crc32c::crc32c(&body).to_le_bytes());
        bytes[16..24].copy_from_slice(&(body.len() as u64).to_le_bytes());
        [bytes, body].concat()
    };
    let huge = {
        let mut bytes = sound.clone();
        bytes[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        bytes
    };
    let cases = [
        ("empty", Vec::new(), Damage::Length),
        ("half a header", sound[..20].to_vec(), Damage::Length),
        ("header alone", sound[..32].to_vec(), Damage::Length),
        ("one byte short", sound[..sound.len() - 1].to_vec(), Damage::Length),
        ("one byte more", [sound.clone(), vec![0]].concat(), Damage::Length),
        ("a length beyond reason", huge, Damage::Length),
        ("other magic", changed(0, 1), Damage::Magic),
        ("another version", changed(8, 8), Damage::Version { found: 13 }),
        ("flipped checksum", changed(13, 4), Damage::Checksum),
        ("flipped first bit", changed(32, 1), Damage::Checksum),
        ("flipped last bit", changed(sound.len() - 1, 128), Damage::Checksum),
        ("noise with its checksum", forged, Damage::Body),
        ("text", b"templates = none\n".repeat(10), Damage::Magic),
    ];
    for (case, bytes, expected) in cases {
        fs::write(&file, &bytes).expect("it can be written");
        let templates = Templates::new(Settings::default());
        let error = templates.restore(&file).expect_err(case);
        let text = error.to_string();
        assert!(text.contains(&*file.to_string_lossy()) && !text.contains('\n'), "{case}: {text}");
        let snapshot::Error::Unusable { reason, .. } = error else { panic!("{case}: {text}") };
        assert_eq!(reason, expected, "{case}");
        assert!(templates.is_empty() && !file.exists(), "{case}");
        let aside = PathBuf::from(format!("{}.bad", file.display()));
        assert_eq!(fs::read(aside).expect("it is kept aside"), bytes, "{case}");
    }
}

#[test]
fn a_file_that_cannot_be_written_says_so() {
    let scratch = Scratch::new("unwritable");
    let file = scratch.0.join("missing").join("templates.snapshot");
    let error = filled(Settings::default()).save(&file, NOW).expect_err("there is no such directory");
    assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
    // A file in the place of its temporary file.
    fs::create_dir_all(scratch.0.join("templates.snapshot.tmp")).expect("a directory can be made");
    assert!(filled(Settings::default()).save(&scratch.file(), NOW).is_err());
    assert!(!scratch.file().exists());
}

#[test]
fn a_file_is_written_where_the_one_before_the_last_was() {
    let scratch = Scratch::new("room");
    let templates = filled(Settings::default());
    let inode = || fs::metadata(scratch.file()).expect("it was saved").ino();
    let inodes: Vec<u64> = (0..4)
        .map(|round| {
            templates.save(&scratch.file(), NOW + round).expect("it can be saved");
            inode()
        })
        .collect();
    assert_eq!((inodes[0], inodes[1]), (inodes[2], inodes[3]), "no room is asked for that was there");
    assert_eq!(snapshot::read(&scratch.file()).expect("it is whole").taken_at, NOW + 3);
    // A shorter one leaves nothing of the longer one behind it.
    Templates::new(Settings::default()).save(&scratch.file(), NOW).expect("it can be saved");
    assert!(snapshot::read(&scratch.file()).expect("it is whole").templates.is_empty());
}

/// Datagrams of NetFlow v5 with one flow, a second apart, of a clock that is off by so much in each second; what they decode into.
fn rows_of(templates: &Templates, seconds: std::ops::Range<u32>, skew_s: impl Fn(u32) -> i64) -> Vec<(i64, i64, u8)> {
    let mut cache = templates.cache();
    let (mut tables, mut report) = (netflow::Tables::default(), netflow::Report::default());
    for second in seconds {
        let received_s = NOW as i64 + i64::from(second);
        let mut payload = [0; 72];
        (payload[1], payload[3]) = (5, 1);
        payload[8..12].copy_from_slice(&((received_s + skew_s(second)) as u32).to_be_bytes());
        let datagram =
            netflow::Datagram { payload: &payload, exporter: domain(1).exporter, received_ms: received_s * 1000 };
        netflow::decode(&datagram, &mut cache, &mut tables, &mut report);
    }
    let flows = &tables.flows;
    (0..flows.len()).map(|row| (flows.end_ms[row], flows.clock_skew[row], flows.flags[row])).collect()
}

/// Whatever was decoded before the state was saved: what is decoded after it gives the same rows, with or without a restart between.
#[test]
fn clocks_are_taken_up_where_they_were() {
    let skew_s = |second: u32| match second {
        0..20 => -20_700,
        20..40 => 7_200 + i64::from(second),
        40..50 => 0,
        _ => i64::from(second % 3) * 4_000,
    };
    let scratch = Scratch::new("clocks");
    let whole = rows_of(&Templates::new(Settings::default()), 0..60, skew_s);
    assert!(whole.iter().filter(|(_, skew, _)| *skew != 0).count() > 15, "{whole:?}");
    for restart in 0..60 {
        let before = Templates::new(Settings::default());
        let mut rows = rows_of(&before, 0..restart, skew_s);
        before.save(&scratch.file(), NOW).expect("it can be saved");
        let after = Templates::new(Settings::default());
        after.restore(&scratch.file()).expect("it is whole");
        assert_eq!(before.snapshot(NOW), after.snapshot(NOW));
        rows.extend(rows_of(&after, restart..60, skew_s));
        assert_eq!(rows, whole, "{restart}");
    }
}

#[test]
fn a_snapshot_is_printed() {
    let names = |element: u16, enterprise: u32| match (element, enterprise) {
        (8, 0) => Some("sourceIPv4Address"),
        _ => None,
    };
    let snapshot = filled(Settings::default()).snapshot(NOW + 3);
    let mut text = Vec::new();
    print::text(&snapshot, &names, &mut text).expect("it can be written");
    let expected = "exporter 192.0.2.1 version 10 domain 4294967294
  template 256, idle 3 s: sourceIPv4Address:4 12:4 29305/1:8 460:variable
  options template (1 scope) 65535, idle 3 s: 149:4 34:4
exporter 192.0.2.2 version 10 domain 4294967294
  sampling rate of domain: 1000
  sampling rate of sampler 18446744073709551615: 10
  sampling rate of interface 7: 18446744073709551615
  sampling rate of egress interface 7: 2
  sampling rate of selection sequence 3: 9
  exporter started at 1700000000123 ms since 1970
  application 218103809: web \\u{1b}[31m
  interface 4294967295: ge-0/0/0
  VRF 1: blue
2 templates
";
    assert_eq!(String::from_utf8(text).expect("it is text"), expected);
    let mut lines = Vec::new();
    print::json(&snapshot, &names, &mut lines).expect("it can be written");
    let lines: Vec<serde_json::Value> =
        serde_json::Deserializer::from_slice(&lines).into_iter().collect::<Result<_, _>>().expect("it is JSON");
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["fields"][0]["name"], "sourceIPv4Address");
    assert_eq!(lines[2]["applications"][0]["name"], "web \u{1b}[31m");
}
