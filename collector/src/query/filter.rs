//! Conditions on traffic: what they need a table to tell apart, and their SQL.

use std::net::{IpAddr, Ipv6Addr};

use super::dimension::Dimension;
use super::statement::Parameters;
use crate::prefix::Prefix;

/// Which end of a flow a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// One of the two.
    Either,
    /// Where it comes from.
    Src,
    /// Where it goes to.
    Dst,
}

/// A condition that traffic must meet.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Sent by an exporter of this prefix.
    Exporter(Prefix),
    /// Sent by one of these exporters.
    Exporters(Exporters),
    /// Over this interface, in or out.
    Interface(u32),
    /// Over one of these interfaces of these exporters, in or out.
    Interfaces(Vec<(Ipv6Addr, u32)>),
    /// An address of this prefix.
    Address(End, Prefix),
    /// This port.
    Port(End, u16),
    /// This IP protocol.
    Protocol(u8),
    /// This autonomous system.
    As(End, u32),
    /// This country.
    Country(End, String),
    /// This network's name.
    Network(End, String),
    /// This customer's name.
    Customer(End, String),
}

/// Exporters by their prefixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exporters {
    /// Those that hold them.
    pub of: Vec<Prefix>,
    /// Longer ones within these, that hold others.
    pub but: Vec<Prefix>,
}

impl Exporters {
    /// Whether an address is that of one of them.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let is_in = |prefixes: &[Prefix]| prefixes.iter().any(|prefix| prefix.holds(address));
        is_in(&self.of) && !is_in(&self.but)
    }
}

impl Filter {
    /// What a table must tell apart.
    pub(super) fn dimensions(&self) -> Vec<Dimension> {
        use Dimension as D;
        match self {
            Self::Exporter(_) | Self::Exporters(_) => vec![D::Exporter],
            Self::Interface(_) => vec![D::InInterface, D::OutInterface],
            Self::Interfaces(_) => vec![D::Exporter, D::InInterface, D::OutInterface],
            Self::Address(end, _) => end.of(D::SrcAddress, D::DstAddress),
            Self::Port(end, _) => end.of(D::SrcPort, D::DstPort),
            Self::Protocol(_) => vec![D::Protocol],
            Self::As(end, _) => end.of(D::SrcAs, D::DstAs),
            Self::Country(end, _) => end.of(D::SrcCountry, D::DstCountry),
            Self::Network(end, _) => end.of(D::SrcNetwork, D::DstNetwork),
            Self::Customer(end, _) => end.of(D::SrcCustomer, D::DstCustomer),
        }
    }

    /// Whether it is about nothing but the exporter.
    pub(super) fn is_of_exporter(&self) -> bool {
        matches!(self, Self::Exporter(_) | Self::Exporters(_))
    }

    /// The condition; `column` says what a dimension is called where it is put.
    pub(super) fn sql(&self, parameters: &mut Parameters, column: impl Fn(Dimension) -> String) -> String {
        let value = match self {
            Self::Exporters(Exporters { of, but }) => {
                let exporter = column(Dimension::Exporter);
                let mut any = |prefixes: &[Prefix]| {
                    let each: Vec<String> =
                        prefixes.iter().map(|prefix| format!("{exporter} {}", between(*prefix, parameters))).collect();
                    each.join(" OR ")
                };
                let of = any(of);
                return if but.is_empty() { format!("({of})") } else { format!("(({of}) AND NOT ({}))", any(but)) };
            }
            Self::Interfaces(interfaces) => {
                let (exporter, input, output) =
                    (column(Dimension::Exporter), column(Dimension::InInterface), column(Dimension::OutInterface));
                let each: Vec<String> = interfaces
                    .iter()
                    .map(|(address, index)| {
                        let address = parameters.put("exporter", "IPv6", address);
                        let index = parameters.put("if_index", "UInt32", index);
                        format!("{exporter} = {address} AND ({input} = {index} OR {output} = {index})")
                    })
                    .collect();
                return format!("({})", each.join(" OR "));
            }
            Self::Exporter(prefix) | Self::Address(_, prefix) => between(*prefix, parameters),
            Self::Interface(if_index) => format!("= {}", parameters.put("if_index", "UInt32", if_index)),
            Self::Port(_, port) => format!("= {}", parameters.put("port", "UInt16", port)),
            Self::Protocol(protocol) => format!("= {}", parameters.put("protocol", "UInt8", protocol)),
            Self::As(_, asn) => format!("= {}", parameters.put("as", "UInt32", asn)),
            Self::Country(_, name) | Self::Network(_, name) | Self::Customer(_, name) => {
                format!("= {}", parameters.put("name", "String", name))
            }
        };
        let each: Vec<String> =
            self.dimensions().into_iter().map(|dimension| format!("{} {value}", column(dimension))).collect();
        if each.len() == 1 { each.concat() } else { format!("({})", each.join(" OR ")) }
    }
}

