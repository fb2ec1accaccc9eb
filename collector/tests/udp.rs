//! Plain UDP sockets on loopback, and on a machine without IPv6.

#[path = "common/netns.rs"]
mod netns;

use collector::udp::{Settings, Socket, Source, ensure_unused};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

const ANY: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
const ROOMY_BYTES: usize = 8 << 20;

fn settings(address: IpAddr, port: u16) -> Settings {
    Settings { address, port, receive_buffer_bytes: ROOMY_BYTES }
}

/// A socket that listens on all addresses and a port of the kernel's choice.
fn listen(receive_buffer_bytes: usize) -> (Socket, u16) {
    let socket = Socket::bind(&Settings { receive_buffer_bytes, ..settings(ANY, 0) }).expect("a free port");
    let port = socket.local_address().expect("the socket is bound").port();
    (socket, port)
}

/// Everything that waits.
fn drain(socket: &mut Socket) -> Vec<(Source, Vec<u8>)> {
    let mut datagrams = Vec::new();
    while socket.receive(|source, bytes| datagrams.push((source, bytes.to_vec()))).expect("receiving works") > 0 {}
    datagrams
}

#[test]
fn every_datagram_arrives_once_with_its_source_and_bytes() {
    check_family("IPv4", Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.to_ipv6_mapped());
    check_family("IPv6", Ipv6Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST);
}

fn check_family(name: &str, loopback: IpAddr, expected: Ipv6Addr) {
    let (mut socket, port) = listen(ROOMY_BYTES);
    let sender = UdpSocket::bind((loopback, 0)).expect("a free port on loopback");
    let sender_port = sender.local_addr().expect("the sender is bound").port();
    for number in 0_u32..200 {
        sender.send_to(&number.to_be_bytes(), (loopback, port)).expect("loopback takes it");
    }
    let datagrams = drain(&mut socket);
    assert_eq!(datagrams.len(), 200, "{name}");
    for (number, (source, bytes)) in (0_u32..).zip(datagrams) {
        assert_eq!(source, Source { address: expected.octets(), port: sender_port }, "{name}");
        assert_eq!(bytes, number.to_be_bytes(), "{name}");
    }
    assert_eq!((socket.kernel_drops(), socket.truncated()), (0, 0), "{name}");
}

#[test]
fn datagrams_of_every_length_arrive_whole() {
    let (mut socket, port) = listen(ROOMY_BYTES);
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
    let lengths = [0, 1, 1400, 9000, 9217, 65_507, 0, 3];
    for len in lengths {
        let bytes: Vec<u8> = (0..len).map(|index: usize| (index % 251) as u8).collect();
        sender.send_to(&bytes, (Ipv4Addr::LOCALHOST, port)).expect("loopback takes it");
    }
    let datagrams = drain(&mut socket);
    assert_eq!(datagrams.iter().map(|(_, bytes)| bytes.len()).collect::<Vec<_>>(), lengths);
    for (_, bytes) in datagrams {
        assert!(bytes.iter().enumerate().all(|(index, &byte)| byte == (index % 251) as u8));
    }
    assert_eq!(socket.truncated(), 0);
}

#[test]
fn what_the_kernel_drops_is_counted() {
    // The kernel makes the smallest possible buffer of this, a few datagrams long.
    let (mut socket, port) = listen(1);
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
    let mut sent = 0_u64;
    let mut received = 0_u64;
    let mut send = |count: u64| {
        for _ in 0..count {
            sender.send_to(&[7; 500], (Ipv4Addr::LOCALHOST, port)).expect("loopback takes it");
        }
        sent += count;
        sent
    };
    for round in 1..=3 {
        send(100);
        received += drain(&mut socket).len() as u64;
        // The count travels with a datagram that is queued after the loss.
        let sent = send(1);
        received += drain(&mut socket).len() as u64;
        assert!(received < sent, "the buffer was meant to overflow");
        assert_eq!(received + socket.kernel_drops(), sent, "round {round}");
    }
}

#[test]
fn sockets_on_one_port_share_the_datagrams_by_exporter() {
    let (first, port) = listen(ROOMY_BYTES);
    let mut sockets = vec![first];
    for _ in 0..2 {
        sockets.push(Socket::bind(&settings(ANY, port)).expect("the port is shared"));
    }
    let senders: Vec<_> =
        (0..32).map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback")).collect();
    for _ in 0..10 {
        for sender in &senders {
            sender.send_to(b"datagram", (Ipv4Addr::LOCALHOST, port)).expect("loopback takes it");
        }
    }
    let mut by_source = BTreeMap::<u16, (usize, u32)>::new();
    for (number, socket) in sockets.iter_mut().enumerate() {
        for (source, _) in drain(socket) {
            let (owner, count) = by_source.entry(source.port).or_insert((number, 0));
            assert_eq!(*owner, number, "one sender's datagrams reached two sockets");
            *count += 1;
        }
    }
    assert_eq!(by_source.len(), senders.len());
    assert!(by_source.values().all(|&(_, count)| count == 10));
}

#[test]
fn a_port_in_use_is_an_error_that_says_what_to_do() {
    let foreign = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
    let port = foreign.local_addr().expect("the socket is bound").port();
    check_refused("foreign socket", &settings(ANY, port), "ss -ulpn");
    check_refused("foreign socket, one address", &settings(Ipv4Addr::LOCALHOST.into(), port), "ss -ulpn");
    // An address for documentation (RFC 5737) is on no machine.
    check_refused("not our address", &settings(Ipv4Addr::new(192, 0, 2, 77).into(), 0), "ip address");
}

fn check_refused(name: &str, settings: &Settings, remedy: &str) {
    let Err(error) = Socket::bind(settings) else { panic!("{name}: bound") };
    let text = error.to_string();
    assert!(text.contains(remedy) && text.contains(&settings.port.to_string()), "{name}: {text}");
    assert!(!text.contains('\n'), "{name}: {text}");
}

#[test]
fn a_second_collector_on_the_port_is_noticed() {
    let (socket, port) = listen(ROOMY_BYTES);
    let error = ensure_unused(&settings(ANY, port)).expect_err("our own socket listens");
    assert!(error.to_string().contains("another program listens"), "{error}");
    drop(socket);
    ensure_unused(&settings(ANY, port)).expect("nobody listens any more");
}

#[test]
fn the_buffer_is_as_large_as_asked() {
    let Some(_turn) = netns::privileged("the_buffer_is_as_large_as_asked") else { return };
    let (socket, _) = listen(64 << 20);
    assert_eq!(socket.receive_buffer_bytes().expect("the socket is open"), 128 << 20);
}

#[test]
fn a_machine_without_ipv6_still_gets_ipv4() {
    let Some(_turn) = netns::privileged("a_machine_without_ipv6_still_gets_ipv4") else { return };
    let namespace = netns::Namespace::new("no-ipv6");
    let result = namespace.command("sysctl").args(["-qw", "net.ipv6.conf.all.disable_ipv6=1"]).status();
    assert!(result.expect("sysctl is installed").success());
    let (mut socket, sender, to) = namespace.enter(|| {
        let (socket, port) = listen(ROOMY_BYTES);
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
        (socket, sender, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))
    });
    sender.send_to(b"datagram", to).expect("loopback takes it");
    let datagrams = drain(&mut socket);
    assert_eq!(datagrams.len(), 1);
    assert_eq!(datagrams[0].0.address, Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets());
}
