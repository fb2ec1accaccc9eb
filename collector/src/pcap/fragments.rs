//! IP fragments on their way to a whole datagram, in bounded memory.
//!
//! RFC 791 section 3.2, RFC 8200 section 4.5; overlapping fragments condemn their datagram (RFC 5722 section 4), except for
//! exact repetitions, which networks make.

use std::collections::HashMap;
use std::net::Ipv6Addr;

use super::datagrams::Skipped;
use super::network::{Fragment, Ip};

/// Datagrams that may be incomplete at a time; at most 64 KiB each.
const MAX_PENDING: usize = 256;
/// The largest IP payload, RFC 791 section 3.1 and RFC 8200 section 3.
const MAX_BYTES: usize = 65_535;
/// Pieces of one datagram; 64 KiB over the smallest MTU of IPv6 make 53.
const MAX_PIECES: usize = 256;
/// How long a datagram waits for its rest: RFC 8200 section 4.5 says 60 seconds. Then its id may come again.
const LIFE_NS: i64 = 60 * 1_000_000_000;

/// Which datagram a fragment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    source: Ipv6Addr,
    destination: Ipv6Addr,
    protocol: u8,
    id: u32,
}

/// Incomplete datagrams.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    pending: HashMap<Key, Pending>,
}

#[derive(Debug)]
struct Pending {
    since_ns: i64,
    /// Order of arrival, to know the oldest.
    turn: u64,
    bytes: Vec<u8>,
    /// Filled parts of `bytes`, in order of arrival.
    pieces: Vec<(usize, usize)>,
    /// Length of the whole, once the last fragment is there.
    total: Option<usize>,
    /// An overlap was found: nothing of this datagram is to be believed.
    condemned: bool,
}

/// What became of a fragment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// It completed a datagram: the payload.
    Whole(Vec<u8>),
    /// It waits for others; the number of datagrams that were given up to make room.
    Waiting(u64),
    /// It cannot be joined.
    Refused(Skipped),
}

impl Fragments {
    /// Takes one fragment, captured at `time_ns` as packet `turn` of the file.
    pub(super) fn add(&mut self, ip: &Ip<'_>, fragment: Fragment, time_ns: i64, turn: u64) -> Joined {
        let end = fragment.offset + ip.payload.len();
        // All fragments but the last are multiples of 8 bytes long.
        if end > MAX_BYTES || ip.payload.is_empty() || (fragment.more && !ip.payload.len().is_multiple_of(8)) {
            return Joined::Refused(Skipped::Malformed);
        }
        let key = Key { source: ip.source, destination: ip.destination, protocol: ip.protocol, id: fragment.id };
        let given_up = self.make_room(&key, time_ns);
        let pending = self.pending.entry(key).or_insert_with(|| Pending::new(time_ns, turn));
        match pending.take(fragment, ip.payload) {
            Taken::Refused(reason) => Joined::Refused(reason),
            Taken::Incomplete => Joined::Waiting(given_up),
            Taken::Complete => {
                Joined::Whole(self.pending.remove(&key).map(|pending| pending.bytes).unwrap_or_default())
            }
        }
    }

    /// Datagrams that never became whole.
    pub(super) fn incomplete(&self) -> u64 {
        self.pending.values().filter(|pending| !pending.condemned).count() as u64
    }

    /// Gives up what is too old, and the oldest if a new datagram finds no room; the number given up.
    fn make_room(&mut self, key: &Key, time_ns: i64) -> u64 {
        let before = self.incomplete();
        let old = |pending: &Pending| time_ns.saturating_sub(pending.since_ns) > LIFE_NS;
        if self.pending.get(key).is_some_and(old) {
            self.pending.remove(key);
        }
        if !self.pending.contains_key(key) && self.pending.len() >= MAX_PENDING {
            self.pending.retain(|_, pending| !old(pending));
            let oldest = self.pending.iter().min_by_key(|(_, pending)| pending.turn).map(|(key, _)| *key);
            if let Some(oldest) = oldest.filter(|_| self.pending.len() >= MAX_PENDING) {
                self.pending.remove(&oldest);
            }
        }
        before - self.incomplete()
    }
}

/// What a datagram made of one of its fragments.
enum Taken {
    Complete,
    Incomplete,
    Refused(Skipped),
}

impl Pending {
    fn new(since_ns: i64, turn: u64) -> Self {
        Self { since_ns, turn, bytes: Vec::new(), pieces: Vec::new(), total: None, condemned: false }
    }

