//! The schema on every endpoint: servers need not share their tables, and one that is away must not keep the others waiting.
//!
//! Not here: what the schema is (see [`super::schema`]).

use super::client::{Client, Settings};
use super::error::Error;
use super::schema::{self, Applied};

/// Brings the database of every endpoint of every shard to [`schema::latest_version`]; what was done on each, by its URL. An
/// endpoint that fails is passed over with a warning while another one of its shard does not.
///
/// # Errors
/// That of the first endpoint of a shard of which none could be brought up to date.
pub async fn apply(shards: &[Vec<Settings>]) -> Result<Vec<(String, Applied)>, Error> {
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

async fn apply_to(settings: &Settings) -> Result<Applied, Error> {
    schema::apply(&Client::new(settings)?).await
}
