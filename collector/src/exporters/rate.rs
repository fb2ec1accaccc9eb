//! How often something happens, lately: counts in slots of time that are written over.

/// Seconds of a slot of [`Rate`].
const SLOT_SECONDS: i64 = 10;
/// Slots: the last minute, and the one that is being filled.
const SLOTS: usize = 7;
/// Minutes that a [`Loss`] looks back.
const LOSS_MINUTES: usize = 15;

/// Datagrams and flow records over the last minute.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rate {
    slots: [(i64, u64, u64); SLOTS],
    first: Option<i64>,
}

impl Rate {
    pub(super) fn add(&mut self, now_ms: i64, datagrams: u64, flow_records: u64) {
        let slot = now_ms.div_euclid(1000 * SLOT_SECONDS);
        self.first.get_or_insert(slot);
        let place = &mut self.slots[slot.rem_euclid(SLOTS as i64) as usize];
        if place.0 != slot {
            *place = (slot, 0, 0);
        }
        place.1 += datagrams;
        place.2 += flow_records;
    }

    /// Datagrams and flow records a second, over the whole slots of the last minute; over what there is of a younger exporter.
    pub(super) fn per_second(&self, now_ms: i64) -> (f64, f64) {
        let now = now_ms.div_euclid(1000 * SLOT_SECONDS);
        let Some(first) = self.first else { return (0.0, 0.0) };
        let whole = SLOTS as i64 - 1;
        let is_young = now - first < whole;
        let oldest = if is_young { first } else { now - whole };
        let newest = if is_young { now } else { now - 1 };
        let seconds = match is_young {
            true => ((now_ms - oldest * SLOT_SECONDS * 1000) as f64 / 1000.0).max(1.0),
            false => (whole * SLOT_SECONDS) as f64,
        };
        let slots = self.slots.iter().filter(|(slot, ..)| (oldest..=newest).contains(slot));
        let (datagrams, records) =
            slots.fold((0, 0), |sum, (_, datagrams, records)| (sum.0 + datagrams, sum.1 + records));
        (datagrams as f64 / seconds, records as f64 / seconds)
    }
}

/// What came and what did not, by sequence numbers, over the last minutes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Loss {
    minutes: [(u32, i64, i64); LOSS_MINUTES],
}

impl Loss {
    /// Counts units that came, and units that are missing (or no longer missing) since `minute`.
    pub(super) fn add(&mut self, minute: u32, received: i64, missing: i64) {
        let place = &mut self.minutes[minute as usize % LOSS_MINUTES];
        if place.0 < minute {
            *place = (minute, 0, 0);
        }
        // What was missing longer ago than this looks back is forgotten already.
        if place.0 == minute {
            place.1 += received;
            place.2 += missing;
        }
    }

    /// Adds what another counted.
    pub(super) fn merge(&mut self, other: &Self) {
        for (minute, received, missing) in other.minutes {
            self.add(minute, received, missing);
        }
    }

    /// Units missing of a thousand sent; nothing where nothing was sent lately.
    pub(super) fn per_mille(&self, now: u32) -> Option<f64> {
        let recent = self.minutes.iter().filter(|(minute, ..)| now.saturating_sub(*minute) < LOSS_MINUTES as u32);
        let (received, missing) =
            recent.fold((0, 0), |sum, (_, received, missing)| (sum.0 + received, sum.1 + missing));
        let missing = missing.max(0);
        (received + missing > 0).then(|| missing as f64 * 1000.0 / (received + missing) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_last_minute() {
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(5_000), (0.0, 0.0));
        for second in 0..30 {
            rate.add(second * 1000, 2, 20);
        }
        assert_eq!(rate.per_second(30_000), (2.0, 20.0));
        for second in 30..600 {
            rate.add(second * 1000, 4, 0);
        }
        assert_eq!(rate.per_second(600_000), (4.0, 0.0));
        assert_eq!(rate.per_second(900_000), (0.0, 0.0));
    }

    #[test]
    fn loss_can_be_taken_back_while_it_is_looked_at() {
        let mut loss = Loss::default();
        assert_eq!(loss.per_mille(1), None);
        loss.add(10, 90, 10);
        assert_eq!(loss.per_mille(10), Some(100.0));
        loss.add(10, 5, -5);
        assert_eq!(loss.per_mille(12), Some(50.0));
        assert_eq!(loss.per_mille(10 + LOSS_MINUTES as u32), None);
        loss.add(10 + LOSS_MINUTES as u32, 100, 0);
        loss.add(10, 0, -5);
        assert_eq!(loss.per_mille(10 + LOSS_MINUTES as u32), Some(0.0));
    }
}
