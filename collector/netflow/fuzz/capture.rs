//! What the fuzz target `pcap`, and the test that replays its seeds, do with bytes.

use crate::pcap::{Datagrams, Ports, Reader};

/// Reads a capture file twice, packet by packet and as datagrams, and compares what came of it.
pub(crate) fn read(file: &[u8]) {
    let Ok(mut packets) = Reader::new(file) else {
        assert!(Datagrams::new(file, Ports::All).is_err(), "both readers refuse the same files");
        return;
    };
    let mut bytes = 0;
    let end = loop {
        match packets.next_packet() {
            Ok(Some(packet)) => {
                assert_eq!(packet.number, packets.packets(), "packets are numbered from 1");
                bytes += packets.data().len();
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.to_string()),
        }
    };
    assert!(bytes <= file.len(), "no more bytes in packets than in the file");

    let mut datagrams = Datagrams::new(file, Ports::All).expect("the other reader took it");
    let datagrams_end = loop {
        match datagrams.next_datagram() {
            Ok(Some(datagram)) => {
                assert_eq!(datagram.packet, datagrams.packets(), "the packet that completed it");
                assert!(datagrams.payload().len() <= 65_527, "a payload fits a datagram");
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.to_string()),
        }
    };
    assert_eq!(datagrams_end, end, "both end at the same place for the same reason");
    assert_eq!(datagrams.packets(), packets.packets());
    assert_eq!(datagrams.truncated(), packets.truncated());
    // A packet gave a datagram, or was passed over, or was a fragment, of which several make one.
    let passed_over: u64 = datagrams.skipped().map(|(_, count)| count).sum();
    assert!(datagrams.found() + passed_over <= datagrams.packets());
    assert_eq!(datagrams.found(), datagrams.seen_ports().values().sum::<u64>(), "all ports are wanted");
}
