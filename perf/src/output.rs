//! Where datagrams go: out by a way, into a capture, or both; with the account of it.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use perf::pcap::write::Writer;

use crate::pace::Pace;
use crate::sent::Sent;
use crate::transmit::{Frame, Transmitter};

/// A way, perhaps a capture, and what went.
pub(crate) struct Output {
    transmitter: Transmitter,
    capture: Option<Writer<BufWriter<File>>>,
    sent: Sent,
    refused: Vec<usize>,
}

impl Output {
    /// Sends by this way, and writes into a file if one is named.
    pub(crate) fn new(transmitter: Transmitter, capture: Option<&Path>) -> Result<Self> {
        let create = |path: &Path| {
            let file = File::create(path).and_then(|file| Writer::new(BufWriter::new(file)));
            file.with_context(|| format!("cannot write {}", path.display()))
        };
        let capture = capture.map(create).transpose()?;
        Ok(Self { transmitter, capture, sent: Sent::begin(), refused: Vec::new() })
    }

    /// Sends a batch, of which the frames have so many flow records; gives the indices of those that were refused.
    pub(crate) fn send(&mut self, pace: &Pace, frames: &[Frame<'_>], flows: &[u64]) -> Result<&[usize]> {
        let began = Instant::now();
        self.transmitter.send(frames, &mut self.refused)?;
        self.sent.add(began, frames.iter().zip(flows.iter().copied()), &self.refused);
        let Some(capture) = &mut self.capture else { return Ok(&self.refused) };
        let first = pace.passed().saturating_sub(frames.len() as u64);
        for (index, frame) in frames.iter().enumerate() {
            if self.refused.contains(&index) {
                continue;
            }
            let at = pace.stamp(first + index as u64);
            capture.frame(at, frame.bytes).context("cannot write the capture")?;
        }
        Ok(&self.refused)
    }

    /// Begins the account anew: what was done before is not of the sending.
    pub(crate) fn begin(&mut self) {
        self.sent = Sent::begin();
    }

    /// What was sent until now, and the account anew.
    pub(crate) fn take_sent(&mut self) -> Sent {
        std::mem::replace(&mut self.sent, Sent::begin()).close()
    }

    /// Waits until everything has left, and ends the capture.
    pub(crate) fn finish(mut self) -> Result<Sent> {
        self.transmitter.finish()?;
        if let Some(capture) = self.capture {
            capture.finish().context("cannot write the capture")?;
        }
        Ok(self.sent.close())
    }
}
