//! The datagrams of a capture: those to some ports, with who sent them and when.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use perf::pcap::link;
use perf::pcap::read::{Error, packets};

/// One datagram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Datagram<'a> {
    /// After the first one. Never before the one in front of it, whatever the capture's clock did.
    pub(super) after: Duration,
    /// Which of the sources.
    pub(super) source: usize,
    /// The UDP payload.
    pub(super) payload: &'a [u8],
}

/// What is to be sent of a capture.
#[derive(Debug)]
pub(super) struct Recording<'a> {
    /// In the order of the file.
    pub(super) datagrams: Vec<Datagram<'a>>,
    /// In the order in which they appear.
    pub(super) sources: Vec<IpAddr>,
    /// Packets that are not sent, by the reason.
    pub(super) left_out: BTreeMap<&'static str, u64>,
}

impl<'a> Recording<'a> {
    /// Reads a file; 0 among the ports stands for all.
    pub(super) fn read(file: &'a [u8], ports: &[u16]) -> Result<Self, Error> {
        let mut recording = Self { datagrams: Vec::new(), sources: Vec::new(), left_out: BTreeMap::new() };
        let mut numbers = HashMap::new();
        let (mut first, mut last) = (None, Duration::ZERO);
        for packet in packets(file)? {
            let found = match link::datagram(packet.link, packet.bytes) {
                Ok(found) if ports.contains(&0) || ports.contains(&found.destination.port()) => found,
                Ok(_) => {
                    recording.leave_out("other_port");
                    continue;
                }
                Err(skip) => {
                    recording.leave_out(skip.label());
                    continue;
                }
            };
            let after = packet.at.saturating_sub(*first.get_or_insert(packet.at)).max(last);
            last = after;
            let sources = &mut recording.sources;
            let source = *numbers.entry(found.source.ip()).or_insert_with(|| {
                sources.push(found.source.ip());
                sources.len() - 1
            });
            recording.datagrams.push(Datagram { after, source, payload: found.payload });
        }
        Ok(recording)
    }

    fn leave_out(&mut self, reason: &'static str) {
        *self.left_out.entry(reason).or_default() += 1;
    }
}
