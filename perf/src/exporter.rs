//! A model of an exporter: datagrams one after the other, and exactly what each holds.

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
            settings,
        }
    }

    /// Which exporter it is.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Starts anew: uptime and sequence numbers begin at 0, the next datagram brings the templates.
    pub fn restart(&mut self) {
        self.clock.uptime_ms = u64::from(self.settings.step_ms);
        (self.sent, self.sequence, self.samples) = (0, 0, 0);
        self.restarts += 1;
    }

    /// The next datagram.
    pub fn export(&mut self) -> Exported {
        let has_templates = self.settings.template_every > 0 && self.sent.is_multiple_of(self.settings.template_every);
        let now_ms = self.clock.in_seconds().export_ms;
        let boot_ms = self.clock.boot_ms();
        let flows: Vec<Flow> = (0..self.settings.records).map(|_| self.traffic.flow(now_ms, boot_ms)).collect();
        let exported = match (self.settings.device, self.settings.device.protocol()) {
            (_, Some(protocol)) => self.message(protocol, &flows, has_templates),
            (Device::Sflow, None) => self.samples(&flows),
            (Device::NetFlow1, None) => self.classic(Version::V1, &flows),
            (Device::NetFlow7, None) => self.classic(Version::V7, &flows),
            (_, None) => self.classic(Version::V5, &flows),
        };
        self.sent += 1;
        self.sequence = self.sequence.wrapping_add(exported.counts);
        self.clock.export_ms += i64::from(self.settings.step_ms);
        self.clock.uptime_ms += u64::from(self.settings.step_ms);
        exported
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
            count += self.templates.len();
            sets.push(template::template_set(protocol, &self.templates, 0));
            if is_sampling {
                sets.push(template::template_set(protocol, std::slice::from_ref(&announcement), 0));
                sets.push(template::data_set(&announcement, &[announced], 0));
                (options, count) = (1, count + 2);
            }
        }
        let mut carried_flows = Vec::new();
        for (template, is_six) in self.templates.iter().zip([false, true]) {
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
                let flow = carried(protocol, template, &flow);
                records.push(values(protocol, template, clock, &flow, &mut self.random));
                carried_flows.push(flow);
            }
            if records.is_empty() {
                continue;
            }
            let length: usize = records.iter().map(|record| template.record(record).len()).sum();
            sets.push(template::data_set(template, &records, template::padding(length)));
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
