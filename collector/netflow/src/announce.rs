//! Reads options data sets: which values an exporter announces, and for what.

use std::sync::Arc;

use crate::options::{
    NAME_LIMIT, OptionKey, OptionValue, Options, Part, SamplingScope, rate_of_intervals, rate_of_sizes,
};
use crate::record::{DataSet, Record};
use crate::report::{Event, Report};
use crate::wire::{chunk_at, unsigned, without_trailing_zeros};

/// NetFlow v9 scope types (RFC 3954 section 6.1). Type 1, the system, is all of the domain.
const V9_SCOPE_INTERFACE: u16 = 2;
const V9_SCOPE_LINE_CARD: u16 = 3;
const V9_SCOPE_CACHE: u16 = 4;
const V9_SCOPE_TEMPLATE: u16 = 5;

/// A value, and the observation domain that it is about if that is another than the message's.
pub(crate) type Announced = (Option<u32>, OptionValue);

/// The values of one options data set that differ from those known; `repeated` hears of the others. Empty, and nothing
/// allocated, for a repetition. What is about another domain is always there: it is not known here.
pub(crate) fn values(
    set: &DataSet<'_>,
    known: Option<&Options>,
    repeated: impl FnMut(OptionKey),
    report: &mut Report,
) -> Vec<Announced> {
    let mut news = News { domain: set.header.domain, known, values: Vec::new(), repeated, report };
    for bytes in set.records() {
        let announcement = Announcement::read(&set.record(bytes), known);
        news.take_rates(&announcement);
        news.take_names(&announcement);
    }
    news.values
}

/// The fields of one options data record that matter.
#[derive(Debug, Default)]
struct Announcement<'a> {
    sampler: Option<u64>,
    sequence: Option<u64>,
    /// Product of the rates of the selectors of `sequence`, as far as they were announced before.
    selectors_rate: Option<u64>,
    /// In the scope: where packets are sampled.
    interface: Option<u32>,
    /// In the scope: where packets are sampled as they go out.
    egress_interface: Option<u32>,
    /// In the scope: the narrowest part of the exporter.
    part: Option<(Part, u64)>,
    /// In the scope: which template.
    template: Option<u16>,
    /// In the scope: which observation domain; 0 is none in particular.
    domain: Option<u32>,
    told: Told,
    application: Option<u64>,
    application_name: Name<'a>,
    /// Anywhere in the record: which interface is named.
    named_interface: Option<u32>,
    interface_name: Name<'a>,
    vrf: Option<u32>,
    vrf_name: Name<'a>,
    init_ms: Option<u64>,
}

/// What is said about how packets are selected.
#[derive(Debug, Default)]
struct Told {
    rate: Option<u64>,
    /// selectorAlgorithm (304) by the numbers of IANA's PSAMP registry.
    algorithm: Option<u64>,
    interval: Option<u64>,
    space: Option<u64>,
    time_interval: Option<u64>,
    time_space: Option<u64>,
    size: Option<u64>,
    population: Option<u64>,
    probability: Option<u64>,
    flows: ToldOfFlows,
}

/// What is said about how flows are selected (RFC 7014), apart from what it shares with packets: size and population.
#[derive(Debug, Default)]
struct ToldOfFlows {
    /// flowSelectorAlgorithm (390) by the numbers of IANA's registry.
    algorithm: Option<u64>,
    interval: Option<u64>,
    spacing: Option<u64>,
    time_interval: Option<u64>,
    time_spacing: Option<u64>,
}

/// A name, and a description to use where it is empty.
#[derive(Debug, Default)]
struct Name<'a> {
    name: &'a [u8],
    description: &'a [u8],
}

impl<'a> Announcement<'a> {
    fn read(record: &Record<'a>, known: Option<&Options>) -> Self {
        let mut announcement = Self::default();
        for field in record.fields().filter(|field| field.specifier.enterprise == 0) {
            let number = unsigned(field.bytes);
            // softflowd and others announce for interface 0 what holds for all.
            let index = number.map(|number| number as u32).filter(|index| *index > 0);
            if field.is_scope && record.header.version == 9 {
                match field.specifier.element {
                    V9_SCOPE_INTERFACE => {
                        announcement.interface = index;
                        announcement.named_interface = index;
                    }
                    V9_SCOPE_LINE_CARD => announcement.take_part(Part::LineCard, number),
                    V9_SCOPE_CACHE => announcement.take_part(Part::Cache, number),
                    V9_SCOPE_TEMPLATE => announcement.template = number.map(|number| number as u16),
                    _ => {}
                }
                continue;
            }
            match field.specifier.element {
                10 | 14 | 252 | 253 => {
                    announcement.named_interface = announcement.named_interface.or(index);
                    match field.specifier.element {
                        10 if field.is_scope => announcement.interface = index,
                        14 if field.is_scope => announcement.egress_interface = index,
                        _ => {}
                    }
                }
                48 => announcement.sampler = announcement.sampler.or(number),
                301 if field.is_scope => announcement.sequence = number,
                138 if field.is_scope => announcement.take_part(Part::ObservationPoint, number),
                141 if field.is_scope => announcement.take_part(Part::LineCard, number),
                142 if field.is_scope => announcement.take_part(Part::Port, number),
                143 if field.is_scope => announcement.take_part(Part::MeteringProcess, number),
                144 if field.is_scope => announcement.take_part(Part::ExportingProcess, number),
                145 if field.is_scope => announcement.template = number.map(|number| number as u16),
                149 if field.is_scope => announcement.domain = index,
                302 => announcement.take_selector(number, known),
                94 => announcement.application_name.description = field.bytes,
                95 => announcement.application = number,
                96 => announcement.application_name.name = field.bytes,
                82 => announcement.interface_name.name = field.bytes,
                83 => announcement.interface_name.description = field.bytes,
                234 | 235 => announcement.vrf = announcement.vrf.or(index),
                236 => announcement.vrf_name.name = field.bytes,
                160 => announcement.init_ms = number,
                element => announcement.told.take(element, number, field.bytes),
            }
        }
        announcement
    }

