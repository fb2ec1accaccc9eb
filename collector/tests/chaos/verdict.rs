//! What must hold at the end.

use std::collections::HashMap;

use crate::evidence::Evidence;
use crate::load::{EXPORTERS, RECORDS, Sent};
use crate::process::Place;

/// Datagrams that must have been stored.
const LEAST_STORED: u64 = 2000;
/// Violations that are shown.
const SHOWN: usize = 20;

/// Compares what was sent, what came into the journals and what is in ClickHouse.
pub(crate) fn check(place: &Place<'_>, sent: &Sent, evidence: &Evidence) {
    let answer = place.sql_by(
        &place.directory().join("state"),
        "SELECT IPv6NumToString(exporter_address) AS exporter, intDiv(bytes - 1, 10) AS datagram, count(),
                uniqExact(bytes), countIf(packets != 1 + (bytes - 1) % 7)
         FROM collector.flows GROUP BY exporter, datagram FORMAT TSV",
    );
    let answer = answer.expect("the store answers");
    let mut stored: HashMap<(String, u64), [u64; 3]> = HashMap::new();
    for line in answer.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [exporter, datagram, rows, distinct, wrong] = fields[..] else { panic!("{line}") };
        let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("{line}"));
        let exporter = exporter.trim_start_matches("::ffff:").to_owned();
        stored.insert((exporter, number(datagram)), [number(rows), number(distinct), number(wrong)]);
    }

    let mut violations = Vec::new();
    let mut totals = [0_u64; 3];
    for (index, ((address, habit), log)) in EXPORTERS.into_iter().zip(sent).enumerate() {
        totals[0] += log.len() as u64;
        for number in 0..log.len() as u64 {
            let found = stored.remove(&(address.to_owned(), number)).unwrap_or_default();
            let is_journaled = evidence.has(index, number);
            totals[1] += u64::from(is_journaled);
            totals[2] += u64::from(found[0] == RECORDS);
            let is_right = match found {
                [0, 0, 0] => !is_journaled || evidence.is_damaged(index, number),
                [RECORDS, RECORDS, 0] => true,
                _ => false,
            };
            if !is_right {
                violations.push(format!(
                    "{address} {habit:?} datagram {number}: rows, distinct, wrong {found:?}, journaled {is_journaled}"
                ));
            }
        }
    }
    eprintln!("chaos: {} datagrams sent, {} in the journals, {} stored whole", totals[0], totals[1], totals[2]);
    violations.extend(stored.keys().map(|(exporter, number)| format!("{exporter} datagram {number} was never sent")));
    let count = violations.len();
    violations.truncate(SHOWN);
    assert!(count == 0, "{count} violations:\n{}", violations.join("\n"));
    // A collector that is dead all the time proves nothing. How much it receives between two deaths is the machine's speed.
    assert!(totals[2] > LEAST_STORED, "too little was received to prove anything: {totals:?}");
    check_rollups(place, evidence.damaged());
}

/// Every rollup has the sums of the flows. Where a record was damaged after its flows were stored and before all of its rollups
/// were, these lack that datagram.
fn check_rollups(place: &Place<'_>, damaged: usize) {
    let sums = |table: &str, columns: &str, filter: &str| -> [u64; 3] {
        let query = format!("SELECT {columns} FROM collector.{table} {filter} FORMAT TSV");
        let answer = place.sql_by(&place.directory().join("state"), &query).expect("the store answers");
        let numbers: Vec<u64> = answer.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        numbers.try_into().unwrap_or_else(|_| panic!("{query}: {answer}"))
    };
    // Rows of counts that cannot be, as some of these made-up ones are, have no part in sums.
    let flows = sums("flows", "count(), sum(bytes), sum(packets)", "WHERE bitAnd(flags, 128) = 0");
    for (table, filter) in [
        ("interface_1m", "WHERE direction = 'in'"),
        ("interface_1m", "WHERE direction = 'out'"),
        ("as_5m", ""),
        ("country_5m", ""),
        ("service_5m", ""),
        ("network_5m", ""),
        ("hosts_1h", "WHERE direction = 'sent'"),
        ("hosts_1h", "WHERE direction = 'received'"),
    ] {
        let rolled_up = sums(table, "sum(flows), sum(raw_bytes), sum(raw_packets)", filter);
        let missing = flows[0].wrapping_sub(rolled_up[0]);
        let is_right = if missing == 0 { rolled_up == flows } else { missing <= RECORDS * damaged as u64 };
        assert!(is_right, "{table} {filter}: {rolled_up:?} of {flows:?}, {damaged} datagrams damaged");
    }
}
