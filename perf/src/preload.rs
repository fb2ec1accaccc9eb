//! Frames that are built once and sent again and again: of each sending only the header's sequence numbers and times are new,
//! so that a collector sees exporters that lose nothing.
//!
//! Flow records stay as they were, and so do the moments they tell of: uptime and export time go on together.

use crate::checksum::{of_udp, updated};
use crate::clock::Clock;
use crate::device::Device;
use crate::envelope::Envelope;
use crate::exporter::{Exported, Exporter};
use crate::template::Protocol;

/// Where numbers stand in the header of a message, and what they count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// NetFlow v1, v5 and v7; v1 has no sequence.
    Classic { has_sequence: bool },
    /// NetFlow v9.
    V9,
    /// IPFIX.
    Ipfix,
    /// sFlow v5.
    Sflow,
}

/// One frame in the memory of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    at: usize,
    length: u32,
    /// Which exporter's.
    pub exporter: u32,
    /// Bytes in front of the UDP payload.
    pub payload_at: u16,
    /// Flow records in it.
    pub flows: u16,
    /// Options data records in it.
    pub options: u16,
    /// Whether it brings templates.
    pub has_templates: bool,
    counts: u16,
    /// The batch in which it was used last.
    batch: u64,
}

/// What goes on with each exporter.
#[derive(Debug, Clone)]
struct State {
    sequence: u32,
    samples: u32,
    /// Its announcements among all places.
    announcements: std::ops::Range<usize>,
}

/// Frames of many exporters, and whose turn it is.
#[derive(Debug, Clone)]
pub struct Preload {
    bytes: Vec<u8>,
    places: Vec<Place>,
    exporters: Vec<State>,
    layout: Layout,
    clock: Clock,
    announce_every: u64,
    /// Datagrams of each exporter.
    rounds: usize,
    cursor: Cursor,
    batch: u64,
}

/// Whose turn it is: round by round, exporter by exporter, and which of its announcements is next.
#[derive(Debug, Clone, Copy, Default)]
struct Cursor {
    round: u64,
    exporter: usize,
    announcement: usize,
}

impl Preload {
    /// Encodes at least `datagrams` frames, the same number for each exporter and in turn, and the templates of each.
    /// The exporters' own step of time and their own templates in data must be 0: announcements go before a datagram in
    /// `announce_every` of each exporter, the first among them; 0: never.
    ///
    /// # Panics
    ///
    /// When there are no exporters, they are of several kinds, or there is not an envelope for each.
    #[must_use]
    pub fn new(mut exporters: Vec<Exporter>, envelopes: &[Envelope], datagrams: usize, announce_every: u64) -> Self {
        assert_eq!(exporters.len(), envelopes.len(), "an envelope for each exporter");
        let first = exporters.first().expect("there is an exporter").settings();
        let (device, clock) = (first.device, Clock { export_ms: first.start_ms, uptime_ms: first.uptime_ms });
        let rounds = datagrams.div_ceil(exporters.len()).max(1);
        let mut preload = Self {
            bytes: Vec::new(),
            places: Vec::new(),
            exporters: Vec::new(),
            layout: Layout::of(device),
            clock,
            announce_every,
            rounds,
            cursor: Cursor::default(),
            batch: 0,
        };
        for _ in 0..rounds {
            for (number, (exporter, envelope)) in exporters.iter_mut().zip(envelopes).enumerate() {
                assert_eq!(exporter.settings().device, device, "exporters of one kind");
                preload.keep(number, envelope, &exporter.export());
            }
        }
        for (number, (exporter, envelope)) in exporters.iter_mut().zip(envelopes).enumerate() {
            let begin = preload.places.len();
            for exported in exporter.announce() {
                preload.keep(number, envelope, &exported);
            }
            let announcements = begin..preload.places.len();
            preload.exporters.push(State { sequence: 0, samples: 0, announcements });
        }
        preload
    }