    /// A scope of several parts is that of the narrowest.
    fn take_part(&mut self, part: Part, id: Option<u64>) {
        if let Some(id) = id
            && self.part.is_none_or(|(other, _)| part < other)
        {
            self.part = Some((part, id));
        }
    }

    fn take_selector(&mut self, selector: Option<u64>, known: Option<&Options>) {
        self.sampler = self.sampler.or(selector);
        let scope = selector.map(SamplingScope::Sampler);
        // A selector without a rate is a filter: what it lets through stands for itself.
        if let (Some(scope), Some(known)) = (scope, known)
            && let Some(rate) = known.sampling.get(&scope)
        {
            self.selectors_rate = Some(self.selectors_rate.unwrap_or(1).saturating_mul(rate));
        }
    }

    /// Sampling scopes with their rates; a rate is 0 if one is told that cannot be.
    fn rates(&self) -> impl Iterator<Item = (SamplingScope, u64)> {
        let told = self.told.rate();
        // A record about a sampler on an interface holds for flows that name either.
        let by_interface = self.interface.map(SamplingScope::Interface);
        let by_egress = self.egress_interface.map(SamplingScope::EgressInterface);
        let by_sequence = self.sequence.map(SamplingScope::SelectionSequence);
        let by_template = self.template.map(SamplingScope::Template);
        // Samplers of a part are not those of another.
        let small = |number: u64| u32::try_from(number).ok();
        let of_both = self
            .part
            .zip(self.sampler)
            .and_then(|((part, id), sampler)| Some(SamplingScope::SamplerOfPart(part, small(id)?, small(sampler)?)));
        let is_apart = of_both.is_some();
        let by_part = self.part.map(|(part, id)| SamplingScope::Part(part, id)).filter(|_| !is_apart);
        let by_sampler = self.sampler.map(SamplingScope::Sampler).filter(|_| !is_apart);
        let narrower = [by_interface, by_egress, by_sampler, by_sequence, by_template, of_both, by_part];
        let of_domain = narrower.iter().all(Option::is_none).then_some(SamplingScope::Domain);
        let of_told = narrower.into_iter().chain([of_domain]).flatten().filter_map(move |scope| Some((scope, told?)));
        let of_selectors = by_sequence.zip(self.selectors_rate).filter(|_| told.is_none());
        of_told.chain(of_selectors)
    }
}

impl Told {
    fn take(&mut self, element: u16, number: Option<u64>, bytes: &[u8]) {
        match element {
            34 | 50 => self.rate = self.rate.filter(|rate| *rate > 0).or(number),
            304 => self.algorithm = number,
            305 => self.interval = number,
            306 => self.space = number,
            307 => self.time_interval = number,
            308 => self.time_space = number,
            309 => self.size = number,
            310 => self.population = number,
            311 => self.probability = rate_of_probability(bytes),
            390 => self.flows.algorithm = number,
            396 => self.flows.interval = number,
            397 => self.flows.spacing = number,
            398 => self.flows.time_interval = number,
            399 => self.flows.time_spacing = number,
            _ => {}
        }
    }

    /// The sampling rate; 0 if one is told that cannot be. Of packets and then of flows, it is the product.
    fn rate(&self) -> Option<u64> {
        match (self.rate_of_packets(), self.flows.rate()) {
            (Some(packets), Some(flows)) if packets > 0 && flows > 0 => Some(packets.saturating_mul(flows)),
            (packets, flows) => packets.filter(|rate| *rate > 0).or(flows).or(packets),
        }
    }

    /// What the algorithm goes by is taken before the rest.
    fn rate_of_packets(&self) -> Option<u64> {
        let of_intervals = self.interval.zip(self.space).map(|(interval, space)| rate_of_intervals(interval, space));
        let of_times = self.time_interval.zip(self.time_space).map(|(time, space)| rate_of_intervals(time, space));
        let of_sizes = self.size.zip(self.population).map(|(size, population)| rate_of_sizes(size, population));
        let by_algorithm = match self.algorithm {
            Some(1) => of_intervals,
            Some(2) => of_times,
            Some(3) => of_sizes,
            Some(4) => self.probability,
            _ => None,
        };
        let told = [by_algorithm, self.rate, of_intervals, of_times, of_sizes, self.probability];
        let mut told = told.into_iter().flatten();
        let first = told.clone().next();
        told.find(|rate| *rate > 0).or(first)
    }
}

