//! The front door in the program: who is let in, how fast, and that it changes while the program runs.

use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};

use aya::programs::{TestRun, TestRunOptions};
use collector::front_door::{self, Limit, Rules};
use collector::steering::{Program, Settings, Verdict};
use collector_ebpf::Stamp;

use crate::frames::{IPV4, IPV6, QINQ, UDP, VLAN, ethernet, ipv4, ipv6, udp};
use crate::privileged::{af_xdp_socket, privileged};
use crate::table::{PORT, load, run, settings};

pub(crate) const XDP_DROP: u32 = 1;
pub(crate) const XDP_REDIRECT: u32 = 4;

/// The program with a socket on queue 0.
pub(crate) fn program(rules: Rules, exporters: u32) -> (Program, OwnedFd) {
    let socket = af_xdp_socket();
    let mut program = load(&Settings { rules, exporters, ..settings() });
    program.register(0, socket.as_fd()).expect("register the socket");
    (program, socket)
}

pub(crate) fn rules(allowed: &[&str], limit: Limit, limits: &[(&str, Limit)]) -> Rules {
    let prefix = |text: &str| text.parse().expect("a prefix");
    Rules::new(&front_door::Settings {
        allowed: allowed.iter().map(|text| prefix(text)).collect(),
        limit: Some(limit),
        limits: limits.iter().map(|(text, limit)| (prefix(text), *limit)).collect(),
    })
}

/// A datagram to our port from this exporter, behind these tags.
pub(crate) fn from(exporter: &str, tags: &[u16]) -> Vec<u8> {
    let behind = 14 + 4 * tags.len();
    match exporter.parse().expect("an address") {
        IpAddr::V4(address) => {
            let mut frame = ethernet(tags, IPV4, &ipv4(&[], 0, UDP, &udp(PORT)));
            frame[behind + 12..][..4].copy_from_slice(&address.octets());
            frame
        }
        IpAddr::V6(address) => {
            let mut frame = ethernet(tags, IPV6, &ipv6(UDP, &udp(PORT)));
            frame[behind + 8..][..16].copy_from_slice(&address.octets());
            frame
        }
    }
}

fn check(program: &mut Program, exporter: &str, expected: Verdict) {
    let action = if expected == Verdict::Steered { XDP_REDIRECT } else { XDP_DROP };
    for tags in [&[][..], &[VLAN], &[QINQ, VLAN]] {
        assert_eq!(run(program, &from(exporter, tags)), (action, expected), "{exporter} {tags:x?}");
    }
}

#[test]
fn only_allowed_exporters_are_let_in() {
    if !privileged("only_allowed_exporters_are_let_in") {
        return;
    }
    use Verdict::{NotAllowed, Steered};
    let (mut program, _socket) = program(Rules::default(), 64);
    let mut closed: Vec<String> = (0..300).map(|net| format!("172.16.{}.{}/32", net / 250, net % 250)).collect();
    closed.extend(["10.0.0.0/8", "2001:db8::/32"].map(str::to_owned));
    let closed: Vec<&str> = closed.iter().map(String::as_str).collect();
    let exporters = ["10.1.2.3", "10.255.255.255", "192.0.2.1", "172.16.1.3", "2001:db8::1", "2001:db9::1"];
    let tables: [(&[&str], [Verdict; 6]); 6] = [
        (&[], [Steered; 6]),
        (&closed, [Steered, Steered, NotAllowed, Steered, Steered, NotAllowed]),
        (&["10.1.2.3"], [Steered, NotAllowed, NotAllowed, NotAllowed, NotAllowed, NotAllowed]),
        (&["0.0.0.0/0"], [Steered, Steered, Steered, Steered, NotAllowed, NotAllowed]),
        (&["::/0"], [Steered; 6]),
        (&[], [Steered; 6]),
    ];
    for (allowed, verdicts) in tables {
        program.set_rules(&rules(allowed, Limit::NONE, &[])).expect("set the rules");
        for (exporter, verdict) in exporters.iter().zip(verdicts) {
            check(&mut program, exporter, verdict);
        }
        program.admit(&["10.1.2.3".parse::<collector::prefix::Prefix>().expect("an address").first()]).expect("admit");
    }
}

