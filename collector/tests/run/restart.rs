//! A restart under steady load: what is lost is one gap, and with a keeper of sockets beside the collector, as systemd is one, nothing.

use std::io::IoSliceMut;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::process::{Collector, Place, wait_until};

/// Between two datagrams.
const PACE: Duration = Duration::from_millis(1);
/// Datagrams before a restart, and after one.
const ROUND: u32 = 300;

/// A NetFlow v5 datagram of one record, whose octets are its number, which is its sequence too.
fn datagram(number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend([0, 5, 0, 1]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    bytes.extend(60_000_u32.to_be_bytes());
    bytes.extend((now.as_secs() as u32).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(number.to_be_bytes());
    bytes.extend([0, 0, 0, 0]);
    bytes.extend([192, 0, 2, 1, 198, 51, 100, 1, 0, 0, 0, 0, 0, 1, 0, 2]);
    bytes.extend(1_u32.to_be_bytes());
    bytes.extend(number.to_be_bytes());
    bytes.extend(50_000_u32.to_be_bytes());
    bytes.extend(59_000_u32.to_be_bytes());
    bytes.extend([0x9c, 0x40, 0, 53, 0, 0, 17, 0, 0, 0, 0, 0, 24, 24, 0, 0]);
    bytes
}

/// Sends numbered datagrams for as long as it is let.
struct Load {
    sent: AtomicU32,
    stop: AtomicBool,
}

impl Load {
    /// Sends while `during` runs; how many were sent.
    fn run(port: u16, during: impl FnOnce(&Self)) -> u32 {
        let load = Self { sent: AtomicU32::new(0), stop: AtomicBool::new(false) };
        thread::scope(|scope| {
            scope.spawn(|| {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
                while !load.stop.load(Ordering::Relaxed) {
                    let number = load.sent.load(Ordering::Relaxed) + 1;
                    // While nobody listens the kernel says so, which is what is tested.
                    let _ = socket.send_to(&datagram(number), (Ipv4Addr::LOCALHOST, port));
                    load.sent.store(number, Ordering::Relaxed);
                    thread::sleep(PACE);
                }
            });
            struct End<'l>(&'l Load);
            impl Drop for End<'_> {
                fn drop(&mut self) {
                    self.0.stop.store(true, Ordering::Relaxed);
                }
            }
            let _end = End(&load);
            during(&load);
        });
        load.sent.load(Ordering::Relaxed)
    }

    /// Waits until so many more were sent.
    fn wait(&self, more: u32) {
        let until = self.sent.load(Ordering::Relaxed) + more;
        wait_until("the load goes on", || self.sent.load(Ordering::Relaxed) >= until);
    }
}

/// The numbers that are stored, each once; the gaps between them.
fn gaps(collector: &Collector<'_>, sent: u32) -> Vec<(u32, u32)> {
    let last = "SELECT max(bytes) FROM collector.flows FORMAT TSV";
    wait_until("the last datagram is stored", || collector.sql(last).trim() == sent.to_string());
    let mut stable = String::new();
    wait_until("nothing more is stored", || {
        thread::sleep(Duration::from_secs(1));
        let now = collector.sql("SELECT count() FROM collector.flows");
        std::mem::replace(&mut stable, now.clone()) == now
    });
    let text = collector.sql("SELECT bytes FROM collector.flows ORDER BY bytes FORMAT TSV");
    let numbers: Vec<u32> = text.lines().map(|line| line.parse().expect("a number")).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "every row once");
    let all = std::iter::once(0).chain(numbers.iter().copied());
    all.zip(&numbers)
        .filter(|(before, after)| before + 1 < **after)
        .map(|(before, after)| (before + 1, after - 1))
        .collect()
}

