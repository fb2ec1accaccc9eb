//! Addresses of exporters: those of a prefix, one after the other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, bail};

/// The first address, and how many bits all of them share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    first: IpAddr,
    length: u32,
}

impl Prefix {
    /// Reads `address/length`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (address, length) = text.split_once('/').ok_or("write it as address/length")?;
        let first: IpAddr = address.parse().map_err(|error| format!("{address}: {error}"))?;
        let length: u32 = length.parse().map_err(|error| format!("{length}: {error}"))?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        if length > most { Err(format!("a prefix is {most} bits long at most")) } else { Ok(Self { first, length }) }
    }

    /// Whether it is of IPv4.
    pub(crate) fn is_ipv4(self) -> bool {
        self.first.is_ipv4()
    }

    /// How many addresses there are from the first to the end of the prefix.
    pub(crate) fn count(self) -> u128 {
        let (first, bits) = match self.first {
            IpAddr::V4(first) => (u128::from(u32::from(first)), 32),
            IpAddr::V6(first) => (u128::from(first), 128),
        };
        let hosts = bits - self.length;
        let mask = 1_u128.checked_shl(hosts).map_or(u128::MAX, |size| size - 1);
        (mask - (first & mask)).saturating_add(1)
    }

    /// An address of the prefix, so many after the first.
    pub(crate) fn address(self, number: u32) -> Result<IpAddr> {
        if u128::from(number) >= self.count() {
            bail!("{}/{} has not that many addresses: {}", self.first, self.length, self.count());
        }
        let beyond = "the addresses do not go that far";
        Ok(match self.first {
            IpAddr::V4(first) => Ipv4Addr::from(u32::from(first).checked_add(number).context(beyond)?).into(),
            IpAddr::V6(first) => Ipv6Addr::from(u128::from(first).checked_add(number.into()).context(beyond)?).into(),
        })
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
        check("192.0.2.1/32", 0, Some("192.0.2.1"));
        check("192.0.2.1/32", 1, None);
        check("10.0.0.0/0", 65_536, Some("10.1.0.0"));
        check("2001:db8::1/64", 65_535, Some("2001:db8::1:0"));
        check("::/0", 1, Some("::1"));
        assert!(Prefix::parse("192.0.2.1").is_err() && Prefix::parse("192.0.2.1/33").is_err());
    }
}
