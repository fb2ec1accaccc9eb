//! The embedded store in a directory of its own, and how much processor time inserts take of it.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::BytesMut;
use collector::batch::Block;
use collector::clickhouse::client::Compression;
use collector::clickhouse::{Client, Settings, schema};
use collector::rollup;
use collector::store::{self, Child};
use serde_json::{Value, json};

/// Ticks of a second in `/proc/PID/stat`: `USER_HZ`, proc_pid_stat(5).
const TICKS_A_SECOND: f64 = 100.0;
/// How long merges may take at the end.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is stored beside the flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum With {
    /// Nothing.
    Nothing,
    /// The rollups of the blocks.
    Rollups,
    /// What materialized views make of the flows, the twins of the rollups.
    Views,
}

/// A running store; ended and its data removed when dropped.
pub(crate) struct Engine {
    child: Option<Child>,
    data_dir: PathBuf,
}

impl Engine {
    pub(crate) fn start(program: &Path) -> anyhow::Result<Self> {
        let data_dir = std::env::temp_dir().join(format!("collector-rollup-cost-{}", std::process::id()));
        let settings = store::Settings {
            data_dir: data_dir.clone(),
            listen: ([127, 0, 0, 1], 0).into(),
            library: None,
            database: "collector".to_owned(),
            user: None,
            password: None,
            connections: 2,
            memory_bytes: None,
            until_stdin_closes: true,
        };
        let child = Child::start_program(program, &settings, &AtomicBool::new(false)).context("start the store")?;
        Ok(Self { child: Some(child), data_dir })
    }

    /// Inserts the blocks and waits for the merges.
    pub(crate) fn insert(&self, blocks: &[Block], with: With) -> anyhow::Result<Value> {
        let child = self.child.as_ref().context("a store that runs")?;
        let settings = Settings { url: child.url(), compression: Compression::None, ..Settings::default() };
        let client = Client::new(&settings).context("a client")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            schema::apply(&client).await?;
            if with == With::Views {
                for table in rollup::TABLES {
                    let query = rollup::sql(table, "flows", "1").context("a twin")?;
                    let view = format!("CREATE MATERIALIZED VIEW view_{0} TO {0} AS {query}", table.name);
                    client.execute(&view).await?;
                }
            }
            let id = child.id().context("a store that runs")?;
            let (before, begun) = (processor_seconds(id)?, Instant::now());
            let (mut bytes, mut scratch) = (0, BytesMut::new());
            for (number, block) in blocks.iter().enumerate() {
                for part in block.parts().filter(|part| !part.is_empty()) {
                    if part.provenance().is_some() || with == With::Rollups {
                        bytes += client.insert(part, &format!("block {number}"), &mut scratch).await?;
                    }
                }
            }
            let (inserts, inserted) = (processor_seconds(id)? - before, begun.elapsed());
            let merging = "SELECT count() FROM system.merges";
            while client.query(merging, "TSV").await?.trim() != "0" && begun.elapsed() < inserted + PATIENCE {
                std::thread::sleep(Duration::from_millis(200));
            }
            let sizes = "SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = \
                         currentDatabase() AND table != 'schema_version' GROUP BY table ORDER BY table";
            let seconds = processor_seconds(id)? - before;
            let sizes = client.query(sizes, "TSV").await?;
            Ok(json!({
                "processor_seconds": seconds,
                "processor_seconds_of_inserts": inserts,
                "seconds_of_inserts": inserted.as_secs_f64(),
                "encoded_bytes": bytes,
                "rows_and_bytes_on_disk": sizes.lines().collect::<Vec<_>>(),
            }))
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            drop(child.stop());
        }
        drop(std::fs::remove_dir_all(&self.data_dir));
    }
}

fn processor_seconds(id: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    // Behind the name in parentheses, which may hold anything; utime and stime are the 14th and 15th field in all.
    let (_, fields) = stat.rsplit_once(") ").context("a line of /proc/PID/stat")?;
    let ticks: f64 = fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS_A_SECOND)
}
