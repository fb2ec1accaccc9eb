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
    /// What answers is no ClickHouse, or a proxy in front of it that has none to offer.
    NotClickHouse,
    /// Too many queries, too many parts, overload: gone when it has caught up.
    Busy,
    /// No memory for the insert now.
    Memory,
    /// The server's disk is full.
    DiskFull,
    /// A replica or Keeper is away, the table is read-only for now.
    Unavailable,
    /// Wrong user or password, no privilege, a read-only user.
    Denied,
    /// The database is missing.
    NoDatabase,
    /// A table or column is missing or of another type.
    Schema,
    /// The server cannot take these very bytes.
    Rejected,
    /// The settings make no sense; nothing was sent.
    Settings,
    /// Any other failure.
    Other,
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
    pub const ALL: [Self; 15] = [
        Self::Unreachable,
        Self::Network,
        Self::Timeout,
        Self::Tls,
        Self::NotClickHouse,
        Self::Busy,
        Self::Memory,
        Self::DiskFull,
        Self::Unavailable,
        Self::Denied,
        Self::NoDatabase,
        Self::Schema,
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
            Self::Memory => "memory",
            Self::DiskFull => "disk_full",
            Self::Unavailable => "unavailable",
            Self::Denied => "denied",
            Self::NoDatabase => "no_database",
            Self::Schema => "schema",
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
            | Self::Memory
            | Self::Unavailable
            | Self::Other => Remedy::Wait,
            Self::Tls
            | Self::NotClickHouse
            | Self::DiskFull
            | Self::Denied
            | Self::NoDatabase
            | Self::Schema
            | Self::Settings => Remedy::Alarm,
            Self::Rejected => Remedy::GiveUp,
        }
    }

    /// The class of one of ClickHouse's codes. A code not known here waits: rows are kept rather than lost.
    #[must_use]
    pub fn of_code(code: u32) -> Self {
        match code {
            // TIMEOUT_EXCEEDED, TOO_SLOW, SOCKET_TIMEOUT
            159 | 160 | 209 => Self::Timeout,
            // NETWORK_ERROR, ALL_CONNECTION_TRIES_FAILED
            210 | 279 => Self::Network,
            // QUOTA_EXCEEDED, TOO_MANY_SIMULTANEOUS_QUERIES, NO_FREE_CONNECTION, TOO_MANY_PARTS, LIMIT_EXCEEDED,
            // QUERY_WAS_CANCELLED, CANNOT_SCHEDULE_TASK, DEADLOCK_AVOIDED, TOO_MANY_MUTATIONS, SERVER_OVERLOADED
            201 | 202 | 203 | 252 | 290 | 394 | 439 | 473 | 692 | 745 => Self::Busy,
            // MEMORY_LIMIT_EXCEEDED, CANNOT_ALLOCATE_MEMORY
            173 | 241 => Self::Memory,
            // CANNOT_WRITE_TO_FILE_DESCRIPTOR, NOT_ENOUGH_SPACE
            75 | 243 => Self::DiskFull,
            // NO_ZOOKEEPER, ABORTED, TABLE_IS_READ_ONLY, TOO_FEW_LIVE_REPLICAS, UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE,
            // UNKNOWN_STATUS_OF_INSERT, TABLE_IS_BEING_RESTARTED, KEEPER_EXCEPTION
            225 | 236 | 242 | 285 | 286 | 319 | 733 | 999 => Self::Unavailable,
            // UNKNOWN_SETTING, READONLY, UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, IP_ADDRESS_NOT_ALLOWED,
            // DATABASE_ACCESS_DENIED, SETTING_CONSTRAINT_VIOLATION, ACCESS_DENIED, AUTHENTICATION_FAILED
            115 | 164 | 192 | 193 | 194 | 195 | 291 | 452 | 497 | 516 => Self::Denied,
            // UNKNOWN_DATABASE
            81 => Self::NoDatabase,
            // NOT_FOUND_COLUMN_IN_BLOCK, NO_SUCH_COLUMN_IN_TABLE, NUMBER_OF_COLUMNS_DOESNT_MATCH, UNKNOWN_IDENTIFIER,
            // NOT_IMPLEMENTED, UNKNOWN_TYPE, TYPE_MISMATCH, UNKNOWN_TABLE, SYNTAX_ERROR, CANNOT_CONVERT_TYPE,
            // UNKNOWN_FORMAT, TABLE_IS_DROPPED
            10 | 16 | 20 | 47 | 48 | 50 | 53 | 60 | 62 | 70 | 73 | 218 => Self::Schema,
            // ATTEMPT_TO_READ_AFTER_EOF, CANNOT_PARSE_TEXT, CANNOT_PARSE_INPUT_ASSERTION_FAILED, CANNOT_READ_ALL_DATA,
            // CHECKSUM_DOESNT_MATCH, LOGICAL_ERROR, INCORRECT_DATA, TOO_LARGE_ARRAY_SIZE, TOO_LARGE_STRING_SIZE,
            // CORRUPTED_DATA, CANNOT_DECOMPRESS, UNKNOWN_ELEMENT_OF_ENUM
            6 | 27 | 32 | 33 | 40 | 49 | 117 | 128 | 131 | 246 | 271 | 691 => Self::Rejected,
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
mod tests {
    use super::*;

    #[test]
    fn classes_are_numbered_and_labelled_distinctly() {
        let labels: std::collections::BTreeSet<&str> = Class::ALL.iter().map(|class| class.label()).collect();
        assert_eq!(labels.len(), Class::ALL.len());
        for (number, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, number);
        }
    }

    #[test]
    fn answers() {
        for (answer, class, code, message) in [
            (
                "Code: 516. DB::Exception: default: Authentication failed. (AUTHENTICATION_FAILED)\n",
                Class::Denied,
                Some(516),
                "Code: 516. default: Authentication failed. (AUTHENTICATION_FAILED)",
            ),
            ("Code: 252", Class::Busy, Some(252), "Code: 252"),
            ("Code: 33. DB::Exception: x", Class::Rejected, Some(33), "Code: 33. x"),
            ("Code: 64000. DB::Exception: x", Class::Other, Some(64000), "Code: 64000. x"),
            ("<html>\n502 Bad\tGateway\x1b[1m", Class::NotClickHouse, None, "<html> 502 Bad Gateway[1m"),
            ("Code: many", Class::NotClickHouse, None, "Code: many"),
        ] {
            let error = Error::from(clickhouse::error::Error::BadResponse(answer.to_owned()));
            assert_eq!(error, Error { class, code, message: message.to_owned() });
        }
    }

    #[test]
    fn long_answers_are_cut() {
        let error = of_answer(&"é".repeat(1000));
        assert_eq!(error.message.chars().count(), MESSAGE_CHARACTERS + 3);
    }
}
