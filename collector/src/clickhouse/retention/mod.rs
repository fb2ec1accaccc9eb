//! Retention: how long rows are kept, by age for each table and by a byte budget for all tables together.
//!
//! Whole partitions are dropped, the oldest first; a partition that still takes rows never is. What is dropped depends on
//! nothing but the tables and the settings, so several collectors may look after the same tables. Not here: the tables
//! themselves (see [`super::schema`]), and ClickHouse's own logs (see [`super::system_logs`]).

/// How long until the room is used up.
mod forecast;
/// What is in the tables, partition by partition.
mod partition;
/// What has to go.
mod plan;
/// Tables, their size, and the days that are left, for people and programs.
mod status;
/// The thread that looks after the tables.
mod task;

pub use partition::Partition;
pub use status::{Status, TableStatus};
pub use task::Retention;

/// Days that rows are kept, by table, and bytes that they may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Days of `flows`; 0 for ever, here and below.
    pub flows_days: u32,
    /// Days of the rollups.
    pub rollups_days: u32,
    /// Days of `nat_events`.
    pub nat_events_days: u32,
    /// Days of `interface_counters`.
    pub interface_counters_days: u32,
    /// Days of `ledger`.
    pub ledger_days: u32,
    /// Bytes on disk that all tables may take; 0 for no bound.
    pub budget_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            flows_days: 30,
            rollups_days: 400,
            nat_events_days: 180,
            interface_counters_days: 90,
            ledger_days: 400,
            budget_bytes: 0,
        }
    }
}

/// The rollups.
const ROLLUPS: [&str; 6] = ["interface_1m", "as_5m", "country_5m", "service_5m", "network_5m", "hosts_1h"];

impl Settings {
    /// The tables that rows leave again, with the days they stay. Tables that are not named here are never touched.
    pub fn tables(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let named = [
            ("flows", self.flows_days),
            ("nat_events", self.nat_events_days),
            ("interface_counters", self.interface_counters_days),
            ("ledger", self.ledger_days),
        ];
        let rollups_days = self.rollups_days;
        named.into_iter().chain(ROLLUPS.into_iter().map(move |table| (table, rollups_days)))
    }

    /// Days that rows of a table stay; 0 for ever, `None` for a table that is none of ours.
    #[must_use]
    pub fn days_of(&self, table: &str) -> Option<u32> {
        self.tables().find_map(|(name, days)| (name == table).then_some(days))
    }
}
