//! Prefixes of addresses, and what is known by prefix: the longest one that holds an address wins.
//!
//! IPv4 addresses are taken as IPv6 ones mapped into `::ffff:0:0/96`, so an IPv6 prefix shorter than that holds IPv4 too.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use foldhash::{HashMap, HashMapExt as _};
use netflow::columns::Address;

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
        let bits = bits.unwrap_or(if address.is_ipv4() { 32 } else { 128 });
        Self::new(address, bits).ok_or_else(bad)
    }
}

/// As the operator writes it; an address alone without its bits.
impl fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from(self.first);
        match address.to_ipv4_mapped().filter(|_| self.bits >= 96) {
            Some(address) if self.bits == 128 => write!(formatter, "{address}"),
            Some(address) => write!(formatter, "{address}/{}", self.bits - 96),
            None if self.bits == 128 => write!(formatter, "{address}"),
            None => write!(formatter, "{address}/{}", self.bits),
        }
    }
}

impl From<IpAddr> for Prefix {
    /// The address alone.
    fn from(address: IpAddr) -> Self {
        let address = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        Self { first: u128::from(address), bits: 128 }
    }
}

impl Prefix {
    /// The addresses that begin with the same `bits` as `address`; none where its family has not so many.
    #[must_use]
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let (first, own_bits, offset) = match address {
            IpAddr::V4(address) => (u128::from(address.to_ipv6_mapped()), 32, 96),
            IpAddr::V6(address) => (u128::from(address), 128, 0),
        };
        let bits = Some(bits).filter(|bits| *bits <= own_bits)? + offset;
        Some(Self { first: first & mask(bits), bits })
    }

    /// The first address that it holds.
    #[must_use]
    pub fn first(self) -> Address {
        self.first.to_be_bytes()
    }

    /// Whether an address lies in it.
    #[must_use]
    pub fn holds(self, address: IpAddr) -> bool {
        let address = match address {
            IpAddr::V4(address) => u128::from(address.to_ipv6_mapped()),
            IpAddr::V6(address) => u128::from(address),
        };
        address & mask(self.bits) == self.first
    }

    /// Leading bits that count, of the 128 of a mapped address.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.bits
    }
}

/// A value for each of many prefixes, ready to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixMap<T> {
    /// Values by masked address, longest prefixes first.
    lengths: Vec<Length<T>>,
}

/// The prefixes of one length.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Length<T> {
    bits: u8,
    values: HashMap<u128, T>,
}

impl<T> Default for PrefixMap<T> {
    fn default() -> Self {
        Self { lengths: Vec::new() }
    }
}

impl<T> FromIterator<(Prefix, T)> for PrefixMap<T> {
    /// The later of two for the same prefix holds.
    fn from_iter<I: IntoIterator<Item = (Prefix, T)>>(entries: I) -> Self {
        let mut map = Self::default();
        entries.into_iter().for_each(|(prefix, value)| map.insert(prefix, value));
        map
    }
}

impl<T> PrefixMap<T> {
    fn insert(&mut self, prefix: Prefix, value: T) {
        let place = self.lengths.partition_point(|length| length.bits > prefix.bits);
        if self.lengths.get(place).is_none_or(|length| length.bits != prefix.bits) {
            self.lengths.insert(place, Length { bits: prefix.bits, values: HashMap::new() });
        }
        self.lengths[place].values.insert(prefix.first, value);
    }

    /// The value of the longest prefix that holds `address`.
    #[must_use]
    pub fn get(&self, address: &Address) -> Option<&T> {
        let address = u128::from(Ipv6Addr::from(*address));
        self.lengths.iter().find_map(|length| length.values.get(&(address & mask(length.bits))))
    }

    /// The value of the longest prefix that holds one of two addresses; of two as long, that of the first.
    #[must_use]
    pub fn get_of_either(&self, first: &Address, second: &Address) -> Option<&T> {
        if first == second {
            return self.get(first);
        }
        let [first, second] = [first, second].map(|address| u128::from(Ipv6Addr::from(*address)));
        self.lengths.iter().find_map(|length| {
            let get = |address: u128| length.values.get(&(address & mask(length.bits)));
            get(first).or_else(|| get(second))
        })
    }

    /// The value of the longest prefix that holds all of `prefix`, which may be that one itself.
    #[must_use]
    pub fn covering(&self, prefix: Prefix) -> Option<&T> {
        let mut lengths = self.lengths.iter().filter(|length| length.bits <= prefix.bits);
        lengths.find_map(|length| length.values.get(&(prefix.first & mask(length.bits))))
    }

    /// Whether there is no prefix.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Every prefix with its value, in no order that means something.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, &T)> {
        self.lengths.iter().flat_map(|Length { bits, values }| {
            values.iter().map(|(first, value)| (Prefix { first: *first, bits: *bits }, value))
        })
    }
}

fn mask(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().expect("a prefix")
    }

    fn address(text: &str) -> Address {
        prefix(text).first()
    }

    #[test]
    fn the_longest_prefix_wins() {
        let named = [
            ("10.0.0.0/8", "ten"),
            ("10.1.2.3", "host"),
            ("10.1.0.0/16", "site"),
            ("2001:db8::/32", "doc"),
            ("::/0", "six"),
        ];
        let map: PrefixMap<&str> = named.map(|(text, name)| (prefix(text), name)).into_iter().collect();
        let cases = [
            ("10.1.2.3", "host"),
            ("10.1.2.4", "site"),
            ("10.2.0.0", "ten"),
            ("11.0.0.0", "six"),
            ("2001:db8::1", "doc"),
            ("2001:db9::1", "six"),
        ];
        for (text, expected) in cases {
            assert_eq!(map.get(&address(text)), Some(&expected), "{text}");
        }
        assert_eq!(PrefixMap::<u8>::default().get(&[0; 16]), None);
        assert_eq!(map.iter().count(), named.len());
    }

    #[test]
    fn a_covering_prefix_is_not_longer_than_what_it_covers() {
        let texts = ["10.0.0.0/8", "10.1.0.0/16"];
        let map: PrefixMap<usize> = texts.iter().map(|text| prefix(text)).zip(0..).collect();
        for (text, expected) in [
            ("10.0.0.0/7", None),
            ("10.0.0.0/8", Some(&0)),
            ("10.0.0.0/12", Some(&0)),
            ("10.1.0.0/16", Some(&1)),
            ("10.1.9.9", Some(&1)),
            ("10.2.0.0/16", Some(&0)),
            ("::/0", None),
        ] {
            assert_eq!(map.covering(prefix(text)), expected, "{text}");
        }
    }

    #[test]
    fn prefixes_are_written_as_they_are_read() {
        for text in ["192.0.2.1", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "2001:db8::1", "::/0"] {
            assert_eq!(text.parse::<Prefix>().expect("a prefix").to_string(), text);
        }
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in ["", "ten", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0/8"] {
            let error = text.parse::<Prefix>().expect_err("no prefix");
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
