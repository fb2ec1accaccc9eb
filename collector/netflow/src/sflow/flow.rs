//! What a flow sample says about its packet, gathered from its records, and its row in the columns.
//!
//! A row is the innermost IP packet that can be read: of a tunnel's packet that is the one inside, whose addresses are what
//! the tunnel is there for. MAC addresses, VLAN and MPLS labels are those of the outside, and the octets are those of the frame on
//! the wire. Of several records that say the same thing the first counts; a packet's header counts before its numbers.

use super::beside::Beside;
use super::record::{Ethernet, FlowData, Gateway, Ip, Router, Switch, Unread};
use super::sample::{Detail, Interface, Sample};
use super::xdr::numbers;
use crate::columns::{Address, FlowColumns, SamplingSource};
use crate::frame::{Frame, Packet};
use crate::report::{Event, Report};

/// Forwarding status "dropped, reason unknown" (RFC 7270 section 4.12).
const DROPPED: u8 = 0x80;

/// The records of a flow sample that columns are made of.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SampledFlow<'a> {
    /// Octets of the frame, if its header was sampled.
    octets: Option<u32>,
    /// What the header says; empty otherwise.
    frame: Frame,
    /// The frame as far as it was sampled.
    bytes: &'a [u8],
    ethernet: Option<Ethernet>,
    ip: Option<Ip>,
    switch: Option<Switch>,
    router: Option<Router>,
    border: Option<Border>,
    /// What few exporters say.
    beside: Option<Beside<'a>>,
}

/// What columns take of an `extended_gateway`.
#[derive(Debug, Clone, Copy)]
struct Border {
    next_hop: Address,
    source_as: u32,
    /// The end of the AS path; 0 if it is empty.
    destination_as: u32,
}

impl<'a> SampledFlow<'a> {
    /// Reads the records of a flow sample, and counts those of no use. What it had before is forgotten; it is written in place, for
    /// moving it costs as much as reading.
    pub(crate) fn read(&mut self, sample: &Sample<'a>, report: &mut Report) {
        self.clear();
        let mut records = sample.records();
        for record in records.by_ref() {
            match FlowData::read(&record) {
                Ok(data) => self.take(data, report),
                Err(Unread::Unknown) => report.count(Event::SampleRecordUnknown),
                Err(Unread::Unused) => report.count(Event::SampleRecordUnused),
                Err(Unread::Short) => report.count(Event::SampleRecordTooShort),
            }
        }
        if records.is_truncated() {
            report.count(Event::SampleRecordTruncated);
        }
        report.count(Event::FlowRecord);
        if let Some(beside) = &self.beside {
            beside.open(self.bytes, &mut self.frame);
        }
        if let Some(unopened) = self.frame.unopened {
            report.count_unopened(unopened);
        }
        if matches!(sample.detail, Detail::Flow { rate: 0, .. }) {
            report.count(Event::SamplingRateZero);
        }
    }

    fn clear(&mut self) {
        self.frame.clear();
        (self.octets, self.bytes) = (None, &[]);
        (self.ethernet, self.ip, self.switch, self.router) = (None, None, None, None);
        (self.border, self.beside) = (None, None);
    }

