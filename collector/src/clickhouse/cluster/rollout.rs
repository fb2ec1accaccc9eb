//! Brings every shard of a cluster to the schema of this binary, or prints what would.
//!
//! A statement that is for all servers goes to one of them, which hands it on through Keeper; one that makes rows goes to one
//! server of each shard. Each shard remembers for itself what was applied to it, so that a shard that was added, or that was
//! away in the middle, is seen to be behind and brought up. Not here: what the migrations are (see [`super::super::schema`]).

use super::{Cluster, Scope, Statement};
use crate::clickhouse::client::Client;
use crate::clickhouse::error::{Class, Error};
use crate::clickhouse::schema::{self, Applied, Step};

/// All statements that make the schema on a cluster from nothing, as a script.
///
/// # Errors
/// [`Class::Schema`] for a migration that has a statement no cluster knows.
pub fn print(cluster: &Cluster, database: &str) -> Result<String, Error> {
    let mut script = format!(
        "-- The collector's tables on a cluster, as `collector schema print --cluster {}` prints them.\n\
         -- `collector schema apply` runs them where they belong. To make them by hand: run this on one server of each shard, one\n\
         -- after the other; what is ON CLUSTER is done by then and does nothing, the rest is for the shard.\n\
         -- clickhouse-client --multiquery < schema.sql\n\n{};\n\nUSE `{database}`;\n",
        cluster.name(),
        cluster.create_database(database)
    );
    for step in schema::steps() {
        script.push('\n');
        for statement in &step.statements {
            for Statement { sql, .. } in cluster.statements(database, statement)? {
                script.push_str(&sql);
                script.push_str(";\n\n");
            }
        }
        script.truncate(script.trim_end().len());
        script.push('\n');
    }
    Ok(script)
}

/// Brings all shards to [`schema::latest_version`]; `shards` are clients of one server each. Makes the database where it is
/// missing. What was done on each shard, in the same order.
///
/// # Errors
/// A newer schema, tables of a server that stands alone, servers that cannot be reached, missing privileges.
pub async fn apply(cluster: &Cluster, shards: &[Client]) -> Result<Vec<Applied>, Error> {
    let Some(first) = shards.first() else {
        return Err(Error::new(Class::Settings, "no server of the cluster is named: set clickhouse.url"));
    };
    let mut versions = Vec::with_capacity(shards.len());
    for shard in shards {
        versions.push(match schema::version(shard).await {
            Err(error) if error.class == Class::NoDatabase => None,
            version => Some(version?),
        });
    }
    if versions.contains(&None) {
        let made = first.execute_on_cluster(&cluster.create_database(&first.settings().database)).await;
        made.map_err(|error| first.explain(error))?;
    }
    let versions: Vec<u32> = versions.into_iter().map(Option::unwrap_or_default).collect();
    for (shard, version) in shards.iter().zip(&versions) {
        schema::refuse_newer(shard, *version)?;
        schema::refuse_different(shard, *version).await?;
    }
    let (from, to) = (versions.iter().copied().min().unwrap_or_default(), schema::latest_version());
    for step in schema::steps_from(from) {
        apply_step(cluster, shards, &versions, &step).await?;
    }
    Ok(versions.into_iter().map(|from| Applied { from, to }).collect())
}

async fn apply_step(cluster: &Cluster, shards: &[Client], versions: &[u32], step: &Step) -> Result<(), Error> {
    let Some(first) = shards.first() else { return Ok(()) };
    for statement in &step.statements {
        for Statement { scope, sql } in cluster.statements(&first.settings().database, statement)? {
            match scope {
                Scope::Once => first.execute_on_cluster(&sql).await.map_err(|error| schema::explain(first, error))?,
                Scope::EachShard => {
                    for (shard, _) in shards.iter().zip(versions).filter(|(_, version)| step.version > **version) {
                        shard.execute(&sql).await.map_err(|error| schema::explain(shard, error))?;
                    }
                }
            }
        }
    }
    Ok(())
}
