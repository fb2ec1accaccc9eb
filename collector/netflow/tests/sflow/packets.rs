//! A row is the innermost packet that can be read.

use crate::encoder::{datagram, flow, header};
use crate::frames::{BRIDGED, IPV4, IPV6, MPLS, ethernet, gre, ipv4, ipv4_with, ipv6, mpls, tagged, tcp, udp, vxlan};
use crate::{address, columns};

const TCP: u8 = 6;
const UDP: u8 = 17;
const GRE: u8 = 47;

/// Source and destination address, protocol, ports.
type Flow = (&'static str, &'static str, u8, u16, u16);

#[track_caller]
fn check(name: &str, frame: &[u8], expected: Flow) {
    check_link(name, 1, frame, expected);
}

#[track_caller]
fn check_link(name: &str, protocol: u32, frame: &[u8], expected: Flow) {
    let (columns, report) = columns(&datagram(&[flow(&[header(protocol, frame)])]));
    assert_eq!((columns.len(), report.malformed()), (1, 0), "{name}: {report:?}");
    let (source, destination, protocol, source_port, destination_port) = expected;
    assert_eq!(columns.src_addr, [address(source)], "{name}: source");
    assert_eq!(columns.dst_addr, [address(destination)], "{name}: destination");
    let found = (columns.protocol[0], columns.src_port[0], columns.dst_port[0]);
    assert_eq!(found, (protocol, source_port, destination_port), "{name}");
    assert_eq!(columns.bytes, [frame.len() as u64 + 4], "{name}: octets are those of the frame");
}

const NONE: Flow = ("::", "::", 0, 0, 0);
const FOUR: Flow = ("10.0.0.1", "10.0.0.2", TCP, 40_000, 443);
const SIX: Flow = ("fd00::1", "fd00::2", UDP, 40_000, 53);
const FOUR_INSIDE: Flow = ("10.0.0.3", "10.0.0.4", TCP, 40_000, 443);

fn four() -> Vec<u8> {
    ipv4([1, 2], TCP, &tcp(443))
}

fn six() -> Vec<u8> {
    ipv6([1, 2], UDP, &udp(53, b"?"))
}

fn four_inside() -> Vec<u8> {
    ipv4([3, 4], TCP, &tcp(443))
}

#[test]
fn link_layers() {
    check("Ethernet", &ethernet(IPV4, &four()), FOUR);
    check("Ethernet and IPv6", &ethernet(IPV6, &six()), SIX);
    check("one tag", &tagged(&[(0x8100, 0xa064)], IPV4, &four()), FOUR);
    check("two tags", &tagged(&[(0x88a8, 100), (0x8100, 200)], IPV6, &six()), SIX);
    check("two tags of the old type", &tagged(&[(0x9100, 100), (0x8100, 200)], IPV4, &four()), FOUR);
    check("more tags than are kept", &tagged(&[(0x8100, 1); 9], IPV4, &four()), FOUR);
    check("more tags than are read", &tagged(&[(0x8100, 1); 40], IPV4, &four()), NONE);
    check("ARP", &ethernet(0x0806, &[0; 28]), NONE);
    check("a length in place of a type", &ethernet(0x0100, &four()), NONE);
    check_link("IPv4 alone", 11, &four(), FOUR);
    check_link("IPv6 alone", 12, &six(), SIX);
    check_link("MPLS alone", 13, &mpls(&[16], &four()), FOUR);
    check_link("PPP", 7, &[&[0xff, 3, 0, 0x21][..], &four()].concat(), FOUR);
    check_link("something else in the place of PPP", 7, &four(), NONE);
    check(
        "padding behind a short packet",
        &[ethernet(IPV4, &ipv4([1, 2], UDP, &[])), vec![1; 26]].concat(),
        ("10.0.0.1", "10.0.0.2", UDP, 0, 0),
    );
}

