//! What went wrong with ClickHouse, in classes: each says what to do, and its label is the metric's.
//!
//! ClickHouse's codes are those of `src/Common/ErrorCodes.cpp`.

use std::error::Error as StdError;
use std::io;

use super::transport;

/// Characters of a server's message that are shown.
const MESSAGE_CHARACTERS: usize = 300;

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum Class {
    /// No connection: refused, no route, no such host.
    Unreachable,
    /// The connection broke.
    Network,
    /// No answer in time, or the server gave up waiting.
    Timeout,
    /// The TLS handshake failed: unknown CA, wrong name, not TLS.
    Tls,
    /// What answers is no ClickHouse: another server, a redirect, a proxy's page.
    NotClickHouse,
    /// Too many queries, overload: gone when it has caught up.
    Busy,
    /// A table has too many parts that are not merged yet, which all replicas share.
    TooManyParts,
    /// No memory for the insert now.
    Memory,
    /// The server's disk is full.
    DiskFull,
    /// A replica or Keeper is away, the table is read-only for now, a proxy has no server to offer.
    Unavailable,
    /// Wrong user or password, no privilege, a read-only user.
    Denied,
    /// The database is missing.
    NoDatabase,
    /// A table or column is missing or of another type.
    Schema,
    /// More bytes than a proxy lets through.
    TooLarge,
    /// The server cannot take these very bytes.
    Rejected,
    /// The settings make no sense, here or to the server.
    Settings,
    /// Any other failure.
    Other,
}

/// Whose failure it was: what else need not be tried for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concerns {
    /// The endpoint: another replica may do.
    Endpoint,
    /// The tables, whichever replica is asked.
    Shard,
    /// These rows, or nobody knows: other rows, and these elsewhere, may fare better.
    Batch,
}

/// What to do about a failed insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Wait and repeat: it passes by itself.
    Wait,
    /// Wait and repeat, and call the operator: it passes when somebody sees to it.
    Alarm,
    /// Repeat a few times, then give the rows up: others may fare better.
    GiveUp,
}

impl Class {
    /// Every class, in the order of its number.
    pub const ALL: [Self; 17] = [
        Self::Unreachable,
        Self::Network,
        Self::Timeout,
        Self::Tls,
        Self::NotClickHouse,
        Self::Busy,
        Self::TooManyParts,
        Self::Memory,
        Self::DiskFull,
        Self::Unavailable,
        Self::Denied,
        Self::NoDatabase,
        Self::Schema,
        Self::TooLarge,
        Self::Rejected,
        Self::Settings,
        Self::Other,
    ];

