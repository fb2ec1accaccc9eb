//! A second opinion on what the exporters say they sent: a plain UDP socket and the smallest NetFlow v9 reader that can count.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::exporters::Sent;
use super::folder::Folder;
use super::network::{self, Network, Wire};
use super::traffic::Traffic;

#[test]
fn exporters_send_what_they_say() {
    if !crate::programs::is_root() {
        assert!(std::env::var_os("COLLECTOR_REQUIRE_PRIVILEGED").is_none(), "this test needs root");
        eprintln!("SKIPPED: exporters_send_what_they_say: needs root");
        return;
    }
    for wire in [Wire::Ipv4, Wire::Ipv6] {
        check(wire);
    }
}

fn check(wire: Wire) {
    let folder = Folder::create().unwrap();
    let network = Network::create(wire).unwrap();
    let bind = || UdpSocket::bind((Ipv6Addr::UNSPECIFIED, network::PORT)).unwrap();
    let socket = network.collector.enter(bind).unwrap().join().unwrap().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&over);
    let witness = thread::spawn(move || Witness::default().listen(&socket, &heard));
    let mut exporters = super::start_exporters(&network, &folder).unwrap();
    let mut traffic = Traffic::start(&network.exporters, &network.servers).unwrap();
    thread::sleep(Duration::from_secs(3));
    traffic.stop();
    let said: Vec<(IpAddr, Sent)> =
        exporters.iter_mut().map(|exporter| (exporter.address, exporter.finish().unwrap())).collect();
    over.store(true, Ordering::Relaxed);
    let seen = witness.join().unwrap();
    for (address, said) in said {
        assert!(said.flows > 0, "{wire:?} {address}");
        assert_eq!(seen.get(&address), Some(&said), "{wire:?} {address}");
    }
}

#[derive(Default)]
struct Witness {
    record_lengths: HashMap<(IpAddr, u16), usize>,
    /// Templates whose records are not flows.
    options: HashSet<(IpAddr, u16)>,
    seen: HashMap<IpAddr, Sent>,
}

impl Witness {
    /// Counts until it is over and nothing waits in the socket.
    fn listen(mut self, socket: &UdpSocket, over: &AtomicBool) -> HashMap<IpAddr, Sent> {
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut datagram = [0; 65_536];
        loop {
            let last = over.load(Ordering::Relaxed);
            while let Ok((length, from)) = socket.recv_from(&mut datagram) {
                self.datagram(from.ip().to_canonical(), &datagram[..length]);
            }
            if last {
                return self.seen;
            }
        }
    }

    /// RFC 3954 section 5: a header of 20 bytes, then sets.
    fn datagram(&mut self, exporter: IpAddr, datagram: &[u8]) {
        self.seen.entry(exporter).or_default().datagrams += 1;
        let mut rest = &datagram[20..];
        while rest.len() >= 4 {
            let (id, length) = (word(rest, 0), usize::from(word(rest, 2)));
            let set = &rest[4..length];
            match id {
                0 => self.templates(exporter, set),
                1 => {
                    self.options.insert((exporter, word(set, 0)));
                }
                256.. if !self.options.contains(&(exporter, id)) => {
                    let flows = set.len() / self.record_lengths[&(exporter, id)];
                    self.seen.entry(exporter).or_default().flows += u64::try_from(flows).unwrap();
                }
                _ => {}
            }
            rest = &rest[length..];
        }
    }

    fn templates(&mut self, exporter: IpAddr, mut set: &[u8]) {
        while set.len() >= 4 && word(set, 0) > 255 {
            let fields = usize::from(word(set, 2));
            let length = (0..fields).map(|field| usize::from(word(set, 4 + field * 4 + 2))).sum();
            self.record_lengths.insert((exporter, word(set, 0)), length);
            set = &set[4 + fields * 4..];
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}
