//! Ways to put datagrams on the wire: ordinary sockets, raw Ethernet frames, and frames through an AF_XDP ring.
//!
//! A way is told whole frames and says which of them the kernel did not take. It does not pace, and does not send again.

/// The interface that frames leave by.
mod interface;
/// Raw Ethernet frames.
mod packet;
/// System calls for which there is no safe interface.
mod raw;
/// Ordinary sockets.
mod udp;
/// A ring of frames.
mod xdp;

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use perf::envelope::Envelope;

use interface::Interface;

/// Frames that are handed over together.
pub(crate) const BATCH: usize = 64;
/// Where the source ports of made-up exporters begin.
const FIRST_PORT: u16 = 32_768;

/// How frames leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Via {
    /// A UDP socket for each exporter: its address must be this machine's.
    Udp,
    /// Raw Ethernet frames through AF_PACKET, past the queueing discipline; any source address. Needs root.
    Packet,
    /// Raw Ethernet frames through an AF_XDP ring; any source address. Needs root.
    Xdp,
}

/// Where to, and how.
#[derive(Debug, clap::Args)]
#[group(id = "transmit")]
pub(crate) struct Arguments {
    /// Address and port of the collector.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) to: SocketAddr,
    /// How datagrams leave.
    #[arg(long, value_name = "WAY", default_value = "udp", value_enum)]
    pub(crate) via: Via,
    /// Interface that frames leave by (packet, xdp).
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// MAC address of the collector, or of the router before it (packet, xdp).
    #[arg(long, value_name = "MAC", value_parser = interface::parse_mac)]
    to_mac: Option<[u8; 6]>,
    /// Queue of the interface (xdp).
    #[arg(long, value_name = "N", default_value_t = 0)]
    queue: u32,
    /// UDP checksums over IPv4 too (packet, xdp); without them 0, which says that there is none. IPv6 always has them.
    #[arg(long)]
    udp_checksum: bool,
    /// Processor to run on, alone with what else runs there.
    #[arg(long, value_name = "N")]
    core: Option<usize>,
}

/// One frame, and whose it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// From the Ethernet header on.
    pub(crate) bytes: &'a [u8],
    /// Bytes in front of the UDP payload.
    pub(crate) payload_at: usize,
    /// Which of the sources that the way was opened with.
    pub(crate) source: usize,
}

/// A way that is open.
pub(crate) enum Transmitter {
    /// Sockets.
    Udp(udp::Sockets),
    /// Frames by system calls.
    Packet(packet::Link),
    /// Frames by a ring.
    Xdp(xdp::Queue),
    /// Nothing is sent.
    Nowhere,
}

impl<'a> Frame<'a> {
    /// The UDP payload.
    pub(crate) fn payload(&self) -> &'a [u8] {
        &self.bytes[self.payload_at..]
    }
}

impl Arguments {
    /// Runs on the processor that was asked for from now on.
    pub(crate) fn pin(&self) -> Result<()> {
        let Some(core) = self.core else { return Ok(()) };
        let mut set = CpuSet::new();
        set.set(core).with_context(|| format!("no machine has a processor {core}"))?;
        sched_setaffinity(Pid::from_raw(0), &set)
            .with_context(|| format!("cannot run on processor {core}: is there one?"))
    }

    /// Opens the way for so many sources and gives their envelopes. Without addresses there is one source, the machine itself.
    pub(crate) fn open(&self, addresses: Option<&[IpAddr]>) -> Result<(Transmitter, Vec<Envelope>)> {
        if let Some(address) = addresses.and_then(|all| all.iter().find(|one| one.is_ipv4() != self.to.is_ipv4())) {
            bail!("{address} cannot send to {}: one is IPv4, the other IPv6", self.to);
        }
        if self.via == Via::Udp {
            let sockets = udp::Sockets::open(addresses, self.to)?;
            let sources = sockets.sources()?;
            return Ok((Transmitter::Udp(sockets), sources.into_iter().map(|source| self.envelope(source)).collect()));
        }
        let name = self.interface.as_deref().context("raw frames leave by an interface: name it with --interface")?;
        let to_mac = self.to_mac.context("raw frames need the receiver's MAC address: give it with --to-mac")?;
        let interface = Interface::named(name)?;
        let addresses = match addresses {
            Some(addresses) => addresses.to_vec(),
            None => vec![interface.address(self.to.is_ipv4())?],
        };
        let envelopes = (0_u16..).cycle().zip(&addresses).map(|(number, address)| Envelope {
            source: (*address, FIRST_PORT + number % (u16::MAX - FIRST_PORT)).into(),
            destination: self.to,
            source_mac: interface.mac,
            destination_mac: to_mac,
            has_checksum: self.udp_checksum,
        });
        let envelopes = envelopes.collect();
        let transmitter = match self.via {
            Via::Udp => Transmitter::Nowhere,
            Via::Packet => Transmitter::Packet(packet::Link::open(&interface)?),
            Via::Xdp => Transmitter::Xdp(xdp::Queue::open(&interface, self.queue)?),
        };
        Ok((transmitter, envelopes))
    }

    /// The envelopes alone, for frames that are written and not sent.
    pub(crate) fn envelopes(&self, addresses: &[IpAddr]) -> Vec<Envelope> {
        let ports = (0_u16..).cycle().map(|number| FIRST_PORT + number % (u16::MAX - FIRST_PORT));
        addresses.iter().zip(ports).map(|(address, port)| self.envelope((*address, port).into())).collect()
    }

    fn envelope(&self, source: SocketAddr) -> Envelope {
        Envelope {
            source,
            destination: self.to,
            // Locally administered, as nothing with these addresses is on any wire.
            source_mac: [2, 0, 0, 0, 0, 1],
            destination_mac: self.to_mac.unwrap_or([2, 0, 0, 0, 0, 2]),
            has_checksum: self.udp_checksum,
        }
    }
}

impl Transmitter {
    /// Sends frames, at most [`BATCH`]; the indices of those that the kernel did not take are in `refused` afterwards, and they
    /// are not sent again.
    pub(crate) fn send(&mut self, frames: &[Frame<'_>], refused: &mut Vec<usize>) -> Result<()> {
        refused.clear();
        match self {
            Self::Udp(sockets) => sockets.send(frames, refused),
            Self::Packet(link) => link.send(frames, refused),
            Self::Xdp(queue) => queue.send(frames, refused),
            Self::Nowhere => Ok(()),
        }
    }

    /// Waits until the kernel has sent all that it took.
    pub(crate) fn finish(&mut self) -> Result<()> {
        match self {
            Self::Xdp(queue) => queue.finish(),
            Self::Udp(_) | Self::Packet(_) | Self::Nowhere => Ok(()),
        }
    }
}
