//! Capture files that mean harm, and the header walk against the XDP program's.

use std::io::Cursor;
use std::path::Path;

use collector::pcap::{Datagrams, PcapError, Ports, Reader};
use proptest::prelude::*;

/// Reads to the end or to the first error; the packets and the bytes of payload found.
fn read_all(file: &[u8]) -> Result<(u64, usize), PcapError> {
    let mut capture = Datagrams::new(Cursor::new(file), Ports::All)?;
    let mut bytes = 0;
    while capture.next_datagram()?.is_some() {
        bytes += capture.payload().len();
    }
    // Whatever was in the file, each packet was found, passed over, or waits in a fragment.
    let passed_over: u64 = capture.skipped().map(|(_, count)| count).sum();
    assert!(capture.found() + passed_over <= capture.packets());
    Ok((capture.packets(), bytes))
}

/// Two IPv4 fragments and an IPv6 datagram, in a capture of each format.
fn honest() -> [Vec<u8>; 2] {
    let ethernet = |ethertype: [u8; 2], rest: &[u8]| [&[2; 12], ethertype.as_slice(), rest].concat();
    let v4 = |more: u8, offset: u8, payload: &[u8]| {
        let total = 20 + payload.len() as u8;
        let header = [0x45, 0, 0, total, 0, 9, more, offset, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
        ethernet([8, 0], &[&header, payload].concat())
    };
    let udp = [0x11, 0x5c, 0x08, 0x07, 0, 24, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
    let v6 = [&[0x60, 0, 0, 0, 0, 24, 17, 64], [0x20; 32].as_slice(), &udp].concat();
    let packets = [v4(0x20, 0, &udp[..8]), v4(0, 1, &udp[8..]), ethernet([0x86, 0xdd], &v6)];

    let mut pcap = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    let mut pcapng = vec![0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0];
    pcapng.extend(
        [[0xff; 8].as_slice(), &[28, 0, 0, 0], &[1, 0, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0]]
            .concat(),
    );
    for packet in packets {
        let length = (packet.len() as u32).to_le_bytes();
        pcap.extend([[0; 8].as_slice(), &length, &length, &packet].concat());
        let padded = packet.len().next_multiple_of(4);
        let block = (32 + padded as u32).to_le_bytes();
        pcapng.extend([[6, 0, 0, 0].as_slice(), &block, &[0; 12], &length, &length, &packet].concat());
        pcapng.resize(pcapng.len() + padded - packet.len(), 0);
        pcapng.extend(block);
    }
    [pcap, pcapng]
}

#[test]
fn honest_captures_are_read() {
    for file in honest() {
        assert_eq!(read_all(&file).expect("it is whole"), (3, 32));
    }
}

#[test]
fn every_cut_is_an_end() {
    for file in honest() {
        for end in 0..file.len() {
            match read_all(&file[..end]) {
                Ok((packets, _)) => assert!(packets < 3),
                Err(PcapError::NotACapture(_)) => assert!(end < 28),
                Err(error) => panic!("cut at {end}: {error}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_do_no_harm(
        which in 0_usize..2,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut file = honest()[which].clone();
        for (index, byte) in changes {
            let at = index.index(file.len());
            file[at] = byte;
        }
        // Errors are as good as packets here: what must not happen is a panic or memory without bound.
        let _ = read_all(&file);
    }

    #[test]
    fn noise_after_a_header_does_no_harm(which in 0_usize..2, noise in prop::collection::vec(any::<u8>(), 0..2000)) {
        let mut file = honest()[which][..[24, 48][which]].to_vec();
        file.extend(noise);
        let _ = read_all(&file);
    }
}

/// The XDP program and the reader of captures must find the same datagrams in the same frames.
#[test]
fn the_walk_agrees_with_the_xdp_programs() {
    let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus/pcap"));
    if !corpus.is_dir() {
        eprintln!("SKIPPED: no corpus at {}", corpus.display());
        return;
    }
    let mut compared = 0;
    for entry in std::fs::read_dir(corpus).expect("it is readable") {
        let file = std::fs::read(entry.expect("it is readable").path()).expect("it is readable");
        let mut frames = Reader::new(Cursor::new(&file)).expect("it is a capture");
        let mut datagrams = Datagrams::new(Cursor::new(&file), Ports::All).expect("it is a capture");
        while frames.next_packet().expect("it is whole").is_some() {
            let walked = collector_ebpf::walk(frames.data()).expect("the corpus has plain datagrams");
            let datagram = datagrams.next_datagram().expect("it is whole").expect("as many datagrams as frames");
            assert_eq!(walked.exporter, datagram.source.octets());
            assert_eq!(walked.source_port, datagram.source_port);
            assert_eq!(walked.destination_port, datagram.destination_port);
            let payload = &frames.data()[walked.payload_offset..][..walked.payload_length];
            assert_eq!(payload, datagrams.payload());
            compared += 1;
        }
        assert!(datagrams.next_datagram().expect("it is whole").is_none());
    }
    assert!(compared > 100);
}
