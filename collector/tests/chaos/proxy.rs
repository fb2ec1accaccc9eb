//! A proxy between the collector and ClickHouse that does what networks and servers do: delays, refusals, errors, and answers
//! that break off after the insert was done.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::netns::Namespace;

/// How long a silent connection is kept.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// What is done with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fault {
    /// Nothing: bytes go both ways.
    None,
    /// The answer waits.
    Delay,
    /// The connection is closed at once.
    Refuse,
    /// The request is read and answered with 500, and ClickHouse never sees it.
    Error500,
    /// ClickHouse does as asked, and the answer is not passed on.
    LoseAnswer,
    /// ClickHouse does as asked, and half of the answer is passed on.
    HalfAnswer,
    /// Half of the request is passed on.
    HalfRequest,
}

impl Fault {
    pub(crate) const ALL: [Self; 7] =
        [Self::None, Self::Delay, Self::Refuse, Self::Error500, Self::LoseAnswer, Self::HalfAnswer, Self::HalfRequest];
}

/// The proxy; ended when dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    to: SocketAddr,
    fault: AtomicU8,
    stop: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
    hits: [AtomicU64; Fault::ALL.len()],
}

impl Proxy {
    /// A proxy inside a namespace, on its loopback.
    pub(crate) fn start(namespace: &Namespace, to: SocketAddr) -> Self {
        namespace.enter(|| {
            let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a fresh namespace has ports");
            listener.set_nonblocking(true).expect("a socket");
            let address = listener.local_addr().expect("an address");
            let shared = Arc::new(Shared {
                to,
                fault: AtomicU8::new(0),
                stop: AtomicBool::new(false),
                connections: Mutex::default(),
                hits: Default::default(),
            });
            let shared_too = Arc::clone(&shared);
            // Threads are of the namespace of the thread that starts them.
            let thread = std::thread::spawn(move || accept(&listener, &shared_too));
            Self { address, shared, thread: Some(thread) }
        })
    }

    /// What happens to connections from now on; those that are open are cut.
    pub(crate) fn set(&self, fault: Fault) {
        self.shared.fault.store(fault as u8, Ordering::Relaxed);
        self.shared.cut();
    }

    /// How many connections met each fault.
    pub(crate) fn hits(&self) -> [u64; Fault::ALL.len()] {
        std::array::from_fn(|fault| self.shared.hits[fault].load(Ordering::Relaxed))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.cut();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn cut(&self) {
        for connection in self.connections.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn fault(&self) -> Fault {
        Fault::ALL[usize::from(self.fault.load(Ordering::Relaxed))]
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut served = Vec::new();
    while !shared.stop.load(Ordering::Relaxed) {
        let Ok((client, _)) = listener.accept() else {
            std::thread::sleep(POLL);
            continue;
        };
        client.set_nonblocking(false).expect("a socket");
        if let Ok(copy) = client.try_clone() {
            shared.connections.lock().unwrap_or_else(PoisonError::into_inner).push(copy);
        }
        let shared = Arc::clone(shared);
        served.push(std::thread::spawn(move || {
            // Whatever breaks is what breaks here on purpose.
            let _ = serve(client, &shared);
        }));
        served.retain(|thread| !thread.is_finished());
    }
    for thread in served {
        let _ = thread.join();
    }
}

/// Serves one connection, request by request.
fn serve(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    loop {
        let Some(request) = message(&mut client)? else { return Ok(()) };
        let fault = shared.fault();
        shared.hits[fault as usize].fetch_add(1, Ordering::Relaxed);
        match fault {
            Fault::Refuse => return Ok(()),
            Fault::Error500 => {
                client.write_all(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\nsorry")?;
                continue;
            }
            Fault::None | Fault::Delay | Fault::LoseAnswer | Fault::HalfAnswer | Fault::HalfRequest => {}
        }
        let mut server = TcpStream::connect(shared.to)?;
        server.set_read_timeout(Some(PATIENCE))?;
        if fault == Fault::HalfRequest {
            server.write_all(&request[..request.len() / 2])?;
            return Ok(());
        }
        server.write_all(&request)?;
        let Some(answer) = message(&mut server)? else { return Ok(()) };
        match fault {
            Fault::LoseAnswer => return Ok(()),
            Fault::HalfAnswer => return client.write_all(&answer[..answer.len() / 2]),
            Fault::Delay => std::thread::sleep(Duration::from_millis(300)),
            Fault::None | Fault::Refuse | Fault::Error500 | Fault::HalfRequest => {}
        }
        client.write_all(&answer)?;
    }
}

/// One HTTP message, head and body; nothing at the end of the connection.
fn message(from: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let mut room = vec![0; 65_536];
    loop {
        if is_whole(&bytes) {
            return Ok(Some(bytes));
        }
        match from.read(&mut room)? {
            0 => return Ok(None),
            count => bytes.extend_from_slice(&room[..count]),
        }
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let body = &bytes[end + 4..];
    if head.contains("transfer-encoding: chunked") {
        return has_last_chunk(body);
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// Walks the chunks: the last one has no bytes.
fn has_last_chunk(mut body: &[u8]) -> bool {
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&body[..end]).ok().and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
        let Some(size) = size else { return false };
        let behind = end + 2 + size + 2;
        if size == 0 || body.len() < behind {
            return size == 0 && body.len() >= behind;
        }
        body = &body[behind..];
    }
    false
}
