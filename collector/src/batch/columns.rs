//! The columns of the flows table: name, ClickHouse type, codec, meaning, and where a block keeps them.

use netflow::columns::{Address, Labels};
use netflow::text::Text;

use super::Block;

/// One column's cells in a block, by the way they are encoded.
#[derive(Debug, Clone, Copy)]
pub enum Cells<'a> {
    /// `UInt8`.
    U8(&'a [u8]),
    /// `Enum8` with the names of its values 0, 1, 2, ...; a value without a name counts as 0, as ClickHouse fails to read one.
    Enum(&'a [u8], &'static [&'static str]),
    /// `UInt16`.
    U16(&'a [u16]),
    /// `UInt32`.
    U32(&'a [u32]),
    /// `UInt64`.
    U64(&'a [u64]),
    /// `UInt64` that holds a MAC address in its lower 48 bits.
    Mac(&'a [u64]),
    /// `DateTime64(3)`: milliseconds since 1970.
    Millis(&'a [i64]),
    /// `IPv6`: 16 bytes in network order.
    Addr(&'a [Address]),
    /// `LowCardinality(String)`.
    Text(&'a Text),
    /// `Array(UInt32)`.
    Labels(&'a Labels),
}

impl Cells<'_> {
    /// Rows in the column.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::U8(values) | Self::Enum(values, _) => values.len(),
            Self::U16(values) => values.len(),
            Self::U32(values) => values.len(),
            Self::U64(values) | Self::Mac(values) => values.len(),
            Self::Millis(values) => values.len(),
            Self::Addr(values) => values.len(),
            Self::Text(text) => text.keys().len(),
            Self::Labels(labels) => labels.ends.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory a row takes, without the strings and labels themselves.
    #[must_use]
    pub fn width_bytes(&self) -> usize {
        match self {
            Self::U8(_) | Self::Enum(..) => 1,
            Self::U16(_) => 2,
            Self::U32(_) | Self::Text(_) => 4,
            Self::U64(_) | Self::Mac(_) | Self::Millis(_) | Self::Labels(_) => 8,
            Self::Addr(_) => 16,
        }
    }

    /// Bytes of memory the strings or labels take that the rows point to.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match self {
            // A distinct string is kept twice (list and map), each behind a fat pointer.
            Self::Text(text) => text.values().iter().map(|value| 2 * (value.len() + size_of::<Box<str>>())).sum(),
            Self::Labels(labels) => size_of_val(labels.values.as_slice()),
            Self::U8(_)
            | Self::Enum(..)
            | Self::U16(_)
            | Self::U32(_)
            | Self::U64(_)
            | Self::Mac(_)
            | Self::Millis(_)
            | Self::Addr(_) => 0,
        }
    }
}

/// The name of an enumeration's value; that of 0 where the value has none.
#[must_use]
pub fn enum_name(names: &[&'static str], value: u8) -> &'static str {
    names.get(usize::from(value)).or_else(|| names.first()).copied().unwrap_or("")
}

/// One column of the flows table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Name in the table and in JSON rows.
    pub name: &'static str,
    /// ClickHouse type.
    pub kind: &'static str,
    /// Compression codecs, as in the DDL's `CODEC(...)`.
    pub codec: &'static str,
    /// The column's comment in the table.
    pub comment: &'static str,
    /// Where a block keeps it.
    pub cells: for<'a> fn(&'a Block) -> Cells<'a>,
}

/// Names of the `direction` enumeration, by value.
pub const DIRECTIONS: [&str; 3] = ["unknown", "ingress", "egress"];
/// Names of the `sampling_source` enumeration, by value.
pub const SAMPLING_SOURCES: [&str; 5] = ["none", "record", "option", "header", "configuration"];

macro_rules! columns {
    ($($name:literal $kind:literal $codec:literal $variant:ident($($path:ident).+ $(, $names:ident)?) $comment:literal;)*) => {
        /// Every column of the flows table, in table order.
        pub static COLUMNS: &[Column] = &[$(Column {
            name: $name,
            kind: $kind,
            codec: $codec,
            comment: $comment,
            cells: |block| Cells::$variant(&block.$($path).+ $(, &$names)?),
        },)*];
    };
}

columns! {
    "time_received" "DateTime64(3, 'UTC')" "ZSTD(1)" Millis(decoded.flows.received_ms) "When the datagram was received";
    "time_start" "DateTime64(3, 'UTC')" "T64, ZSTD(1)" Millis(decoded.flows.start_ms) "Start of the flow";
    "time_end" "DateTime64(3, 'UTC')" "T64, ZSTD(1)" Millis(decoded.flows.end_ms) "End of the flow";
    "exporter_address" "IPv6" "ZSTD(1)" Addr(decoded.flows.exporter) "Address the datagram came from";
    "exporter_name" "LowCardinality(String)" "ZSTD(1)" Text(exporter_name) "Name of the exporter, from the configuration";
    "observation_domain" "UInt32" "ZSTD(1)" U32(decoded.flows.domain) "Observation domain (IPFIX), source id (v9), engine (v5), sub-agent (sFlow)";
    "version" "UInt8" "ZSTD(1)" U8(decoded.flows.version) "1, 5, 7, 9: NetFlow; 10: IPFIX; 105: sFlow v5";
    "template_id" "UInt16" "T64, ZSTD(1)" U16(decoded.flows.template_id) "Template the record was decoded with; 0 where there are none";
    "src_addr" "IPv6" "ZSTD(1)" Addr(decoded.flows.src_addr) "Source address, IPv4 mapped";
    "dst_addr" "IPv6" "ZSTD(1)" Addr(decoded.flows.dst_addr) "Destination address, IPv4 mapped";
    "src_port" "UInt16" "ZSTD(1)" U16(decoded.flows.src_port) "Source port";
    "dst_port" "UInt16" "ZSTD(1)" U16(decoded.flows.dst_port) "Destination port";
    "protocol" "UInt8" "ZSTD(1)" U8(decoded.flows.protocol) "IP protocol number";
    "tos" "UInt8" "ZSTD(1)" U8(decoded.flows.tos) "TOS or traffic class byte";
    "tcp_flags" "UInt16" "ZSTD(1)" U16(decoded.flows.tcp_flags) "TCP flags seen, ORed";
    "icmp_type" "UInt8" "ZSTD(1)" U8(decoded.flows.icmp_type) "ICMP type";
    "icmp_code" "UInt8" "ZSTD(1)" U8(decoded.flows.icmp_code) "ICMP code";
    "next_hop" "IPv6" "ZSTD(1)" Addr(decoded.flows.next_hop) "Next hop";
    "bgp_next_hop" "IPv6" "ZSTD(1)" Addr(decoded.flows.bgp_next_hop) "BGP next hop";
    "in_if" "UInt32" "T64, ZSTD(1)" U32(decoded.flows.in_if) "Input ifIndex";
    "out_if" "UInt32" "T64, ZSTD(1)" U32(decoded.flows.out_if) "Output ifIndex";
    "src_as" "UInt32" "T64, ZSTD(1)" U32(decoded.flows.src_as) "Source AS, as the exporter says";
    "dst_as" "UInt32" "T64, ZSTD(1)" U32(decoded.flows.dst_as) "Destination AS, as the exporter says";
    "src_prefix_len" "UInt8" "ZSTD(1)" U8(decoded.flows.src_prefix_len) "Source prefix length";
    "dst_prefix_len" "UInt8" "ZSTD(1)" U8(decoded.flows.dst_prefix_len) "Destination prefix length";
    "src_vlan" "UInt16" "ZSTD(1)" U16(decoded.flows.src_vlan) "VLAN of the incoming frame";
    "dst_vlan" "UInt16" "ZSTD(1)" U16(decoded.flows.dst_vlan) "VLAN of the outgoing frame";
    "src_mac" "UInt64" "ZSTD(1)" Mac(decoded.flows.src_mac) "Source MAC address (MACNumToString)";
    "dst_mac" "UInt64" "ZSTD(1)" Mac(decoded.flows.dst_mac) "Destination MAC address (MACNumToString)";
    "direction" "Enum8('unknown' = 0, 'ingress' = 1, 'egress' = 2)" "ZSTD(1)" Enum(decoded.flows.direction, DIRECTIONS) "Where the exporter metered the flow";
    "forwarding_status" "UInt8" "ZSTD(1)" U8(decoded.flows.forwarding_status) "Forwarding status, RFC 7270 4.12";
    "flow_end_reason" "UInt8" "T64, ZSTD(1)" U8(decoded.flows.flow_end_reason) "Flow end reason, information element 136";
    "bytes" "UInt64" "T64, ZSTD(1)" U64(decoded.flows.bytes) "Octets as counted by the exporter";
    "packets" "UInt64" "T64, ZSTD(1)" U64(decoded.flows.packets) "Packets as counted by the exporter";
    "sampling_rate" "UInt64" "T64, ZSTD(1)" U64(decoded.flows.sampling_rate) "One packet in this many was looked at";
    "sampling_source" "Enum8('none' = 0, 'record' = 1, 'option' = 2, 'header' = 3, 'configuration' = 4)" "ZSTD(1)" Enum(decoded.flows.sampling_source, SAMPLING_SOURCES) "Where the sampling rate came from";
    "mpls_labels" "Array(UInt32)" "ZSTD(1)" Labels(decoded.flows.mpls_labels) "MPLS labels, top first";
    "application_id" "UInt64" "ZSTD(1)" U64(decoded.flows.application_id) "Application id, information element 95";
    "application_name" "LowCardinality(String)" "ZSTD(1)" Text(decoded.flows.application_name) "Application name, as the exporter says";
    "post_nat_src_addr" "IPv6" "ZSTD(1)" Addr(decoded.flows.post_nat_src_addr) "Source address after NAT";
    "post_nat_dst_addr" "IPv6" "ZSTD(1)" Addr(decoded.flows.post_nat_dst_addr) "Destination address after NAT";
    "post_nat_src_port" "UInt16" "ZSTD(1)" U16(decoded.flows.post_nat_src_port) "Source port after NAPT";
    "post_nat_dst_port" "UInt16" "ZSTD(1)" U16(decoded.flows.post_nat_dst_port) "Destination port after NAPT";
    "ingress_vrf" "UInt32" "ZSTD(1)" U32(decoded.flows.ingress_vrf) "VRF id of the incoming side";
    "egress_vrf" "UInt32" "ZSTD(1)" U32(decoded.flows.egress_vrf) "VRF id of the outgoing side";
    "src_country" "LowCardinality(String)" "ZSTD(1)" Text(src.country) "Country of the source address";
    "dst_country" "LowCardinality(String)" "ZSTD(1)" Text(dst.country) "Country of the destination address";
    "src_city" "LowCardinality(String)" "ZSTD(1)" Text(src.city) "City of the source address";
    "dst_city" "LowCardinality(String)" "ZSTD(1)" Text(dst.city) "City of the destination address";
    "src_geo_as" "UInt32" "T64, ZSTD(1)" U32(src.asn) "AS of the source address, by GeoIP";
    "dst_geo_as" "UInt32" "T64, ZSTD(1)" U32(dst.asn) "AS of the destination address, by GeoIP";
    "src_as_name" "LowCardinality(String)" "ZSTD(1)" Text(src.as_name) "Name of the source AS, by GeoIP";
    "dst_as_name" "LowCardinality(String)" "ZSTD(1)" Text(dst.as_name) "Name of the destination AS, by GeoIP";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_in_an_enum_type_are_those_of_its_cells() {
        let block = Block::default();
        for column in COLUMNS {
            if let Cells::Enum(_, names) = (column.cells)(&block) {
                let values: Vec<String> =
                    names.iter().enumerate().map(|(value, name)| format!("'{name}' = {value}")).collect();
                assert_eq!(column.kind, format!("Enum8({})", values.join(", ")), "{}", column.name);
            }
        }
    }

    #[test]
    fn column_names_are_distinct() {
        let names: std::collections::BTreeSet<&str> = COLUMNS.iter().map(|column| column.name).collect();
        assert_eq!(names.len(), COLUMNS.len());
    }
}
