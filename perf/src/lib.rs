//! A fake exporter with encoders of its own: NetFlow v1, v5, v7 and v9, IPFIX and sFlow v5, written from their documents and
//! apart from the collector's decoder, so that each can be tested against the other.
//!
//! Nothing here knows the collector. Encoders write what they are told, also what is forbidden.

#![forbid(unsafe_code)]

/// What exporters announce in options.
pub mod announce;
/// The internet checksum.
pub mod checksum;
/// NetFlow v1, v5 and v7.
pub mod classic;
/// What a message's header says about time.
pub mod clock;
/// Templates of named devices.
pub mod device;
/// Which information element tells what of a flow.
pub mod element;
/// Ethernet, IP and UDP around a datagram.
pub mod envelope;
/// An exporter, datagram by datagram.
pub mod exporter;
/// Loss, duplicates, reordering and a restart, with the account of them.
pub mod faults;
/// A flow as everybody must see it.
pub mod flow;
/// Packets as they are sampled.
pub mod frame;
/// Captures of packets.
pub mod pcap;
/// Frames that are sent again and again.
pub mod preload;
/// Numbers from a seed.
pub mod random;
/// Flows as records of a template.
pub mod record;
/// sFlow.
pub mod sflow;
/// Templates, sets and messages of NetFlow v9 and IPFIX.
pub mod template;
/// Flows as a network has them.
pub mod traffic;
/// Big-endian numbers and XDR.
pub mod wire;

pub use device::Device;
pub use exporter::{Exported, Exporter, Settings};
pub use faults::{Account, Fate, Faults, Path};
pub use flow::{Direction, Flow};
pub use template::{Field, Protocol, Template, Value};
