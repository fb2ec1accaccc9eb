//! One insert: the request, its body as it is encoded, and the answer, which counts only if it is surely ClickHouse's.
//!
//! The `clickhouse` crate takes any status 200 for an acknowledgement, be it a proxy's page; an insert that is not stored would be
//! forgotten. Not here: when to insert and what to do after a failure (see [`super::inserter`]).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use hyper::header::LOCATION;
use hyper::{Request, Response, StatusCode};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::mpsc;

use super::client::{Compression, Settings};
use super::error::{Class, Error};
use super::pieces::Pieces;
use super::{frames, request};
use crate::batch::{Part, Table};

/// Bytes of an answer that are read: exceptions are shorter, and what is longer is none.
const ANSWER_BYTES: usize = 64 << 10;
/// What marks an exception that ClickHouse found after it had sent the status.
const EXCEPTION: &[u8] = b"Exception: ";

/// Sends inserts over connections of its own.
#[derive(Clone)]
pub(super) struct Inserts {
    http: HttpClient<HttpsConnector<HttpConnector>, Body>,
    settings: Settings,
}

impl Inserts {
    pub(super) fn new(connector: HttpsConnector<HttpConnector>, idle_timeout: Duration, settings: Settings) -> Self {
        let http = HttpClient::builder(TokioExecutor::new()).pool_idle_timeout(idle_timeout).build(connector);
        Self { http, settings }
    }

    /// Inserts a part under a token; the bytes it was encoded in, before compression. See [`super::Client::insert`].
    pub(super) async fn insert(&self, part: Part<'_>, token: &str, scratch: &mut BytesMut) -> Result<u64, Error> {
        let limit = self.settings.request_timeout;
        let (sender, pieces) = mpsc::channel(1);
        let request = self.request(part.table(), token, Body { pieces, is_complete: false })?;
        let mut answer = std::pin::pin!(self.http.request(request));
        let sent = {
            let mut rows = std::pin::pin!(self.send(part, &sender, scratch));
            tokio::select! {
                biased;
                early = &mut answer => {
                    let refused = acknowledged(early.map_err(|error| Error::of_transport(&error))?).await;
                    let message = "an answer that came before the rows were sent";
                    return Err(refused.err().unwrap_or_else(|| Error::new(Class::NotClickHouse, message)));
                }
                sent = &mut rows => sent,
            }
        };
        let whole = async {
            // A server that will not read on has said why, or has gone.
            let answer = answer.await.map_err(|error| Error::of_transport(&error))?;
            acknowledged(answer).await
        };
        let outcome = match sent {
            Err(NotSent::Stalled) => Err(Error::new(Class::Timeout, "the rows were not taken in time")),
            Ok(_) | Err(NotSent::Refused) => match tokio::time::timeout(limit, whole).await {
                Ok(outcome) => outcome,
                Err(_elapsed) => Err(Error::new(Class::Timeout, "no answer in time")),
            },
        };
        outcome?;
        sent.map_err(|_not_sent| Error::new(Class::NotClickHouse, "an answer that came before the rows were sent"))
    }

    /// Encodes and packs the rows as for an insert, and throws the bytes away; how many they were before compression.
    pub(super) async fn discard(&self, part: Part<'_>, scratch: &mut BytesMut) -> Result<u64, Error> {
        let (sender, mut pieces) = mpsc::channel(1);
        let thrown_away = async { while let Some(Piece::Data(_)) = pieces.recv().await {} };
        let (sent, ()) = tokio::join!(self.send(part, &sender, scratch), thrown_away);
        sent.map_err(|_not_sent| Error::new(Class::Other, "the rows were not thrown away"))
    }

    fn request(&self, table: &Table, token: &str, body: Body) -> Result<Request<Body>, Error> {
        let query = insert_sql(&self.settings.table_of_rows(table.name), table);
        let decompress = match self.settings.compression {
            Compression::Lz4 => "1",
            Compression::None => "0",
        };
        let parameters = [
            ("query", query.as_str()),
            ("decompress", decompress),
            // Acknowledged means stored, and an insert is one part of each partition: neither may depend on the server's profile.
            ("async_insert", "0"),
            ("max_insert_block_size", "1048449"),
            ("insert_deduplicate", "1"),
            ("insert_deduplication_token", token),
            // A column that is left out has the default of its type, whatever default its table was given.
            ("input_format_defaults_for_omitted_fields", "0"),
            // The status is sent once the insert is done, not before.
            ("wait_end_of_query", "1"),
            ("send_progress_in_http_headers", "0"),
            // The sums of a block have each key once already: looking for more to add up would be a third of the insert's cost.
            ("optimize_on_insert", "0"),
            // A batch that is refused for what an exporter wrote into it would be refused for ever.
            ("max_partitions_per_insert_block", "0"),
        ];
        request::post(&self.settings, parameters, body)
    }

