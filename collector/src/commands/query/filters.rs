//! The flags that narrow a question down to some of the traffic.

use clap::Args;

use crate::prefix::Prefix;
use crate::query::{End, Filter, InterfaceName, country_code};

/// Which traffic counts: all that meets every one that is given.
#[derive(Debug, Args, Default)]
pub(super) struct Filters {
    /// Only traffic over this interface, in or out, by its ifIndex or its name
    #[arg(long, value_name = "INTERFACE", help_heading = "Filters")]
    pub(super) interface: Option<InterfaceName>,
    /// Only with an address of this prefix at either end
    #[arg(long, value_name = "PREFIX", help_heading = "Filters")]
    address: Option<Prefix>,
    /// Only from this prefix
    #[arg(long, value_name = "PREFIX", help_heading = "Filters")]
    src: Option<Prefix>,
    /// Only to this prefix
    #[arg(long, value_name = "PREFIX", help_heading = "Filters")]
    dst: Option<Prefix>,
    /// Only with this port at either end
    #[arg(long, value_name = "PORT", help_heading = "Filters")]
    port: Option<u16>,
    /// Only from this port
    #[arg(long, value_name = "PORT", help_heading = "Filters")]
    src_port: Option<u16>,
    /// Only to this port
    #[arg(long, value_name = "PORT", help_heading = "Filters")]
    dst_port: Option<u16>,
    /// Only this protocol: tcp, udp, icmp, icmp6, sctp, gre, esp, or its number
    #[arg(long, value_name = "PROTOCOL", value_parser = protocol, help_heading = "Filters")]
    protocol: Option<u8>,
    /// Only with this AS at either end
    #[arg(long = "as", value_name = "AS", value_parser = asn, help_heading = "Filters")]
    either_as: Option<u32>,
    /// Only from this AS
    #[arg(long, value_name = "AS", value_parser = asn, help_heading = "Filters")]
    src_as: Option<u32>,
    /// Only to this AS
    #[arg(long, value_name = "AS", value_parser = asn, help_heading = "Filters")]
    dst_as: Option<u32>,
    /// Only with this country at either end, by its code or name: DE, deu, Germany; "unknown" for none
    #[arg(long, value_name = "COUNTRY", value_parser = country_code, help_heading = "Filters")]
    country: Option<String>,
    /// Only with this network at either end
    #[arg(long, value_name = "NAME", help_heading = "Filters")]
    network: Option<String>,
    /// Only with this customer at either end
    #[arg(long, value_name = "NAME", help_heading = "Filters")]
    customer: Option<String>,
}

impl Filters {
    /// Those that were given.
    pub(super) fn all(&self) -> Vec<Filter> {
        let of = |filter: Option<Filter>| filter;
        let text = |text: &Option<String>, filter: fn(End, String) -> Filter| {
            text.clone().map(|text| filter(End::Either, text))
        };
        [
            of(self.address.map(|prefix| Filter::Address(End::Either, prefix))),
            of(self.src.map(|prefix| Filter::Address(End::Src, prefix))),
            of(self.dst.map(|prefix| Filter::Address(End::Dst, prefix))),
            of(self.port.map(|port| Filter::Port(End::Either, port))),
            of(self.src_port.map(|port| Filter::Port(End::Src, port))),
            of(self.dst_port.map(|port| Filter::Port(End::Dst, port))),
            of(self.protocol.map(Filter::Protocol)),
            of(self.either_as.map(|asn| Filter::As(End::Either, asn))),
            of(self.src_as.map(|asn| Filter::As(End::Src, asn))),
            of(self.dst_as.map(|asn| Filter::As(End::Dst, asn))),
            text(&self.country, Filter::Country),
            text(&self.network, Filter::Network),
            text(&self.customer, Filter::Customer),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn protocol(text: &str) -> Result<u8, String> {
    let known =
        [("tcp", 6), ("udp", 17), ("icmp", 1), ("icmp6", 58), ("sctp", 132), ("gre", 47), ("esp", 50), ("ospf", 89)];
    let named = known.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, number)| *number);
    named
        .or_else(|| text.parse().ok())
        .ok_or_else(|| "write tcp, udp, icmp, icmp6, sctp, gre, esp, ospf, or a number up to 255".to_owned())
}

fn asn(text: &str) -> Result<u32, String> {
    let digits = if text.len() > 2 && text.is_char_boundary(2) && text[..2].eq_ignore_ascii_case("as") {
        &text[2..]
    } else {
        text
    };
    digits.parse().map_err(|_| "write 64500 or AS64500".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_and_systems_are_read_as_people_write_them() {
        for (text, expected) in [("AS64500", Some(64500)), ("as1", Some(1)), ("7", Some(7)), ("AS", None), ("é7", None)]
        {
            assert_eq!(asn(text).ok(), expected, "{text}");
        }
        assert_eq!((protocol("TCP").ok(), protocol("47").ok(), protocol("256").ok()), (Some(6), Some(47), None));
    }
}
