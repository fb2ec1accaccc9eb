//! Changes of sampling rates in the log: one line for each, and no more lines in a minute than somebody reads.

use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicU64, Ordering};

use netflow::options::SamplingScope;
use netflow::store::DomainKey;

use super::print;

/// Lines in a minute; the counter has the rest.
const LINES_A_MINUTE: u64 = 20;

/// Writes the lines.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// The minute since 1970 in the upper 32 bits, the changes seen in it in the lower ones.
    seen: AtomicU64,
}

impl Changes {
    /// Logs that the rate of some flows is another one from `now` on, seconds since 1970.
    pub(super) fn log(&self, domain: &DomainKey, scope: SamplingScope, before: u64, rate: u64, now: u64) {
        let Some(line) = self.line(now) else { return };
        let exporter = Ipv6Addr::from(domain.exporter).to_canonical();
        let scope = print::scope_text(scope.into());
        tracing::warn!(%exporter, domain = domain.domain, scope, before, rate, "an exporter changed its sampling rate");
        if line == LINES_A_MINUTE {
            tracing::warn!("more sampling rates changed; they are counted, not logged, until the minute is over");
        }
    }

    /// The number of the line in its minute, from 1; `None` if it is one too many.
    fn line(&self, now: u64) -> Option<u64> {
        let minute = (now / 60) << 32;
        let next = |seen: u64| Some(if seen & !0xffff_ffff == minute { seen.saturating_add(1) } else { minute + 1 });
        let before = self.seen.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or(0);
        let line = next(before).unwrap_or(0) & 0xffff_ffff;
        (line <= LINES_A_MINUTE).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_by_the_minute() {
        let changes = Changes::default();
        let lines = |now, tries| (0..tries).filter(|_| changes.line(now).is_some()).count() as u64;
        assert_eq!(lines(6000, 5), 5);
        assert_eq!(lines(6059, 1000), LINES_A_MINUTE - 5);
        assert_eq!(lines(6060, 1000), LINES_A_MINUTE);
    }
}