#[test]
fn labels() {
    check("one label", &ethernet(MPLS, &mpls(&[100], &four())), FOUR);
    check("a stack", &ethernet(MPLS, &mpls(&[100, 200, 2], &six())), SIX);
    check("upstream labels", &ethernet(0x8848, &mpls(&[100], &four())), FOUR);
    let pseudowire = mpls(&[100, 200], &[vec![0; 4], ethernet(IPV4, &four_inside())].concat());
    check("a pseudowire", &ethernet(MPLS, &pseudowire), FOUR_INSIDE);
    check("no end of the stack", &ethernet(MPLS, &[0; 40]), NONE);
    let deep: Vec<u32> = (1..=300).collect();
    check("three hundred labels", &ethernet(MPLS, &mpls(&deep, &four())), FOUR);
    let stack = |labels: &[u32]| {
        let (columns, _) = columns(&datagram(&[
            flow(&[header(1, &ethernet(IPV4, &four()))]),
            flow(&[header(1, &ethernet(MPLS, &mpls(labels, &four())))]),
            flow(&[header(1, &ethernet(IPV4, &four()))]),
        ]));
        [0, 1, 2].map(|row| columns.mpls_labels.get(row).to_vec())
    };
    assert_eq!(stack(&[100, 1_048_575]), [vec![], vec![100, 1_048_575], vec![]]);
    assert_eq!(stack(&deep), [vec![], (1..=10).collect(), vec![]]);
}

#[test]
fn tunnels() {
    let outer = |protocol, payload: &[u8]| ethernet(IPV4, &ipv4([1, 2], protocol, payload));
    let inner = four_inside();
    check("IPv4 in IPv4", &outer(4, &inner), FOUR_INSIDE);
    check("IPv6 in IPv4", &outer(41, &six()), SIX);
    check("IPv4 in IPv6", &ethernet(IPV6, &ipv6([1, 2], 4, &inner)), FOUR_INSIDE);
    check("MPLS in IPv4", &outer(137, &mpls(&[100], &inner)), FOUR_INSIDE);
    check("GRE", &outer(GRE, &gre(0, 0, IPV4, &inner)), FOUR_INSIDE);
    check("GRE with a key", &outer(GRE, &gre(0x2000, 4, IPV4, &inner)), FOUR_INSIDE);
    check("GRE with checksum, key and sequence", &outer(GRE, &gre(0xb000, 12, IPV6, &six())), SIX);
    check("GRE of Ethernet", &outer(GRE, &gre(0x2000, 4, BRIDGED, &ethernet(IPV4, &inner))), FOUR_INSIDE);
    check("GRE of MPLS", &outer(GRE, &gre(0, 0, MPLS, &mpls(&[1], &inner))), FOUR_INSIDE);
    let of_gre = ("10.0.0.1", "10.0.0.2", GRE, 0, 0);
    check("GRE of version 1", &outer(GRE, &gre(0x2001, 4, IPV4, &inner)), of_gre);
    check("GRE with routing", &outer(GRE, &gre(0x4000, 4, IPV4, &inner)), of_gre);
    check("GRE of something else", &outer(GRE, &gre(0, 0, 0x0806, &[0; 28])), of_gre);
    let tunneled = |port, payload: &[u8]| outer(UDP, &udp(port, payload));
    let bridged = tagged(&[(0x8100, 300)], IPV4, &inner);
    check("VXLAN", &tunneled(4789, &vxlan(&bridged)), FOUR_INSIDE);
    check("VXLAN on the port of Linux", &tunneled(8472, &vxlan(&bridged)), FOUR_INSIDE);
    let without_flag = [&[0; 8][..], &bridged].concat();
    check("VXLAN without an identifier", &tunneled(4789, &without_flag), ("10.0.0.1", "10.0.0.2", UDP, 40_000, 4789));
    check(
        "VXLAN cut in the inner frame",
        &tunneled(4789, &vxlan(&bridged[..30])),
        ("10.0.0.1", "10.0.0.2", UDP, 40_000, 4789),
    );
    let twice = outer(GRE, &gre(0, 0, IPV4, &ipv4([5, 6], UDP, &udp(4789, &vxlan(&ethernet(IPV4, &inner))))));
    check("a tunnel in a tunnel", &twice, FOUR_INSIDE);
}

#[test]
fn what_is_outside_of_a_tunnel_stays() {
    let bridged = tagged(&[(0x8100, 300)], IPV4, &four_inside());
    let frame = tagged(&[(0x8100, 100)], IPV4, &ipv4([1, 2], UDP, &udp(4789, &vxlan(&bridged))));
    let (columns, _) = columns(&datagram(&[flow(&[header(1, &frame)])]));
    assert_eq!(columns.src_vlan, [100]);
    assert_eq!((columns.src_mac[0], columns.dst_mac[0]), (0x0200_0000_0001, 0x0200_0000_0002));
}

