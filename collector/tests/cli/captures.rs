//! Capture files made of payloads: formats, link types, tags and fragments, written by the book and not by the reader's code.

/// Seconds since 1970 of every packet made here.
pub(crate) const TIME_SECONDS: u32 = 1_700_000_000;
/// And nanoseconds.
pub(crate) const TIME_NANOSECONDS: u32 = 123_456_000;
const EXPORTER: [u8; 4] = [192, 0, 2, 7];
const COLLECTOR: [u8; 4] = [192, 0, 2, 9];

/// A NetFlow v5 datagram of `records` flow records, each with its number in the source port and the octets.
pub(crate) fn netflow_v5(records: u16) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend(5_u16.to_be_bytes());
    datagram.extend(records.to_be_bytes());
    datagram.extend(600_000_u32.to_be_bytes());
    datagram.extend(TIME_SECONDS.to_be_bytes());
    datagram.extend([0; 4]);
    datagram.extend(77_u32.to_be_bytes());
    datagram.extend([1, 2, 0, 0]);
    for number in 1..=records {
        datagram.extend([10, 0, 0, 1, 10, 0, 0, 2, 10, 0, 0, 3, 0, 4, 0, 5]);
        datagram.extend(3_u32.to_be_bytes());
        datagram.extend((u32::from(number) * 1000).to_be_bytes());
        datagram.extend(500_000_u32.to_be_bytes());
        datagram.extend(590_000_u32.to_be_bytes());
        datagram.extend(number.to_be_bytes());
        datagram.extend(443_u16.to_be_bytes());
        datagram.extend([0, 0x1b, 6, 0, 0, 64, 0, 65, 24, 25, 0, 0]);
    }
    datagram
}

/// A UDP datagram to `port` as an IP payload.
pub(crate) fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("it fits");
    let header = [4444_u16.to_be_bytes(), port.to_be_bytes(), length.to_be_bytes(), [0; 2]];
    [header.as_flattened(), payload].concat()
}

/// An IPv4 packet; `flags` is the word with flags and fragment offset.
pub(crate) fn ipv4(flags: u16, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + payload.len()).expect("it fits");
    let mut packet = vec![0x45, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0x12, 0x34]);
    packet.extend(flags.to_be_bytes());
    packet.extend([64, 17, 0, 0]);
    packet.extend([EXPORTER, COLLECTOR].as_flattened());
    packet.extend(payload);
    packet
}

/// The fragments of an IPv4 packet with this payload.
pub(crate) fn ipv4_fragments(payload: &[u8], fragment_bytes: usize) -> Vec<Vec<u8>> {
    let more = |index: usize| if (index + 1) * fragment_bytes < payload.len() { 0x2000 } else { 0 };
    let offset = |index: usize| u16::try_from(index * fragment_bytes / 8).expect("it fits");
    payload.chunks(fragment_bytes).enumerate().map(|(index, part)| ipv4(more(index) | offset(index), part)).collect()
}

/// An IPv6 packet; `next` is the number of the header that `payload` starts with.
pub(crate) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(payload.len()).expect("it fits").to_be_bytes());
    packet.extend([next, 64]);
    // The exporter is the mapped form of the IPv4 one, so that its rows look the same.
    packet.extend([[0; 10].as_slice(), &[0xff, 0xff], &EXPORTER].concat());
    packet.extend([[0x20, 1, 0xd, 0xb8].as_slice(), &[0; 11], &[1]].concat());
    packet.extend(payload);
    packet
}

/// The fragments of an IPv6 packet with this payload.
pub(crate) fn ipv6_fragments(payload: &[u8], fragment_bytes: usize) -> Vec<Vec<u8>> {
    let fragment = |(index, part): (usize, &[u8])| {
        let offset = u16::try_from(index * fragment_bytes).expect("it fits");
        let more = u16::from((index + 1) * fragment_bytes < payload.len());
        let [high, low] = (offset | more).to_be_bytes();
        ipv6(44, &[&[17, 0, high, low, 0, 0, 0, 42], part].concat())
    };
    payload.chunks(fragment_bytes).enumerate().map(fragment).collect()
}

