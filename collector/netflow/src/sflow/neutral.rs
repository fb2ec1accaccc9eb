//! Samples as names and values, for tools and tests.
//!
//! The fields of a sample are what it says: of its packet the outermost IP header. [`flow`] is what was concluded from it.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::beside::Beside;
use super::record::{Ethernet, FlowData, Gateway, Header, Ip, Mpls, Nat, Router, Switch, Users};
use super::records::Record;
use super::sample::{Detail, Interface, Kind, Sample};
use super::structures;
use super::xdr::{Reader, numbers};
use crate::columns::Address;
use crate::frame::{Frame, Packet};
use crate::neutral::{Names, Object, Value};

/// The fields of a sample by name, its records as a list of objects at the end.
pub(crate) fn fields<'a>(sample: &Sample<'a>, names: Names) -> Object<'a> {
    let mut fields = vec![
        ("sampleSeq", number(sample.sequence)),
        ("sourceIdType", number(sample.source_type)),
        ("sourceIdIndex", number(sample.source_index)),
    ];
    match sample.detail {
        Detail::Flow { rate, pool, drops, input, output } => {
            let numbers = [("samplingRate", rate), ("samplePool", pool), ("drops", drops)];
            fields.extend(numbers.map(|(name, value)| (name, number(value))));
            fields.extend(interface(["inputFormat", "input"], input));
            fields.extend(interface(["outputFormat", "output"], output));
        }
        Detail::Counter => {}
        Detail::Drop { drops, input, output, reason } => {
            let numbers = [("drops", drops), ("input", input), ("output", output), ("reason", reason)];
            fields.extend(numbers.map(|(name, value)| (name, number(value))));
        }
    }
    let kind = sample.kind();
    let records = sample.records().map(|record| Value::Object(record_fields(kind, &record, names)));
    fields.push(("records", Value::List(records.collect())));
    fields
}

/// The flow that a flow sample's row tells, where it is another than the outermost IP header: inside of a tunnel, under MPLS labels,
/// or behind IPv6 extension headers.
pub(crate) fn flow<'a>(sample: &Sample<'a>) -> Option<Object<'a>> {
    let data = || sample.records().filter_map(|record| FlowData::read(&record).ok());
    let header = data().find_map(|data| if let FlowData::Header(header) = data { Some(header) } else { None })?;
    let inside = data().find_map(|data| if let FlowData::Inside(offset) = data { Some(offset) } else { None });
    let mut frame = header.frame();
    Beside { inside, ..Beside::default() }.open(header.bytes, &mut frame);
    let packet = frame.inner?;
    if frame.outer == frame.inner && frame.labels().is_empty() && packet.next_header == packet.protocol {
        return None;
    }
    let mut fields = Vec::new();
    if !frame.labels().is_empty() {
        fields.push(("mplsLabels", list(frame.labels().iter().copied())));
    }
    fields.extend(packet_fields(&packet));
    fields.retain(|(name, _)| *name != "proto");
    fields.push(("proto", number(packet.protocol)));
    fields.extend(transport_fields(&packet));
    if let Some((kind, code)) = packet.icmp {
        fields.extend([("icmpType", number(kind)), ("icmpCode", number(code))]);
    }
    Some(fields)
}

fn record_fields<'a>(kind: Kind, record: &Record<'a>, names: Names) -> Object<'a> {
    let name = format!("{}/{}", record.enterprise(), record.format());
    let length = u64::try_from(record.bytes.len()).unwrap_or(u64::MAX);
    let mut fields = vec![("type", Value::Text(Cow::Owned(name))), ("length", Value::Unsigned(length))];
    let structure = structures::name(kind, record.enterprise(), record.format());
    fields.extend(structure.filter(|_| names == Names::Vendors).map(|name| ("structure", text(name.as_bytes()))));
    let known = match kind {
        Kind::Flow | Kind::Drop => FlowData::read(record).ok().map(data_fields),
        Kind::Counter if record.data_format == 1 => interface_counters(record.bytes),
        Kind::Counter => None,
    };
    fields.extend(known.unwrap_or_else(|| vec![("hex", Value::Bytes(record.bytes))]));
    fields
}

