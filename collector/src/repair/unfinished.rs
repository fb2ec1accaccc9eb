//! Repairs that did not come to their end: what they exchanged is finished, everything else they left is removed.

use std::path::Path;

use super::audit::Audit;
use super::database::Database;
use super::period::Period;
use super::staging::Staging;
use super::{Error, sums};
use crate::batch::{Table, flows};

/// Finishes or takes back every repair that left tables; what was done with each, for the log.
///
/// Those of other collectors are left alone: they may be under way.
pub(super) fn settle_all(database: &Database, state_dir: &Path) -> Result<Vec<String>, Error> {
    let mut told = Vec::new();
    for staging in Staging::left(database)? {
        if Audit::is_of_others(database, staging.id(), state_dir)? {
            told.push(format!("repair {} of another collector is under way, or was cut off", staging.id()));
            continue;
        }
        let outcome = if finish(database, &staging)? { "finished later" } else { "taken back" };
        Audit::settle(database, staging.id(), outcome)?;
        staging.remove(database)?;
        told.push(format!("repair {} was cut off before its end: {outcome}", staging.id()));
    }
    for id in Audit::running(database, state_dir)? {
        Audit::settle(database, &id, "taken back")?;
        told.push(format!("repair {id} was cut off before it changed anything"));
    }
    Ok(told)
}

/// Finishes what was begun to be exchanged; whether there was something to finish.
pub(super) fn finish(database: &Database, staging: &Staging) -> Result<bool, Error> {
    let is_exchanged = match Audit::period_of(database, staging.id())? {
        Some(period) => is_exchanged(database, staging, &period)?,
        None => false,
    };
    if is_exchanged {
        sums::add(database, staging)?;
    }
    Ok(is_exchanged)
}

/// Whether the partition whose sums were computed last holds the new rows already: then these sums belong to what is stored.
fn is_exchanged(database: &Database, staging: &Staging, period: &Period) -> Result<bool, Error> {
    let partition = sums::partition(database, staging)?;
    let decoded = staging.decoded(&flows::TABLE);
    if partition.is_empty() || !Staging::exists(database, &decoded)? {
        return Ok(false);
    }
    is_same(database, &flows::TABLE, &decoded, period, &partition)
}

/// Whether a partition has the very rows of the period that were decoded again.
pub(super) fn is_same(
    database: &Database,
    table: &Table,
    decoded: &str,
    period: &Period,
    partition: &str,
) -> Result<bool, Error> {
    let digest = |name: &str| {
        let condition = period.condition();
        database.rows(&format!(
            "SELECT count(), sum(cityHash64(*)) FROM {name} WHERE {condition} AND _partition_id = '{partition}'"
        ))
    };
    Ok(digest(table.name)? == digest(decoded)?)
}
