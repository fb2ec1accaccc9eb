//! Whose datagrams are taken: what is addressed to this machine, followed while its addresses change, and nothing else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use collector::prefix::Prefix;
use collector::steering::{Attach, Own, Recipients, Settings, Steering, Verdict};

use crate::door::XDP_REDIRECT;
use crate::frames::{COLLECTOR_MAC, IPV4, IPV6, QINQ, TCP, UDP, VLAN, ethernet, ipv4, ipv6, mapped, plain, udp, with};
use crate::privileged::{af_xdp_socket, in_namespace, ip, privileged};
use crate::table::{PORT, load, run, settings};

const XDP_PASS: u32 = 2;
/// How soon a change has to be followed.
const SOON: Duration = Duration::from_secs(1);

fn to_mac(mac: [u8; 6], mut frame: Vec<u8>) -> Vec<u8> {
    frame[..6].copy_from_slice(&mac);
    frame
}

/// A datagram to our port and this address, behind these tags.
fn to(address: &str, tags: &[u16]) -> Vec<u8> {
    let behind = 14 + 4 * tags.len();
    match address.parse().expect("an address") {
        IpAddr::V4(address) => {
            let mut frame = ethernet(tags, IPV4, &ipv4(&[], 0, UDP, &udp(PORT)));
            frame[behind + 16..][..4].copy_from_slice(&address.octets());
            frame
        }
        IpAddr::V6(address) => {
            let mut frame = ethernet(tags, IPV6, &ipv6(UDP, &udp(PORT)));
            frame[behind + 24..][..16].copy_from_slice(&address.octets());
            frame
        }
    }
}

fn own() -> Own {
    let address = |text: &str| text.parse::<Prefix>().expect("an address").first();
    Own {
        mac: COLLECTOR_MAC,
        macs: [[2, 0, 0, 0, 0, 0x99]].into(),
        addresses: ["192.0.2.7", "192.0.2.255", "239.1.2.3", "2001:db8::7", "ff02::1"].map(address).into(),
        networks: ["198.51.100.0/24", "2001:db8:1::/48"].map(|text| text.parse().expect("a prefix")).into(),
    }
}

#[test]
fn only_what_is_addressed_to_this_machine_is_taken() {
    if !privileged("only_what_is_addressed_to_this_machine_is_taken") {
        return;
    }
    use Verdict::{OtherAddress, OtherMac, Steered};
    let socket = af_xdp_socket();
    let mut program = load(&settings());
    program.register(0, socket.as_fd()).expect("register the socket");
    assert_eq!(program.set_own(&own()).expect("set the addresses"), 0);
    let rows = [
        ("192.0.2.7", Steered),
        ("192.0.2.8", OtherAddress),
        ("192.0.2.255", Steered),
        ("192.0.2.0", OtherAddress),
        ("255.255.255.255", OtherAddress),
        ("239.1.2.3", Steered),
        ("239.1.2.4", OtherAddress),
        ("198.51.100.0", Steered),
        ("198.51.100.255", Steered),
        ("198.51.101.0", OtherAddress),
        ("127.0.0.1", OtherAddress),
        ("2001:db8::7", Steered),
        ("2001:db8::8", OtherAddress),
        ("::c000:207", OtherAddress),
        ("2001:db8:1:ffff::1", Steered),
        ("2001:db8:2::1", OtherAddress),
        ("ff02::1", Steered),
        ("ff02::2", OtherAddress),
    ];
    let macs = [
        (COLLECTOR_MAC, true),
        ([2, 0, 0, 0, 0, 0x99], true),
        ([0xff; 6], true),
        ([0x01, 0, 0x5e, 1, 2, 3], true),
        ([2, 0, 0, 0, 0, 2], false),
        ([2, 0, 0, 0, 1, 1], false),
        ([6, 0, 0, 0, 0, 1], false),
        ([0; 6], false),
    ];
    for (address, verdict) in rows {
        for tags in [&[][..], &[VLAN], &[QINQ, VLAN]] {
            for (mac, is_ours) in macs {
                let verdict = if is_ours { verdict } else { OtherMac };
                let action = if verdict == Steered { XDP_REDIRECT } else { XDP_PASS };
                let frame = to_mac(mac, to(address, tags));
                assert_eq!(run(&mut program, &frame), (action, verdict), "{address} {tags:x?} to {mac:x?}");
            }
        }
    }
    // What is not for our ports is told as such, whoever it is for.
    let other_mac = [2, 0, 0, 0, 0, 2];
    let tcp = ethernet(&[], IPV4, &ipv4(&[], 0, TCP, &udp(PORT)));
    for (frame, verdict) in [(plain(53), Verdict::OtherPort), (tcp, Verdict::NotUdp)] {
        assert_eq!(run(&mut program, &to_mac(other_mac, frame)), (XDP_PASS, verdict));
    }
}

