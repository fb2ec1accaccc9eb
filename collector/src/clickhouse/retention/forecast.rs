//! How long until the room is used up, if the tables go on growing as they did in the last days.
//!
//! Rows leave by age too: where what comes and what goes balance before the room is used up, there is no such day.

use std::collections::BTreeMap;

use super::Settings;
use super::partition::{DAY_SECONDS, Partition};

/// Days from whose growth the future is told.
const LOOK_BACK_DAYS: i64 = 7;
/// Days that are looked ahead.
const HORIZON_DAYS: i64 = 3650;

/// Bytes by which each table grows a day, by the partitions of the last days.
fn growth(partitions: &[Partition], now: i64) -> BTreeMap<&str, f64> {
    let mut bytes_and_days: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    let since = now - LOOK_BACK_DAYS * DAY_SECONDS;
    for partition in partitions.iter().filter(|partition| partition.end > since && partition.begin < now) {
        // Of the partition that still takes rows, the part that is over.
        let days = (partition.end.min(now) - partition.begin) as f64 / DAY_SECONDS as f64;
        let (all_bytes, all_days) = bytes_and_days.entry(&partition.table).or_default();
        *all_bytes += partition.bytes as f64;
        *all_days += days;
    }
    // Less than an hour says nothing.
    let told = bytes_and_days.into_iter().filter(|(_, (_, days))| *days > 1.0 / 24.0);
    told.map(|(table, (bytes, days))| (table, bytes / days)).collect()
}

/// Whole days until all tables take more than `room` bytes; `None` where that does not happen within ten years.
pub(super) fn days_left(partitions: &[Partition], settings: &Settings, room: u64, now: i64) -> Option<u32> {
    let growth = growth(partitions, now);
    let bytes_at = |day: i64| {
        let kept = partitions.iter().filter(|partition| {
            let days = i64::from(settings.days_of(&partition.table).unwrap_or(0));
            days == 0 || partition.end > now + (day - days) * DAY_SECONDS
        });
        let kept: f64 = kept.map(|partition| partition.bytes as f64).sum();
        let grown = growth.iter().map(|(table, bytes)| {
            let days = i64::from(settings.days_of(table).unwrap_or(0));
            bytes * if days == 0 { day } else { day.min(days) } as f64
        });
        kept + grown.sum::<f64>()
    };
    (0..=HORIZON_DAYS).find(|day| bytes_at(*day) > room as f64).map(|day| u32::try_from(day).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Midnight of some day.
    const NOW: i64 = 20_000 * DAY_SECONDS;

    /// The last `count` days of flows, `bytes` each.
    fn days_of_flows(count: i64, bytes: u64) -> Vec<Partition> {
        let day = |ago: i64| Partition {
            table: "flows".to_owned(),
            id: ago.to_string(),
            begin: NOW - (ago + 1) * DAY_SECONDS,
            end: NOW - ago * DAY_SECONDS,
            rows: 1,
            bytes,
        };
        (0..count).map(day).collect()
    }

    #[test]
    fn growth_goes_on_until_age_balances_it() {
        let settings = Settings::default();
        let cases = [
            ("nothing stored says nothing", 0, 100, 1000, None),
            ("ten days stored, room for fifteen", 10, 100, 1500, Some(6)),
            ("exactly the thirty days that are kept fit", 10, 100, 3000, None),
            ("a little less does not", 10, 100, 2950, Some(20)),
            ("more is stored than there is room", 10, 100, 900, Some(0)),
        ];
        for (name, days, bytes, room, expected) in cases {
            assert_eq!(days_left(&days_of_flows(days, bytes), &settings, room, NOW), expected, "{name}");
        }
        let for_ever = Settings { flows_days: 0, ..settings };
        assert_eq!(days_left(&days_of_flows(10, 100), &for_ever, 4000, NOW), Some(31));
    }

    #[test]
    fn todays_part_counts_as_the_part_of_a_day_that_it_is() {
        let half =
            Partition { end: NOW + DAY_SECONDS / 2, begin: NOW - DAY_SECONDS / 2, ..days_of_flows(1, 50)[0].clone() };
        assert_eq!(growth(&[half], NOW), BTreeMap::from([("flows", 100.0)]));
    }
}