#[test]
fn nesting_is_bounded() {
    let deep = (0..200_u16).fold(four_inside(), |packet, _| ipv4([1, 2], 4, &packet));
    check("two hundred tunnels", &ethernet(IPV4, &deep), ("10.0.0.1", "10.0.0.2", 4, 0, 0));
    let extensions = [[60, 0, 0, 0, 0, 0, 0, 0]; 50].concat();
    check("fifty extension headers", &ethernet(IPV6, &ipv6([1, 2], 60, &extensions)), ("fd00::1", "fd00::2", 60, 0, 0));
}

#[test]
fn ip() {
    check("options", &ethernet(IPV4, &ipv4_with(&[1; 8], 0, [1, 2], TCP, &tcp(443))), FOUR);
    check("the first fragment", &ethernet(IPV4, &ipv4_with(&[], 0x2000, [1, 2], TCP, &tcp(443))), FOUR);
    let later = ethernet(IPV4, &ipv4_with(&[], 0x00b9, [1, 2], TCP, &tcp(443)));
    check("a later fragment", &later, ("10.0.0.1", "10.0.0.2", TCP, 0, 0));
    let later = ethernet(IPV4, &ipv4_with(&[], 0x00b9, [1, 2], 4, &four_inside()));
    check("a later fragment of a tunnel", &later, ("10.0.0.1", "10.0.0.2", 4, 0, 0));
    let unsegmented = |packet: Vec<u8>, at: usize| [&packet[..at], &[0, 0], &packet[at + 2..]].concat();
    check("a packet not segmented yet", &ethernet(IPV4, &unsegmented(four(), 2)), FOUR);
    check("an IPv6 packet not segmented yet", &ethernet(IPV6, &unsegmented(six(), 4)), SIX);
    check("a header of four words", &ethernet(IPV4, &[&[0x44][..], &four()[1..]].concat()), NONE);
    check("another version", &ethernet(IPV4, &six()), NONE);
    check("IPv4 in the type of IPv6", &ethernet(IPV6, &[four(), vec![0; 20]].concat()), NONE);
    let hop_by_hop = [&[60, 0, 0, 0, 0, 0, 0, 0][..], &[UDP, 1], &[0; 14], &udp(53, b"?")].concat();
    check("extension headers", &ethernet(IPV6, &ipv6([1, 2], 0, &hop_by_hop)), SIX);
    let fragment = |offset: u8| [&[UDP, 0, 0, offset, 0, 0, 0, 1][..], &udp(53, b"?")].concat();
    check("the first IPv6 fragment", &ethernet(IPV6, &ipv6([1, 2], 44, &fragment(1))), SIX);
    check("a later IPv6 fragment", &ethernet(IPV6, &ipv6([1, 2], 44, &fragment(8))), ("fd00::1", "fd00::2", UDP, 0, 0));
    check("cut before the ports", &ethernet(IPV4, &four()[..22]), ("10.0.0.1", "10.0.0.2", TCP, 0, 0));
    check("cut before the flags", &ethernet(IPV4, &four()[..24]), FOUR);
    check("cut in the header", &ethernet(IPV4, &four()[..19]), NONE);
    check("cut in the IPv6 header", &ethernet(IPV6, &six()[..39]), NONE);
}

#[test]
fn above_ip() {
    let of = |ether_type, packet: &[u8]| columns(&datagram(&[flow(&[header(1, &ethernet(ether_type, packet))])])).0;
    let columns = of(IPV4, &four());
    assert_eq!((columns.tcp_flags[0], columns.tos[0]), (0x112, 0xb8));
    let columns = of(IPV4, &ipv4([1, 2], 1, &[3, 13, 0, 0]));
    assert_eq!((columns.icmp_type[0], columns.icmp_code[0], columns.dst_port[0]), (3, 13, 0));
    let columns = of(IPV6, &ipv6([1, 2], 58, &[128, 0, 0, 0]));
    assert_eq!((columns.icmp_type[0], columns.icmp_code[0], columns.tos[0]), (128, 0, 0xb8));
}