fn data_fields(data: FlowData<'_>) -> Object<'_> {
    match data {
        FlowData::Header(header) => header_fields(&header),
        FlowData::Ethernet(ethernet) => ethernet_fields(&ethernet),
        FlowData::Ip(ip) => ip_fields(&ip),
        FlowData::Switch(Switch { source_vlan, source_priority, destination_vlan, destination_priority }) => vec![
            ("srcVlan", number(source_vlan)),
            ("srcPriority", number(source_priority)),
            ("dstVlan", number(destination_vlan)),
            ("dstPriority", number(destination_priority)),
        ],
        FlowData::Router(Router { next_hop, source_prefix, destination_prefix }) => vec![
            ("nextHop", address(next_hop)),
            ("srcMaskLen", number(source_prefix)),
            ("dstMaskLen", number(destination_prefix)),
        ],
        FlowData::Gateway(gateway) => gateway_fields(&gateway),
        FlowData::Users(Users { source, destination }) => {
            vec![("srcUser", text(source)), ("dstUser", text(destination))]
        }
        FlowData::Url(direction, url, host) => {
            vec![("direction", number(direction)), ("url", text(url)), ("host", text(host))]
        }
        FlowData::Mpls(Mpls { next_hop, incoming, outgoing }) => vec![
            ("nextHop", address(next_hop)),
            ("inLabels", list(numbers(incoming).map(|entry| entry >> 12))),
            ("outLabels", list(numbers(outgoing).map(|entry| entry >> 12))),
        ],
        FlowData::Nat(Nat { source, destination }) => {
            vec![("srcAddress", address(source)), ("dstAddress", address(destination))]
        }
        FlowData::NatPorts(source, destination) => {
            vec![("srcPort", number(source)), ("dstPort", number(destination))]
        }
        FlowData::MplsTunnel(name, id, service) => {
            vec![("tunnelLspName", text(name)), ("tunnelId", number(id)), ("tunnelCos", number(service))]
        }
        FlowData::MplsCircuit(name, id, service) => {
            vec![("vcInstanceName", text(name)), ("vllVcId", number(id)), ("vcLabelCos", number(service))]
        }
        FlowData::MplsClass(name, mask) => vec![("mplsFTNDescr", text(name)), ("mplsFTNMask", number(mask))],
        FlowData::MplsPrefix(length) => vec![("mplsFecAddrPrefixLength", number(length))],
        FlowData::Tags(tags) => vec![
            ("tpids", list(numbers(tags).map(|tag| tag >> 16))),
            ("vlans", list(numbers(tags).map(|tag| tag & 0x0fff))),
        ],
        FlowData::TunnelEthernet(ethernet) => ethernet_fields(&ethernet),
        FlowData::TunnelIp(ip) => ip_fields(&ip),
        FlowData::Inside(offset) => vec![("innerHeaderOffset", number(offset))],
        FlowData::VirtualNetwork(vni) => vec![("vni", number(vni))],
        FlowData::Queue(queue) => vec![("queue", number(queue))],
        FlowData::Acl(acl, name, direction) => {
            vec![("number", number(acl)), ("name", text(name)), ("direction", number(direction))]
        }
        FlowData::Function(symbol) => vec![("symbol", text(symbol))],
    }
}

fn ethernet_fields<'a>(ethernet: &Ethernet) -> Object<'a> {
    vec![
        ("frameLength", number(ethernet.length)),
        ("srcMac", Value::Mac(ethernet.source)),
        ("dstMac", Value::Mac(ethernet.destination)),
        ("etherType", number(ethernet.ether_type)),
    ]
}

fn header_fields<'a>(header: &Header<'a>) -> Object<'a> {
    let mut fields = vec![
        ("headerProtocol", number(header.protocol)),
        ("frameLength", number(header.frame_length)),
        ("stripped", number(header.stripped)),
        ("headerLength", number(header.length)),
    ];
    let frame: Frame = header.frame();
    if let Some(ethernet) = &frame.ethernet {
        fields.extend([
            ("dstMac", Value::Mac(ethernet.destination)),
            ("srcMac", Value::Mac(ethernet.source)),
            ("etherType", number(ethernet.ether_type)),
        ]);
        if !ethernet.vlans().is_empty() {
            fields.push(("vlans", list(ethernet.vlans().iter().copied().map(u32::from))));
        }
    }
    if let Some(packet) = frame.outer.filter(|_| frame.labels().is_empty()) {
        fields.extend(packet_fields(&packet));
        if packet.next_header == packet.protocol {
            fields.extend(transport_fields(&packet));
        }
    }
    fields
}

