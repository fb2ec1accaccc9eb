//! A state directory with a journal, a database in a real engine, and a configuration: what a collector leaves, made by its own
//! parts without its threads.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use collector::batch::{Block, TABLES};
use collector::clickhouse::{Client, schema};
use collector::config::{Config, Written};
use collector::enrich::{Enricher, Geo, Published, PublishedRates};
use collector::journal::{Durability, Entry, Journal, Position, Range, Refused, SEGMENT_BYTES_MIN, Settings};
use collector::rollup::Roller;
use collector::store::{self, Child, locate};
use collector::templates::{Cache, Templates};
use netflow::{Datagram, Report, decode_part};

/// Sums of the rollups.
const SUMS: [&str; 5] = ["bytes", "packets", "raw_bytes", "raw_packets", "flows"];
const MINUTE_MS: i64 = 60_000;

/// A running store; ended and its data removed when dropped.
pub(crate) struct Engine {
    url: String,
    child: Option<Child>,
    data_dir: PathBuf,
}

impl Engine {
    /// Nothing, loudly, where the library of the engine is missing; a failure where the environment says that it must be there.
    pub(crate) fn start() -> Option<Self> {
        if let Err(error) = locate::library(None) {
            assert!(std::env::var_os("COLLECTOR_REQUIRE_PRIVILEGED").is_none(), "{error}");
            eprintln!("SKIPPED: {error}");
            return None;
        }
        let data_dir = std::env::temp_dir().join(format!("collector-repair-store-{}-{}", std::process::id(), number()));
        let settings = store::Settings {
            data_dir: data_dir.clone(),
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            library: None,
            database: "collector".to_owned(),
            user: Some("default".to_owned()),
            password: None,
            connections: 4,
            memory_bytes: None,
            until_stdin_closes: true,
        };
        let program = Path::new(env!("CARGO_BIN_EXE_collector"));
        let child = Child::start_program(program, &settings, &AtomicBool::new(false)).expect("a store");
        Some(Self { url: child.url(), child: Some(child), data_dir })
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

/// One collector's directory and database.
pub(crate) struct Site {
    directory: PathBuf,
    database: String,
    url: String,
    journal: Journal,
    templates: Templates,
    cache: Cache,
    /// Behind the last datagram that was collected.
    collected: Position,
    tokens: u32,
}

impl Site {
    /// A site of its own in an engine, its tables made.
    pub(crate) fn new(engine: &Engine) -> Self {
        Self::with_retained(engine, 1 << 30)
    }

    /// The same; so many bytes of what is stored are retained.
    pub(crate) fn with_retained(engine: &Engine, retain_bytes: u64) -> Self {
        let database = format!("site_{}", number());
        let directory = std::env::temp_dir().join(format!("collector-repair-{}-{database}", std::process::id()));
        let settings = Settings {
            directory: directory.join("state/journal/0"),
            segment_bytes: SEGMENT_BYTES_MIN,
            budget_bytes: 1 << 30,
            retain_bytes,
            retain: Duration::from_secs(7 * 24 * 3600),
            durability: Durability::Process,
        };
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number().to_le_bytes());
        let (journal, _) = Journal::open(settings, id).expect("a journal");
        let templates = Templates::new(collector::templates::Settings::default());
        let (cache, collected) = (templates.cache(), journal.tip());
        let url = engine.url.clone();
        let site = Self { directory, database, url, journal, templates, cache, collected, tokens: 0 };
        site.configure("");
        let client = site.client();
        block_on(schema::apply(&client)).expect("tables");
        site
    }

    /// Writes the configuration: this below what every site has.
    pub(crate) fn configure(&self, more: &str) {
        let text = format!(
            "state_dir = \"{}/state\"\n[clickhouse]\nurl = \"{}\"\ndatabase = \"{}\"\n{more}",
            self.directory.display(),
            self.url,
            self.database
        );
        std::fs::write(self.config_path(), text).expect("write the configuration");
    }

    /// A datagram arrives.
    pub(crate) fn receive(&mut self, exporter: &str, received_ms: i64, payload: &[u8]) {
        let entry =
            Entry { received_ns: received_ms * 1_000_000, exporter: mapped(exporter), port: 4242, path: 0, payload };
        // Segments are made ready by a thread that a burst may outrun.
        while let Err(refused) = self.journal.append(&entry) {
            assert_eq!(refused, Refused::Slow);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The collector hears a datagram that its journal forgets at once.
    pub(crate) fn overhear(&mut self, exporter: &str, received_ms: i64, payload: &[u8]) {
        let mut block = Block::default();
        decode(&mut self.cache, &mut block, mapped(exporter), received_ms, payload);
    }

    /// Saves the templates as a collector does now and then.
    pub(crate) fn save_templates(&self) {
        let path = self.directory.join("state/templates.snapshot");
        self.templates.save(&path, u64::try_from(now_ms() / 1000).expect("after 1970")).expect("saved");
    }

    /// Stores the rows of all that was received since the last time, by the configuration as it is.
    pub(crate) fn collect(&mut self) {
        let mut block = Block::default();
        let (from, to) = (self.collected, self.journal.tip());
        let mut position = from;
        while let Some((entry, _, end)) = self.journal.read(position) {
            decode(&mut self.cache, &mut block, entry.exporter, entry.received_ns / 1_000_000, entry.payload);
            position = end;
        }
        let range = Range { from, to, shard: 0 };
        let progress = self.journal.progress();
        progress.begin(range).expect("begun");
        self.collected = to;
        self.tokens += 1;
        let token = format!("{}", self.tokens);
        self.writer().store(block, &token);
        progress.settle(range);
        progress.keep_from(to);
        self.journal.tend(now_ms() * 1_000_000);
    }

    /// What stores rows by the configuration as it is.
    pub(crate) fn writer(&self) -> Writer {
        let written = Written::read(&self.config_path()).expect("a configuration");
        let config = Config::resolve(written, None).expect("meant");
        let geo = Published::new(Geo::open(&config.geoip.files).expect("GeoIP files"));
        let names = Published::new(config.names());
        let rates = PublishedRates::new(config.sampling_rates());
        let networks = Published::new(config.networks.clone());
        let enricher = Enricher::new(&geo, &names).with_rates(&rates).with_networks(&networks);
        Writer { client: self.client(), enricher, roller: Roller::default() }
    }

    /// The command, not started.
    pub(crate) fn repair(&self, from_ms: i64, to_ms: i64, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_collector"));
        command.arg("--config").arg(self.config_path()).arg("repair");
        command.arg(format!("--from={}", seconds(from_ms))).arg(format!("--to={}", seconds(to_ms))).args(more);
        command.stdin(Stdio::null());
        command
    }

    /// Repairs, which must be done.
    pub(crate) fn repaired(&self, from_ms: i64, to_ms: i64, more: &[&str]) -> String {
        let output = self.repair(from_ms, to_ms, more).output().expect("start the program");
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    }

    /// Starts a repair that may be killed.
    pub(crate) fn spawn(&self, from_ms: i64, to_ms: i64) -> Process {
        let mut command = self.repair(from_ms, to_ms, &[]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start the program")
    }

    /// The answer to a query.
    pub(crate) fn sql(&self, sql: &str) -> String {
        block_on(self.client().query(sql, "TSV")).expect(sql)
    }

    /// A number.
    pub(crate) fn count(&self, sql: &str) -> u64 {
        self.sql(sql).trim().parse().expect(sql)
    }

    /// All rows of all tables as text, those of rollups by their sums.
    pub(crate) fn contents(&self) -> Vec<(&'static str, String)> {
        let of = |table: &'static collector::batch::Table| {
            if !table.columns.iter().any(|column| column.name == "flows") {
                return (table.name, self.sql(&format!("SELECT * FROM {} ORDER BY ALL", table.name)));
            }
            let keys: Vec<&str> =
                table.columns.iter().map(|column| column.name).filter(|name| !SUMS.contains(name)).collect();
            let (keys, sums) = (keys.join(", "), SUMS.map(|sum| format!("sum({sum}) AS sum_{sum}")).join(", "));
            let any = SUMS.map(|sum| format!("sum_{sum} != 0")).join(" OR ");
            let sql = format!("SELECT {keys}, {sums} FROM {} GROUP BY {keys} HAVING {any} ORDER BY ALL", table.name);
            (table.name, self.sql(&sql))
        };
        TABLES.into_iter().map(of).collect()
    }

    /// The lock of inserts.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.directory.join("state/inserting.lock")
    }

    /// No table of a repair is left.
    pub(crate) fn assert_tidy(&self) {
        let left = "SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, 'repair_')";
        assert_eq!(self.sql(left), "");
    }

    fn client(&self) -> Client {
        let settings = collector::clickhouse::Settings {
            url: self.url.clone(),
            database: self.database.clone(),
            ..collector::clickhouse::Settings::default()
        };
        Client::new(&settings).expect("settings")
    }

    fn config_path(&self) -> PathBuf {
        self.directory.join("collector.toml")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.directory));
    }
}

