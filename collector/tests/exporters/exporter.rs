//! The exporters, each run once over the same packets: the datagrams they sent, and what they say is in them.

use std::net::{IpAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use netflow::{Datagram, MapStore, Record, Report, dissect};
use nix::sys::signal::Signal;

use crate::capture::Packets;
use crate::netns::Namespace;
use crate::peer::Killed;
use crate::process::{signal, wait_until};
use crate::totals::{Key, Sums, Totals};

/// Where exporters send; the test takes it from there.
const PORT: u16 = 9990;
/// The port that fprobe's traffic goes to.
const TRAFFIC_PORT: u16 = 4321;

/// Who exports, with the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exporter {
    Softflowd(u8),
    /// A plug-in of pmacctd.
    Nfprobe(u8),
    /// A plug-in of pmacctd: sFlow.
    Sfprobe,
    Fprobe(u8),
}

/// What came of one exporter.
pub(crate) struct Run {
    /// What it sent.
    pub(crate) datagrams: Vec<Vec<u8>>,
    /// What it says it sent, if it does.
    pub(crate) told: Option<Totals>,
}

impl Run {
    /// Lets an exporter meter the packets, all or one in `sampling`.
    pub(crate) fn new(
        namespace: &Namespace,
        folder: &Path,
        exporter: Exporter,
        sampling: u32,
        packets: &Packets,
    ) -> Self {
        let socket = namespace.enter(|| UdpSocket::bind(("127.0.0.1", PORT))).expect("the port is free");
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket has a timeout");
        let capture = folder.join("packets.pcap");
        packets.write(&capture);
        let told = match exporter {
            Exporter::Softflowd(version) => Some(softflowd(namespace, folder, &capture, version, sampling)),
            Exporter::Nfprobe(version) => Some(nfprobe(namespace, folder, &capture, version, sampling)),
            Exporter::Sfprobe => {
                sfprobe(namespace, folder, &capture, sampling);
                None
            }
            Exporter::Fprobe(version) => {
                let (told, datagrams) = fprobe(namespace, version, &socket);
                return Self { datagrams, told: Some(told) };
            }
        };
        Self { datagrams: drain(&socket), told }
    }

    /// Flow records in the datagrams.
    pub(crate) fn records(&self) -> u64 {
        self.told.as_ref().map_or_else(|| flow_records(&self.datagrams), Totals::records)
    }
}

fn softflowd(namespace: &Namespace, folder: &Path, capture: &Path, version: u8, sampling: u32) -> Totals {
    let mut command = namespace.command("softflowd");
    command.arg("-r").arg(capture).args(["-D", "-v", &version.to_string()]);
    command.args(["-n", &format!("127.0.0.1:{PORT}"), "-s", &sampling.to_string()]);
    // With a control socket it may wait there for someone instead of reading.
    command.arg("-p").arg(folder.join("softflowd.pid")).args(["-c", "none"]);
    let has_six = version >= 9;
    told(&finished(&mut command, "Flows exported: "), has_six)
}

fn nfprobe(namespace: &Namespace, folder: &Path, capture: &Path, version: u8, sampling: u32) -> Totals {
    let settings = format!(
        "nfprobe_receiver[probe]: 127.0.0.1:{PORT}\nnfprobe_version[probe]: {version}\n\
         aggregate[probe]: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags\n"
    );
    let mut command = pmacctd(namespace, folder, capture, "nfprobe", sampling, &settings);
    told(&finished(&mut command, "netflow packets"), version >= 9)
}

/// What sfprobe says of packets has no keys, and it keeps the last samples to itself when it ends.
fn sfprobe(namespace: &Namespace, folder: &Path, capture: &Path, sampling: u32) {
    let settings = format!("sfprobe_receiver[probe]: 127.0.0.1:{PORT}\nsfprobe_agentip[probe]: 127.0.0.1\n");
    finished(&mut pmacctd(namespace, folder, capture, "sfprobe", sampling, &settings), "Shutting down");
}

fn pmacctd(
    namespace: &Namespace,
    folder: &Path,
    capture: &Path,
    plugin: &str,
    sampling: u32,
    settings: &str,
) -> Command {
    let configuration = folder.join("pmacctd.conf");
    let sampled = if sampling > 1 { format!("sampling_rate: {sampling}\n") } else { String::new() };
    let text = format!(
        "daemonize: false\ndebug: true\npcap_savefile: {}\nplugins: {plugin}[probe]\n{sampled}{settings}\
         plugin_buffer_size[probe]: 10240\nplugin_pipe_size[probe]: 16777216\n",
        capture.display()
    );
    std::fs::write(&configuration, text).expect("the folder can be written");
    let mut command = namespace.command("pmacctd");
    command.arg("-f").arg(configuration);
    command
}

