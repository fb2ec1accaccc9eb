//! The standard questions, and what an answer costs.

use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::http::Server;

/// Without the cache of conditions, which makes a question that was asked before read less.
const SETTINGS: &str = "use_query_condition_cache = 0";
/// How often a question is asked; the first time its data may have to be read from disk.
const REPEATS: usize = 3;

/// The questions about flows whose traffic begins at `begin` (seconds since 1970) and lasts `seconds`.
pub(crate) fn about_flows(begin: u64, seconds: u64) -> Vec<(&'static str, String)> {
    let within = |from: u64, to: u64| {
        format!("time_received >= toDateTime({from}, 'UTC') AND time_received < toDateTime({to}, 'UTC')")
    };
    let middle = begin + seconds / 2;
    let (minute, hour) = (within(middle, middle + 60), within(middle, middle + 3600));
    let all = within(begin, begin + seconds.max(1));
    let busy = "exporter_address = toIPv6('::ffff:10.255.0.3')";
    vec![
        (
            "top_talkers_one_minute",
            format!(
                "SELECT src_addr, sum(bytes * sampling_rate) AS octets FROM flows WHERE {minute} \
                 GROUP BY src_addr ORDER BY octets DESC LIMIT 10"
            ),
        ),
        (
            "top_talkers_one_hour",
            format!(
                "SELECT src_addr, sum(bytes * sampling_rate) AS octets FROM flows WHERE {hour} \
                 GROUP BY src_addr ORDER BY octets DESC LIMIT 10"
            ),
        ),
        (
            "interface_all",
            format!(
                "SELECT toStartOfFiveMinutes(time_received) AS time, sum(bytes * sampling_rate) FROM flows \
                 WHERE {all} AND {busy} AND in_if = 1 GROUP BY time ORDER BY time"
            ),
        ),
        (
            "as_matrix_one_hour",
            format!(
                "SELECT src_geo_as, dst_geo_as, sum(bytes * sampling_rate) AS octets FROM flows WHERE {hour} \
                 GROUP BY src_geo_as, dst_geo_as ORDER BY octets DESC LIMIT 100"
            ),
        ),
        (
            "exporters_one_hour",
            format!(
                "SELECT exporter_address, count(), sum(bytes * sampling_rate) FROM flows WHERE {hour} \
                 GROUP BY exporter_address ORDER BY exporter_address"
            ),
        ),
    ]
}

/// Flows of a host as source and as destination: what a page shows (all that the covering projections hold), its sum, and
/// every column.
pub(crate) fn about_a_host(host: &str, port: u16) -> Vec<(&'static str, String)> {
    let shown = "time_received, time_start, time_end, exporter_address, exporter_name, src_addr, dst_addr, src_port, \
                 dst_port, protocol, tcp_flags, in_if, out_if, bytes, packets, sampling_rate";
    // An OR over two columns takes no projection; two halves without overlap do.
    let both = |columns: &str, and: [String; 2]| {
        let [src, dst] = and;
        format!(
            "SELECT {columns} FROM flows WHERE src_addr = toIPv6('{host}'){src} UNION ALL \
             SELECT {columns} FROM flows WHERE dst_addr = toIPv6('{host}') AND src_addr != toIPv6('{host}'){dst}"
        )
    };
    let any = || [String::new(), String::new()];
    let at_port = [format!(" AND src_port = {port}"), format!(" AND dst_port = {port}")];
    vec![
        ("host_shown", both(shown, any())),
        ("host_port_shown", both(shown, at_port)),
        ("host_sum", format!("SELECT count(), sum(octets) FROM ({})", both("bytes * sampling_rate AS octets", any()))),
        ("host_every_column", both("*", any())),
    ]
}

/// The questions about translations: who had this outside address and port, and what did this inside host do.
pub(crate) fn about_nat(begin: u64, seconds: u64) -> Vec<(&'static str, String)> {
    let middle = begin + seconds / 2;
    let columns =
        "time_event, event, protocol, src_addr, src_port, post_nat_src_addr, port_block_start, port_block_end";
    vec![
        (
            "nat_outside",
            format!(
                "SELECT {columns} FROM nat_events WHERE post_nat_src_addr = toIPv6('::ffff:203.0.1.7') \
                 AND time_event BETWEEN toDateTime({middle} - 43200, 'UTC') AND toDateTime({middle}, 'UTC') \
                 AND port_block_start <= 40000 AND port_block_end >= 40000 ORDER BY time_event DESC LIMIT 1"
            ),
        ),
        (
            "nat_inside",
            format!(
                "SELECT {columns} FROM nat_events WHERE src_addr = toIPv6('::ffff:100.64.1.44') ORDER BY time_event"
            ),
        ),
    ]
}

/// Asks each question and says what its answers cost.
pub(crate) fn ask(server: &Server, questions: &[(&'static str, String)]) -> anyhow::Result<Map<String, Value>> {
    let mut costs = Map::new();
    for (name, sql) in questions {
        costs.insert((*name).to_owned(), cost(server, sql).with_context(|| format!("question {name}"))?);
    }
    Ok(costs)
}

fn cost(server: &Server, sql: &str) -> anyhow::Result<Value> {
    let mut seconds = Vec::new();
    let mut answer = Value::Null;
    for _ in 0..REPEATS {
        let begun = Instant::now();
        let text = server.query(&format!("{sql} FORMAT JSONCompact SETTINGS {SETTINGS}"))?;
        seconds.push(begun.elapsed().as_secs_f64());
        answer = serde_json::from_str(&text).context("the answer is no JSON")?;
    }
    let best = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(json!({
        "first_seconds": rounded(seconds[0]),
        "best_seconds": rounded(best),
        "rows_read": answer["statistics"]["rows_read"],
        "bytes_read": answer["statistics"]["bytes_read"],
        "rows_answered": answer["rows"],
    }))
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 10_000.0).round() / 10_000.0
}
