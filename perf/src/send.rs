//! `perf send`: the model of an exporter, or of many, over UDP.
//!
//! Many exporters are many source addresses, which must be this machine's: those of a prefix, one after the other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use perf::device::DEVICES;
use perf::{Account, Device, Exported, Exporter, Faults, Path, Settings};
use serde_json::{Value, json};

/// What `perf send` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Address and port of the collector.
    #[arg(long, value_name = "ADDRESS:PORT")]
    to: SocketAddr,
    /// What the exporters are: v1, v5, v7, v9, ipfix, sflow, or a device: vyos, cisco-fnf, ios-xr, juniper, asa, sixty.
    #[arg(long, value_name = "NAME", default_value = "v9", value_parser = device)]
    version: Device,
    /// How many exporters.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    exporters: u32,
    /// Where the exporters' addresses begin: the first is this one; without it the system chooses, for one exporter.
    #[arg(long, value_name = "ADDRESS/LENGTH", value_parser = Prefix::parse)]
    from: Option<Prefix>,
    /// Datagrams of each exporter.
    #[arg(long, value_name = "N", default_value_t = 100)]
    datagrams: u64,
    /// Datagrams a second of all exporters together; 0 is as fast as it goes.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    rate: u64,
    /// Most flow records in a datagram.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
    records: u16,
    /// Flows and faults are the same for the same seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Observation domain, source id or sub-agent.
    #[arg(long, value_name = "N", default_value_t = 1)]
    domain: u32,
    /// One packet in this many is looked at, as the exporter announces.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    sampling: u32,
    /// A datagram in this many brings the templates.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    template_every: u64,
    /// Never send a template.
    #[arg(long, conflicts_with = "template_every")]
    without_template: bool,
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

/// Addresses of exporters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Prefix {
    first: IpAddr,
    length: u32,
}

/// One exporter with its socket.
struct Sender {
    socket: UdpSocket,
    path: Path,
}

/// Sends the load, and prints what it was.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let start_ms = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_millis();
    let start_ms = i64::try_from(start_ms).context("the clock is beyond reason")?;
    let mut senders =
        (0..arguments.exporters).map(|number| Sender::new(arguments, number, start_ms)).collect::<Result<Vec<_>>>()?;
    let began = Instant::now();
    let mut turn = 0_u32;
    for _ in 0..arguments.datagrams {
        for sender in &mut senders {
            sender.send(arguments.to)?;
            turn += 1;
            if arguments.rate > 0 {
                let due = Duration::from_secs_f64(f64::from(turn) / arguments.rate as f64);
                std::thread::sleep(due.saturating_sub(began.elapsed()));
            }
        }
    }
    for sender in &mut senders {
        sender.finish(arguments.to)?;
    }
    let exporters: Vec<Value> = senders.iter().map(Sender::told).collect();
    println!(
        "{}",
        json!({ "to": arguments.to.to_string(), "seconds": began.elapsed().as_secs_f64(), "exporters": exporters })
    );
    Ok(())
}

impl Sender {
    fn new(arguments: &Arguments, number: u32, start_ms: i64) -> Result<Self> {
        let any: IpAddr =
            if arguments.to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let bound = match arguments.from {
            Some(prefix) => prefix.address(number)?,
            None if arguments.exporters > 1 => bail!("several exporters need addresses: give them with --from"),
            None => any,
        };
        let socket = UdpSocket::bind((bound, 0))
            .with_context(|| format!("cannot send from {bound}: is it an address of this machine?"))?;
        socket.connect(arguments.to).with_context(|| format!("cannot reach {}", arguments.to))?;
        let address = socket.local_addr().context("the socket has no address")?.ip();
        let seed = arguments.seed.wrapping_add(u64::from(number));
        let settings = Settings {
            address,
            domain: arguments.domain,
            device: arguments.version,
            seed,
            records: arguments.records.into(),
            template_every: if arguments.without_template { 0 } else { arguments.template_every },
            sampling: arguments.sampling,
            start_ms,
            // As time goes on while it sends at this rate.
            step_ms: u32::try_from(1000 * u64::from(arguments.exporters) / arguments.rate.max(1)).unwrap_or(1000),
            uptime_ms: 86_400_000,
        };
        let faults = Faults {
            loss_per_mille: arguments.loss,
            duplicate_per_mille: arguments.duplicate,
            reorder_per_mille: arguments.reorder,
            restart_after: arguments.restart_after,
        };
        Ok(Self { socket, path: Path::new(Exporter::new(settings), faults, seed) })
    }

    fn send(&mut self, to: SocketAddr) -> Result<()> {
        let mut outcome = Ok(());
        self.path.send(|exported| deliver(&self.socket, exported, to, &mut outcome));
        outcome
    }

    fn finish(&mut self, to: SocketAddr) -> Result<()> {
        let mut outcome = Ok(());
        self.path.finish(|exported| deliver(&self.socket, exported, to, &mut outcome));
        outcome
    }

