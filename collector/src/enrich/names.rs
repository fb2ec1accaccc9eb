//! Names of exporters, from the configuration: by address or by prefix, the longest prefix wins.

use std::net::IpAddr;
use std::str::FromStr;

use netflow::columns::Address;

use super::by_prefix::{ByPrefix, mask};

/// An address or a network as the operator writes it: `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    /// First address, IPv4 mapped.
    first: u128,
    /// Leading bits that count, of 128.
    bits: u8,
}

/// Why a text is no prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is no address and no prefix; write it like 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32")]
pub struct BadPrefix {
    text: String,
}

impl FromStr for Prefix {
    type Err = BadPrefix;

    fn from_str(text: &str) -> Result<Self, BadPrefix> {
        let bad = || BadPrefix { text: text.to_owned() };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| bad())?)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| bad())?;
        let (first, own_bits, offset) = match address {
            IpAddr::V4(address) => (u128::from(address.to_ipv6_mapped()), 32, 96),
            IpAddr::V6(address) => (u128::from(address), 128, 0),
        };
        let bits = bits.unwrap_or(own_bits);
        if bits > own_bits {
            return Err(bad());
        }
        let bits = bits + offset;
        Ok(Self { first: first & mask(bits), bits })
    }
}

impl Prefix {
    /// First address, IPv4 mapped.
    pub(super) fn first(self) -> u128 {
        self.first
    }

    /// Leading bits that count, of 128.
    pub(super) fn bits(self) -> u8 {
        self.bits
    }
}

/// The names, ready to be looked up.
#[derive(Debug, Clone, Default)]
pub struct Names(ByPrefix<Box<str>>);

impl Names {
    /// Takes the names over; the later of two for the same prefix holds.
    #[must_use]
    pub fn new(named: impl IntoIterator<Item = (Prefix, String)>) -> Self {
        Self(ByPrefix::new(named.into_iter().map(|(prefix, name)| (prefix, name.into_boxed_str()))))
    }

    /// The name of an exporter; empty where none is configured.
    #[must_use]
    pub fn get(&self, exporter: &Address) -> &str {
        self.0.get(exporter).map_or("", |name| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins() {
        let named = [
            ("10.0.0.0/8", "ten"),
            ("10.1.2.3", "host"),
            ("10.1.0.0/16", "site"),
            ("2001:db8::/32", "doc"),
            ("::/0", "six"),
        ];
        let names = Names::new(named.map(|(prefix, name)| (prefix.parse().unwrap(), name.to_owned())));
        let cases = [
            ("10.1.2.3", "host"),
            ("10.1.2.4", "site"),
            ("10.2.0.0", "ten"),
            ("11.0.0.0", "six"),
            ("2001:db8::1", "doc"),
            ("2001:db9::1", "six"),
        ];
        for (address, expected) in cases {
            let address = match address.parse().unwrap() {
                IpAddr::V4(address) => address.to_ipv6_mapped(),
                IpAddr::V6(address) => address,
            };
            assert_eq!(names.get(&address.octets()), expected, "{address}");
        }
        assert_eq!(Names::default().get(&[0; 16]), "");
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in ["", "ten", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0/8"] {
            let error = text.parse::<Prefix>().unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
