//! What an HTTP request's text asks for: just enough of ClickHouse's lexer to find the statement's kind, its FORMAT, and
//! where the data of an INSERT begins.
//!
//! Not here: parsing SQL. What this module does not understand goes to the engine as it is.

use super::errors::{ACCESS_DENIED, Exception, SYNTAX_ERROR};
use crate::sql_tokens::{Kind, Token, tokens};

/// A statement, as far as this server must know it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// SELECT and its like: the result may be streamed.
    Select { format: Option<String> },
    /// INSERT whose data follows the statement.
    Insert(Insert),
    /// Everything else, INSERT ... SELECT included.
    Other { format: Option<String> },
}

/// An INSERT whose data follows: byte offsets into the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Insert {
    /// Where ` FROM INFILE ...` belongs: behind the table and its columns.
    source_at: usize,
    /// Where the statement ends that the engine gets.
    end: usize,
    /// Where the data begins.
    pub(super) data_at: usize,
    /// The input format; `None` where the statement does not say (`INSERT INTO t VALUES` says `Values`).
    pub(super) format: Option<String>,
    /// Whether the FORMAT clause is part of the text before `end`.
    format_in_text: bool,
}

impl Insert {
    /// The statement that reads the data from `path`.
    pub(super) fn reading(&self, text: &[u8], path: &str, default_format: &str) -> Vec<u8> {
        let mut sql = text[..self.source_at].to_vec();
        sql.extend_from_slice(format!(" FROM INFILE '{path}' COMPRESSION 'none' ").as_bytes());
        sql.extend_from_slice(&text[self.source_at..self.end]);
        if !self.format_in_text {
            let format = self.format.as_deref().unwrap_or(default_format);
            sql.extend_from_slice(format!(" FORMAT {format}").as_bytes());
        }
        sql
    }
}

/// Reads `text`: the whole statement, or, when it is an INSERT, at least all that precedes the data.
///
/// # Errors
///
/// An empty query, several statements in one, and files named in the statement, which this server does not open.
pub(super) fn parse(text: &[u8]) -> Result<Statement, Exception> {
    let mut all = tokens(text);
    let Some(first) = all.next() else {
        return Err(Exception::new(SYNTAX_ERROR, "SYNTAX_ERROR", "Syntax error: Empty query"));
    };
    if first.is(text, "INSERT")
        && let Some(insert) = insert(text)?
    {
        return Ok(Statement::Insert(insert));
    }
    let (format, totals) = whole(text)?;
    let asks = ["SELECT", "WITH", "FROM"].iter().any(|word| first.is(text, word)) || first.kind == Kind::Open;
    let select = asks && !totals;
    Ok(if select { Statement::Select { format } } else { Statement::Other { format } })
}

/// Finds the data of an INSERT: behind `FORMAT name` or `VALUES` outside parentheses, or behind the statement. `None` where
/// the rows come from a SELECT.
fn insert(text: &[u8]) -> Result<Option<Insert>, Exception> {
    let mut depth = 0_usize;
    let mut source_at = None;
    let mut last_end = 0;
    let mut all = tokens(text);
    while let Some(token) = all.next() {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Semicolon if depth == 0 => {
                let at = source_at.unwrap_or(last_end);
                return Ok(Some(Insert {
                    source_at: at,
                    end: last_end,
                    data_at: token.end,
                    format: None,
                    format_in_text: false,
                }));
            }
            Kind::Word if depth == 0 => {
                refuse_files(&token, text)?;
                if ["SELECT", "WITH", "WATCH"].iter().any(|word| token.is(text, word)) {
                    return Ok(None);
                }
                if token.is(text, "SETTINGS") {
                    source_at = source_at.or(Some(last_end));
                }
                if token.is(text, "VALUES") {
                    let at = source_at.unwrap_or(last_end);
                    let format = Some("Values".to_owned());
                    return Ok(Some(Insert {
                        source_at: at,
                        end: last_end,
                        data_at: token.end,
                        format,
                        format_in_text: false,
                    }));
                }
                if token.is(text, "FORMAT") {
                    let at = source_at.unwrap_or(last_end);
                    let Some(name) = all.next().filter(|name| name.kind == Kind::Word) else { return Ok(None) };
                    let format = Some(name.text(text));
                    if name.is(text, "VALUES") {
                        return Ok(Some(Insert {
                            source_at: at,
                            end: last_end,
                            data_at: name.end,
                            format,
                            format_in_text: false,
                        }));
                    }
                    let data_at = data_behind_format(text, name.end);
                    return Ok(Some(Insert { source_at: at, end: name.end, data_at, format, format_in_text: true }));
                }
            }
            // `INSERT INTO t (SELECT ...)`.
            Kind::Word if token.is(text, "SELECT") => return Ok(None),
            Kind::Semicolon | Kind::Word | Kind::Quoted | Kind::Other => {}
        }
        last_end = token.end;
    }
    let at = source_at.unwrap_or(last_end);
    Ok(Some(Insert { source_at: at, end: last_end, data_at: text.len(), format: None, format_in_text: false }))
}

