//! When a flow lived, and how much of it falls into each bucket of time.
//!
//! A flow lives from its start up to, not including, its end, at least a millisecond and at most [`LONGEST_MS`]: the start of a
//! longer one is moved. One that ended more than [`LONGEST_MS`] before or after its receipt, or whose exporter's clock is known to be
//! wrong ([`netflow::columns::flags::CLOCK_OFF`]), is taken to have ended when it was received. Traffic is spread evenly over the life, in integers: what falls
//! before a moment is `value * elapsed / lived`, rounded down, and a bucket gets the difference between its two ends, so the
//! shares sum up to the value. [`super::sql`] says the same in SQL.

use super::sums::Sums;

/// The longest that a flow is spread over, and the farthest its end may be from its receipt, milliseconds.
pub(super) const LONGEST_MS: i64 = 86_400_000;
/// The last moment that a flow may end at: a bucket's start is a `DateTime`, 32 bits of seconds.
pub(super) const LAST_MS: i64 = (1 << 32) * 1000 - 2;

/// A flow's life and sums.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    /// Milliseconds since 1970.
    began_ms: u64,
    /// After `began_ms`.
    ended_ms: u64,
    sums: Sums,
}

impl Flow {
    /// A flow that was received, began and ended at these times, milliseconds since 1970.
    pub(super) fn new(received_ms: i64, start_ms: i64, end_ms: i64, sums: Sums) -> Self {
        let is_told = end_ms.wrapping_sub(received_ms).unsigned_abs() <= LONGEST_MS.unsigned_abs();
        Self::that_ended(if is_told { end_ms } else { received_ms }, start_ms, end_ms, sums)
    }

    /// The same of an exporter whose clock is wrong: only how long the flow lasted is believed.
    #[inline(never)]
    pub(super) fn new_by_receipt(received_ms: i64, start_ms: i64, end_ms: i64, sums: Sums) -> Self {
        Self::that_ended(received_ms, start_ms, end_ms, sums)
    }

    #[inline]
    fn that_ended(ended_ms: i64, start_ms: i64, end_ms: i64, sums: Sums) -> Self {
        let ended_ms = ended_ms.clamp(0, LAST_MS);
        let lived_ms = end_ms.wrapping_sub(start_ms).clamp(0, LONGEST_MS);
        let began_ms = (ended_ms - lived_ms).max(0);
        let (began_ms, ended_ms) = (began_ms.cast_unsigned(), ended_ms.max(began_ms + 1).cast_unsigned());
        Self { began_ms, ended_ms, sums }
    }

    /// The first and the last bucket that the flow lived in: bucket `n` begins at `n * bucket_ms`, whole minutes.
    #[inline]
    pub(super) fn buckets(&self, bucket_ms: u64) -> (u32, u32) {
        ((self.began_ms / bucket_ms) as u32, ((self.ended_ms - 1) / bucket_ms) as u32)
    }

    /// Gives each bucket that the flow lived in its share. The flow counts in the first. Shares of nothing are left out.
    pub(super) fn spread(&self, bucket_ms: u64, mut give: impl FnMut(u32, &Sums)) {
        let (first, last) = self.buckets(bucket_ms);
        let mut before = Sums::default();
        for bucket in first..=last {
            // The end of one bucket is the start of the next, and all falls before the end of the last.
            let sums = if bucket == last { self.sums } else { self.before((u64::from(bucket) + 1) * bucket_ms) };
            let share = Sums {
                bytes: sums.bytes - before.bytes,
                packets: sums.packets - before.packets,
                raw_bytes: sums.raw_bytes - before.raw_bytes,
                raw_packets: sums.raw_packets - before.raw_packets,
                flows: u64::from(bucket == first),
            };
            before = sums;
            if !share.is_nothing() {
                give(bucket, &share);
            }
        }
    }

