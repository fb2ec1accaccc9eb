//! What the table `ledger` says.

use std::collections::BTreeMap;

use crate::process::Collector;

/// Cells that datagrams end in.
const DATAGRAMS: [&str; 13] = [
    "decoded",
    "not_allowed",
    "rate_limited",
    "ring_full",
    "fill_ring_empty",
    "ring_other",
    "socket_overflow",
    "truncated",
    "bad_checksum",
    "journal_refused",
    "journal_given_up",
    "journal_corrupt",
    "malformed",
];
/// Cells that rows end in.
const ROWS: [&str; 6] =
    ["rows_stored", "rows_lost_bound", "rows_lost_rejected", "rows_lost_block", "rows_lost_stopped", "rows_lost_panic"];
/// Cells that held sets end in.
const SETS: [&str; 3] = ["sets_decoded_late", "sets_expired", "sets_evicted"];

/// Rows of the table: exporter, minute, domain, fault, and the counts by name.
pub(crate) struct Table(Vec<Row>);

struct Row {
    exporter: String,
    minute: String,
    domain: u32,
    fault: String,
    counts: BTreeMap<String, i64>,
}

impl Table {
    /// All rows.
    pub(crate) fn read(collector: &Collector<'_>) -> Self {
        let text = collector.sql(
            "SELECT * FROM collector.ledger FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers = 0",
        );
        let rows = text.lines().map(|line| {
            let row: BTreeMap<String, serde_json::Value> =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let string = |name: &str| row[name].as_str().expect("a string").to_owned();
            let domain = row["observation_domain"].as_u64().expect("a number");
            let count = |value: &serde_json::Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
            Row {
                exporter: string("exporter_address"),
                minute: string("minute"),
                domain: u32::try_from(domain).expect("32 bits"),
                fault: string("fault"),
                counts: row.iter().filter_map(|(name, value)| Some((name.clone(), count(value)?))).collect(),
            }
        });
        Self(rows.collect())
    }

    fn sum<'a>(rows: impl Iterator<Item = &'a Row>, cells: &[&str]) -> i64 {
        rows.map(|row| cells.iter().map(|cell| row.counts[*cell]).sum::<i64>()).sum()
    }

    /// The sum of a cell over all rows of an exporter.
    pub(crate) fn cell(&self, exporter: &str, cell: &str) -> i64 {
        let mapped = if exporter.contains(':') { exporter.to_owned() } else { format!("::ffff:{exporter}") };
        Self::sum(self.0.iter().filter(|row| row.exporter == mapped), &[cell])
    }

    /// Compares cells of an exporter.
    pub(crate) fn check(&self, name: &str, exporter: &str, expected: &[(&str, i64)]) {
        for (cell, count) in expected {
            assert_eq!(self.cell(exporter, cell), *count, "{name}: {cell} of {exporter}");
        }
    }

    /// The domains of an exporter.
    pub(crate) fn domains(&self, exporter: &str) -> Vec<u32> {
        let mut domains: Vec<u32> = self.of(exporter).map(|row| row.domain).collect();
        domains.sort_unstable();
        domains.dedup();
        domains
    }

    /// What malformed datagrams of an exporter broke, with their numbers.
    pub(crate) fn faults(&self, exporter: &str) -> Vec<String> {
        let mut faults = BTreeMap::<&str, i64>::new();
        for row in self.of(exporter).filter(|row| !row.fault.is_empty()) {
            *faults.entry(&row.fault).or_default() += row.counts["malformed"];
        }
        faults.iter().map(|(fault, count)| format!("{fault} {count}")).collect()
    }

    fn of(&self, exporter: &str) -> impl Iterator<Item = &Row> {
        let mapped = format!("::ffff:{exporter}");
        self.0.iter().filter(move |row| row.exporter == mapped)
    }

    /// Both equations, and that of the held sets, for each exporter and minute.
    pub(crate) fn check_equations(&self) {
        let keys: std::collections::BTreeSet<(&str, &str)> =
            self.0.iter().map(|row| (row.exporter.as_str(), row.minute.as_str())).collect();
        assert!(!keys.is_empty(), "the ledger is empty");
        for (exporter, minute) in keys {
            let rows = || self.0.iter().filter(|row| row.exporter == exporter && row.minute == minute);
            for (sources, ends) in
                [(&["seen_xdp", "seen_udp"][..], &DATAGRAMS[..]), (&["rows_decoded"], &ROWS), (&["sets_held"], &SETS)]
            {
                let (came, went) = (Self::sum(rows(), sources), Self::sum(rows(), ends));
                assert_eq!(came, went, "{exporter} {minute}: {sources:?} against {ends:?}");
            }
        }
    }
}
