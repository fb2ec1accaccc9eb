//! The table itself, and the program and the walk run over it.

use std::net::Ipv6Addr;
use std::os::fd::AsFd;

use aya::programs::{TestRun, TestRunOptions};
use collector::front_door::{self, Limit, Rules};
use collector::steering::{Attach, Buffers, Own, Program, Recipients, Settings, Spread, Verdict};
use collector_ebpf::{Datagram, walk};

use crate::frames::{
    ARP, CHECKSUM, COLLECTOR_MAC, COLLECTOR_V4, COLLECTOR_V6, EXPORTER_V4, EXPORTER_V6, IPV4, IPV6, PAYLOAD, QINQ,
    SOURCE_PORT, TCP, UDP, VLAN, ethernet, ipv4, ipv6, mapped, plain, udp, udp_of_length, with,
};
use crate::privileged::{af_xdp_socket, privileged};

pub(crate) const PORT: u16 = 2055;
const XDP_PASS: u32 = 2;
const XDP_REDIRECT: u32 = 4;
/// `bpf_test_init` refuses frames without a whole Ethernet header.
const KERNEL_FRAME_BYTES_MIN: usize = 14;

/// A frame and what becomes of it while PORT is ours and queue 0 has a socket.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) frame: Vec<u8>,
    pub(crate) verdict: Verdict,
}

