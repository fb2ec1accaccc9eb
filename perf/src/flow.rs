//! A flow as everybody must see it, whatever protocol carries it.

use std::net::IpAddr;

/// On which side of an interface a flow was metered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Nobody said.
    #[default]
    Unknown,
    /// As it came in.
    Ingress,
    /// As it went out.
    Egress,
}

/// One flow record. What is zero, empty or `None` was not said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flow {
    /// Start, milliseconds since 1970.
    pub start_ms: Option<i64>,
    /// End, milliseconds since 1970.
    pub end_ms: Option<i64>,
    /// Source address.
    pub source: Option<IpAddr>,
    /// Destination address.
    pub destination: Option<IpAddr>,
    /// Next hop.
    pub next_hop: Option<IpAddr>,
    /// BGP next hop.
    pub bgp_next_hop: Option<IpAddr>,
    /// Source address after translation.
    pub post_nat_source: Option<IpAddr>,
    /// Destination address after translation.
    pub post_nat_destination: Option<IpAddr>,
    /// Source port.
    pub source_port: u16,
    /// Destination port; of ICMP type * 256 + code, by Cisco's custom.
    pub destination_port: u16,
    /// Source port after translation.
    pub post_nat_source_port: u16,
    /// Destination port after translation.
    pub post_nat_destination_port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// IPv4 TOS or IPv6 traffic class byte.
    pub tos: u8,
    /// TCP flags seen.
    pub tcp_flags: u16,
    /// ICMP or ICMPv6 type.
    pub icmp_type: u8,
    /// ICMP or ICMPv6 code.
    pub icmp_code: u8,
    /// Input interface index.
    pub input: u32,
    /// Output interface index.
    pub output: u32,
    /// Source AS.
    pub source_as: u32,
    /// Destination AS.
    pub destination_as: u32,
    /// Source prefix length.
    pub source_prefix: u8,
    /// Destination prefix length.
    pub destination_prefix: u8,
    /// VLAN on the way in.
    pub source_vlan: u16,
    /// VLAN on the way out.
    pub destination_vlan: u16,
    /// Source MAC address, in the lower 48 bits.
    pub source_mac: u64,
    /// Destination MAC address, in the lower 48 bits.
    pub destination_mac: u64,
    /// Where it was metered.
    pub direction: Direction,
    /// Forwarding status (RFC 7270 section 4.12).
    pub forwarding_status: u8,
    /// Why the flow ended (element 136).
    pub end_reason: u8,
    /// Octets as counted, not multiplied.
    pub octets: u64,
    /// Packets as counted, not multiplied.
    pub packets: u64,
    /// One packet in this many was looked at, as the record itself says; 0 where it does not.
    pub sampling_rate: u64,
    /// Sampler (element 48) or selector (302); 0 where it does not say.
    pub sampler: u64,
    /// Application id (element 95).
    pub application_id: u64,
    /// Application name (element 96).
    pub application_name: String,
    /// VRF of the incoming side.
    pub ingress_vrf: u32,
    /// VRF of the outgoing side.
    pub egress_vrf: u32,
    /// MPLS labels, top first.
    pub labels: Vec<u32>,
}

/// ICMP or ICMPv6.
#[must_use]
pub fn is_icmp(protocol: u8) -> bool {
    matches!(protocol, 1 | 58)
}