    fn take(&mut self, data: FlowData<'a>, report: &mut Report) {
        match data {
            FlowData::Header(header) => {
                if header.is_short() {
                    report.count(Event::SampleRecordTooShort);
                }
                if self.octets.is_none() {
                    (self.octets, self.bytes) = (Some(header.frame_length), header.bytes);
                    header.fill(&mut self.frame);
                }
            }
            FlowData::Ethernet(ethernet) => self.ethernet = self.ethernet.or(Some(ethernet)),
            FlowData::Ip(ip) => self.ip = self.ip.or(Some(ip)),
            FlowData::Switch(switch) => self.switch = self.switch.or(Some(switch)),
            FlowData::Router(router) => self.router = self.router.or(Some(router)),
            FlowData::Gateway(gateway) => self.border = self.border.or_else(|| Some(Border::of(&gateway))),
            FlowData::Users(users) => {
                self.beside().users.get_or_insert(users);
            }
            FlowData::Nat(nat) => {
                self.beside().nat.get_or_insert(nat);
            }
            FlowData::NatPorts(source, destination) => {
                self.beside().nat_ports.get_or_insert((source, destination));
            }
            FlowData::Mpls(mpls) => {
                self.beside().mpls.get_or_insert(mpls);
            }
            FlowData::Tags(tags) => {
                self.beside().tags.get_or_insert(tags);
            }
            FlowData::Inside(offset) => {
                self.beside().inside.get_or_insert(offset);
            }
            FlowData::Url(..)
            | FlowData::MplsTunnel(..)
            | FlowData::MplsCircuit(..)
            | FlowData::MplsClass(..)
            | FlowData::MplsPrefix(_)
            | FlowData::TunnelEthernet(_)
            | FlowData::TunnelIp(_)
            | FlowData::VirtualNetwork(_)
            | FlowData::Queue(_)
            | FlowData::Acl(..)
            | FlowData::Function(_) => {}
        }
    }

    fn beside(&mut self) -> &mut Beside<'a> {
        self.beside.get_or_insert_default()
    }

    /// Writes the row of a flow sample; all its cells are zero before. Rows are written in ascending order.
    pub(crate) fn write(&self, sample: &Sample<'_>, row: usize, out: &mut FlowColumns) {
        let header = &sample.header;
        set(&mut out.received_ms, row, header.received_ms);
        set(&mut out.start_ms, row, header.received_ms);
        set(&mut out.end_ms, row, header.received_ms);
        set(&mut out.exporter, row, header.exporter);
        // Mostly it is the same, and then the column of agents stays unwritten.
        if header.device() != header.exporter {
            set(&mut out.agent, row, header.device());
        }
        set(&mut out.domain, row, header.sub_agent);
        set(&mut out.version, row, header.version_number());
        set(&mut out.packets, row, 1);
        self.write_sampling(sample, row, out);
        self.write_link(row, out);
        self.write_routes(row, out);
        match (&self.frame.inner, &self.ip) {
            (Some(packet), _) => write_packet(packet, row, out),
            (None, Some(ip)) => write_ip(ip, row, out),
            (None, None) => {}
        }
        if let Some(beside) = &self.beside {
            beside.write(row, out);
        }
    }

    fn write_sampling(&self, sample: &Sample<'_>, row: usize, out: &mut FlowColumns) {
        let Detail::Flow { rate, input, output, .. } = sample.detail else { return };
        let source = if rate == 0 { SamplingSource::None } else { SamplingSource::Record };
        set(&mut out.sampling_rate, row, u64::from(rate.max(1)));
        set(&mut out.sampling_source, row, source as u8);
        set(&mut out.in_if, row, index(input));
        set(&mut out.out_if, row, index(output));
        if output.format == 1 {
            set(&mut out.forwarding_status, row, DROPPED);
        }
        set(&mut out.direction, row, direction(sample, input, output));
    }

    /// Octets, MAC addresses, VLANs and labels.
    fn write_link(&self, row: usize, out: &mut FlowColumns) {
        // Those of the frame, whichever record tells them; those of the packet alone where none does.
        let lengths = [self.octets, self.ethernet.map(|ethernet| ethernet.length), self.ip.map(|ip| ip.length)];
        let octets = lengths.into_iter().flatten().find(|length| *length > 0).unwrap_or(0);
        set(&mut out.bytes, row, u64::from(octets));
        let header = self.frame.ethernet.as_ref();
        let macs = header.map(|header| (header.source, header.destination));
        let macs = macs.or_else(|| self.ethernet.map(|ethernet| (ethernet.source, ethernet.destination)));
        if let Some((source, destination)) = macs {
            set(&mut out.src_mac, row, mac(source));
            set(&mut out.dst_mac, row, mac(destination));
        }
        // What the switch says about VLANs holds also where the sampled frame has no tag; a tag that was taken off was outside of
        // those that are there.
        let tag = header.and_then(|header| header.vlans().first()).copied().unwrap_or(0);
        let tag = self.beside.as_ref().and_then(Beside::vlan).unwrap_or(tag);
        let (source_vlan, destination_vlan) =
            self.switch.map_or((0, 0), |switch| (vlan(switch.source_vlan), vlan(switch.destination_vlan)));
        set(&mut out.src_vlan, row, if source_vlan == 0 { tag } else { source_vlan });
        set(&mut out.dst_vlan, row, destination_vlan);
        out.mpls_labels.set(row, self.frame.labels());
    }

    fn write_routes(&self, row: usize, out: &mut FlowColumns) {
        if let Some(router) = self.router {
            set(&mut out.next_hop, row, router.next_hop);
            set(&mut out.src_prefix_len, row, router.source_prefix as u8);
            set(&mut out.dst_prefix_len, row, router.destination_prefix as u8);
        }
        if let Some(border) = self.border {
            set(&mut out.bgp_next_hop, row, border.next_hop);
            set(&mut out.src_as, row, border.source_as);
            set(&mut out.dst_as, row, border.destination_as);
        }
    }
}

