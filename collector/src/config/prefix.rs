//! Address prefixes as they are written in a configuration.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An IPv4 or IPv6 prefix; host bits are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// The first address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Length in bits of the address' own family: up to 32 for IPv4, 128 for IPv6.
    #[must_use]
    pub fn length(&self) -> u8 {
        self.length
    }

    /// The same prefix in the mapped form: 16 bytes in network order and a length up to 128.
    #[must_use]
    pub fn mapped(&self) -> ([u8; 16], u8) {
        match self.address {
            IpAddr::V4(address) => (address.to_ipv6_mapped().octets(), self.length + 96),
            IpAddr::V6(address) => (address.octets(), self.length),
        }
    }
}

impl FromStr for Prefix {
    type Err = String;

    /// Takes `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`. Host bits that are set are a mistake, not a short-hand.
    fn from_str(text: &str) -> Result<Self, String> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address
            .parse()
            .map_err(|_| "write an address or a prefix such as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32".to_owned())?;
        let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
        let length: u8 = match length {
            None => bits,
            Some(length) => length
                .parse()
                .ok()
                .filter(|length| *length <= bits)
                .ok_or_else(|| format!("use a prefix length from 0 to {bits}"))?,
        };
        let masked = mask(address, length);
        if masked != address {
            return Err(format!("the bits after the prefix length are not zero, did you mean {masked}/{length}"));
        }
        Ok(Self { address, length })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.length)
    }
}

fn mask(address: IpAddr, length: u8) -> IpAddr {
    let length = u32::from(length);
    match address {
        IpAddr::V4(address) => IpAddr::V4((address.to_bits() & u32::MAX.checked_shl(32 - length).unwrap_or(0)).into()),
        IpAddr::V6(address) => {
            IpAddr::V6((address.to_bits() & u128::MAX.checked_shl(128 - length).unwrap_or(0)).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, u8), &str>) {
        match (text.parse::<Prefix>(), expected) {
            (Ok(prefix), Ok((shown, mapped))) => {
                assert_eq!(prefix.to_string(), shown);
                assert_eq!(prefix.mapped().1, mapped);
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
            (got, expected) => panic!("{text}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn prefixes_parse_or_say_what_to_write() {
        check("192.0.2.1", Ok(("192.0.2.1/32", 128)));
        check("192.0.2.0/24", Ok(("192.0.2.0/24", 120)));
        check("0.0.0.0/0", Ok(("0.0.0.0/0", 96)));
        check("2001:db8::/32", Ok(("2001:db8::/32", 32)));
        check("::/0", Ok(("::/0", 0)));
        check("192.0.2.1/24", Err("192.0.2.0/24"));
        check("192.0.2.0/33", Err("0 to 32"));
        check("router", Err("write an address"));
        check("10.0.0.0/", Err("0 to 32"));
    }
}
