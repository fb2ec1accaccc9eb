//! The interface that raw frames leave by: its number, MAC and IP addresses.

use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::LinkAddr;

/// An interface of this network namespace.
#[derive(Debug, Clone)]
pub(super) struct Interface {
    /// Its name.
    pub(super) name: String,
    /// Its address on the link, as a raw socket binds to it: without a protocol, so that nothing is received.
    pub(super) link: LinkAddr,
    /// Its MAC address.
    pub(super) mac: [u8; 6],
    addresses: Vec<IpAddr>,
}

impl Interface {
    /// The interface of a name.
    pub(super) fn named(name: &str) -> Result<Self> {
        let (mut link, mut addresses) = (None, Vec::new());
        for entry in getifaddrs().context("cannot list the interfaces")?.filter(|entry| entry.interface_name == name) {
            let Some(address) = entry.address else { continue };
            link = link.or(address.as_link_addr().copied());
            addresses.extend(address.as_sockaddr_in().map(|four| IpAddr::from(four.ip())));
            addresses.extend(address.as_sockaddr_in6().map(|six| IpAddr::from(six.ip())));
        }
        let Some(link) = link else { bail!("there is no interface {name} here: see `ip link`") };
        let mac =
            link.addr().with_context(|| format!("{name} has no MAC address: frames need an Ethernet interface"))?;
        Ok(Self { name: name.to_owned(), link, mac, addresses })
    }

    /// Its number.
    pub(super) fn index(&self) -> u32 {
        self.link.ifindex() as u32
    }

    /// Its first address of an IP version.
    pub(super) fn address(&self, is_ipv4: bool) -> Result<IpAddr> {
        let version = if is_ipv4 { 4 } else { 6 };
        self.addresses
            .iter()
            .find(|address| address.is_ipv4() == is_ipv4)
            .copied()
            .with_context(|| format!("{} has no IPv{version} address: give the exporters' with --from", self.name))
    }
}

/// Reads six bytes in hexadecimal with colons between.
pub(super) fn parse_mac(text: &str) -> Result<[u8; 6], String> {
    let bytes: Option<Vec<u8>> =
        text.split(':').map(|part| (part.len() == 2).then(|| u8::from_str_radix(part, 16).ok()).flatten()).collect();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| "write it as 02:00:00:00:00:01".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_are_read() {
        assert_eq!(parse_mac("02:00:00:fe:00:0A"), Ok([2, 0, 0, 0xfe, 0, 10]));
        for wrong in
            ["", "02:00:00:fe:00", "02:00:00:fe:00:01:02", "2:0:0:0:0:1", "02-00-00-00-00-01", "02:00:00:fe:00:0g"]
        {
            assert!(parse_mac(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn loopback_is_an_interface() {
        let loopback = Interface::named("lo").expect("every machine has one");
        assert_eq!(loopback.mac, [0; 6]);
        assert!(loopback.index() > 0);
        assert!(Interface::named("no-such-one").is_err());
    }
}
