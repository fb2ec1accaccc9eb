//! A request's head: parameters, credentials, formats, settings.
//!
//! Not here: the statement, the body. The rules are ClickHouse's (<https://clickhouse.com/docs/interfaces/http>).

use axum::http::{HeaderMap, Method, header};

use super::body::Packing;
use super::encodings::Encoding;
use super::errors::{Exception, NOT_IMPLEMENTED};

/// What ClickHouse answers in when nobody says.
const DEFAULT_FORMAT: &str = "TabSeparated";

/// Parameters that are neither settings nor values of a query's parameters.
const RESERVED: &[&str] = &[
    "query",
    "database",
    "default_format",
    "user",
    "password",
    "query_id",
    "quota_key",
    "session_id",
    "session_timeout",
    "session_check",
    "role",
    "stacktrace",
    "compress",
    "decompress",
    "buffer_size",
    "wait_end_of_query",
    "client_protocol_version",
    "close_session",
    "log_comment",
];

/// All that the head of a request says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The `query` parameter.
    pub(super) query: String,
    pub(super) query_id: Option<String>,
    pub(super) database: Option<String>,
    pub(super) default_format: String,
    /// Settings and `param_*`, in the order they came in.
    pub(super) settings: Vec<(String, String)>,
    /// GET and HEAD change nothing.
    pub(super) read_only: bool,
    /// How the body is packed.
    pub(super) packing: Packing,
    /// `compress=1`: answer in ClickHouse's frames.
    pub(super) frames: bool,
    /// The `Content-Encoding` of the answer.
    pub(super) answer_encoding: Encoding,
    /// The protocol version of a client that wants Native blocks with block info.
    pub(super) protocol_version: u64,
    /// User and password, empty where not given.
    pub(super) user: String,
    pub(super) password: String,
}

impl Head {
    /// Reads method, query string and headers.
    pub(super) fn read(method: &Method, query_string: &str, headers: &HeaderMap) -> Result<Self, Exception> {
        let mut head = Self {
            default_format: text(headers, "x-clickhouse-format").unwrap_or_else(|| DEFAULT_FORMAT.to_owned()),
            database: text(headers, "x-clickhouse-database"),
            read_only: method == Method::GET || method == Method::HEAD,
            ..Self::default()
        };
        (head.user, head.password) = credentials(headers);
        let mut http_compression = false;
        for (name, value) in parameters(query_string) {
            match name.as_str() {
                "query" => head.query.push_str(&value),
                "query_id" => head.query_id = Some(value).filter(|id| !id.is_empty()),
                "database" if !value.is_empty() => head.database = Some(value),
                "default_format" if !value.is_empty() => head.default_format = value,
                "user" => head.user = value,
                "password" => head.password = value,
                "compress" => head.frames = is_on(&value),
                "decompress" => head.packing.frames = is_on(&value),
                "client_protocol_version" => head.protocol_version = value.parse().unwrap_or(0),
                name if RESERVED.contains(&name) => {}
                _ => {
                    http_compression |= name == "enable_http_compression" && is_on(&value);
                    head.settings.push((name, value));
                }
            }
        }
        if head.user.is_empty() {
            "default".clone_into(&mut head.user);
        }
        if http_compression {
            let accepted = text(headers, header::ACCEPT_ENCODING.as_str()).unwrap_or_default();
            head.answer_encoding = Encoding::accepted(&accepted);
        }
        head.packing.encoding = encoding(headers)?;
        if text(headers, header::CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("multipart/form-data")) {
            let message = "External tables (multipart/form-data) are not served by the embedded store";
            return Err(Exception::new(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message));
        }
        Ok(head)
    }

    /// The statements that make a session what the request wants it to be.
    pub(super) fn session_setup(&self, tag: &str) -> Result<Vec<String>, Exception> {
        let mut settings = format!("SET log_comment = {}", quoted(tag));
        for (name, value) in self.settings.iter().filter(|(name, _)| name != "readonly") {
            if !is_name(name) {
                let message = format!("Unknown setting '{name}'");
                return Err(Exception::new(115, "UNKNOWN_SETTING", message));
            }
            settings.push_str(&format!(", {name} = {}", quoted(value)));
        }
        let mut setup = vec![settings];
        setup.extend(self.database.as_deref().map(use_database));
        let wanted = self.settings.iter().rfind(|(name, _)| name == "readonly").map(|(_, value)| value.as_str());
        match (wanted, self.read_only) {
            (Some(level), _) if level != "0" => setup.push(format!("SET readonly = {}", quoted(level))),
            (_, true) => setup.push("SET readonly = 2".to_owned()),
            (_, false) => {}
        }
        Ok(setup)
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty()).map(str::to_owned)
}

