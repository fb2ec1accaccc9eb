//! Connections to ClickHouse: TCP with a time limit, and TLS where the URL says https.
//!
//! Trusted are the CAs of the system and those of one more file. The `clickhouse` crate's own transport panics on a machine
//! that has no CA certificates at all, even for plain HTTP, and takes no file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use super::error::{Class, Error};

/// TCP keep-alive, so that a peer that vanished is noticed.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Opens connections.
///
/// # Errors
/// [`Class::Settings`] when no CA is to be had for an https URL, or the file of CAs cannot be used.
pub(super) fn connector(
    url: &str,
    ca_file: Option<&Path>,
    connect_timeout: Duration,
) -> Result<HttpsConnector<HttpConnector>, Error> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_keepalive(Some(KEEPALIVE));
    http.set_nodelay(true);
    http.set_connect_timeout(Some(connect_timeout));

    let roots = if url.starts_with("https://") { roots(ca_file)? } else { RootCertStore::empty() };
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Class::Settings, format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http))
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    // Single unreadable certificates among the system's are no reason to refuse the others.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let unusable = |error: &dyn std::fmt::Display| {
            Error::new(Class::Settings, format!("cannot use the CA file {}: {error}; it must be PEM", path.display()))
        };
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))?;
        let mut found = false;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unusable(&error))?;
            roots.add(certificate).map_err(|error| unusable(&error))?;
            found = true;
        }
        if !found {
            return Err(unusable(&"no certificate in it"));
        }
    }
    if roots.is_empty() {
        return Err(Error::new(
            Class::Settings,
            "no CA certificate to check the ClickHouse server by: install ca-certificates or name a CA file",
        ));
    }
    Ok(roots)
}

/// What failed in a TLS handshake and what to do about it.
#[expect(clippy::wildcard_enum_match_arm, reason = "rustls adds errors with each version")]
pub(super) fn tls_failure(error: &rustls::Error) -> String {
    let remedy = match error {
        rustls::Error::InvalidCertificate(fault) => certificate_remedy(fault),
        rustls::Error::InvalidMessage(_) => "what answers does not speak TLS: name its HTTPS port, or write http://",
        rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_) => {
            "the server offers nothing that is safe: it must speak TLS 1.2 or 1.3 without a certificate of ours"
        }
        _ => "check that this is its HTTPS port",
    };
    format!("{error}; {remedy}")
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rustls adds faults with each version")]
fn certificate_remedy(fault: &CertificateError) -> &'static str {
    match fault {
        // A bad signature is that of another CA of the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "no CA that is trusted here signed it: name the PEM file of its CA as ca_file in [clickhouse]"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "renew it, or set the clock of this machine if that is wrong"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "set the clock of this machine or of the one that made it"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "use one of its names in the URL (subjectAltName counts, the common name does not)"
        }
        // What `openssl req -x509` makes unless told otherwise.
        CertificateError::Other(_) => {
            "a server's own certificate must not be a CA's: make it with basicConstraints=CA:FALSE, or sign it by the CA"
        }
        _ => "give the server a certificate that is valid",
    }
}
