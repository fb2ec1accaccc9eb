//! ClickHouse's HTTP interface: routes, who may ask, the body fed to the request's thread, and clients that go away.
//!
//! Not here: what a request says ([`super::request`]), and running it ([`super::query`]).

use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body::Body as _;
use tokio::sync::{mpsc, oneshot};

use super::answer::Answer;
use super::body::Incoming;
use super::engine::Engine;
use super::errors::{ACCESS_DENIED, Exception};
use super::query::{self, Job, Progressing};
use super::request::Head;

/// No credentials were given where some are needed.
pub(super) const REQUIRED_PASSWORD: u16 = 194;
const AUTHENTICATION_FAILED: u16 = 516;
/// Pieces of a body that wait for the request's thread.
const PIECES_AHEAD: usize = 16;
/// Between two attempts to stop the query of a client that has gone.
const KILL_INTERVAL: Duration = Duration::from_millis(200);

/// Who may ask. Web pages may not: a browser would ask in anyone's name, with the password that it was once given.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) user: String,
    /// Empty: none needed.
    pub(super) password: String,
}

struct Shared {
    engine: Arc<Engine>,
    access: Access,
}

/// The service.
pub(super) fn router(engine: Arc<Engine>, access: Access) -> Router {
    let ok = || async { "Ok.\n" };
    Router::new()
        .route("/ping", axum::routing::get(ok))
        .route("/replicas_status", axum::routing::get(ok))
        .route("/", axum::routing::any(answer))
        .fallback(unknown)
        .layer(axum::middleware::map_response(unsniffed))
        .with_state(Arc::new(Shared { engine, access }))
}

/// A browser takes an answer for nothing but what its content type says: text is never run as a script.
async fn unsniffed(mut response: Response) -> Response {
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn unknown(request: Request) -> Response {
    let path = request.uri().path();
    let text = format!(
        "There is no handle {path}\n\nUse / or /ping for health checks.\nSend queries from your program with POST method or GET /?query=...\n"
    );
    (StatusCode::NOT_FOUND, text).into_response()
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let query_string = parts.uri.query().unwrap_or_default();
    let version = &shared.engine.version;
    let head = match Head::read(&parts.method, query_string, &parts.headers) {
        Ok(head) => head,
        Err(exception) => return refusal(&exception, version),
    };
    if let Err(exception) = shared.access.check(&head, &parts.headers) {
        return refusal(&exception, version);
    }
    if head.query.is_empty() && head.read_only {
        return "Ok.\n".into_response();
    }
    let query_id = head.query_id.clone().unwrap_or_else(random_id);
    let mut response = run(&shared, head, body).await;
    let headers = response.headers_mut();
    for (name, value) in [("x-clickhouse-query-id", &query_id), ("x-clickhouse-timezone", &shared.engine.timezone)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}

/// Gives the request a thread, feeds it the body, and returns its answer.
async fn run(shared: &Shared, head: Head, body: Body) -> Response {
    let state = Arc::new(Progressing::new(random_id()));
    let guard = StopWhenDropped { engine: shared.engine.clone(), state: state.clone() };
    let (pieces, incoming) = mpsc::channel(PIECES_AHEAD);
    let (reply, answer) = oneshot::channel();
    let job = Job { engine: shared.engine.clone(), head: head.clone(), body: Incoming::new(incoming), state, reply };
    let thread = tokio::task::spawn_blocking(move || query::run(job));
    let (answer, ()) = tokio::join!(answer, feed(body, pieces));
    match answer {
        Ok(answer) => answer.response(guard),
        Err(_) => {
            let why = thread.await.err().map_or_else(|| "the query was stopped".to_owned(), |error| error.to_string());
            let exception = Exception::new(49, "LOGICAL_ERROR", format!("The request has no answer: {why}"));
            Answer::exception(&head, &exception, &shared.engine.version).response(guard)
        }
    }
}

/// Reads the body to its end even when nobody wants it any more: a client that still sends would not read the answer.
async fn feed(body: Body, pieces: mpsc::Sender<io::Result<bytes::Bytes>>) {
    let mut body = std::pin::pin!(body);
    let mut pieces = Some(pieces);
    while let Some(frame) = poll_fn(|context| Pin::as_mut(&mut body).poll_frame(context)).await {
        let piece = match frame {
            Ok(frame) => match frame.into_data() {
                Ok(data) => Ok(data),
                Err(_trailers) => continue,
            },
            Err(error) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)),
        };
        let broken = piece.is_err();
        if let Some(sender) = &pieces
            && sender.send(piece).await.is_err()
        {
            pieces = None;
        }
        if broken {
            return;
        }
    }
}

