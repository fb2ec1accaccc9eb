//! Each datagram encoded when it is due, with flows of its own, and faults on the way if asked for.

use anyhow::Result;
use perf::envelope::Envelope;
use perf::{Exported, Exporter, Path};

use super::{Arguments, Refused, Told, pace, told};
use crate::output::Output;
use crate::pace::{Pace, Schedule};
use crate::transmit::{BATCH, Frame};

/// An exporter behind its network.
struct Source {
    path: Path,
    refused: Refused,
}

/// Frames that are due, until they are sent.
#[derive(Default)]
struct Waiting {
    frames: Vec<(usize, Vec<u8>)>,
    flows: Vec<u64>,
    has_templates: Vec<bool>,
}

pub(super) fn send(
    arguments: &Arguments,
    mut exporters: Vec<Exporter>,
    envelopes: &[Envelope],
    mut output: Output,
    is_told: bool,
) -> Result<Told> {
    let templates_first = if arguments.templates_first {
        announce(arguments, &mut exporters, envelopes, &mut output)?;
        Some(output.take_sent())
    } else {
        None
    };
    let source = |(number, exporter)| {
        let path = Path::new(exporter, arguments.faults(), arguments.seed_of(number));
        Source { path, refused: Refused::default() }
    };
    let mut sources: Vec<Source> = exporters.into_iter().enumerate().map(source).collect();
    let mut pace = pace(arguments);
    let mut waiting = Waiting::default();
    let mut left = arguments.total();
    let mut turns = (0..sources.len()).cycle();
    loop {
        // A turn may bring a late datagram too, and the same one twice.
        let due = pace.due(left.min(BATCH as u64 / 4));
        if due == 0 {
            break;
        }
        left -= due;
        for number in turns.by_ref().take(due as usize) {
            sources[number].path.send(|exported| waiting.push(number, &envelopes[number], exported));
        }
        waiting.send(&mut sources, envelopes, &pace, &mut output)?;
    }
    for number in 0..sources.len() {
        sources[number].path.finish(|exported| waiting.push(number, &envelopes[number], exported));
        waiting.send(&mut sources, envelopes, &pace, &mut output)?;
    }
    let exporters = if is_told {
        let one = |source: &Source| told(source.path.exporter().settings(), &source.path.account(), &source.refused);
        sources.iter().map(one).collect()
    } else {
        Vec::new()
    };
    Ok(Told { templates_first, sent: output.finish()?, exporters })
}

/// The templates of all, at the rate.
fn announce(
    arguments: &Arguments,
    exporters: &mut [Exporter],
    envelopes: &[Envelope],
    output: &mut Output,
) -> Result<()> {
    let mut pace = Pace::new(Schedule::of_rate(arguments.rate), None, arguments.no_send);
    for (source, (exporter, envelope)) in exporters.iter_mut().zip(envelopes).enumerate() {
        for exported in exporter.announce() {
            pace.due(1);
            let bytes = envelope.frame(&exported.payload);
            output.send(&pace, &[Frame { bytes: &bytes, payload_at: envelope.length(), source }], &[0])?;
        }
    }
    Ok(())
}

impl Waiting {
    fn push(&mut self, source: usize, envelope: &Envelope, exported: &Exported) {
        self.frames.push((source, envelope.frame(&exported.payload)));
        self.flows.push(exported.flows.len() as u64);
        self.has_templates.push(exported.has_templates);
    }

    fn send(&mut self, sources: &mut [Source], envelopes: &[Envelope], pace: &Pace, output: &mut Output) -> Result<()> {
        let frame = |(source, bytes): &(usize, Vec<u8>)| (*source, envelopes[*source].length(), bytes.len());
        let places: Vec<(usize, usize, usize)> = self.frames.iter().map(frame).collect();
        let frames: Vec<Frame<'_>> = places
            .iter()
            .zip(&self.frames)
            .map(|((source, payload_at, _), (_, bytes))| Frame { bytes, payload_at: *payload_at, source: *source })
            .collect();
        for index in output.send(pace, &frames, &self.flows)? {
            let (source, payload_at, length) = places[*index];
            sources[source].refused.add(self.flows[*index], length - payload_at, self.has_templates[*index]);
        }
        self.frames.clear();
        self.flows.clear();
        self.has_templates.clear();
        Ok(())
    }
}
