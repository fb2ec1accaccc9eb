//! Capture files: pcap and pcapng in, UDP datagrams out; and UDP datagrams into pcapng.
//!
//! Every byte of a capture file may be hostile: lengths are checked before anything is read or kept, what is kept is bounded,
//! and what is passed over is counted by reason. Not here: what the datagrams mean, and live capture.

/// Blocks of pcapng files.
mod blocks;
/// UDP datagrams of a capture, fragments joined.
pub mod datagrams;
/// What can be wrong with a capture file.
pub mod error;
/// IP fragments on their way to a whole datagram.
mod fragments;
/// Link-layer headers.
mod link;
/// IPv4, IPv6 and UDP headers.
mod network;
/// Packets of a capture file.
pub mod reader;
/// Writing capture files.
pub mod writer;

pub use datagrams::{Datagram, Datagrams, Ports, Skipped};
pub use error::PcapError;
pub use link::name as link_name;
pub use reader::{Packet, Reader};
pub use writer::Writer;