impl Access {
    fn check(&self, head: &Head, headers: &HeaderMap) -> Result<(), Exception> {
        if !self.password.is_empty() && head.password.is_empty() {
            let message = format!("{}: Authentication failed: a password is required", head.user);
            return Err(Exception::new(REQUIRED_PASSWORD, "REQUIRED_PASSWORD", message));
        }
        if head.user != self.user || !equal(head.password.as_bytes(), self.password.as_bytes()) {
            let message = format!(
                "{}: Authentication failed: password is incorrect, or there is no user with such name",
                head.user
            );
            return Err(Exception::new(AUTHENTICATION_FAILED, "AUTHENTICATION_FAILED", message));
        }
        if is_of_another_site(headers) {
            return Err(Exception::new(
                ACCESS_DENIED,
                "ACCESS_DENIED",
                "Web pages of other sites may not ask this store",
            ));
        }
        if self.password.is_empty() && (headers.contains_key(header::ORIGIN) || !is_local_host(headers)) {
            let message = "Web pages may ask only a store that has a password";
            return Err(Exception::new(ACCESS_DENIED, "ACCESS_DENIED", message));
        }
        if self.password.is_empty() && head.read_only && !head.query.is_empty() && !is_of_a_program(headers) {
            let message = "A query by GET needs a header that a web page cannot send, for a store without a password: add \
                           -H 'X-ClickHouse-User: default', or POST it";
            return Err(Exception::new(ACCESS_DENIED, "ACCESS_DENIED", message));
        }
        Ok(())
    }
}

/// Whether a browser says that a page of another origin asks: a script, an image, a frame, a form. What a person typed into the
/// address bar is of none; older browsers and programs say nothing. <https://www.w3.org/TR/fetch-metadata/>.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    site.is_some_and(|site| site != b"none" && site != b"same-origin")
}

/// Whether a header is there that no page can add to a script's, an image's or a form's request.
fn is_of_a_program(headers: &HeaderMap) -> bool {
    let added = ["x-clickhouse-user", "x-clickhouse-key", "x-clickhouse-database", "x-clickhouse-format"];
    headers.contains_key(header::AUTHORIZATION) || added.iter().any(|name| headers.contains_key(*name))
}

/// Whether the Host header is an address or `localhost`: a name of somebody's zone that points here is an attack.
fn is_local_host(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return true };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok()
}

/// Compares without telling by its duration where the first difference is.
fn equal(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// An answer to a request that never reached the engine.
fn refusal(exception: &Exception, version: &str) -> Response {
    Answer::exception(&Head::default(), exception, version).response(())
}

/// A UUID, version 4.
fn random_id() -> String {
    let (high, low) = (RandomState::new().hash_one(0), RandomState::new().hash_one(1));
    let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xfff);
    format!("{a:08x}-{b:04x}-4{c:03x}-{:04x}-{:012x}", low >> 48 & 0x3fff | 0x8000, low & 0xffff_ffff_ffff)
}

/// Stops the query when the client goes away before its end.
struct StopWhenDropped {
    engine: Arc<Engine>,
    state: Arc<Progressing>,
}

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        if !self.state.abandon() {
            return;
        }
        let (engine, state) = (self.engine.clone(), self.state.clone());
        // The query may not have started yet, so ask until it is over.
        tokio::spawn(async move {
            while !state.is_done() {
                tokio::time::sleep(KILL_INTERVAL).await;
                if !state.is_done() && state.is_stoppable() {
                    let (engine, state) = (engine.clone(), state.clone());
                    let _ = tokio::task::spawn_blocking(move || engine.kill(&state.tag)).await;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_are_local() {
        let cases = [
            ("127.0.0.1:8123", true),
            ("localhost", true),
            ("LOCALHOST:1", true),
            ("[::1]:8123", true),
            ("store.example:8123", false),
            ("127.0.0.1.example", false),
        ];
        for (host, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().expect("host"));
            assert_eq!(is_local_host(&headers), expected, "{host}");
        }
        assert!(is_local_host(&HeaderMap::new()));
    }
}
