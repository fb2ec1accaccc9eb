//! A proxy between a collector and its store that keeps every insert as it came: address, headers and body.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result};

use crate::rig::{Connection, Message, Namespace, Store};

/// An insert as the collector sent it.
#[derive(Debug, Clone)]
pub(super) struct Insert {
    pub(super) table: String,
    pub(super) request: Message,
}

/// The proxy. It ends with the process: a thread of it that waits holds nothing but a socket.
#[derive(Debug)]
pub(super) struct Recorder {
    kept: Arc<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    inserts: Mutex<Vec<Insert>>,
    /// Inserts under way, and most that ever were at once.
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Recorder {
    /// Where it listens.
    pub(super) const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8124);

    /// Listens in the namespace and hands everything on to the store there.
    ///
    /// # Errors
    ///
    /// When it cannot listen.
    pub(super) fn start(namespace: &Namespace) -> Result<Self> {
        let kept = Arc::new(Kept::default());
        let shared = Arc::clone(&kept);
        // Threads are in the namespace of the one that starts them.
        namespace.enter(move || -> Result<()> {
            let listener = TcpListener::bind(Self::ADDRESS).context("cannot listen for inserts")?;
            thread::Builder::new().name("recorder".to_owned()).spawn(move || accept(&listener, &shared))?;
            Ok(())
        })??;
        Ok(Self { kept })
    }

    /// What was inserted so far, and how many inserts were under way at once.
    pub(super) fn take(&self) -> (Vec<Insert>, usize) {
        let inserts = std::mem::take(&mut *self.kept.inserts.lock().unwrap_or_else(PoisonError::into_inner));
        (inserts, self.kept.most.load(Ordering::Relaxed))
    }
}

fn accept(listener: &TcpListener, kept: &Arc<Kept>) {
    for stream in listener.incoming().flatten() {
        let kept = Arc::clone(kept);
        // A connection that breaks is the collector's to repeat, as with any server.
        let serving = thread::Builder::new().name("recorder".to_owned()).spawn(move || serve(stream, &kept));
        drop(serving);
    }
}

/// Hands on request after request of one connection, and the answers back.
fn serve(stream: TcpStream, kept: &Kept) -> Result<()> {
    let mut collector = Connection::taken(stream, Recorder::ADDRESS)?;
    let mut store = Connection::open(Store::ADDRESS)?;
    while let Some(request) = collector.next()? {
        let Some(table) = table_of(&request.start) else {
            collector.send(&store.ask(&request)?)?;
            continue;
        };
        let under_way = kept.now.fetch_add(1, Ordering::Relaxed) + 1;
        kept.most.fetch_max(under_way, Ordering::Relaxed);
        let answer = store.ask(&request);
        kept.now.fetch_sub(1, Ordering::Relaxed);
        let answer = answer?;
        collector.send(&answer)?;
        if answer.success().is_ok() {
            kept.inserts.lock().unwrap_or_else(PoisonError::into_inner).push(Insert { table, request });
        }
    }
    Ok(())
}

/// The table that a request line inserts rows in a binary format into; none if it does something else. The collector's tables of names are
/// filled with values in the query, and belong to no block.
fn table_of(start: &str) -> Option<String> {
    let query = start.split_once("query=")?.1.split(['&', ' ']).next()?;
    let query = decoded(query);
    let name = query.strip_prefix("INSERT INTO ")?.split([' ', '(']).next()?;
    let name = name.rsplit('.').next()?.trim_matches('`').trim_matches('"');
    query.contains("FORMAT Native").then(|| name.to_owned())
}

/// Text as it was before it became part of an address.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(match first {
            b'+' => b' ',
            other => escaped.unwrap_or(*other),
        });
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inserts_are_told_from_the_rest() {
        let check = |start: &str, expected: Option<&str>| assert_eq!(table_of(start).as_deref(), expected, "{start}");
        check("POST /?query=INSERT+INTO+%60collector%60.%60flows%60+%28a%29+FORMAT+Native&b=1 HTTP/1.1", Some("flows"));
        check("POST /?a=1&query=INSERT%20INTO%20flows(a)%20FORMAT%20Native HTTP/1.1", Some("flows"));
        check("POST /?query=INSERT%20INTO%20as_names%20VALUES%20(1) HTTP/1.1", None);
        check("POST /?query=SELECT%201 HTTP/1.1", None);
        check("GET / HTTP/1.1", None);
        assert_eq!(decoded("a%2Bb+c%zz%4"), "a+b c%zz%4");
    }
}
