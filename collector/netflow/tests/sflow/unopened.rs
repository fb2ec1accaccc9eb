//! What cannot be opened, or not further: each has a name, and the row is of what could be.

use netflow::report::{Class, Event};

use crate::carriers::{inner, labels, links, tunnels};
use crate::columns;
use crate::encoder::{datagram, flow, header};
use crate::frames::{IPV4, MPLS, checked, ethernet, gre, mpls, tagged, udp, vxlan};

/// The one event of this class, and the source address's last byte.
#[track_caller]
fn check(name: &str, protocol: u32, frame: &[u8], expected: Option<Event>, source: u8) {
    let (columns, report) = columns(&datagram(&[flow(&[header(protocol, frame)])]));
    let found: Vec<(Event, u64)> =
        report.iter().filter(|(event, count)| event.class() == Class::Unopened && *count > 0).collect();
    assert_eq!(found, expected.map(|event| (event, 1)).into_iter().collect::<Vec<_>>(), "{name}");
    assert_eq!((columns.len(), report.malformed()), (1, 0), "{name}");
    assert_eq!(columns.src_addr[0][15], source, "{name}");
}

#[test]
fn what_is_opened_is_not_counted() {
    for carrier in links().into_iter().chain(tunnels()) {
        check(carrier.name, carrier.protocol, &carrier.frame, None, 3);
    }
}

#[test]
fn link_layers() {
    let check = |name, frame: &[u8], event| check(name, 1, frame, Some(event), 0);
    check("ARP", &ethernet(0x0806, &[0; 28]), Event::UnopenedArp);
    check("tagged ARP", &tagged(&[(0x8100, 5)], 0x0806, &[0; 28]), Event::UnopenedArp);
    check("LLDP", &ethernet(0x88cc, &[0; 46]), Event::UnopenedLldp);
    check("spanning tree", &ethernet(38, &[0x42, 0x42, 3, 0, 0, 0]), Event::UnopenedSpanningTree);
    check("CDP", &ethernet(38, &[0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0]), Event::UnopenedCisco);
    check("IS-IS", &ethernet(38, &[0xfe, 0xfe, 3, 0x83, 0]), Event::UnopenedOsi);
    check("LACP", &ethernet(0x8809, &[1; 40]), Event::UnopenedSlowProtocols);
    check("MACsec", &ethernet(0x88e5, &[0x2c; 60]), Event::UnopenedMacsec);
    check("PPPoE discovery", &ethernet(0x8863, &[0x11, 9, 0, 0, 0, 0]), Event::UnopenedPppoeDiscovery);
    check("PPP's control", &ethernet(0x8864, &[0x11, 0, 0, 1, 0, 4, 0xc0, 0x21, 1, 2]), Event::UnopenedPppControl);
    check("encrypted PPP", &ethernet(0x8864, &[0x11, 0, 0, 1, 0, 4, 0, 0xfd, 0x90, 2]), Event::UnopenedPppCompressed);
    check("another type", &ethernet(0x1234, &[0; 46]), Event::UnopenedEtherType);
    check("another LLC", &ethernet(46, &[0xe0; 46]), Event::UnopenedLlc);
    check("nothing behind the type", &ethernet(IPV4, &[]), Event::UnopenedCut);
    check("half a header", &ethernet(IPV4, &inner()[..19]), Event::UnopenedCut);
    check("another version", &ethernet(IPV4, &[0x95; 40]), Event::UnopenedBroken);
    check("MPLS's channel", &ethernet(MPLS, &mpls(&[13], &[0x10, 0, 0, 7, 1, 2, 3, 4])), Event::UnopenedMplsChannel);
    check("a pseudowire of cells", &ethernet(MPLS, &mpls(&[13], &[0; 60])), Event::UnopenedPseudowire);
    check("more tags than are read", &tagged(&[(0x8100, 1); 40], IPV4, &inner()), Event::UnopenedDeep);
}

#[test]
fn header_protocols() {
    for protocol in [0, 2, 6, 8, 16, 19, u32::MAX] {
        check("a link layer", protocol, &inner(), Some(Event::UnopenedLink), 0);
    }
    check("InfiniBand", 18, &inner(), Some(Event::UnopenedInfiniband), 0);
    check("encrypted 802.11", 15, &[&[8, 0x41][..], &[0; 60]].concat(), Some(Event::UnopenedEncrypted), 0);
    check("a beacon", 15, &[0x80; 60], Some(Event::UnopenedWireless), 0);
    check("cells in frame relay", 5, &[0x18, 0x41, 3, 0x08, 1, 2], Some(Event::UnopenedLlc), 0);
    check("an address without an end", 5, &[0; 40], Some(Event::UnopenedBroken), 0);
}

