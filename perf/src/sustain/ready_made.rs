//! What the store takes when somebody has made the blocks before: the collector's own inserts, as a recorder kept them, sent to an
//! empty store with nothing else running.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use super::Measured;
use super::progress::Progress;
use super::recorder::Insert;
use crate::rig::{self, Connection, Load, Namespace, Pair, Run, Store};

/// The collector's inserts.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) inserts: Vec<Insert>,
    /// Rows of the table of flows in them.
    pub(super) flows: f64,
    /// How many the collector had under way at once.
    pub(super) at_once: usize,
}

/// Has a collector make the blocks of a load and keeps its inserts.
///
/// # Errors
///
/// When collector, store or sender fail, or a signal came.
pub(super) fn record(pair: &Pair, run: &Run, load: &Load, fill: super::Fill) -> Result<Recording> {
    let store = Store::start(&pair.receiver, run.program(), run.state())?;
    let recorder = super::recorder::Recorder::start(&pair.receiver)?;
    let url = rig::quoted(&format!("http://{}", super::recorder::Recorder::ADDRESS));
    // Into its embedded store the collector sends blocks as they are.
    let run = run.clone().set("clickhouse", "url", url).set("clickhouse", "compression", rig::quoted("none"));
    let mut collector = run.start(&pair.receiver)?;
    fill.store(pair, &mut collector, load)?;
    collector.stop()?;
    let (inserts, at_once) = recorder.take();
    let stored: f64 = store.sql("SELECT count() FROM collector.flows")?.trim().parse().context("no number of rows")?;
    store.stop()?;
    Ok(Recording { inserts, flows: stored, at_once })
}

/// Sends the recording to an empty store.
///
/// # Errors
///
/// When the store does not take an insert, or a signal came before.
pub(super) fn replay(namespace: &Namespace, run: &Run, recording: &Recording) -> Result<Measured> {
    rig::pause(std::time::Duration::ZERO)?;
    let store = Store::start(namespace, run.program(), run.state())?;
    let flows = |insert: &&Insert| insert.table == "flows";
    let bytes: usize = recording.inserts.iter().filter(flows).map(|insert| insert.request.body.len()).sum();
    let rows_per_byte = recording.flows / bytes.max(1) as f64;
    let next = AtomicUsize::new(0);
    let progress = Mutex::new((Progress::default(), 0.0));
    let cpu_before = store.cpu()?;
    let begun = Instant::now();
    let one = || -> Result<()> {
        let mut connection = Connection::open(Store::ADDRESS)?;
        while let Some(insert) = recording.inserts.get(next.fetch_add(1, Ordering::Relaxed)) {
            connection.ask(&insert.request)?.success().with_context(|| format!("an insert into {}", insert.table))?;
            if insert.table == "flows" {
                let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
                progress.1 += insert.request.body.len() as f64 * rows_per_byte;
                let rows = progress.1;
                progress.0.read(begun.elapsed().as_secs_f64(), rows);
            }
        }
        Ok(())
    };
    namespace.enter(|| -> Result<()> {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..recording.at_once.max(1)).map(|_| scope.spawn(one)).collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(outcome) => outcome,
                Err(_) => bail!("an inserting thread panicked"),
            })
        })
    })??;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = rig::between(&[cpu_before], &[store.cpu()?]);
    let stored: f64 = store.sql("SELECT count() FROM collector.flows")?.trim().parse().context("no number of rows")?;
    if stored != recording.flows {
        bail!("{stored} of {} rows are stored", recording.flows);
    }
    store.stop()?;
    let (progress, _) = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Measured { rate: progress.rate(recording.flows), whole_rate: stored / seconds, flows: stored, seconds, cpu })
}