#[test]
fn addresses_change_while_the_program_runs() {
    if !privileged("addresses_change_while_the_program_runs") {
        return;
    }
    let socket = af_xdp_socket();
    let mut program = load(&settings());
    program.register(0, socket.as_fd()).expect("register the socket");
    let four = |last: u8| mapped([192, 0, 2, last]);
    let steered = |program: &mut collector::steering::Program, own: &Own, left_out: usize| -> Vec<u8> {
        assert_eq!(program.set_own(own).expect("set the addresses"), left_out);
        let is_steered = |last: &u8| run(program, &to(&format!("192.0.2.{last}"), &[])).1 == Verdict::Steered;
        (1..=4).filter(is_steered).collect()
    };
    let of = |lasts: &[u8]| Own {
        mac: COLLECTOR_MAC,
        addresses: lasts.iter().map(|last| four(*last)).collect(),
        ..Own::default()
    };
    for lasts in [&[1_u8, 2][..], &[2, 3], &[], &[4], &[1, 2, 3, 4]] {
        assert_eq!(steered(&mut program, &of(lasts), 0), lasts);
    }
    // More than there is room for: those in front are taken, and room comes back.
    let many = |from: u32| -> std::collections::BTreeSet<[u8; 16]> {
        (0..17_000_u32).map(|number| Ipv4Addr::from(from + number).to_ipv6_mapped().octets()).collect()
    };
    let full = Own { mac: COLLECTOR_MAC, addresses: many(0x0a00_0000), ..Own::default() };
    assert_eq!(steered(&mut program, &full, 17_000 - (1 << 14)), &[] as &[u8]);
    assert_eq!(run(&mut program, &to("10.0.1.1", &[])).1, Verdict::Steered);
    let full = Own { addresses: many(0xc000_0200), ..full };
    assert_eq!(steered(&mut program, &full, 17_000 - (1 << 14)), [1, 2, 3, 4]);
    assert_eq!(run(&mut program, &to("10.0.1.1", &[])).1, Verdict::OtherAddress);
    assert_eq!(steered(&mut program, &of(&[3]), 0), [3]);
    // Another MAC, as when a bond moves it.
    let moved = Own { mac: [2, 0, 0, 0, 0, 5], ..of(&[3]) };
    assert_eq!(steered(&mut program, &moved, 0), &[] as &[u8]);
    // A mirror port.
    program.take_all().expect("set the program");
    for frame in [to("203.0.113.9", &[]), to_mac([9; 6], to("2001:db8:9::9", &[VLAN])), with(plain(PORT), 5, 77)] {
        assert_eq!(run(&mut program, &frame), (XDP_REDIRECT, Verdict::Steered));
    }
}

/// Attached to `left` in a namespace of its own.
fn attach(recipients: Recipients) -> Steering {
    let settings = Settings { interface: "left".to_owned(), attach: Attach::Generic, recipients, ..settings() };
    Steering::attach(&settings).expect("attach")
}

fn ours(listen: &str) -> Recipients {
    Recipients::Ours { listen: listen.parse().expect("an address"), addresses: Vec::new() }
}