#[test]
fn tunnels_whose_inside_stays_closed() {
    let outer = |protocol, payload: &[u8]| ethernet(IPV4, &checked([1, 2], protocol, payload));
    let check = |name, frame: &[u8], event| check(name, 1, frame, event, 1);
    check("ESP", &outer(50, &[1; 40]), Some(Event::UnopenedEsp));
    check("ESP through NAT", &outer(17, &udp(4500, &[1; 40])), Some(Event::UnopenedEsp));
    check("its key exchange", &outer(17, &udp(4500, &[0; 40])), None);
    check("compressed", &outer(108, &[6, 0, 0, 2]), Some(Event::UnopenedIpcomp));
    check("GRE of another version", &outer(47, &gre(0x2002, 4, IPV4, &inner())), Some(Event::UnopenedGre));
    check("GRE with routing", &outer(47, &gre(0x4000, 4, IPV4, &inner())), Some(Event::UnopenedGre));
    check("GRE of another protocol", &outer(47, &gre(0, 0, 0x1234, &inner())), Some(Event::UnopenedGre));
    check("GRE's keepalive", &outer(47, &gre(0, 0, 0, &[])), Some(Event::UnopenedGre));
    check(
        "encrypted PPTP",
        &outer(47, &[0x30, 1, 0x88, 0x0b, 0, 9, 0, 5, 0, 0, 0, 1, 0, 0xfd, 0x90, 1]),
        Some(Event::UnopenedPppCompressed),
    );
    check("PPTP's acknowledgement", &outer(47, &[0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 5, 0, 0, 0, 1]), None);
    check("cells in L2TP", &outer(115, &[[0, 0, 0, 7], [9; 4], [9; 4], [9; 4]].concat()), Some(Event::UnopenedL2tp));
    check("L2TP's control", &outer(115, &[0; 40]), None);
    let whole = outer(17, &udp(4789, &vxlan(&ethernet(IPV4, &inner()))));
    check("VXLAN, cut before the packet inside", &whole[..60], Some(Event::UnopenedCut));
    check("VXLAN, cut in the packet inside", &whole[..80], Some(Event::UnopenedCut));
}

/// Ports are no proof: what they carry must look like it.
#[test]
fn ports_are_not_believed() {
    let over = |port: u16, payload: &[u8]| ethernet(IPV4, &checked([1, 2], 17, &udp(port, payload)));
    let bridged = |packet: &[u8]| ethernet(IPV4, packet);
    let broken = |at: usize, value: u8| {
        let mut packet = inner();
        packet[at] = value;
        packet
    };
    for port in [1701, 2152, 3544, 4341, 4789, 4790, 5247, 6081, 6635, 8472] {
        for byte in [0, 0x08, 0x0c, 0x30, 0x45, 0x60, 0xff] {
            check("the same byte again", 1, &over(port, &[byte; 60]), None, 1);
        }
        check("nothing", 1, &over(port, &[]), None, 1);
        check(
            "a name's question",
            1,
            &over(
                port,
                b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03net\x00\x00\x01\x00\x01",
            ),
            None,
            1,
        );
    }
    check("a wrong checksum", 1, &over(4789, &vxlan(&bridged(&broken(10, 0x55)))), None, 1);
    check("a packet longer than the one around it", 1, &over(4789, &vxlan(&bridged(&broken(2, 0x40)))), None, 1);
    check("a header longer than the packet", 1, &over(4789, &vxlan(&bridged(&broken(0, 0x4f)))), None, 1);
    check("without a flag", 1, &over(4789, &[&[0; 8][..], &bridged(&inner())].concat()), None, 1);
    check(
        "user data of another type",
        1,
        &over(2152, &[&[0x30, 1, 0, 40, 0, 0, 0, 7][..], &inner()].concat()),
        None,
        1,
    );
}

/// Every carrier cut at every byte, and with every byte changed, is one row.
#[test]
fn cut_and_changed_anywhere() {
    for carrier in links().into_iter().chain(labels()).chain(tunnels()) {
        let rows = |frame: &[u8]| columns(&datagram(&[flow(&[header(carrier.protocol, frame)])])).0.len();
        for length in 0..carrier.frame.len() {
            assert_eq!(rows(&carrier.frame[..length]), 1, "{} of {length} bytes", carrier.name);
        }
        for index in 0..carrier.frame.len() {
            for value in [0, 0x41, 0xff] {
                let mut changed = carrier.frame.clone();
                changed[index] = value;
                assert_eq!(rows(&changed), 1, "{}, byte {index}", carrier.name);
            }
        }
    }
}
