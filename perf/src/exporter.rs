//! A model of an exporter: datagrams one after the other, and exactly what each holds.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::announce::{self, Form, Scope};
use crate::classic::{self, Version};
use crate::clock::Clock;
use crate::device::Device;
use crate::flow::Flow;
use crate::frame::{Wrap, frame, visible};
use crate::random::Random;
use crate::record::{carried, values};
use crate::sflow::{self, Sampler};
use crate::template::{self, Protocol, Template, Value};
use crate::traffic::Traffic;

/// The id of the options template in which a sampling rate is announced.
const SAMPLING_ID: u16 = 999;
/// The interface that an sFlow agent samples: its one data source, as samples are numbered by data source.
pub const DATA_SOURCE: u32 = 1;
/// The longest UDP payload over IPv4.
const MOST_PAYLOAD_BYTES: usize = 65_507;

/// Which exporter, and how it behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its address: the source of its datagrams.
    pub address: IpAddr,
    /// Observation domain, source id or sub-agent; of NetFlow v5 the low 16 bits, engine type and id.
    pub domain: u32,
    /// What it is.
    pub device: Device,
    /// Which flows it sees.
    pub seed: u64,
    /// Most flow records in a datagram.
    pub records: usize,
    /// A datagram in this many brings the templates, the first among them; 0: none ever does.
    pub template_every: u64,
    /// One packet in this many is looked at; 1: all.
    pub sampling: u32,
    /// When the first datagram is exported, milliseconds since 1970.
    pub start_ms: i64,
    /// Between two datagrams, milliseconds.
    pub step_ms: u32,
    /// How long it has been up before, milliseconds.
    pub uptime_ms: u64,
}

/// One datagram, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The UDP payload.
    pub payload: Vec<u8>,
    /// The flow records, as a collector must see them.
    pub flows: Vec<Flow>,
    /// What the header says: flows (v5, v7), datagrams (v9, sFlow) or data records (IPFIX) before this one. 0 in v1.
    pub sequence: u32,
    /// By how much the next sequence number is greater.
    pub counts: u32,
    /// Options data records in it.
    pub options: u32,
    /// Whether it brings templates.
    pub has_templates: bool,
    /// The rate that holds for its flows; 1 where it says none.
    pub sampling: u32,
    /// The time of the export.
    pub clock: Clock,
    /// How often the exporter had started anew before.
    pub restarts: u32,
}

/// An exporter: an endless stream of datagrams.
#[derive(Debug, Clone)]
pub struct Exporter {
    settings: Settings,
    templates: Vec<Template>,
    traffic: Traffic,
    random: Random,
    clock: Clock,
    sent: u64,
    sequence: u32,
    samples: u32,
    restarts: u32,
    most_bytes: usize,
    /// Flows for which the datagram before had no room.
    pending: VecDeque<Flow>,
    next_part: usize,
}

