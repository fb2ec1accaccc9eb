//! One step of the curve: so many datagrams a second for some seconds, what became of them, and what it took.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::search::Outcome;
use crate::rig::{self, Account, Collector, Counters, Load, Pair, Sent, ThreadCpu};

/// After the sender ended, the rest must be through in this time.
const PATIENCE: Duration = Duration::from_secs(90);
/// The sender sends less than asked when it misses by more than this share.
const SHORT: f64 = 0.93;
/// The collector keeps up when at most this share of what was sent waits to be decoded when the last datagram is sent.
const BEHIND: f64 = 0.05;
/// A block may wait for [`super::BLOCK_AGE_MS`], and its insert takes a moment, whatever the rate.
const SOON_S: f64 = 0.7;

/// What one step gave.
#[derive(Debug)]
pub(super) struct Step {
    asked: u64,
    sent: Sent,
    account: Account,
    /// Bytes in the journal that were not decoded when the last datagram was sent.
    undecoded: f64,
    /// From the last datagram until all was through.
    drain: Duration,
    cpu: Vec<ThreadCpu>,
    /// Processor seconds of the whole machine.
    busy_s: f64,
}

impl Step {
    /// Sends at this rate, or flat out if it is 0, and waits until all is through.
    ///
    /// # Errors
    ///
    /// When the sender or the collector fails, or a signal came.
    pub(super) fn run(
        pair: &Pair,
        collector: &mut Collector<'_>,
        load: &Load,
        rate: u64,
        time: Duration,
    ) -> Result<Self> {
        let before = Counters::read(pair, collector)?;
        let cpu_before = collector.cpu()?;
        let busy_before = rig::machine_busy_s()?;
        let sent = load.start(pair, rate, time)?.finish()?;
        let undecoded = Counters::read(pair, collector)?.backlog().0;
        let settled = rig::settle(pair, collector, &before, &sent, PATIENCE)?;
        let cpu = rig::between(&cpu_before, &collector.cpu()?);
        let busy_s = rig::machine_busy_s()? - busy_before;
        let account = Account::between(&before, &settled.counters);
        Ok(Self { asked: rate, sent, account, undecoded, drain: settled.took, cpu, busy_s })
    }

    /// How it went.
    pub(super) fn outcome(&self) -> Outcome {
        if !self.is_lossless() || !self.kept_up() {
            Outcome::Bad
        } else if self.asked == 0 || self.sent.rate() < self.asked as f64 * SHORT {
            Outcome::SenderLimited
        } else {
            Outcome::Good
        }
    }

    /// Whether every flow sent was stored.
    pub(super) fn is_lossless(&self) -> bool {
        self.account.is_whole(&self.sent)
    }

    /// Whether the collector decoded as fast as it received, and what was sent last was stored soon.
    pub(super) fn kept_up(&self) -> bool {
        let is_decoded = self.undecoded <= self.sent.bytes as f64 * BEHIND;
        is_decoded && self.drain.as_secs_f64() <= SOON_S + self.sent.seconds * BEHIND
    }

    /// Datagrams a second that were really offered.
    pub(super) fn offered(&self) -> f64 {
        self.sent.rate()
    }

    /// Flows a second that were offered.
    pub(super) fn offered_flows(&self) -> f64 {
        self.sent.flows as f64 / self.sent.seconds.max(1e-9)
    }

    /// Flows stored for each second in which datagrams came, or, if the collector did not keep up, until all was stored.
    pub(super) fn stored_flows(&self) -> f64 {
        let after = if self.kept_up() { 0.0 } else { self.drain.as_secs_f64() };
        self.account.stored_flows / (self.sent.seconds + after).max(1e-9)
    }

    /// The step for the result.
    pub(super) fn told(&self) -> Value {
        let mut told = json!({
            "asked_datagrams_per_second": self.asked,
            "offered_datagrams_per_second": self.offered().round(),
            "offered_flows_per_second": self.offered_flows().round(),
            "stored_flows_per_second": self.stored_flows().round(),
            "sending_seconds": round(self.sent.seconds), "drain_seconds": round(self.drain.as_secs_f64()),
            "undecoded_bytes_when_sent": self.undecoded,
            "lossless": self.is_lossless(), "kept_up": self.kept_up(),
            "cpu": cpu_told(&self.cpu, self.account.stored_flows),
            "machine_busy_ns_per_datagram": (self.busy_s * 1e9 / self.sent.datagrams.max(1) as f64).round(),
        });
        if let (Some(told), Value::Object(account)) = (told.as_object_mut(), self.account.told(&self.sent)) {
            told.extend(account);
        }
        told
    }

    /// The step in a line, for the terminal.
    pub(super) fn line(&self) -> String {
        let lost = self.account.lost_datagrams(&self.sent);
        let stages: Vec<String> = self.account.lost.iter().map(|(stage, count)| format!("{stage} {count}")).collect();
        let behind = if self.kept_up() { "" } else { ", behind" };
        format!(
            "{:9.0} datagrams/s, {:10.0} flows/s offered, {:10.0} stored/s, lost {lost}{behind} {}",
            self.offered(),
            self.offered_flows(),
            self.stored_flows(),
            stages.join(", ")
        )
    }
}

/// Processor time by group of threads, in seconds and per flow; groups that took none are left out.
pub(crate) fn cpu_told(cpu: &[ThreadCpu], flows: f64) -> Value {
    let mut groups = Map::new();
    for group in cpu.iter().filter(|group| group.user_s + group.kernel_s > 0.0) {
        let per_flow = |seconds: f64| round(seconds * 1e9 / flows.max(1.0));
        let value = json!({
            "user_seconds": round(group.user_s), "kernel_seconds": round(group.kernel_s),
            "user_ns_per_flow": per_flow(group.user_s), "kernel_ns_per_flow": per_flow(group.kernel_s),
        });
        groups.insert(group.name.clone(), value);
    }
    Value::Object(groups)
}

/// Three digits behind the point.
pub(crate) fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
