//! The worked example of a cluster: its files are well-formed, name the same things, and are what the collector takes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use collector::config::{Config, Written};

fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/clickhouse-cluster"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(directory().join(name)).expect("it is part of the tree")
}

/// The elements of an XML text as paths with their own text, such as `clickhouse/macros/shard`; why it is not well-formed, if it
/// is not. Knows comments, elements, attributes and text: entities and all else are refused, as the example has no need of them.
fn elements(text: &str) -> Result<Vec<(String, String)>, String> {
    let (mut open, mut elements) = (Vec::<(String, String)>::new(), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        match open.last_mut() {
            Some((_, own)) => own.push_str(before.trim()),
            None if before.trim().is_empty() => {}
            None => return Err(format!("text outside of elements: {before:?}")),
        }
        if let Some(comment) = after.strip_prefix("!--") {
            let (comment, behind) = comment.split_once("-->").ok_or("a comment is not closed")?;
            if comment.contains("--") || comment.ends_with('-') {
                return Err(format!("-- in a comment: {comment:?}"));
            }
            rest = behind;
            continue;
        }
        let (tag, behind) = after.split_once('>').ok_or("a tag is not closed")?;
        rest = behind;
        let path = |open: &[(String, String)]| open.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("/");
        if let Some(name) = tag.strip_prefix('/') {
            let at = path(&open);
            let (opened, own) = open.pop().ok_or_else(|| format!("</{name}> closes nothing"))?;
            if opened != name {
                return Err(format!("</{name}> closes <{opened}>"));
            }
            elements.push((at, own));
            continue;
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let mut words = tag.split(' ');
        let name = words.next().unwrap_or_default();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(format!("<{tag}> has no name"));
        }
        for attribute in words {
            let value = attribute.split_once('=').and_then(|(_, value)| value.strip_prefix('"')?.strip_suffix('"'));
            value.ok_or_else(|| format!("<{tag}> has a broken attribute"))?;
        }
        open.push((name.to_owned(), String::new()));
        if is_empty {
            elements.push((path(&open), String::new()));
            open.pop();
        } else if elements.is_empty() && open.len() == 1 && name != "clickhouse" {
            return Err(format!("the outermost element is {name}"));
        }
    }
    match open.last() {
        Some((name, _)) => Err(format!("<{name}> is not closed")),
        None if text.contains('&') => Err("an entity".to_owned()),
        None => Ok(elements),
    }
}

fn texts<'a>(elements: &'a [(String, String)], end: &str) -> Vec<&'a str> {
    elements.iter().filter(|(path, _)| path.ends_with(end)).map(|(_, text)| text.as_str()).collect()
}

#[test]
fn broken_xml_is_found() {
    for text in [
        "<a></a>",
        "<clickhouse><a></clickhouse></a>",
        "<clickhouse><a x=1/></clickhouse>",
        "<clickhouse>",
        "<clickhouse><!-- a -- b --></clickhouse>",
    ] {
        assert!(elements(text).is_err(), "{text}");
    }
    let fine = "<!-- a --><clickhouse><b from_env=\"C\"/><d> e </d></clickhouse>";
    let found = elements(fine).expect("it is well-formed");
    assert_eq!(found[..2], [("clickhouse/b".to_owned(), String::new()), ("clickhouse/d".to_owned(), "e".to_owned())]);
}

#[test]
fn the_xml_is_well_formed_and_of_one_cluster() {
    let all = ["server/cluster.xml", "server/logs.xml", "users/users.xml", "keeper/keeper_config.xml"].map(|name| {
        let found = elements(&read(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert!(found.len() > 5, "{name}");
        found
    });
    let [server, _, _, keeper] = &all;
    let hosts = texts(server, "remote_servers/flows/shard/replica/host");
    assert_eq!(hosts, ["clickhouse-1-1", "clickhouse-1-2", "clickhouse-2-1", "clickhouse-2-2"]);
    assert_eq!(texts(server, "zookeeper/node/host"), texts(keeper, "raft_configuration/server/hostname"));
    let ports: BTreeSet<&str> = texts(server, "zookeeper/node/port").into_iter().collect();
    assert_eq!(
        ports,
        BTreeSet::from(
            texts(keeper, "keeper_server/tcp_port").try_into().map(|[port]: [&str; 1]| [port]).expect("one port")
        )
    );
}

/// The compose file is read line by line: names at two blanks below `services:`, and what is in them.
#[test]
fn the_services_are_the_servers_that_are_named() {
    let compose = read("compose.yaml");
    assert!(!compose.contains('\t'), "YAML has no tabs");
    let (_, services) = compose.split_once("\nservices:\n").expect("there are services");
    let (services, _) = services.split_once("\nvolumes:\n").expect("there are volumes");
    let names: Vec<&str> = services
        .lines()
        .filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '))?.strip_suffix(':'))
        .collect();
    let server = elements(&read("server/cluster.xml")).expect("it is well-formed");
    let mut expected = texts(&server, "zookeeper/node/host");
    expected.extend(texts(&server, "shard/replica/host"));
    assert_eq!(names, expected);
    for name in names {
        assert!(
            services.contains(&format!("\n    hostname: {name}\n"))
                || services.contains(&format!("    hostname: {name}\n")),
            "{name}"
        );
        assert!(services.contains(&format!("- {name}:/var/lib/")), "{name} keeps its data");
    }
    for line in compose.lines().filter_map(|line| line.trim().strip_prefix("- ./")) {
        let file = line.split(':').next().unwrap_or_default();
        assert!(directory().join(file).is_file(), "{file}");
    }
    let images: BTreeSet<&str> = compose
        .lines()
        .filter_map(|line| line.trim().strip_prefix("image: ")?.rsplit_once(':'))
        .map(|(_, tag)| tag)
        .collect();
    assert_eq!(images.len(), 1, "one version: {images:?}");
    assert!(images.iter().all(|tag| tag.split('.').count() == 4), "a whole version: {images:?}");
}

#[test]
fn the_collector_takes_its_part() {
    let written = Written::parse(&read("collector.toml"), "collector.toml").expect("it is valid");
    let password = collector::config::Secret::new("of no file".to_owned());
    let config = Config::resolve(written, Some(password)).expect("it can be meant");
    assert_eq!(config.clickhouse.shards.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
    let compose = read("compose.yaml");
    for url in config.clickhouse.shards.iter().flatten() {
        let port = url.rsplit_once(':').map(|(_, port)| port).expect("a port");
        assert!(compose.contains(&format!("ports: [\"127.0.0.1:{port}:8123\"]")), "{url}");
    }
    let cluster = config.clickhouse.cluster.expect("it has a cluster");
    assert!(read("server/cluster.xml").contains(&format!("<{}>", cluster.name())));
}