fn is_on(value: &str) -> bool {
    value == "1" || value.eq_ignore_ascii_case("true")
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|letter: char| letter.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A string literal of ClickHouse's SQL.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The statement that makes a database that of the session.
pub(super) fn use_database(name: &str) -> String {
    format!("USE {}", quoted_name(name))
}

/// A name in ClickHouse's SQL, whatever is in it.
pub(super) fn quoted_name(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Exception> {
    let named = text(headers, header::CONTENT_ENCODING.as_str()).unwrap_or_default();
    Encoding::named(&named).ok_or_else(|| {
        let message = format!("Content-Encoding '{named}' is not served, use lz4, zstd, gzip or deflate");
        Exception::new(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
    })
}

/// User and password of the headers: ClickHouse's own before HTTP basic.
fn credentials(headers: &HeaderMap) -> (String, String) {
    let user = text(headers, "x-clickhouse-user");
    let key = text(headers, "x-clickhouse-key");
    if user.is_some() || key.is_some() {
        return (user.unwrap_or_default(), key.unwrap_or_default());
    }
    let authorization = text(headers, header::AUTHORIZATION.as_str()).unwrap_or_default();
    let Some((scheme, encoded)) = authorization.split_once(' ') else { return Default::default() };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Default::default();
    }
    let decoded = base64(encoded.trim()).unwrap_or_default();
    let decoded = String::from_utf8_lossy(&decoded);
    let (user, password) = decoded.split_once(':').unwrap_or((&decoded, ""));
    (user.to_owned(), password.to_owned())
}

/// RFC 4648 section 4; `None` where a byte is not of the alphabet.
fn base64(encoded: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(encoded.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in encoded.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

/// The pairs of a query string, decoded.
fn parameters(query_string: &str) -> impl Iterator<Item = (String, String)> {
    query_string.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match (byte, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(value)) => {
                out.push(value);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &Method, query_string: &str, headers: &[(&'static str, &str)]) -> Result<Head, Exception> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("header"));
        }
        Head::read(method, query_string, &map)
    }

    #[test]
    fn parameters_settings_and_formats() {
        let head = read(
            &Method::POST,
            "query=SELECT+%7Bx:String%7D&param_x=a%5C'&database=d%60b&max_threads=2&session_id=1&default_format=JSON",
            &[("x-clickhouse-format", "CSV")],
        )
        .expect("a request");
        assert_eq!((head.query.as_str(), head.default_format.as_str()), ("SELECT {x:String}", "JSON"));
        let setup = head.session_setup("tag").expect("names");
        let expected = ["SET log_comment = 'tag', param_x = 'a\\\\\\'', max_threads = '2'", "USE `d\\`b`"];
        assert_eq!(setup, expected);
    }

    #[test]
    fn get_is_read_only_and_bad_names_are_refused() {
        let setup = |method, query_string| {
            let head = read(method, query_string, &[]).expect("a request");
            head.session_setup("t").map_err(|exception| exception.code)
        };
        let expected = ["SET log_comment = 't'", "SET readonly = 2"].map(str::to_owned);
        assert_eq!(setup(&Method::GET, ""), Ok(expected.to_vec()));
        assert_eq!(setup(&Method::POST, "a%20b=1"), Err(115));
        assert_eq!(setup(&Method::POST, "readonly=1").map(|setup| setup.len()), Ok(2));
    }

    #[test]
    fn credentials_are_found_in_each_place() {
        let cases = [
            ("", vec![("authorization", "Basic dXNlcjpwYTpzcw==")], ("user", "pa:ss")),
            ("", vec![("x-clickhouse-user", "u"), ("x-clickhouse-key", "k")], ("u", "k")),
            ("user=a&password=b", vec![("authorization", "Basic dXNlcjpwYTpzcw==")], ("a", "b")),
            ("", vec![], ("default", "")),
            ("", vec![("authorization", "Basic ***")], ("default", "")),
        ];
        for (query_string, headers, (user, password)) in cases {
            let head = read(&Method::GET, query_string, &headers).expect("a request");
            assert_eq!((head.user.as_str(), head.password.as_str()), (user, password), "{query_string} {headers:?}");
        }
    }

    #[test]
    fn unknown_encodings_and_forms_are_refused() {
        for headers in [("content-encoding", "br"), ("content-type", "multipart/form-data; boundary=x")] {
            let refused = read(&Method::POST, "", &[headers]).map_err(|exception| exception.code);
            assert_eq!(refused, Err(NOT_IMPLEMENTED), "{headers:?}");
        }
    }
}