    /// Frames in memory, without announcements.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.rounds * self.exporters.len()
    }

    /// The announcements of all exporters as they are sent before anything else, made ready from number `from` on: at most `most`
    /// of them, none behind the last.
    pub fn announce(&mut self, from: usize, most: usize, now_ms: i64, batch: &mut Vec<usize>) {
        let first = self.rounds * self.exporters.len();
        batch.clear();
        batch.extend((first + from..self.places.len()).take(most));
        for place in batch.iter() {
            self.patch(*place, now_ms);
        }
    }

    /// From now on announcements are due in their turn alone, not with the first datagram.
    pub fn skip_first_announcements(&mut self) {
        self.cursor.round = self.cursor.round.max(1);
    }

    /// Makes the next frames ready, at most `most` and at least one, as they are exported at `now_ms`, milliseconds since 1970.
    /// Fewer where a frame would be there twice.
    pub fn fill(&mut self, most: usize, now_ms: i64, batch: &mut Vec<usize>) {
        batch.clear();
        self.batch += 1;
        while batch.len() < most {
            let (place, next) = self.next();
            if self.places[place].batch == self.batch {
                return;
            }
            self.places[place].batch = self.batch;
            self.cursor = next;
            self.patch(place, now_ms);
            batch.push(place);
        }
    }

    /// A frame, and what is known of it.
    #[must_use]
    pub fn frame(&self, place: usize) -> (&[u8], &Place) {
        let of = &self.places[place];
        (&self.bytes[of.at..of.at + of.length as usize], of)
    }

    fn keep(&mut self, exporter: usize, envelope: &Envelope, exported: &Exported) {
        let frame = envelope.frame(&exported.payload);
        self.places.push(Place {
            at: self.bytes.len(),
            length: frame.len() as u32,
            exporter: exporter as u32,
            payload_at: envelope.length() as u16,
            flows: exported.flows.len() as u16,
            options: exported.options as u16,
            has_templates: exported.has_templates,
            counts: exported.counts as u16,
            batch: 0,
        });
        self.bytes.extend(frame);
    }

    /// The frame whose turn it is, and what comes behind it.
    fn next(&self) -> (usize, Cursor) {
        let Cursor { round, exporter, announcement } = self.cursor;
        let State { announcements, .. } = &self.exporters[exporter];
        // After the first round each exporter at another time, as they are in a network.
        let turn = if round == 0 { 0 } else { round + exporter as u64 };
        let is_due = self.announce_every > 0 && turn.is_multiple_of(self.announce_every);
        if is_due && announcement < announcements.len() {
            return (announcements.start + announcement, Cursor { announcement: announcement + 1, ..self.cursor });
        }
        let place = (round % self.rounds as u64) as usize * self.exporters.len() + exporter;
        let is_last = exporter + 1 == self.exporters.len();
        let next = Cursor {
            round: round + u64::from(is_last),
            exporter: if is_last { 0 } else { exporter + 1 },
            announcement: 0,
        };
        (place, next)
    }

    fn patch(&mut self, place: usize, now_ms: i64) {
        let Place { at, length, exporter, payload_at, counts, .. } = self.places[place];
        let state = &mut self.exporters[exporter as usize];
        let frame = &mut self.bytes[at..at + length as usize];
        let mut header = Header::new(frame, payload_at.into());
        let now = self.layout.clock(self.clock, now_ms);
        match self.layout {
            Layout::Classic { has_sequence } => {
                header.put(4, now.uptime());
                header.put(8, now.export_s());
                header.put(12, now.residual_ns());
                if has_sequence {
                    header.put(16, state.sequence);
                }
            }
            Layout::V9 => {
                header.put(4, now.uptime());
                header.put(8, now.export_s());
                header.put(12, state.sequence);
            }
            Layout::Ipfix => {
                header.put(4, now.export_s());
                header.put(8, state.sequence);
            }
            Layout::Sflow => {
                let agent = if header.get(4) == 1 { 4 } else { 16 };
                header.put(8 + agent + 4, state.sequence);
                header.put(8 + agent + 8, now.uptime());
                state.samples = header.samples(8 + agent + 12, state.samples);
            }
        }
        state.sequence = state.sequence.wrapping_add(u32::from(counts));
    }
}

impl Layout {
    fn of(device: Device) -> Self {
        match (device, device.protocol()) {
            (_, Some(Protocol::V9)) => Self::V9,
            (_, Some(Protocol::Ipfix)) => Self::Ipfix,
            (Device::Sflow, None) => Self::Sflow,
            (_, None) => Self::Classic { has_sequence: device != Device::NetFlow1 },
        }
    }

    /// The time in a header. Where that has whole seconds alone, the uptime goes on by whole seconds too: records tell times as
    /// uptimes, and the boot must not move under them.
    fn clock(self, start: Clock, now_ms: i64) -> Clock {
        let start = if self == Self::V9 { start.in_seconds() } else { start };
        let now_ms = if self == Self::V9 { now_ms.div_euclid(1000) * 1000 } else { now_ms };
        let passed_ms = (now_ms - start.export_ms).max(0);
        Clock { export_ms: start.export_ms + passed_ms, uptime_ms: start.uptime_ms + passed_ms as u64 }
    }
}

/// The numbers of a message in its frame; the UDP checksum follows them, if there is one.
struct Header<'a> {
    frame: &'a mut [u8],
    payload_at: usize,
}

impl<'a> Header<'a> {
    fn new(frame: &'a mut [u8], payload_at: usize) -> Self {
        Self { frame, payload_at }
    }

    fn get(&self, at: usize) -> u32 {
        let at = self.payload_at + at;
        u32::from_be_bytes([self.frame[at], self.frame[at + 1], self.frame[at + 2], self.frame[at + 3]])
    }

    fn put(&mut self, at: usize, value: u32) {
        let old = self.get(at);
        let begin = self.payload_at + at;
        self.frame[begin..begin + 4].copy_from_slice(&value.to_be_bytes());
        let checksum_at = self.payload_at - 2;
        let checksum = u16::from_be_bytes([self.frame[checksum_at], self.frame[checksum_at + 1]]);
        if checksum != 0 {
            let new = of_udp(updated(checksum, old, value));
            self.frame[checksum_at..checksum_at + 2].copy_from_slice(&new.to_be_bytes());
        }
    }

    /// Numbers the flow samples that begin behind their count at `at`, going on from `numbered`; gives the last number.
    fn samples(&mut self, at: usize, mut numbered: u32) -> u32 {
        let count = self.get(at);
        let mut sample = at + 4;
        for _ in 0..count {
            numbered = numbered.wrapping_add(1);
            let rate = self.get(sample + 16);
            self.put(sample + 8, numbered);
            self.put(sample + 20, numbered.wrapping_mul(rate));
            sample += 8 + self.get(sample + 4) as usize;
        }
        numbered
    }
}

#[cfg(test)]
#[path = "preload_tests.rs"]
mod tests;