/// Follows until the condition holds.
fn soon(steering: &mut Steering, what: &str, holds: impl Fn(&Own) -> bool) {
    let give_up = Instant::now() + 10 * SOON;
    while !holds(steering.own().expect("not a mirror port")) {
        assert!(Instant::now() < give_up, "{what}: {:?}", steering.own());
        std::thread::sleep(SOON / 20);
        steering.follow().expect("follow");
    }
}

fn has(own: &Own, address: &str) -> bool {
    own.addresses.contains(&address.parse::<Prefix>().expect("an address").first())
}

#[test]
fn the_machines_addresses_are_followed() {
    if !privileged("the_machines_addresses_are_followed") {
        return;
    }
    in_namespace(|| {
        ip("link add left type veth peer name right");
        ip("link add elsewhere type veth peer name nowhere");
        ["left", "right", "elsewhere", "nowhere"].iter().for_each(|name| drop(ip(&format!("link set {name} up"))));
        ip("address add 192.0.2.1/24 dev left");
        let mut steering = attach(ours("::"));
        let own = steering.own().expect("not a mirror port");
        for address in ["192.0.2.1", "192.0.2.255", "255.255.255.255", "224.0.0.1"] {
            assert!(has(own, address), "{address}: {own:?}");
        }
        for address in ["192.0.2.2", "127.0.0.1", "::1"] {
            assert!(!has(own, address), "{address}: {own:?}");
        }
        assert!(own.networks.is_empty(), "{own:?}");
        // A secondary address, one of another interface, one of the loopback, IPv6, and the move of a virtual router's.
        for (device, address, prefix) in [
            ("left", "192.0.2.9", "/24"),
            ("elsewhere", "198.51.100.1", "/24"),
            ("lo", "203.0.113.5", "/32"),
            ("left", "2001:db8::5", "/64 nodad"),
            ("elsewhere", "2001:db8:1::5", "/64 nodad"),
        ] {
            ip(&format!("address add {address}{prefix} dev {device}"));
            soon(&mut steering, &format!("{address} is there"), |own| has(own, address));
            let prefix = prefix.trim_end_matches(" nodad");
            ip(&format!("address del {address}{prefix} dev {device}"));
            soon(&mut steering, &format!("{address} is gone"), |own| !has(own, address));
        }
        // A whole network is local on the loopback.
        ip("address add 203.0.113.1/24 dev lo");
        let network = "203.0.113.0/24".parse().expect("a prefix");
        soon(&mut steering, "the network is there", |own| own.networks.contains(&network));
        // An interface that goes down takes its addresses along.
        ip("address add 198.51.100.7/32 dev elsewhere");
        soon(&mut steering, "up", |own| has(own, "198.51.100.7"));
        ip("link delete elsewhere");
        soon(&mut steering, "deleted", |own| !has(own, "198.51.100.7"));
        // A group that any program of the machine joins, on this interface.
        let socket = UdpSocket::bind("0.0.0.0:0").expect("bind");
        let (group, here) = (Ipv4Addr::new(239, 1, 2, 3), Ipv4Addr::new(192, 0, 2, 1));
        socket.join_multicast_v4(&group, &here).expect("join");
        soon(&mut steering, "joined", |own| has(own, "239.1.2.3"));
        socket.leave_multicast_v4(&group, &here).expect("leave");
        soon(&mut steering, "left", |own| !has(own, "239.1.2.3"));
        let socket = UdpSocket::bind("[::]:0").expect("bind");
        let index = nix::net::if_::if_nametoindex("left").expect("left exists");
        let group: Ipv6Addr = "ff05::17".parse().expect("an address");
        socket.join_multicast_v6(&group, index).expect("join");
        soon(&mut steering, "joined", |own| has(own, "ff05::17"));
        // What the operator names.
        steering.set_addresses(&["198.18.0.0/15".parse().expect("a prefix")]).expect("set");
        assert!(steering.own().expect("ours").networks.contains(&"198.18.0.0/15".parse().expect("a prefix")));
        steering.set_addresses(&[]).expect("set");
        assert_eq!(steering.own().expect("ours").networks, [network].into());
    });
}

