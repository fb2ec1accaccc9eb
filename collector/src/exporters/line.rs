//! The sequence of an sFlow sub-agent, whoever carries its datagrams: a device that sends over two routes has two source addresses
//! and one sequence.
//!
//! A device is known by what a datagram says, which anybody may say. So a sender's numbers are followed by themselves, until they
//! are found to go on where another sender's stand for the same device, sub-agent and start; and a sender whose numbers do not go on
//! any more is followed by itself again, before it makes the others' begin anew. See [`super::routes`] for who decides.

use std::collections::HashMap;

use netflow::columns::Address;

use super::away::{Away, Missed};
use super::exporter::SampleHeard;
use super::kept::KeptSequence;
use super::rate::Loss;
use super::sequence::{Change, GoesOn, Heard, Place, Stand, Standing, Stream};
use super::unit::Unit;
use crate::ledger::{Cell, minute_of};

/// Senders whose numbers may be followed together.
const SENDERS_MAX: usize = 16;
/// Data sources that are followed for one sub-agent.
const SOURCES_MAX: usize = 256;

/// Kind of sample, type and index of the data source.
pub(super) type SourceKey = (u8, u32, u32);

/// Takes what a sequence tells: sender, minute, cell, count.
pub(super) type Note<'a> = &'a mut dyn FnMut(Address, u32, Cell, i64);

/// The sequence of datagrams, and those of the samples in them.
#[derive(Debug)]
pub(super) struct Line {
    stream: Stream,
    sources: HashMap<SourceKey, Source, foldhash::fast::RandomState>,
    /// Who was followed here, and whether it still is. What was counted for one may be taken back later: none is removed.
    senders: Vec<(Address, bool)>,
    pub(super) loss: Loss,
    pub(super) restarts: i64,
}

#[derive(Debug)]
struct Source {
    stream: Stream,
    drops: Option<u32>,
}

impl Line {
    /// A sequence that nothing was heard of.
    pub(super) fn new(unit: Unit) -> Self {
        Self {
            stream: Stream::new(unit),
            sources: HashMap::default(),
            senders: Vec::new(),
            loss: Loss::default(),
            restarts: 0,
        }
    }

    /// How its numbers stand.
    pub(super) fn stand(&self) -> Option<Stand> {
        self.stream.stand()
    }

    /// Its data sources, what each lost itself, and how the numbers of each stand.
    pub(super) fn sources(&self) -> impl Iterator<Item = (SourceKey, Option<u32>, Option<Stand>)> {
        self.sources.iter().map(|(key, source)| (*key, source.drops, source.stream.stand()))
    }

    /// Goes on where a sequence of the last run stood, which this sender was followed in.
    pub(super) fn resume(&mut self, sender: &Address, kept: &KeptSequence, since_ms: i64) {
        self.stream.resume(kept, since_ms);
        self.place(sender, kept.last_ms);
    }

    /// Goes on where the sequence of a data source stood.
    pub(super) fn resume_source(&mut self, key: SourceKey, kept: &KeptSequence, since_ms: i64) {
        if self.sources.len() < SOURCES_MAX {
            let mut stream = Stream::new(Unit::Samples);
            stream.resume(kept, since_ms);
            self.sources.insert(key, Source { stream, drops: kept.drops });
        }
    }

    fn pause(&mut self, away: Away) {
        self.stream.pause(away);
        self.sources.values_mut().for_each(|source| source.stream.pause(away));
    }

    /// What it was shown last was counted before the last end; nothing is known of its sequences from then on.
    pub(super) fn forget_losses(&mut self, away: Away) {
        (self.loss, self.restarts) = (Loss::default(), 0);
        self.pause(away);
    }

    /// What was sent while nothing was received, told once; samples are in these datagrams.
    pub(super) fn take_missed(&mut self, now_ms: i64) -> Option<(Missed, Unit)> {
        self.stream.take_missed(now_ms)
    }

    /// What its sequence numbers count, and whether that is what the protocol says.
    pub(super) fn unit(&self) -> (Unit, bool) {
        self.stream.unit()
    }

    /// How a number stands to those before it.
    pub(super) fn standing(&self, heard: &Heard) -> Standing {
        self.stream.standing(heard)
    }

    /// Whether a number of another sender goes on here.
    pub(super) fn goes_on(&self, heard: &Heard) -> Option<GoesOn> {
        let has_room = self.senders.len() < SENDERS_MAX || self.senders.iter().any(|(_, is_here)| !is_here);
        self.stream.goes_on(heard).filter(|_| has_room)
    }

