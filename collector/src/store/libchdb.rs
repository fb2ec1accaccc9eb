//! The binding to libchdb's C interface: connections, whole results, streamed results.
//!
//! All unsafe code of the store is here. Not here: what a query means, sessions, HTTP. The functions are those of chDB's
//! public header, `programs/local/chdb.h`.
#![expect(unsafe_code, reason = "the C interface of libchdb")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs::File;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::IntoRawFd;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;

use super::{Error, locate};

type ConnectionHandle = *mut c_void;
type ResultHandle = *mut c_void;
type Connect = unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut ConnectionHandle;
type Close = unsafe extern "C" fn(*mut ConnectionHandle);
type Query = unsafe extern "C" fn(ConnectionHandle, *const c_char, usize, *const c_char, usize) -> ResultHandle;
type Fetch = unsafe extern "C" fn(ConnectionHandle, ResultHandle) -> ResultHandle;
type Cancel = unsafe extern "C" fn(ConnectionHandle, ResultHandle);
type Destroy = unsafe extern "C" fn(ResultHandle);
type Buffer = unsafe extern "C" fn(ResultHandle) -> *mut c_char;
type Length = unsafe extern "C" fn(ResultHandle) -> usize;
type Count = unsafe extern "C" fn(ResultHandle) -> u64;
type Message = unsafe extern "C" fn(ResultHandle) -> *const c_char;
type SignalHandlers = unsafe extern "C" fn(c_int);

/// The shared library and its functions.
pub(super) struct Library {
    connect: Connect,
    close: Close,
    query: Query,
    stream: Query,
    fetch: Fetch,
    cancel: Cancel,
    destroy: Destroy,
    buffer: Buffer,
    length: Length,
    read_rows: Count,
    read_bytes: Count,
    written_rows: Count,
    written_bytes: Count,
    message: Message,
    /// Never unloaded: the engine's threads and its thread-local data outlive the last connection.
    _file: ManuallyDrop<libloading::Library>,
}

/// The library's file, opened but not loaded.
pub(super) struct LibraryFile {
    path: PathBuf,
    file: File,
}

impl LibraryFile {
    /// Finds the library and opens it.
    pub(super) fn find(named: Option<&Path>) -> Result<Self, Error> {
        let path = locate::library(named)?;
        match File::open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(Error::LibraryUnreadable { path, source }),
        }
    }

    /// The file.
    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// Loads this very file, which takes no right to its directories any more. The file stays open: to describe an
    /// exception the engine reads its own symbols, from where it was loaded.
    pub(super) fn load(self) -> Result<Arc<Library>, Error> {
        let descriptor = format!("/proc/self/fd/{}", self.file.into_raw_fd());
        Library::open(Path::new(&descriptor)).map_err(|source| Error::LibraryBroken { path: self.path, source })
    }
}

/// One session of the engine. Queries on one connection wait for each other; connections run side by side.
pub(super) struct Connection {
    library: Arc<Library>,
    handle: NonNull<ConnectionHandle>,
}

/// Rows and bytes that a query has read and written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) read_rows: u64,
    pub(super) read_bytes: u64,
    pub(super) written_rows: u64,
    pub(super) written_bytes: u64,
}

/// What a query returned: bytes of the output format, in the engine's memory.
pub(super) struct Output {
    library: Arc<Library>,
    handle: ResultHandle,
}

/// A query whose result comes piece by piece.
pub(super) struct Stream<'connection> {
    connection: &'connection mut Connection,
    handle: ResultHandle,
    ended: bool,
}

impl Library {
    /// Loads the library and finds its functions. The engine installs no signal handlers: the process keeps its own.
    fn open(path: &Path) -> Result<Arc<Self>, libloading::Error> {
        // SAFETY: libchdb's initialisers have no preconditions; the file is the one the operator named or installed.
        let file = unsafe { libloading::Library::new(path) }?;
        let signal_handlers: SignalHandlers = symbol(&file, b"chdb_set_signal_handlers_enabled\0")?;
        // SAFETY: the function takes a flag and may be called at any time before the first connection.
        unsafe { signal_handlers(0) };
        Ok(Arc::new(Self {
            connect: symbol(&file, b"chdb_connect\0")?,
            close: symbol(&file, b"chdb_close_conn\0")?,
            query: symbol(&file, b"chdb_query_n\0")?,
            stream: symbol(&file, b"chdb_stream_query_n\0")?,
            fetch: symbol(&file, b"chdb_stream_fetch_result\0")?,
            cancel: symbol(&file, b"chdb_stream_cancel_query\0")?,
            destroy: symbol(&file, b"chdb_destroy_query_result\0")?,
            buffer: symbol(&file, b"chdb_result_buffer\0")?,
            length: symbol(&file, b"chdb_result_length\0")?,
            read_rows: symbol(&file, b"chdb_result_storage_rows_read\0")?,
            read_bytes: symbol(&file, b"chdb_result_storage_bytes_read\0")?,
            written_rows: symbol(&file, b"chdb_result_rows_written\0")?,
            written_bytes: symbol(&file, b"chdb_result_bytes_written\0")?,
            message: symbol(&file, b"chdb_result_error\0")?,
            _file: ManuallyDrop::new(file),
        }))
    }
}

/// Looks a function up. `F` is one of the function types above, each the type that chDB's header gives the name.
fn symbol<F: Copy>(file: &libloading::Library, name: &'static [u8]) -> Result<F, libloading::Error> {
    // SAFETY: every caller pairs a name with the type declared for it in chDB's header.
    let symbol = unsafe { file.get::<F>(name) }?;
    Ok(*symbol)
}

