//! What enriching, encoding and compressing a block costs, stage by stage, with GeoIP files of real size. Prints one JSON
//! document.
//!
//!     cargo run --release --package collector --example enrich_cost -- FOLDER [CASE [STAGE]]
//!
//! The files are made in FOLDER by the first run, which takes some seconds. CASE is one of the names in the document, STAGE one of
//! `lookup`, `clear_and_enrich`, `encode`, `lz4`: one stage alone, once, is what is run below an instruction counter.

/// Writes GeoIP files.
mod database;
/// GeoIP files of real size.
mod files;
/// Blocks of flows.
mod flows;

use std::io::Write as _;
use std::path::PathBuf;

use bytes::BytesMut;
use collector::batch::Block;
use collector::clickhouse::native;
use collector::enrich::{Enricher, Geo, Names, Published};
use nix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use self::flows::{CASES, Case, ROWS};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Times that a stage is repeated.
const ROUNDS: usize = 60;
/// Bytes that are compressed as one, as inserts do.
const CHUNK_BYTES: usize = 1 << 20;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let (only_case, only_stage) = (arguments.next(), arguments.next());
    let files = files::make(&folder)?;
    let geo = Published::new(Geo::open(&files)?);
    let mut document = json!({
        "what": "enrichment, Native encoding and LZ4 of a block of flows, processor ns per flow, the least of all rounds",
        "rows": ROWS,
        "networks": geo.load().networks(),
        "tables_bytes": geo.load().bytes(),
        "tables_build_seconds": geo.load().build_time().as_secs_f64(),
        "load": std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
    });
    let networks = files::networks();
    for case in CASES.into_iter().filter(|case| only_case.as_deref().is_none_or(|only| only == case.name)) {
        document[case.name] = measure(&case, &networks, &geo, only_stage.as_deref());
    }
    writeln!(std::io::stdout(), "{document:#}")?;
    Ok(())
}

fn measure(case: &Case, networks: &files::Networks, geo: &Published, only: Option<&str>) -> Value {
    let blocks = flows::blocks(case, networks);
    let mut enricher = Enricher::new(geo, &Published::new(Names::default()));
    let mut enriched = blocks.clone();
    enriched.iter_mut().for_each(|block| enricher.enrich(block));
    let tables = geo.load();
    let mut found = serde_json::Map::new();
    let mut stage = |name: &str, run: &mut dyn FnMut(usize)| match only {
        Some(only) if only != name => {}
        Some(_) => run(0),
        None => drop(found.insert(name.to_owned(), json!(least_ns(blocks.len(), run)))),
    };
    stage("lookup", &mut |index| lookup(&blocks[index], &tables));
    let mut filled = blocks.clone();
    stage("clear_and_enrich", &mut |index| {
        forget(&mut filled[index]);
        enricher.enrich(&mut filled[index]);
    });
    let mut out = BytesMut::new();
    stage("encode", &mut |index| encode(&enriched[index], &mut out));
    encode(&enriched[0], &mut out);
    let mut room = vec![0; lz4_flex::block::get_maximum_output_size(CHUNK_BYTES)];
    stage("lz4", &mut |_| {
        for chunk in out.chunks(CHUNK_BYTES) {
            std::hint::black_box(lz4_flex::block::compress_into(chunk, &mut room).unwrap_or(0));
        }
    });
    found.insert("encoded_bytes_per_flow".to_owned(), json!(out.len() as f64 / ROWS as f64));
    Value::Object(found)
}

/// All look-ups of a block.
#[inline(never)]
fn lookup(block: &Block, geo: &Geo) {
    for addresses in [&block.decoded.flows.src_addr, &block.decoded.flows.dst_addr] {
        for address in addresses {
            std::hint::black_box(geo.lookup(address));
        }
    }
}

/// Forgets what enrichment filled in, as a block that comes from the pool has.
fn forget(block: &mut Block) {
    let mut fresh = Block::default();
    std::mem::swap(&mut fresh.decoded, &mut block.decoded);
    block.clear();
    std::mem::swap(&mut fresh.decoded, &mut block.decoded);
}

#[inline(never)]
fn encode(block: &Block, out: &mut BytesMut) {
    out.clear();
    if let Some(part) = block.decoded_parts().next() {
        // The blocks are sound.
        native::encode(part, out).unwrap_or_default();
    }
}

/// The least processor time per row of many rounds, over `blocks` blocks in turn.
fn least_ns(blocks: usize, run: &mut dyn FnMut(usize)) -> f64 {
    let mut least = f64::INFINITY;
    for round in 0..ROUNDS {
        let start = thread_ns();
        run(round % blocks);
        least = least.min((thread_ns() - start) / ROWS as f64);
    }
    (least * 10.0).round() / 10.0
}

/// Processor time of this thread: what else the machine does is not in it.
fn thread_ns() -> f64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_or(0.0, |time| time.tv_sec() as f64 * 1e9 + time.tv_nsec() as f64)
}
