//! One contender, one load: what was sent, what was stored, and what it took.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::account::{Account, Cpu};
use super::contender::{Amount, Contender, Place, Stored};
use super::cores::Core;
use super::load::{Load, Sent};
use crate::rig::pause;

/// Between two looks at whether a program still works off what waits.
const LOOK: Duration = Duration::from_millis(50);
/// Share of a core below which it does not.
const AT_REST: f64 = 0.1;
/// Longest that is waited for that.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a run of a contender gave.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trial {
    pub(super) contender: Contender,
    pub(super) sent: Sent,
    pub(super) stored: Stored,
    /// Of all of its processes, from before the first datagram until all is written.
    pub(super) cpu: Cpu,
    /// From the end of the sender until it had nothing more to work off, seconds.
    pub(super) lag_s: f64,
    /// From before the first datagram to the end of its processes, whoever used the cores.
    pub(super) sender_core: Core,
    pub(super) receiver_core: Core,
    pub(super) wall_s: f64,
}

impl Trial {
    /// Starts a contender, sends it the load at a rate (datagrams/s, 0 for as fast as it goes) and ends it.
    ///
    /// # Errors
    ///
    /// When the contender or the sender fails. Loss is no error.
    pub(super) fn run(contender: Contender, place: &Place, load: &Load, rate: u64) -> Result<Self> {
        let account = Account::open()?;
        let mut running = contender.start(place, &account)?;
        // A start may go on for a while after the first sign of life.
        work_off(&account)?;
        let cores = || anyhow::Ok((Core::read(load.core)?, Core::read(place.core)?));
        let (before, (sender_core, receiver_core), began) = (account.cpu()?, cores()?, Instant::now());
        let sent = load.send(&place.pair, running.address(), rate)?;
        let lag_s = work_off(&account)?;
        running.settle(sent)?;
        let (settled, ends_with_work) = (account.cpu()?, running.ends_with_work());
        let stored = running.stop()?;
        let after = if ends_with_work { account.cpu()? } else { settled };
        let (sender_after, receiver_after) = cores()?;
        Ok(Self {
            contender,
            sent,
            stored,
            cpu: after - before,
            lag_s,
            sender_core: sender_after - sender_core,
            receiver_core: receiver_after - receiver_core,
            wall_s: began.elapsed().as_secs_f64(),
        })
    }

    /// Whether it stored everything and kept up: a buffer or a queue that holds what it could not do in time would hide a loss
    /// from a short run.
    pub(super) fn holds(&self) -> bool {
        self.stored.what.is_all_of(self.sent) && self.lag_s <= (self.sent.seconds * 0.05).max(0.2)
    }

    /// Flows it stored, or was sent where it does not know flows and took every datagram.
    pub(super) fn flows(&self) -> u64 {
        match self.stored.what {
            Amount::Flows(flows) => flows,
            Amount::Datagrams(datagrams) => {
                let of_flows = datagrams.saturating_sub(self.sent.templates_first);
                self.sent.flows * of_flows / self.sent.datagrams.max(1)
            }
        }
    }

    /// Processor time for a flow it stored, nanoseconds.
    pub(super) fn ns_per_flow(&self) -> f64 {
        self.cpu.total_s() * 1e9 / self.flows().max(1) as f64
    }

    /// Processor time for a datagram that was sent, nanoseconds.
    pub(super) fn ns_per_datagram(&self) -> f64 {
        self.cpu.total_s() * 1e9 / self.sent.datagrams as f64
    }

    /// The same, and what the kernel did on the sender's core to bring datagrams to it.
    pub(super) fn ns_per_flow_with_interrupts(&self) -> f64 {
        self.ns_per_flow() + self.sender_core.interrupts_s * 1e9 / self.flows().max(1) as f64
    }

