//! Each way a ClickHouse can fail to be there has its own class and one line that says what to do.

use std::time::Duration;

use collector::clickhouse::client::{Client, Settings};
use collector::clickhouse::{Class, Error};

use crate::engine::{Engine, block_on};
use crate::fake::{Answer, Fake, free_address};

fn probe(settings: &Settings) -> Result<String, Error> {
    block_on(async { Client::new(settings)?.probe().await })
}

fn check(settings: &Settings, class: Class, parts: &[&str]) {
    let error = probe(settings).unwrap_err();
    assert_eq!(error.class, class, "{error}");
    assert!(!error.message.contains('\n'));
    assert!(!error.message.contains("hunter2"), "{error}");
    for part in parts {
        assert!(error.message.contains(part), "{part:?} is not in: {error}");
    }
}

fn settings(url: String) -> Settings {
    Settings { url, password: "hunter2".to_owned(), user: "ada".to_owned(), ..Settings::default() }
}

#[test]
fn answers() {
    for (answer, class, parts) in [
        (
            Answer::Fail(403, "Code: 516. DB::Exception: ada: Authentication failed"),
            Class::Denied,
            &["refused user ada", "check user and password"][..],
        ),
        (
            Answer::Fail(404, "Code: 81. DB::Exception: Database default does not exist."),
            Class::NoDatabase,
            &["has no database default", "collector schema apply"],
        ),
        (Answer::Fine("26.5.1.1\t1\n"), Class::Denied, &["user ada is read-only"]),
        (Answer::Fine("<html>It works!</html>"), Class::NotClickHouse, &["but not as ClickHouse: <html>It works!"]),
        (Answer::Fine(""), Class::NotClickHouse, &["but not as ClickHouse"]),
        (Answer::Fail(404, "not found"), Class::NotClickHouse, &["but not as ClickHouse: status 404: not found"]),
        (Answer::Fail(503, ""), Class::Unavailable, &["status 503"]),
        (Answer::Fail(502, "<html>Bad Gateway</html>"), Class::Unavailable, &["status 502: <html>Bad Gateway"]),
        (Answer::Fail(500, "<html>sorry</html>"), Class::Other, &["status 500: <html>sorry"]),
        (Answer::Fail(521, "<html>origin is down</html>"), Class::Unavailable, &["status 521"]),
        (Answer::Silence, Class::Timeout, &["no answer"]),
    ] {
        let fake = Fake::start(&[], answer);
        let mut settings = settings(format!("http://{}", fake.address));
        settings.request_timeout = Duration::from_millis(500);
        check(&settings, class, parts);
        check(&settings, class, &[&settings.url]);
    }
    let fake = Fake::start(&[], Answer::Fine("26.5.1.1\t0\n"));
    assert_eq!(probe(&settings(format!("http://{}", fake.address))).unwrap(), "26.5.1.1");
}

#[test]
fn no_answer_at_all() {
    let address = free_address();
    check(&settings(format!("http://{address}")), Class::Unreachable, &["cannot reach ClickHouse", "refused"]);
    check(&settings("http://no-such-host.invalid:8123".to_owned()), Class::Unreachable, &["cannot reach ClickHouse"]);
}

#[test]
fn settings_that_make_no_sense() {
    for (url, part) in [
        ("", "must be http://HOST:PORT"),
        ("127.0.0.1:8123", "must be http://HOST:PORT"),
        ("tcp://127.0.0.1:9000", "must be http://HOST:PORT"),
        ("http:///x", "must be http://HOST:PORT"),
        ("http://ada:secret@127.0.0.1", "must not hold a password"),
    ] {
        check(&settings(url.to_owned()), Class::Settings, &[part]);
    }
    let missing =
        Settings { ca_file: Some("/nonexistent/ca.pem".into()), ..settings("https://127.0.0.1:1".to_owned()) };
    check(&missing, Class::Settings, &["cannot use the CA file /nonexistent/ca.pem"]);
    let empty = Settings { ca_file: Some("/dev/null".into()), ..settings("https://127.0.0.1:1".to_owned()) };
    check(&empty, Class::Settings, &["no certificate in it"]);
}

#[test]
fn the_password_is_not_shown() {
    let shown = format!("{:?}", settings("http://127.0.0.1".to_owned()));
    assert!(shown.contains("ada") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn the_engine_answers() {
    let Some(engine) = Engine::start() else { return };
    let mut settings = engine.settings("probe");
    check(&settings, Class::NoDatabase, &["has no database probe"]);
    settings.database = "default".to_owned();
    assert!(probe(&settings).unwrap().contains('.'));
    for (user, password) in [("ada", "hunter2"), ("ada", ""), ("eve", "hunter2")] {
        (settings.user, settings.password) = (user.to_owned(), password.to_owned());
        check(&settings, Class::Denied, &["refused user", user, "check user and password"]);
    }
}