#[test]
fn what_is_not_ours_or_has_no_socket_is_not_the_front_doors_business() {
    if !privileged("what_is_not_ours_or_has_no_socket_is_not_the_front_doors_business") {
        return;
    }
    let closed = rules(&["198.51.100.0/24"], Limit::new(1, 1), &[]);
    let mut program = load(&Settings { rules: closed, ..settings() });
    for _ in 0..3 {
        assert_eq!(run(&mut program, &from("10.0.0.1", &[])).1, Verdict::NoSocket);
        assert_eq!(run(&mut program, &crate::frames::plain(53)).1, Verdict::OtherPort);
    }
}

#[test]
fn buckets_empty_refill_and_belong_to_one_exporter() {
    if !privileged("buckets_empty_refill_and_belong_to_one_exporter") {
        return;
    }
    // An hour for each datagram: nothing refills while the test runs.
    let slow = |burst: u64| Limit::from_words([3_600_000_000_000, (burst - 1) * 3_600_000_000_000]);
    let limits = [("10.0.0.9", slow(7)), ("10.1.0.0/16", Limit::NONE), ("2001:db8::/32", slow(2))];
    let (mut program, _socket) = program(rules(&[], slow(4), &limits), 64);
    let steered = |program: &mut Program, exporter: &str, count: usize| {
        (0..count).filter(|_| run(program, &from(exporter, &[])).1 == Verdict::Steered).count()
    };
    for (exporter, most) in
        [("10.0.0.1", 4), ("10.0.0.2", 4), ("10.0.0.9", 7), ("10.1.2.3", 20), ("2001:db8::1", 2), ("2001:db8::2", 2)]
    {
        assert_eq!(steered(&mut program, exporter, 20), most, "{exporter}");
        assert_eq!(steered(&mut program, exporter, 1), usize::from(most == 20), "{exporter}");
    }
    // A lasting account takes the state of the bucket along.
    let exporter = "10.0.0.1".parse::<collector::prefix::Prefix>().expect("an address").first();
    assert_eq!(program.admit(&[exporter]).expect("admit"), 0);
    assert_eq!(steered(&mut program, "10.0.0.1", 5), 0);
    // A wider bucket, without loading the program anew.
    program.set_rules(&rules(&[], slow(6), &[])).expect("set the rules");
    assert_eq!(steered(&mut program, "10.0.0.1", 20), 2);
    program.set_rules(&rules(&[], Limit::NONE, &[])).expect("set the rules");
    assert_eq!(steered(&mut program, "10.0.0.1", 20), 20);
    // One datagram in 100 ms refills.
    let quick = Limit::new(10, 1);
    program.set_rules(&rules(&[], quick, &[])).expect("set the rules");
    let datagrams = std::iter::repeat_with(|| run(&mut program, &from("10.3.0.1", &[])).1);
    let twice = datagrams.filter(|verdict| *verdict == Verdict::Steered).take(2);
    assert_eq!(twice.count(), 2, "it comes back");
    assert!(program.verdicts().expect("verdicts").get(Verdict::RateLimited) > 20);
}

#[test]
fn steered_frames_carry_the_time() {
    if !privileged("steered_frames_carry_the_time") {
        return;
    }
    let (mut program, _socket) = program(Rules::default(), 64);
    const NOON_NS: u64 = 1_700_000_040_000_000_000;
    for (exporter, tags) in [("10.0.0.1", &[][..]), ("2001:db8::1", &[VLAN])] {
        let frame = from(exporter, tags);
        program.set_time(NOON_NS).expect("set the time");
        let mut out = vec![0; 256];
        let options = TestRunOptions { data_in: Some(&frame), data_out: Some(&mut out), ..TestRunOptions::new() };
        let result = program.xdp_mut().test_run(options).expect("run the program");
        assert_eq!(result.return_value, XDP_REDIRECT);
        let stamp = Stamp::from_bytes(out[..Stamp::BYTES].try_into().expect("16 bytes")).expect("a stamp");
        assert!(stamp.time_ns.abs_diff(NOON_NS) < 60_000_000_000, "{}", stamp.time_ns);
        assert_eq!(&out[Stamp::BYTES..][..frame.len()], frame, "the frame itself is as it was");
    }
}