fn packet_fields<'a>(packet: &Packet) -> Object<'a> {
    let mut fields = vec![
        ("srcIp", ip(packet.is_ipv6, packet.source)),
        ("dstIp", ip(packet.is_ipv6, packet.destination)),
        ("proto", number(packet.next_header)),
    ];
    if !packet.is_ipv6 {
        fields.push(("tos", number(packet.tos)));
    }
    fields.extend([("ttl", number(packet.ttl)), ("ipLen", number(packet.length))]);
    fields
}

fn transport_fields<'a>(packet: &Packet) -> Object<'a> {
    let mut fields = Vec::new();
    if let Some((source, destination)) = packet.ports {
        fields.extend([("srcPort", number(source)), ("dstPort", number(destination))]);
    }
    fields.extend(packet.tcp_flags.map(|flags| ("tcpFlags", number(flags))));
    fields
}

fn ip_fields<'a>(sampled: &Ip) -> Object<'a> {
    vec![
        ("ipLen", number(sampled.length)),
        ("proto", number(sampled.protocol)),
        ("srcIp", ip(sampled.is_ipv6, sampled.source)),
        ("dstIp", ip(sampled.is_ipv6, sampled.destination)),
        ("srcPort", number(sampled.source_port)),
        ("dstPort", number(sampled.destination_port)),
        ("tcpFlags", number(sampled.tcp_flags)),
        (if sampled.is_ipv6 { "priority" } else { "tos" }, number(sampled.tos)),
    ]
}

fn gateway_fields<'a>(gateway: &Gateway<'a>) -> Object<'a> {
    let segment =
        |(kind, path): (u32, &'a [u8])| Value::Object(vec![("type", number(kind)), ("as", list(numbers(path)))]);
    vec![
        ("nextHop", address(gateway.next_hop)),
        ("as", number(gateway.own_as)),
        ("srcAs", number(gateway.source_as)),
        ("srcPeerAs", number(gateway.source_peer_as)),
        ("dstAsPath", Value::List(gateway.path().map(segment).collect())),
        ("communities", list(numbers(gateway.communities))),
        ("localPref", number(gateway.local_preference)),
    ]
}

/// Counters of an interface (`if_counters`, after the interfaces group of RFC 2233).
fn interface_counters<'a>(bytes: &[u8]) -> Option<Object<'a>> {
    const NAMES: [&str; 19] = [
        "ifIndex",
        "ifType",
        "ifSpeed",
        "ifDirection",
        "ifStatus",
        "ifInOctets",
        "ifInUcastPkts",
        "ifInMulticastPkts",
        "ifInBroadcastPkts",
        "ifInDiscards",
        "ifInErrors",
        "ifInUnknownProtos",
        "ifOutOctets",
        "ifOutUcastPkts",
        "ifOutMulticastPkts",
        "ifOutBroadcastPkts",
        "ifOutDiscards",
        "ifOutErrors",
        "ifPromiscuousMode",
    ];
    let mut reader = Reader::new(bytes);
    let value = |name: &'static str| {
        let is_wide = matches!(name, "ifSpeed" | "ifInOctets" | "ifOutOctets");
        let value = if is_wide { reader.double_word() } else { reader.word().map(u64::from) };
        Some((name, Value::Unsigned(value?)))
    };
    NAMES.into_iter().map(value).collect()
}

fn interface<'a>([format, value]: [&'static str; 2], interface: Interface) -> [(&'static str, Value<'a>); 2] {
    [(format, number(interface.format)), (value, number(interface.value))]
}

fn number<'a>(value: impl Into<u64>) -> Value<'a> {
    Value::Unsigned(value.into())
}

fn list<'a>(values: impl Iterator<Item = u32>) -> Value<'a> {
    Value::List(values.map(number).collect())
}

fn text(bytes: &[u8]) -> Value<'_> {
    Value::Text(String::from_utf8_lossy(bytes))
}

fn ip<'a>(is_ipv6: bool, value: Address) -> Value<'a> {
    if is_ipv6 { Value::Ipv6(Ipv6Addr::from(value)) } else { address(value) }
}

/// An address that says by itself which kind it is.
fn address<'a>(value: Address) -> Value<'a> {
    let value = Ipv6Addr::from(value);
    value.to_ipv4_mapped().map_or(Value::Ipv6(value), Value::Ipv4)
}
