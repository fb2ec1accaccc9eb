//! A server that speaks just enough HTTP to fail on command, and remembers what it was asked.

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::response::Response;
use tokio::sync::oneshot;

/// What the server does with one request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// 200 with this text, as ClickHouse answers.
    Fine(&'static str),
    /// Inserts are acknowledged, probes answered.
    Works,
    /// This status and text.
    Fail(u16, &'static str),
    /// This status, nothing else but ClickHouse's code in a header.
    Coded(u16, &'static str),
    /// This status, and where to go instead.
    Redirect(u16, &'static str),
    /// 200 as ClickHouse answers, and the connection breaks in the middle of the text.
    Half,
    /// Nothing, for ever.
    Silence,
}

/// One request to insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Insert {
    pub(crate) parameters: HashMap<String, String>,
    pub(crate) body: Bytes,
}

#[derive(Debug, Default)]
struct Shared {
    script: VecDeque<Answer>,
    otherwise: Option<Answer>,
    inserts: Vec<Insert>,
    statements: Vec<String>,
    requests: usize,
}

/// Runs on a thread of its own until dropped.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Fake {
    /// Answers by the script, then for ever as `otherwise` says.
    pub(crate) fn start(script: &[Answer], otherwise: Answer) -> Self {
        Self::start_at(free_address(), script, otherwise)
    }

    pub(crate) fn start_at(address: SocketAddr, script: &[Answer], otherwise: Answer) -> Self {
        let shared = Arc::new(Mutex::new(Shared {
            script: script.iter().copied().collect(),
            otherwise: Some(otherwise),
            inserts: Vec::new(),
            statements: Vec::new(),
            requests: 0,
        }));
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = oneshot::channel();
        let router = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(Arc::clone(&shared));
        let thread = std::thread::spawn(move || {
            crate::engine::block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    _ = stopped => {}
                    served = async { axum::serve(listener, router).await } => served.unwrap(),
                }
            });
        });
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn inserts(&self) -> Vec<Insert> {
        self.shared.lock().unwrap().inserts.clone()
    }

    /// Tokens of the inserts, in their order.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let token = |insert: Insert| insert.parameters.get("insert_deduplication_token").cloned();
        self.inserts().into_iter().filter_map(token).collect()
    }
}

impl Fake {
    /// Statements that came as a body, queries too.
    pub(crate) fn statements(&self) -> Vec<String> {
        self.shared.lock().unwrap().statements.clone()
    }

    /// Requests of any kind.
    pub(crate) fn requests(&self) -> usize {
        self.shared.lock().unwrap().requests
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// An address that nothing listens on.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

async fn answer(
    State(shared): State<Arc<Mutex<Shared>>>,
    Query(parameters): Query<HashMap<String, String>>,
    body: Bytes,
) -> Response {
    let answer = {
        let mut shared = shared.lock().unwrap();
        shared.requests += 1;
        if parameters.contains_key("query") {
            shared.inserts.push(Insert { parameters: parameters.clone(), body });
        } else {
            shared.statements.push(String::from_utf8_lossy(&body).into_owned());
        }
        shared.script.pop_front().or(shared.otherwise)
    };
    let is_insert = parameters.contains_key("insert_deduplication_token");
    let (status, header, body) = match answer {
        Some(Answer::Fine(text)) => (200, ("X-ClickHouse-Summary", "{}"), Body::from(text)),
        Some(Answer::Works) => {
            (200, ("X-ClickHouse-Summary", "{}"), Body::from(if is_insert { "" } else { "26.5.1.1\t0\n" }))
        }
        Some(Answer::Fail(status, text)) => (status, ("X-Fake", "fail"), Body::from(text)),
        Some(Answer::Coded(status, code)) => (status, ("X-ClickHouse-Exception-Code", code), Body::empty()),
        Some(Answer::Redirect(status, location)) => (status, ("Location", location), Body::empty()),
        Some(Answer::Half) => (200, ("X-ClickHouse-Summary", "{}"), Body::new(Broken)),
        Some(Answer::Silence) | None => std::future::pending().await,
    };
    Response::builder().status(status).header(header.0, header.1).body(body).unwrap()
}

/// A body that promises more than comes.
struct Broken;

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Err(std::io::ErrorKind::BrokenPipe.into())))
    }
}
