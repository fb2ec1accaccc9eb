//! What the engine's errors are over HTTP: their code, and the status that ClickHouse gives for it.
//!
//! Not here: errors of setting up, which are [`super::Error`].

/// Syntax error.
pub(super) const SYNTAX_ERROR: u16 = 62;
/// A statement, or a form of it, that this server does not serve.
pub(super) const NOT_IMPLEMENTED: u16 = 48;
/// No database of that name.
pub(super) const UNKNOWN_DATABASE: u16 = 81;
/// A refused privilege.
pub(super) const ACCESS_DENIED: u16 = 497;
/// A broken or truncated request body.
pub(super) const CANNOT_READ_ALL_DATA: u16 = 33;
/// A full disk.
pub(super) const NOT_ENOUGH_SPACE: u16 = 243;
/// A corrupted compressed block.
pub(super) const CANNOT_DECOMPRESS: u16 = 271;

/// A query that failed: ClickHouse's code and ClickHouse's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exception {
    /// ClickHouse's error code.
    pub(super) code: u16,
    /// `Code: 60. DB::Exception: ... (UNKNOWN_TABLE)`.
    pub(super) text: String,
}

impl Exception {
    /// An exception of this server, in the form of the engine's.
    pub(super) fn new(code: u16, name: &str, message: impl std::fmt::Display) -> Self {
        Self { code, text: format!("Code: {code}. DB::Exception: {message} ({name})") }
    }

    /// An exception from the engine's message. A message without a code counts as code 1002, `UNKNOWN_EXCEPTION`.
    pub(super) fn from_engine(message: &str) -> Self {
        let message = message.trim_end();
        let digits = message.strip_prefix("Code: ").map(|rest| rest.split('.').next().unwrap_or_default());
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(code) => Self { code, text: message.to_owned() },
            None => Self::new(1002, "UNKNOWN_EXCEPTION", message),
        }
    }

    /// The HTTP status of this exception, after ClickHouse's `src/Server/HTTP/exceptionCodeToHTTPStatus.cpp`.
    pub(super) fn status(&self) -> u16 {
        match self.code {
            194 => 401,
            192 | 193 | 516 | 497 | 512 => 403,
            // Arguments, parsing, types, syntax.
            36 | 427 | 6 | 25 | 26 | 38 | 41 | 72 | 441 | 675 | 676 | 27 | 376 | 15 | 44 | 55 | 56 | 8 | 167 | 168
            | 59 | 62 | 117 | 53 | 69 => 400,
            // Something of that name does not exist: table, function, identifier, type, engine, database, setting,
            // direction, aggregate function, format, database engine, kind of query, role.
            60 | 46 | 47 | 50 | 30 | 81 | 115 | 39 | 63 | 73 | 336 | 78 | 511 => 404,
            307 => 413,
            48 => 501,
            209 | 76 | 439 => 503,
            159 => 408,
            381 => 411,
            _ => 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_messages_give_their_code_and_status() {
        let cases = [
            ("Code: 60. DB::Exception: Unknown table. (UNKNOWN_TABLE)", 60, 404),
            ("Code: 62. DB::Exception: Syntax error. (SYNTAX_ERROR)", 62, 400),
            ("Code: 241. DB::Exception: Memory limit. (MEMORY_LIMIT_EXCEEDED)", 241, 500),
            ("Code: 497. DB::Exception: Not enough privileges. (ACCESS_DENIED)", 497, 403),
            ("Code: 159. DB::Exception: Timeout exceeded. (TIMEOUT_EXCEEDED)", 159, 408),
            ("std::bad_alloc", 1002, 500),
        ];
        for (message, code, status) in cases {
            let exception = Exception::from_engine(message);
            assert_eq!((exception.code, exception.status()), (code, status), "{message}");
            assert!(exception.text.starts_with(&format!("Code: {code}. DB::Exception: ")), "{message}");
        }
    }
}
