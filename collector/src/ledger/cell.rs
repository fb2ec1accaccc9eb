//! What is counted, by name: a column of the table `ledger` and a metric each.

use netflow::Event;

use crate::batch::Column;

macro_rules! cells {
    ($($(#[doc = $doc:literal])* $name:ident $label:literal $kind:ident;)*) => {
        /// One number of the ledger.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Cell {
            $($(#[doc = $doc])* $name,)*
        }

        impl Cell {
            /// Every cell, each at the index that is its number; in the order of the table's columns.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name of the column, and in metrics.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            /// What it counts, for the table's comments and the metrics' help.
            #[must_use]
            pub fn comment(self) -> &'static str {
                COLUMNS[self as usize].comment
            }

            /// Whether a count may be taken back.
            #[must_use]
            pub fn is_signed(self) -> bool {
                COLUMNS[self as usize].kind == "Int64"
            }
        }

        /// The columns of the table, one for each cell.
        pub(super) const COLUMNS: [Column; Cell::ALL.len()] = [
            $(Column {
                name: $label,
                kind: stringify!($kind),
                codec: "ZSTD(1)",
                comment: concat!($($doc),*).trim_ascii_start(),
            },)*
        ];
    };
}

cells! {
    /// Datagrams that the XDP program took or refused
    SeenXdp "seen_xdp" UInt64;
    /// Payload bytes of these
    SeenXdpBytes "seen_xdp_bytes" UInt64;
    /// Datagrams that came to the UDP sockets, those that overflowed them too
    SeenUdp "seen_udp" UInt64;
    /// Payload bytes of these, as far as they were received
    SeenUdpBytes "seen_udp_bytes" UInt64;
    /// Datagrams refused because the exporter is in no allowed prefix
    NotAllowed "not_allowed" UInt64;
    /// Payload bytes of these
    NotAllowedBytes "not_allowed_bytes" UInt64;
    /// Datagrams refused because the exporter sent faster than it may
    RateLimited "rate_limited" UInt64;
    /// Payload bytes of these
    RateLimitedBytes "rate_limited_bytes" UInt64;
    /// Datagrams lost because a worker's ring was full
    RingFull "ring_full" UInt64;
    /// Datagrams lost because the kernel found no frame for them
    FillRingEmpty "fill_ring_empty" UInt64;
    /// Datagrams that were steered to a ring and never came out, for neither of these reasons
    RingOther "ring_other" UInt64;
    /// Datagrams lost because a UDP socket's buffer was full
    SocketOverflow "socket_overflow" UInt64;
    /// Datagrams longer than the receive buffer
    Truncated "truncated" UInt64;
    /// Datagrams that break their protocol; what could be read of them was decoded
    Malformed "malformed" UInt64;
    /// Datagrams that workers took from rings
    ReceivedXdp "received_xdp" UInt64;
    /// Payload bytes of these
    ReceivedXdpBytes "received_xdp_bytes" UInt64;
    /// Datagrams that workers took from UDP sockets and did not refuse
    ReceivedUdp "received_udp" UInt64;
    /// Payload bytes of these
    ReceivedUdpBytes "received_udp_bytes" UInt64;
    /// Datagrams that workers took from rings and refused for their UDP checksum
    BadChecksum "bad_checksum" UInt64;
    /// Payload bytes of these
    BadChecksumBytes "bad_checksum_bytes" UInt64;
    /// Datagrams that the journal had no room for
    JournalRefused "journal_refused" UInt64;
    /// Payload bytes of these
    JournalRefusedBytes "journal_refused_bytes" UInt64;
    /// Datagrams given up in the journal because more waited for ClickHouse than may
    JournalGivenUp "journal_given_up" UInt64;
    /// Payload bytes of these
    JournalGivenUpBytes "journal_given_up_bytes" UInt64;
    /// Places in the journal that a fault of the disk made unreadable before they were decoded: a datagram each, or more
    JournalCorrupt "journal_corrupt" UInt64;
    /// Bytes of the journal there
    JournalCorruptBytes "journal_corrupt_bytes" UInt64;
    /// Datagrams decoded without a fault
    Decoded "decoded" UInt64;
    /// Flow records in all datagrams, those decoded late too
    FlowRecords "flow_records" UInt64;
    /// Rows made of them, for all tables
    RowsDecoded "rows_decoded" UInt64;
    /// Rows that ClickHouse acknowledged
    RowsStored "rows_stored" UInt64;
    /// Rows given up because more waited for ClickHouse than may
    RowsLostBound "rows_lost_bound" UInt64;
    /// Rows given up because ClickHouse refused them
    RowsLostRejected "rows_lost_rejected" UInt64;
    /// Rows given up because their block was at fault
    RowsLostBlock "rows_lost_block" UInt64;
    /// Rows given up because the stop could not wait for ClickHouse
    RowsLostStopped "rows_lost_stopped" UInt64;
    /// Rows that went with a worker's panic
    RowsLostPanic "rows_lost_panic" UInt64;
    /// Data sets that had to wait for their template
    SetsHeld "sets_held" UInt64;
    /// Of these, decoded when it came
    SetsDecodedLate "sets_decoded_late" UInt64;
    /// Of these, given up because it did not come in time
    SetsExpired "sets_expired" UInt64;
    /// Of these, given up for newer ones
    SetsEvicted "sets_evicted" UInt64;
    /// Data sets without template for which there was no room
    SetsRefused "sets_refused" UInt64;
    /// Rows whose start or end was moved because it cannot be
    TimesClamped "times_clamped" UInt64;
    /// Rows of flows whose times were corrected by their exporter's clock skew
    TimesCorrected "times_corrected" UInt64;
    /// Rows of flows that count at their receipt, as their exporter's clock is off and not steady
    ClockOff "clock_off" UInt64;
    /// Rows of flows whose octets and packets cannot be, and which are in no sum
    Implausible "implausible" UInt64;
    /// Data records that never came, by the exporter's sequence numbers
    MissingRecords "missing_records" Int64;
    /// Datagrams that never came, by the exporter's sequence numbers
    MissingDatagrams "missing_datagrams" Int64;
    /// sFlow samples that never came, by the sequence numbers of their data sources
    MissingSamples "missing_samples" Int64;
    /// Data records that were sent while the collector was not running, by the exporter's sequence numbers
    DownRecords "down_records" Int64;
    /// Datagrams that were sent while the collector was not running, by the exporter's sequence numbers
    DownDatagrams "down_datagrams" Int64;
    /// sFlow samples that were sent while the collector was not running, by the sequence numbers of their data sources
    DownSamples "down_samples" Int64;
    /// sFlow samples that the exporter says it lost itself
    ExporterDrops "exporter_drops" UInt64;
    /// Datagrams that came after later ones
    Reordered "reordered" Int64;
    /// Datagrams that came twice
    Duplicates "duplicates" Int64;
    /// Restarts of the exporter or of its sequence
    Restarts "restarts" Int64;
}

/// How many cells there are.
pub(super) const CELLS: usize = Cell::ALL.len();

/// Counts of every cell, and malformed datagrams by kind. Changes may be negative.
#[derive(Debug, Clone)]
pub struct Cells {
    counts: [i64; CELLS],
    /// A bit for each cell that something was added to: few are, and only those are looked at when counts are summed up.
    touched: u64,
    /// Malformed datagrams by the first fault in them.
    malformed: Vec<(Event, u64)>,
}

impl Default for Cells {
    fn default() -> Self {
        const { assert!(CELLS <= 64, "a bit for each") };
        Self { counts: [0; CELLS], touched: 0, malformed: Vec::new() }
    }
}

impl Cells {
    /// Adds to a cell.
    pub fn add(&mut self, cell: Cell, count: i64) {
        self.counts[cell as usize] = self.counts[cell as usize].wrapping_add(count);
        self.touched |= u64::from(count != 0) << cell as u32;
    }

    /// Whether every count is zero.
    pub(super) fn is_nothing(&self) -> bool {
        self.malformed.is_empty() && self.touched().all(|cell| self.counts[cell] == 0)
    }

    fn touched(&self) -> impl Iterator<Item = usize> + use<> {
        let mut left = self.touched;
        std::iter::from_fn(move || {
            let cell = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            (cell < u64::BITS).then_some(cell as usize)
        })
    }

    /// Counts one malformed datagram.
    pub(super) fn malformed(&mut self, fault: Event) {
        self.add(Cell::Malformed, 1);
        self.add_fault(fault, 1);
    }

    fn add_fault(&mut self, fault: Event, count: u64) {
        match self.malformed.iter_mut().find(|(event, _)| *event == fault) {
            Some((_, counted)) => *counted += count,
            None => self.malformed.push((fault, count)),
        }
    }

    /// The count of a cell.
    #[must_use]
    pub fn get(&self, cell: Cell) -> i64 {
        self.counts[cell as usize]
    }

    /// Malformed datagrams by the first fault in them.
    #[must_use]
    pub fn faults(&self) -> &[(Event, u64)] {
        &self.malformed
    }

    /// Adds all counts of other cells.
    pub(super) fn merge(&mut self, other: &Self) {
        for cell in other.touched() {
            self.counts[cell] = self.counts[cell].wrapping_add(other.counts[cell]);
        }
        self.touched |= other.touched;
        for (fault, count) in &other.malformed {
            self.add_fault(*fault, *count);
        }
    }

    /// Datagrams seen by all ways less those decoded and given up: those that wait in the journal, once the minute is settled.
    #[must_use]
    pub fn unaccounted_datagrams(&self) -> i64 {
        let became = [
            Cell::Decoded,
            Cell::NotAllowed,
            Cell::RateLimited,
            Cell::RingFull,
            Cell::FillRingEmpty,
            Cell::RingOther,
            Cell::SocketOverflow,
            Cell::Truncated,
            Cell::BadChecksum,
            Cell::JournalRefused,
            Cell::JournalGivenUp,
            Cell::JournalCorrupt,
            Cell::Malformed,
        ];
        self.get(Cell::SeenXdp) + self.get(Cell::SeenUdp) - became.map(|cell| self.get(cell)).iter().sum::<i64>()
    }

    /// Rows decoded less those stored and lost: those that wait for ClickHouse.
    #[must_use]
    pub fn rows_waiting(&self) -> i64 {
        let became = [
            Cell::RowsStored,
            Cell::RowsLostBound,
            Cell::RowsLostRejected,
            Cell::RowsLostBlock,
            Cell::RowsLostStopped,
            Cell::RowsLostPanic,
        ];
        self.get(Cell::RowsDecoded) - became.map(|cell| self.get(cell)).iter().sum::<i64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_numbered_and_named_once() {
        for (number, cell) in Cell::ALL.iter().enumerate() {
            assert_eq!(*cell as usize, number);
            assert_eq!(Cell::ALL.iter().filter(|other| other.label() == cell.label()).count(), 1, "{cell:?}");
            assert!(!cell.comment().is_empty() && !cell.comment().starts_with(' '), "{cell:?}");
        }
    }

    #[test]
    fn changes_are_summed() {
        let mut cells = Cells::default();
        cells.add(Cell::SeenUdp, 3);
        cells.add(Cell::Decoded, 2);
        cells.malformed(Event::SetTruncated);
        assert_eq!(cells.unaccounted_datagrams(), 0);
        let mut sum = cells.clone();
        sum.merge(&cells);
        assert_eq!((sum.get(Cell::Decoded), sum.faults()), (4, &[(Event::SetTruncated, 2)][..]));
        sum.merge(&Cells::default());
        assert!(!sum.is_nothing() && sum.get(Cell::SeenUdp) == 6);
    }

    #[test]
    fn every_cell_is_summed_and_what_is_taken_back_is_nothing() {
        let mut sum = Cells::default();
        for (number, cell) in (1..).zip(Cell::ALL) {
            let mut cells = Cells::default();
            cells.add(*cell, number);
            sum.merge(&cells);
            assert_eq!(sum.get(*cell), number, "{cell:?}");
            cells.add(*cell, -number);
            assert!(cells.is_nothing(), "{cell:?}");
        }
        assert!(Cell::ALL.iter().zip(1..).all(|(cell, number)| sum.get(*cell) == number));
    }
}