    /// Hands over the rows piece by piece, as fast as they are taken.
    async fn send(&self, part: Part<'_>, to: &mpsc::Sender<Piece>, scratch: &mut BytesMut) -> Result<u64, NotSent> {
        let mut encoded_bytes = 0;
        for piece in Pieces::new(part, scratch) {
            encoded_bytes += piece.len() as u64;
            self.hand_over(Piece::Data(self.packed(piece)), to).await?;
        }
        self.hand_over(Piece::End, to).await?;
        Ok(encoded_bytes)
    }

    async fn hand_over(&self, piece: Piece, to: &mpsc::Sender<Piece>) -> Result<(), NotSent> {
        let handed_over = tokio::time::timeout(self.settings.request_timeout, to.send(piece)).await;
        handed_over.map_err(|_elapsed| NotSent::Stalled)?.map_err(|_closed| NotSent::Refused)
    }

    fn packed(&self, data: Bytes) -> Bytes {
        match self.settings.compression {
            Compression::None => data,
            Compression::Lz4 => frames::lz4(&data),
        }
    }
}

/// Why the rows were not sent to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotSent {
    /// Nothing was taken for too long.
    Stalled,
    /// The other side takes nothing more.
    Refused,
}

/// A part of a request's body.
enum Piece {
    Data(Bytes),
    /// Nothing follows.
    End,
}

/// A request's body. One whose sender is gone before the end fails, so that what is cut off never looks whole.
pub(super) struct Body {
    pieces: mpsc::Receiver<Piece>,
    is_complete: bool,
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.is_complete {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(Piece::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Piece::End) => {
                self.is_complete = true;
                None
            }
            None => Some(Err(CutOff)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.is_complete
    }
}

/// The rows were not sent to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the insert was cut off")]
pub(super) struct CutOff;

/// Whether the insert is done: status 200 of a ClickHouse, no exception in headers or body, the answer whole.
async fn acknowledged(answer: Response<hyper::body::Incoming>) -> Result<(), Error> {
    let (head, mut body) = answer.into_parts();
    let code = head.headers.get("X-ClickHouse-Exception-Code").and_then(|code| code.to_str().ok()?.parse().ok());
    let (text, is_whole) = read(&mut body).await;
    if head.status != StatusCode::OK || code.is_some() {
        let location = head.headers.get(LOCATION).and_then(|location| location.to_str().ok());
        return Err(Error::of_response(head.status.as_u16(), code, location, &String::from_utf8_lossy(&text)));
    }
    if let Err(error) = is_whole {
        let message = format!("half an answer: {error}");
        return Err(error.told(message));
    }
    if text.windows(EXCEPTION.len()).any(|window| window == EXCEPTION) {
        return Err(Error::of_response(200, None, None, &String::from_utf8_lossy(&text)));
    }
    let is_clickhouse = head.headers.keys().any(|name| name.as_str().starts_with("x-clickhouse-"));
    if !is_clickhouse || !text.is_empty() {
        let text = String::from_utf8_lossy(&text);
        return Err(Error::of_response(200, None, None, &format!("status 200, but not for an insert: {text}")));
    }
    Ok(())
}

/// What there is of an answer's body, and whether that is all of it.
async fn read(body: &mut hyper::body::Incoming) -> (Vec<u8>, Result<(), Error>) {
    let mut text = Vec::new();
    loop {
        let frame = std::future::poll_fn(|context| http_body::Body::poll_frame(Pin::new(&mut *body), context)).await;
        match frame {
            None => return (text, Ok(())),
            Some(Err(error)) => return (text, Err(Error::of_transport(&error))),
            Some(Ok(frame)) => text.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
        }
        if text.len() > ANSWER_BYTES {
            return (text, Ok(()));
        }
    }
}

fn insert_sql(name: &str, table: &Table) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| format!("`{}`", column.name)).collect();
    format!("INSERT INTO {name} ({}) FORMAT Native", columns.join(", "))
}
