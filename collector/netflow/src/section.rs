//! Beginnings of packets that records bring with them (dataLinkFrameSection, ipHeaderPacketSection, mplsLabelStackSection; RFC
//! 5477 section 8.5): they fill the cells that the record has no field for, as the header in a flow sample of sFlow does.

use crate::columns::FlowColumns;
use crate::frame::Packet;
use crate::plan::{Plan, Slot};

/// Completes the rows from `first_row` on.
pub(crate) fn complete(plan: &Plan, first_row: usize, out: &mut FlowColumns) {
    let frames = std::mem::take(&mut out.scratch.frames);
    for (record, frame) in frames.iter().enumerate() {
        let row = first_row.saturating_add(record);
        out.scratch.unopened.extend(frame.unopened);
        if plan.labels.is_empty() {
            out.mpls_labels.set(row, frame.labels());
        }
        if let Some(ethernet) = &frame.ethernet {
            fill(&mut out.src_mac, row, mac(ethernet.source));
            fill(&mut out.dst_mac, row, mac(ethernet.destination));
            fill(&mut out.src_vlan, row, ethernet.vlans().first().copied().unwrap_or(0));
        }
        if let Some(packet) = &frame.inner {
            fill_packet(packet, row, out);
        }
        let of_header = frame.outer.map_or(0, |packet| u64::from(packet.length));
        let told = out.scratch.values(Slot::FrameLength).get(record).copied().unwrap_or(0);
        if !plan.has_bytes {
            fill(&mut out.bytes, row, if told > 0 { told } else { of_header });
        }
        if !plan.has_packets {
            fill(&mut out.packets, row, 1);
        }
    }
    out.scratch.frames = frames;
}

fn fill_packet(packet: &Packet, row: usize, out: &mut FlowColumns) {
    fill(&mut out.src_addr, row, packet.source);
    fill(&mut out.dst_addr, row, packet.destination);
    fill(&mut out.protocol, row, packet.protocol);
    fill(&mut out.tos, row, packet.tos);
    let (source, destination) = packet.ports.unwrap_or((0, 0));
    fill(&mut out.src_port, row, source);
    fill(&mut out.dst_port, row, destination);
    fill(&mut out.tcp_flags, row, packet.tcp_flags.unwrap_or(0));
    let (kind, code) = packet.icmp.unwrap_or((0, 0));
    fill(&mut out.icmp_type, row, kind);
    fill(&mut out.icmp_code, row, code);
}

/// Sets a cell that is empty.
fn fill<T: Default + PartialEq>(column: &mut [T], row: usize, value: T) {
    if let Some(cell) = column.get_mut(row).filter(|cell| **cell == T::default()) {
        *cell = value;
    }
}

fn mac([a, b, c, d, e, f]: [u8; 6]) -> u64 {
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}
