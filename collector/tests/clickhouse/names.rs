//! Names on a real engine: filled, exchanged, loaded into dictionaries, read again when files change, and looked up by questions.

use std::net::IpAddr;
use std::path::PathBuf;

use collector::clickhouse::{Client, schema};
use collector::dictionaries::{Content, Exporter, Interface, Keeper, Settings, TABLES, fill};
use collector::enrich::{Geo, Published};

use crate::engine::{Engine, block_on};

/// A file that is gone when this is dropped.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("collector-names-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn settings(&self) -> Settings {
        Settings { as_names: Some(self.0.clone()), ..Settings::default() }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn configured() -> Settings {
    let exporter = |prefix: &str, name: &str, interfaces| Exporter {
        prefix: prefix.parse().unwrap(),
        name: name.to_owned(),
        site: "Frankfurt".to_owned(),
        interfaces,
    };
    let uplink = Interface { if_index: 3, name: "up\tlink\\".to_owned(), speed_bps: 10_000_000_000 };
    Settings {
        exporters: vec![exporter("192.0.2.0/24", "lab", vec![]), exporter("192.0.2.1", "edge", vec![uplink])],
        ..Settings::default()
    }
}

async fn fill_all(client: &Client, content: Content) {
    for (table, rows) in content.tables {
        fill(client, table, &rows.unwrap()).await.unwrap().unwrap();
    }
}

#[test]
fn dictionaries_know_what_the_tables_are_filled_with() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("names"));
    let file = File::new("known", "# our own\nnumber,name\nAS64500,\"Example, Inc.\"\n64501,it's\n");
    let announced: [(IpAddr, u32, String); 2] =
        [("192.0.2.1".parse().unwrap(), 3, "Gi0/3".to_owned()), ("192.0.2.9".parse().unwrap(), 4, "Gi0/4".to_owned())];
    let settings = Settings { as_names: file.settings().as_names, ..configured() };
    let ask = async |expression: &str| client.query(&format!("SELECT {expression}"), "TSVRaw").await.unwrap();
    block_on(async {
        schema::apply(&client).await.unwrap();
        // Dictionaries over empty tables answer too.
        assert_eq!(ask("dictGet('as_names_dictionary', 'name', toUInt64(1))").await, "\n");
        let systems = [(64_501, "GeoIP's".to_owned()), (64_502, "by GeoIP".to_owned())];
        fill_all(&client, Content::read(&settings, systems, announced)).await;
        for (expression, expected) in [
            ("dictGet('as_names_dictionary', 'name', toUInt64(64500))", "Example, Inc."),
            ("dictGet('as_names_dictionary', 'name', toUInt64(64501))", "it's"),
            ("dictGet('as_names_dictionary', 'name', toUInt64(64502))", "by GeoIP"),
            ("dictGet('protocols_dictionary', 'name', toUInt64(132))", "SCTP"),
            ("dictGet('services_dictionary', 'name', (toUInt8(17), toUInt16(53)))", "domain"),
            ("dictGet('exporters_dictionary', 'name', toIPv6('192.0.2.1'))", "edge"),
            ("dictGet('exporters_dictionary', 'name', toIPv6('192.0.2.2'))", "lab"),
            ("dictGet('exporters_dictionary', 'site', toIPv6('192.0.3.2'))", ""),
            ("dictGet('interfaces_dictionary', 'name', (toIPv6('192.0.2.1'), toUInt32(3)))", "up link\\"),
            ("dictGet('interfaces_dictionary', 'speed_bps', (toIPv6('192.0.2.1'), toUInt32(3)))", "10000000000"),
            ("dictGet('interfaces_dictionary', 'name', (toIPv6('192.0.2.9'), toUInt32(4)))", "Gi0/4"),
        ] {
            assert_eq!(ask(expression).await.trim_end_matches('\n'), expected, "{expression}");
        }
        // What is filled again replaces what was there.
        fill_all(&client, Content::read(&Settings::default(), [], [])).await;
        assert_eq!(ask("dictGet('as_names_dictionary', 'name', toUInt64(64500))").await, "\n");
        assert_eq!(
            ask("count() FROM system.tables WHERE database = currentDatabase() AND name LIKE '%staging%'").await,
            "0\n"
        );
        assert_eq!(TABLES.len(), 6);
    });
}

#[test]
fn a_faulty_file_is_told_with_its_line() {
    for (text, expected) in [
        ("1,one\n2\n", ":2: 1 fields, expected number, name"),
        ("1,one\n\n# x\nAS2x,two\n", ":4: \"AS2x\" is not an AS number"),
        ("1,\"one\n", ":1: a field begins with a double quote that nothing ends"),
        ("1,one\n4294967296,big", ":2: \"4294967296\" is not an AS number"),
    ] {
        let file = File::new("faulty", text);
        let content = Content::read(&file.settings(), [], []);
        let error = content.tables[0].1.as_ref().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("stay") && content.tables[1].1.is_ok());
    }
    let missing = Settings { ports: Some(PathBuf::from("/nonexistent/ports.csv")), ..Settings::default() };
    let content = Content::read(&missing, [], []);
    assert!(content.tables[2].1.as_ref().unwrap_err().to_string().starts_with("cannot read /nonexistent/ports.csv"));
}

#[test]
fn files_are_read_again_and_a_faulty_one_leaves_what_was_there() {
    let Some(engine) = Engine::start() else { return };
    let settings = engine.settings("names_reload");
    let client = engine.client(&settings);
    let file = File::new("reload", "1,one\n");
    block_on(schema::apply(&client)).unwrap();
    let geo = Published::new(Geo::empty());
    let keeper = Keeper::start(settings, file.settings(), geo, Box::new(Vec::new), Box::new(|| true)).unwrap();
    let name = "SELECT dictGet('as_names_dictionary', 'name', toUInt64(1))";
    let becomes = |expected: &str| {
        // Until the thread has come to it; a name that never comes ends in the harness' time limit.
        while block_on(client.query(name, "TSV")).unwrap() != expected {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    becomes("one\n");
    std::fs::write(&file.0, "1,ONE\nfaulty").unwrap();
    let protocols = File::new("protocols", "253,experiment\n");
    keeper.replace(Settings { protocols: Some(protocols.0.clone()), ..file.settings() });
    // The other tables are taken up all the same, and after this one.
    let protocol = "SELECT dictGet('protocols_dictionary', 'name', toUInt64(253))";
    while block_on(client.query(protocol, "TSV")).unwrap() != "experiment\n" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(block_on(client.query(name, "TSV")).unwrap(), "one\n");
    std::fs::write(&file.0, "1,two\n").unwrap();
    keeper.replace(file.settings());
    becomes("two\n");
}
