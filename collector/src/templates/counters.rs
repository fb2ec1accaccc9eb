//! What the template store counts. One set for all workers: templates change rarely.

use netflow::store::Learned;

use crate::metrics::{Counter, Exposition};

/// Totals since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Templates that were not known before.
    pub learned: Counter,
    /// Templates that took the place of a different one.
    pub replaced: Counter,
    /// Templates not kept for want of room.
    pub refused: Counter,
    /// Templates that their exporter withdrew.
    pub withdrawn: Counter,
    /// Templates and option values forgotten for being idle.
    pub expired: Counter,
    /// Templates forgotten to make room for new ones when the store was full.
    pub evicted: Counter,
    /// Option values that were new or different.
    pub options_changed: Counter,
    /// Sampling rates that took the place of a different one for the same flows.
    pub sampling_changed: Counter,
    /// Option values not kept for want of room.
    pub options_refused: Counter,
}

impl Counters {
    pub(super) fn count(&self, learned: Learned) {
        match learned {
            Learned::New => self.learned.add(1),
            Learned::Replaced => self.replaced.add(1),
            Learned::Refused => self.refused.add(1),
        }
    }

    /// Writes every counter.
    pub fn write(&self, out: &mut Exposition) {
        let events = [
            ("learned", &self.learned),
            ("replaced", &self.replaced),
            ("refused", &self.refused),
            ("withdrawn", &self.withdrawn),
            ("expired", &self.expired),
            ("evicted", &self.evicted),
        ];
        for (event, counter) in events {
            let help = "Changes of the template store by what happened.";
            out.counter("collector_templates_events_total", help, &[("event", event)], counter.get());
        }
        let values = [
            ("changed", &self.options_changed),
            ("sampling_rate_changed", &self.sampling_changed),
            ("refused", &self.options_refused),
        ];
        for (event, counter) in values {
            let help = "Option values of exporters by what became of them.";
            out.counter("collector_option_values_events_total", help, &[("event", event)], counter.get());
        }
    }
}
