//! What rollups cost: the collector's time for each row and table, and what inserting flows with them costs the engine beside
//! inserting flows alone and beside flows with materialized views.
//!
//!     cargo run --release -p collector --example rollup_cost -- target/release/collector > perf/results/rollups.json
//!
//! Without the collector's program the engine is left out. Its cost is its processor time, with the merges that the inserts bring, as other work on the machine changes the time
//! on the clock. Rows are those of an access network of 200 exporters: see [`traffic`].

#![expect(clippy::print_stdout, reason = "the result is printed")]

/// The engine under test.
mod engine;
/// Flows with heavy tails.
mod traffic;

use std::path::PathBuf;

use collector::batch::Block;
use collector::rollup::{Roller, Selection, TABLES};
use serde_json::{Value, json};

use engine::{Engine, With};
use traffic::Traffic;

/// Rows of a block, and flows per second: blocks of a busy collector are full, those of a quiet one a second old.
const LOADS: [(usize, u64); 2] = [(65_536, 65_536), (8_192, 8_192)];
const ROWS: usize = 1 << 19;

fn main() -> anyhow::Result<()> {
    let program = std::env::args().nth(1).map(PathBuf::from);
    let measure = |(rows, per_second): &(usize, u64)| measure(program.as_deref(), *rows, *per_second);
    let loads: Vec<Value> = LOADS.iter().map(measure).collect::<Result<_, _>>()?;
    println!("{:#}", json!({ "measurement": "rollups", "machine": machine(), "rows": ROWS, "loads": loads }));
    Ok(())
}

fn measure(program: Option<&std::path::Path>, block_rows: usize, flows_per_second: u64) -> anyhow::Result<Value> {
    let mut traffic = Traffic::new(flows_per_second);
    let mut blocks: Vec<Block> = (0..ROWS / block_rows).map(|_| traffic.block(block_rows)).collect();
    let collector = rolled(&mut blocks);
    let Some(program) = program else {
        return Ok(json!({ "block_rows": block_rows, "flows_per_second": flows_per_second, "collector": collector }));
    };
    let mut stored = serde_json::Map::new();
    for (name, with) in [("flows", With::Nothing), ("rollups", With::Rollups), ("views", With::Views)] {
        eprintln!("blocks of {block_rows} rows: {name}");
        stored.insert(name.to_owned(), Engine::start(program)?.insert(&blocks, with)?);
    }
    let seconds = |name: &str| stored[name]["processor_seconds"].as_f64().unwrap_or_default();
    let more = |name: &str| (seconds(name) / seconds("flows") - 1.0) * 100.0;
    let (rollups, views) = (more("rollups"), more("views"));
    Ok(json!({
        "block_rows": block_rows,
        "flows_per_second": flows_per_second,
        "collector": collector,
        "engine": stored,
        "rollups_on_top_percent": rollups,
        "views_on_top_percent": views,
    }))
}

/// Fills the rollups of all blocks: all tables together, and each alone, which has the work that all share in it too.
fn rolled(blocks: &mut [Block]) -> Value {
    let tables = TABLES.map(|table| {
        let selection = Selection::of(&[table.name]).unwrap_or_default();
        (table.name, nanoseconds(&mut Roller::new(selection), blocks))
    });
    let all = nanoseconds(&mut Roller::default(), blocks);
    let tables = tables.into_iter().enumerate().map(|(index, (name, nanoseconds))| {
        let rows: usize = blocks.iter().map(|block| block.parts().nth(3 + index).map_or(0, |part| part.len())).sum();
        let cost = json!({ "nanoseconds_per_flow_alone": nanoseconds, "rows_per_flow": rows as f64 / ROWS as f64 });
        (name.to_owned(), cost)
    });
    json!({ "nanoseconds_per_flow": all, "tables": tables.collect::<serde_json::Map<_, _>>() })
}

/// The processor's time for a flow, the best of some rounds; the first one warms up.
fn nanoseconds(roller: &mut Roller, blocks: &mut [Block]) -> f64 {
    let mut best = u64::MAX;
    for _ in 0..4 {
        let begun = processor_ns();
        blocks.iter_mut().for_each(|block| roller.roll(block));
        best = best.min(processor_ns() - begun);
    }
    best as f64 / ROWS as f64
}

/// Time that this thread was on a processor, nanoseconds: `Documentation/scheduler/sched-stats.rst`.
fn processor_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn machine() -> Value {
    let line = |path: &str, key: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let found = text.lines().find(|line| line.starts_with(key)).and_then(|line| line.split(':').nth(1));
        found.unwrap_or_default().trim().to_owned()
    };
    json!({
        "processor": line("/proc/cpuinfo", "model name"),
        "processors": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": line("/proc/meminfo", "MemTotal"),
        "kernel": std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        "load_average": std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
    })
}