    /// The name in metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::NotClickHouse => "not_clickhouse",
            Self::Busy => "busy",
            Self::TooManyParts => "too_many_parts",
            Self::Memory => "memory",
            Self::DiskFull => "disk_full",
            Self::Unavailable => "unavailable",
            Self::Denied => "denied",
            Self::NoDatabase => "no_database",
            Self::Schema => "schema",
            Self::TooLarge => "too_large",
            Self::Rejected => "rejected",
            Self::Settings => "settings",
            Self::Other => "other",
        }
    }

    /// What to do about an insert that failed this way.
    #[must_use]
    pub fn remedy(self) -> Remedy {
        match self {
            Self::Unreachable
            | Self::Network
            | Self::Timeout
            | Self::Busy
            | Self::TooManyParts
            | Self::Memory
            | Self::Unavailable
            | Self::Other => Remedy::Wait,
            Self::Tls
            | Self::NotClickHouse
            | Self::DiskFull
            | Self::Denied
            | Self::NoDatabase
            | Self::Schema
            | Self::TooLarge
            | Self::Settings => Remedy::Alarm,
            Self::Rejected => Remedy::GiveUp,
        }
    }

    /// Whose failure it was.
    #[must_use]
    pub fn concerns(self) -> Concerns {
        match self {
            Self::Unreachable
            | Self::Network
            | Self::Timeout
            | Self::Tls
            | Self::NotClickHouse
            | Self::Busy
            | Self::Memory
            | Self::DiskFull
            | Self::Unavailable
            | Self::Denied
            | Self::NoDatabase
            | Self::Schema
            | Self::TooLarge
            | Self::Settings => Concerns::Endpoint,
            Self::TooManyParts => Concerns::Shard,
            Self::Rejected | Self::Other => Concerns::Batch,
        }
    }

    /// Whether a query can tell that it has passed: the server could not be spoken with at all.
    #[must_use]
    pub fn is_of_the_connection(self) -> bool {
        matches!(self, Self::Unreachable | Self::Network | Self::Timeout | Self::Tls | Self::NotClickHouse)
    }

    /// The class of one of ClickHouse's codes. A code not known here waits: rows are kept rather than lost.
    #[must_use]
    pub fn of_code(code: u32) -> Self {
        match code {
            // TIMEOUT_EXCEEDED, TOO_SLOW, SOCKET_TIMEOUT, HTTP's own
            159 | 160 | 209 => Self::Timeout,
            // CANNOT_READ_FROM_SOCKET, CANNOT_WRITE_TO_SOCKET, DNS_ERROR, NETWORK_ERROR, ALL_CONNECTION_TRIES_FAILED
            95 | 96 | 198 | 210 | 279 => Self::Network,
            // QUOTA_EXCEEDED, TOO_MANY_SIMULTANEOUS_QUERIES, NO_FREE_CONNECTION, QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING,
            // LIMIT_EXCEEDED, RECEIVED_ERROR_TOO_MANY_REQUESTS, QUERY_WAS_CANCELLED, CANNOT_SCHEDULE_TASK, DEADLOCK_AVOIDED,
            // SERVER_OVERLOADED
            201 | 202 | 203 | 216 | 290 | 364 | 394 | 439 | 473 | 745 => Self::Busy,
            // TOO_MANY_PARTS, TOO_MANY_MUTATIONS
            252 | 692 => Self::TooManyParts,
            // CANNOT_ALLOCATE_MEMORY, CANNOT_MREMAP, MEMORY_LIMIT_EXCEEDED
            173 | 240 | 241 => Self::Memory,
            // CANNOT_WRITE_TO_FILE_DESCRIPTOR, NOT_ENOUGH_SPACE
            75 | 243 => Self::DiskFull,
            // NO_ZOOKEEPER, ABORTED, TABLE_IS_READ_ONLY, UNEXPECTED_ZOOKEEPER_ERROR, NO_ACTIVE_REPLICAS,
            // TOO_FEW_LIVE_REPLICAS, UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE, REPLICA_IS_NOT_IN_QUORUM, NO_REMOTE_SHARD_FOUND,
            // SHARD_HAS_NO_CONNECTIONS, UNKNOWN_STATUS_OF_INSERT, PART_IS_TEMPORARILY_LOCKED, ALL_REPLICAS_LOST,
            // REPLICA_STATUS_CHANGED, S3_ERROR, TABLE_IS_BEING_RESTARTED, KEEPER_EXCEPTION
            225 | 236 | 242 | 244 | 254 | 285 | 286 | 289 | 296 | 297 | 319 | 384 | 415 | 416 | 499 | 733 | 999 => {
                Self::Unavailable
            }
            // READONLY, UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, IP_ADDRESS_NOT_ALLOWED, DATABASE_ACCESS_DENIED,
            // ACCESS_DENIED, UNKNOWN_ROLE, SET_NON_GRANTED_ROLE, AUTHENTICATION_FAILED
            164 | 192 | 193 | 194 | 195 | 291 | 497 | 511 | 512 | 516 => Self::Denied,
            // UNKNOWN_SETTING, SETTING_CONSTRAINT_VIOLATION, INVALID_SETTING_VALUE, READONLY_SETTING
            115 | 452 | 471 | 472 => Self::Settings,
            // UNKNOWN_DATABASE
            81 => Self::NoDatabase,
            // THERE_IS_NO_COLUMN, NOT_FOUND_COLUMN_IN_BLOCK, NO_SUCH_COLUMN_IN_TABLE, NUMBER_OF_COLUMNS_DOESNT_MATCH,
            // ILLEGAL_COLUMN, UNKNOWN_IDENTIFIER, NOT_IMPLEMENTED, UNKNOWN_TYPE, TYPE_MISMATCH, UNKNOWN_TABLE, SYNTAX_ERROR,
            // CANNOT_CONVERT_TYPE, UNKNOWN_FORMAT, INCOMPATIBLE_COLUMNS, TABLE_IS_DROPPED, METADATA_MISMATCH,
            // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
            8 | 10 | 16 | 20 | 44 | 47 | 48 | 50 | 53 | 60 | 62 | 70 | 73 | 122 | 218 | 342 | 349 => Self::Schema,
            // QUERY_IS_TOO_LARGE
            229 => Self::TooLarge,
            // CANNOT_PARSE_TEXT, CANNOT_PARSE_INPUT_ASSERTION_FAILED, ATTEMPT_TO_READ_AFTER_EOF, CANNOT_READ_ALL_DATA,
            // TOO_LARGE_SIZE_COMPRESSED, CHECKSUM_DOESNT_MATCH, LOGICAL_ERROR, INCORRECT_DATA, TOO_LARGE_ARRAY_SIZE,
            // TOO_LARGE_STRING_SIZE, CORRUPTED_DATA, CANNOT_DECOMPRESS, VIOLATED_CONSTRAINT, UNKNOWN_ELEMENT_OF_ENUM
            6 | 27 | 32 | 33 | 39 | 40 | 49 | 117 | 128 | 131 | 246 | 271 | 469 | 691 => Self::Rejected,
            _ => Self::Other,
        }
    }
}