    fn take(&mut self, fragment: Fragment, payload: &[u8]) -> Taken {
        let (start, end) = (fragment.offset, fragment.offset + payload.len());
        if self.condemned {
            return Taken::Refused(Skipped::FragmentOverlap);
        }
        if self.pieces.contains(&(start, end)) && self.bytes.get(start..end) == Some(payload) {
            return Taken::Incomplete;
        }
        let overlaps = self.pieces.iter().any(|(from, to)| start < *to && *from < end);
        let beyond =
            self.total.is_some_and(|total| end > total || !fragment.more) || (!fragment.more && self.bytes.len() > end);
        if overlaps || beyond || self.pieces.len() >= MAX_PIECES {
            self.condemned = true;
            self.bytes = Vec::new();
            return Taken::Refused(Skipped::FragmentOverlap);
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[start..end].copy_from_slice(payload);
        self.pieces.push((start, end));
        if !fragment.more {
            self.total = Some(end);
        }
        let filled: usize = self.pieces.iter().map(|(from, to)| to - from).sum();
        if self.total == Some(filled) { Taken::Complete } else { Taken::Incomplete }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: i64 = 1_000_000_000;

    fn add(fragments: &mut Fragments, id: u32, offset: usize, more: bool, payload: &[u8], time_ns: i64) -> Joined {
        let address = Ipv6Addr::LOCALHOST;
        let fragment = Fragment { id, offset, more };
        let ip = Ip { source: address, destination: address, protocol: 17, fragment: Some(fragment), payload };
        fragments.add(&ip, fragment, time_ns, u64::from(id))
    }

    /// Adds pieces of datagram 1 and compares what became of the last one.
    #[track_caller]
    fn check(pieces: &[(usize, bool, &[u8])], expected: Joined) {
        let mut fragments = Fragments::default();
        let results: Vec<Joined> =
            pieces.iter().map(|(offset, more, payload)| add(&mut fragments, 1, *offset, *more, payload, 0)).collect();
        assert_eq!(results.last(), Some(&expected), "{pieces:?}");
    }

    #[test]
    fn pieces_in_any_order_make_the_whole() {
        let whole = || Joined::Whole(b"aaaaaaaabbbbbbbbccc".to_vec());
        let (a, b, c): (&[u8], &[u8], &[u8]) = (b"aaaaaaaa", b"bbbbbbbb", b"ccc");
        check(&[(0, true, a), (8, true, b), (16, false, c)], whole());
        check(&[(16, false, c), (8, true, b), (0, true, a)], whole());
        check(&[(8, true, b), (16, false, c), (8, true, b), (0, true, a)], whole());
        check(&[(0, true, a), (16, false, c)], Joined::Waiting(0));
    }

    #[test]
    fn pieces_that_cannot_be_are_refused() {
        let overlap = || Joined::Refused(Skipped::FragmentOverlap);
        check(&[(0, true, &[1; 16]), (8, true, &[2; 16])], overlap());
        check(&[(0, true, &[1; 16]), (0, true, &[2; 16])], overlap());
        check(&[(0, true, &[1; 16]), (8, false, &[2; 16]), (16, false, &[1; 8])], overlap());
        check(&[(8, false, &[1; 8]), (16, true, &[1; 8])], overlap());
        check(&[(16, true, &[1; 8]), (8, false, &[1; 8])], overlap());
        check(&[(0, true, &[1; 7])], Joined::Refused(Skipped::Malformed));
        check(&[(65_528, false, &[1; 8])], Joined::Refused(Skipped::Malformed));
        check(&[(8, false, &[])], Joined::Refused(Skipped::Malformed));
    }

    #[test]
    fn memory_is_bounded_and_what_is_given_up_is_counted() {
        let mut fragments = Fragments::default();
        let results: Vec<Joined> = (0..300).map(|id| add(&mut fragments, id, 0, true, &[0; 8], 0)).collect();
        assert_eq!(results.iter().filter(|joined| **joined == Joined::Waiting(1)).count(), 300 - MAX_PENDING);
        assert_eq!(fragments.incomplete(), MAX_PENDING as u64);
        assert_eq!(add(&mut fragments, 0, 8, false, &[0; 8], 0), Joined::Waiting(1), "the oldest was given up");
    }

    #[test]
    fn an_id_that_comes_again_later_is_another_datagram() {
        let mut fragments = Fragments::default();
        assert_eq!(add(&mut fragments, 1, 0, true, &[1; 8], 0), Joined::Waiting(0));
        assert_eq!(add(&mut fragments, 1, 0, true, &[2; 8], 61 * SECOND_NS), Joined::Waiting(1));
        assert_eq!(add(&mut fragments, 1, 8, false, &[2; 8], 62 * SECOND_NS), Joined::Whole(vec![2; 16]));
        assert_eq!(fragments.incomplete(), 0);
    }
}