/// The condition that an address is of a prefix, behind its column.
fn between(prefix: Prefix, parameters: &mut Parameters) -> String {
    let last = Ipv6Addr::from(
        u128::from_be_bytes(prefix.first()) | u128::MAX.checked_shr(u32::from(prefix.bits())).unwrap_or(0),
    );
    let first = parameters.put("first", "IPv6", Ipv6Addr::from(prefix.first()));
    let last = parameters.put("last", "IPv6", last);
    format!("BETWEEN {first} AND {last}")
}

impl End {
    fn of(self, src: Dimension, dst: Dimension) -> Vec<Dimension> {
        match self {
            Self::Either => vec![src, dst],
            Self::Src => vec![src],
            Self::Dst => vec![dst],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_name_parameters_and_never_values() {
        let prefix = |text: &str| text.parse::<Prefix>().expect("a prefix");
        let name = || "x' OR 1=1 --".to_owned();
        for (filter, expected) in [
            (Filter::Exporter(prefix("192.0.2.0/24")), "exporter_address BETWEEN {first:IPv6} AND {last:IPv6}"),
            (Filter::Address(End::Dst, prefix("::/0")), "dst_addr BETWEEN {first:IPv6} AND {last:IPv6}"),
            (Filter::Port(End::Either, 53), "(src_port = {port:UInt16} OR dst_port = {port:UInt16})"),
            (Filter::Protocol(6), "protocol = {protocol:UInt8}"),
            (Filter::As(End::Src, 64500), "src_as = {as:UInt32}"),
            (Filter::Country(End::Either, name()), "(src_country = {name:String} OR dst_country = {name:String})"),
            (
                Filter::Exporters(Exporters { of: vec![prefix("192.0.2.0/24"), prefix("::/0")], but: vec![] }),
                "(exporter_address BETWEEN {first:IPv6} AND {last:IPv6} OR exporter_address BETWEEN {first_2:IPv6} AND {last_2:IPv6})",
            ),
            (
                Filter::Exporters(Exporters { of: vec![prefix("192.0.2.0/24")], but: vec![prefix("192.0.2.7")] }),
                "((exporter_address BETWEEN {first:IPv6} AND {last:IPv6}) AND NOT (exporter_address BETWEEN {first_2:IPv6} AND {last_2:IPv6}))",
            ),
            (
                Filter::Interfaces(vec![(Ipv6Addr::LOCALHOST, 7)]),
                "(exporter_address = {exporter:IPv6} AND (in_if = {if_index:UInt32} OR out_if = {if_index:UInt32}))",
            ),
            (Filter::Interface(7), "(in_if = {if_index:UInt32} OR out_if = {if_index:UInt32})"),
        ] {
            let mut parameters = Parameters::default();
            let sql = filter.sql(&mut parameters, |dimension| dimension.column().to_owned());
            assert_eq!(sql, expected);
        }
    }

    #[test]
    fn a_prefix_ends_with_its_last_address() {
        for (text, last) in [
            ("192.0.2.0/24", "::ffff:192.0.2.255"),
            ("192.0.2.1", "::ffff:192.0.2.1"),
            ("2001:db8::/127", "2001:db8::1"),
        ] {
            let mut parameters = Parameters::default();
            let filter = Filter::Exporter(text.parse().expect("a prefix"));
            filter.sql(&mut parameters, |dimension| dimension.column().to_owned());
            assert_eq!(parameters.0[1].value, last, "{text}");
        }
    }
}
