//! HTTP to a program in a namespace: one request a connection, whole answers, no TLS. Nothing of a hostile server is feared here: the
//! programs are the measurement's own.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::Namespace;

/// Longer than any answer takes; nothing waits for it unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// Posts `body` (or gets, if it is empty) and returns the body of the answer.
///
/// # Errors
///
/// When nobody answers, or the status is not 200.
pub(crate) fn http(namespace: &Namespace, address: SocketAddr, target: &str, body: &[u8]) -> Result<Vec<u8>> {
    namespace.enter(|| exchange(address, target, body))?
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

/// One request and its answer, from wherever the calling thread is.
///
/// # Errors
///
/// As [`http`].
pub(super) fn exchange(address: SocketAddr, target: &str, body: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("nobody answers at {address}"))?;
    stream.set_read_timeout(Some(PATIENCE)).context("cannot set a time-out")?;
    stream.set_nodelay(true).context("cannot send at once")?;
    let method = if body.is_empty() { "GET" } else { "POST" };
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).with_context(|| format!("{address} did not answer"))?;
    // A refusal may come while the body is still on its way, and says more than the broken pipe.
    let (status, content) = parse_answer(&answer).with_context(|| format!("{address} answered half"))?;
    ensure!(status == 200, "{address}{target}: {status}: {}", String::from_utf8_lossy(&content).trim());
    sent.with_context(|| format!("cannot send {} bytes to {address}", body.len()))?;
    Ok(content)
}

/// Status and body of an answer that ended with its connection.
fn parse_answer(answer: &[u8]) -> Result<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("no head")?;
    let head = std::str::from_utf8(answer.get(..end).unwrap_or_default()).context("the head is no text")?;
    let body = answer.get(end + 4..).unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no status")?;
    let header = |wanted: &str| {
        let pairs = head.lines().filter_map(|line| line.split_once(':'));
        pairs.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim()).next()
    };
    if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return Ok((status, join_chunks(body)?));
    }
    let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length != body.len()) {
        bail!("{} of {length:?} bytes", body.len());
    }
    Ok((status, body.to_vec()))
}

/// The content of a chunked body (RFC 9112 section 7.1).
fn join_chunks(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut content = Vec::with_capacity(rest.len());
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").context("a chunk without length")?;
        let (line, after) = rest.split_at(end);
        let digits = std::str::from_utf8(line).context("a length is no text")?;
        let digits = digits.split(';').next().unwrap_or_default().trim();
        let length = usize::from_str_radix(digits, 16).with_context(|| format!("{digits:?} is no length"))?;
        let after = after.get(2..).unwrap_or_default();
        if length == 0 {
            return Ok(content);
        }
        content.extend_from_slice(after.get(..length).context("a chunk ends early")?);
        rest = after.get(length + 2..).context("the last chunk is missing")?;
    }
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
    fn answers_are_read_in_both_ways() {
        let check = |answer: &str, expected: Option<(u16, &str)>| {
            let found = parse_answer(answer.as_bytes()).ok();
            let found = found.as_ref().map(|(status, body)| (*status, std::str::from_utf8(body).expect("text")));
            assert_eq!(found, expected, "{answer:?}");
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes", Some((200, "yes")));
        check("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nyes", None);
        check("HTTP/1.1 500 No\r\n\r\nuntil the end", Some((500, "until the end")));
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        check(&format!("{chunked}3\r\nyes\r\nB;x=1\r\n, and more.\r\n0\r\n\r\n"), Some((200, "yes, and more.")));
        check(&format!("{chunked}3\r\nyes\r\n"), None);
        check("HTTP/1.1 200 OK\r\n", None);
    }

    #[test]
    fn metrics_keep_their_labels() {
        let page = "# HELP a b\n# TYPE a counter\na_total{path=\"x y\"} 12\nb 1.5\nnonsense\n";
        let expected = BTreeMap::from([("a_total{path=\"x y\"}".to_owned(), 12.0), ("b".to_owned(), 1.5)]);
        assert_eq!(parse_metrics(page), expected);
    }
}