    /// Whether others than `sender` are followed here.
    pub(super) fn is_shared(&self, sender: &Address) -> bool {
        self.senders.iter().any(|(other, is_here)| *is_here && other != sender)
    }

    /// A sender is followed elsewhere from now on; what looked like datagrams that came twice was not.
    pub(super) fn leave(&mut self, sender: &Address, note: Note<'_>) {
        let Self { stream, senders, .. } = self;
        stream.take_back_run(&mut |place, change, count| note(of(senders, place), place.minute, cell(change), count));
        if let Some((_, is_here)) = senders.iter_mut().find(|(other, _)| other == sender) {
            *is_here = false;
        }
    }

    /// Takes a datagram of a sender.
    pub(super) fn take(&mut self, sender: &Address, heard: &Heard, note: Note<'_>) {
        let place = self.place(sender, heard.received_ms);
        let Self { stream, senders, loss, restarts, .. } = self;
        let units = stream.take(heard, place, &mut |place, change, count| {
            match change {
                Change::Missing(_) => loss.add(place.minute, 0, count),
                Change::Restart => *restarts += count,
                Change::Down(_) | Change::Reordered | Change::Duplicate => {}
            }
            note(of(senders, place), place.minute, cell(change), count);
        });
        loss.add(place.minute, i64::from(units), 0);
    }

    /// The sequence begins anew with this sender, whose numbers do not go on anywhere.
    pub(super) fn begin_anew(&mut self, sender: &Address, received_ms: i64, note: Note<'_>) {
        let minute = self.place(sender, received_ms).minute;
        self.restarts += 1;
        note(*sender, minute, Cell::Restarts, 1);
    }

    /// Takes one sample of a datagram. Reordering and duplicates are those of its datagram.
    pub(super) fn sampled(&mut self, sender: &Address, sample: &SampleHeard, received_ms: i64, note: Note<'_>) {
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&sample.source) {
            return;
        }
        let place = self.place(sender, received_ms);
        let Self { sources, senders, .. } = self;
        let new = || Source { stream: Stream::new(Unit::Samples), drops: None };
        let source = sources.entry(sample.source).or_insert_with(new);
        let heard = Heard::of_sample(sample.sequence, received_ms);
        source.stream.take(&heard, place, &mut |place, change, count| {
            if matches!(change, Change::Missing(_) | Change::Down(_)) {
                note(of(senders, place), place.minute, cell(change), count);
            }
        });
        let Some(drops) = sample.drops else { return };
        let more = source.drops.map_or(0, |before| drops.wrapping_sub(before).cast_signed());
        if more >= 0 {
            source.drops = Some(drops);
            note(*sender, place.minute, Cell::ExporterDrops, i64::from(more));
        } else if source.drops.is_some_and(|before| drops < before / 2) {
            // The exporter restarted, and so did its count.
            source.drops = Some(drops);
        }
    }

    /// Where what a sender's datagram tells is counted. One that has no place any more takes that of one that left.
    fn place(&mut self, sender: &Address, received_ms: i64) -> Place {
        let known = self.senders.iter().position(|(other, _)| other == sender);
        let by = known.unwrap_or_else(|| {
            let free = self.senders.iter().position(|(_, is_here)| !is_here);
            match free.filter(|_| self.senders.len() >= SENDERS_MAX) {
                Some(free) => {
                    self.senders[free].0 = *sender;
                    free
                }
                None => {
                    self.senders.push((*sender, true));
                    self.senders.len() - 1
                }
            }
        });
        self.senders[by].1 = true;
        Place { minute: minute_of(received_ms), by: by as u8 }
    }
}

/// The sender in whose name something was counted.
fn of(senders: &[(Address, bool)], place: Place) -> Address {
    senders.get(usize::from(place.by)).map_or(crate::ledger::NOBODY, |(sender, _)| *sender)
}

/// The cell of the ledger that a change is counted in.
pub(super) fn cell(change: Change) -> Cell {
    match change {
        Change::Missing(Unit::Datagrams) => Cell::MissingDatagrams,
        Change::Missing(Unit::Samples) => Cell::MissingSamples,
        Change::Missing(Unit::Records | Unit::FlowRecords | Unit::Nothing) => Cell::MissingRecords,
        Change::Down(Unit::Datagrams) => Cell::DownDatagrams,
        Change::Down(Unit::Samples) => Cell::DownSamples,
        Change::Down(Unit::Records | Unit::FlowRecords | Unit::Nothing) => Cell::DownRecords,
        Change::Reordered => Cell::Reordered,
        Change::Duplicate => Cell::Duplicates,
        Change::Restart => Cell::Restarts,
    }
}
