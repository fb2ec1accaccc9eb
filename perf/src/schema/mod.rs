//! Measures the flows and nat_events tables, as committed and in variants, on a ClickHouse server.
//!
//! Every variant gets the same generated rows, in the order in which they would arrive, over one connection, and is then
//! merged. What is measured: bytes a row, rows/s in, seconds to merge, and what the answers to the standard questions cost.

/// Flow records of a middle-sized network.
mod flows;
/// HTTP to ClickHouse.
mod http;
/// Address translations of a carrier.
mod nat;
/// Blocks in the Native format.
mod native;
/// The standard questions.
mod questions;
/// The variants of the tables.
mod variants;

use std::sync::mpsc;
use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use flows::Flows;
use http::Server;
use nat::NatEvents;
use variants::Variant;

use crate::machine;

/// Rows of one insert: as many as the collector sends.
const BLOCK_ROWS: u64 = 65_536;
/// The tables of the collector as they are committed.
const SCHEMA: &str = include_str!("../../../deploy/clickhouse/schema.sql");
const DATABASE: &str = "perf_schema";
const DAY_SECONDS: u64 = 86_400;

/// What to measure and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// ClickHouse's HTTP interface; a database named `perf_schema` is made and dropped there.
    #[arg(long, default_value = "http://127.0.0.1:8123")]
    url: String,
    /// Rows for each variant.
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// Seconds of traffic that the rows are; each day of it is a partition.
    #[arg(long, default_value_t = DAY_SECONDS)]
    seconds: u64,
    /// Measure only variants whose name contains one of these.
    #[arg(long)]
    only: Vec<String>,
    /// Leave the inserted parts as the server merges them by itself.
    #[arg(long)]
    unmerged: bool,
    /// Insert nothing: measure the tables that an earlier run left because it was ended.
    #[arg(long)]
    as_left: bool,
}

/// A table with what is generated for it.
struct Subject {
    table: &'static str,
    partition: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

const FLOWS: Subject = Subject { table: "flows", partition: "toDate(time_received)", columns: flows::COLUMNS };
const NAT_EVENTS: Subject = Subject { table: "nat_events", partition: "toDate(time_received)", columns: nat::COLUMNS };

/// Runs every variant and prints one JSON document.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let server = Server::new(&arguments.url)?;
    let version = server.query("SELECT version()").context("ClickHouse does not answer")?;
    let mut results = Map::new();
    for (subject, variants) in [(FLOWS, variants::of_flows()), (NAT_EVENTS, variants::of_nat_events())] {
        let mut measured = Vec::new();
        for variant in variants.iter().filter(|variant| arguments.wants(subject.table, variant)) {
            let result = measure(&server, arguments, &subject, variant);
            let dropped = server.query(&format!("DROP DATABASE IF EXISTS {DATABASE}"));
            let result = result.with_context(|| format!("{}, variant {}", subject.table, variant.name))?;
            dropped?;
            eprintln!(
                "{:10} {:36} {:6.2} bytes a row, {:9.0} rows/s in",
                subject.table,
                variant.name,
                result["bytes_per_row"].as_f64().unwrap_or(0.0),
                result["insert_rows_per_second"].as_f64().unwrap_or(0.0)
            );
            measured.push(result);
        }
        results.insert(subject.table.to_owned(), Value::Array(measured));
    }
    let document = json!({
        "measurement": "schema",
        "machine": machine::describe(),
        "clickhouse": version.trim(),
        "rows": arguments.rows,
        "seconds_of_traffic": arguments.seconds,
        "exporters": flows::EXPORTERS,
        "rows_an_insert": BLOCK_ROWS,
        "merged": !arguments.unmerged,
        "variants": results,
    });
    println!("{document:#}");
    Ok(())
}

impl Arguments {
    fn wants(&self, table: &str, variant: &Variant) -> bool {
        let name = format!("{table}: {}", variant.name);
        self.only.is_empty() || self.only.iter().any(|only| name.contains(only))
    }
}