/// The steering table.
pub(crate) fn table() -> Vec<Case> {
    use Verdict::{ExtensionHeader, Fragment, Malformed, NotIp, NotUdp, OtherPort, Steered, Truncated, VlanDepth};
    let datagram = udp(PORT);
    let over_v4 = ipv4(&[], 0, UDP, &datagram);
    let over_v6 = ipv6(UDP, &datagram);
    let v4 = |packet: &[u8]| ethernet(&[], IPV4, packet);
    let v6 = |packet: &[u8]| ethernet(&[], IPV6, packet);
    let padded = |mut frame: Vec<u8>| {
        frame.extend([0xee; 18]);
        frame
    };
    // With a header of 16 bytes, the rest of the header would make a good datagram to our port.
    let overlapping = [(0, 0x44), (18, 0x08), (19, 0x07), (20, 0), (21, 12)]
        .into_iter()
        .fold(over_v4.clone(), |packet, (offset, byte)| with(packet, offset, byte));
    let rows = [
        ("IPv4", v4(&over_v4), Steered),
        ("IPv4, other port", plain(53), OtherPort),
        ("IPv4, our port as source only", with(with(plain(53), 34, 0x08), 35, 0x07), OtherPort),
        ("IPv4, port 0", plain(0), OtherPort),
        ("IPv4, port 65535", plain(65535), OtherPort),
        ("IPv4, Ethernet padding", padded(v4(&over_v4)), Steered),
        ("IPv4, datagram shorter than the packet", v4(&ipv4(&[], 0, UDP, &[&datagram[..], &[9; 7]].concat())), Steered),
        ("IPv4, one option", v4(&ipv4(&[1; 4], 0, UDP, &datagram)), Steered),
        ("IPv4, options up to the limit", v4(&ipv4(&[1; 40], 0, UDP, &datagram)), Steered),
        ("IPv4, don't fragment", v4(&ipv4(&[], 0x4000, UDP, &datagram)), Steered),
        ("IPv4, first fragment", v4(&ipv4(&[], 0x2000, UDP, &datagram)), Fragment),
        ("IPv4, later fragment", v4(&ipv4(&[], 0x2010, UDP, &datagram)), Fragment),
        ("IPv4, last fragment", v4(&ipv4(&[], 0x0010, UDP, &datagram)), Fragment),
        ("IPv4, fragment of another protocol", v4(&ipv4(&[], 0x2000, TCP, &datagram)), NotUdp),
        ("IPv4, TCP", v4(&ipv4(&[], 0, TCP, &datagram)), NotUdp),
        ("IPv4, ICMP", v4(&ipv4(&[], 0, 1, &datagram)), NotUdp),
        ("IPv4, header length below the least", v4(&overlapping), Malformed),
        ("IPv4, version of IPv6", v4(&with(over_v4.clone(), 0, 0x65)), Malformed),
        ("IPv4, total length inside the header", v4(&with(over_v4.clone(), 3, 19)), Malformed),
        ("IPv4, total length cuts the datagram", v4(&with(over_v4.clone(), 3, 20 + 8 + 1)), Malformed),
        ("IPv4, total length past the frame", v4(&with(over_v4.clone(), 2, 5)), Truncated),
        ("IPv4, UDP length 0", v4(&ipv4(&[], 0, UDP, &udp_of_length(PORT, 0))), Malformed),
        ("IPv4, UDP length inside its header", v4(&ipv4(&[], 0, UDP, &udp_of_length(PORT, 7))), Malformed),
        ("IPv4, UDP length past the packet", v4(&ipv4(&[], 0, UDP, &udp_of_length(PORT, 999))), Malformed),
        ("IPv6", v6(&over_v6), Steered),
        ("IPv6, other port", v6(&ipv6(UDP, &udp(443))), OtherPort),
        ("IPv6, Ethernet padding", padded(v6(&over_v6)), Steered),
        (
            "IPv6, hop-by-hop options",
            v6(&ipv6(0, &[&[UDP, 0, 1, 4, 0, 0, 0, 0][..], &datagram].concat())),
            ExtensionHeader,
        ),
        ("IPv6, routing header", v6(&ipv6(43, &datagram)), ExtensionHeader),
        ("IPv6, destination options", v6(&ipv6(60, &datagram)), ExtensionHeader),
        ("IPv6, encrypted", v6(&ipv6(50, &datagram)), ExtensionHeader),
        ("IPv6, fragment header", v6(&ipv6(44, &[&[UDP, 0, 0, 1, 0, 0, 0, 1][..], &datagram].concat())), Fragment),
        ("IPv6, TCP", v6(&ipv6(TCP, &datagram)), NotUdp),
        ("IPv6, ICMPv6", v6(&ipv6(58, &datagram)), NotUdp),
        ("IPv6, no next header", v6(&ipv6(59, &datagram)), NotUdp),
        ("IPv6, version of IPv4", v6(&with(over_v6.clone(), 0, 0x45)), Malformed),
        ("IPv6, payload length 0", v6(&with(over_v6.clone(), 5, 0)), Malformed),
        ("IPv6, payload length past the frame", v6(&with(over_v6.clone(), 4, 9)), Truncated),
        ("VLAN, IPv4", ethernet(&[VLAN], IPV4, &over_v4), Steered),
        ("VLAN, IPv6", ethernet(&[VLAN], IPV6, &over_v6), Steered),
        ("QinQ, IPv4", ethernet(&[QINQ, VLAN], IPV4, &over_v4), Steered),
        ("QinQ, IPv6", ethernet(&[QINQ, VLAN], IPV6, &over_v6), Steered),
        (
            "two 802.1Q tags, IPv4 with options",
            ethernet(&[VLAN, VLAN], IPV4, &ipv4(&[1; 8], 0, UDP, &datagram)),
            Steered,
        ),
        ("QinQ, other port", ethernet(&[QINQ, VLAN], IPV4, &ipv4(&[], 0, UDP, &udp(2056))), OtherPort),
        ("VLAN, fragment", ethernet(&[VLAN], IPV4, &ipv4(&[], 0x2000, UDP, &datagram)), Fragment),
        ("three tags", ethernet(&[QINQ, VLAN, VLAN], IPV4, &over_v4), VlanDepth),
        ("VLAN, ARP", ethernet(&[VLAN], ARP, &[0; 28]), NotIp),
        ("ARP", ethernet(&[], ARP, &[0; 28]), NotIp),
        ("LLDP", ethernet(&[], 0x88cc, &[0; 46]), NotIp),
        ("IEEE 802.3 length", ethernet(&[], 46, &[0; 46]), NotIp),
        ("MPLS", ethernet(&[], 0x8847, &over_v4), NotIp),
        ("only zeroes", vec![0; 60], NotIp),
        ("only ones", vec![0xff; 60], NotIp),
    ];
    rows.into_iter().map(|(name, frame, verdict)| Case { name, frame, verdict }).collect()
}

