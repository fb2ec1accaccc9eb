//! Other collectors, fed with the same datagrams over loopback: nfcapd with nfdump, and sfacctd.

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Stdio};

use nix::sys::signal::Signal;

use crate::netns::Namespace;
use crate::process::{signal, wait_until};
use crate::totals::{Sums, Totals};

const PORT: u16 = 9996;

/// Who else reads the datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Of nfdump: NetFlow and IPFIX.
    Nfcapd,
    /// Of pmacct: sFlow. Does not tell how many samples there were.
    Sfacctd,
}

/// A process that is killed when dropped.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Peer {
    /// What it reads in the datagrams.
    pub(crate) fn read(self, namespace: &Namespace, folder: &Path, datagrams: &[Vec<u8>]) -> Totals {
        let folder = folder.join("peer");
        let files = folder.join("flows");
        std::fs::create_dir_all(&files).expect("the folder can be made");
        let mut command = match self {
            Self::Nfcapd => {
                let mut command = namespace.command("nfcapd");
                command.args(["-t", "3600", "-b", "127.0.0.1", "-p", &PORT.to_string(), "-w"]).arg(&files);
                command
            }
            Self::Sfacctd => {
                let configuration = folder.join("sfacctd.conf");
                let text = format!(
                    "daemonize: false\nsfacctd_ip: 127.0.0.1\nsfacctd_port: {PORT}\nplugins: print[p]\n\
                     aggregate[p]: src_host, dst_host, src_port, dst_port, proto\nnum_protos: true\n\
                     print_output[p]: csv\nprint_output_file[p]: {}\nprint_refresh_time[p]: 86400\n",
                    folder.join("flows.csv").display()
                );
                std::fs::write(&configuration, text).expect("the folder can be written");
                let mut command = namespace.command("sfacctd");
                command.arg("-f").arg(configuration);
                command
            }
        };
        let log = std::fs::File::create(folder.join("log")).expect("the folder can be written");
        let error_log = log.try_clone().expect("a file can be shared");
        let child = command.stdin(Stdio::null()).stdout(log).stderr(error_log).spawn().expect("it starts");
        let mut peer = Killed(child);
        wait_until(&format!("{self:?} listens"), || waiting(namespace).is_some());
        namespace.enter(|| {
            let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("loopback is up");
            for datagram in datagrams {
                socket.send_to(datagram, ("127.0.0.1", PORT)).expect("loopback is up");
            }
        });
        wait_until(&format!("{self:?} has taken all datagrams"), || waiting(namespace) == Some(0));
        // The last datagram may have been taken and not be read yet; sfacctd hands it on to another process of its own.
        std::thread::sleep(std::time::Duration::from_millis(1500));
        signal(peer.0.id(), if self == Self::Nfcapd { Signal::SIGTERM } else { Signal::SIGINT });
        peer.0.wait().expect("it ends");
        let totals = match self {
            Self::Nfcapd => nfdump(namespace, &files),
            Self::Sfacctd => {
                let path = folder.join("flows.csv");
                wait_until("sfacctd has written its flows", || path.exists() && waiting(namespace).is_none());
                let text = std::fs::read_to_string(path).expect("sfacctd has written it");
                // Source, destination, ports, protocol, packets, octets.
                text.lines()
                    .skip(1)
                    .map(|line| cells(line, 7))
                    .fold(Totals::default(), |totals, cells| add(totals, &cells, 0))
            }
        };
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(!totals.is_empty(), "{self:?} read nothing: {log}");
        std::fs::remove_dir_all(folder).expect("the folder is ours");
        totals
    }
}

/// The bytes that wait at the peer's socket; none where it does not listen.
fn waiting(namespace: &Namespace) -> Option<u64> {
    let table = namespace.enter(|| std::fs::read_to_string("/proc/thread-self/net/udp")).expect("procfs is mounted");
    let local = format!("0100007F:{PORT:04X}");
    let line = table.lines().find(|line| line.contains(&local))?;
    let queues = line.split_whitespace().nth(4)?;
    u64::from_str_radix(queues.split_once(':')?.1, 16).ok()
}

fn nfdump(namespace: &Namespace, folder: &Path) -> Totals {
    let mut command = namespace.command("nfdump");
    command.args(["-q", "-N", "-6", "-o", "fmt:%sa,%da,%sp,%dp,%pr,%pkt,%byt", "-R"]).arg(folder);
    let output = command.output().expect("nfdump starts");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter(|line| line.contains(','));
    lines.map(|line| cells(line, 7)).fold(Totals::default(), |totals, cells| add(totals, &cells, 1))
}

fn cells(line: &str, count: usize) -> Vec<String> {
    let cells: Vec<String> = line.split(',').map(|cell| cell.trim().to_owned()).collect();
    assert_eq!(cells.len(), count, "{line}");
    cells
}

fn add(mut totals: Totals, cells: &[String], records: u64) -> Totals {
    let number = |text: &String| text.parse::<u64>().unwrap_or_else(|error| panic!("{text} in {cells:?}: {error}"));
    let address = |text: &String| text.parse().unwrap_or_else(|error| panic!("{text} in {cells:?}: {error}"));
    let protocol = match cells[4].to_ascii_uppercase().as_str() {
        "TCP" => 6,
        "UDP" => 17,
        other => other.parse().unwrap_or_else(|error| panic!("{other} in {cells:?}: {error}")),
    };
    // Whole numbers, which of other protocols than TCP and UDP may be a type and a code.
    let port = |text: &String| text.split('.').next().and_then(|port| port.parse().ok()).unwrap_or(0);
    let key = (address(&cells[0]), address(&cells[1]), port(&cells[2]), port(&cells[3]), protocol);
    totals.add(key, Sums { records, packets: number(&cells[5]), octets: number(&cells[6]) });
    totals
}