    /// What falls before a moment of the flow's life, but for the flow itself.
    fn before(&self, moment_ms: u64) -> Sums {
        let (elapsed, lived) = (moment_ms - self.began_ms, self.ended_ms - self.began_ms);
        let Sums { bytes, packets, raw_bytes, raw_packets, .. } = self.sums;
        let (raw_bytes_before, raw_packets_before) =
            (part(raw_bytes, elapsed, lived), part(raw_packets, elapsed, lived));
        // Of a flow that was not sampled both are the same, and a division costs more than to see that.
        let same = |value, raw, before| if value == raw { before } else { part(value, elapsed, lived) };
        Sums {
            bytes: same(bytes, raw_bytes, raw_bytes_before),
            packets: same(packets, raw_packets, raw_packets_before),
            raw_bytes: raw_bytes_before,
            raw_packets: raw_packets_before,
            flows: 0,
        }
    }
}

/// `value * elapsed / lived`, rounded down; `elapsed` is at most `lived`, so it fits.
fn part(value: u64, elapsed: u64, lived: u64) -> u64 {
    // Nearly always the product fits too, and a division of 128 bits costs several times as much.
    match value.checked_mul(elapsed) {
        Some(product) => product / lived,
        None => (u128::from(value) * u128::from(elapsed) / u128::from(lived)) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;
    /// 2026-01-02T03:04:00Z.
    const NOW: i64 = 1_767_323_040_000;

    fn spread(start_ms: i64, end_ms: i64, bytes: u64) -> Vec<(i64, u64, u64)> {
        let flow = Flow::new(NOW, start_ms, end_ms, Sums::of(bytes, 1, 1));
        let mut found = Vec::new();
        let now = NOW as u64 / MINUTE;
        flow.spread(MINUTE, |bucket, sums| found.push((i64::from(bucket) - now as i64, sums.bytes, sums.flows)));
        found
    }

    #[test]
    fn a_flow_is_in_the_minutes_it_lived_in() {
        let cases = [
            ("an instant", NOW, NOW, 10, &[(0, 10, 1)][..]),
            ("up to a full minute", NOW - 60_000, NOW, 10, &[(-1, 10, 1)][..]),
            ("a millisecond more", NOW - 60_000, NOW + 1, 10, &[(-1, 9, 1), (0, 1, 0)][..]),
            ("two halves", NOW - 30_000, NOW + 30_000, 11, &[(-1, 5, 1), (0, 6, 0)][..]),
            ("nothing but a flow", NOW - 90_000, NOW - 1, 0, &[(-2, 0, 1), (-1, 0, 0)][..1]),
            ("one octet goes to where it is whole", NOW - 180_000, NOW, 1, &[(-3, 0, 1), (-1, 1, 0)][..]),
            ("a start after the end", NOW + 60_000, NOW, 7, &[(0, 7, 1)][..]),
            ("an end that cannot be", NOW - 2 * LONGEST_MS - 60_000, NOW - 2 * LONGEST_MS, 7, &[(-1, 7, 1)][..]),
        ];
        for (name, start_ms, end_ms, bytes, expected) in cases {
            let found = spread(start_ms, end_ms, bytes);
            // The one packet is not looked at: where it alone is, a bucket has no octets.
            let found: Vec<_> = found.into_iter().filter(|(_, bytes, flows)| bytes + flows > 0).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn nothing_is_spread_over_more_than_a_day() {
        let found = spread(NOW - 30 * LONGEST_MS, NOW, 1_440_000);
        assert_eq!((found.len(), found[0]), (1440, (-1440, 1000, 1)));
        assert!(found[1..].iter().all(|(_, bytes, flows)| (*bytes, *flows) == (1000, 0)));
    }

    #[test]
    fn times_that_no_bucket_can_have_are_moved_to_one() {
        for (received_ms, expected) in [(i64::MIN, 0), (-1, 0), (LAST_MS, 71_582_788), (i64::MAX, 71_582_788)] {
            let mut buckets = Vec::new();
            let flow = Flow::new(received_ms, received_ms, received_ms, Sums::of(1, 1, 1));
            flow.spread(MINUTE, |bucket, _| buckets.push(bucket));
            assert_eq!(buckets, [expected], "{received_ms}");
        }
    }
}