impl Border {
    fn of(gateway: &Gateway<'_>) -> Self {
        let destination_as = gateway.path().filter_map(|(_, segment)| numbers(segment).last()).last().unwrap_or(0);
        Self { next_hop: gateway.next_hop, source_as: gateway.source_as, destination_as }
    }
}

fn write_packet(packet: &Packet, row: usize, out: &mut FlowColumns) {
    set(&mut out.src_addr, row, packet.source);
    set(&mut out.dst_addr, row, packet.destination);
    set(&mut out.protocol, row, packet.protocol);
    set(&mut out.tos, row, packet.tos);
    if let Some((source, destination)) = packet.ports {
        set(&mut out.src_port, row, source);
        set(&mut out.dst_port, row, destination);
    }
    set(&mut out.tcp_flags, row, packet.tcp_flags.unwrap_or(0));
    if let Some((kind, code)) = packet.icmp {
        set(&mut out.icmp_type, row, kind);
        set(&mut out.icmp_code, row, code);
    }
}

fn write_ip(ip: &Ip, row: usize, out: &mut FlowColumns) {
    set(&mut out.src_addr, row, ip.source);
    set(&mut out.dst_addr, row, ip.destination);
    set(&mut out.protocol, row, ip.protocol as u8);
    set(&mut out.tos, row, ip.tos as u8);
    set(&mut out.src_port, row, ip.source_port as u16);
    set(&mut out.dst_port, row, ip.destination_port as u16);
    set(&mut out.tcp_flags, row, ip.tcp_flags as u16);
}

pub(super) fn set<T>(column: &mut [T], row: usize, value: T) {
    if let Some(cell) = column.get_mut(row) {
        *cell = value;
    }
}

/// The index of an interface; 0 where the packet was discarded or went to several.
fn index(interface: Interface) -> u32 {
    if interface.format == 0 { interface.value } else { 0 }
}

/// The sampler sits on the interface that is the data source: where the packet came in, or where it went out.
fn direction(sample: &Sample<'_>, input: Interface, output: Interface) -> u8 {
    let is_source =
        |interface| sample.source_type == 0 && sample.source_index > 0 && index(interface) == sample.source_index;
    match (is_source(input), is_source(output)) {
        (true, false) => 1,
        (false, true) => 2,
        _ => 0,
    }
}

/// The id of a VLAN; the agents' word for an unknown one, all ones, is none.
fn vlan(number: u32) -> u16 {
    if number < 4096 { number as u16 } else { 0 }
}

fn mac([a, b, c, d, e, f]: [u8; 6]) -> u64 {
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}
