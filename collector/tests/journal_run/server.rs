//! The ClickHouse that rows go to: the engine as a process of its own, which can be killed and comes back with what it acknowledged.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use collector::store::{Child, Settings};
use nix::sys::signal::Signal::SIGKILL;

use crate::process;

/// A server at an address that stays.
pub(crate) struct Server {
    data: PathBuf,
    address: SocketAddr,
    child: Option<Child>,
}

impl Server {
    /// A server with its data in `data`, not running yet.
    pub(crate) fn new(data: PathBuf) -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        Self { data, address: free.expect("a port"), child: None }
    }

    /// The address for `--clickhouse-url`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Starts it.
    pub(crate) fn start(&mut self) {
        let settings = Settings {
            data_dir: self.data.clone(),
            listen: self.address,
            library: None,
            database: "collector".to_owned(),
            user: None,
            password: None,
            connections: 4,
            memory_bytes: None,
            until_stdin_closes: true,
        };
        let program = Path::new(env!("CARGO_BIN_EXE_collector"));
        let child = Child::start_program(program, &settings, &AtomicBool::new(false));
        self.child = Some(child.expect("the engine starts"));
    }

    /// Kills its process; it is started again by itself.
    pub(crate) fn kill(&self) {
        let process = self.child.as_ref().and_then(Child::id);
        process::signal(process.expect("it runs"), SIGKILL);
    }

    /// Ends it.
    pub(crate) fn stop(&mut self) {
        if let Some(child) = self.child.take() {
            child.stop().expect("the engine stops");
        }
    }

    /// The answer to a query.
    pub(crate) fn sql(&self, query: &str) -> String {
        let mut answer = String::new();
        process::wait_until("the store answers", || match self.ask(query) {
            Some(text) => {
                answer = text;
                true
            }
            None => false,
        });
        answer
    }

    fn ask(&self, query: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        let length = query.len();
        write!(stream, "POST / HTTP/1.0\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{query}").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, text) = answer.split_once("\r\n\r\n")?;
        assert!(head.contains(" 200 "), "{query}: {answer}");
        Some(text.to_owned())
    }
}
