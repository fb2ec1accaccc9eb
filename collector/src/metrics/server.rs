//! Answers `/metrics` and `/exporters` over HTTP, and `/healthz` with what is known of the collector's health.
//!
//! Knows no part of the collector: it is handed functions that write the texts.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use tokio::sync::oneshot;

/// Writes a text about the present.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// The texts that are served.
#[derive(Clone)]
pub struct Pages {
    /// `/metrics`.
    pub metrics: Render,
    /// `/exporters`: JSON.
    pub exporters: Render,
}

/// The HTTP server, on a thread of its own. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers on `listener` from now on.
    ///
    /// # Errors
    /// When the listener cannot be used or the thread cannot be started.
    pub fn start(listener: TcpListener, pages: Pages) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("metrics".into()).spawn(move || {
            let served = runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                tokio::select! {
                    served = axum::serve(listener, routes(pages)) => served,
                    _ = stopped => Ok(()),
                }
            });
            if let Err(error) = served {
                tracing::error!(%error, "the metrics server stopped: /metrics will not answer until a restart");
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn routes(pages: Pages) -> Router {
    let Pages { metrics, exporters } = pages;
    let metrics = move || {
        let text = metrics();
        async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text) }
    };
    let exporters = move || {
        let text = exporters();
        async move { ([(header::CONTENT_TYPE, "application/json")], text) }
    };
    Router::new()
        .route("/metrics", get(metrics))
        .route("/exporters", get(exporters))
        .route("/healthz", get(|| async { (StatusCode::OK, "ok\n") }))
        .route("/", get(|| async { "The collector's metrics are at /metrics, its exporters at /exporters\n" }))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::SocketAddr;

    use super::*;

    fn get_text(address: SocketAddr, path: &str) -> String {
        let mut stream = std::net::TcpStream::connect(address).expect("connect");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("write");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("read");
        text
    }

    #[test]
    fn answers_metrics_and_frees_the_port_when_dropped() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let pages = Pages { metrics: Arc::new(|| "a_total 1\n".to_owned()), exporters: Arc::new(|| "{}".to_owned()) };
        let server = Server::start(listener, pages).expect("start");
        let answer = get_text(address, "/metrics");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("text/plain; version=0.0.4") && answer.ends_with("a_total 1\n"), "{answer}");
        let answer = get_text(address, "/exporters");
        assert!(answer.contains("application/json") && answer.ends_with("\r\n{}"), "{answer}");
        assert!(get_text(address, "/nowhere").starts_with("HTTP/1.1 404"));
        drop(server);
        TcpListener::bind(address).expect("the port is free again");
    }
}
