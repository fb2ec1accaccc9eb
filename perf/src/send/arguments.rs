//! The command line of `perf send`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use perf::{Device, Exporter, Faults, Settings};

use crate::prefix::Prefix;
use crate::transmit::{self, Via};

/// Most bytes of payload that an Ethernet frame carries: 1500 without the headers of IP and UDP.
const PAYLOAD_BYTES: [u16; 2] = [1472, 1452];
/// Datagrams of each exporter where nothing is said.
const DATAGRAMS: u64 = 100;

/// What `perf send` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) transmit: transmit::Arguments,
    /// What the exporters are: v1, v5, v7, v9, ipfix, sflow, or a device: vyos, cisco-fnf, ios-xr, juniper, asa, sixty.
    #[arg(long, value_name = "NAME", default_value = "v9", value_parser = device)]
    pub(super) version: Device,
    /// How many exporters, 1 to 65536.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(super) exporters: u32,
    /// Where the exporters' addresses begin: the first is this one, the others follow. Over udp they must be this machine's; over
    /// packet and xdp any will do. Without it there is one exporter with the address that the system chooses.
    #[arg(long, value_name = "ADDRESS/LENGTH", value_parser = Prefix::parse)]
    pub(super) from: Option<Prefix>,
    /// Datagrams of each exporter (100 where --seconds is not given either). With --preload templates are among them.
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    datagrams: Option<u64>,
    /// Ends after so many seconds.
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(super) seconds: Option<Duration>,
    /// Datagrams a second of all exporters together; 0 is as fast as it goes. Above 1000 a processor is kept busy.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(super) rate: u64,
    /// Most flow records in a datagram.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
    records: u16,
    /// Most bytes in a datagram; flows that have no room wait for the next. Without it what a frame of 1500 bytes carries over
    /// packet and xdp, and no limit over udp.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(1000..=65_507))]
    payload: Option<u16>,
    /// Encode so many datagrams before the first is sent, the same number for each exporter, and send them again and again, as
    /// fast as the kernel takes them: sequence numbers, export time and uptime go on, the flow records stay. No faults.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_000_000),
        conflicts_with_all = ["loss", "duplicate", "reorder", "restart_after"])]
    pub(super) preload: Option<u32>,
    /// Flows and faults are the same for the same seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Observation domain, source id or sub-agent.
    #[arg(long, value_name = "N", default_value_t = 1)]
    domain: u32,
    /// One packet in this many is looked at, as the exporter announces.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    sampling: u32,
    /// Templates of each exporter, for IPv4 and IPv6 flows by turns; all are used in turn.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=500))]
    templates: u16,
    /// A datagram in this many brings the templates, or with --preload goes behind one that brings nothing else.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    template_every: u64,
    /// Never send a template.
    #[arg(long, conflicts_with_all = ["template_every", "templates_first"])]
    without_template: bool,
    /// Send the templates of all exporters before anything else, at --rate, and count and time them apart.
    #[arg(long)]
    pub(super) templates_first: bool,
    /// Write what is sent into a pcap file too.
    #[arg(long, value_name = "FILE.pcap")]
    pub(super) write: Option<PathBuf>,
    /// Send nothing, only write, with the times at which it would be sent.
    #[arg(long, requires = "write")]
    pub(super) no_send: bool,
    /// Tell of each exporter, also of more than 100.
    #[arg(long)]
    pub(super) each: bool,
    /// Datagrams in a thousand that are lost.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    loss: u32,
    /// Datagrams in a thousand that are sent twice.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    duplicate: u32,
    /// Datagrams in a thousand that come after the next one.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    reorder: u32,
    /// Each exporter starts anew after so many datagrams.
    #[arg(long, value_name = "N")]
    restart_after: Option<u64>,
}

impl Arguments {
    /// What no single argument can tell.
    pub(super) fn check(&self) -> Result<()> {
        if self.from.is_none() && self.exporters > 1 {
            bail!("several exporters need addresses: give them with --from");
        }
        if self.from.is_none() && self.no_send {
            bail!("what is not sent has no address by itself: give it with --from");
        }
        if self.no_send && self.seconds.is_some() && self.rate == 0 {
            bail!("nothing is sent, so the seconds of an unlimited rate never pass: give --rate or --datagrams");
        }
        if self.from.is_some_and(|from| from.is_ipv4() != self.transmit.to.is_ipv4()) {
            bail!("--from and --to are of different IP versions");
        }
        Ok(())
    }

    /// Datagrams of all exporters; `u64::MAX` where the time ends it.
    pub(super) fn total(&self) -> u64 {
        match (self.datagrams, self.seconds) {
            (None, Some(_)) => u64::MAX,
            (datagrams, _) => datagrams.unwrap_or(DATAGRAMS).saturating_mul(self.exporters.into()),
        }
    }

    /// Between templates, datagrams of an exporter; 0 for never.
    pub(super) fn template_every(&self) -> u64 {
        if self.without_template { 0 } else { self.template_every }
    }

    /// An exporter that sends nothing yet. One that goes into memory has no templates in its data and no time of its own.
    pub(super) fn exporter(&self, number: usize, address: std::net::IpAddr, start_ms: i64) -> Exporter {
        let is_kept = self.preload.is_some();
        let settings = Settings {
            address,
            domain: self.domain,
            device: self.version,
            seed: self.seed_of(number),
            records: self.records.into(),
            template_every: if is_kept { 0 } else { self.template_every() },
            sampling: self.sampling,
            start_ms,
            step_ms: if is_kept {
                0
            } else {
                // As time goes on while it sends at this rate.
                u32::try_from(1000 * u64::from(self.exporters) / self.rate.max(1)).unwrap_or(1000)
            },
            uptime_ms: 86_400_000,
        };
        let exporter = Exporter::new(settings).with_templates(self.templates.into());
        match self.most_payload() {
            Some(most) => exporter.with_payload(most.into()),
            None => exporter,
        }
    }

    pub(super) fn faults(&self) -> Faults {
        Faults {
            loss_per_mille: self.loss,
            duplicate_per_mille: self.duplicate,
            reorder_per_mille: self.reorder,
            restart_after: self.restart_after,
        }
    }

    pub(super) fn seed_of(&self, number: usize) -> u64 {
        self.seed.wrapping_add(number as u64)
    }

    fn most_payload(&self) -> Option<u16> {
        let is_raw = self.transmit.via != Via::Udp;
        self.payload.or(is_raw.then_some(PAYLOAD_BYTES[usize::from(self.transmit.to.is_ipv6())]))
    }
}

/// Reads seconds, more than none.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if seconds > 0.0 {
        Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
    } else {
        Err("it must be more than 0".to_owned())
    }
}

fn device(name: &str) -> Result<Device, String> {
    Device::named(name).ok_or_else(|| format!("no device is called {name}"))
}