/// One failure, told in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What kind of failure.
    pub class: Class,
    /// ClickHouse's code, where it gave one.
    pub code: Option<u32>,
    /// What happened and what to do, one line.
    pub message: String,
}

impl Error {
    /// A failure found on this side.
    #[must_use]
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, code: None, message: message.into() }
    }

    /// What an HTTP answer says that is no acknowledgement: the exception in it, or what its status means. `code` is that of
    /// `X-ClickHouse-Exception-Code`, `location` where a redirect leads.
    pub(super) fn of_response(status: u16, code: Option<u32>, location: Option<&str>, text: &str) -> Self {
        let told = of_answer(text);
        let code = code.or(told.code);
        let class = code.map_or_else(|| of_status(status), Class::of_code);
        let message = match location {
            Some(location) if (300..400).contains(&status) => {
                format!("it leads on to {}: name that address", one_line(location))
            }
            _ if told.message.is_empty() => format!("status {status} and nothing else"),
            _ if code.is_none() && status != 200 => format!("status {status}: {}", told.message),
            _ => told.message,
        };
        Self { class, code, message }
    }

    /// A failed connection, told by the causes below it.
    pub(super) fn of_transport(error: &(dyn StdError + 'static)) -> Self {
        of_transport(error)
    }

    /// The same failure, told otherwise.
    #[must_use]
    pub fn told(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }
}

impl From<clickhouse::error::Error> for Error {
    fn from(error: clickhouse::error::Error) -> Self {
        use clickhouse::error::Error as Client;
        if let Client::BadResponse(answer) = &error {
            return of_answer(answer);
        }
        if matches!(error, Client::TimedOut) {
            return Self::new(Class::Timeout, "no answer in time");
        }
        if let Client::Network(source) = &error {
            return of_transport(source.as_ref());
        }
        let message = chain(&error);
        let class = if matches!(error, Client::InvalidParams(_) | Client::Unsupported(_)) {
            Class::Settings
        } else if matches!(error, Client::Decompression(_)) {
            // An answer in an encoding that was not asked for, or that is broken.
            Class::NotClickHouse
        } else {
            Class::Other
        };
        Self::new(class, message)
    }
}

/// What a status means that comes without a code of ClickHouse's, so most likely from a proxy in front of it.
fn of_status(status: u16) -> Class {
    match status {
        401 | 403 | 407 => Class::Denied,
        408 | 504 => Class::Timeout,
        413 => Class::TooLarge,
        429 => Class::Busy,
        500 => Class::Other,
        501..=599 => Class::Unavailable,
        _ => Class::NotClickHouse,
    }
}

/// The error in what a server said: `Code: 60. DB::Exception: ...`, or a page of something else.
pub(super) fn of_answer(answer: &str) -> Error {
    let code = answer.split_once("Code: ").and_then(|(_, rest)| {
        let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse().ok()
    });
    let class = code.map_or(Class::NotClickHouse, Class::of_code);
    Error { class, code, message: one_line(&answer.replace("DB::Exception: ", "")) }
}

/// A failed connection, told by the causes below it.
pub(super) fn of_transport(error: &(dyn StdError + 'static)) -> Error {
    let mut class = Class::Network;
    for cause in causes(Some(error)) {
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            return Error::new(Class::Tls, transport::tls_failure(error));
        }
        if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            let message = format!("{}: if this is its HTTPS port, write https://", chain(error));
            return Error::new(Class::NotClickHouse, message);
        }
        if let Some(http) = cause.downcast_ref::<hyper_util::client::legacy::Error>()
            && http.is_connect()
        {
            class = Class::Unreachable;
        }
        if cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return Error::new(Class::Timeout, chain(error));
        }
    }
    Error::new(class, chain(error))
}

/// An error and what is below it.
fn causes<'a>(error: Option<&'a (dyn StdError + 'static)>) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(error, |error| {
        // An I/O error made of another error is told as that error, and names the cause of that one as its own.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        // Not `error.source()`: a reference to an error is an error itself, and its cause would not live as long.
        inner.map(|inner| inner as &dyn StdError).or_else(|| (*error).source())
    })
}

/// An error with its causes, outermost first, without what a cause repeats.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error.source()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    one_line(&text)
}

/// The text on one line, cut to a length that suits a log.
pub(super) fn one_line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(MESSAGE_CHARACTERS) {
        line.truncate(end);
        line.push_str("...");
    }
    line.chars().filter(|character| !character.is_control()).collect()
}

#[cfg(test)]
mod tests;
