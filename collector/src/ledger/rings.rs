//! What was lost between the XDP program and the workers, and why.
//!
//! The program counts what it redirects for each exporter and minute and stamps each frame with its time, the worker counts
//! what came out by that stamp: the difference is lost, exactly. Why, the kernel says for each socket alone
//! (`XDP_STATISTICS`, `net/xdp/xsk.c`): `rx_ring_full` where the worker was late, `rx_dropped` where there was no frame or
//! the frame was too long. So the losses of a minute are shared out in the proportion of what the sockets have counted since
//! the last minute was settled; what neither count covers is `ring_other`.

/// Frames that the kernel dropped at AF_XDP sockets since they were opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RingDrops {
    /// Because the RX ring was full.
    pub ring_full: u64,
    /// Because the fill ring was empty.
    pub fill_ring_empty: u64,
}

/// The reasons of some lost datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) ring_full: u64,
    pub(super) fill_ring_empty: u64,
    pub(super) other: u64,
}

impl RingDrops {
    /// Takes the reasons for `lost` datagrams out of these drops.
    pub(super) fn take(&mut self, lost: u64) -> Split {
        let counted = self.ring_full + self.fill_ring_empty;
        let explained = lost.min(counted);
        let ring_full = share(self.ring_full, explained, counted);
        let split = Split { ring_full, fill_ring_empty: explained - ring_full, other: lost - explained };
        self.ring_full -= split.ring_full;
        self.fill_ring_empty -= split.fill_ring_empty;
        split
    }
}

impl Split {
    /// Takes one exporter's part of the losses out of this.
    pub(super) fn take(&mut self, lost: u64) -> Self {
        let ring_full = share(self.ring_full, lost, self.ring_full + self.fill_ring_empty + self.other);
        let rest = lost - ring_full;
        // Rounding must not leave more for the last reason than is left of it.
        let least = rest.saturating_sub(self.other);
        let fill_ring_empty = share(self.fill_ring_empty, rest, self.fill_ring_empty + self.other).max(least).min(rest);
        let part = Self { ring_full, fill_ring_empty, other: rest - fill_ring_empty };
        self.ring_full -= part.ring_full;
        self.fill_ring_empty -= part.fill_ring_empty;
        self.other -= part.other;
        part
    }
}

/// `part / whole` of `count`, rounded up, so that `count - share` never exceeds `whole - part`.
fn share(part: u64, count: u64, whole: u64) -> u64 {
    let share = (u128::from(part) * u128::from(count)).div_ceil(u128::from(whole.max(1)));
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_shared_out_without_remainder() {
        for (ring_full, fill_ring_empty, losses) in [
            (10, 0, &[4, 6][..]),
            (0, 10, &[4, 6]),
            (5, 5, &[3, 3, 3, 1]),
            (1, 1, &[1, 1, 1, 7]),
            (100, 3, &[1, 1, 1, 0, 50]),
            (0, 0, &[5]),
            (7, 11, &[1; 25]),
        ] {
            let lost: u64 = losses.iter().sum();
            let mut drops = RingDrops { ring_full, fill_ring_empty };
            let mut left = drops.take(lost);
            assert_eq!(left.ring_full + left.fill_ring_empty + left.other, lost);
            assert_eq!(left.other, lost.saturating_sub(ring_full + fill_ring_empty));
            for one in losses {
                let part = left.take(*one);
                assert_eq!(part.ring_full + part.fill_ring_empty + part.other, *one, "{ring_full} {fill_ring_empty}");
            }
            assert_eq!(left, Split::default(), "{ring_full} {fill_ring_empty} {losses:?}");
            assert!(drops.ring_full + drops.fill_ring_empty <= ring_full + fill_ring_empty);
        }
    }
}
