//! The XDP program on frames in memory (BPF_PROG_TEST_RUN): the kernel runs it again and again and tells the mean time. Where a
//! frame is redirected to is not part of it. Needs root.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::time::Duration;

use aya::programs::{TestRun, TestRunOptions};
use collector::front_door::{self, Limit, Rules};
use collector::steering::{Attach, Own, Program, Recipients, Settings, Spread, Verdict};
use collector::xsk::{self, Bind, HugePages};
use criterion::Criterion;
use perf::Flow;
use perf::frame::{TCP, UDP, Wrap, frame};

use crate::measure::scaled;
use crate::netns::{COLLECTOR, VethPair, privileged};

pub(crate) const PORT: u16 = 2055;
/// Runs of one call; the kernel tells whole nanoseconds for each.
const RUNS: u32 = 100_000;

pub(crate) fn measure(criterion: &mut Criterion) {
    let Some(_turn) = privileged("steer") else { return };
    let pair = VethPair::new("bench-steer");
    let receivers = pair.collector.enter(|| xsk::open(&xsk_settings())).expect("the queue is free");
    let mut program = Program::load(&settings()).expect("load the program");
    program.register(0, receivers[0].as_fd()).expect("register the socket");
    // As in production, where all exporters that make sense are known, within a limit that none of them reaches.
    let limit = Some(Limit::new(Limit::DATAGRAMS_PER_SECOND_MAX, 0));
    program.set_rules(&Rules::new(&front_door::Settings { limit, ..Default::default() })).expect("set the rules");
    let (four, six) = (Ipv4Addr::new(192, 0, 2, 1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    program.admit(&[four.to_ipv6_mapped().octets(), six.octets()]).expect("admit the exporters");

    let own = Own { addresses: [four.to_ipv6_mapped().octets(), six.octets()].into(), ..Own::default() };
    assert_eq!(program.set_own(&own).expect("set the addresses"), 0);

    let of = |exporter: IpAddr, protocol, port| Flow {
        source: Some(exporter),
        destination: Some(exporter),
        protocol,
        source_port: 50_000,
        destination_port: port,
        ..Flow::default()
    };
    let (four, six) = (IpAddr::V4(four), IpAddr::V6(six));
    let cases = [
        ("ipv4_ours", Verdict::Steered, frame(&Wrap::Plain, &of(four, UDP, PORT))),
        ("ipv6_qinq_ours", Verdict::Steered, frame(&Wrap::Tags(vec![1, 2]), &of(six, UDP, PORT))),
        ("udp_not_ours", Verdict::OtherPort, frame(&Wrap::Plain, &of(four, UDP, 53))),
        ("tcp", Verdict::NotUdp, frame(&Wrap::Plain, &of(four, TCP, 443))),
    ];
    let mut group = criterion.benchmark_group("steer");
    for (name, verdict, bytes) in cases {
        let before = program.verdicts().expect("read the verdicts").get(verdict);
        run(&mut program, &bytes, 1);
        let after = program.verdicts().expect("read the verdicts").get(verdict);
        assert_eq!(after, before + 1, "{name} gets its verdict");
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|frames| {
                let calls = frames.div_ceil(u64::from(RUNS));
                let took = (0..calls).map(|_| run(&mut program, &bytes, RUNS) * RUNS).sum();
                scaled(took, frames, calls * u64::from(RUNS))
            });
        });
    }
    group.finish();
}

/// The mean time of a frame.
fn run(program: &mut Program, frame: &[u8], repeat: u32) -> Duration {
    let options = TestRunOptions { data_in: Some(frame), repeat, ..TestRunOptions::new() };
    program.xdp_mut().test_run(options).expect("run the program").duration
}

/// One socket on the only queue.
pub(crate) fn xsk_settings() -> xsk::Settings {
    xsk::Settings {
        interface: COLLECTOR.into(),
        queue: 0,
        sockets: 1,
        frame_bytes: 2048,
        frames_per_socket: 4096,
        ring_descriptors: 2048,
        bind: Bind::Auto,
        huge_pages: HugePages::Auto,
    }
}

/// The program for that socket.
pub(crate) fn settings() -> Settings {
    Settings {
        interface: COLLECTOR.into(),
        ports: vec![PORT],
        recipients: Recipients::Ours { listen: Ipv6Addr::UNSPECIFIED.into(), addresses: Vec::new() },
        attach: Attach::Native,
        sockets_per_queue: 1,
        queues: 1,
        spread: Spread::ByExporter,
        frame_bytes_max: xsk_settings().largest_frame_bytes(),
        rules: Rules::default(),
        exporters: 64,
    }
}