/// Settings with one queue, one socket on it and PORT as the only port.
pub(crate) fn settings() -> Settings {
    Settings {
        interface: "lo".to_owned(),
        ports: vec![PORT],
        recipients: Recipients::Ours { listen: Ipv6Addr::UNSPECIFIED.into(), addresses: Vec::new() },
        attach: Attach::Auto,
        sockets_per_queue: 1,
        queues: 1,
        spread: Spread::ByExporter,
        frame_bytes_max: 0,
        rules: Rules::default(),
        exporters: 64,
    }
}

/// The program, on the machine that the frames are addressed to.
pub(crate) fn load(settings: &Settings) -> Program {
    addressed(Program::load(settings).expect("load the program"))
}

fn load_for(settings: &Settings, buffers: Buffers) -> Program {
    addressed(Program::load_for(settings, buffers).expect("load the program"))
}

fn addressed(mut program: Program) -> Program {
    let addresses = [mapped(COLLECTOR_V4), COLLECTOR_V6].into();
    let left_out = program.set_own(&Own { mac: COLLECTOR_MAC, addresses, ..Own::default() });
    assert_eq!(left_out.expect("set the addresses"), 0);
    program
}

/// Runs the program once and says what it returned and which verdict it counted.
pub(crate) fn run(program: &mut Program, frame: &[u8]) -> (u32, Verdict) {
    let before = program.verdicts().expect("read the verdicts");
    let options = TestRunOptions { data_in: Some(frame), ..TestRunOptions::new() };
    let action = program.xdp_mut().test_run(options).expect("run the program").return_value;
    let after = program.verdicts().expect("read the verdicts");
    let counted: Vec<_> =
        Verdict::ALL.into_iter().filter(|&verdict| after.get(verdict) != before.get(verdict)).collect();
    assert_eq!(after.total(), before.total() + 1, "one frame, one verdict");
    (action, counted[0])
}

fn check_kernel(program: &mut Program, name: &str, frame: &[u8], expected: Verdict) {
    let (action, verdict) = run(program, frame);
    let expected_action = if expected == Verdict::Steered { XDP_REDIRECT } else { XDP_PASS };
    assert_eq!((verdict, action), (expected, expected_action), "{name}");
}

fn check_walk(case: &Case) {
    let found = walk(&case.frame[..]);
    if !matches!(case.verdict, Verdict::Steered | Verdict::OtherPort) {
        assert_eq!(found, Err(case.verdict), "{}", case.name);
        return;
    }
    let found = found.unwrap_or_else(|verdict| panic!("{}: {verdict:?}", case.name));
    let destination = found.destination();
    let Datagram { exporter, source_port, destination_port, checksum, payload_offset, payload_length, .. } = found;
    assert_eq!(destination_port == PORT, case.verdict == Verdict::Steered, "{}", case.name);
    assert_eq!(&case.frame[payload_offset..payload_offset + payload_length], PAYLOAD, "{}", case.name);
    assert!([SOURCE_PORT, PORT].contains(&source_port), "{}", case.name);
    let (from, to) = match case.name.contains("IPv6") {
        true => (EXPORTER_V6, COLLECTOR_V6),
        false => (mapped(EXPORTER_V4), mapped(COLLECTOR_V4)),
    };
    assert_eq!((exporter, destination, checksum), (from, to, CHECKSUM), "{}", case.name);
}

/// Frames whose every beginning must be found out as such.
fn whole_frames() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("IPv4", plain(PORT)),
        ("QinQ, IPv4 with options", ethernet(&[QINQ, VLAN], IPV4, &ipv4(&[1; 12], 0, UDP, &udp(PORT)))),
        ("IPv6", ethernet(&[], IPV6, &ipv6(UDP, &udp(PORT)))),
        ("VLAN, IPv6", ethernet(&[VLAN], IPV6, &ipv6(UDP, &udp(PORT)))),
    ]
}

#[test]
fn user_space_walks_the_table() {
    for case in table() {
        check_walk(&case);
    }
    for (name, frame) in whole_frames() {
        for length in 0..frame.len() {
            assert_eq!(walk(&frame[..length]), Err(Verdict::Truncated), "{name} cut to {length} bytes");
        }
    }
}

