//! Rows of the decoder's columns as flows of the encoders.

use std::net::{IpAddr, Ipv6Addr};

use netflow::FlowColumns;
use netflow::columns::{Address, SamplingSource};
use perf::{Direction, Flow, Template};

/// One row. Its sampling rate is told if it came from the record.
pub(crate) fn flow(columns: &FlowColumns, row: usize) -> Flow {
    let is_recorded = columns.sampling_source[row] == SamplingSource::Record as u8;
    Flow {
        start_ms: Some(columns.start_ms[row]),
        end_ms: Some(columns.end_ms[row]),
        source: address(columns.src_addr[row]),
        destination: address(columns.dst_addr[row]),
        next_hop: address(columns.next_hop[row]),
        bgp_next_hop: address(columns.bgp_next_hop[row]),
        post_nat_source: address(columns.post_nat_src_addr[row]),
        post_nat_destination: address(columns.post_nat_dst_addr[row]),
        source_port: columns.src_port[row],
        destination_port: columns.dst_port[row],
        post_nat_source_port: columns.post_nat_src_port[row],
        post_nat_destination_port: columns.post_nat_dst_port[row],
        protocol: columns.protocol[row],
        tos: columns.tos[row],
        tcp_flags: columns.tcp_flags[row],
        icmp_type: columns.icmp_type[row],
        icmp_code: columns.icmp_code[row],
        input: columns.in_if[row],
        output: columns.out_if[row],
        source_as: columns.src_as[row],
        destination_as: columns.dst_as[row],
        source_prefix: columns.src_prefix_len[row],
        destination_prefix: columns.dst_prefix_len[row],
        source_vlan: columns.src_vlan[row],
        destination_vlan: columns.dst_vlan[row],
        source_mac: columns.src_mac[row],
        destination_mac: columns.dst_mac[row],
        direction: match columns.direction[row] {
            1 => Direction::Ingress,
            2 => Direction::Egress,
            _ => Direction::Unknown,
        },
        forwarding_status: columns.forwarding_status[row],
        end_reason: columns.flow_end_reason[row],
        octets: columns.bytes[row],
        packets: columns.packets[row],
        sampling_rate: if is_recorded { columns.sampling_rate[row] } else { 0 },
        sampler: 0,
        application_id: columns.application_id[row],
        application_name: columns.application_name.get(row).to_owned(),
        ingress_vrf: columns.ingress_vrf[row],
        egress_vrf: columns.egress_vrf[row],
        labels: columns.mpls_labels.get(row).to_vec(),
    }
}

/// A flow as its row tells it: a time that was not told is made of the other, or of the time of receipt; a start told in
/// milliseconds is not later than an end told in seconds; the sampler has no column.
pub(crate) fn told(flow: &Flow, received_ms: i64) -> Flow {
    let (start_ms, end_ms) = match (flow.start_ms, flow.end_ms) {
        (None, None) => (received_ms, received_ms),
        (None, Some(end_ms)) => (end_ms, end_ms),
        (Some(start_ms), end_ms) => (start_ms, end_ms.unwrap_or(received_ms)),
    };
    // An end in whole seconds may be cut off to before its start.
    let end_ms = if (0..1000).contains(&(start_ms - end_ms)) { start_ms } else { end_ms };
    Flow { start_ms: Some(start_ms.min(end_ms)), end_ms: Some(end_ms), sampler: 0, ..flow.clone() }
}

/// A flow without its counts where they are totals, what of them is new depending on the reports before.
pub(crate) fn without_totals(template: &Template, flow: Flow) -> Flow {
    let is_total = |total: u16| template.fields.iter().any(|field| (field.enterprise, field.element) == (0, total));
    Flow {
        octets: if is_total(85) { 0 } else { flow.octets },
        packets: if is_total(86) { 0 } else { flow.packets },
        ..flow
    }
}

/// Unspecified addresses of both versions are none.
fn address(address: Address) -> Option<IpAddr> {
    let six = Ipv6Addr::from(address);
    let address = six.to_ipv4_mapped().map_or(IpAddr::V6(six), IpAddr::V4);
    Some(address).filter(|address| !address.is_unspecified())
}
