//! The schema on every endpoint: servers need not share their tables, and one that is away must not keep the others waiting.
//!
//! Not here: what the schema is (see [`super::schema`]).

use super::client::{Client, Settings};
use super::cluster::{self, Cluster};
use super::error::{Class, Error};
use super::schema::{self, Applied};

/// Brings the database of every endpoint of every shard to [`schema::latest_version`]; what was done on each, by its URL. An
/// endpoint that fails is passed over with a warning while another one of its shard does not.
///
/// # Errors
/// That of the first endpoint of a shard of which none could be brought up to date.
pub async fn apply(shards: &[Vec<Settings>]) -> Result<Vec<(String, Applied)>, Error> {
    if let Some(cluster) = shards.iter().flatten().find_map(|settings| settings.cluster.as_ref()) {
        return apply_to_cluster(cluster, shards).await;
    }
    let mut applied = Vec::new();
    for replicas in shards {
        let done_before = applied.len();
        let mut first_error = None;
        for settings in replicas {
            match apply_to(settings).await {
                Ok(done) => applied.push((settings.url.clone(), done)),
                Err(error) if replicas.len() > 1 => {
                    tracing::warn!(url = settings.url, "an endpoint's schema was not looked at: {error}");
                    first_error = first_error.or(Some(error));
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(error) = first_error.filter(|_| applied.len() == done_before) {
            return Err(error);
        }
    }
    Ok(applied)
}

/// The same in a cluster, where a server that is away is told what to do by the others. One server of each shard must be there.
async fn apply_to_cluster(cluster: &Cluster, shards: &[Vec<Settings>]) -> Result<Vec<(String, Applied)>, Error> {
    let mut clients = Vec::with_capacity(shards.len());
    for replicas in shards {
        clients.extend(first_that_answers(replicas).await?);
    }
    let applied = cluster::apply(cluster, &clients).await?;
    Ok(clients.iter().map(|client| client.settings().url.clone()).zip(applied).collect())
}

async fn first_that_answers(replicas: &[Settings]) -> Result<Option<Client>, Error> {
    let mut last_error = None;
    for settings in replicas {
        let client = Client::new(settings)?;
        match client.probe().await {
            Err(error) if error.class != Class::NoDatabase => {
                tracing::warn!(url = settings.url, "an endpoint does not answer: {error}");
                last_error = Some(error);
            }
            Ok(_) | Err(_) => return Ok(Some(client)),
        }
    }
    last_error.map_or(Ok(None), Err)
}

async fn apply_to(settings: &Settings) -> Result<Applied, Error> {
    let client = Client::new(settings)?;
    match schema::apply(&client).await {
        // What is in front of a ClickHouse that is away answers for it; only a probe is told the status.
        Err(error) if error.class == Class::NotClickHouse => Err(client.probe().await.err().unwrap_or(error)),
        applied => applied,
    }
}