#[test]
fn the_program_steers_the_table() {
    if !privileged("the_program_steers_the_table") {
        return;
    }
    let socket = af_xdp_socket();
    for buffers in [Buffers::One, Buffers::Several] {
        let mut program = load_for(&settings(), buffers);
        program.register(0, socket.as_fd()).expect("register the socket");
        for case in table() {
            check_kernel(&mut program, &format!("{buffers:?}: {}", case.name), &case.frame, case.verdict);
        }
        for (name, frame) in whole_frames() {
            for length in KERNEL_FRAME_BYTES_MIN..frame.len() {
                let name = format!("{buffers:?}: {name} cut to {length} bytes");
                check_kernel(&mut program, &name, &frame[..length], Verdict::Truncated);
            }
        }
    }
}

#[test]
fn a_queue_without_a_socket_leaves_datagrams_to_the_kernel() {
    if !privileged("a_queue_without_a_socket_leaves_datagrams_to_the_kernel") {
        return;
    }
    let mut program = load(&settings());
    for case in table() {
        let verdict = if case.verdict == Verdict::Steered { Verdict::NoSocket } else { case.verdict };
        check_kernel(&mut program, case.name, &case.frame, verdict);
    }
    let socket = af_xdp_socket();
    program.register(0, socket.as_fd()).expect("register the socket");
    check_kernel(&mut program, "socket registered", &plain(PORT), Verdict::Steered);
    drop(socket);
    // The kernel empties the slot some time after the socket was closed, but before its memory is gone.
    let (action, verdict) = std::iter::repeat_with(|| run(&mut program, &plain(PORT)))
        .find(|&(_, verdict)| verdict != Verdict::Steered)
        .expect("the slot is emptied");
    assert_eq!((verdict, action), (Verdict::NoSocket, XDP_PASS));
}

#[test]
fn ports_change_without_reloading() {
    if !privileged("ports_change_without_reloading") {
        return;
    }
    let socket = af_xdp_socket();
    let mut program = load(&settings());
    program.register(0, socket.as_fd()).expect("register the socket");
    let all = [PORT, 4739, 6343, 9995, 0, 63, 64, 65535];
    for ours in [&[PORT][..], &[PORT, 4739], &[4739, 9995, 6343], &[], &[0, 63, 64, 65535], &[PORT]] {
        program.set_ports(ours).expect("set the ports");
        for port in all {
            let verdict = if ours.contains(&port) { Verdict::Steered } else { Verdict::OtherPort };
            check_kernel(&mut program, &format!("port {port}, ours {ours:?}"), &plain(port), verdict);
        }
    }
}

#[test]
fn frames_that_the_umem_cannot_take_are_left_to_the_kernel() {
    if !privileged("frames_that_the_umem_cannot_take_are_left_to_the_kernel") {
        return;
    }
    let socket = af_xdp_socket();
    let bytes = plain(PORT).len() as u32;
    for (frame_bytes_max, verdict) in [(bytes - 1, Verdict::Oversize), (bytes, Verdict::Steered), (0, Verdict::Steered)]
    {
        let settings = Settings { frame_bytes_max, ..settings() };
        let mut program = load(&settings);
        program.register(0, socket.as_fd()).expect("register the socket");
        check_kernel(&mut program, &format!("at most {frame_bytes_max} bytes"), &plain(PORT), verdict);
    }
}

#[test]
fn frames_in_several_buffers_are_left_to_the_kernel() {
    if !privileged("frames_in_several_buffers_are_left_to_the_kernel") {
        return;
    }
    let socket = af_xdp_socket();
    let mut program = load_for(&settings(), Buffers::Several);
    program.register(0, socket.as_fd()).expect("register the socket");
    let mut long_datagram = udp_of_length(PORT, 8 + 7000);
    long_datagram.resize(8 + 7000, 0);
    let mut padded = plain(PORT);
    padded.resize(7000, 0);
    let rows = [
        ("long datagram", ethernet(&[], IPV4, &ipv4(&[], 0, UDP, &long_datagram)), Verdict::Oversize),
        ("datagram and much padding", padded, Verdict::Oversize),
        ("long datagram over IPv6", ethernet(&[VLAN], IPV6, &ipv6(UDP, &long_datagram)), Verdict::Oversize),
        ("TCP", ethernet(&[], IPV4, &ipv4(&[], 0, TCP, &long_datagram)), Verdict::NotUdp),
        ("ARP", ethernet(&[], ARP, &long_datagram), Verdict::NotIp),
    ];
    for (name, frame, verdict) in rows {
        check_kernel(&mut program, name, &frame, verdict);
    }
}

