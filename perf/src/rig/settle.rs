//! Waiting until a load is through: everything sent is received or lost, decoded and stored.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::account::Counters;
use super::{Collector, Pair, Sent, pause};

/// How often the counters are read: also the resolution of the time it takes.
const INTERVAL: Duration = Duration::from_millis(50);
/// Counters of the kernel's drops are read by the workers now and then, so what does not change for so long will not.
const STILL: Duration = Duration::from_millis(1500);

/// The end of a load.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) counters: Counters,
    /// From the call until the last change.
    pub(crate) took: Duration,
}

/// Waits until as much is received since `before` as was sent, or nothing more comes, and nothing waits in the journal.
///
/// # Errors
///
/// When that does not come within `patience`, the collector ended, or a signal came.
pub(crate) fn settle(
    pair: &Pair,
    collector: &mut Collector<'_>,
    before: &Counters,
    sent: &Sent,
    patience: Duration,
) -> Result<Settled> {
    let begun = Instant::now();
    let mut last = (0.0, 0.0, 0.0);
    let mut changed = Duration::ZERO;
    loop {
        collector.check()?;
        let counters = Counters::read(pair, collector)?;
        let now = begun.elapsed();
        let received = counters.received() - before.received();
        let (undecoded, waiting) = counters.backlog();
        let state = (received, counters.stored_flows(), undecoded + waiting);
        if state != last {
            (last, changed) = (state, now);
        }
        let is_empty = undecoded + waiting == 0.0;
        let is_through = is_empty && (received >= sent.datagrams as f64 || now - changed >= STILL);
        if is_through {
            return Ok(Settled { counters, took: changed });
        }
        if now > patience {
            bail!("{waiting} bytes still wait in the journal after {} s: {}", patience.as_secs(), collector.log());
        }
        pause(INTERVAL)?;
    }
}
