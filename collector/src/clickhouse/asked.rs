//! Queries with settings and parameters in the URL, as ClickHouse's HTTP interface has always taken them.
//!
//! The `clickhouse` crate sends parameters as a form (`multipart/form-data`), which servers before 2024 and the embedded store do
//! not take.

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::client::Settings;
use super::error::{Class, Error, of_transport};
use super::{request, transport};

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
    let named = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let parameters = std::iter::once(("default_format", format)).chain(named);
    let request = request::post(settings, parameters, Body::from(sql.to_owned()))?;
    let response = http.request(request).await.map_err(|error| of_transport(&error))?;
    let status = response.status();
    let answer = to_bytes(Body::new(response.into_body()), ANSWER_BYTES).await;
    let answer = answer.map_err(|error| Error::new(Class::Network, format!("the answer broke off: {error}")))?;
    if status.is_success() {
        return Ok(answer);
    }
    Err(Error::of_response(status.as_u16(), None, None, &String::from_utf8_lossy(&answer)))
}
