//! What has to go: partitions past their age, then the oldest of all until the rest fits into the budget.

use super::Settings;
use super::partition::{DAY_SECONDS, Partition};

/// Why a partition goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// Every row in it is older than its table keeps them.
    Age,
    /// All tables together take more than they may.
    Budget,
}

impl Reason {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Budget => "budget",
        }
    }
}

/// The partitions that have to go at `now` (seconds since 1970), in the order in which they go.
pub(super) fn plan<'p>(partitions: &'p [Partition], settings: &Settings, now: i64) -> Vec<(&'p Partition, Reason)> {
    let is_past = |partition: &Partition| {
        let days = settings.days_of(&partition.table).unwrap_or(0);
        days > 0 && partition.end <= now - i64::from(days) * DAY_SECONDS
    };
    let (past, mut kept): (Vec<_>, Vec<_>) = partitions.iter().partition(|partition| is_past(partition));
    let mut going: Vec<_> = past.into_iter().map(|partition| (partition, Reason::Age)).collect();
    if settings.budget_bytes == 0 {
        return going;
    }
    let mut bytes: u64 = kept.iter().map(|partition| partition.bytes).sum();
    // By their newest rows: a month is as young as its last day.
    kept.sort_by_key(|partition| (partition.end, partition.begin, partition.table.as_str()));
    for partition in kept.into_iter().filter(|partition| partition.end <= now) {
        if bytes <= settings.budget_bytes {
            break;
        }
        bytes -= partition.bytes;
        going.push((partition, Reason::Budget));
    }
    going
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1000 * DAY_SECONDS + 3600;

    /// A partition of `days` days that ends `ago` days before today begins; a negative `ago` is one that is not over.
    fn partition(table: &str, days: i64, ago: i64, bytes: u64) -> Partition {
        let end = (1000 - ago) * DAY_SECONDS;
        let begin = end - days * DAY_SECONDS;
        Partition { table: table.to_owned(), id: format!("{table}-{ago}"), begin, end, rows: 1, bytes }
    }

    fn check(budget_bytes: u64, partitions: &[Partition], expected: &[(&str, Reason)]) {
        let settings = Settings { budget_bytes, ..Settings::default() };
        let going: Vec<_> =
            plan(partitions, &settings, NOW).iter().map(|(found, reason)| (found.id.as_str(), *reason)).collect();
        assert_eq!(going, expected, "budget {budget_bytes}");
    }

    #[test]
    fn age_is_each_tables_own() {
        let partitions = [
            partition("flows", 1, 31, 1),
            partition("flows", 1, 30, 1),
            partition("flows", 1, 29, 1),
            partition("nat_events", 1, 179, 1),
            partition("as_5m", 30, 399, 1),
            partition("ledger", 30, 400, 1),
        ];
        check(0, &partitions, &[("flows-31", Reason::Age), ("flows-30", Reason::Age), ("ledger-400", Reason::Age)]);
    }

    #[test]
    fn the_budget_takes_the_oldest_of_all_tables_and_never_what_still_takes_rows() {
        let partitions = [
            partition("flows", 1, -1, 100),
            partition("flows", 1, 0, 100),
            partition("flows", 1, 3, 100),
            partition("interface_counters", 1, 5, 10),
            partition("as_5m", 30, -20, 50),
            partition("as_5m", 30, 10, 50),
        ];
        check(410, &partitions, &[]);
        check(409, &partitions, &[("as_5m-10", Reason::Budget)]);
        check(351, &partitions, &[("as_5m-10", Reason::Budget), ("interface_counters-5", Reason::Budget)]);
        let all_that_are_over = [
            ("as_5m-10", Reason::Budget),
            ("interface_counters-5", Reason::Budget),
            ("flows-3", Reason::Budget),
            ("flows-0", Reason::Budget),
        ];
        check(1, &partitions, &all_that_are_over);
    }

    #[test]
    fn what_goes_by_age_counts_no_more_for_the_budget() {
        let partitions = [partition("flows", 1, 40, 100), partition("flows", 1, 2, 100), partition("flows", 1, -1, 1)];
        check(101, &partitions, &[("flows-40", Reason::Age)]);
    }

    #[test]
    fn for_ever_is_for_ever() {
        let settings = Settings { flows_days: 0, ..Settings::default() };
        assert_eq!(plan(&[partition("flows", 1, 900, 1)], &settings, NOW), []);
    }
}