impl ToldOfFlows {
    /// One flow in this many is selected: by count or by time. One of so many at random is told as packets are.
    fn rate(&self) -> Option<u64> {
        let of_flows = self.interval.zip(self.spacing).map(|(interval, space)| rate_of_intervals(interval, space));
        let of_times = self.time_interval.zip(self.time_spacing).map(|(time, space)| rate_of_intervals(time, space));
        let told = if self.algorithm == Some(2) { [of_times, of_flows] } else { [of_flows, of_times] };
        let mut told = told.into_iter().flatten();
        let first = told.clone().next();
        told.find(|rate| *rate > 0).or(first)
    }
}

impl<'a> Name<'a> {
    /// The name, or where there is none the description; `None` if both are empty.
    fn bytes(&self) -> Option<&'a [u8]> {
        [self.name, self.description]
            .into_iter()
            .map(without_trailing_zeros)
            .map(|name| name.get(..NAME_LIMIT).unwrap_or(name))
            .find(|name| !name.is_empty())
    }
}

/// What one options data set says that was not known.
struct News<'a, F> {
    domain: u32,
    known: Option<&'a Options>,
    values: Vec<Announced>,
    repeated: F,
    report: &'a mut Report,
}

impl<F: FnMut(OptionKey)> News<'_, F> {
    fn take_rates(&mut self, announcement: &Announcement<'_>) {
        // First, since after another start of the exporter its processes are others.
        let init_ms = announcement.init_ms.map(u64::cast_signed).filter(|init_ms| *init_ms > 0);
        let known = self.known.filter(|known| !init_ms.is_some_and(|init_ms| known.has_restarted(init_ms)));
        if let Some(milliseconds) = init_ms {
            match self.known.and_then(|known| known.system_init_ms) == Some(milliseconds) {
                true => (self.repeated)(OptionKey::SystemInit),
                false => self.push(OptionValue::SystemInit { milliseconds }),
            }
        }
        let other_domain = announcement.domain.filter(|domain| *domain != self.domain);
        let mut is_zero = false;
        for (scope, rate) in announcement.rates() {
            if rate == 0 {
                is_zero = true;
                continue;
            }
            if other_domain.is_some() {
                self.values.push((other_domain, OptionValue::Sampling { scope, rate }));
                continue;
            }
            match known.and_then(|known| known.sampling.get(&scope)) {
                Some(before) if before == rate => (self.repeated)(OptionKey::Sampling(scope)),
                before => {
                    if before.is_some() {
                        self.report.count(Event::SamplingRateChanged);
                    }
                    self.push(OptionValue::Sampling { scope, rate });
                }
            }
        }
        if is_zero {
            self.report.count(Event::SamplingRateZero);
        }
    }

    fn take_names(&mut self, announcement: &Announcement<'_>) {
        let known = self.known;
        if let (Some(id), Some(name)) =
            (announcement.application.filter(|id| *id != 0), announcement.application_name.bytes())
        {
            let before = known.and_then(|known| known.applications.get(&id));
            self.take_name(before, name, |name| OptionValue::Application { id, name }, OptionKey::Application(id));
        }
        if let (Some(index), Some(name)) = (announcement.named_interface, announcement.interface_name.bytes()) {
            let before = known.and_then(|known| known.interface_names.get(&index));
            let value = |name| OptionValue::InterfaceName { index, name };
            self.take_name(before, name, value, OptionKey::InterfaceName(index));
        }
        if let (Some(id), Some(name)) = (announcement.vrf, announcement.vrf_name.bytes()) {
            let before = known.and_then(|known| known.vrf_names.get(&id));
            self.take_name(before, name, |name| OptionValue::VrfName { id, name }, OptionKey::VrfName(id));
        }
    }

    fn take_name(
        &mut self,
        before: Option<&Arc<str>>,
        name: &[u8],
        value: impl FnOnce(Box<str>) -> OptionValue,
        key: OptionKey,
    ) {
        let name = String::from_utf8_lossy(name);
        match before.is_some_and(|before| **before == *name) {
            true => (self.repeated)(key),
            false => self.push(value(Box::from(&*name))),
        }
    }

    fn push(&mut self, value: OptionValue) {
        if !self.known.is_none_or(|known| known.has_room(&value)) {
            return self.report.count(Event::OptionRefused);
        }
        self.report.count(Event::OptionLearned);
        self.values.push((None, value));
    }
}

/// samplingProbability (311) as a rate.
pub(crate) fn rate_of_probability(bytes: &[u8]) -> Option<u64> {
    let probability = match bytes.len() {
        4 => f64::from(f32::from_be_bytes(chunk_at(bytes, 0)?)),
        8 => f64::from_be_bytes(chunk_at(bytes, 0)?),
        _ => return None,
    };
    (probability > 0.0 && probability <= 1.0).then(|| (1.0 / probability).round() as u64)
}
