//! Queries with settings and parameters in the URL, as ClickHouse's HTTP interface has always taken them.
//!
//! The `clickhouse` crate sends parameters as a form (`multipart/form-data`), which servers before 2024 and the embedded store do
//! not take.

use std::fmt::Write as _;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use hyper::{Method, Request, Uri, header};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::client::Settings;
use super::error::{Class, Error, of_transport};
use super::transport;

/// The longest answer that is taken.
const ANSWER_BYTES: usize = 1 << 30;

/// Asks one query. Values travel beside the text and never become part of it.
///
/// # Errors
/// See [`Class`]; nothing is repeated.
pub(super) async fn ask(
    settings: &Settings,
    sql: &str,
    format: &str,
    parameters: &[(String, String)],
) -> Result<Bytes, Error> {
    let connector = transport::connector(&settings.url, settings.ca_file.as_deref(), settings.connect_timeout)?;
    let http: HttpClient<HttpsConnector<HttpConnector>, Body> =
        HttpClient::builder(TokioExecutor::new()).build(connector);
    let mut url = format!("{}/?default_format={format}&database=", settings.url.trim_end_matches('/'));
    encode(&settings.database, &mut url);
    for (name, value) in parameters {
        url.push('&');
        encode(name, &mut url);
        url.push('=');
        encode(value, &mut url);
    }
    let unusable =
        |error: &dyn std::fmt::Display| Error::new(Class::Settings, format!("the query cannot be sent: {error}"));
    let uri: Uri = url.parse().map_err(|error: axum::http::uri::InvalidUri| unusable(&error))?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(header::USER_AGENT, concat!("collector/", env!("CARGO_PKG_VERSION")))
        .header("X-ClickHouse-User", &settings.user)
        .header("X-ClickHouse-Key", &settings.password)
        .body(Body::from(sql.to_owned()))
        .map_err(|error| unusable(&error))?;
    let response = http.request(request).await.map_err(|error| of_transport(&error))?;
    let status = response.status();
    let answer = to_bytes(Body::new(response.into_body()), ANSWER_BYTES).await;
    let answer = answer.map_err(|error| Error::new(Class::Network, format!("the answer broke off: {error}")))?;
    if status.is_success() {
        return Ok(answer);
    }
    Err(Error::of_response(status.as_u16(), None, None, &String::from_utf8_lossy(&answer)))
}

/// Percent-encodes all but letters, digits, and what never means anything in a URL (RFC 3986 section 2.3).
fn encode(text: &str, url: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_means_anything_in_the_url() {
        for (text, expected) in
            [("plain-1._~", "plain-1._~"), ("a&b=c#d?e+f g%", "a%26b%3Dc%23d%3Fe%2Bf%20g%25"), ("é\n", "%C3%A9%0A")]
        {
            let mut url = String::new();
            encode(text, &mut url);
            assert_eq!(url, expected);
        }
    }
}
