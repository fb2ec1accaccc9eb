//! Frames that carry one and the same packet of IP in every way that is opened, with what tells `tshark` their link layer.

use crate::frames::{BRIDGED, IPV4, IPV6, MPLS, checked, ethernet, gre, ipv6, mpls, tagged, tcp, udp, udp_between};

const TCP: u8 = 6;
const UDP: u8 = 17;
const GRE: u8 = 47;

/// A sampled frame.
pub(crate) struct Carrier {
    pub(crate) name: &'static str,
    /// sFlow's `header_protocol`.
    pub(crate) protocol: u32,
    /// Link type of a capture file with such frames.
    pub(crate) link: u32,
    pub(crate) frame: Vec<u8>,
    /// Whether `tshark` as Debian 12 has it finds the packet in it without being told.
    pub(crate) is_for_tshark: bool,
}

/// The packet that all carry: 10.0.0.3 to 10.0.0.4, TCP from 40000 to 443.
pub(crate) fn inner() -> Vec<u8> {
    checked([3, 4], TCP, &tcp(443))
}

/// The same with IPv6: fd00::3 to fd00::4.
pub(crate) fn inner_6() -> Vec<u8> {
    ipv6([3, 4], TCP, &tcp(443))
}

fn of(name: &'static str, frame: Vec<u8>) -> Carrier {
    Carrier { name, protocol: 1, link: 1, frame, is_for_tshark: true }
}

fn outer(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(IPV4, &checked([1, 2], protocol, payload))
}

/// Bytes one after the other.
fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

const SNAP: [u8; 6] = [0xaa, 0xaa, 3, 0, 0, 0];

