//! What goes back to the client: the head of an answer, and its body packed the way the client asked for.
//!
//! Not here: where the bytes come from.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::mpsc;

use super::encodings::{Encoder, Encoding};
use super::errors::Exception;
use super::libchdb::Progress;
use super::request::Head;
use super::{formats, frames, native};

/// The body of an answer, made by a query's thread.
pub(super) enum Content {
    /// All of it.
    Whole(Bytes),
    /// Piece by piece; an error breaks the connection off, so that no client takes half a result for a whole one.
    Pieces(mpsc::Receiver<io::Result<Bytes>>),
}

/// An answer: status, headers, body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) content: Content,
}

impl Answer {
    /// An answer to a query that works.
    pub(super) fn ok(head: &Head, format: &str, progress: Progress, elapsed_ns: u128, content: Content) -> Self {
        let Progress { read_rows, read_bytes, written_rows, written_bytes } = progress;
        let summary = format!(
            "{{\"read_rows\":\"{read_rows}\",\"read_bytes\":\"{read_bytes}\",\"written_rows\":\"{written_rows}\",\
             \"written_bytes\":\"{written_bytes}\",\"total_rows_to_read\":\"0\",\"result_rows\":\"{written_rows}\",\
             \"result_bytes\":\"{written_bytes}\",\"elapsed_ns\":\"{elapsed_ns}\"}}"
        );
        let mut headers = vec![
            (header::CONTENT_TYPE.as_str(), formats::content_type(format).to_owned()),
            ("x-clickhouse-format", format.to_owned()),
            ("x-clickhouse-summary", summary),
        ];
        headers.extend(content_encoding(head));
        Self { status: 200, headers, content }
    }

    /// An answer to a query that failed.
    pub(super) fn exception(head: &Head, exception: &Exception, version: &str) -> Self {
        tracing::debug!(error = %exception.text, "a query failed");
        let mut headers = vec![
            (header::CONTENT_TYPE.as_str(), "text/plain; charset=UTF-8".to_owned()),
            ("x-clickhouse-exception-code", exception.code.to_string()),
        ];
        if exception.code == super::http::REQUIRED_PASSWORD {
            headers.push((header::WWW_AUTHENTICATE.as_str(), "Basic realm=\"ClickHouse server HTTP API\"".to_owned()));
        }
        headers.extend(content_encoding(head));
        let mut packer = Packer::new(head, "");
        let mut body = packer.pack(message(exception, version).as_bytes()).unwrap_or_default();
        body.extend(packer.finish());
        Self { status: exception.status(), headers, content: Content::Whole(body.into()) }
    }

    /// The HTTP response; `guard` lives as long as its body.
    pub(super) fn response<G: Send + Unpin + 'static>(self, guard: G) -> Response<axum::body::Body> {
        let body = match self.content {
            Content::Whole(bytes) => axum::body::Body::from(bytes),
            Content::Pieces(receiver) => axum::body::Body::new(Pieces { receiver, held: None, _guard: guard }),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// The header that tells of the encoding, where there is one.
fn content_encoding(head: &Head) -> Option<(&'static str, String)> {
    let encoding = head.answer_encoding;
    (encoding != Encoding::Identity).then(|| (header::CONTENT_ENCODING.as_str(), encoding.name().to_owned()))
}

/// The engine's text with its version behind it, as ClickHouse's server sends it; some texts have it already.
fn message(exception: &Exception, version: &str) -> String {
    if exception.text.contains("(version ") {
        return format!("{}\n", exception.text);
    }
    format!("{} (version {version})\n", exception.text)
}

/// An exception behind rows that are already sent, in the form that `X-ClickHouse-Exception-Tag` announces: see
/// ClickHouse's `src/Server/HTTP/WriteBufferFromHTTPServerResponse.cpp`.
pub(super) fn late_exception(exception: &Exception, version: &str, tag: &str) -> String {
    let message = message(exception, version);
    let length = message.len();
    format!("\r\n__exception__\r\n{tag}\r\n{message}{length} {tag}\r\n__exception__\r\n")
}

/// Packs the engine's bytes for the client: Native blocks for its version, ClickHouse's frames, content encoding.
pub(super) struct Packer {
    protocol_version: u64,
    frames: bool,
    encoder: Encoder,
}

impl Packer {
    pub(super) fn new(head: &Head, format: &str) -> Self {
        Self {
            protocol_version: if format.eq_ignore_ascii_case("Native") { head.protocol_version } else { 0 },
            frames: head.frames,
            encoder: Encoder::new(head.answer_encoding),
        }
    }

    /// Whether the bytes leave as they come.
    pub(super) fn is_plain(&self) -> bool {
        self.protocol_version == 0 && !self.frames && self.encoder.is_identity()
    }

    /// Packs a piece of the result.
    pub(super) fn pack(&mut self, piece: &[u8]) -> Result<Vec<u8>, Exception> {
        let blocks;
        let mut piece = piece;
        if self.protocol_version > 0 {
            blocks = native::for_version(piece, self.protocol_version)
                .map_err(|error| Exception::new(super::errors::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", error))?;
            piece = &blocks;
        }
        Ok(self.pack_bytes(piece))
    }

    /// Packs bytes that are not of the format: an exception behind the result.
    pub(super) fn pack_bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        if !self.frames {
            return self.encoder.pack(bytes.to_vec());
        }
        let mut framed = Vec::new();
        frames::write(bytes, &mut framed);
        self.encoder.pack(framed)
    }

    /// What is left at the end.
    pub(super) fn finish(self) -> Vec<u8> {
        self.encoder.finish()
    }
}

struct Pieces<G> {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    /// An error breaks the connection off with all that is not sent yet, so it waits one turn, in which that is sent.
    held: Option<io::Error>,
    _guard: G,
}

impl<G: Unpin> Body for Pieces<G> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(error) = self.held.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match self.receiver.poll_recv(context) {
            Poll::Ready(Some(Err(error))) => {
                self.held = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(piece) => Poll::Ready(piece.map(|piece| piece.map(Frame::data))),
            Poll::Pending => Poll::Pending,
        }
    }
}