    pub(super) fn told(&self) -> Value {
        let (unit, amount) = match self.stored.what {
            Amount::Flows(flows) => ("flows_stored", flows),
            Amount::Datagrams(datagrams) => ("datagrams_counted", datagrams),
        };
        json!({
            "contender": self.contender.to_string(), "holds": self.holds(),
            "datagrams_sent": self.sent.datagrams, "flows_sent": self.sent.flows, "bytes_sent": self.sent.bytes,
            "refused_at_sender": self.sent.refused, "seconds": self.sent.seconds,
            "datagrams_per_second": self.sent.datagrams_per_second(),
            unit: amount, "socket_drops": self.stored.socket_drops, "lag_s": self.lag_s,
            "user_s": self.cpu.user_s, "kernel_s": self.cpu.kernel_s,
            "ns_per_flow": self.ns_per_flow(), "ns_per_datagram": self.ns_per_datagram(),
            "sender_core": self.sender_core.told(), "receiver_core": self.receiver_core.told(), "wall_s": self.wall_s,
            "counters": self.stored.counters,
        })
    }
}

/// Waits until a program rests, and returns for how long it had not, seconds.
fn work_off(account: &Account) -> Result<f64> {
    let began = Instant::now();
    let (mut worked_until, mut last, mut before) = (0.0, Instant::now(), account.cpu()?.total_s());
    // Twice at rest, as it may wait for a processor in between.
    let mut rests = 0;
    while rests < 2 && began.elapsed() < PATIENCE {
        pause(LOOK).context("while the contender works off what waits")?;
        let (now, used) = (Instant::now(), account.cpu()?.total_s());
        let share = (used - before) / now.duration_since(last).as_secs_f64();
        (last, before) = (now, used);
        if share < AT_REST {
            rests += 1;
        } else {
            rests = 0;
            worked_until = began.elapsed().as_secs_f64();
        }
    }
    Ok(worked_until)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run of two seconds at `rate` flows/s that took `ns` for each.
    pub(in crate::peers) fn trial(contender: &str, rate: f64, ns: f64) -> Trial {
        let flows = (rate * 2.0) as u64;
        let datagrams = flows / 24;
        Trial {
            contender: Contender::named(contender).expect("a contender"),
            sent: Sent { datagrams, flows, bytes: datagrams * 1400, seconds: 2.0, refused: 0, templates_first: 0 },
            stored: Stored { what: Amount::Flows(flows), socket_drops: 0, counters: Value::Null },
            cpu: Cpu { user_s: flows as f64 * ns / 1e9, kernel_s: 0.0 },
            lag_s: 0.0,
            sender_core: Core::default(),
            receiver_core: Core::default(),
            wall_s: 2.5,
        }
    }

    #[test]
    fn a_run_counts_only_whole_and_in_time() {
        let whole = trial("nfcapd", 240_000.0, 500.0);
        assert!(whole.holds());
        assert!((whole.ns_per_flow() - 500.0).abs() < 1e-6 && (whole.ns_per_datagram() - 12_000.0).abs() < 1e-6);
        let lossy = Stored { what: Amount::Flows(whole.sent.flows - 1), ..whole.stored.clone() };
        assert!(!Trial { stored: lossy, ..whole.clone() }.holds());
        assert!(!Trial { lag_s: 0.3, ..whole.clone() }.holds(), "two seconds of load leave no time for this");
        let counted = Stored { what: Amount::Datagrams(whole.sent.datagrams), ..whole.stored.clone() };
        let counted = Trial { stored: counted, ..whole.clone() };
        assert!(counted.holds());
        assert_eq!(counted.flows(), whole.sent.flows);
    }

    #[test]
    fn interrupts_are_added_once() {
        let core = Core { interrupts_s: 0.048, ..Core::default() };
        let trial = Trial { sender_core: core, ..trial("nfcapd", 240_000.0, 500.0) };
        assert!((trial.ns_per_flow_with_interrupts() - 600.0).abs() < 1e-6);
    }
}