fn measure(server: &Server, arguments: &Arguments, subject: &Subject, variant: &Variant) -> anyhow::Result<Value> {
    let server = server.in_database(DATABASE);
    if !arguments.as_left {
        make_tables(&server)?;
        for statement in variant.statements(subject.table, subject.partition) {
            server.query(&statement)?;
        }
    }
    let cpu_before = cpu_seconds(&server)?;
    let (rows, insert_seconds) = if arguments.as_left { (0, f64::NAN) } else { insert(&server, arguments, subject)? };
    let insert_cpu_seconds = cpu_seconds(&server)? - cpu_before;
    let begun = Instant::now();
    if !arguments.unmerged {
        server.query(&format!("OPTIMIZE TABLE {} FINAL", subject.table))?;
    }
    let merge_seconds = begun.elapsed().as_secs_f64();
    let size = server.query(&format!(
        "SELECT sum(rows), sum(bytes_on_disk), sum(primary_key_bytes_in_memory), count() FROM system.parts \
         WHERE active AND database = '{DATABASE}' AND table = '{}'",
        subject.table
    ))?;
    let size: Vec<f64> = size.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [found_rows, bytes, key_bytes, parts] = size[..] else { anyhow::bail!("unexpected answer of system.parts") };
    anyhow::ensure!(
        arguments.as_left || found_rows as u64 == rows,
        "{found_rows} rows are in the table, {rows} were sent"
    );
    let begin = flows::BEGIN_MS / 1000;
    let questions = if subject.table == FLOWS.table {
        let mut costs = questions::ask(&server, &questions::about_flows(begin, arguments.seconds))?;
        for (rank, name) in [(20, "heavy"), (2_000, "usual"), (20_000, "quiet")] {
            let host = host_of_rank(&server, rank)?;
            let cost = questions::ask(&server, &questions::about_a_host(&host, 443))?;
            costs.insert(format!("{name}_host"), json!(cost));
        }
        costs
    } else {
        questions::ask(&server, &questions::about_nat(begin, arguments.seconds))?
    };
    Ok(json!({
        "variant": variant.name,
        "rows": found_rows,
        "bytes_per_row": bytes / found_rows,
        "insert_rows_per_second": found_rows / insert_seconds,
        "insert_cpu_microseconds_per_row": insert_cpu_seconds * 1e6 / found_rows,
        "merge_seconds": merge_seconds,
        "primary_key_bytes": key_bytes,
        "parts": parts,
        "questions": questions,
        "bytes_per_row_by_column": columns(&server, subject.table, found_rows)?,
        "bytes_per_row_by_projection_or_index": secondary(&server, subject.table, found_rows)?,
    }))
}

fn make_tables(server: &Server) -> anyhow::Result<()> {
    server.on_server().query(&format!("DROP DATABASE IF EXISTS {DATABASE}"))?;
    server.on_server().query(&format!("CREATE DATABASE {DATABASE}"))?;
    for statement in SCHEMA.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()) {
        server.query(statement)?;
    }
    Ok(())
}

/// Inserts while the next blocks are made; the rows, and the seconds that inserting alone took.
fn insert(server: &Server, arguments: &Arguments, subject: &Subject) -> anyhow::Result<(u64, f64)> {
    let names: Vec<&str> = subject.columns.iter().map(|(name, _)| *name).collect();
    let insert = format!("INSERT INTO {} ({}) FORMAT Native", subject.table, names.join(", "));
    let rows_per_second = arguments.rows as f64 / arguments.seconds.max(1) as f64;
    let blocks = arguments.rows.div_ceil(BLOCK_ROWS);
    let is_flows = subject.table == FLOWS.table;
    std::thread::scope(|scope| {
        let (send, receive) = mpsc::sync_channel(4);
        scope.spawn(move || {
            let (mut flows, mut nat) = (Flows::new(rows_per_second), NatEvents::new(rows_per_second));
            for _ in 0..blocks {
                let block = if is_flows { flows.block(BLOCK_ROWS) } else { nat.block(BLOCK_ROWS) };
                if send.send(block).is_err() {
                    return;
                }
            }
        });
        let mut seconds = 0.0;
        for block in receive {
            let begun = Instant::now();
            server.insert(&insert, &block)?;
            seconds += begun.elapsed().as_secs_f64();
        }
        Ok((blocks * BLOCK_ROWS, seconds))
    })
}

/// Processor time that the server's queries and merges took so far. On a machine with other work it tells more than the clock.
fn cpu_seconds(server: &Server) -> anyhow::Result<f64> {
    let answer = server.query("SELECT sum(value) FROM system.events WHERE event = 'OSCPUVirtualTimeMicroseconds'")?;
    Ok(answer.trim().parse::<f64>()? / 1e6)
}

/// The host that is the `rank`th in flows as a source.
fn host_of_rank(server: &Server, rank: u64) -> anyhow::Result<String> {
    let sql = format!(
        "SELECT src_addr FROM flows GROUP BY src_addr ORDER BY count() DESC, src_addr LIMIT 1 OFFSET {rank} \
         SETTINGS optimize_use_projections = 0"
    );
    Ok(server.query(&sql)?.trim().to_owned())
}

fn columns(server: &Server, table: &str, rows: f64) -> anyhow::Result<Value> {
    bytes_per_row(
        server,
        rows,
        &format!(
            "SELECT name, data_compressed_bytes FROM system.columns \
             WHERE database = '{DATABASE}' AND table = '{table}' ORDER BY position"
        ),
    )
}

fn secondary(server: &Server, table: &str, rows: f64) -> anyhow::Result<Value> {
    bytes_per_row(
        server,
        rows,
        &format!(
            "SELECT name, sum(bytes_on_disk) FROM system.projection_parts \
             WHERE active AND database = '{DATABASE}' AND table = '{table}' GROUP BY name \
             UNION ALL SELECT name, data_compressed_bytes FROM system.data_skipping_indices \
             WHERE database = '{DATABASE}' AND table = '{table}'"
        ),
    )
}

fn bytes_per_row(server: &Server, rows: f64, sql: &str) -> anyhow::Result<Value> {
    let mut sizes = Map::new();
    for line in server.query(sql)?.lines() {
        let (name, bytes) = line.split_once('\t').context("unexpected answer of system tables")?;
        let bytes: f64 = bytes.parse()?;
        sizes.insert(name.to_owned(), json!((1000.0 * bytes / rows).round() / 1000.0));
    }
    Ok(Value::Object(sizes))
}