/// ClickHouse's rule: behind the format's name blanks, then one line end, do not belong to the data; nor does a semicolon.
fn data_behind_format(text: &[u8], name_end: usize) -> usize {
    let mut at = skip(text, name_end, |byte| matches!(byte, b' ' | b'\t' | b'\x0c'));
    if text.get(at) == Some(&b';') {
        at = skip(text, at + 1, |byte| matches!(byte, b' ' | b'\t' | b'\x0c'));
    }
    if text.get(at) == Some(&b'\r') {
        at += 1;
    }
    if text.get(at) == Some(&b'\n') { at + 1 } else { at }
}

fn skip(text: &[u8], from: usize, blank: impl Fn(u8) -> bool) -> usize {
    text[from..].iter().position(|&byte| !blank(byte)).map_or(text.len(), |count| from + count)
}

/// Reads a statement that has no data: its output format, whether it has totals (which belong behind the last row, so
/// that the engine's pieces do not make the whole), and that nothing follows it.
fn whole(text: &[u8]) -> Result<(Option<String>, bool), Exception> {
    let mut totals = false;
    let (mut depth, mut ended, mut format, mut after_format) = (0_usize, false, None, false);
    let mut source = Source::Nowhere;
    for token in tokens(text) {
        source = source.next(&token, text)?;
        if ended {
            let message =
                format!("Syntax error (Multi-statements are not allowed): failed at position {}", token.start + 1);
            return Err(Exception::new(SYNTAX_ERROR, "SYNTAX_ERROR", message));
        }
        if token.kind == Kind::Word {
            refuse_files(&token, text)?;
            totals |= token.is(text, "TOTALS");
        }
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Semicolon => ended = true,
            Kind::Word if depth == 0 && after_format => format = Some(token.text(text)),
            Kind::Word | Kind::Quoted | Kind::Other => {}
        }
        after_format = depth == 0 && token.is(text, "FORMAT");
    }
    Ok((format, totals))
}

/// How far a dictionary's `SOURCE(name(...))` has been read.
enum Source {
    Nowhere,
    Word,
    Parenthesis,
    /// Within the arguments, this many parentheses deep; the name itself is at depth 0.
    Arguments(usize),
}

/// What makes a dictionary's source another server than this one.
const ELSEWHERE: [&str; 5] = ["HOST", "PORT", "USER", "PASSWORD", "SECURE"];

impl Source {
    /// A dictionary may read tables of this engine; the other sources read files, run programs, or open connections, and
    /// the engine has no privilege to withhold for them.
    fn next(&self, token: &Token, text: &[u8]) -> Result<Self, Exception> {
        let refused = |message: String| Err(Exception::new(ACCESS_DENIED, "ACCESS_DENIED", message));
        match (self, token.kind) {
            (Self::Parenthesis, _) if !["CLICKHOUSE", "NULL"].iter().any(|name| token.is(text, name)) => {
                refused(format!("Dictionaries from {} are not served", token.text(text)))
            }
            (Self::Parenthesis, _) => Ok(Self::Arguments(0)),
            (Self::Arguments(depth), Kind::Open) => Ok(Self::Arguments(depth + 1)),
            (Self::Arguments(0 | 1), Kind::Close) => Ok(Self::Nowhere),
            (Self::Arguments(depth), Kind::Close) => Ok(Self::Arguments(depth - 1)),
            // An identifier in quotes may be any of the words, written with escapes.
            (Self::Arguments(_), Kind::Quoted) if matches!(text.get(token.start), Some(b'`' | b'"')) => {
                refused("A dictionary's source names its table in single quotes here".to_owned())
            }
            (Self::Arguments(_), _) if ELSEWHERE.iter().any(|word| token.is(text, word)) => {
                refused("Dictionaries from other servers are not served".to_owned())
            }
            (Self::Arguments(depth), _) => Ok(Self::Arguments(*depth)),
            (Self::Word, Kind::Open) => Ok(Self::Parenthesis),
            (Self::Nowhere | Self::Word, _) if token.is(text, "SOURCE") => Ok(Self::Word),
            (Self::Nowhere | Self::Word, _) => Ok(Self::Nowhere),
        }
    }
}