/// Link layers.
pub(crate) fn links() -> Vec<Carrier> {
    let (four, six) = (inner(), inner_6());
    let length = |payload: &[u8]| u16::try_from(payload.len()).expect("short");
    let snap = |ether_type: u16, packet: &[u8]| {
        let llc = join(&[&SNAP, &ether_type.to_be_bytes(), packet]);
        ethernet(length(&llc), &llc)
    };
    let ppp = |protocol: &[u8], packet: &[u8]| {
        let payload = join(&[protocol, packet]);
        join(&[&[0x11, 0, 0, 5], &length(&payload).to_be_bytes(), &payload])
    };
    let with = |name, protocol, link, frame| Carrier { name, protocol, link, frame, is_for_tshark: true };
    let alone = |name, protocol, frame| Carrier { name, protocol, link: 0, frame, is_for_tshark: false };
    let bridged = ethernet(IPV4, &four);
    let wireless = |front: &[u8]| join(&[front, &[0; 2], &[2; 18], &[0; 2]]);
    vec![
        of("SNAP", snap(IPV4, &four)),
        of("SNAP and IPv6", snap(IPV6, &six)),
        of("LLC alone", ethernet(3 + length(&four), &join(&[&[6, 6, 3], &four]))),
        of("seven tags", tagged(&[(0x88a8, 5); 7], IPV4, &four)),
        of("PPPoE", ethernet(0x8864, &ppp(&[0, 0x21], &four))),
        of("PPPoE and IPv6, tagged", tagged(&[(0x8100, 7)], 0x8864, &ppp(&[0, 0x57], &six))),
        of("802.1ah", tagged(&[(0x88a8, 9)], 0x88e7, &join(&[&[0, 0, 0, 9], &bridged]))),
        of(
            "MACsec without encryption",
            ethernet(0x88e5, &join(&[&[0x20, 0, 0, 0, 0, 1], &[2; 8], &[8, 0], &four, &[0; 16]])),
        ),
        of("Cisco's security group tag", ethernet(0x8909, &join(&[&[1, 1, 0, 1, 0, 9, 8, 0], &four]))),
        of("TRILL", ethernet(0x22f3, &join(&[&[0, 0x3f, 0, 1, 0, 2], &bridged]))),
        of("NSH", ethernet(0x894f, &join(&[&[0x0f, 0xc6, 1, 1], &[0; 20], &four]))),
        with("PPP", 7, 9, join(&[&[0xff, 3, 0, 0x21], &four])),
        with("PPP and IPv6", 7, 9, join(&[&[0xff, 3, 0, 0x57], &six])),
        with("PPP without address and control", 7, 9, join(&[&[0, 0x21], &four])),
        with("PPP with a protocol of one byte", 7, 9, join(&[&[0x21], &four])),
        with("PPP of MPLS", 7, 9, join(&[&[0xff, 3, 2, 0x81], &mpls(&[16], &four)])),
        with("PPP, bridged", 7, 9, join(&[&[0xff, 3, 0, 0x31, 0, 1], &bridged])),
        with("a whole packet in multilink PPP", 7, 9, join(&[&[0xff, 3, 0, 0x3d, 0xc0, 0, 0, 1, 0, 0x21], &four])),
        with("POS", 14, 50, join(&[&[0xff, 3, 0, 0x21], &four])),
        with("Cisco's HDLC", 14, 104, join(&[&[0x0f, 0, 8, 0], &four])),
        with("Cisco's HDLC and IPv6", 7, 104, join(&[&[0x8f, 0, 0x86, 0xdd], &six])),
        with("frame relay", 5, 107, join(&[&[0x18, 0x41, 3, 0xcc], &four])),
        with("frame relay and SNAP", 5, 107, join(&[&[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0], &four])),
        with("frame relay, bridged", 5, 107, join(&[&[0x18, 0x41, 3, 0, 0x80, 0, 0x80, 0xc2, 0, 7], &bridged])),
        with("FDDI", 4, 10, join(&[&[0x50], &[2; 12], &SNAP, &[8, 0], &four])),
        with("token ring", 3, 6, join(&[&[0x10, 0x40], &[2; 12], &SNAP, &[8, 0], &four])),
        with(
            "token ring with a route",
            3,
            6,
            join(&[&[0x10, 0x40], &[2; 6], &[0x82, 2, 2, 2, 2, 2, 6, 0, 0, 1, 0, 2], &SNAP, &[8, 0], &four]),
        ),
        with("802.11", 15, 105, join(&[&wireless(&[8, 1]), &SNAP, &[8, 0], &four])),
        with("802.11 with quality of service", 15, 105, join(&[&wireless(&[0x88, 1]), &[0; 2], &SNAP, &[8, 0], &four])),
        with("802.11 between access points", 15, 105, join(&[&wireless(&[8, 3]), &[2; 6], &SNAP, &[8, 0], &four])),
        with("IPv4 alone", 11, 101, four.clone()),
        with("IPv6 alone", 12, 101, six),
        alone("MPLS alone", 13, mpls(&[16, 17], &four)),
        alone("AAL5 with LLC", 9, join(&[&SNAP, &[8, 0], &four])),
        alone("AAL5, bridged", 9, join(&[&[0xaa, 0xaa, 3, 0, 0x80, 0xc2, 0, 7, 0, 0], &bridged])),
        alone("AAL5 of IP", 10, four.clone()),
        alone("a frame of an aggregate", 17, snap(IPV4, &four)),
    ]
}

/// The label of pseudowires without a control word, and of those with one.
pub(crate) const PLAIN: u32 = 200;
pub(crate) const CONTROLLED: u32 = 201;

/// Label stacks.
pub(crate) fn labels() -> Vec<Carrier> {
    let bridged = ethernet(IPV4, &inner());
    // Addresses that begin as a control word, a packet of IPv4 and one of IPv6 do.
    let to = |first: u8| join(&[&[first], bridged.get(1..).expect("it is longer")]);
    let under_label = |label: u32, payload: &[u8]| ethernet(MPLS, &mpls(&[100, label], payload));
    let under = |payload: &[u8]| under_label(PLAIN, payload);
    let control = join(&[&[0, 0, 0, 7], &bridged]);
    vec![
        of("a label", ethernet(MPLS, &mpls(&[100], &inner()))),
        of("a label and IPv6", ethernet(MPLS, &mpls(&[100], &inner_6()))),
        of("an entropy label", ethernet(MPLS, &mpls(&[100, 7, 70_000], &inner()))),
        of("a pseudowire with control word", under_label(CONTROLLED, &control)),
        of(
            "a tagged frame in a pseudowire",
            under_label(CONTROLLED, &join(&[&[0; 4], &tagged(&[(0x8100, 7)], IPV4, &inner())])),
        ),
        of("a pseudowire without control word", under(&to(0))),
        of("one to an address that begins with 4", under(&to(0x44))),
        of("one to an address that begins with 6", under(&to(0x64))),
        of("one to an address that begins with 1", under(&to(0x14))),
        of("one to an address that begins with 9", under(&to(0x94))),
    ]
}

