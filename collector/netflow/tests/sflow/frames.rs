//! Writes the packets that are sampled.

pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const IPV6: u16 = 0x86dd;
pub(crate) const MPLS: u16 = 0x8847;
pub(crate) const BRIDGED: u16 = 0x6558;

pub(crate) fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    tagged(&[], ether_type, payload)
}

/// An Ethernet frame with tags, each a type and a control field.
pub(crate) fn tagged(tags: &[(u16, u16)], ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let tags: Vec<u8> =
        tags.iter().flat_map(|(kind, control)| [kind.to_be_bytes(), control.to_be_bytes()].concat()).collect();
    let macs = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    [&macs[..], &tags, &ether_type.to_be_bytes(), payload].concat()
}

/// From 10.0.0.`hosts[0]` to 10.0.0.`hosts[1]`.
pub(crate) fn ipv4(hosts: [u8; 2], protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with(&[], 0, hosts, protocol, payload)
}

/// As [`ipv4`], with the checksum of its header.
pub(crate) fn checked(hosts: [u8; 2], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = ipv4(hosts, protocol, payload);
    let sum: u32 = packet[..20].chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
    let folded = !u16::try_from((sum & 0xffff) + (sum >> 16)).expect("few words");
    packet[10..12].copy_from_slice(&folded.to_be_bytes());
    packet
}

/// As [`ipv4`], with options and a fragment field.
pub(crate) fn ipv4_with(options: &[u8], fragment: u16, hosts: [u8; 2], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let words = u8::try_from(5 + options.len() / 4).expect("few");
    let length = u16::try_from(20 + options.len() + payload.len()).expect("short");
    let [source, destination] = hosts;
    let addresses = [10, 0, 0, source, 10, 0, 0, destination];
    let head =
        [&[0x40 | words, 0xb8][..], &length.to_be_bytes(), &[0, 1], &fragment.to_be_bytes(), &[63, protocol, 0, 0]];
    [&head.concat(), &addresses[..], options, payload].concat()
}

/// From fd00::`hosts[0]` to fd00::`hosts[1]`.
pub(crate) fn ipv6(hosts: [u8; 2], next_header: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("short").to_be_bytes();
    let host = |last: u8| [&[0xfd][..], &[0; 14], &[last]].concat();
    let head = [&[0x6b, 0x80, 0, 0][..], &length, &[next_header, 63]].concat();
    [head, host(hosts[0]), host(hosts[1]), payload.to_vec()].concat()
}

/// From port 40000, SYN and ACK, with ECE's neighbour AE set.
pub(crate) fn tcp(port: u16) -> Vec<u8> {
    [&40_000_u16.to_be_bytes()[..], &port.to_be_bytes(), &[0; 8], &[0x51, 0x12], &[0; 6]].concat()
}

/// From port 40000.
pub(crate) fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("short");
    [&40_000_u16.to_be_bytes()[..], &port.to_be_bytes(), &length.to_be_bytes(), &[0; 2], payload].concat()
}

/// Between these ports.
pub(crate) fn udp_between(ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let mut datagram = udp(ports[1], payload);
    datagram[..2].copy_from_slice(&ports[0].to_be_bytes());
    datagram
}

pub(crate) fn vxlan(payload: &[u8]) -> Vec<u8> {
    [&[8, 0, 0, 0, 0, 0, 42, 0][..], payload].concat()
}

/// GRE with these flags and as many optional bytes.
pub(crate) fn gre(flags: u16, optional: usize, kind: u16, payload: &[u8]) -> Vec<u8> {
    [&flags.to_be_bytes()[..], &kind.to_be_bytes(), &vec![0xee; optional], payload].concat()
}

/// A label stack, top first.
pub(crate) fn mpls(labels: &[u32], payload: &[u8]) -> Vec<u8> {
    let entry = |(index, label): (usize, &u32)| {
        let bottom = u32::from(index + 1 == labels.len()) << 8;
        (label << 12 | bottom | 64).to_be_bytes()
    };
    [labels.iter().enumerate().flat_map(entry).collect(), payload.to_vec()].concat()
}
