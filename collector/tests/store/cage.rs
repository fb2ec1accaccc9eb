//! What the kernel keeps queries from: files, directories, hosts; and that nobody takes the store's place while it is away.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::durability::process_of;
use crate::support::{Store, directory};

/// A word in every file that must stay unread.
const SECRET: &str = "precious-4711";

#[test]
fn queries_reach_no_file_outside_of_the_store() {
    let Some(store) = Store::start() else { return };
    let folder = directory();
    let (file, victim, made) = (folder.join("file"), folder.join("victim"), folder.join("made"));
    std::fs::write(&file, SECRET).expect("a file");
    std::fs::create_dir(&victim).expect("a directory");
    std::fs::write(victim.join("file"), SECRET).expect("a file");
    let (file, made) = (file.display(), made.display());
    let statements = [
        format!("SELECT file('{file}')"),
        format!("SELECT * FROM file('{file}', 'LineAsString')"),
        format!("SELECT 1 AS a FORMAT Template SETTINGS format_template_row='{file}'"),
        format!("SELECT 1 AS a FORMAT Template SETTINGS format_template_resultset='{file}'"),
        format!("ATTACH TABLE default.v FROM '{}' (a Int8) ENGINE = MergeTree ORDER BY a", victim.display()),
        format!("SELECT * FROM sqlite('{made}', 't')"),
        "SELECT file('/proc/self/environ')".to_owned(),
        "SELECT file('/proc/1/cmdline')".to_owned(),
    ];
    for statement in statements {
        let answer = store.post(&statement);
        assert_ne!(answer.status, 200, "{statement}: {}", answer.text());
        assert!(!answer.text().contains(SECRET), "{statement}: {}", answer.text());
    }
    assert_eq!(std::fs::read_to_string(victim.join("file")).expect("still there"), SECRET);
    assert!(!folder.join("made").exists());
    assert_eq!(store.ok("SELECT 1"), "1\n", "the engine lives on");
}

#[test]
fn queries_connect_to_nobody() {
    let Some(store) = Store::start() else { return };
    let host = TcpListener::bind("127.0.0.1:0").expect("a port");
    host.set_nonblocking(true).expect("a socket");
    let address = host.local_addr().expect("bound");
    let statements = [
        format!(
            "CREATE TABLE w (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = web, endpoint = 'http://{address}/w/')"
        ),
        "SELECT count() FROM w".to_owned(),
        format!("SELECT * FROM url('http://{address}/', 'LineAsString')"),
        format!("SELECT * FROM remote('{address}', system.one)"),
    ];
    for statement in statements {
        store.post(&statement);
        let accepted = host.accept();
        assert!(accepted.is_err(), "{statement}: {accepted:?}");
    }
    assert_eq!(store.ok("SELECT 1"), "1\n", "the engine lives on");
}

#[test]
fn nobody_takes_the_port_of_a_store_that_was_killed() {
    let Some(store) = Store::start() else { return };
    store.ok("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a");
    let address = store.url().trim_start_matches("http://").to_owned();
    let child = store.child.as_ref().expect("a child");
    nix::sys::signal::kill(process_of(&store), nix::sys::signal::Signal::SIGKILL).expect("killed");
    let mut attempts = 0;
    while child.restarts() == 0 || !child.is_running() {
        attempts += 1;
        let bound = TcpListener::bind(&address);
        assert!(bound.is_err(), "attempt {attempts}: another process would answer in the store's place");
        // Who connects meanwhile waits for the next child.
        assert!(TcpStream::connect(&address).is_ok(), "attempt {attempts}");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(attempts > 1, "the store was never away");
    assert_eq!(store.insert("INSERT INTO t FORMAT CSV", "", b"1\n").status, 200);
    assert_eq!(store.ok("SELECT sum(a) FROM t"), "1\n");
}
