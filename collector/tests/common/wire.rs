//! Frames made byte by byte and put on an interface, for what no plain socket sends: VLAN tags where the kernel has no
//! VLAN devices. Needs root.

use crate::netns::{COLLECTOR_MAC, COLLECTOR_V4, COLLECTOR_V6};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

/// An interface, by a packet socket (packet(7)) that only sends.
pub(crate) struct Wire {
    socket: OwnedFd,
    interface: LinkAddr,
}

impl Wire {
    /// Call inside the namespace of the interface.
    pub(crate) fn new(interface: &str) -> Self {
        let addresses = getifaddrs().expect("the namespace has interfaces");
        let mut addresses = addresses.filter(|address| address.interface_name == interface);
        let interface = addresses.find_map(|address| address.address?.as_link_addr().copied());
        // Protocol 0: nothing is received, and the type of each frame is read from the frame.
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None);
        Self { socket: socket.expect("root may send frames"), interface: interface.expect("the interface exists") }
    }

    pub(crate) fn send(&self, frame: &[u8]) {
        let sent = sendto(self.socket.as_raw_fd(), frame, &self.interface, MsgFlags::empty());
        assert_eq!(sent, Ok(frame.len()));
    }
}

/// An Ethernet frame with these VLAN tags, outermost first, each as its four bytes on the wire, and a UDP datagram in it.
///
/// UDP checksums are left out: only a program on the interface sees the frame.
pub(crate) fn frame(tags: &[[u8; 4]], exporter: IpAddr, port: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame: Vec<u8> = COLLECTOR_MAC.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("hex")).collect();
    frame.extend([0x02, 0, 0, 0, 0, 1]);
    frame.extend(tags.as_flattened());
    let datagram_bytes = u16::try_from(8 + payload.len()).expect("payloads of tests are short");
    match exporter {
        IpAddr::V4(exporter) => {
            frame.extend([0x08, 0x00]);
            frame.extend(ipv4_header(exporter, datagram_bytes));
        }
        IpAddr::V6(exporter) => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(datagram_bytes.to_be_bytes());
            frame.extend([UDP, 64]);
            frame.extend(exporter.octets());
            frame.extend(COLLECTOR_V6.parse::<Ipv6Addr>().expect("an address").octets());
        }
    }
    for field in [40_000, port, datagram_bytes, 0] {
        frame.extend(field.to_be_bytes());
    }
    frame.extend(payload);
    frame
}

const UDP: u8 = 17;

/// RFC 791, 3.1, with its checksum.
fn ipv4_header(exporter: Ipv4Addr, datagram_bytes: u16) -> [u8; 20] {
    let mut header = [0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, UDP, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header[2..4].copy_from_slice(&(20 + datagram_bytes).to_be_bytes());
    header[12..16].copy_from_slice(&exporter.octets());
    header[16..].copy_from_slice(&COLLECTOR_V4.parse::<Ipv4Addr>().expect("an address").octets());
    let sum: u32 = header.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    // Ones' complement: what a 16-bit sum carries out is added again, and so is the carry of that.
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    header[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    header
}
