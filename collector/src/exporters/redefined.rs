//! Templates that are redefined again and again: the sign of several devices behind one address, or of one that numbers anew.
//!
//! A device redefines a template when its configuration changes, so once. Two that send from one address and domain under the same
//! template id overwrite each other's, and what comes between is read by the wrong one.

use netflow::store::TemplateKey;

/// Redefinitions of one template within [`WINDOW_MS`] that are a fault.
const FAULT: u32 = 6;
const WINDOW_MS: i64 = 600_000;
/// Templates that are followed for one exporter.
const TEMPLATES_MAX: usize = 16;

/// One template, and how often it was redefined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Redefined {
    /// Which.
    pub(super) key: TemplateKey,
    /// How often so far.
    pub(super) times: u64,
    /// When last, milliseconds since 1970.
    pub(super) last_ms: i64,
    /// When the window at hand began, and how often since.
    since_ms: i64,
    in_window: u32,
    /// When it was last so often that it is a fault, milliseconds since 1970.
    pub(super) fault_ms: Option<i64>,
}

/// Those of one exporter.
#[derive(Debug, Clone, Default)]
pub(super) struct AllRedefined(Vec<Redefined>);

impl AllRedefined {
    /// A template took the place of a different one.
    pub(super) fn take(&mut self, key: TemplateKey, now_ms: i64) {
        if let Some(found) = self.0.iter_mut().find(|one| one.key == key) {
            return found.again(now_ms);
        }
        if self.0.len() >= TEMPLATES_MAX {
            self.0.retain(|one| now_ms - one.last_ms < WINDOW_MS);
        }
        if self.0.len() < TEMPLATES_MAX {
            self.0.push(Redefined { key, times: 1, last_ms: now_ms, since_ms: now_ms, in_window: 1, fault_ms: None });
        }
    }

    /// The one that is a fault, not longer ago than `age_ms`, and was redefined most often.
    pub(super) fn worst(&self, now_ms: i64, age_ms: i64) -> Option<&Redefined> {
        let is_recent = |one: &&Redefined| one.fault_ms.is_some_and(|fault_ms| now_ms - fault_ms < age_ms);
        self.0.iter().filter(is_recent).max_by_key(|one| one.times)
    }
}

impl Redefined {
    fn again(&mut self, now_ms: i64) {
        if now_ms - self.since_ms > WINDOW_MS {
            (self.since_ms, self.in_window) = (now_ms, 0);
        }
        self.times += 1;
        self.in_window = self.in_window.saturating_add(1);
        self.last_ms = now_ms;
        if self.in_window >= FAULT {
            self.fault_ms = Some(now_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use netflow::store::DomainKey;

    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn key(id: u16) -> TemplateKey {
        TemplateKey { domain: DomainKey { exporter: [1; 16], version: 9, domain: 3 }, id }
    }

    #[test]
    fn what_is_redefined_again_and_again_is_a_fault() {
        let mut all = AllRedefined::default();
        for second in 0..5 {
            all.take(key(256), NOW + second * 1000);
        }
        assert_eq!(all.worst(NOW + 5000, WINDOW_MS), None, "a device that is configured");
        all.take(key(257), NOW + 5000);
        all.take(key(256), NOW + 5000);
        let worst = all.worst(NOW + 5000, WINDOW_MS).expect("a fault");
        assert_eq!((worst.key, worst.times), (key(256), 6));
        assert_eq!(all.worst(NOW + 5000 + WINDOW_MS, WINDOW_MS), None, "over");
    }

    #[test]
    fn what_is_redefined_now_and_then_is_none_and_the_number_followed_is_bounded() {
        let mut all = AllRedefined::default();
        for hour in 0..100 {
            all.take(key(256), NOW + hour * 3_600_000);
        }
        assert_eq!(all.worst(NOW + 100 * 3_600_000, i64::MAX), None);
        for id in 300..1300 {
            all.take(key(id), NOW + 100 * 3_600_000);
        }
        assert_eq!(all.0.len(), TEMPLATES_MAX);
    }
}
