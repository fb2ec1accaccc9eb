//! The running binary, its directory and its ports; everything is gone when dropped.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::netns::Namespace;

/// Long enough for a loaded machine; nothing waits for it unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(90);

/// A directory with a configuration, and ports of its own.
pub(crate) struct Place<'n> {
    /// Where the collector runs, if not where the test does.
    namespace: Option<&'n Namespace>,
    directory: PathBuf,
    udp: u16,
    metrics: SocketAddr,
    store: SocketAddr,
}

impl<'n> Place<'n> {
    /// A place for a test, or nothing (said aloud) where the engine is missing.
    pub(crate) fn with_engine(test: &str) -> Option<Self> {
        if !engine_present() {
            assert!(std::env::var_os("COLLECTOR_REQUIRE_PRIVILEGED").is_none(), "{test} needs the engine's library");
            eprintln!("SKIPPED: {test} needs the engine's library; `cargo xtask test` gets it");
            return None;
        }
        Some(Self::new(test))
    }

    /// The same in a network namespace: the collector listens on all addresses there.
    pub(crate) fn inside(namespace: &'n Namespace, test: &str) -> Option<Self> {
        let mut place = Self::with_engine(test)?;
        place.namespace = Some(namespace);
        place.change_config("udp_address = \"127.0.0.1\"", "udp_address = \"::\"");
        Some(place)
    }

    /// The same without a store: rows are thrown away.
    pub(crate) fn discarding(namespace: &'n Namespace, test: &str) -> Self {
        let mut place = Self::new(test);
        place.namespace = Some(namespace);
        place.change_config("udp_address = \"127.0.0.1\"", "udp_address = \"::\"");
        place.change_config("block_age_ms = 60000", "block_age_ms = 60000\ndiscard = true");
        place
    }

    /// A place for a test.
    pub(crate) fn new(test: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("collector-run-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory in the temporary directory");
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).expect("a port");
        let place = Self { namespace: None, directory, udp: udp.port(), metrics: free_tcp(), store: free_tcp() };
        let text = format!(
            "state_dir = \"{0}/state\"\n[capture]\nports = [{1}]\nudp_address = \"127.0.0.1\"\n\
             [clickhouse]\nblock_age_ms = 60000\n\
             [journal]\nsegment_bytes = 1048576\nbudget_bytes = 67108864\n[store]\nlisten = \"{2}\"\n[metrics]\nlisten = \"{3}\"\n\
             [[exporters]]\naddress = \"127.0.0.0/8\"\nname = \"lab\"\n",
            place.directory.display(),
            place.udp,
            place.store,
            place.metrics,
        );
        std::fs::write(place.config(), text).expect("write the configuration");
        place
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.directory.join("collector.toml")
    }

    /// Puts other text in the place of some of the configuration.
    pub(crate) fn change_config(&self, old: &str, new: &str) {
        let text = std::fs::read_to_string(self.config()).expect("the configuration was written before");
        assert!(text.contains(old), "no {old:?} in {text}");
        std::fs::write(self.config(), text.replace(old, new)).expect("write the configuration");
    }

    /// The directory, for whatever else a test needs.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The port for datagrams.
    pub(crate) fn udp_port(&self) -> u16 {
        self.udp
    }

    /// The addresses of the metrics and of the embedded store.
    pub(crate) fn tcp_addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.metrics, self.store)
    }

    /// Asks the store at this place's address, with the password that it has made for itself in this state directory.
    pub(crate) fn sql_by(&self, state: &Path, query: &str) -> Option<String> {
        let password = collector::store::credential::kept(state).unwrap_or_default();
        self.http(self.store, &format!("POST / HTTP/1.1\r\nX-ClickHouse-Key: {password}\r\n"), query)
    }

    /// The command with this place's configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_by(&[], arguments)
    }

    /// The same, run by other commands, which replace themselves with it: its process is theirs.
    pub(crate) fn command_by(&self, by: &[&str], arguments: &[&str]) -> Command {
        let inside = self.namespace.map(|namespace| ["ip", "netns", "exec", namespace.name()]);
        let mut words = inside.into_iter().flatten().chain(by.iter().copied());
        let binary = env!("CARGO_BIN_EXE_collector");
        let mut command = Command::new(words.next().unwrap_or(binary));
        command.args(words);
        if command.get_program() != binary {
            command.arg(binary);
        }
        // Whatever a crash leaves behind goes with the directory.
        command.current_dir(&self.directory);
        command.arg("--config").arg(self.config());
        match arguments {
            // Another command than `run`.
            ["check" | "exporters", ..] => command.args(arguments),
            _ => command.arg("run").args(arguments),
        };
        command
    }

    /// Processes that were told of this place.
    fn processes(&self) -> Vec<u32> {
        let place = self.directory.as_os_str().as_encoded_bytes();
        let processes = std::fs::read_dir("/proc").expect("processes").flatten();
        let processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_of_place = |process: &u32| {
            let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            command.windows(place.len()).any(|part| part == place)
        };
        processes.filter(is_of_place).collect()
    }

    /// The body of an answer over HTTP, or nothing when nobody answers.
    fn http(&self, address: SocketAddr, request: &str, body: &str) -> Option<String> {
        match self.namespace {
            Some(namespace) => namespace.enter(|| http(address, request, body)),
            None => http(address, request, body),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // A store ends with the collector that started it, however that ended.
        let started = Instant::now();
        let mut left = self.processes();
        while !left.is_empty() && started.elapsed() < PATIENCE && !std::thread::panicking() {
            std::thread::sleep(Duration::from_millis(20));
            left = self.processes();
        }
        for process in &left {
            // It may just have ended.
            let _ = kill(pid(*process), Signal::SIGKILL);
        }
        let _ = std::fs::remove_dir_all(&self.directory);
        assert!(left.is_empty() || std::thread::panicking(), "they outlive the collector: {left:?}");
    }
}