// SAFETY: a connection is used by one thread at a time (all methods that run queries take `&mut self`), and the engine ties
// no connection to a thread.
unsafe impl Send for Connection {}
// SAFETY: an output is memory that nobody else refers to.
unsafe impl Send for Output {}

impl Connection {
    /// Opens a session; the first one of the process starts the engine with `arguments`. `None` when the engine refuses,
    /// which it explains on standard error only.
    pub(super) fn open(library: &Arc<Library>, arguments: &[CString]) -> Option<Self> {
        let mut pointers: Vec<*mut c_char> = arguments.iter().map(|argument| argument.as_ptr().cast_mut()).collect();
        let count = c_int::try_from(pointers.len()).ok()?;
        // SAFETY: `pointers` holds `count` NUL-terminated strings that live until the call returns; the engine copies them.
        let handle = unsafe { (library.connect)(count, pointers.as_mut_ptr()) };
        let handle = NonNull::new(handle)?;
        Some(Self { library: library.clone(), handle })
    }

    /// Runs `sql` and returns its whole result, or the engine's message.
    pub(super) fn query(&mut self, sql: &[u8], format: &str) -> Result<Output, String> {
        let (connection, query) = (self.inner(), self.library.query);
        // SAFETY: the connection is open; both strings are passed with their lengths and outlive the call.
        let handle = unsafe { query(connection, sql.as_ptr().cast(), sql.len(), format.as_ptr().cast(), format.len()) };
        Output::new(&self.library, handle)
    }

    /// Runs `sql` and returns its result piece by piece, or the engine's message. SELECT only.
    pub(super) fn stream(&mut self, sql: &[u8], format: &str) -> Result<Stream<'_>, String> {
        let (connection, stream) = (self.inner(), self.library.stream);
        // SAFETY: as in `query`.
        let handle =
            unsafe { stream(connection, sql.as_ptr().cast(), sql.len(), format.as_ptr().cast(), format.len()) };
        if let Some(message) = self.library.message_of(handle) {
            self.library.release(handle);
            return Err(message);
        }
        Ok(Stream { connection: self, handle, ended: false })
    }

    fn inner(&self) -> ConnectionHandle {
        // SAFETY: the handle points to the connection that `chdb_connect` made, until `drop`.
        unsafe { *self.handle.as_ptr() }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the handle came from `chdb_connect`, and is closed here and only here.
        unsafe { (self.library.close)(self.handle.as_ptr()) };
    }
}

impl Library {
    fn message_of(&self, handle: ResultHandle) -> Option<String> {
        if handle.is_null() {
            return Some("Code: 49. DB::Exception: The engine returned no result. (LOGICAL_ERROR)".to_owned());
        }
        // SAFETY: the handle is a live result.
        let message = unsafe { (self.message)(handle) };
        if message.is_null() {
            return None;
        }
        // SAFETY: the message is NUL-terminated and lives as long as the result.
        let message = unsafe { CStr::from_ptr(message) };
        (!message.is_empty()).then(|| message.to_string_lossy().into_owned())
    }

    fn release(&self, handle: ResultHandle) {
        // SAFETY: the handle is a result that the caller gives up; the engine accepts a null one.
        unsafe { (self.destroy)(handle) };
    }

    fn count(&self, count: Count, handle: ResultHandle) -> u64 {
        // SAFETY: the handle is a live result without an error.
        unsafe { count(handle) }
    }
}

impl Output {
    fn new(library: &Arc<Library>, handle: ResultHandle) -> Result<Self, String> {
        if let Some(message) = library.message_of(handle) {
            library.release(handle);
            return Err(message);
        }
        Ok(Self { library: library.clone(), handle })
    }

    /// What the query has read and written up to here.
    pub(super) fn progress(&self) -> Progress {
        let library = &self.library;
        Progress {
            read_rows: library.count(library.read_rows, self.handle),
            read_bytes: library.count(library.read_bytes, self.handle),
            written_rows: library.count(library.written_rows, self.handle),
            written_bytes: library.count(library.written_bytes, self.handle),
        }
    }
}

impl Deref for Output {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the handle is a live result.
        let length = unsafe { (self.library.length)(self.handle) };
        // SAFETY: the handle is a live result.
        let buffer = unsafe { (self.library.buffer)(self.handle) };
        if length == 0 || buffer.is_null() {
            return &[];
        }
        // SAFETY: the buffer holds `length` bytes, is not written any more, and lives until the result is released.
        unsafe { std::slice::from_raw_parts(buffer.cast(), length) }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.library.release(self.handle);
    }
}

impl Stream<'_> {
    /// The next piece, each a complete document of the output format; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Output>, String> {
        if self.ended {
            return Ok(None);
        }
        let (connection, fetch) = (self.connection.inner(), self.connection.library.fetch);
        // SAFETY: the connection is open and the stream is its current one.
        let handle = unsafe { fetch(connection, self.handle) };
        let piece = Output::new(&self.connection.library, handle);
        self.ended = !matches!(&piece, Ok(piece) if !piece.is_empty());
        match piece {
            Ok(piece) if piece.is_empty() => Ok(None),
            // An empty result is one piece, after which the engine already counts the stream as closed.
            Err(message) if message == "No active streaming query" => Ok(None),
            Ok(piece) => Ok(Some(piece)),
            Err(message) => Err(message),
        }
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        let library = &self.connection.library;
        if !self.ended {
            // SAFETY: the connection is open and the stream is its current one.
            unsafe { (library.cancel)(self.connection.inner(), self.handle) };
        }
        library.release(self.handle);
    }
}
