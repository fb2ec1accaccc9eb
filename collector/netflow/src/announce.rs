//! Reads options data sets: which values an exporter announces, and for what.

use crate::options::{NAME_LIMIT, OptionKey, OptionValue, Options, SamplingScope, rate_of_intervals, rate_of_sizes};
use crate::record::{DataSet, Record};
use crate::report::{Event, Report};
use crate::wire::{chunk_at, unsigned, without_trailing_zeros};

/// NetFlow v9 scope type "interface" (RFC 3954 section 6.1).
const V9_SCOPE_INTERFACE: u16 = 2;

/// The values of one options data set that differ from those known; `repeated` hears of the others. Empty, and nothing
/// allocated, for a repetition.
pub(crate) fn values(
    set: &DataSet<'_>,
    known: Option<&Options>,
    mut repeated: impl FnMut(OptionKey),
    report: &mut Report,
) -> Vec<OptionValue> {
    let mut values = Vec::new();
    for bytes in set.records() {
        Announcement::read(&set.record(bytes)).push_new(known, &mut values, &mut repeated, report);
    }
    values
}

/// The fields of one options data record that matter.
#[derive(Debug, Default)]
struct Announcement<'a> {
    sampler: Option<u64>,
    interface: Option<u32>,
    egress_interface: Option<u32>,
    rate: Option<u64>,
    interval: Option<u64>,
    space: Option<u64>,
    size: Option<u64>,
    population: Option<u64>,
    application: Option<u64>,
    name: Option<&'a [u8]>,
    description: Option<&'a [u8]>,
    init_ms: Option<u64>,
}

impl<'a> Announcement<'a> {
    fn read(record: &Record<'a>) -> Self {
        let mut announcement = Self::default();
        for field in record.fields().filter(|field| field.specifier.enterprise == 0) {
            let number = unsigned(field.bytes);
            // softflowd and others announce for interface 0 what holds for all.
            let interface = number.map(|number| number as u32).filter(|interface| *interface > 0);
            if field.is_scope && record.header.version == 9 {
                if field.specifier.element == V9_SCOPE_INTERFACE {
                    announcement.interface = interface;
                }
                continue;
            }
            match field.specifier.element {
                10 if field.is_scope => announcement.interface = interface,
                14 if field.is_scope => announcement.egress_interface = interface,
                48 | 302 => announcement.sampler = announcement.sampler.or(number),
                34 | 50 => announcement.rate = announcement.rate.filter(|rate| *rate > 0).or(number),
                305 => announcement.interval = number,
                306 => announcement.space = number,
                309 => announcement.size = number,
                310 => announcement.population = number,
                311 => announcement.rate = announcement.rate.or(rate_of_probability(field.bytes)),
                94 => announcement.description = Some(field.bytes),
                95 => announcement.application = number,
                96 => announcement.name = Some(field.bytes),
                160 => announcement.init_ms = number,
                _ => {}
            }
        }
        announcement
    }

    /// The sampling rate; 0 if one is told that cannot be.
    fn rate(&self) -> Option<u64> {
        let of_intervals = || Some(rate_of_intervals(self.interval?, self.space?));
        let of_sizes = || Some(rate_of_sizes(self.size?, self.population?));
        self.rate.filter(|rate| *rate > 0).or_else(of_intervals).or_else(of_sizes).or(self.rate)
    }

    fn push_new(
        &self,
        known: Option<&Options>,
        values: &mut Vec<OptionValue>,
        repeated: &mut impl FnMut(OptionKey),
        report: &mut Report,
    ) {
        let mut push = |value: OptionValue| {
            if !known.is_none_or(|known| known.has_room(&value)) {
                return report.count(Event::OptionRefused);
            }
            report.count(Event::OptionLearned);
            values.push(value);
        };
        match self.rate() {
            Some(rate) if rate > 0 => {
                // A record about a sampler on an interface holds for flows that name either.
                let by_interface = self.interface.map(SamplingScope::Interface);
                let by_egress = self.egress_interface.map(SamplingScope::EgressInterface);
                let by_sampler = self.sampler.map(SamplingScope::Sampler);
                let narrower = [by_interface, by_egress, by_sampler];
                let of_domain = narrower.iter().all(Option::is_none).then_some(SamplingScope::Domain);
                for scope in narrower.into_iter().chain([of_domain]).flatten() {
                    match known.and_then(|known| known.sampling.get(&scope)) == Some(rate) {
                        true => repeated(OptionKey::Sampling(scope)),
                        false => push(OptionValue::Sampling { scope, rate }),
                    }
                }
            }
            _ => {}
        }
        if let (Some(id), Some(name)) = (self.application, self.application_name())
            && id != 0
        {
            let name = String::from_utf8_lossy(name);
            let before = known.and_then(|known| known.applications.get(&id)).map(|name| &**name);
            match before == Some(&*name) {
                true => repeated(OptionKey::Application(id)),
                false => push(OptionValue::Application { id, name: Box::from(&*name) }),
            }
        }
        if let Some(milliseconds) = self.init_ms.map(u64::cast_signed).filter(|init_ms| *init_ms > 0) {
            match known.and_then(|known| known.system_init_ms) == Some(milliseconds) {
                true => repeated(OptionKey::SystemInit),
                false => push(OptionValue::SystemInit { milliseconds }),
            }
        }
        if self.rate() == Some(0) {
            report.count(Event::SamplingRateZero);
        }
    }

    /// The name, or where there is none the description.
    fn application_name(&self) -> Option<&'a [u8]> {
        [self.name, self.description]
            .into_iter()
            .flatten()
            .map(without_trailing_zeros)
            .map(|name| name.get(..NAME_LIMIT).unwrap_or(name))
            .find(|name| !name.is_empty())
    }
}

/// samplingProbability (311) as a rate.
fn rate_of_probability(bytes: &[u8]) -> Option<u64> {
    let probability = match bytes.len() {
        4 => f64::from(f32::from_be_bytes(chunk_at(bytes, 0)?)),
        8 => f64::from_be_bytes(chunk_at(bytes, 0)?),
        _ => return None,
    };
    (probability > 0.0 && probability <= 1.0).then(|| (1.0 / probability).round() as u64)
}
