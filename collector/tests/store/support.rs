//! A store on a free port with a directory of its own, both gone after the test; and an HTTP client that hides nothing.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use collector::store::{Child, Error, Settings, locate};

/// A running store.
pub(crate) struct Store {
    pub(crate) child: Option<Child>,
    pub(crate) settings: Settings,
    _directory: Directory,
}

/// A directory that goes with its owner.
pub(crate) struct Directory(PathBuf);

impl Deref for Directory {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its end.
    pub(crate) complete: bool,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Whether the engine is there.
pub(crate) fn engine_is_missing() -> bool {
    let Err(error) = locate::library(None) else { return false };
    assert!(std::env::var_os("COLLECTOR_REQUIRE_PRIVILEGED").is_none(), "{error}");
    eprintln!("SKIPPED: {error}");
    true
}

/// Settings for a store with an empty directory on a port that the system chooses.
pub(crate) fn settings(directory: &Path) -> Settings {
    Settings {
        data_dir: directory.join("data"),
        listen: "127.0.0.1:0".parse().expect("an address"),
        library: None,
        database: "collector".to_owned(),
        user: None,
        password: None,
        connections: 4,
        memory_bytes: Some(4 << 30),
        until_stdin_closes: true,
    }
}

/// Starts the collector's `store` command.
pub(crate) fn start(settings: &Settings) -> Result<Child, Error> {
    Child::start_program(program(), settings, &AtomicBool::new(false))
}

pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_collector"))
}

pub(crate) fn directory() -> Directory {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("collector-store-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    Directory(directory)
}

impl Store {
    /// Starts a store; `None` when the engine is missing and may be.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(|_| {})
    }

    pub(crate) fn start_with(change: impl FnOnce(&mut Settings)) -> Option<Self> {
        if engine_is_missing() {
            return None;
        }
        let directory = directory();
        let mut settings = settings(&directory);
        change(&mut settings);
        let child = start(&settings).expect("a store that starts");
        Some(Self { child: Some(child), settings, _directory: directory })
    }

    pub(crate) fn url(&self) -> String {
        self.child.as_ref().expect("a running store").url()
    }

    fn address(&self) -> SocketAddr {
        self.url().trim_start_matches("http://").parse().expect("an address")
    }

    /// Sends a request; `target` is path and query string.
    pub(crate) fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        send(self.address(), method, target, headers, body)
    }

    /// POSTs `sql`.
    pub(crate) fn post(&self, sql: &str) -> Answer {
        self.request("POST", "/", &[], sql.as_bytes())
    }

    /// POSTs `sql` and returns what it gives, which must be without an error.
    pub(crate) fn ok(&self, sql: &str) -> String {
        let answer = self.post(sql);
        assert_eq!(answer.status, 200, "{sql}: {}", answer.text());
        assert!(answer.complete, "{sql}");
        answer.text()
    }

    /// INSERTs `data`.
    pub(crate) fn insert(&self, sql: &str, settings: &str, data: &[u8]) -> Answer {
        self.request("POST", &format!("/?query={}{settings}", encoded(sql)), &[], data)
    }

    /// Sends the head of an INSERT and a part of its body, then breaks the connection off.
    pub(crate) fn insert_and_break_off(&self, sql: &str, part: &[u8]) {
        let mut stream = TcpStream::connect(self.address()).expect("a connection");
        let target = encoded(sql);
        let head =
            format!("POST /?query={target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", part.len() * 2);
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(part).expect("sent");
    }
}

/// Sends a request to whoever listens at `address`.
pub(crate) fn send(address: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(body).expect("sent");
    read_answer(&mut stream)
}

impl Drop for Store {
    fn drop(&mut self) {
        // Before its directory.
        drop(self.child.take());
    }
}

/// The store that tests share which do not disturb each other; it ends with the last of those that run.
pub(crate) fn shared() -> Option<Arc<Store>> {
    static STORE: Mutex<Weak<Store>> = Mutex::new(Weak::new());
    let mut store = STORE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = store.upgrade() {
        return Some(running);
    }
    let started = Arc::new(Store::start()?);
    *store = Arc::downgrade(&started);
    Some(started)
}

/// Percent-encodes what is not a letter or a digit.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    let head_end = all.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8_lossy(&all[..head_end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let rest = &all[head_end..];
    let chunked = headers.get("transfer-encoding").is_some_and(|encoding| encoding == "chunked");
    let (body, complete) = if chunked { unchunked(rest) } else { (rest.to_vec(), true) };
    Answer { status: status.expect("a status"), headers, body, complete }
}

fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(line_end) = rest.windows(2).position(|window| window == b"\r\n") {
        let digits = String::from_utf8_lossy(&rest[..line_end]).into_owned();
        let Ok(length) = usize::from_str_radix(digits.trim(), 16) else { break };
        let data = &rest[line_end + 2..];
        if length == 0 {
            return (body, true);
        }
        body.extend_from_slice(&data[..length.min(data.len())]);
        if data.len() < length + 2 {
            break;
        }
        rest = &data[length + 2..];
    }
    (body, false)
}