/// An Ethernet frame; `tags` are VLAN tag types, the outer one first.
pub(crate) fn ethernet(tags: &[u16], packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    for (vlan, tag) in (100_u16..).zip(tags) {
        frame.extend(tag.to_be_bytes());
        frame.extend(vlan.to_be_bytes());
    }
    frame.extend(ethertype(packet));
    frame.extend(packet);
    // Short frames are padded on the wire.
    frame.resize(frame.len().max(60), 0xee);
    frame
}

/// The ethertype of an IP packet.
pub(crate) fn ethertype(packet: &[u8]) -> [u8; 2] {
    if packet[0] >> 4 == 4 { [0x08, 0x00] } else { [0x86, 0xdd] }
}

/// A pcap file of the given magic (which sets byte order and time unit) and link type.
pub(crate) fn pcap(magic: [u8; 4], link: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let big = magic[0] == 0xa1;
    let nanoseconds = magic.contains(&0x3c);
    let fraction = if nanoseconds { TIME_NANOSECONDS } else { TIME_NANOSECONDS / 1000 };
    let word = |number: u32| if big { number.to_be_bytes() } else { number.to_le_bytes() };
    let half = |number: u16| if big { number.to_be_bytes() } else { number.to_le_bytes() };
    let mut file = magic.to_vec();
    file.extend([half(2), half(4)].as_flattened());
    file.extend([word(0), word(0), word(262_144), word(link)].as_flattened());
    for packet in packets {
        let length = word(u32::try_from(packet.len()).expect("it fits"));
        file.extend([word(TIME_SECONDS), word(fraction), length, length].as_flattened());
        file.extend(packet);
    }
    file
}

pub(crate) const MICROSECONDS_LITTLE: [u8; 4] = [0xd4, 0xc3, 0xb2, 0xa1];
pub(crate) const MICROSECONDS_BIG: [u8; 4] = [0xa1, 0xb2, 0xc3, 0xd4];
pub(crate) const NANOSECONDS_LITTLE: [u8; 4] = [0x4d, 0x3c, 0xb2, 0xa1];
pub(crate) const NANOSECONDS_BIG: [u8; 4] = [0xa1, 0xb2, 0x3c, 0x4d];

/// Which block of pcapng carries the packets.
#[derive(Clone, Copy)]
pub(crate) enum PacketBlock {
    Enhanced,
    Simple,
    Obsolete,
}

/// Byte order of a pcapng section.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Order {
    Little,
    Big,
}

/// One section of a pcapng file; the packets are of its second interface, which counts nanoseconds (simple packet blocks
/// have no time and are of the first interface).
pub(crate) fn pcapng_section(order: Order, kind: PacketBlock, link: u16, packets: &[Vec<u8>]) -> Vec<u8> {
    let word = |number: u32| if order == Order::Big { number.to_be_bytes() } else { number.to_le_bytes() };
    let half = |number: u16| if order == Order::Big { number.to_be_bytes() } else { number.to_le_bytes() };
    let block = |kind: u32, body: &[u8]| {
        let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
        let length = word(u32::try_from(12 + body.len() + padding.len()).expect("it fits"));
        [&word(kind), length.as_slice(), body, &padding, &length].concat()
    };
    let interface = |options: &[u8]| block(1, &[&half(link), half(0).as_slice(), &word(0), options].concat());
    let resolution = [&half(9), &half(1), [9, 0, 0, 0].as_slice(), &half(0), &half(0)].concat();

    let header = [&word(0x1a2b_3c4d), half(1).as_slice(), &half(0), &[0xff; 8]].concat();
    let mut section = block(0x0a0d_0d0a, &header);
    section.extend(interface(&[]));
    section.extend(interface(&resolution));
    // A name resolution block is nothing that a reader of packets needs.
    section.extend(block(4, &[0; 8]));
    let time = u64::from(TIME_SECONDS) * 1_000_000_000 + u64::from(TIME_NANOSECONDS);
    let (high, low) = (word((time >> 32) as u32), word(time as u32));
    for packet in packets {
        let length = word(u32::try_from(packet.len()).expect("it fits"));
        section.extend(match kind {
            PacketBlock::Enhanced => block(6, &[&word(1), &high, &low, &length, &length, packet.as_slice()].concat()),
            PacketBlock::Obsolete => {
                block(2, &[&half(1), half(0).as_slice(), &high, &low, &length, &length, packet].concat())
            }
            PacketBlock::Simple => block(3, &[length.as_slice(), packet].concat()),
        });
    }
    section
}
