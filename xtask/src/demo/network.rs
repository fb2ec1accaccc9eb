//! The network of the demo: the collector, the exporters, and the servers that the exporters' clients talk to.
//!
//! ```text
//! collector ns              exporters ns                         servers ns
//!   collector0 ---------- uplink0    clients0 ------------------- servers0
//!   192.0.2.102           192.0.2.2 softflowd   198.51.100.1-8   198.51.100.101-108
//!   192.0.2.103           192.0.2.3 pmacctd     2001:db8:100::   2001:db8:100::
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;
use clap::ValueEnum;

use super::netns::{self, End, Namespace};
use super::traffic;

/// The collector's interface, where the XDP program goes.
pub const COLLECTOR_INTERFACE: &str = "collector0";
/// The interface whose traffic the exporters meter.
pub const METERED_INTERFACE: &str = "clients0";
const UPLINK_INTERFACE: &str = "uplink0";
/// Where the collector listens.
pub const PORT: u16 = 2055;

/// In what the exporters' datagrams travel. VLAN tags are left to the tests of the XDP program: not every kernel has VLAN
/// interfaces to make them with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Wire {
    Ipv4,
    Ipv6,
}

/// An exporter's address, and the collector's address that it sends to.
///
/// Both exporters use template 1024 of domain 0 for different fields, so each needs its own address. Neither can be made to
/// use one in IPv6 (pmacctd 1.7.7 fails to bind), so each gets its own destination, and the route to it says the address.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    pub exporter: IpAddr,
    pub collector: IpAddr,
}

impl Wire {
    /// softflowd's and pmacctd's.
    pub fn ways(self) -> [Way; 2] {
        [2, 3].map(|host| Way { exporter: self.host(host), collector: self.host(host + 100) })
    }

    fn host(self, host: u8) -> IpAddr {
        match self {
            Self::Ipv4 => Ipv4Addr::new(192, 0, 2, host).into(),
            Self::Ipv6 => Ipv6Addr::new(0x2001, 0xdb8, 0x200, 0, 0, 0, 0, host.into()).into(),
        }
    }
}

/// Three namespaces and the two veth pairs between them.
#[derive(Debug)]
pub struct Network {
    pub wire: Wire,
    pub collector: Namespace,
    pub exporters: Namespace,
    pub servers: Namespace,
}

impl Network {
    /// Makes it all.
    ///
    /// # Errors
    ///
    /// When `ip` or `ethtool` fails; what was made so far is gone again.
    pub fn create(wire: Wire) -> Result<Self> {
        let network = Self {
            wire,
            collector: Namespace::create("collector")?,
            exporters: Namespace::create("exporters")?,
            servers: Namespace::create("servers")?,
        };
        let end = |namespace, interface, addresses| End { namespace, interface, addresses };
        let collector = wire.ways().map(|way| with_length(way.collector));
        let exporters = wire.ways().map(|way| with_length(way.exporter));
        netns::join([
            end(&network.collector, COLLECTOR_INTERFACE, collector.to_vec()),
            end(&network.exporters, UPLINK_INTERFACE, exporters.to_vec()),
        ])?;
        for way in wire.ways() {
            let (to, from) = (way.collector.to_string(), way.exporter.to_string());
            network.exporters.ip(&["route", "add", &to, "dev", UPLINK_INTERFACE, "src", &from])?;
        }
        netns::join([
            end(&network.exporters, METERED_INTERFACE, traffic::client_addresses()),
            end(&network.servers, "servers0", traffic::server_addresses()),
        ])?;
        Ok(network)
    }
}

fn with_length(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv6() { 64 } else { 24 })
}
