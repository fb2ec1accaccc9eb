//! The cluster: whether each server knows it, has macros of its own and reaches Keeper, and whether all that fits together.
//!
//! Not here: whether servers answer at all, and which schema they have.

use super::Finding;
use crate::clickhouse::{self, Client, Cluster};
use crate::config::Config;

const SUBJECT: &str = "cluster";
const EXAMPLE: &str = "see server/cluster.xml in deploy/clickhouse-cluster";

/// What a server says of itself and its cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Server {
    url: String,
    /// Shards of the cluster, by the server's configuration.
    shards: usize,
    /// Servers of all of them.
    servers: usize,
    /// What `{shard}` stands for; empty for nothing.
    shard: String,
    /// What `{replica}` stands for; empty for nothing.
    replica: String,
    /// Engine of the database; empty where it is missing.
    database_engine: String,
    /// Why Keeper cannot be reached.
    keeper: Option<String>,
}

/// Looks at every server that answers; nothing where no cluster is configured.
pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let Some(cluster) = &config.clickhouse.cluster else { return Vec::new() };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return vec![Finding::unknown(SUBJECT, error.to_string(), "check again with fewer programs running")];
        }
    };
    let ask = |settings: &clickhouse::Settings| runtime.block_on(ask(settings, cluster)).ok();
    let shards: Vec<Vec<Server>> =
        config.clients().iter().map(|replicas| replicas.iter().filter_map(ask).collect()).collect();
    judge(cluster, &shards)
}

async fn ask(settings: &clickhouse::Settings, cluster: &Cluster) -> Result<Server, clickhouse::Error> {
    let client = Client::new(settings)?;
    let (name, database) = (cluster.name(), &settings.database);
    let sql = format!(
        "SELECT (SELECT uniqExact(shard_num) FROM system.clusters WHERE cluster = '{name}'), \
         (SELECT count() FROM system.clusters WHERE cluster = '{name}'), \
         (SELECT anyIf(substitution, macro = 'shard') FROM system.macros), \
         (SELECT anyIf(substitution, macro = 'replica') FROM system.macros), \
         (SELECT any(engine) FROM system.databases WHERE name = '{database}')"
    );
    let answer = client.query_on_server(&sql, "TSV").await?;
    let mut fields = answer.trim_end_matches('\n').split('\t');
    let mut next = || fields.next().unwrap_or_default().to_owned();
    Ok(Server {
        url: settings.url.clone(),
        shards: next().parse().unwrap_or(0),
        servers: next().parse().unwrap_or(0),
        shard: next(),
        replica: next(),
        database_engine: next(),
        keeper: client
            .query_on_server("SELECT count() FROM system.zookeeper WHERE path = '/'", "TSV")
            .await
            .err()
            .map(|error| error.to_string()),
    })
}

/// What is to be said of the servers that answered, by shard as they are configured.
fn judge(cluster: &Cluster, shards: &[Vec<Server>]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = shards.iter().flatten().map(|server| server.finding(cluster)).collect();
    let all: Vec<&Server> = shards.iter().flatten().filter(|server| !server.shard.is_empty()).collect();
    for (index, server) in all.iter().enumerate() {
        let twin = |other: &&&Server| (&other.shard, &other.replica) == (&server.shard, &server.replica);
        if let Some(twin) = all.iter().take(index).find(twin) {
            let text = format!(
                "{} and {} are both replica {} of shard {}",
                twin.url, server.url, server.replica, server.shard
            );
            findings.push(Finding::fail(SUBJECT, text, "name each server once, and give each macros of its own"));
        }
    }
    for (number, replicas) in shards.iter().enumerate() {
        let Some(first) = replicas.first() else { continue };
        if let Some(other) = replicas.iter().find(|other| other.shard != first.shard) {
            let text = format!(
                "{} is of shard {}, {} of shard {}: they are named as one",
                first.url, first.shard, other.url, other.shard
            );
            let remedy =
                "give each shard a [[clickhouse.shards]] of its own: a repeated insert would not be known there";
            findings.push(Finding::fail(SUBJECT, text, remedy));
        }
        let same = |earlier: &&Server| !earlier.shard.is_empty() && earlier.shard == first.shard;
        if let Some(earlier) = shards.iter().take(number).filter_map(|replicas| replicas.first()).find(same) {
            let text =
                format!("{} and {} are of one shard, {}: they are named as two", earlier.url, first.url, first.shard);
            findings.push(Finding::fail(SUBJECT, text, "name them in one [[clickhouse.shards]]"));
        }
    }
    let known = shards.iter().flatten().map(|server| server.shards).max().unwrap_or(0);
    if known > shards.len() {
        let text = format!("{} has {known} shards, {} of them named here", cluster.name(), shards.len());
        let remedy = "rows go to shards that are named alone, and only they are migrated: name the others in [[clickhouse.shards]]";
        findings.push(Finding::warn(SUBJECT, text, remedy));
    }
    findings
}

