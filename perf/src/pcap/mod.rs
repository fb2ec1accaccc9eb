//! Captures of packets: pcap and pcapng are read, pcap is written, and UDP datagrams are found in what was captured.
//!
//! No reassembly: fragments are told of and left out.

/// From a captured packet to the datagram in it.
pub mod link;
/// pcapng.
mod ng;
/// Files that are read, of either format.
pub mod read;
/// Files that are written.
pub mod write;

#[cfg(test)]
mod tests;
