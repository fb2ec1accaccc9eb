//! One request on its thread: read the statement, hold the data back until it is complete, run it, send the result.
//!
//! Not here: HTTP. The thread belongs to the request alone, so the engine and the body may block it.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};

use super::answer::{Answer, Content, Packer, late_exception};
use super::body::{self, Incoming};
use super::engine::Engine;
use super::errors::{Exception, SYNTAX_ERROR, UNKNOWN_DATABASE};
use super::formats::{self, Pieces};
use super::libchdb::{Connection, Output, Progress};
use super::request::{Head, use_database};
use super::statement::{self, Insert, Statement};

/// Bytes of a request that are searched for the end of an INSERT's statement, and the longest statement of any kind.
const STATEMENT_LIMIT_BYTES: u64 = 1 << 20;
/// Pieces of a result that wait for a slow client.
const PIECES_AHEAD: usize = 4;

/// A request on its way through the engine, as its thread and its client's connection both see it.
#[derive(Debug, Default)]
pub(super) struct Progressing {
    /// What the session is marked with, so that its query can be found.
    pub(super) tag: String,
    done: AtomicBool,
    abandoned: AtomicBool,
    stoppable: AtomicBool,
}

impl Progressing {
    pub(super) fn new(tag: String) -> Self {
        Self { tag, ..Self::default() }
    }

    /// The client has gone. Says whether the engine must be asked to stop.
    pub(super) fn abandon(&self) -> bool {
        self.abandoned.store(true, Ordering::SeqCst);
        !self.is_done()
    }

    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    /// Whether it is a query that changes nothing; an INSERT whose data is complete is finished for a client that has gone.
    pub(super) fn is_stoppable(&self) -> bool {
        self.stoppable.load(Ordering::SeqCst)
    }
}

/// A request, and where its answer goes.
pub(super) struct Job {
    pub(super) engine: Arc<Engine>,
    pub(super) head: Head,
    pub(super) body: Incoming,
    pub(super) state: Arc<Progressing>,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// Runs `job` to its end.
pub(super) fn run(job: Job) {
    let Job { engine, head, body, state, reply } = job;
    // Whatever happens, a panic too, the one who waits for the end of this request learns of it.
    let _finished = Finished(state.clone());
    let mut reply = Reply { sender: Some(reply), started: Instant::now() };
    if let Err(exception) = execute(&engine, &head, body, &state, &mut reply) {
        reply.send(Answer::exception(&head, &exception, &engine.version));
    }
}

struct Finished(Arc<Progressing>);

impl Drop for Finished {
    fn drop(&mut self) {
        self.0.done.store(true, Ordering::SeqCst);
    }
}

struct Reply {
    sender: Option<oneshot::Sender<Answer>>,
    started: Instant,
}

impl Reply {
    /// Sends the answer's head; a client that has gone gets none.
    fn send(&mut self, answer: Answer) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(answer);
        }
    }

    fn ok(&mut self, head: &Head, format: &str, progress: Progress, content: Content) -> Answer {
        Answer::ok(head, format, progress, self.started.elapsed().as_nanos(), content)
    }
}

fn execute(
    engine: &Engine,
    head: &Head,
    body: Incoming,
    state: &Progressing,
    reply: &mut Reply,
) -> Result<(), Exception> {
    let mut body = body.unpacked(head.packing);
    let mut text = head.query.clone().into_bytes();
    if !text.is_empty() {
        text.push(b'\n');
    }
    body.by_ref().take(STATEMENT_LIMIT_BYTES).read_to_end(&mut text).map_err(|error| body::exception(&error))?;
    let statement = statement::parse(&text)?;
    if let Statement::Insert(insert) = &statement {
        return run_insert(engine, head, (&text, insert), body.as_mut(), reply);
    }
    if body.read(&mut [0]).map_err(|error| body::exception(&error))? > 0 {
        let message = format!("Syntax error: the statement is longer than {STATEMENT_LIMIT_BYTES} bytes");
        return Err(Exception::new(SYNTAX_ERROR, "SYNTAX_ERROR", message));
    }
    let _permit = permit(&engine.reads)?;
    if state.abandoned.load(Ordering::SeqCst) {
        return Ok(());
    }
    let mut session = session(engine, head, &state.tag)?;
    let (format, streamed) = match statement {
        Statement::Select { format } => (format, true),
        Statement::Other { format } | Statement::Insert(Insert { format, .. }) => (format, false),
    };
    let format = format.unwrap_or_else(|| head.default_format.clone());
    state.stoppable.store(streamed, Ordering::SeqCst);
    let how = formats::pieces(&format);
    if streamed && how != Pieces::Whole && send_pieces(engine, head, (&text, how), &mut session, &format, reply)? {
        return Ok(());
    }
    send_whole(head, &text, &mut session, &format, reply)
}

/// Waits for one of the places in which requests run.
fn permit(places: &Semaphore) -> Result<SemaphorePermit<'_>, Exception> {
    let stopping = |_| Exception::new(236, "ABORTED", "The store is stopping");
    Handle::current().block_on(places.acquire()).map_err(stopping)
}

