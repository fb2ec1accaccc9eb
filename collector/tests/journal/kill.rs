//! A process that is killed at any moment while it appends: what it said it had appended is there.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use collector::journal::{Journal, Position, Range, Recovered};

use crate::support::{Folder, all, append, entry, settings};

/// Set in the child process: the directory of its journal.
const DIRECTORY: &str = "COLLECTOR_TEST_JOURNAL";

/// Not a test of its own: what the child process does, until it is killed.
#[test]
fn child_appends_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let (mut journal, _) = Journal::open(settings(directory.as_ref()), [7; 16]).expect("it opens");
    let progress = journal.progress();
    let mut from = progress.begun();
    for number in journal.tip().0.. {
        let position = append(&mut journal, &entry(number, &[number as u8; 900]));
        if number % 50 == 0 {
            let range = Range { from, to: journal.tip(), shard: 0 };
            progress.begin(range).expect("the disk has room");
            if number % 100 == 0 {
                progress.settle(range);
            }
            from = range.to;
        }
        println!("at {} {}", position.0, from.0);
    }
}

#[test]
fn what_a_killed_process_appended_is_there() {
    let folder = Folder::new();
    for lines in [1, 700, 13, 2500, 333] {
        let mut child = Command::new(std::env::current_exe().expect("this test is a program"))
            .args(["--exact", "kill::child_appends_until_it_is_killed", "--nocapture"])
            .env(DIRECTORY, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let said = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        // The first line shares its line with the name of the test.
        let said = said.map(|line| line.expect("the child writes text"));
        let positions = said.filter_map(|line| {
            let (_, numbers) = line.split_once("at ")?;
            let (at, begun) = numbers.split_once(' ')?;
            Some((at.parse().ok()?, begun.parse().ok()?))
        });
        let appended: Vec<(u64, u64)> = positions.take(lines).collect();
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");

        let (journal, found) = Journal::open(settings(folder.path()), [9; 16]).expect("it opens");
        assert_eq!((found.gaps, found.strangers, found.progress_damaged), (0, 0, 0), "{found:?}");
        assert_eq!(journal.id(), [7; 16]);
        let there: Vec<u64> = all(&journal).iter().map(|record| record.from.0).collect();
        assert_eq!(appended.len(), lines);
        for (position, _) in &appended {
            assert!(there.binary_search(position).is_ok(), "{position} is gone: {found:?}");
        }
        let begun = appended.last().map(|(_, begun)| Position(*begun));
        assert!(Some(journal.progress().begun()) >= begun, "a range was begun that is not known");
        assert_ne!(found, Recovered::default());
    }
}