impl Server {
    fn finding(&self, cluster: &Cluster) -> Finding {
        let (url, name) = (&self.url, cluster.name());
        if self.servers == 0 {
            let remedy = format!("put it into remote_servers there ({EXAMPLE}), or correct clickhouse.cluster");
            return Finding::fail(SUBJECT, format!("{url} knows no cluster {name}"), remedy);
        }
        if self.shard.is_empty() || self.replica.is_empty() {
            let text = format!("{url} lacks the macros shard and replica, which say what it stores");
            return Finding::fail(SUBJECT, text, format!("set both there ({EXAMPLE})"));
        }
        if let Some(error) = &self.keeper {
            let text = format!("{url} does not reach Keeper: {error}");
            return Finding::fail(
                SUBJECT,
                text,
                format!("without it nothing is stored: see zookeeper there ({EXAMPLE})"),
            );
        }
        if !matches!(self.database_engine.as_str(), "" | "Atomic") {
            let text = format!("{url} has the database with engine {}", self.database_engine);
            return Finding::fail(SUBJECT, text, "tables need one of engine Atomic: name another clickhouse.database");
        }
        let (shards, servers, shard, replica) = (self.shards, self.servers, &self.shard, &self.replica);
        Finding::ok(
            SUBJECT,
            format!("{url}: {name}, {shards} shards of {servers} servers; shard {shard}, replica {replica}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    /// A server of two shards with two replicas each, by the name `shard-replica`.
    fn server(name: &str) -> Server {
        let (shard, _) = name.split_once('-').unwrap();
        Server {
            url: format!("http://{name}"),
            shards: 2,
            servers: 4,
            shard: shard.to_owned(),
            replica: name.to_owned(),
            database_engine: "Atomic".to_owned(),
            keeper: None,
        }
    }

    fn check(shards: &[Vec<Server>], expected: &[(Level, &str)]) {
        let findings = judge(&Cluster::new("flows").unwrap(), shards);
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, (level, part)) in findings.iter().zip(expected) {
            assert_eq!(finding.level, *level, "{finding:?}");
            assert!(finding.text.contains(part), "{part:?} is not in {finding:?}");
        }
    }

    #[test]
    fn servers() {
        let of = |change: fn(&mut Server)| {
            let mut server = Server { shards: 1, ..server("1-1") };
            change(&mut server);
            vec![vec![server]]
        };
        check(&of(|_| ()), &[(Level::Ok, "http://1-1: flows, 1 shards of 4 servers; shard 1, replica 1-1")]);
        check(&of(|server| server.database_engine.clear()), &[(Level::Ok, "http://1-1")]);
        for (found, expected) in [
            (of(|server| server.servers = 0), "knows no cluster flows"),
            (of(|server| server.shard.clear()), "lacks the macros"),
            (of(|server| server.replica.clear()), "lacks the macros"),
            (of(|server| server.keeper = Some("no answer".to_owned())), "does not reach Keeper: no answer"),
            (of(|server| server.database_engine = "Replicated".to_owned()), "engine Replicated"),
        ] {
            check(&found, &[(Level::Fail, expected)]);
        }
    }

    #[test]
    fn what_does_not_fit_together() {
        let ok = |name| (Level::Ok, name);
        check(
            &[vec![server("1-1"), server("1-2")], vec![server("2-1"), server("2-2")]],
            &[ok("1-1"), ok("1-2"), ok("2-1"), ok("2-2")],
        );
        check(&[vec![], vec![server("2-1")]], &[ok("2-1")]);
        check(&[vec![server("1-1")]], &[ok("1-1"), (Level::Warn, "flows has 2 shards, 1 of them named here")]);
        check(
            &[vec![server("1-1"), server("2-1")], vec![server("2-2")]],
            &[ok("1-1"), ok("2-1"), ok("2-2"), (Level::Fail, "named as one")],
        );
        check(&[vec![server("1-1")], vec![server("1-2")]], &[ok("1-1"), ok("1-2"), (Level::Fail, "named as two")]);
        let twin = Server { url: "http://alias".to_owned(), ..server("1-1") };
        check(
            &[vec![server("1-1"), twin], vec![server("2-1")]],
            &[ok("1-1"), ok("alias"), ok("2-1"), (Level::Fail, "are both replica 1-1 of shard 1")],
        );
    }
}
