//! The rollups in SQL: the queries that make a rollup's rows from flows.

use netflow::columns::flags::{CLOCK_OFF, IMPLAUSIBLE};

use super::life::{LAST_MS, LONGEST_MS};
use crate::batch::{Table, rollups};

/// The port that names a flow's service.
const SERVICE_PORT: &str = "if(protocol NOT IN (6, 17, 33, 132, 136), 0, \
    if(least(src_port, dst_port) = 0, greatest(src_port, dst_port), least(src_port, dst_port)))";

/// How one rollup is made from flows.
struct Twin {
    bucket_ms: i64,
    /// The columns between `exporter_address` and the sums, made of those of flows.
    subjects: &'static [(&'static str, &'static str)],
    /// What makes several rows of one flow.
    join: &'static str,
}

/// The query that makes a rollup's rows, its columns in table order, from the flows in `source`, a table or a subquery, that meet
/// `condition`. The rows are in no order. The one for `hosts_1h` names every host, not the busiest of each block.
///
/// Nothing where the table is no rollup.
#[must_use]
pub fn sql(table: &Table, source: &str, condition: &str) -> Option<String> {
    let rollup = rollups::TABLES.iter().position(|rollup| rollup.name == table.name)?;
    let Twin { bucket_ms, subjects, join } = twin(rollup);
    let made: String = subjects.iter().map(|(name, made)| format!("{made} AS subject_{name}, ")).collect();
    let taken: String = subjects.iter().map(|(name, _)| format!("subject_{name} AS {name}, ")).collect();
    let grouped: String = subjects.iter().map(|(name, _)| format!(", subject_{name}")).collect();
    let sums = ["bytes", "packets", "raw_bytes", "raw_packets"].map(|sum| {
        // What falls before the end of the bucket, less what falls before its start.
        let before = |moment| format!("intDiv(value_{sum} * {moment}, lived)");
        let all = format!("sum({} - {})", before("elapsed_at_end"), before("elapsed_at_start"));
        format!("toUInt64(least({all}, {})) AS {sum}", u64::MAX)
    });
    let elapsed = |moment| format!("toUInt128(greatest(least({moment}, ended), began) - began)");
    let at_start = elapsed(format!("toInt64(bucket) * {bucket_ms}"));
    let at_end = elapsed(format!("toInt64(bucket) * {bucket_ms} + {bucket_ms}"));
    Some(format!(
        "SELECT toDateTime(bucket * {}, 'UTC') AS time, exporter_address, {taken}{}, \
         sum(toUInt64(bucket = first_bucket)) AS flows\n\
         FROM (SELECT exporter_address, {made}\
         toUnixTimestamp64Milli(time_received) AS received, toUnixTimestamp64Milli(time_end) AS told, \
         least(greatest(if(bitAnd(flags, {CLOCK_OFF}) = 0 AND abs(told - received) <= {LONGEST_MS}, told, received), 0), {LAST_MS}) AS last, \
         greatest(last - least(greatest(told - toUnixTimestamp64Milli(time_start), 0), {LONGEST_MS}), 0) AS began, \
         greatest(last, began + 1) AS ended, toUInt128(ended - began) AS lived, \
         toUInt32(intDiv(began, {bucket_ms})) AS first_bucket, \
         arrayJoin(range(first_bucket, toUInt32(intDiv(ended - 1, {bucket_ms})) + 1)) AS bucket, \
         {at_start} AS elapsed_at_start, {at_end} AS elapsed_at_end, \
         bytes AS value_raw_bytes, packets AS value_raw_packets, \
         least(toUInt128(bytes) * greatest(sampling_rate, 1), {}) AS value_bytes, \
         least(toUInt128(packets) * greatest(sampling_rate, 1), {}) AS value_packets\n\
         FROM {source} {join}WHERE bitAnd(flags, {IMPLAUSIBLE}) = 0 AND ({condition}))\n\
         GROUP BY bucket, exporter_address{grouped}\n\
         HAVING bytes != 0 OR packets != 0 OR raw_bytes != 0 OR raw_packets != 0 OR flows != 0",
        bucket_ms / 1000,
        sums.join(", "),
        u64::MAX,
        u64::MAX,
    ))
}

fn twin(rollup: usize) -> Twin {
    const MINUTE_MS: i64 = 60_000;
    let made_of_one = |bucket_ms, subjects| Twin { bucket_ms, subjects, join: "" };
    match rollup {
        0 => Twin {
            bucket_ms: MINUTE_MS,
            subjects: &[("if_index", "end_if"), ("if_name", "end_name"), ("direction", "end_direction")],
            join: "ARRAY JOIN [in_if, out_if] AS end_if, [in_if_name, out_if_name] AS end_name, \
                   CAST(['in', 'out'], 'Array(Enum8(\\'in\\' = 0, \\'out\\' = 1))') AS end_direction ",
        },
        1 => made_of_one(
            5 * MINUTE_MS,
            &[("src_as", "if(src_as = 0, src_geo_as, src_as)"), ("dst_as", "if(dst_as = 0, dst_geo_as, dst_as)")],
        ),
        2 => made_of_one(5 * MINUTE_MS, &[("src_country", "src_country"), ("dst_country", "dst_country")]),
        3 => made_of_one(5 * MINUTE_MS, &[("protocol", "protocol"), ("port", SERVICE_PORT)]),
        4 => made_of_one(
            5 * MINUTE_MS,
            &[
                ("src_customer", "src_customer"),
                ("src_network", "src_network"),
                ("dst_customer", "dst_customer"),
                ("dst_network", "dst_network"),
            ],
        ),
        _ => Twin {
            bucket_ms: 60 * MINUTE_MS,
            subjects: &[("address", "end_address"), ("direction", "end_direction")],
            join: "ARRAY JOIN [src_addr, dst_addr] AS end_address, \
                   CAST(['sent', 'received'], 'Array(Enum8(\\'sent\\' = 0, \\'received\\' = 1))') AS end_direction ",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::flows;
    use crate::rollup::linear::WITH_PORTS;

    #[test]
    fn every_rollup_has_its_columns_and_nothing_else_has_a_twin() {
        assert_eq!(sql(&flows::TABLE, "flows", "1"), None);
        for table in rollups::TABLES {
            let sql = sql(table, "flows", "1").unwrap();
            let (columns, _) = sql.split_once("\nFROM ").unwrap();
            let mut rest = columns;
            for column in table.columns {
                let name =
                    if column.name == "exporter_address" { column.name } else { &format!(" AS {}", column.name) };
                let (_, after) =
                    rest.split_once(name).unwrap_or_else(|| panic!("{} {}: {rest}", table.name, column.name));
                rest = after;
            }
            assert_eq!(rest, "", "{}", table.name);
        }
    }

    #[test]
    fn the_protocols_with_ports_are_the_same() {
        assert!(SERVICE_PORT.contains(&format!("({})", WITH_PORTS.map(|protocol| protocol.to_string()).join(", "))));
    }
}
