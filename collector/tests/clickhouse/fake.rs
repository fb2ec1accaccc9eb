//! A server that speaks just enough HTTP to fail on command, and remembers what it was asked.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use std::collections::HashMap;
use tokio::sync::oneshot;

/// What the server does with one request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// 200 with this text.
    Fine(&'static str),
    /// This status and text.
    Fail(u16, &'static str),
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
            requests: 0,
        }));
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = oneshot::channel();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
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
}

impl Fake {
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
) -> (StatusCode, &'static str) {
    let answer = {
        let mut shared = shared.lock().unwrap();
        shared.requests += 1;
        if parameters.contains_key("query") {
            shared.inserts.push(Insert { parameters, body });
        }
        shared.script.pop_front().or(shared.otherwise)
    };
    match answer {
        Some(Answer::Fine(text)) => (StatusCode::OK, text),
        Some(Answer::Fail(status, text)) => (StatusCode::from_u16(status).unwrap(), text),
        Some(Answer::Silence) | None => std::future::pending().await,
    }
}
