//! What happens while columns are made, counted in plain numbers until the datagram is done.

use crate::report::{Event, Report};

/// Counts of one datagram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Rows for the other direction of records that tell of both.
    pub(crate) reverse_rows: u64,
    /// Records that gave a row of NAT events and none of flows.
    pub(crate) nat_events: u64,
    /// Rows of NAT events of records that gave a row of flows too.
    pub(crate) translations: u64,
    /// Rows with a time that cannot be.
    pub(crate) times_clamped: u64,
    /// Records whose counts are totals, what of them is new being unknown.
    pub(crate) totals_unknown: u64,
    /// Records without a sampling rate whose exporter announced rates for something else.
    pub(crate) rates_unplaced: u64,
    /// Rows with counts that cannot be.
    pub(crate) implausible: u64,
    /// Records with a sampling rate of zero.
    pub(crate) rates_zero: u64,
    /// Rows of interface counters.
    pub(crate) interface_counters: u64,
    /// Records of sFlow counter samples shorter than their format.
    pub(crate) counters_short: u64,
}

impl Counts {
    /// Adds what happened to a report.
    pub(crate) fn tell(&self, report: &mut Report) {
        if *self == Self::default() {
            return;
        }
        let events = [
            (Event::ReverseRow, self.reverse_rows),
            (Event::NatEvent, self.nat_events),
            (Event::Translation, self.translations),
            (Event::TimeClamped, self.times_clamped),
            (Event::TotalUnknown, self.totals_unknown),
            (Event::SamplingRateUnplaced, self.rates_unplaced),
            (Event::Implausible, self.implausible),
            (Event::RecordRateZero, self.rates_zero),
            (Event::InterfaceCounters, self.interface_counters),
            (Event::CountersTooShort, self.counters_short),
        ];
        for (event, number) in events.into_iter().filter(|(_, number)| *number > 0) {
            report.add(event, number);
        }
    }

    /// What breaks the protocol among it.
    pub(crate) fn fault(&self) -> Option<Event> {
        (self.counters_short > 0).then_some(Event::CountersTooShort)
    }
}