#[test]
fn a_restart_loses_one_gap_and_nothing_beside_it() {
    let Some(place) = Place::with_engine("restart") else { return };
    place.change_config("block_age_ms = 60000", "block_age_ms = 100");
    let mut collector = Collector::start(&place, &["--capture", "udp", "--workers", "1"]);
    let sent = Load::run(place.udp_port(), |load| {
        load.wait(ROUND);
        assert_eq!(collector.terminate(), 0, "{}", collector.log());
        collector = Collector::start(&place, &["--capture", "udp", "--workers", "1"]);
        load.wait(ROUND);
    });
    let gaps = gaps(&collector, sent);
    let lost: u32 = gaps.iter().map(|(first, last)| last - first + 1).sum();
    eprintln!("{lost} of {sent} datagrams lost, {:.2} %: {gaps:?}", f64::from(lost) * 100.0 / f64::from(sent));
    // What was sent while the store started is there: it takes many times as long as the gap.
    assert!(gaps.len() <= 1 && lost < sent / 2, "{lost} of {sent} lost: {gaps:?}");
    if lost > 0 {
        let told = format!("missing={lost} of=\"data records\"");
        wait_until("the log says what was lost", || collector.log().contains(&told));
    }
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
    // The ledger has it under its own name, and nothing under that of what is lost on the way.
    let mut collector = Collector::start(&place, &["--capture", "udp", "--workers", "1"]);
    let sums = "SELECT sum(down_records), sum(missing_records), sum(restarts), sum(duplicates) FROM collector.ledger";
    assert_eq!(collector.sql(sums), format!("{lost}\t0\t0\t0\n"), "{}", collector.log());
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}

/// Takes sockets into its keeping as systemd does, by the protocol of sd_notify(3).
struct Keeper {
    socket: UnixDatagram,
    path: String,
}

impl Keeper {
    fn new(place: &Place<'_>) -> Self {
        let path = place.directory().join("notify").to_str().expect("UTF-8").to_owned();
        let socket = UnixDatagram::bind(&path).expect("the directory is ours");
        socket.set_nonblocking(true).expect("a socket can be");
        Self { socket, path }
    }

    /// The sockets that were given since this was last asked, with the notes that they came with.
    fn taken(&self) -> Vec<(String, OwnedFd)> {
        let mut all = Vec::new();
        loop {
            let mut note = [0; 256];
            let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            // Not closed on exec: the next collector inherits them.
            let received = recvmsg(&self.socket, &mut [IoSliceMut::new(&mut note)], &mut ancillary, RecvFlags::empty());
            let Ok(received) = received else { return all };
            let note = String::from_utf8_lossy(&note[..received.bytes]).into_owned();
            for message in ancillary.drain() {
                let RecvAncillaryMessage::ScmRights(sockets) = message else { continue };
                all.extend(sockets.map(|socket| (note.clone(), socket)));
            }
        }
    }
}

/// Puts a kept socket where sd_listen_fds(3) has them.
const HAND_OVER: &str = "exec 3<&$0; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"";

#[test]
fn nothing_is_lost_while_systemd_keeps_the_sockets() {
    let Some(place) = Place::with_engine("handover") else { return };
    place.change_config("block_age_ms = 60000", "block_age_ms = 100");
    let keeper = Keeper::new(&place);
    let variable = format!("NOTIFY_SOCKET={}", keeper.path);
    let arguments = ["--capture", "udp", "--workers", "1"];
    let mut collector = Collector::start_by(&place, &["env", &variable], &arguments);
    let kept = keeper.taken();
    let [(note, socket)] = &kept[..] else { panic!("one socket was given: {kept:?}") };
    assert_eq!(note, &format!("FDSTORE=1\nFDNAME=udp-{}", place.udp_port()));
    let descriptor = socket.as_raw_fd().to_string();
    let by = ["env", &variable, "bash", "-c", HAND_OVER, &descriptor];
    let sent = Load::run(place.udp_port(), |load| {
        load.wait(ROUND);
        assert_eq!(collector.terminate(), 0, "{}", collector.log());
        load.wait(ROUND);
        collector = Collector::start_by(&place, &by, &arguments);
        load.wait(ROUND);
        // Killed, as by a fault or for want of memory.
        collector.signal(nix::sys::signal::Signal::SIGKILL);
        collector.wait();
        load.wait(ROUND);
        collector = Collector::start_by(&place, &by, &arguments);
        load.wait(ROUND);
    });
    assert!(collector.log().contains("took over the sockets of the last run"), "{}", collector.log());
    assert_eq!(gaps(&collector, sent), [], "nothing of {sent} is lost");
    assert_eq!(keeper.taken().len(), 0, "what is kept is not given again");
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}