/// fprobe reads no files: it meters what goes out by an interface of its own, which is known.
fn fprobe(namespace: &Namespace, version: u8, socket: &UdpSocket) -> (Totals, Vec<Vec<u8>>) {
    namespace.ip("link add metered0 type veth peer name metered1");
    namespace.ip("address add 10.9.0.1/24 dev metered0");
    namespace.ip("link set metered0 up");
    namespace.ip("link set metered1 up");
    namespace.ip("neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 nud permanent dev metered0");
    let mut command = namespace.command("fprobe");
    command.args(["-i", "metered0", "-n", &version.to_string(), "-s", "1", "-d", "1", "-e", "600", "-l", "2"]);
    // What finds no place in its queue of packets is lost.
    command.args(["-q", "5000"]);
    command.args(["-f", &format!("udp dst port {TRAFFIC_PORT}"), &format!("127.0.0.1:{PORT}")]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut running = Killed(child);
    // Its threads start behind its filter, and what comes before the filter is thrown away.
    const THREADS: usize = 5;
    wait_until("fprobe listens", || {
        std::fs::read_dir(format!("/proc/{}/task", running.0.id())).is_ok_and(|tasks| tasks.count() == THREADS)
    });
    // Two full datagrams, which it does not keep waiting for more.
    let most_records = if version == 5 { 30 } else { 27 };
    let mut told = Totals::default();
    let (source, destination): (IpAddr, IpAddr) = ([10, 9, 0, 1].into(), [10, 9, 0, 2].into());
    namespace.enter(|| {
        for number in 0..2 * most_records {
            let sender = UdpSocket::bind((source, 20_000 + number)).expect("the address is ours");
            let (packets, bytes) = (1 + u64::from(number % 5), usize::from(number) * 3);
            for _ in 0..packets {
                sender.send_to(&vec![0; bytes], (destination, TRAFFIC_PORT)).expect("the interface is up");
                std::thread::sleep(Duration::from_millis(2));
            }
            let octets = packets * (bytes as u64 + 28);
            told.add((source, destination, 20_000 + number, TRAFFIC_PORT, 17), Sums { records: 1, packets, octets });
        }
    });
    let mut datagrams = Vec::new();
    wait_until("fprobe has sent its flows", || {
        datagrams.extend(drain(socket));
        flow_records(&datagrams) >= told.records()
    });
    signal(running.0.id(), Signal::SIGTERM);
    running.0.wait().expect("it ends");
    datagrams.extend(drain(socket));
    namespace.ip("link delete metered0");
    (told, datagrams)
}

/// Everything a program and its children wrote until all of them ended, `last_words` among it. Its status says nothing:
/// pmacctd's depends on whether it or its plug-in ends first.
fn finished(command: &mut Command, last_words: &str) -> String {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains(last_words), "{command:?} ended with {}: {text}", output.status);
    text
}

/// The flows of which softflowd and nfprobe, which descends from it, say that they have expired: a record for each
/// direction in which there was something. The versions without IPv6 leave such flows out.
fn told(log: &str, has_six: bool) -> Totals {
    let mut totals = Totals::default();
    for line in log.lines().filter_map(|line| Some(line.split_once("EXPIRED: ")?.1)) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let end = |word: &str| -> (IpAddr, u16) {
            let (address, port) = word.rsplit_once("]:").unwrap_or_else(|| panic!("no address: {line}"));
            let address = address.trim_start_matches('[').parse().unwrap_or_else(|_| panic!("no address: {line}"));
            (address, port.parse().unwrap_or_else(|_| panic!("no port: {line}")))
        };
        let number = |name: &str| -> u64 {
            let word = words.iter().find_map(|word| word.strip_prefix(name));
            word.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {line}"))
        };
        let ((one, one_port), (other, other_port)) = (end(words[1]), end(words[3]));
        if one.is_ipv6() && !has_six {
            continue;
        }
        let protocol = u8::try_from(number("proto:")).expect("a protocol");
        let directions: [(Key, &str); 2] = [
            ((one, other, one_port, other_port, protocol), ">:"),
            ((other, one, other_port, one_port, protocol), "<:"),
        ];
        for (key, sign) in directions {
            let packets = number(&format!("packets{sign}"));
            if packets > 0 {
                totals.add(key, Sums { records: 1, packets, octets: number(&format!("octets{sign}")) });
            }
        }
    }
    totals
}

/// Flow records and flow samples in datagrams.
fn flow_records(datagrams: &[Vec<u8>]) -> u64 {
    let (mut store, mut report) = (MapStore::default(), Report::default());
    for payload in datagrams {
        let datagram = Datagram { payload, exporter: [0; 16], received_ms: 0 };
        dissect(&datagram, &mut store, &mut report, &mut |_: Record<'_>| {});
    }
    // Row by row sFlow's flow samples are flow records too.
    report.flow_records()
}

/// What has arrived.
fn drain(socket: &UdpSocket) -> Vec<Vec<u8>> {
    let mut buffer = vec![0; 65_536];
    std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec())).collect()
}
