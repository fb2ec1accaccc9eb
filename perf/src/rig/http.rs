//! HTTP to and from programs in a namespace, no TLS. Nothing of a hostile peer is feared here: the programs are the measurement's
//! own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::Namespace;

/// Longer than any answer takes; nothing waits for it unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);
/// Headers that tell of one connection, not of the message.
const OF_CONNECTION: [&str; 5] = ["connection", "content-length", "host", "keep-alive", "transfer-encoding"];

/// A request or an answer, its body whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The request line or the status line.
    pub(crate) start: String,
    /// Names in lower case, without those that tell of the connection.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A connection, used for one request after the other.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

/// Posts `body` (or gets, if it is empty) and returns the body of the answer.
///
/// # Errors
///
/// When nobody answers, or the status is not 200.
pub(crate) fn http(namespace: &Namespace, address: SocketAddr, target: &str, body: &[u8]) -> Result<Vec<u8>> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let request = Message { start: format!("{method} {target} HTTP/1.1"), headers: Vec::new(), body: body.to_vec() };
    namespace.enter(|| Connection::open(address)?.ask(&request)?.success())?
}

/// Counters of a Prometheus page `/metrics`: each line's name with its labels as written, such as
/// `collector_datagrams_total{path="xdp"}`.
///
/// # Errors
///
/// When the page cannot be had.
pub(crate) fn metrics(namespace: &Namespace, address: SocketAddr) -> Result<BTreeMap<String, f64>> {
    let page = http(namespace, address, "/metrics", b"")?;
    Ok(parse_metrics(&String::from_utf8_lossy(&page)))
}

impl Connection {
    /// Connects, from wherever the calling thread is.
    ///
    /// # Errors
    ///
    /// When nobody listens there.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("nobody answers at {address}"))?;
        Self::taken(stream, address)
    }

    /// The server's end of one.
    ///
    /// # Errors
    ///
    /// When the socket is not as it should be.
    pub(crate) fn taken(stream: TcpStream, address: SocketAddr) -> Result<Self> {
        stream.set_read_timeout(Some(PATIENCE)).context("cannot set a time-out")?;
        stream.set_nodelay(true).context("cannot send at once")?;
        Ok(Self { stream: BufReader::new(stream), address })
    }

    /// Sends a request and waits for the answer, whatever its status.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub(crate) fn ask(&mut self, request: &Message) -> Result<Message> {
        let sent = self.send(request);
        // A refusal may come while the body is still on its way, and says more than the broken pipe.
        let answer = self.next().and_then(|answer| answer.context("it was closed"));
        let answer = answer.with_context(|| format!("{} did not answer {:.100}", self.address, request.start))?;
        if answer.success_status() {
            sent.with_context(|| format!("cannot send {} bytes to {}", request.body.len(), self.address))?;
        }
        Ok(answer)
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub(crate) fn send(&mut self, message: &Message) -> Result<()> {
        let mut head = format!("{}\r\nHost: {}\r\n", message.start, self.address);
        for (name, value) in &message.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", message.body.len()));
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        Ok(stream.write_all(&message.body)?)
    }

    /// The next message, or none once the other side has closed.
    ///
    /// # Errors
    ///
    /// When the connection breaks in the middle of one.
    pub(crate) fn next(&mut self) -> Result<Option<Message>> {
        read_message(&mut self.stream)
    }
}

impl Message {
    /// The body, if the status is 200.
    ///
    /// # Errors
    ///
    /// When it is another, with what the body says.
    pub(crate) fn success(self) -> Result<Vec<u8>> {
        ensure!(self.success_status(), "{}: {}", self.start, String::from_utf8_lossy(&self.body).trim());
        Ok(self.body)
    }

    fn success_status(&self) -> bool {
        self.start.split(' ').nth(1) == Some("200")
    }
}

/// Reads one message: its body has a length, comes in chunks (RFC 9112 section 7.1), or goes on until the end if it is an answer.
fn read_message(stream: &mut impl BufRead) -> Result<Option<Message>> {
    let start = line(stream)?;
    if start.is_empty() {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let line = line(stream)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').with_context(|| format!("{line:?} is no header"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let header = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let mut body = Vec::new();
    if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        read_chunks(stream, &mut body)?;
    } else if let Some(length) = header("content-length") {
        let length: u64 = length.parse().with_context(|| format!("{length:?} is no length"))?;
        stream.take(length).read_to_end(&mut body)?;
        ensure!(body.len() as u64 == length, "{} of {length} bytes came", body.len());
    } else if start.starts_with("HTTP/") {
        stream.read_to_end(&mut body)?;
    }
    headers.retain(|(name, _)| !OF_CONNECTION.contains(&name.as_str()));
    Ok(Some(Message { start, headers, body }))
}

fn read_chunks(stream: &mut impl BufRead, body: &mut Vec<u8>) -> Result<()> {
    loop {
        let line_of_length = line(stream)?;
        let digits = line_of_length.split(';').next().unwrap_or_default().trim();
        let length = u64::from_str_radix(digits, 16).with_context(|| format!("{digits:?} is no length"))?;
        let before = body.len() as u64;
        stream.take(length).read_to_end(body)?;
        ensure!(body.len() as u64 - before == length, "a chunk ends early");
        ensure!(line(stream)?.is_empty(), "a chunk is longer than it says");
        if length == 0 {
            return Ok(());
        }
    }
}

/// A line without its end; an empty one at the end of the stream.
fn line(stream: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    if !line.is_empty() && !line.ends_with('\n') {
        bail!("{line:?} ends early");
    }
    Ok(line.trim_end().to_owned())
}

/// Names with their labels, and values.
fn parse_metrics(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let pair = |line: &str| {
        let (name, value) = line.trim().rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    lines.filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_in_every_way() {
        let check = |bytes: &str, expected: Option<(&str, &str)>| {
            let found = read_message(&mut bytes.as_bytes()).ok().flatten();
            let found = found
                .as_ref()
                .map(|message| (message.start.as_str(), std::str::from_utf8(&message.body).expect("text")));
            assert_eq!(found, expected, "{bytes:?}");
        };
        let ok = "HTTP/1.1 200 OK";
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes, and the next", Some((ok, "yes")));
        check("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nyes", None);
        check("HTTP/1.1 500 No\r\n\r\nuntil the end", Some(("HTTP/1.1 500 No", "until the end")));
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\nthe next", Some(("GET / HTTP/1.1", "")));
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        check(&format!("{chunked}3\r\nyes\r\nB;x=1\r\n, and more.\r\n0\r\n\r\n"), Some((ok, "yes, and more.")));
        check(&format!("{chunked}3\r\nyes\r\n"), None);
        check(&format!("{chunked}2\r\nyes\r\n0\r\n\r\n"), None);
        check("HTTP/1.1 200 O", None);
        check("", None);
    }

    #[test]
    fn only_headers_of_the_message_are_kept() {
        let bytes =
            "POST /?query=a HTTP/1.1\r\nHost: a\r\nX-Kept: 1\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab";
        let message = read_message(&mut bytes.as_bytes()).expect("it is whole").expect("there is one");
        assert_eq!(message.headers, [("x-kept".to_owned(), "1".to_owned())]);
        assert_eq!(message.body, b"ab");
    }

    #[test]
    fn metrics_keep_their_labels() {
        let page = "# HELP a b\n# TYPE a counter\na_total{path=\"x y\"} 12\nb 1.5\nnonsense\n";
        let expected = BTreeMap::from([("a_total{path=\"x y\"}".to_owned(), 12.0), ("b".to_owned(), 1.5)]);
        assert_eq!(parse_metrics(page), expected);
    }
}
