//! Taking datagrams from the kernel: an AF_XDP ring (native, copied) beside `recvmmsg` of 64, both as the collector does it, on two
//! veth pairs in the same run. Needs root.
//!
//! Measured is the processor time of the thread that receives: of AF_XDP the reading of the ring and of each frame's headers, of
//! the socket the system calls. What the kernel does before, on behalf of the sender, is in neither: the XDP program and the copy
//! into the umem there, the network stack up to the socket here. In turns, a burst for one and a burst for the other.

use std::net::{IpAddr, Ipv6Addr, UdpSocket};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use collector::steering::Steering;
use collector::{udp, xsk};
use collector_ebpf::{maps, walk};
use criterion::Criterion;
use serde_json::json;

use crate::measure::{processor_time, scaled};
use crate::netns::{COLLECTOR_V4, VethPair, privileged};
use crate::steer::{PORT, settings, xsk_settings};

/// Datagrams that are sent before any is received: fewer than a ring or a socket holds.
const BURST: usize = 1024;
/// Bytes of each.
const PAYLOAD: [u8; 1400] = [7; 1400];
const PATIENCE: Duration = Duration::from_secs(10);

/// One way to receive, with the sender of its datagrams.
struct Way<R> {
    sender: UdpSocket,
    receiver: R,
    /// Processor time of receiving, datagrams received, and batches of them.
    took: Duration,
    datagrams: u64,
    batches: u64,
    /// Last, so that what is in the namespaces goes first.
    _pair: VethPair,
}

/// What goes to the ring.
struct Ring {
    receiver: xsk::Receiver,
    _steering: Steering,
}

/// Both ways.
struct Both {
    ring: Way<Ring>,
    socket: Way<udp::Socket>,
}

pub(crate) fn measure(criterion: &mut Criterion) {
    let Some(_turn) = privileged("receive") else { return };
    let mut both = Both { ring: Way::new("bench-ring", ring), socket: Way::new("bench-socket", socket) };
    let mut group = criterion.benchmark_group("receive");
    group.bench_function("af_xdp", |bencher| bencher.iter_custom(|datagrams| both.take(datagrams)[0]));
    group.bench_function("recvmmsg", |bencher| bencher.iter_custom(|datagrams| both.take(datagrams)[1]));
    group.finish();
    let Both { ring, socket } = &both;
    let counts = json!({
        "datagrams": ring.datagrams,
        "system_calls_af_xdp": ring.receiver.receiver.counters().wakeups,
        "system_calls_recvmmsg": socket.batches,
    });
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("receive.json");
    std::fs::write(path, counts.to_string()).expect("cargo's folder is writable");
}

impl Both {
    /// So many datagrams by either way, in turns; the time of each.
    fn take(&mut self, datagrams: u64) -> [Duration; 2] {
        let before = [self.ring.took, self.socket.took];
        let bursts = datagrams.div_ceil(BURST as u64);
        for _ in 0..bursts {
            self.ring.burst(|ring| {
                ring.receiver.receive(|frame, _| {
                    std::hint::black_box(walk(frame)).ok();
                })
            });
            self.socket.burst(|socket| {
                let lent = socket.receive(|source, payload| {
                    std::hint::black_box((source, payload));
                });
                lent.expect("the socket is open")
            });
        }
        let took = [self.ring.took - before[0], self.socket.took - before[1]];
        took.map(|took| scaled(took, datagrams, bursts * BURST as u64))
    }
}

impl<R: Send> Way<R> {
    fn new(name: &str, open: impl FnOnce() -> R + Send) -> Self {
        let pair = VethPair::new(name);
        let receiver = pair.collector.enter(open);
        let sender = pair.exporter.enter(|| UdpSocket::bind("192.0.2.1:0").expect("the address is ours"));
        sender.connect((COLLECTOR_V4, PORT)).expect("the pair is up");
        Self { sender, receiver, took: Duration::ZERO, datagrams: 0, batches: 0, _pair: pair }
    }

    /// Sends some, then receives them.
    fn burst(&mut self, mut batch: impl FnMut(&mut R) -> usize) {
        for _ in 0..BURST {
            self.sender.send(&PAYLOAD).expect("the pair is up");
        }
        let give_up = Instant::now() + PATIENCE;
        let mut received = 0;
        while received < BURST {
            let begun = processor_time();
            let some = batch(&mut self.receiver);
            let took = processor_time() - begun;
            if some == 0 {
                // The kernel is still at it.
                assert!(Instant::now() < give_up, "{received} of {BURST} datagrams arrived");
                std::thread::yield_now();
                continue;
            }
            self.took += took;
            self.batches += 1;
            received += some;
        }
        self.datagrams += received as u64;
    }
}

fn ring() -> Ring {
    let mut steering = Steering::attach(&settings()).expect("a veth pair runs XDP natively");
    let receiver = xsk::open(&xsk_settings()).expect("the queue is free").remove(0);
    steering.register(maps::slot(0, 1, 0), receiver.as_fd()).expect("the slot is in the map");
    Ring { receiver, _steering: steering }
}

fn socket() -> udp::Socket {
    let settings =
        udp::Settings { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), port: PORT, receive_buffer_bytes: 16 << 20 };
    udp::Socket::bind(&settings).expect("a fresh namespace has all ports free")
}
