//! A disk that is full: a small file system of its own. What is stored goes first, then what is lost is named, and it recovers by
//! itself.

use std::path::Path;
use std::time::{Duration, Instant};

use collector::journal::{Durability, Entry, Journal, Range, Refused, SEGMENT_BYTES_MIN, Settings};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::geteuid;

use crate::support::{Folder, all, entry, settings};

/// A file system in memory of so many bytes, mounted over a folder.
struct SmallDisk(Folder);

impl SmallDisk {
    /// None where this cannot be had, which is said aloud, or fails the test if `COLLECTOR_REQUIRE_PRIVILEGED` is set.
    fn new(bytes: u64) -> Option<Self> {
        if !geteuid().is_root() {
            assert!(std::env::var_os("COLLECTOR_REQUIRE_PRIVILEGED").is_none(), "mounting a file system needs root");
            eprintln!("SKIPPED: a full disk: needs root to mount a small file system");
            return None;
        }
        let folder = Folder::new();
        let options = format!("size={bytes}");
        mount(Some("tmpfs"), folder.path(), Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
            .expect("root may mount");
        Some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = umount2(self.path(), MntFlags::MNT_DETACH);
    }
}

fn on(disk: &SmallDisk) -> Settings {
    Settings {
        durability: Durability::Disk { every: Duration::from_millis(20) },
        retain_bytes: 1 << 30,
        ..settings(&disk.path().join("journal"))
    }
}

/// Appends `count` records; how many were refused for want of disk.
fn append_all(journal: &mut Journal, from: u64, count: u64) -> u64 {
    let mut refused = 0;
    for number in from..from + count {
        let payload = [number as u8; 1000];
        refused += u64::from(!try_append(journal, &entry(number, &payload)));
    }
    refused
}

fn try_append(journal: &mut Journal, entry: &Entry<'_>) -> bool {
    loop {
        match journal.append(entry) {
            Ok(_) => return true,
            Err(Refused::Slow) => std::thread::yield_now(),
            Err(Refused::Disk) => return false,
            Err(refused @ Refused::Oversize) => panic!("{}", refused.label()),
        }
    }
}

const A_SEGMENT: u64 = (SEGMENT_BYTES_MIN - 128) / 1040;

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn stored_data_goes_before_anything_is_lost() {
    let Some(disk) = SmallDisk::new(12 * SEGMENT_BYTES_MIN) else { return };
    let (mut journal, _) = Journal::open(on(&disk), [7; 16]).expect("it opens");
    let progress = journal.progress();
    let mut begun = progress.begun();
    for round in 0..20 {
        for number in round * 2 * A_SEGMENT..(round + 1) * 2 * A_SEGMENT {
            // The worker looks after the journal in every round; files are made ready beside it, which may take a moment.
            wait_until("stored data makes room", || {
                journal.tend(0);
                try_append(&mut journal, &entry(number, &[number as u8; 1000]))
            });
        }
        let range = Range { from: begun, to: journal.tip(), shard: 0 };
        progress.begin(range).expect("the record of progress has its room");
        progress.settle(range);
        progress.keep_from(range.to);
        begun = range.to;
    }
    assert!(journal.status().segments > 5, "the disk is used: {:?}", journal.status());
}

#[test]
fn what_finds_no_room_is_refused_until_there_is_room() {
    let Some(disk) = SmallDisk::new(9 * SEGMENT_BYTES_MIN) else { return };
    let hog = disk.path().join("hog");
    std::fs::write(&hog, vec![1; 3 * SEGMENT_BYTES_MIN as usize]).expect("there is room yet");
    let (mut journal, _) = Journal::open(on(&disk), [7; 16]).expect("it opens");
    let refused = append_all(&mut journal, 0, 20 * A_SEGMENT);
    assert!(refused > 0 && journal.status().is_failing);
    let kept = all(&journal);
    assert_eq!(kept.len() as u64 + refused, 20 * A_SEGMENT, "what was not refused is there");

    // What was not decoded makes room, and is named.
    let mut lost = 0;
    let end = journal.give_up_oldest(journal.progress().begun(), |_| lost += 1).expect("the disk refuses");
    assert_eq!(lost, A_SEGMENT);
    assert_eq!(all(&journal).first().map(|record| record.from >= end), Some(true));
    wait_until("the file is used again", || try_append(&mut journal, &entry(1, &[1; 1000])));

    append_all(&mut journal, 0, 20 * A_SEGMENT);
    std::fs::remove_file(&hog).expect("it is there");
    wait_until("it recovers by itself", || try_append(&mut journal, &entry(1, &[1; 1000])));
    assert_eq!(append_all(&mut journal, 0, A_SEGMENT), 0);
}

#[test]
fn a_start_on_a_full_disk_collects_as_soon_as_there_is_room() {
    let Some(disk) = SmallDisk::new(9 * SEGMENT_BYTES_MIN) else { return };
    let hog = disk.path().join("hog");
    // Fills all there is, and says so at the end.
    let _ = std::fs::write(&hog, vec![1; 10 * SEGMENT_BYTES_MIN as usize]);
    std::fs::create_dir(disk.path().join("journal")).expect("a directory takes no block");
    let (mut journal, _) = Journal::open(on(&disk), [7; 16]).expect("a full disk is no error");
    assert_eq!(journal.append(&entry(0, b"datagram")), Err(Refused::Disk));
    let range = Range { from: journal.progress().begun(), to: collector::journal::Position(99), shard: 0 };
    journal.progress().begin(range).expect_err("nothing can be written down");
    std::fs::remove_file(&hog).expect("it is there");
    wait_until("it recovers by itself", || try_append(&mut journal, &entry(1, b"datagram")));
    journal.progress().begin(range).expect("there is room");
    assert_eq!(all(&journal).len(), 1);
}
