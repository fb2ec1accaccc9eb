//! What the collector stores a second when more waits than it can store: its journal is filled while the store stands still, then
//! the store goes on and nothing more is sent.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;

use super::Measured;
use super::progress::Progress;
use crate::rig::{self, Collector, Counters, Load, Pair, Run, Sent, wait_for};

/// How often the counters are read while the backlog is stored.
const INTERVAL: Duration = Duration::from_millis(25);
/// What does not change for so long will not.
const STILL: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(180);

/// How much is to wait in the journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fill {
    pub(crate) flows: u64,
    /// Datagrams a second while the journal is filled.
    pub(crate) datagrams_per_second: u64,
}

impl Fill {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// When the sender fails.
    fn offer(self, pair: &Pair, load: &Load) -> Result<Sent> {
        let datagrams = self.flows.div_ceil(load.records().into());
        let time = datagrams as f64 / self.datagrams_per_second as f64;
        load.start(pair, self.datagrams_per_second, Duration::from_secs_f64(time))?.finish()
    }

    /// Sends it and waits until all of it that was received is stored.
    ///
    /// # Errors
    ///
    /// When something fails, or a signal came.
    pub(super) fn store(self, pair: &Pair, collector: &mut Collector<'_>, load: &Load) -> Result<()> {
        let before = Counters::read(pair, collector)?;
        let sent = self.offer(pair, load)?;
        rig::settle(pair, collector, &before, &sent, PATIENCE).map(drop)
    }
}

/// Waits until nothing more comes and nothing more is decoded: as much as may be in memory is, while the store stands still.
fn wait_until_still(pair: &Pair, collector: &Collector<'_>) -> Result<()> {
    let mut last = (0.0, 0.0);
    wait_for("the last datagram", PATIENCE, || {
        rig::pause(STILL)?;
        let now = Counters::read(pair, collector)?;
        let state = (now.received(), now.backlog().0);
        Ok((std::mem::replace(&mut last, state) == state).then_some(()))
    })
}

/// Fills the journal of a fresh collector and measures how fast it is stored.
///
/// # Errors
///
/// When something fails, or a signal came.
pub(crate) fn drain(pair: &Pair, run: &Run, load: &Load, fill: Fill) -> Result<Measured> {
    let mut collector = run.start(&pair.receiver)?;
    collector.wait_for_store()?;
    let before = Counters::read(pair, &collector)?;
    collector.signal_store(Signal::SIGSTOP);
    let filled = fill.offer(pair, load).and_then(|_| wait_until_still(pair, &collector));
    collector.signal_store(Signal::SIGCONT);
    filled?;
    let cpu_before = collector.cpu()?;
    let begun = Instant::now();
    let mut progress = Progress::default();
    let (flows, seconds) = wait_for("the end of the backlog", PATIENCE, || {
        rig::pause(INTERVAL)?;
        collector.check()?;
        let now = Counters::read(pair, &collector)?;
        let (stored, seconds) = (now.stored_flows() - before.stored_flows(), begun.elapsed().as_secs_f64());
        progress.read(seconds, stored);
        let (undecoded, waiting) = now.backlog();
        Ok((stored > 0.0 && undecoded + waiting == 0.0).then_some((stored, seconds)))
    })?;
    let cpu = rig::between(&cpu_before, &collector.cpu()?);
    let counted = collector.sql("SELECT count() FROM collector.flows")?;
    ensure!(counted.trim().parse() == Ok(flows as u64), "{} of {flows} flows are stored", counted.trim());
    collector.stop()?;
    Ok(Measured { rate: progress.rate(flows), whole_rate: flows / seconds, flows, seconds, cpu })
}
