//! The traffic that is metered: packets of known flows, in a capture file that exporters read as if it came by an interface.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use perf::Flow;
use perf::frame::{Wrap, frame};
use perf::random::Random;

/// Conversations; every second has packets in both directions.
const CONVERSATIONS: u16 = 150;
/// Most packets in one direction of a conversation.
const MOST_PACKETS: u64 = 12;

/// Frames in order of capture.
pub(crate) struct Packets(Vec<Vec<u8>>);

impl Packets {
    /// Packets of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut frames = Vec::new();
        for number in 0..CONVERSATIONS {
            let there = flow(number, &mut random);
            let back = Flow {
                source: there.destination,
                destination: there.source,
                source_port: there.destination_port,
                destination_port: there.source_port,
                ..there.clone()
            };
            for _ in 0..=random.below(MOST_PACKETS) {
                frames.push(frame(&Wrap::Plain, &there));
            }
            let answers = if number.is_multiple_of(2) { random.below(MOST_PACKETS) } else { 0 };
            for _ in 0..answers {
                frames.push(frame(&Wrap::Plain, &back));
            }
        }
        for index in (1..frames.len()).rev() {
            let other = random.below(index as u64 + 1) as usize;
            frames.swap(index, other);
        }
        Self(frames)
    }

    /// Writes them as a capture of the last seconds.
    pub(crate) fn write(&self, path: &Path) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
        let start = u32::try_from(now).expect("it is before 2106") - 60;
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 65_535, 1] {
            file.extend(word.to_le_bytes());
        }
        for (number, frame) in (0_u32..).zip(&self.0) {
            let length = u32::try_from(frame.len()).expect("a short frame");
            for word in [start + number / 100, number % 100 * 10_000, length, length] {
                file.extend(word.to_le_bytes());
            }
            file.extend(frame);
        }
        std::fs::write(path, file).expect("the folder can be written");
    }
}

/// A flow of its own key: TCP and UDP mostly, some of IPv6.
fn flow(number: u16, random: &mut Random) -> Flow {
    let is_six = number.is_multiple_of(3);
    let host = |network: u8, host: u64| {
        if is_six {
            Ipv6Addr::new(0x2001, 0xdb8, u16::from(network), 0, 0, 0, 0, host as u16 + 1).into()
        } else {
            Ipv4Addr::new(10, 0, network, host as u8 + 1).into()
        }
    };
    let protocol = random.pick(&[6, 6, 17]);
    Flow {
        source: Some(host(1, random.below(40))),
        destination: Some(host(2, random.below(8))),
        source_port: 20_000 + number,
        destination_port: random.pick(&[443, 80, 53]),
        protocol,
        tcp_flags: if protocol == 6 { 0x18 } else { 0 },
        source_mac: 0x0200_0000_0001,
        destination_mac: 0x0200_0000_0002,
        ..Flow::default()
    }
}
