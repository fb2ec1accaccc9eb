//! Captures of packets: pcap and pcapng are read, pcap is written.

/// Files that are written.
pub mod write;
