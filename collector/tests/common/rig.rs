//! The collector's receiving side on a veth pair, for tests: program attached, AF_XDP sockets registered, the UDP socket
//! beside them; and the exporter's sends. Needs root.

use crate::netns::{COLLECTOR, VethPair};
use collector::front_door::Rules;
use collector::steering::{Attach, Recipients, Settings as SteeringSettings, Steering};
use collector::udp;
use collector::xsk::{self, Bind, HugePages, Mode, Receiver};
use collector_ebpf::{Spread, Stamp, Verdict, maps, walk};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) const PORT: u16 = 2055;
pub(crate) const RING_DESCRIPTORS: u32 = 2048;
/// How long nothing may arrive before a test gives up. Only a failing test waits this long.
const PATIENCE_MS: u16 = 10_000;

pub(crate) struct Rig {
    pub(crate) steering: Steering,
    pub(crate) receivers: Vec<Receiver>,
    udp: udp::Socket,
}

/// For each exporter: the one socket that its datagrams arrived at, and the numbers in them in order of arrival.
pub(crate) type Seen = BTreeMap<[u8; 16], (usize, Vec<u32>)>;

pub(crate) fn xsk_settings(sockets: u32) -> xsk::Settings {
    xsk::Settings {
        interface: COLLECTOR.into(),
        queue: 0,
        sockets,
        frame_bytes: 2048,
        frames_per_socket: 2 * RING_DESCRIPTORS,
        ring_descriptors: RING_DESCRIPTORS,
        bind: Bind::Auto,
        huge_pages: HugePages::Auto,
    }
}

impl Rig {
    /// Attaches and opens everything in the collector's namespace.
    pub(crate) fn new(pair: &VethPair, attach: Attach, sockets: u32) -> Self {
        pair.collector.enter(|| {
            let udp_settings =
                udp::Settings { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), port: PORT, receive_buffer_bytes: 8 << 20 };
            let udp = udp::Socket::bind(&udp_settings).expect("a fresh namespace has all ports free");
            let xsk_settings = xsk_settings(sockets);
            let mut steering = Steering::attach(&SteeringSettings {
                interface: COLLECTOR.into(),
                ports: vec![PORT],
                recipients: Recipients::Ours { listen: Ipv6Addr::UNSPECIFIED.into(), addresses: Vec::new() },
                attach,
                sockets_per_queue: sockets,
                queues: 1,
                spread: Spread::ByExporter,
                frame_bytes_max: xsk_settings.largest_frame_bytes(),
                rules: Rules::default(),
                exporters: 64,
            })
            .expect("veth runs XDP natively and generically");
            let receivers = xsk::open(&xsk_settings).expect("the queue is free");
            for (number, receiver) in (0..).zip(&receivers) {
                assert_eq!(receiver.mode(), Mode::Copy, "veth has no zero-copy");
                let slot = maps::slot(0, sockets, number);
                steering.register(slot, receiver.as_fd()).expect("the slot is in the map");
            }
            Self { steering, receivers, udp }
        })
    }

    /// Takes exactly `count` datagrams from the rings; panics when no more come or more are there.
    pub(crate) fn receive(&mut self, count: u64) -> Seen {
        let mut seen = Seen::new();
        let mut received = 0;
        loop {
            let mut consumed = 0;
            for (socket, receiver) in self.receivers.iter_mut().enumerate() {
                consumed += receiver.receive(|frame, metadata| {
                    check_time(metadata);
                    note(&mut seen, socket, frame);
                }) as u64;
            }
            received += consumed;
            if consumed == 0 && received >= count {
                assert_eq!(received, count, "more frames than datagrams sent");
                return seen;
            }
            if consumed == 0 {
                let fds = self.receivers.iter().map(AsFd::as_fd);
                let mut fds: Vec<_> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
                let ready = poll(&mut fds, PollTimeout::from(PATIENCE_MS)).expect("the sockets are open");
                assert!(ready > 0, "{received} of {count} datagrams arrived, {}", self.account());
            }
        }
    }

    /// Waits until the program has redirected this many datagrams.
    pub(crate) fn wait_for_steered(&self, count: u64) {
        for _ in 0..PATIENCE_MS {
            if self.steering.verdicts().expect("the map is there").get(Verdict::Steered) >= count {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("{count} datagrams were not redirected, {}", self.account());
    }

    /// The payloads that wait at the UDP socket.
    pub(crate) fn udp_datagrams(&mut self) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        while self.udp.receive(|_, bytes| datagrams.push(bytes.to_vec())).expect("receiving works") > 0 {}
        datagrams
    }

    /// Waits for this many datagrams at the UDP socket.
    pub(crate) fn wait_for_udp(&mut self, count: usize) -> Vec<Vec<u8>> {
        let mut datagrams = self.udp_datagrams();
        while datagrams.len() < count {
            let mut fds = [PollFd::new(self.udp.as_fd(), PollFlags::POLLIN)];
            let ready = poll(&mut fds, PollTimeout::from(PATIENCE_MS)).expect("the socket is open");
            assert!(ready > 0, "{} of {count} datagrams at the UDP socket, {}", datagrams.len(), self.account());
            datagrams.extend(self.udp_datagrams());
        }
        datagrams
    }

    /// Where the frames went, for the message of a failing test.
    fn account(&self) -> String {
        let verdicts = self.steering.verdicts().expect("the map is there");
        let verdicts: Vec<_> = verdicts.iter().map(|(verdict, count)| (verdict.label(), count)).collect();
        let sockets: Vec<_> =
            self.receivers.iter().map(|receiver| (receiver.counters(), receiver.statistics())).collect();
        format!("verdicts {verdicts:?}, sockets {sockets:?}")
    }
}

/// Every frame carries the time of its receipt, by the system's clock.
fn check_time(metadata: xsk::Metadata) {
    let stamp = Stamp::from_bytes(metadata).expect("a veth pair has room in front of frames");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
    let received = Duration::from_nanos(stamp.time_ns);
    assert!(received.abs_diff(now) < Duration::from_secs(60), "{received:?} and now {now:?}");
}

fn note(seen: &mut Seen, socket: usize, frame: &[u8]) {
    let datagram = walk(frame).expect("the program redirects datagrams only");
    let payload = &frame[datagram.payload_offset..][..datagram.payload_length];
    let number = u32::from_be_bytes(payload[..4].try_into().expect("four bytes"));
    let (owner, numbers) = seen.entry(datagram.exporter).or_insert((socket, Vec::new()));
    assert_eq!(*owner, socket, "an exporter's datagrams reached two sockets");
    numbers.push(number);
}

/// Sends `count` numbered datagrams from one address; returns how many. Call inside the exporter's namespace.
pub(crate) fn send_from(source: &str, to: &str, count: u32) -> u64 {
    let source: IpAddr = source.parse().expect("an address");
    let sender = UdpSocket::bind((source, 0)).expect("the address is ours");
    for number in 0..count {
        send(&sender, to, PORT, &number.to_be_bytes());
    }
    u64::from(count)
}

pub(crate) fn send(sender: &UdpSocket, to: &str, port: u16, bytes: &[u8]) {
    let to: IpAddr = to.parse().expect("an address");
    let sent = sender.send_to(bytes, (to, port)).expect("the veth pair is up");
    assert_eq!(sent, bytes.len());
}
