//! What was sent, in numbers.

use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::{Value, json};

use crate::transmit::Frame;

/// The account of what went out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    datagrams: u64,
    flows: u64,
    bytes: u64,
    refused: u64,
    /// Before the first datagram and behind the last.
    span: Option<(Instant, Instant)>,
    /// Microseconds of this thread outside and inside the kernel: what it used before, and when closed what it used.
    processor_us: [i64; 2],
}

impl Sent {
    /// An account that begins now, for the thread that sends.
    pub(crate) fn begin() -> Self {
        Self { processor_us: processor_us(), ..Self::default() }
    }

    /// Ends the account.
    pub(crate) fn close(mut self) -> Self {
        let now = processor_us();
        self.processor_us = [0, 1].map(|mode| now[mode] - self.processor_us[mode]);
        self
    }

    /// Takes note of a batch: its frames with their flow records, and the indices of those that were refused.
    pub(crate) fn add<'a>(
        &mut self,
        began: Instant,
        batch: impl Iterator<Item = (&'a Frame<'a>, u64)>,
        refused: &[usize],
    ) {
        for (index, (frame, flows)) in batch.enumerate() {
            // Refusals are rare, and none is the common case.
            if !refused.is_empty() && refused.contains(&index) {
                self.refused += 1;
                continue;
            }
            self.datagrams += 1;
            self.flows += flows;
            self.bytes += frame.payload().len() as u64;
        }
        self.span = Some((self.span.map_or(began, |(first, _)| first), Instant::now()));
    }

    /// The numbers; `seconds` from the first datagram to the last, `processor_s` what sending and preparing them took, outside and
    /// inside the kernel.
    pub(crate) fn told(&self) -> Value {
        let seconds = self.span.map_or(0.0, |(first, last)| last.duration_since(first).as_secs_f64());
        json!({
            "datagrams": self.datagrams, "flows": self.flows, "bytes": self.bytes, "seconds": seconds,
            "refused": self.refused,
            "processor_s": {
                "user": self.processor_us[0] as f64 / 1e6, "kernel": self.processor_us[1] as f64 / 1e6,
            },
        })
    }
}

fn processor_us() -> [i64; 2] {
    getrusage(UsageWho::RUSAGE_THREAD)
        .map_or([0; 2], |usage| [usage.user_time(), usage.system_time()].map(|time| time.num_microseconds()))
}