/// `FROM INFILE` and `INTO OUTFILE` would open files of this machine in the name of whoever asks.
fn refuse_files(token: &Token, text: &[u8]) -> Result<(), Exception> {
    if token.is(text, "INFILE") || token.is(text, "OUTFILE") {
        return Err(Exception::new(ACCESS_DENIED, "ACCESS_DENIED", "INFILE and OUTFILE are not served over HTTP"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_insert_is_cut_before_its_data() {
        let file = " FROM INFILE 'F' COMPRESSION 'none' ";
        let cases = [
            ("INSERT INTO t FORMAT CSV\n1,2", format!("INSERT INTO t{file} FORMAT CSV"), "1,2"),
            (
                "insert into t (a,`b)`) format JSONEachRow {\"a\":1}",
                format!("insert into t (a,`b)`){file} format JSONEachRow"),
                "{\"a\":1}",
            ),
            (
                "INSERT INTO t (a) SETTINGS x=1 FORMAT Native\r\n\n",
                format!("INSERT INTO t (a){file} SETTINGS x=1 FORMAT Native"),
                "\n",
            ),
            ("INSERT INTO t VALUES (1),(2)", format!("INSERT INTO t{file} FORMAT Values"), " (1),(2)"),
            (
                "INSERT INTO t /* FORMAT x */ (a)\nvalues(1)",
                format!("INSERT INTO t /* FORMAT x */ (a){file} FORMAT Values"),
                "(1)",
            ),
            (
                "INSERT INTO t SETTINGS async_insert=0 VALUES (1)",
                format!("INSERT INTO t{file} SETTINGS async_insert=0 FORMAT Values"),
                " (1)",
            ),
            ("INSERT INTO t", format!("INSERT INTO t{file} FORMAT Default"), ""),
            ("INSERT INTO t FORMAT CSV; \n1", format!("INSERT INTO t{file} FORMAT CSV"), "1"),
            (
                "INSERT INTO FUNCTION null('a UInt8') FORMAT CSV 1",
                format!("INSERT INTO FUNCTION null('a UInt8'){file} FORMAT CSV"),
                "1",
            ),
        ];
        for (text, sql, data) in cases {
            let Ok(Statement::Insert(insert)) = parse(text.as_bytes()) else { panic!("{text}: no INSERT") };
            let made = String::from_utf8(insert.reading(text.as_bytes(), "F", "Default")).expect("text");
            let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(squeezed(&made), squeezed(&sql), "{text}");
            assert_eq!(&text[insert.data_at..], data, "{text}");
        }
    }

    #[test]
    fn statements_have_their_kind_and_format() {
        let select = |format: Option<&str>| Statement::Select { format: format.map(str::to_owned) };
        let other = |format: Option<&str>| Statement::Other { format: format.map(str::to_owned) };
        let cases = [
            ("SELECT 1", select(None)),
            ("select 1 format JSON", select(Some("JSON"))),
            ("SELECT 1 FORMAT CSV SETTINGS max_threads=1;\n", select(Some("CSV"))),
            ("SELECT 'FORMAT x', \"FORMAT\" FROM (SELECT 1 FORMAT Y)", select(None)),
            ("-- a comment\nWITH 1 AS x SELECT x FORMAT TSV -- FORMAT z", select(Some("TSV"))),
            ("(SELECT 1) UNION ALL (SELECT 2)", select(None)),
            ("SELECT a, count() FROM t GROUP BY a WITH TOTALS FORMAT CSV", other(Some("CSV"))),
            ("SHOW TABLES FORMAT JSONCompact", other(Some("JSONCompact"))),
            ("INSERT INTO t SELECT 1 FORMAT Null", other(Some("Null"))),
            ("INSERT INTO t (a) (SELECT 1)", other(None)),
            ("CREATE TABLE t (a UInt8) ENGINE = Null", other(None)),
            ("CREATE DICTIONARY d (a UInt8) PRIMARY KEY a SOURCE(CLICKHOUSE(TABLE 't')) LAYOUT(FLAT())", other(None)),
            (
                "CREATE DICTIONARY d (host UInt8) SOURCE(CLICKHOUSE(TABLE 'host' DB d)) COMMENT host FORMAT TSV",
                other(Some("TSV")),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text.as_bytes()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        let cases = [
            ("", 62),
            (" -- nothing\n", 62),
            ("SELECT 1; SELECT 2", 62),
            ("SELECT 1 INTO OUTFILE '/tmp/x'", 497),
            ("INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV", 497),
            ("CREATE DICTIONARY d (a UInt8) PRIMARY KEY a SOURCE(FILE(path '/x' format CSV)) LAYOUT(FLAT())", 497),
            ("EXPLAIN SELECT 1 into/**/outfile 'x'", 497),
            (
                "CREATE DICTIONARY d (a UInt8) PRIMARY KEY a SOURCE(CLICKHOUSE(TABLE 't' HOST 'far')) LAYOUT(FLAT())",
                497,
            ),
            ("CREATE DICTIONARY d (a UInt8) PRIMARY KEY a SOURCE(clickhouse(port 9 table t))", 497),
            ("CREATE DICTIONARY d (a UInt8) PRIMARY KEY a SOURCE(CLICKHOUSE(WHERE f(1) SECURE 1))", 497),
            ("CREATE DICTIONARY d (a UInt8) PRIMARY KEY a SOURCE(CLICKHOUSE(`ho\\x73t` 'far'))", 497),
            ("CREATE DICTIONARY d (a UInt8) SOURCE(NULL()) SOURCE(CLICKHOUSE(\"user\" 'x'))", 497),
        ];
        for (text, code) in cases {
            assert_eq!(parse(text.as_bytes()).map_err(|exception| exception.code), Err(code), "{text}");
        }
    }
}