/// Whether the engine's library is where the binary looks for it.
pub(crate) fn engine_present() -> bool {
    if let Some(path) = std::env::var_os("COLLECTOR_LIBCHDB") {
        return Path::new(&path).exists();
    }
    let executable = Path::new(env!("CARGO_BIN_EXE_collector"));
    let near = executable.ancestors().map(|folder| folder.join(".cache/libchdb/libchdb.so"));
    near.chain([PathBuf::from("/usr/lib/collector/libchdb.so")]).any(|path| path.exists())
}

/// The collector as a process; killed when dropped.
pub(crate) struct Collector<'a> {
    place: &'a Place<'a>,
    child: Child,
    sender: UdpSocket,
}

impl<'a> Collector<'a> {
    /// Starts it and waits until it collects.
    pub(crate) fn start(place: &'a Place<'a>, arguments: &[&str]) -> Self {
        Self::start_by(place, &[], arguments)
    }

    /// The same, run by other commands as [`Place::command_by`] says.
    pub(crate) fn start_by(place: &'a Place<'a>, by: &[&str], arguments: &[&str]) -> Self {
        let output = |name| std::fs::File::create(place.directory.join(name)).expect("an output file");
        let child = place
            .command_by(by, arguments)
            .stdin(Stdio::null())
            .stdout(output("stdout"))
            .stderr(output("stderr"))
            .spawn()
            .expect("start the collector");
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let mut collector = Self { place, child, sender };
        let started = Instant::now();
        while place.http(place.metrics, "GET /metrics HTTP/1.1\r\n", "").is_none() {
            assert!(started.elapsed() < PATIENCE && collector.is_running(), "not started: {}", collector.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        collector
    }

    /// Sends a datagram to it.
    pub(crate) fn send(&self, payload: &[u8]) {
        self.sender.send_to(payload, (Ipv4Addr::LOCALHOST, self.place.udp)).expect("send over loopback");
    }

    /// The text of `/metrics`.
    pub(crate) fn metrics(&self) -> String {
        self.place.http(self.place.metrics, "GET /metrics HTTP/1.1\r\n", "").expect("metrics")
    }

    /// The sum of all samples whose line starts with or contains `part`.
    pub(crate) fn metric(&self, part: &str) -> u64 {
        let text = self.metrics();
        let samples = text.lines().filter(|line| !line.starts_with('#') && line.contains(part));
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// Waits until the samples of `part` come to `sum`.
    pub(crate) fn wait_for(&self, part: &str, sum: u64) {
        wait_until(&format!("{part} is {sum}"), || self.metric(part) == sum);
    }

    /// Asks the embedded store.
    pub(crate) fn sql(&self, query: &str) -> String {
        // As the collector sees it, which may have another file system there.
        let state = format!("/proc/{}/root{}/state", self.id(), self.place.directory.display());
        self.place.sql_by(Path::new(&state), query).unwrap_or_else(|| panic!("no answer: {}", self.log()))
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.place.directory.join("stderr")).unwrap_or_default()
    }

    /// What it printed.
    pub(crate) fn stdout(&self) -> String {
        std::fs::read_to_string(self.place.directory.join("stdout")).unwrap_or_default()
    }

    /// Whether it runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, which: Signal) {
        signal(self.child.id(), which);
    }

    /// SIGTERM, then its exit status.
    pub(crate) fn terminate(&mut self) -> i32 {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// Waits for its end; its exit status, or the negative number of the signal that ended it.
    pub(crate) fn wait(&mut self) -> i32 {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return status.code().unwrap_or_else(|| -status.signal().unwrap_or_default());
            }
            assert!(started.elapsed() < PATIENCE, "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The process id of the embedded store.
    pub(crate) fn child_process(&self) -> u32 {
        let path = format!("/proc/{0}/task/{0}/children", self.child.id());
        let main_thread = std::fs::read_to_string(path).expect("children");
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("tasks");
        let others = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        let all: Vec<String> = std::iter::once(main_thread).chain(others).collect();
        let first = all.iter().flat_map(|text| text.split_whitespace()).next();
        first.expect("the embedded store runs").parse().expect("a process id")
    }
}

impl Drop for Collector<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process that a test started.
pub(crate) fn signal(process: u32, which: Signal) {
    kill(pid(process), which).expect("signal");
}

fn pid(process: u32) -> Pid {
    Pid::from_raw(i32::try_from(process).expect("a process id"))
}

/// Whether a process exists and is no zombie.
pub(crate) fn is_alive(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    status.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// Waits until `condition` holds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn free_tcp() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a port")
}

/// The body of the answer, or nothing when nobody answers.
fn http(address: SocketAddr, request: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let length = body.len();
    write!(stream, "{request}Host: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, text) = answer.split_once("\r\n\r\n")?;
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") { dechunk(text) } else { Some(text.to_owned()) }
}

fn dechunk(mut text: &str) -> Option<String> {
    let mut whole = String::new();
    loop {
        let (size, rest) = text.split_once("\r\n")?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.push_str(rest.get(..size)?);
        text = rest.get(size + 2..)?;
    }
}
