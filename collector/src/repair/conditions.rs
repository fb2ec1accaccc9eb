//! What must be so before a repair changes anything: no other one is under way, the period is over and retained, the tables are of
//! a kind whose partitions can be exchanged.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::database::Database;
use super::journals::Journals;
use super::period::Period;
use super::{Error, Request};
use crate::batch::DECODED;
use crate::rollup;
use crate::utc::{Utc, now_ms};

/// Datagrams may be written to the journal so much later than they were received.
const DISORDER: Duration = Duration::from_secs(2);

/// Keeps other repairs off until it is dropped. The file may be one that another user made.
pub(super) fn alone(path: &Path) -> Result<File, Error> {
    let file = File::open(path).or_else(|_| File::options().create(true).truncate(false).write(true).open(path));
    let file = file.map_err(Error::system("open repair.lock in state_dir"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Busy(path.to_path_buf())),
        Err(TryLockError::Error(source)) => Err(Error::system("lock repair.lock in state_dir")(source)),
    }
}

/// Refuses a period that is not over, and waits until its last datagrams are written.
pub(super) fn wait_until_over(period: &Period) -> Result<(), Error> {
    let refuse =
        |fault| Err(Error::Period { from: Utc(period.from_ms).to_string(), to: Utc(period.to_ms).to_string(), fault });
    if period.from_ms >= period.to_ms {
        return refuse("is empty");
    }
    if period.to_ms > now_ms() {
        return refuse("is not over");
    }
    let since_ms = u64::try_from(now_ms() - period.to_ms).unwrap_or(0);
    std::thread::sleep(DISORDER.saturating_sub(Duration::from_millis(since_ms)));
    Ok(())
}

/// Refuses tables whose partitions cannot be exchanged.
pub(super) fn check_engines(database: &Database) -> Result<(), Error> {
    let tables = DECODED.iter().copied().chain(rollup::TABLES.iter().copied());
    let tables = tables.map(|table| format!("'{}'", table.name)).collect::<Vec<_>>().join(", ");
    let other = database.rows(&format!(
        "SELECT name, engine FROM system.tables WHERE database = currentDatabase() AND name IN ({tables}) \
         AND engine NOT IN ('MergeTree', 'SummingMergeTree') ORDER BY name LIMIT 1"
    ))?;
    match other.first().map(Vec::as_slice) {
        Some([table, engine]) => Err(Error::Engine { table: table.clone(), engine: engine.clone() }),
        _ => Ok(()),
    }
}

/// Refuses a period that is not wholly retained, or cuts it off where that is asked for.
pub(super) fn restrict_to_retained(
    journals: &Journals,
    request: &mut Request,
    tell: &dyn Fn(&str),
) -> Result<(), Error> {
    let retained_ms = journals.retained_from_ms()?;
    if retained_ms <= request.period.from_ms {
        return Ok(());
    }
    let retained = Utc(retained_ms).to_string();
    if !request.is_partial || retained_ms >= request.period.to_ms {
        return Err(Error::NotRetained { retained });
    }
    tell(&format!("repairing from {retained} on, before which nothing is retained"));
    request.period.from_ms = retained_ms;
    Ok(())
}
