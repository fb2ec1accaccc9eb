//! Where all sequences stand, as plain values: to be saved beside the templates, and taken up by the next start, so that what was sent
//! in between is missed.

use std::collections::HashMap;

use netflow::columns::Address;

use super::directory::Directory;
use super::exporter::Sequence;
use super::identity::Identity;
use super::line::SourceKey;
use super::routes::{Shared, SubAgent, lock};
use super::sequence::{Stand, Stream};
use super::unit::Unit;

/// Where one sequence stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeptSequence {
    /// Source address of the datagrams.
    pub sender: Address,
    /// The device that they are of.
    pub agent: Address,
    /// As the decoder numbers versions.
    pub version: u8,
    /// Observation domain, source id, engine or sub-agent.
    pub domain: u32,
    /// The data source of sFlow samples: kind of sample, type, index; none for the sequence of datagrams.
    pub source: Option<SourceKey>,
    /// Samples that the exporter lost itself, a total.
    pub drops: Option<u32>,
    /// How the numbers stand.
    pub stand: Stand,
    /// When the last datagram was received, milliseconds since 1970.
    pub last_ms: i64,
    /// Units a second, at most, lately.
    pub per_second: f64,
}

impl Directory {
    /// Where all sequences stand at `now_ms`.
    #[must_use]
    pub fn sequences(&self, now_ms: i64) -> Vec<KeptSequence> {
        let mut all = Vec::new();
        for (of, entry) in self.all() {
            let exporter = entry.lock();
            let (datagrams, records) = exporter.rate.per_second(now_ms);
            for followed in &exporter.streams {
                let mut keep = |source, drops, stand: Option<Stand>, last_ms, per_second| {
                    let Identity { sender, agent } = of;
                    let (version, domain) = (followed.version, followed.domain);
                    all.extend(stand.map(|stand| KeptSequence {
                        sender,
                        agent,
                        version,
                        domain,
                        source,
                        drops,
                        stand,
                        last_ms,
                        per_second,
                    }));
                };
                match &followed.sequence {
                    Sequence::None | Sequence::Shared(None) => {}
                    Sequence::Own(stream) => {
                        let per_second =
                            if stream.unit().0 == Unit::Datagrams { datagrams } else { datagrams + records };
                        keep(None, None, stream.stand(), followed.last_ms, per_second);
                    }
                    Sequence::Shared(Some(line)) => {
                        let line = lock(line);
                        keep(None, None, line.stand(), followed.last_ms, datagrams);
                        for (source, drops, stand) in line.sources() {
                            keep(Some(source), drops, stand, followed.last_ms, datagrams + records);
                        }
                    }
                }
            }
        }
        all
    }