/// Enriches blocks and stores them with their rollups.
pub(crate) struct Writer {
    client: Client,
    enricher: Enricher,
    roller: Roller,
}

impl Writer {
    /// Stores a block under a token.
    pub(crate) fn store(&mut self, mut block: Block, token: &str) {
        block.decoded.complete();
        self.enricher.enrich(&mut block);
        self.roller.roll(&mut block);
        block_on(async {
            for part in block.parts().filter(|part| !part.is_empty()) {
                let token = format!("{token}-{}", part.table().name);
                self.client.insert(part, &token, &mut BytesMut::new()).await.expect("stored");
            }
        });
    }
}

/// Decodes a datagram into a block.
pub(crate) fn decode(cache: &mut Cache, block: &mut Block, exporter: [u8; 16], received_ms: i64, payload: &[u8]) {
    cache.set_now(u64::try_from(received_ms / 1000).expect("after 1970"));
    let datagram = Datagram { payload, exporter, received_ms };
    decode_part(&datagram, cache, &mut block.decoded, &mut Report::default());
}

/// The last midnight (UTC) that is at least a day past, in milliseconds since 1970.
pub(crate) fn midnight_ms() -> i64 {
    let day_ms = 24 * 60 * MINUTE_MS;
    now_ms() / day_ms * day_ms - day_ms
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the end of time")
}

pub(crate) fn mapped(exporter: &str) -> [u8; 16] {
    exporter.parse::<Ipv4Addr>().expect("an address").to_ipv6_mapped().octets()
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

fn number() -> u32 {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}