fn session(engine: &Engine, head: &Head, tag: &str) -> Result<Connection, Exception> {
    let mut session = engine.session()?;
    if head.database.is_none() {
        match session
            .query(use_database(&engine.database).as_bytes(), "Null")
            .map_err(|text| Exception::from_engine(&text))
        {
            // Somebody dropped it: then nothing of its name can be meant.
            Err(exception) if exception.code != UNKNOWN_DATABASE => return Err(exception),
            Ok(_) | Err(_) => {}
        }
    }
    for statement in head.session_setup(tag)? {
        session.query(statement.as_bytes(), "Null").map_err(|message| Exception::from_engine(&message))?;
    }
    Ok(session)
}

fn run_insert(
    engine: &Engine,
    head: &Head,
    (text, insert): (&[u8], &Insert),
    body: &mut dyn BufRead,
    reply: &mut Reply,
) -> Result<(), Exception> {
    let mut spool = engine.spools.take().map_err(|error| body::exception(&error))?;
    let mut data = text[insert.data_at..].chain(body);
    spool.fill(&mut data, &engine.bodies).map_err(|error| body::exception(&error))?;
    let default = if head.default_format == "TabSeparated" { "Values" } else { &head.default_format };
    let path = spool.path();
    let sql = insert.reading(text, &path.to_string_lossy(), default);
    let format = insert.format.as_deref().unwrap_or(default);
    let _permit = permit(&engine.inserts)?;
    let mut session = session(engine, head, "")?;
    let output = session.query(&sql, "Null").map_err(|message| Exception::from_engine(&message))?;
    tracing::debug!(bytes = spool.len(), rows = output.progress().written_rows, "inserted");
    let answer = reply.ok(head, format, output.progress(), Content::Whole(Bytes::new()));
    reply.send(answer);
    Ok(())
}

fn send_whole(
    head: &Head,
    sql: &[u8],
    session: &mut Connection,
    format: &str,
    reply: &mut Reply,
) -> Result<(), Exception> {
    let output = session.query(sql, format).map_err(|message| Exception::from_engine(&message))?;
    let progress = output.progress();
    let mut packer = Packer::new(head, format);
    let content = if packer.is_plain() {
        Bytes::from_owner(OutputBytes(output))
    } else {
        let mut packed = packer.pack(&output)?;
        packed.extend(packer.finish());
        packed.into()
    };
    let answer = reply.ok(head, format, progress, Content::Whole(content));
    reply.send(answer);
    Ok(())
}

/// Streams the result; `false` where the engine does not stream this statement: `WITH ... INSERT`, which looks like a SELECT.
fn send_pieces(
    engine: &Engine,
    head: &Head,
    (sql, how): (&[u8], Pieces),
    session: &mut Connection,
    format: &str,
    reply: &mut Reply,
) -> Result<bool, Exception> {
    let unsupported = "Code: 36. DB::Exception: Streaming query is not supported";
    let mut stream = match session.stream(sql, format) {
        Ok(stream) => stream,
        Err(message) if message.starts_with(unsupported) => return Ok(false),
        Err(message) => return Err(Exception::from_engine(&message)),
    };
    let mut next = stream.next().map_err(|message| Exception::from_engine(&message))?;
    let mut packer = Packer::new(head, format);
    let mut packed = next.as_deref().map_or(Ok(Vec::new()), |piece| packer.pack(piece))?;
    let progress = next.as_ref().map(Output::progress).unwrap_or_default();

    let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
    let tag = tag();
    let mut answer = reply.ok(head, format, progress, Content::Pieces(receiver));
    answer.headers.push(("x-clickhouse-exception-tag", tag.clone()));
    reply.send(answer);
    loop {
        if next.is_none() {
            packed.extend(packer.finish());
            let _ = sender.blocking_send(Ok(packed.into()));
            return Ok(true);
        }
        if !packed.is_empty() && sender.blocking_send(Ok(std::mem::take(&mut packed).into())).is_err() {
            // The client has gone: dropping the stream cancels the query.
            return Ok(true);
        }
        let advanced = stream.next().map_err(|message| Exception::from_engine(&message)).and_then(|piece| {
            packed = match piece.as_deref() {
                Some(bytes) => packer.pack(behind_header(bytes, how)?)?,
                None => Vec::new(),
            };
            Ok(piece)
        });
        match advanced {
            Ok(piece) => next = piece,
            Err(exception) => {
                let mut last = packer.pack_bytes(late_exception(&exception, &engine.version, &tag).as_bytes());
                last.extend(packer.finish());
                let _ = sender.blocking_send(Ok(last.into()));
                let _ = sender.blocking_send(Err(io::Error::other(exception.text)));
                return Ok(true);
            }
        }
    }
}

fn behind_header(piece: &[u8], how: Pieces) -> Result<&[u8], Exception> {
    formats::header_end(piece, how)
        .map(|end| &piece[end..])
        .ok_or_else(|| Exception::new(49, "LOGICAL_ERROR", "A piece of the result does not start with its header"))
}

/// Sixteen letters that no result contains by chance.
fn tag() -> String {
    use std::hash::{BuildHasher, RandomState};
    let mut number = u128::from(RandomState::new().hash_one(0)) << 64 | u128::from(RandomState::new().hash_one(1));
    let mut tag = String::with_capacity(16);
    for _ in 0..16 {
        tag.push(char::from(b'a' + (number % 26) as u8));
        number /= 26;
    }
    tag
}

/// Lends the engine's memory to the network.
struct OutputBytes(Output);

impl AsRef<[u8]> for OutputBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
