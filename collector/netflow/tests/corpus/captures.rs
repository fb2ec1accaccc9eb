//! What the tests against captures share: where the captures are, and a reader for their one kind of file.

use std::fs;
use std::path::{Path, PathBuf};

use netflow::Datagram;
use netflow::columns::Address;

/// Receive time that tests give to datagrams: 2026-01-01, later than any capture.
pub(crate) const RECEIVED_MS: i64 = 1_767_225_600_000;

/// The folder of captures; `None`, said loudly, where it is absent.
pub(crate) fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no captures at {}", folder.display());
    None
}

/// Names of the captures without ending, sorted.
pub(crate) fn captures(corpus: &Path) -> Vec<String> {
    let folder = fs::read_dir(corpus.join("pcap")).expect("the folder of captures can be read");
    let mut names: Vec<String> =
        folder.filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

/// One UDP payload of a capture.
pub(crate) struct Packet {
    /// From 1, as in the capture.
    pub(crate) number: usize,
    pub(crate) exporter: Address,
    pub(crate) payload: Vec<u8>,
}

impl Packet {
    pub(crate) fn datagram(&self) -> Datagram<'_> {
        Datagram { payload: &self.payload, exporter: self.exporter, received_ms: RECEIVED_MS }
    }

    /// The datagram received so many milliseconds after [`RECEIVED_MS`] as its packet's number says.
    pub(crate) fn numbered(&self) -> Datagram<'_> {
        let number = i64::try_from(self.number).expect("few packets");
        Datagram { received_ms: RECEIVED_MS + number, ..self.datagram() }
    }
}

/// Reads a little-endian pcap of Ethernet, IPv4, UDP without fragments.
pub(crate) fn packets(corpus: &Path, name: &str) -> Vec<Packet> {
    let file = fs::read(corpus.join("pcap").join(name).with_extension("pcap")).expect("the capture can be read");
    assert_eq!(file[..4], 0xa1b2_c3d4_u32.to_le_bytes(), "{name} is a little-endian pcap");
    let mut packets = Vec::new();
    let mut rest = &file[24..];
    while let Some((header, tail)) = rest.split_at_checked(16) {
        let length = u32::from_le_bytes(header[8..12].try_into().expect("four bytes"));
        let (frame, tail) = tail.split_at(usize::try_from(length).expect("a length"));
        rest = tail;
        let ip = &frame[14..];
        let udp = &ip[usize::from(ip[0] & 15) * 4..];
        let udp = &udp[..usize::from(u16::from_be_bytes([udp[4], udp[5]]))];
        let exporter = std::net::Ipv4Addr::new(ip[12], ip[13], ip[14], ip[15]).to_ipv6_mapped().octets();
        packets.push(Packet { number: packets.len() + 1, exporter, payload: udp[8..].to_vec() });
    }
    packets
}