#[test]
fn macs_above_and_below_the_interface_are_followed() {
    if !privileged("macs_above_and_below_the_interface_are_followed") {
        return;
    }
    in_namespace(|| {
        ip("link add left address 02:00:00:00:00:01 type veth peer name right");
        let mut steering = attach(ours("::"));
        let own = steering.own().expect("ours");
        assert_eq!((own.mac, own.macs.len()), ([2, 0, 0, 0, 0, 1], 0), "{own:?}");
        ip("link set left address 02:00:00:00:00:0a");
        soon(&mut steering, "another MAC", |own| own.mac == [2, 0, 0, 0, 0, 0x0a]);
        // As keepalived makes one, and one that leads into a virtual machine.
        if has_kind("macvlan") {
            ip("link add link left name vrrp.51 address 00:00:5e:00:01:33 type macvlan mode private");
            soon(&mut steering, "a virtual router", |own| own.macs == [[0, 0, 0x5e, 0, 1, 0x33]].into());
            ip("link delete vrrp.51");
            soon(&mut steering, "no virtual router", |own| own.macs.is_empty());
        }
        if has_kind("vlan") {
            ip("link add link left name left.7 address 02:00:00:00:07:01 type vlan id 7");
            soon(&mut steering, "a VLAN", |own| own.macs.contains(&[2, 0, 0, 0, 7, 1]));
            ip("link delete left.7");
        }
        ip("link add bridge address 02:00:00:00:00:0b type bridge");
        ip("link set left master bridge");
        soon(&mut steering, "a bridge", |own| own.macs == [[2, 0, 0, 0, 0, 0x0b]].into());
        ip("link set left nomaster");
        soon(&mut steering, "no bridge", |own| own.macs.is_empty());
    });
}

/// Whether the kernel has interfaces of this kind; says so if not.
fn has_kind(kind: &str) -> bool {
    let mut command = std::process::Command::new("ip");
    command.args(["link", "add", "link", "left", "name", "tried", "type", kind]);
    if kind == "vlan" {
        command.args(["id", "9"]);
    }
    let is_there = command.status().expect("start ip").success();
    if is_there {
        ip("link delete tried");
    } else {
        eprintln!("SKIPPED in part: this kernel has no {kind}");
    }
    is_there
}

#[test]
fn sockets_on_one_address_are_respected() {
    if !privileged("sockets_on_one_address_are_respected") {
        return;
    }
    in_namespace(|| {
        ip("link add left type veth peer name right");
        ip("link set left up");
        ip("address add 192.0.2.1/24 dev left");
        ip("address add 192.0.2.2/24 dev left");
        let mut steering = attach(ours("192.0.2.2"));
        assert_eq!(steering.own().expect("ours").addresses, [mapped([192, 0, 2, 2])].into());
        // As when the address of a virtual router moves away and comes back.
        ip("address del 192.0.2.2/24 dev left");
        soon(&mut steering, "gone", |own| own.addresses.is_empty());
        ip("address add 192.0.2.2/24 dev left");
        soon(&mut steering, "back", |own| own.addresses.len() == 1);
    });
}

#[test]
fn a_mirror_port_takes_every_mac_as_long_as_it_is_one() {
    if !privileged("a_mirror_port_takes_every_mac_as_long_as_it_is_one") {
        return;
    }
    in_namespace(|| {
        ip("link add left type veth peer name right");
        let promiscuity = || ip("-d link show dev left").contains("promiscuity 1");
        let mut steering = attach(Recipients::Everybody);
        assert!(promiscuity(), "{}", ip("-d link show dev left"));
        assert!(!steering.follow().expect("nothing to follow") && steering.own().is_none());
        drop(steering);
        assert!(!promiscuity(), "{}", ip("-d link show dev left"));
    });
}