    /// What it sent.
    fn told(&self) -> Value {
        let settings = self.path.exporter().settings();
        let name = DEVICES.iter().find(|(_, device)| *device == settings.device).map_or("", |(name, _)| name);
        let Account {
            exported,
            exported_flows,
            exported_options,
            lost,
            lost_flows,
            lost_counts,
            duplicates,
            duplicate_flows,
            reordered,
            delivered,
            delivered_flows,
            delivered_bytes,
            delivered_templates,
            restarts,
        } = self.path.account();
        json!({
            "address": settings.address.to_string(), "domain": settings.domain, "device": name,
            "exported": exported, "exported_flows": exported_flows, "exported_options": exported_options,
            "lost": lost, "lost_flows": lost_flows, "lost_counts": lost_counts,
            "duplicates": duplicates, "duplicate_flows": duplicate_flows, "reordered": reordered,
            "delivered": delivered, "delivered_flows": delivered_flows, "delivered_bytes": delivered_bytes,
            "delivered_templates": delivered_templates, "restarts": restarts,
        })
    }
}

/// Puts a datagram on the wire; keeps the first error.
fn deliver(socket: &UdpSocket, exported: &Exported, to: SocketAddr, outcome: &mut Result<()>) {
    if outcome.is_err() {
        return;
    }
    let sent = match socket.send(&exported.payload) {
        // An earlier datagram found nobody listening, which is no reason not to send this one.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => socket.send(&exported.payload),
        other => other,
    };
    *outcome = sent.map(drop).with_context(|| format!("cannot send {} bytes to {to}", exported.payload.len()));
}

fn device(name: &str) -> Result<Device, String> {
    Device::named(name).ok_or_else(|| format!("no device is called {name}"))
}

impl Prefix {
    fn parse(text: &str) -> Result<Self, String> {
        let (address, length) = text.split_once('/').ok_or("write it as address/length")?;
        let first: IpAddr = address.parse().map_err(|error| format!("{address}: {error}"))?;
        let length: u32 = length.parse().map_err(|error| format!("{length}: {error}"))?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        if length > most { Err(format!("a prefix is {most} bits long at most")) } else { Ok(Self { first, length }) }
    }

    /// An address of the prefix, so many after the first.
    fn address(self, number: u32) -> Result<IpAddr> {
        let (next, is_inside) = match self.first {
            IpAddr::V4(first) => {
                let next = u32::from(first).checked_add(number).context("the addresses do not go that far")?;
                let differs = next ^ u32::from(first);
                (Ipv4Addr::from(next).into(), differs.checked_shr(32 - self.length).unwrap_or(0) == 0)
            }
            IpAddr::V6(first) => {
                let next = u128::from(first).checked_add(number.into()).context("the addresses do not go that far")?;
                let differs = next ^ u128::from(first);
                (Ipv6Addr::from(next).into(), differs.checked_shr(128 - self.length).unwrap_or(0) == 0)
            }
        };
        if is_inside { Ok(next) } else { bail!("{}/{} has not that many addresses", self.first, self.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_have_so_many_addresses() {
        let check = |text: &str, number, expected: Option<&str>| {
            let found = Prefix::parse(text).expect("a prefix").address(number).ok().map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{text} + {number}");
        };
        check("192.0.2.1/24", 0, Some("192.0.2.1"));
        check("192.0.2.1/24", 254, Some("192.0.2.255"));
        check("192.0.2.1/24", 255, None);
        check("192.0.2.1/32", 1, None);
        check("10.0.0.0/0", 65_536, Some("10.1.0.0"));
        check("2001:db8::1/64", 65_535, Some("2001:db8::1:0"));
        assert!(Prefix::parse("192.0.2.1").is_err() && Prefix::parse("192.0.2.1/33").is_err());
    }

    #[test]
    fn what_is_told_is_what_arrives() {
        use clap::Parser;
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            arguments: Arguments,
        }
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
        receiver.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket has a timeout");
        let to = receiver.local_addr().expect("it is bound").to_string();
        let line =
            ["send", "--to", &to, "--version", "v5", "--from", "127.0.0.1/8", "--loss", "200", "--duplicate", "100"];
        let arguments = Line::parse_from(line).arguments;
        let mut sender = Sender::new(&arguments, 3, 1_700_000_000_000).expect("loopback has many addresses");
        let mut received = 0_u64;
        for _ in 0..50 {
            let before = sender.path.account().delivered;
            sender.send(arguments.to).expect("it is sent");
            for _ in before..sender.path.account().delivered {
                let (length, from) = receiver.recv_from(&mut [0; 2048]).expect("it arrives");
                assert_eq!((length, from.ip().to_string()), (24 + 20 * 48, "127.0.0.4".to_owned()));
                received += 1;
            }
        }
        let told = sender.told();
        assert_eq!(told["delivered"], received);
        assert!(told["lost"].as_u64() > Some(0) && told["duplicates"].as_u64() > Some(0), "{told}");
    }
}
