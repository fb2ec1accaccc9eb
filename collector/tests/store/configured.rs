//! `collector store` by itself: the configuration file says where, at which address and to whom it answers.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Answer, directory, engine_is_missing, program, send};

/// A store that was started by hand; ended when dropped.
struct Alone {
    process: Child,
    address: SocketAddr,
}

impl Alone {
    fn start(config: &Path, flags: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.arg("--log-format").arg("human").arg("store").arg("--config").arg(config).args(flags);
        command.env_remove("COLLECTOR_CLICKHOUSE_PASSWORD").env_remove("COLLECTOR_STORE_PASSWORD");
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a store");
        let mut lines = BufReader::new(process.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
        let mut told = Vec::new();
        let address = lines.find_map(|line| {
            let address = line.split_once("address=").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
            told.push(line);
            address
        });
        // Reads on, so that the store never waits for its log.
        std::thread::spawn(move || lines.for_each(drop));
        let Some(address) = address else {
            let _ = process.kill();
            panic!("the store said no address: {told:?}");
        };
        Self { process, address }
    }

    fn ask(&self, headers: &[(&str, &str)]) -> Answer {
        send(self.address, "POST", "/", headers, b"SELECT currentDatabase(), getSetting('max_threads') > 0")
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_file_says_where_at_which_address_and_to_whom() {
    if engine_is_missing() {
        return;
    }
    let folder = directory();
    let password_file = folder.join("password");
    std::fs::write(&password_file, "from a file\n").expect("written");
    let state = folder.join("state");
    let head = format!("state_dir = \"{}\"\n[store]\nlisten = \"127.0.0.1:0\"\n", state.display());
    let user = "[clickhouse]\nuser = \"ann\"\ndatabase = \"traffic\"\n";
    let in_file = format!("password_file = \"{}\"\n", password_file.display());
    let cases: [(&str, String, &str, &[&str], &str); 3] = [
        ("password", format!("{head}{user}password = \"pass\"\n"), "pass", &[], "traffic"),
        ("password file", format!("{head}{user}{in_file}"), "from a file", &[], "traffic"),
        ("flags above it", format!("{head}{user}password = \"pass\"\n"), "pass", &["--database", "other"], "other"),
    ];
    for (name, text, password, flags, database) in cases {
        let config = folder.join("collector.toml");
        std::fs::write(&config, text).expect("written");
        let store = Alone::start(&config, flags);
        assert_eq!(store.ask(&[]).status, 401, "{name}: without a password");
        for (user, key) in [("ann", "wrong"), ("default", password)] {
            let refused = store.ask(&[("X-ClickHouse-User", user), ("X-ClickHouse-Key", key)]);
            assert_eq!(refused.status, 403, "{name}: {user} {key}");
        }
        let answer = store.ask(&[("X-ClickHouse-User", "ann"), ("X-ClickHouse-Key", password)]);
        assert_eq!((answer.status, answer.text()), (200, format!("{database}\t1\n")), "{name}");
        assert!(state.join("store/engine").is_dir(), "{name}");
    }
}

#[test]
fn a_file_that_cannot_be_honoured_is_refused() {
    let folder = directory();
    let config = folder.join("collector.toml");
    for (text, told) in [
        ("[clickhouse]\npassword_file = \"/nowhere/password\"\n", "/nowhere/password"),
        ("[stor]\nlisten = \"127.0.0.1:0\"\n", "stor"),
        ("[store]\nlisten = \"192.0.2.1:8123\"\n", "loopback"),
    ] {
        std::fs::write(&config, text).expect("written");
        let output = Command::new(program()).arg("store").arg("--config").arg(&config).output().expect("a run");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}: {error}");
        assert!(error.contains(told), "{text}: {error}");
    }
}
