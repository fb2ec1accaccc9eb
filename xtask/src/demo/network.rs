//! The network of the demo: the collector, the exporters, and the servers that the exporters' clients talk to.
//!
//! ```text
//! collector ns              exporters ns                         servers ns
//!   collector0 ---------- uplink0    clients0 ------------------- servers0
//!   192.0.2.1             192.0.2.2 softflowd   198.51.100.1-8   198.51.100.101-108
//!   XDP, AF_XDP           192.0.2.3 pmacctd     2001:db8:100::   2001:db8:100::
//! ```

use std::net::Ipv4Addr;

use anyhow::Result;

use super::netns::{self, End, Namespace};
use super::traffic;

/// The collector's interface, where the XDP program goes.
pub const COLLECTOR_INTERFACE: &str = "collector0";
/// The interface whose traffic the exporters meter.
pub const METERED_INTERFACE: &str = "clients0";
pub const COLLECTOR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// Both exporters use template 1024 of domain 0 for different fields, so each needs its own address.
pub const SOFTFLOWD: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub const PMACCTD: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
/// Where the collector listens.
pub const PORT: u16 = 2055;

/// Three namespaces and the two veth pairs between them.
#[derive(Debug)]
pub struct Network {
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
    pub fn create() -> Result<Self> {
        let network = Self {
            collector: Namespace::create("collector")?,
            exporters: Namespace::create("exporters")?,
            servers: Namespace::create("servers")?,
        };
        let of = |addresses: &[Ipv4Addr]| addresses.iter().map(|address| format!("{address}/24")).collect();
        let end = |namespace, interface, addresses| End { namespace, interface, addresses };
        netns::join([
            end(&network.collector, COLLECTOR_INTERFACE, of(&[COLLECTOR])),
            end(&network.exporters, "uplink0", of(&[SOFTFLOWD, PMACCTD])),
        ])?;
        netns::join([
            end(&network.exporters, METERED_INTERFACE, traffic::client_addresses()),
            end(&network.servers, "servers0", traffic::server_addresses()),
        ])?;
        Ok(network)
    }
}