/// Tunnels above IP.
pub(crate) fn tunnels() -> Vec<Carrier> {
    let (four, six) = (inner(), inner_6());
    let bridged = ethernet(IPV4, &four);
    let geneve = |options: u8, kind: u16, payload: &[u8]| {
        join(&[&[options, 0], &kind.to_be_bytes(), &[0, 0, 7, 0], &vec![0; usize::from(options) * 4], payload])
    };
    let gtp = |flags: u8, extensions: &[u8], packet: &[u8]| {
        let length = u16::try_from(extensions.len() + packet.len()).expect("short");
        join(&[&[flags, 0xff], &length.to_be_bytes(), &[0, 0, 0, 7], extensions, packet])
    };
    let over = |port: u16, payload: &[u8]| outer(UDP, &udp(port, payload));
    let ospf_free_six = |next: u8, payload: &[u8]| ethernet(IPV6, &ipv6([1, 2], next, payload));
    let segments = |next: u8| join(&[&[next, 2, 4, 0, 0, 0, 0, 0, 0xfd], &[0; 14], &[9]]);
    let pptp = |flags: u16, optional: &[u8]| {
        join(&[&flags.to_be_bytes(), &[0x88, 0x0b, 0, 44, 0, 5], optional, &[0xff, 3, 0, 0x21], &four])
    };
    let own = |name, frame| Carrier { is_for_tshark: false, ..of(name, frame) };
    vec![
        of("IPv4 in IPv4", outer(4, &four)),
        of("6in4", outer(41, &six)),
        of("IPv4 in IPv6", ospf_free_six(4, &four)),
        of("segment routing with IPv4", ospf_free_six(43, &join(&[&segments(4), &four]))),
        of("segment routing with IPv6", ospf_free_six(43, &join(&[&segments(41), &six]))),
        of("segment routing with Ethernet", ospf_free_six(43, &join(&[&segments(143), &bridged]))),
        of("IPv4 behind an authentication header", outer(51, &join(&[&[4, 4], &[0; 22], &four]))),
        of("Ethernet over IP", outer(97, &join(&[&[0x30, 0], &bridged]))),
        of("MPLS in IPv4", outer(137, &mpls(&[100], &four))),
        of("PIM register", outer(103, &join(&[&[0x21, 0, 0, 0, 0, 0, 0, 0], &four]))),
        of("GRE", outer(GRE, &gre(0, 0, IPV4, &four))),
        of("GRE with checksum, key and sequence", outer(GRE, &gre(0xb000, 12, IPV6, &six))),
        of("NVGRE", outer(GRE, &gre(0x2000, 4, BRIDGED, &bridged))),
        of("GRE of MPLS", outer(GRE, &gre(0, 0, MPLS, &mpls(&[100], &four)))),
        of("ERSPAN I", outer(GRE, &gre(0, 0, 0x88be, &bridged))),
        of("ERSPAN II", outer(GRE, &gre(0x1000, 4, 0x88be, &join(&[&[0x10, 7, 0, 1, 0, 0, 0, 0], &bridged])))),
        of("ERSPAN III", outer(GRE, &gre(0x1000, 4, 0x22eb, &join(&[&[0x20, 7, 0, 1], &[0; 8], &bridged])))),
        of(
            "ERSPAN III with more",
            outer(GRE, &gre(0x1000, 4, 0x22eb, &join(&[&[0x20, 7, 0, 1], &[0; 7], &[1], &[0; 8], &bridged]))),
        ),
        of("PPTP", outer(GRE, &pptp(0x3001, &[0, 0, 0, 1]))),
        of("PPTP with an acknowledgement", outer(GRE, &pptp(0x3081, &[0, 0, 0, 1, 0, 0, 0, 1]))),
        of("WCCP", outer(GRE, &gre(0, 0, 0x883e, &join(&[&[0, 0, 0, 0], &four])))),
        own("MikroTik's Ethernet over IP", outer(GRE, &join(&[&[0x20, 1, 0x64, 0, 54, 0, 7, 0], &bridged]))),
        of("VXLAN", over(4789, &crate::frames::vxlan(&bridged))),
        own("VXLAN on the port of Linux", over(8472, &crate::frames::vxlan(&bridged))),
        of("VXLAN-GPE", over(4790, &join(&[&[0x0c, 0, 0, 1, 0, 0, 7, 0], &four]))),
        of("VXLAN-GPE of Ethernet", over(4790, &join(&[&[0x0c, 0, 0, 3, 0, 0, 7, 0], &bridged]))),
        of("Geneve", over(6081, &geneve(0, BRIDGED, &bridged))),
        of("Geneve with options", over(6081, &geneve(3, BRIDGED, &tagged(&[(0x8100, 7)], IPV4, &four)))),
        of("Geneve of IPv6", over(6081, &geneve(0, IPV6, &six))),
        of("GTP", over(2152, &gtp(0x30, &[], &four))),
        of("GTP with a sequence number", over(2152, &gtp(0x32, &[0, 1, 0, 0], &four))),
        of("GTP with extension headers", over(2152, &gtp(0x34, &[0, 0, 0, 0x85, 1, 0x10, 1, 0xc0, 1, 0, 7, 0], &six))),
        of("L2TP version 2", over(1701, &join(&[&[0, 2, 0, 1, 0, 2, 0xff, 3, 0, 0x21], &four]))),
        of(
            "L2TP with length, sequence and offset",
            over(1701, &join(&[&[0x4a, 2, 0, 60, 0, 1, 0, 2, 0, 1, 0, 1, 0, 2, 0, 0, 0xff, 3, 0, 0x21], &four])),
        ),
        of(
            "L2TP from the port",
            outer(UDP, &udp_between([1701, 50_000], &join(&[&[0, 2, 0, 1, 0, 2, 0xff, 3, 0, 0x21], &four]))),
        ),
        own("L2TP version 3", outer(115, &join(&[&[0, 0, 0, 7], &bridged]))),
        own(
            "L2TP version 3 with cookie and sublayer",
            outer(115, &join(&[&[0, 0, 0, 7], &[0xee; 8], &[0; 4], &bridged])),
        ),
        own("L2TP version 3 over UDP", over(1701, &join(&[&[0, 3, 0, 0, 0, 0, 0, 7], &[0xee; 4], &bridged]))),
        of("Teredo", over(3544, &six)),
        of(
            "Teredo with authentication and origin",
            over(3544, &join(&[&[0, 1, 0, 0], &[1; 8], &[0], &[0, 0, 0x12, 0x34, 1, 2, 3, 4], &six])),
        ),
        of("LISP", over(4341, &join(&[&[0; 8], &four]))),
        of("MPLS in UDP", over(6635, &mpls(&[100], &four))),
        of("CAPWAP", over(5247, &join(&[&[0, 0x10, 0x02, 0, 0, 0, 0, 0], &bridged]))),
        of(
            "a tunnel in a tunnel",
            outer(GRE, &gre(0, 0, IPV4, &checked([5, 6], UDP, &udp(6081, &geneve(0, BRIDGED, &bridged))))),
        ),
        of(
            "GTP in a tagged VXLAN",
            tagged(
                &[(0x8100, 5)],
                IPV4,
                &checked(
                    [1, 2],
                    UDP,
                    &udp(
                        4789,
                        &crate::frames::vxlan(&tagged(
                            &[(0x8100, 6)],
                            IPV4,
                            &checked([5, 6], UDP, &udp(2152, &gtp(0x30, &[], &four))),
                        )),
                    ),
                ),
            ),
        ),
    ]
}
