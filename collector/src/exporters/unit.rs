//! What a sequence counts: what its protocol says, or what the exporter makes of it.

use super::sequence::Heard;

/// Pairs of datagrams after which a verdict is given.
const PAIRS: u8 = 16;
/// Rounds without a clear answer after which what was counted stands.
const ROUNDS_MAX: u8 = 4;

/// What a sequence number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Datagrams.
    Datagrams,
    /// Data records of all kinds.
    Records,
    /// Flow records, but no options data records.
    FlowRecords,
    /// It never moves.
    Nothing,
    /// Samples of one sFlow data source.
    Samples,
}

impl Unit {
    /// Units that are told apart by votes, each at the index of its votes.
    pub(super) const ALL: [Self; 4] = [Self::Datagrams, Self::Records, Self::FlowRecords, Self::Nothing];
    /// All of them, each at the number that it is saved by.
    pub(super) const SAVED: [Self; 5] =
        [Self::Datagrams, Self::Records, Self::FlowRecords, Self::Nothing, Self::Samples];
    /// How many these are.
    pub(super) const COUNT: usize = Self::ALL.len();

    /// What sequence numbers of a protocol version count, by its standard; nothing in v1, which has none.
    #[must_use]
    pub fn of_version(version: u8) -> Option<Self> {
        match version {
            5 | 7 | 10 => Some(Self::Records),
            9 | 102 | 104 | 105 => Some(Self::Datagrams),
            _ => None,
        }
    }

    /// In words.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Datagrams => "datagrams",
            Self::Records => "data records",
            Self::FlowRecords => "flow records",
            Self::Nothing => "nothing",
            Self::Samples => "samples",
        }
    }

    /// By how much a datagram moves the sequence.
    pub(super) fn of(self, heard: &Heard) -> u32 {
        match self {
            Self::Datagrams | Self::Samples => 1,
            Self::Records => heard.records,
            Self::FlowRecords => heard.flow_records,
            Self::Nothing => 0,
        }
    }

    /// Whether it counts records, which cannot be counted in every datagram.
    pub(super) fn is_of_records(self) -> bool {
        matches!(self, Self::Records | Self::FlowRecords)
    }

    /// How far the sequence may fall back and jump ahead for it to be the same counter: more than what is reordered in a
    /// network, and more than what is lost in an outage.
    pub(super) fn jumps(self) -> (i32, i32) {
        if self.is_of_records() { (1 << 17, 1 << 28) } else { (1 << 12, 1 << 24) }
    }
}

/// Votes of the last datagrams.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Votes {
    pairs: u8,
    matches: [u8; Unit::COUNT],
    rounds: u8,
}

impl Votes {
    /// Whether what was counted until now stands.
    pub(super) fn is_settled(&self) -> bool {
        self.rounds >= ROUNDS_MAX
    }

    /// Takes a sequence number and what it would be with each unit; the unit, if it is clearly another than `unit`.
    pub(super) fn vote(&mut self, sequence: u32, foretold: &[u32; Unit::COUNT], unit: Unit) -> Option<Unit> {
        for (matches, foretold) in self.matches.iter_mut().zip(foretold) {
            *matches += u8::from(sequence == *foretold);
        }
        self.pairs += 1;
        if self.pairs < PAIRS {
            return None;
        }
        let matches = std::mem::take(&mut self.matches);
        self.pairs = 0;
        let in_force = Unit::ALL.iter().position(|candidate| *candidate == unit).map_or(0, |index| matches[index]);
        if in_force >= PAIRS / 2 {
            self.rounds = ROUNDS_MAX;
            return None;
        }
        self.rounds = self.rounds.saturating_add(1);
        // The first of several that foretell the same: the one that is most usual.
        let (best, count) = Unit::ALL.into_iter().zip(matches).rev().max_by_key(|(_, count)| *count)?;
        if in_force * 4 > PAIRS || count < PAIRS / 4 * 3 {
            return None;
        }
        self.rounds = ROUNDS_MAX;
        Some(best)
    }
}
