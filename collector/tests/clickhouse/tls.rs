//! Real TLS handshakes: a block goes in where the certificate is right, and one line says what is wrong where it is not.

use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::BytesMut;
use collector::clickhouse::client::{Client, Settings};
use collector::clickhouse::{Class, schema};
use rustls::version::{TLS12, TLS13};

use crate::engine::{Engine, block_on};
use crate::fake::{Answer, Fake};
use crate::rows::{Numbers, block};
use crate::tls_proxy::{Authority, Flaw, Identity, TlsProxy};

const CLICKHOUSE: Answer = Answer::Fine("26.5.1.1\t0\n");

#[test]
fn a_block_goes_through_tls_into_the_engine() {
    let Some(engine) = Engine::start() else { return };
    let authority = Authority::new("insert");
    let identity = authority.sign("localhost", Flaw::None);
    for version in [&TLS12, &TLS13] {
        let proxy = TlsProxy::start(engine.address(), &identity, version);
        let settings = Settings {
            url: format!("https://localhost:{}", proxy.address.port()),
            ca_file: Some(authority.file()),
            ..engine.settings(&format!("tls {:?}", version.version))
        };
        let client = Client::new(&settings).unwrap();
        block_on(async {
            schema::apply(&client).await.unwrap();
            client.probe().await.unwrap();
            // Long enough for many TLS records and for more than one piece of the request's body.
            let rows = block(0, 20_000, 200, &mut Numbers(1));
            client.insert(rows.parts().next().unwrap(), "tls", &mut BytesMut::new()).await.unwrap();
            assert_eq!(client.query("SELECT count() FROM flows", "TSV").await.unwrap(), "20000\n");
        });
    }
}

#[test]
fn certificates_that_prove_nothing_are_refused() {
    let fake = Fake::start(&[], CLICKHOUSE);
    let (ours, other, namesake) = (Authority::new("ours"), Authority::new("other"), Authority::new("ours"));
    let fine = || ours.sign("localhost", Flaw::None);
    check(&fake, &fine(), ours.file(), None);
    check(
        &fake,
        &ours.sign("127.0.0.1", Flaw::None),
        ours.file(),
        Some(&["not valid for name", "use one of its names"]),
    );
    let cases: [(Identity, PathBuf, &[&str]); 6] = [
        (fine(), other.file(), &["UnknownIssuer", "ca_file"]),
        (fine(), namesake.file(), &["BadSignature", "ca_file"]),
        (ours.sign("localhost", Flaw::Expired), ours.file(), &["expired", "renew it", "clock"]),
        (ours.sign("localhost", Flaw::NotYetValid), ours.file(), &["not valid yet", "clock"]),
        (
            ours.sign("clickhouse.example.net", Flaw::None),
            ours.file(),
            &["not valid for name", "clickhouse.example.net"],
        ),
        (ours.own(), ours.file(), &["CaUsedAsEndEntity", "basicConstraints=CA:FALSE"]),
    ];
    for (identity, ca_file, parts) in cases {
        check(&fake, &identity, ca_file, Some(parts));
    }
    assert_eq!(fake.requests(), 1, "only the right certificate may see a request");
}

/// Asks through TLS; `refused` are parts of the line that says why not.
#[track_caller]
fn check(fake: &Fake, identity: &Identity, ca_file: PathBuf, refused: Option<&[&str]>) {
    let proxy = TlsProxy::start(fake.address, identity, &TLS13);
    let url = format!("https://localhost:{}", proxy.address.port());
    let settings = Settings { url: url.clone(), ca_file: Some(ca_file), ..Settings::default() };
    let answer = block_on(async { Client::new(&settings).unwrap().probe().await });
    let Some(parts) = refused else {
        assert_eq!(answer.unwrap(), "26.5.1.1");
        return;
    };
    let error = answer.unwrap_err();
    assert_eq!(error.class, Class::Tls, "{error}");
    assert!(error.message.starts_with(&format!("TLS to ClickHouse at {url} failed: ")), "{error}");
    assert!(!error.message.contains('\n'), "{error}");
    for part in parts {
        assert!(error.message.contains(part), "no {part:?} in {error}");
    }
}

#[test]
fn the_wrong_one_of_http_and_https_is_named() {
    let fake = Fake::start(&[], CLICKHOUSE);
    let authority = Authority::new("scheme");
    let identity = authority.sign("localhost", Flaw::None);
    let ask = |scheme: &str, address: SocketAddr| {
        let url = format!("{scheme}://localhost:{}", address.port());
        let settings = Settings { url: url.clone(), ca_file: Some(authority.file()), ..Settings::default() };
        let error = block_on(async { Client::new(&settings).unwrap().probe().await }).unwrap_err();
        assert!(error.message.contains(&url) && !error.message.contains('\n'), "{error}");
        error
    };
    let to_plain = ask("https", fake.address);
    assert_eq!(to_plain.class, Class::Tls, "{to_plain}");
    assert!(to_plain.message.contains("does not speak TLS") && to_plain.message.contains("http://"), "{to_plain}");
    for version in [&TLS12, &TLS13] {
        let proxy = TlsProxy::start(fake.address, &identity, version);
        let to_tls = ask("http", proxy.address);
        assert_eq!(to_tls.class, Class::NotClickHouse, "{to_tls}");
        assert!(to_tls.message.contains("https://"), "{to_tls}");
    }
}