    /// Takes up where the sequences of the last run stood, for a collector that receives since `since_ms`.
    pub fn put_back(&self, sequences: &[KeptSequence], since_ms: i64) {
        self.set_since(since_ms);
        // Senders that had one sequence have one again.
        let mut lines: HashMap<(SubAgent, u32), Shared> = HashMap::new();
        for kept in sequences {
            let of = Identity { sender: kept.sender, agent: kept.agent };
            let entry = self.entry(&of);
            let mut exporter = entry.lock();
            let Some(followed) = exporter.stream(kept.version, kept.domain) else { continue };
            match (&mut followed.sequence, kept.source) {
                (Sequence::Own(stream), None) => *stream = Stream::resumed(kept, since_ms),
                (Sequence::Shared(line), None) => {
                    let sub_agent = SubAgent { agent: kept.agent, version: kept.version, number: kept.domain };
                    let begun = || self.routes().begin(&sub_agent);
                    let shared = lines.entry((sub_agent, kept.stand.next)).or_insert_with(begun);
                    lock(shared).resume(&kept.sender, kept, since_ms);
                    *line = Some(std::sync::Arc::clone(shared));
                }
                (Sequence::Shared(Some(line)), Some(source)) => lock(line).resume_source(source, kept, since_ms),
                (Sequence::None | Sequence::Own(_) | Sequence::Shared(None), _) => {}
            }
            followed.last_ms = kept.last_ms;
            drop(exporter);
            self.establish(&of, since_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::exporter::{Datagram, SampleHeard};
    use super::*;
    use crate::ledger::Cell;
    use netflow::skew::ClockSkew;
    use netflow::{Message, Outcome};

    const BEFORE: i64 = 600_000;

    fn outcome(version: u8, sequence: u32) -> Outcome {
        let message = Message {
            exporter: [1; 16],
            agent: [1; 16],
            version,
            domain: 7,
            sequence,
            export_ms: None,
            uptime_ms: None,
            skew: ClockSkew::Small,
        };
        Outcome { message: Some(message), records: 1, flow_records: 1, is_complete: true, ..Outcome::default() }
    }

    /// Hears a datagram and its sample; what is booked.
    fn hear(directory: &Directory, version: u8, sequence: u32, received_ms: i64) -> Vec<(u32, Cell, i64)> {
        let outcome = outcome(version, sequence);
        let sample = SampleHeard { source: (1, 0, 3), sequence: sequence.wrapping_mul(10), drops: Some(0) };
        let samples = if version > 100 { &[sample][..] } else { &[] };
        let of = Identity::of_sender([1; 16]);
        let datagram = Datagram { of, bytes: 100, received_ms, outcome: &outcome, samples };
        let mut booked = Vec::new();
        let entry = directory.entry(&of);
        entry.lock().heard(&datagram, directory.routes(), &mut |_, minute, cell, count| {
            if count != 0 {
                booked.push((minute, cell, count));
            }
        });
        booked
    }

    /// A directory that heard numbers 1 to 5, and one that took up what it knew.
    fn restarted(version: u8) -> Directory {
        let before = Directory::default();
        for number in 1..=5 {
            hear(&before, version, number, BEFORE + i64::from(number));
        }
        let kept = before.sequences(BEFORE + 10);
        let after = Directory::default();
        after.put_back(&kept, BEFORE + 60_000);
        after
    }

    #[test]
    fn what_was_sent_meanwhile_is_missed_under_a_name_of_its_own() {
        for (version, cell) in [(9, Cell::DownDatagrams), (10, Cell::DownRecords)] {
            let directory = restarted(version);
            // The next, received before the end and decoded after the start, goes on as if nothing had been.
            assert_eq!(hear(&directory, version, 6, BEFORE + 6), [], "{version}");
            let booked = hear(&directory, version, 207, BEFORE + 120_006);
            let sum: i64 = booked.iter().map(|(_, _, count)| count).sum();
            assert!(booked.iter().all(|(_, booked, _)| *booked == cell) && sum == 200, "{version}: {booked:?}");
            assert_eq!(booked.iter().map(|(minute, ..)| *minute).collect::<Vec<_>>(), [10, 11, 12], "{version}");
            // One of them came late, and is taken back where it was counted.
            let late = hear(&directory, version, 206, BEFORE + 120_010);
            assert!(late.contains(&(12, cell, -1)), "{version}: {late:?}");
            // From now on what is missing is missing.
            let missing = hear(&directory, version, 209, BEFORE + 120_020);
            assert!(matches!(missing[..], [(12, Cell::MissingDatagrams | Cell::MissingRecords, 1)]), "{missing:?}");
        }
    }

    #[test]
    fn samples_of_sflow_are_missed_too() {
        let directory = restarted(105);
        let booked = hear(&directory, 105, 8, BEFORE + 60_001);
        let of = |cell| booked.iter().filter(|(_, booked, _)| *booked == cell).map(|(_, _, count)| count).sum::<i64>();
        assert_eq!((of(Cell::DownDatagrams), of(Cell::DownSamples)), (2, 29), "{booked:?}");
        assert_eq!((of(Cell::MissingDatagrams), of(Cell::MissingSamples)), (0, 0), "{booked:?}");
    }

    #[test]
    fn an_exporter_that_began_anew_meanwhile_has_lost_nothing() {
        for sequence in [2_000_000, 900_000_000] {
            let directory = restarted(10);
            assert_eq!(hear(&directory, 10, sequence, BEFORE + 90_000), [(11, Cell::Restarts, 1)], "{sequence}");
        }
        let directory = restarted(10);
        let mut booked = Vec::new();
        for number in 0..6 {
            booked.extend(hear(&directory, 10, number, BEFORE + 90_000 + i64::from(number)));
        }
        let of = |cell| booked.iter().filter(|(_, booked, _)| *booked == cell).map(|(_, _, count)| count).sum::<i64>();
        assert_eq!((of(Cell::DownRecords), of(Cell::MissingRecords)), (0, 0), "{booked:?}");
    }

    #[test]
    fn exporters_of_the_last_run_are_no_exporters_of_this_one_before_they_send() {
        let directory = restarted(9);
        assert!(directory.report(BEFORE + 61_000).exporters.is_empty());
        hear(&directory, 9, 6, BEFORE + 61_000);
        assert_eq!(directory.report(BEFORE + 61_000).exporters.len(), 1);
    }
}
