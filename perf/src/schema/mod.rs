//! Measures variants of the flows table on a ClickHouse server: codecs column by column, then orderings and granularities.
//!
//! Every variant gets the same generated records, in the order in which they would arrive, and is then merged into one part
//! a day, which is what stays on disk. Speeds are those of one connection that sends 100 000 rows an insert, uncompressed.

/// Flow records of a middle-sized network.
mod flows;
/// HTTP to ClickHouse.
mod http;
/// Blocks in the Native format.
mod native;
/// The variants of the table.
mod variants;

use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use flows::{COLUMNS, Flows};
use http::Server;
use variants::{QUERIES, Variant};

use crate::machine;

/// Rows of one insert.
const BLOCK_ROWS: u64 = 100_000;
const TABLE: &str = "perf_schema_flows";

/// What to measure and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// ClickHouse's HTTP interface; a table named `perf_schema_flows` is made and dropped in its default database.
    #[arg(long, default_value = "http://127.0.0.1:8123")]
    url: String,
    /// Rows for each variant.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Seconds of traffic that the rows are.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// Measure only variants whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
}

/// Runs every variant and prints one JSON document.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let server = Server::new(&arguments.url)?;
    let version = server.query("SELECT version()").context("ClickHouse does not answer")?;
    let mut flows = Flows::new(arguments.rows / arguments.seconds.max(1));
    let blocks: Vec<Vec<u8>> = (0..arguments.rows / BLOCK_ROWS).map(|_| flows.block(BLOCK_ROWS)).collect();
    let rows = blocks.len() as u64 * BLOCK_ROWS;
    let mut results = Vec::new();
    for variant in variants::all().iter().filter(|variant| variant.name.contains(&arguments.only)) {
        let measured = measure(&server, variant, &blocks, rows).with_context(|| format!("variant {}", variant.name));
        let dropped = server.query(&format!("DROP TABLE IF EXISTS {TABLE}"));
        let measured = measured?;
        dropped?;
        eprintln!(
            "{:32} {:6.2} bytes a row, {:9.0} rows/s in",
            variant.name,
            measured["bytes_per_row"].as_f64().unwrap_or(0.0),
            measured["insert_rows_per_second"].as_f64().unwrap_or(0.0)
        );
        results.push(measured);
    }
    let document = json!({
        "measurement": "schema",
        "machine": machine::describe(),
        "clickhouse": version.trim(),
        "rows": rows,
        "seconds_of_traffic": arguments.seconds,
        "exporters": flows::EXPORTERS,
        "encoded_bytes_per_row": blocks.iter().map(Vec::len).sum::<usize>() as f64 / rows as f64,
        "variants": results,
    });
    println!("{document:#}");
    Ok(())
}

fn measure(server: &Server, variant: &Variant, blocks: &[Vec<u8>], rows: u64) -> anyhow::Result<Value> {
    server.query(&format!("DROP TABLE IF EXISTS {TABLE}"))?;
    server.query(&variant.ddl(TABLE))?;

    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    let insert = format!("INSERT INTO {TABLE} ({}) FORMAT Native", names.join(", "));
    let begun = Instant::now();
    for block in blocks {
        server.insert(&insert, block)?;
    }
    let insert_seconds = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    server.query(&format!("OPTIMIZE TABLE {TABLE} FINAL"))?;
    let merge_seconds = begun.elapsed().as_secs_f64();

    let size = server.query(&format!(
        "SELECT sum(rows), sum(bytes_on_disk), sum(primary_key_bytes_in_memory), count() FROM system.parts \
         WHERE active AND database = currentDatabase() AND table = '{TABLE}'"
    ))?;
    let size: Vec<f64> = size.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [found_rows, bytes, key_bytes, parts] = size[..] else { anyhow::bail!("unexpected answer of system.parts") };
    anyhow::ensure!(found_rows as u64 == rows, "{found_rows} rows are in the table, {rows} were sent");

    let begun = Instant::now();
    server.query(&format!("SELECT sum(cityHash64(*)) FROM {TABLE}"))?;
    let scan_seconds = begun.elapsed().as_secs_f64();
    let mut queries = Map::new();
    for (name, condition) in QUERIES {
        let estimate = server.query(&format!("EXPLAIN ESTIMATE SELECT sum(bytes) FROM {TABLE} WHERE {condition}"))?;
        // database, table, parts, rows, marks; no line when nothing is read.
        let read = estimate.split_whitespace().nth(3).map_or(Ok(0), str::parse::<u64>)?;
        queries.insert((*name).to_owned(), json!(read));
    }
    Ok(json!({
        "variant": variant.name,
        "ordering": variant.ordering,
        "granularity": variant.granularity,
        "bytes_per_row": bytes / found_rows,
        "insert_rows_per_second": found_rows / insert_seconds,
        "merge_seconds": merge_seconds,
        "scan_seconds": scan_seconds,
        "primary_key_bytes": key_bytes,
        "parts": parts,
        "rows_read": queries,
        "bytes_per_row_by_column": columns(server, found_rows)?,
    }))
}

fn columns(server: &Server, rows: f64) -> anyhow::Result<Value> {
    let sizes = server.query(&format!(
        "SELECT name, data_compressed_bytes FROM system.columns \
         WHERE database = currentDatabase() AND table = '{TABLE}' ORDER BY position"
    ))?;
    let mut columns = Map::new();
    for line in sizes.lines() {
        let (name, bytes) = line.split_once('\t').context("unexpected answer of system.columns")?;
        let bytes: f64 = bytes.parse()?;
        columns.insert(name.to_owned(), json!((1000.0 * bytes / rows).round() / 1000.0));
    }
    Ok(Value::Object(columns))
}