#[test]
fn sockets_of_a_queue_share_its_datagrams() {
    if !privileged("sockets_of_a_queue_share_its_datagrams") {
        return;
    }
    const SOCKETS: u32 = 4;
    let socket = af_xdp_socket();
    let exporters: Vec<Vec<u8>> = (0..64).map(|host| with(plain(PORT), 14 + 15, host)).collect();
    // Only slot 2 has a socket, so what is steered is what fell to it.
    let steered = |spread: Spread| {
        let settings = Settings { sockets_per_queue: SOCKETS, spread, ..settings() };
        let mut program = load(&settings);
        program.register(2, socket.as_fd()).expect("register the socket");
        let mut pass =
            || -> Vec<bool> { exporters.iter().map(|frame| run(&mut program, frame).1 == Verdict::Steered).collect() };
        (pass(), pass())
    };
    let (first, second) = steered(Spread::ByExporter);
    assert_eq!(first, second, "an exporter keeps its socket");
    let share = first.iter().filter(|&&steered| steered).count();
    assert!((8..=24).contains(&share), "{share} of 64 exporters on one of {SOCKETS} sockets");
}

#[test]
fn round_robin_gives_each_socket_its_turn() {
    if !privileged("round_robin_gives_each_socket_its_turn") {
        return;
    }
    const RUNS: u32 = 4000;
    let socket = af_xdp_socket();
    let settings = Settings { sockets_per_queue: 4, spread: Spread::RoundRobin, ..settings() };
    let mut program = load(&settings);
    program.register(2, socket.as_fd()).expect("register the socket");
    let frame = plain(PORT);
    let options = TestRunOptions { data_in: Some(&frame), repeat: RUNS, ..TestRunOptions::new() };
    program.xdp_mut().test_run(options).expect("run the program");
    let verdicts = program.verdicts().expect("read the verdicts");
    assert_eq!(verdicts.get(Verdict::Steered) + verdicts.get(Verdict::NoSocket), u64::from(RUNS));
    // The kernel may move the run to another CPU, whose count starts elsewhere.
    let share = verdicts.get(Verdict::Steered);
    assert!(share.abs_diff(u64::from(RUNS) / 4) <= 64, "{share} of {RUNS}");
}

#[test]
fn the_cost_of_a_frame_is_reported() {
    if !privileged("the_cost_of_a_frame_is_reported") {
        return;
    }
    let socket = af_xdp_socket();
    let mut program = load(&settings());
    program.register(0, socket.as_fd()).expect("register the socket");
    // As in production, where all exporters that make sense are known, within a limit that none of them reaches.
    let limit = Some(Limit::new(Limit::DATAGRAMS_PER_SECOND_MAX, 0));
    program.set_rules(&Rules::new(&front_door::Settings { limit, ..Default::default() })).expect("set the rules");
    program.admit(&[mapped(EXPORTER_V4), EXPORTER_V6]).expect("admit the exporters");
    let qinq_v6 = ethernet(&[QINQ, VLAN], IPV6, &ipv6(UDP, &udp(PORT)));
    let tcp = ethernet(&[], IPV4, &ipv4(&[], 0, TCP, &udp(PORT)));
    for (name, frame) in
        [("IPv4, ours", plain(PORT)), ("QinQ IPv6, ours", qinq_v6), ("UDP, not ours", plain(53)), ("TCP", tcp)]
    {
        let mut round = || {
            let options = TestRunOptions { data_in: Some(&frame), repeat: 10_000, ..TestRunOptions::new() };
            program.xdp_mut().test_run(options).expect("run the program").duration
        };
        // The least of many short rounds is the one that nothing else on the machine disturbed.
        let duration = (0..100).map(|_| round()).min().expect("a hundred rounds");
        eprintln!("{name}: {} ns a frame in the program", duration.as_nanos());
        assert!(program.verdicts().expect("read the verdicts").total() >= 1_000_000);
    }
}