impl Exporter {
    /// An exporter that has sent nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            templates: settings.device.templates(),
            traffic: Traffic::new(settings.seed, settings.device.has_ipv6()),
            random: Random::new(!settings.seed),
            clock: Clock { export_ms: settings.start_ms, uptime_ms: settings.uptime_ms },
            sent: 0,
            sequence: 0,
            samples: 0,
            restarts: 0,
            most_bytes: MOST_PAYLOAD_BYTES,
            pending: VecDeque::new(),
            next_part: 0,
            settings,
        }
    }

    /// The same with so many templates, used in turn: for IPv4 and for IPv6 flows by turns, so that with one it sees IPv4 alone.
    /// Those of protocols without templates stay without.
    #[must_use]
    pub fn with_templates(mut self, count: usize) -> Self {
        self.templates = self.settings.device.so_many_templates(count);
        if self.templates.len() == 1 {
            self.traffic = Traffic::new(self.settings.seed, false);
        }
        self
    }

    /// The same with payloads of at most so many bytes, 1000 at least: what does not fit goes into the next datagram, templates
    /// too.
    #[must_use]
    pub fn with_payload(mut self, most_bytes: usize) -> Self {
        self.most_bytes = most_bytes.clamp(1000, MOST_PAYLOAD_BYTES);
        self
    }

    /// Which exporter it is.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Starts anew: uptime and sequence numbers begin at 0, the next datagram brings the templates.
    pub fn restart(&mut self) {
        self.clock.uptime_ms = u64::from(self.settings.step_ms);
        (self.sent, self.sequence, self.samples, self.next_part) = (0, 0, 0, 0);
        self.restarts += 1;
    }

    /// Datagrams that bring all templates and no flow, as many as their lengths make necessary; none where the protocol has no
    /// templates. They count for the sequence and not for when templates come the next time.
    pub fn announce(&mut self) -> Vec<Exported> {
        let Some(protocol) = self.settings.device.protocol() else { return Vec::new() };
        self.next_part = 0;
        let parts = self.parts(protocol).len();
        let announcement = |_| {
            let exported = self.message(protocol, &[], true);
            self.sequence = self.sequence.wrapping_add(exported.counts);
            exported
        };
        (0..parts).map(announcement).collect()
    }

    /// The next datagram.
    pub fn export(&mut self) -> Exported {
        let every = self.settings.template_every;
        let has_templates = every > 0
            && self
                .settings
                .device
                .protocol()
                .is_some_and(|protocol| self.sent % every < self.parts(protocol).len() as u64);
        let now_ms = self.clock.in_seconds().export_ms;
        let boot_ms = self.clock.boot_ms();
        let mut flows: Vec<Flow> = Vec::with_capacity(self.settings.records);
        while flows.len() < self.settings.records {
            flows.push(self.pending.pop_front().unwrap_or_else(|| self.traffic.flow(now_ms, boot_ms)));
        }
        let exported = self.fitting(flows, has_templates);
        self.sent += 1;
        self.sequence = self.sequence.wrapping_add(exported.counts);
        self.clock.export_ms += i64::from(self.settings.step_ms);
        self.clock.uptime_ms += u64::from(self.settings.step_ms);
        exported
    }

    /// A datagram with as many of the flows as it has room for; the others wait for the next one.
    fn fitting(&mut self, mut flows: Vec<Flow>, has_templates: bool) -> Exported {
        loop {
            let before = (self.random.clone(), self.samples, self.next_part);
            let exported = self.encoded(&flows, has_templates);
            let length = exported.payload.len();
            if length <= self.most_bytes || flows.is_empty() {
                return exported;
            }
            if flows.len() == 1 && !has_templates {
                // One record too long by its fields of variable length: these are drawn anew.
                (self.samples, self.next_part) = (before.1, before.2);
                continue;
            }
            (self.random, self.samples, self.next_part) = before;
            let kept = (flows.len() * self.most_bytes / length).min(flows.len() - 1);
            for flow in flows.drain(kept..).rev() {
                self.pending.push_front(flow);
            }
        }
    }

    fn encoded(&mut self, flows: &[Flow], has_templates: bool) -> Exported {
        match (self.settings.device, self.settings.device.protocol()) {
            (_, Some(protocol)) => self.message(protocol, flows, has_templates),
            (Device::Sflow, None) => self.samples(flows),
            (Device::NetFlow1, None) => self.classic(Version::V1, flows),
            (Device::NetFlow7, None) => self.classic(Version::V7, flows),
            (_, None) => self.classic(Version::V5, flows),
        }
    }

    /// The templates in groups that leave half of a datagram to flows.
    fn parts(&self, protocol: Protocol) -> Vec<std::ops::Range<usize>> {
        let (mut parts, mut begin, mut length) = (Vec::new(), 0, 0);
        for (index, template) in self.templates.iter().enumerate() {
            let of_this = template.encode(protocol).len();
            if index > begin && length + of_this > self.most_bytes / 2 {
                parts.push(begin..index);
                (begin, length) = (index, 0);
            }
            length += of_this;
        }
        parts.push(begin..self.templates.len());
        parts
    }

    /// The templates for IPv4 and for IPv6 flows whose turn it is.
    fn templates_in_turn(&self) -> [Option<&Template>; 2] {
        let turn = self.sent as usize;
        let [fours, sixes] = [self.templates.len().div_ceil(2), self.templates.len() / 2];
        [(0, fours), (1, sixes)].map(|(first, count)| self.templates.get(first + 2 * (turn % count.max(1))))
    }

    fn exported(&self, payload: Vec<u8>, flows: Vec<Flow>, counts: usize) -> Exported {
        Exported {
            payload,
            flows,
            sequence: self.sequence,
            counts: counts as u32,
            options: 0,
            has_templates: false,
            sampling: 1,
            clock: self.clock,
            restarts: self.restarts,
        }
    }

    fn classic(&self, version: Version, flows: &[Flow]) -> Exported {
        let flows = &flows[..flows.len().min(version.most_records())];
        let has_rate = version == Version::V5 && self.settings.sampling > 1;
        let header = classic::Header {
            clock: self.clock,
            sequence: self.sequence,
            engine: (self.settings.domain as u16).to_be_bytes(),
            // Mode 2, random.
            sampling: if has_rate { classic::sampling(2, self.settings.sampling as u16) } else { 0 },
        };
        let carried: Vec<Flow> = flows.iter().map(|flow| classic::carried(version, self.clock, flow)).collect();
        let payload = classic::datagram(version, &header, &carried);
        let counts = if version == Version::V1 { 0 } else { carried.len() };
        let sampling = if has_rate { self.settings.sampling & 0x3fff } else { 1 };
        Exported { sampling, ..self.exported(payload, carried, counts) }
    }

    fn message(&mut self, protocol: Protocol, flows: &[Flow], has_templates: bool) -> Exported {
        let clock = self.clock.in_seconds();
        let (mut sets, mut options, mut count) = (Vec::new(), 0, 0);
        let (announcement, announced) =
            announce::sampling(protocol, SAMPLING_ID, Scope::Everything, self.form(), self.settings.sampling.max(1));
        let is_sampling = self.settings.sampling > 1;
        if has_templates {
            let parts = self.parts(protocol);
            let part = self.next_part % parts.len();
            self.next_part = part + 1;
            let templates = &self.templates[parts[part].clone()];
            count += templates.len();
            sets.push(template::template_set(protocol, templates, 0));
            if is_sampling && part == 0 {
                sets.push(template::template_set(protocol, std::slice::from_ref(&announcement), 0));
                sets.push(template::data_set(&announcement, &[announced], 0));
                (options, count) = (1, count + 2);
            }
        }
        let mut carried_flows = Vec::new();
        for (template, is_six) in
            self.templates_in_turn().map(Option::<&Template>::cloned).into_iter().zip([false, true])
        {
            let Some(template) = template else { continue };
            let of_version = flows.iter().filter(|flow| flow.source.is_some_and(|source| source.is_ipv6()) == is_six);
            let mut records: Vec<Vec<Value>> = Vec::new();
            for flow in of_version {
                let rate = if self.settings.device == Device::Vyos || self.settings.device == Device::SixtyFields {
                    u64::from(self.settings.sampling)
                } else {
                    0
                };
                // The announced sampler is number 1; templates with a field for it name it.
                let flow = Flow { sampling_rate: rate, sampler: 1, ..flow.clone() };
                let flow = carried(protocol, &template, &flow);
                records.push(values(protocol, &template, clock, &flow, &mut self.random));
                carried_flows.push(flow);
            }
            if records.is_empty() {
                continue;
            }
            let length: usize = records.iter().map(|record| template.record(record).len()).sum();
            sets.push(template::data_set(&template, &records, template::padding(length)));
            count += records.len();
        }
        let header = template::Header { clock, sequence: self.sequence, domain: self.settings.domain };
        let payload = template::message(protocol, &header, count, &sets);
        let counts = if protocol == Protocol::V9 { 1 } else { carried_flows.len() + options };
        let sampling = if is_sampling && self.settings.template_every > 0 { self.settings.sampling } else { 1 };
        Exported {
            options: options as u32,
            has_templates,
            sampling,
            clock,
            ..self.exported(payload, carried_flows, counts)
        }
    }

    /// How the device announces its sampling rate.
    fn form(&self) -> Form {
        match self.settings.device {
            Device::CiscoFnf | Device::IosXr => Form::Sampler(1),
            Device::Juniper => Form::PacketsOfAll,
            Device::SixtyFields => Form::PopulationOfAll,
            Device::NetFlow1 | Device::NetFlow5 | Device::NetFlow7 | Device::Vyos | Device::AsaNsel | Device::Sflow => {
                Form::Interval
            }
        }
    }

    fn samples(&mut self, flows: &[Flow]) -> Exported {
        let rate = self.settings.sampling.max(1);
        let (mut samples, mut seen) = (Vec::new(), Vec::new());
        for flow in flows {
            self.samples += 1;
            // A sample is of one packet.
            let bytes = frame(&Wrap::Plain, flow);
            let octets = bytes.len() as u32 + 4;
            let sampler = Sampler {
                sequence: self.samples,
                source: DATA_SOURCE,
                rate,
                pool: self.samples.wrapping_mul(rate),
                drops: 0,
                input: flow.input,
                output: flow.output,
                is_expanded: false,
            };
            let vlans = sflow::switch(flow.source_vlan.into(), flow.destination_vlan.into());
            samples.push(sflow::flow_sample(&sampler, &[sflow::raw_header(sflow::ETHERNET, octets, 4, &bytes), vlans]));
            seen.push(Flow {
                input: flow.input,
                output: flow.output,
                source_vlan: flow.source_vlan,
                destination_vlan: flow.destination_vlan,
                octets: u64::from(octets),
                packets: 1,
                sampling_rate: u64::from(rate),
                ..visible(flow)
            });
        }
        let header = sflow::Header {
            agent: self.settings.address,
            sub_agent: self.settings.domain,
            sequence: self.sequence,
            uptime_ms: self.clock.uptime(),
        };
        let payload = sflow::datagram(&header, &samples);
        Exported { sampling: rate, ..self.exported(payload, seen, 1) }
    }
}
