//! Frames by hand, so that the walk is not tested with code that it shares.

/// Payload of every datagram here.
pub(crate) const PAYLOAD: &[u8] = b"\x00\x09 a datagram";
/// Source port of every datagram here.
pub(crate) const SOURCE_PORT: u16 = 50_000;
/// IPv4 exporter of every datagram here.
pub(crate) const EXPORTER_V4: [u8; 4] = [192, 0, 2, 1];
/// IPv6 exporter of every datagram here.
pub(crate) const EXPORTER_V6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];

/// Where every frame here goes.
pub(crate) const COLLECTOR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// Where every IPv4 datagram here goes.
pub(crate) const COLLECTOR_V4: [u8; 4] = [198, 51, 100, 1];
/// Where every IPv6 datagram here goes.
pub(crate) const COLLECTOR_V6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
/// What every UDP header here has for a checksum, which the program does not look at.
pub(crate) const CHECKSUM: u16 = 0xbad1;

pub(crate) const VLAN: u16 = 0x8100;
pub(crate) const QINQ: u16 = 0x88a8;
pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const IPV6: u16 = 0x86dd;
pub(crate) const ARP: u16 = 0x0806;

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

/// An Ethernet frame with VLAN tags of these types, outermost first.
pub(crate) fn ethernet(tags: &[u16], ether_type: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = COLLECTOR_MAC.to_vec();
    frame.extend([2, 0, 0, 0, 0, 2]);
    for (number, tag) in (1_u16..).zip(tags) {
        frame.extend(tag.to_be_bytes());
        frame.extend((0x2000 | number).to_be_bytes());
    }
    frame.extend(ether_type.to_be_bytes());
    frame.extend(packet);
    frame
}

/// An IPv4 packet. `options` is padded by its writer; `fragment` is the word with flags and offset.
pub(crate) fn ipv4(options: &[u8], fragment: u16, protocol: u8, body: &[u8]) -> Vec<u8> {
    let header_length = 20 + options.len();
    let mut packet = vec![0x40 | (header_length / 4) as u8, 0];
    packet.extend(((header_length + body.len()) as u16).to_be_bytes());
    packet.extend([0x12, 0x34]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(EXPORTER_V4);
    packet.extend(COLLECTOR_V4);
    packet.extend(options);
    packet.extend(body);
    packet
}

/// An IPv6 packet.
pub(crate) fn ipv6(next_header: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((body.len() as u16).to_be_bytes());
    packet.extend([next_header, 64]);
    packet.extend(EXPORTER_V6);
    packet.extend(COLLECTOR_V6);
    packet.extend(body);
    packet
}

/// A UDP datagram with [`PAYLOAD`].
pub(crate) fn udp(destination_port: u16) -> Vec<u8> {
    udp_of_length(destination_port, (8 + PAYLOAD.len()) as u16)
}

/// A UDP datagram with [`PAYLOAD`] whose header says `length`.
pub(crate) fn udp_of_length(destination_port: u16, length: u16) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend(SOURCE_PORT.to_be_bytes());
    datagram.extend(destination_port.to_be_bytes());
    datagram.extend(length.to_be_bytes());
    datagram.extend(CHECKSUM.to_be_bytes());
    datagram.extend(PAYLOAD);
    datagram
}

/// The plainest frame: a datagram over IPv4 without options or tags.
pub(crate) fn plain(destination_port: u16) -> Vec<u8> {
    ethernet(&[], IPV4, &ipv4(&[], 0, UDP, &udp(destination_port)))
}

/// `bytes` with the byte at `offset` replaced.
pub(crate) fn with(mut bytes: Vec<u8>, offset: usize, value: u8) -> Vec<u8> {
    bytes[offset] = value;
    bytes
}

/// An IPv4 address as the program and the walk name it.
pub(crate) fn mapped(address: [u8; 4]) -> [u8; 16] {
    std::net::Ipv4Addr::from(address).to_ipv6_mapped().octets()
}
