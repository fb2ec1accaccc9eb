//! A request to ClickHouse's HTTP interface, for what the `clickhouse` crate's client cannot ask: settings and values in the URL,
//! user and password in headers.

use std::fmt::Write as _;

use hyper::Request;
use hyper::header::{HeaderValue, USER_AGENT};

use super::client::Settings;
use super::error::{Class, Error};

/// A POST of `body` to the server, with the database and these parameters.
///
/// # Errors
/// [`Class::Settings`] when URL, user or password cannot be sent.
pub(super) fn post<'p, B>(
    settings: &Settings,
    parameters: impl IntoIterator<Item = (&'p str, &'p str)>,
    body: B,
) -> Result<Request<B>, Error> {
    let Settings { url, database, user, password, .. } = settings;
    let mut target = url.split(['?', '#']).next().unwrap_or_default().to_owned();
    target.push_str("?database=");
    percent_encode(database, &mut target);
    for (name, value) in parameters {
        target.push('&');
        percent_encode(name, &mut target);
        target.push('=');
        percent_encode(value, &mut target);
    }
    let mut key = HeaderValue::from_bytes(password.as_bytes()).map_err(unusable)?;
    key.set_sensitive(true);
    Request::post(target)
        .header(USER_AGENT, concat!("collector/", env!("CARGO_PKG_VERSION")))
        .header("X-ClickHouse-User", HeaderValue::from_bytes(user.as_bytes()).map_err(unusable)?)
        .header("X-ClickHouse-Key", key)
        .body(body)
        .map_err(unusable)
}

/// Percent-encodes all but letters, digits, and what never means anything in a URL (RFC 3986 section 2.3).
fn percent_encode(text: &str, url: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

fn unusable(error: impl std::fmt::Display) -> Error {
    Error::new(Class::Settings, format!("URL, user or password cannot be sent: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_means_anything_in_the_url() {
        for (text, expected) in [
            ("plain-1._~", "plain-1._~"),
            ("a&b=c#d?e+f g%", "a%26b%3Dc%23d%3Fe%2Bf%20g%25"),
            ("é\n", "%C3%A9%0A"),
            ("a-1_.~ `é&=%", "a-1_.~%20%60%C3%A9%26%3D%25"),
        ] {
            let mut url = String::new();
            percent_encode(text, &mut url);
            assert_eq!(url, expected);
        }
    }
}
