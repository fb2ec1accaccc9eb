//! What survives: a restart, `kill -9`; how the child is watched; and errors at the start.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use collector::store::{Child, Error};

use crate::lifeline;
use crate::support::{Store, directory, engine_is_missing, program, settings, shared, start};

#[test]
fn acknowledged_rows_survive_kill_and_restart() {
    let Some(mut store) = Store::start() else { return };
    store.ok("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a");
    assert_eq!(store.insert("INSERT INTO t FORMAT CSV", "", b"1\n2\n").status, 200);
    let killed = store.child.as_ref().and_then(Child::id);
    nix::sys::signal::kill(process_of(&store), nix::sys::signal::Signal::SIGKILL).expect("killed");
    let child = store.child.as_ref().expect("a child");
    while child.restarts() == 0 || !child.is_running() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_ne!(child.id(), killed);
    assert_eq!(store.ok("SELECT sum(a) FROM t"), "3\n");

    assert_eq!(store.insert("INSERT INTO t FORMAT CSV", "", b"3\n").status, 200);
    store.child.take().expect("a child").stop().expect("a clean end");
    store.child = Some(start(&store.settings).expect("a start"));
    assert_eq!(store.ok("SELECT sum(a) FROM t"), "6\n");
}

#[test]
fn a_store_whose_parent_is_gone_ends_though_nobody_reads_its_log() {
    if engine_is_missing() {
        return;
    }
    let folder = directory();
    let mut command = Command::new(program());
    command.args(["store", "--until-stdin-closes", "--data-dir"]).arg(folder.join("data"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (mut store, lifeline) = lifeline::start(command, &listener);
    let mut announced = String::new();
    BufReader::new(store.stdout.take().expect("a pipe")).read_line(&mut announced).expect("that the store answers");
    // A parent that is killed closes both at once; the log may be gone first.
    drop(store.stderr.take());
    drop(lifeline);
    let end = Instant::now() + Duration::from_secs(60);
    let status = loop {
        match store.try_wait().expect("a child") {
            Some(status) => break status,
            None if Instant::now() > end => {
                let _ = store.kill();
                panic!("the store goes on without its parent");
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    assert!(status.success(), "{status}: {announced}");
}

#[test]
fn errors_at_start_say_what_to_do() {
    if engine_is_missing() {
        return;
    }
    let folder = directory();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let file = folder.join("file");
    std::fs::write(&file, "").expect("a file");
    let running = start(&settings(&folder)).expect("a start");
    let other = folder.join("other");
    let cases: [(&str, collector::store::Settings); 5] = [
        (
            "cannot listen on",
            collector::store::Settings { listen: taken.local_addr().expect("bound"), ..settings(&other) },
        ),
        ("in use by another process", settings(&folder)),
        ("data directory", collector::store::Settings { data_dir: file.clone(), ..settings(&other) }),
        ("COLLECTOR_LIBCHDB", collector::store::Settings { library: Some("/nonexistent".into()), ..settings(&other) }),
        (
            "without a password",
            collector::store::Settings { listen: "0.0.0.0:0".parse().expect("address"), ..settings(&other) },
        ),
    ];
    for (expected, settings) in cases {
        match start(&settings) {
            Err(error) => assert!(error.to_string().contains(expected), "{expected}: {error}"),
            Ok(_) => panic!("{expected}: started"),
        }
    }
    running.stop().expect("a clean end");
}

/// Makes the next start in `data_dir` wait for ever: the engine's file of users is a pipe that nobody reads.
fn obstruct(data_dir: &Path) {
    let users = data_dir.join("users.xml");
    let _ = std::fs::remove_file(&users);
    nix::unistd::mkfifo(&users, nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR).expect("a pipe");
}

/// Runs `stop`, which must not wait for the store to start.
fn ends_soon(stop: impl FnOnce() + Send + 'static) {
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || {
        stop();
        let _ = sender.send(());
    });
    ended.recv_timeout(Duration::from_secs(60)).expect("an end before the start's limit");
}

#[test]
fn a_first_start_can_be_stopped() {
    if engine_is_missing() {
        return;
    }
    let folder = directory();
    let settings = settings(&folder);
    std::fs::create_dir_all(&settings.data_dir).expect("a directory");
    obstruct(&settings.data_dir);
    ends_soon(move || {
        let started = Child::start_program(program(), &settings, &AtomicBool::new(true));
        assert!(matches!(started, Err(Error::Stopped)), "{started:?}");
    });
}

#[test]
fn a_restart_can_be_stopped() {
    let Some(mut store) = Store::start() else { return };
    obstruct(&store.settings.data_dir);
    nix::sys::signal::kill(process_of(&store), nix::sys::signal::Signal::SIGKILL).expect("killed");
    let child = store.child.take().expect("a child");
    while child.restarts() == 0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    ends_soon(move || child.stop().expect("a clean end"));
}

#[test]
fn the_child_has_a_process_group_of_its_own() {
    let Some(store) = shared() else { return };
    let child = process_of(&store);
    assert_eq!(nix::unistd::getpgid(Some(child)), Ok(child));
    assert_ne!(nix::unistd::getpgrp(), child);
}

#[test]
fn no_thread_of_the_engine_has_capabilities() {
    let Some(store) = shared() else { return };
    assert_eq!(store.ok("SELECT sum(number) FROM numbers_mt(1000000)"), "499999500000\n");
    let threads = std::fs::read_dir(format!("/proc/{}/task", process_of(&store))).expect("threads");
    let mut count = 0;
    for thread in threads {
        // A thread may end meanwhile.
        let Ok(status) = std::fs::read_to_string(thread.expect("a thread").path().join("status")) else { continue };
        count += 1;
        for line in ["CapInh", "CapPrm", "CapEff", "CapAmb"].map(|set| format!("{set}:\t0000000000000000")) {
            assert!(status.lines().any(|found| found == line), "{line}: {status}");
        }
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    }
    assert!(count > 1, "{count} threads");
}

pub(crate) fn process_of(store: &Store) -> nix::unistd::Pid {
    let id = store.child.as_ref().and_then(Child::id).expect("a process");
    nix::unistd::Pid::from_raw(i32::try_from(id).expect("a pid"))
}
