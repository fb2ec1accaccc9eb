//! What a snapshot holds, as plain values: the archive's layout. Not here: the file, and what is kept or left out.

use netflow::header::Header;
use netflow::options::{Part, SamplingScope};
use netflow::skew::{Candidate, Clock, ClockSkew, Steady};
use netflow::store::DomainKey;
use netflow::template::FieldSpecifier;

use super::saved_totals::SavedTotals;

/// Everything the store held at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Snapshot {
    /// When it was taken, seconds since 1970.
    pub taken_at: u64,
    /// All templates, sorted by exporter, version, domain, id.
    pub templates: Vec<SavedTemplate>,
    /// All domains with option values, sorted by exporter, version, domain.
    pub options: Vec<SavedOptions>,
    /// Data sets that wait for their template, in the order in which they came.
    pub held: Vec<SavedSet>,
    /// Clocks of exporters that are off, sorted by exporter, version, domain.
    pub clocks: Vec<SavedClock>,
    /// What flows have reported so far, of exporters that tell running totals, sorted by exporter.
    pub totals: Vec<SavedTotals>,
    /// How far each journal was decoded into all this.
    pub journals: Vec<SavedPosition>,
    /// Where the sequences of exporters stand.
    pub sequences: Vec<SavedSequence>,
}

/// Where the sequence numbers of an exporter stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct SavedSequence {
    /// Source address of its datagrams.
    pub sender: [u8; 16],
    /// The device that they are of.
    pub agent: [u8; 16],
    /// As the decoder numbers versions.
    pub version: u8,
    /// Observation domain, source id, engine or sub-agent.
    pub domain: u32,
    /// The data source of sFlow samples: kind of sample, type, index; none for the sequence of datagrams.
    pub source: Option<(u8, u32, u32)>,
    /// Samples that the exporter lost itself, a total.
    pub drops: Option<u32>,
    /// What the numbers count.
    pub unit: u8,
    /// The number that comes next.
    pub next: u32,
    /// Whether it is the least that may come.
    pub is_loose: bool,
    /// The latest time at which a datagram left the exporter, milliseconds since 1970.
    pub newest_export_ms: i64,
    /// When the exporter started, milliseconds modulo 2^32, if it tells.
    pub boot_ms: Option<u32>,
    /// When the last datagram was received, milliseconds since 1970.
    pub last_ms: i64,
    /// Units in a thousand seconds, at most, lately.
    pub per_1000_seconds: u64,
}

/// A snapshot of format version 4, before clocks and running totals were kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct SnapshotOf4 {
    pub(super) taken_at: u64,
    pub(super) templates: Vec<SavedTemplate>,
    pub(super) options: Vec<SavedOptions>,
    pub(super) held: Vec<SavedSet>,
    pub(super) journals: Vec<SavedPosition>,
}

impl From<SnapshotOf4> for Snapshot {
    fn from(old: SnapshotOf4) -> Self {
        let SnapshotOf4 { taken_at, templates, options, held, journals } = old;
        Self { taken_at, templates, options, held, journals, ..Self::default() }
    }
}

/// A snapshot of format version 3, before there was a journal.
#[derive(Debug, Clone, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct SnapshotOf3 {
    pub(super) taken_at: u64,
    pub(super) templates: Vec<SavedTemplate>,
    pub(super) options: Vec<SavedOptions>,
}

impl From<SnapshotOf3> for Snapshot {
    fn from(old: SnapshotOf3) -> Self {
        let SnapshotOf3 { taken_at, templates, options } = old;
        Self { taken_at, templates, options, ..Self::default() }
    }
}

/// A place in a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct SavedPosition {
    /// Which journal.
    pub journal: [u8; 16],
    /// Position: everything before was decoded.
    pub decoded: u64,
}

/// A data set that waits for its template.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct SavedSet {
    /// Whose.
    pub domain: SavedDomain,
    /// Id of the template.
    pub id: u16,
    /// Whether a template of the exporter was known when it came.
    pub is_proven: bool,
    /// When its datagram was received, milliseconds since 1970.
    pub received_ms: i64,
    /// Sequence number of the message.
    pub sequence: u32,
    /// When the message left the exporter, milliseconds since 1970.
    pub export_ms: i64,
    /// Milliseconds since the exporter started, if the message said so.
    pub uptime_ms: Option<u32>,
    /// Records in the message, if it said so.
    pub count: Option<u16>,
    /// What was known of the clock that it was stamped by.
    pub skew: SavedSkew,
    /// The set without its header.
    pub bytes: Vec<u8>,
}

impl SavedSet {
    /// The header of the message that the set came in.
    pub(super) fn header(&self) -> Header {
        let Self { domain, received_ms, sequence, export_ms, uptime_ms, count, skew, .. } = self;
        Header {
            exporter: domain.exporter,
            received_ms: *received_ms,
            version: domain.version,
            domain: domain.domain,
            sequence: *sequence,
            export_ms: *export_ms,
            uptime_ms: *uptime_ms,
            count: *count,
            // Only the header of NetFlow v5 has it, and that needs no template.
            sampling: None,
            skew: (*skew).into(),
        }
    }
}

/// What is known of a clock: [`ClockSkew`] in a form that can be saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub enum SavedSkew {
    /// As good as right.
    Small,
    /// Off, and not steady.
    Unsteady,
    /// Off by so many seconds.
    Steady(i64),
}

impl From<ClockSkew> for SavedSkew {
    fn from(skew: ClockSkew) -> Self {
        match skew {
            ClockSkew::Small => Self::Small,
            ClockSkew::Unsteady => Self::Unsteady,
            ClockSkew::Steady(seconds) => Self::Steady(seconds),
        }
    }
}

impl From<SavedSkew> for ClockSkew {
    fn from(saved: SavedSkew) -> Self {
        match saved {
            SavedSkew::Small => Self::Small,
            SavedSkew::Unsteady => Self::Unsteady,
            SavedSkew::Steady(seconds) => Self::Steady(seconds),
        }
    }
}

/// The clock of an observation domain that is off; milliseconds where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct SavedClock {
    /// Whose.
    pub domain: SavedDomain,
    /// The steady skew: in seconds, as times are corrected by it, and its smoothed measure.
    pub steady: Option<(i64, i64)>,
    /// The skew that may turn out to be steady: the mean of its measures, how many there were, and since when, since 1970.
    pub candidate: Option<(i64, u32, i64)>,
    /// Whether measures disagreed before any was steady.
    pub has_jumped: bool,
    /// When it was last measured, since 1970.
    pub last_ms: i64,
}

impl From<&(DomainKey, Clock)> for SavedClock {
    fn from((domain, clock): &(DomainKey, Clock)) -> Self {
        Self {
            domain: (*domain).into(),
            steady: clock.steady.map(|Steady { seconds, smoothed_ms }| (seconds, smoothed_ms)),
            candidate: clock.candidate.map(|Candidate { mean_ms, datagrams, since_ms }| (mean_ms, datagrams, since_ms)),
            has_jumped: clock.has_jumped,
            last_ms: clock.last_ms,
        }
    }
}

impl SavedClock {
    /// The clock itself.
    pub(super) fn clock(&self) -> Clock {
        Clock {
            steady: self.steady.map(|(seconds, smoothed_ms)| Steady { seconds, smoothed_ms }),
            candidate: self.candidate.map(|(mean_ms, datagrams, since_ms)| Candidate { mean_ms, datagrams, since_ms }),
            has_jumped: self.has_jumped,
            last_ms: self.last_ms,
        }
    }
}

/// An exporter's observation domain: [`DomainKey`] in a form that can be saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct SavedDomain {
    /// Exporter address, IPv4 mapped.
    pub exporter: [u8; 16],
    /// 9 or 10.
    pub version: u8,
    /// Observation domain or source id.
    pub domain: u32,
}

/// One template.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct SavedTemplate {
    /// Whose.
    pub domain: SavedDomain,
    /// Template id.
    pub id: u16,
    /// Number of scope fields of an options template; `None` for a template of flow records.
    pub scope_fields: Option<u16>,
    /// The fields in wire order.
    pub fields: Vec<SavedField>,
    /// When it was first seen in this form, seconds since 1970.
    pub learned_at: u64,
    /// When it was last used or repeated, seconds since 1970.
    pub seen_at: u64,
    /// When a data set was last decoded by it, seconds since 1970; 0 if none was.
    pub used_at: u64,
}

/// One field specifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct SavedField {
    /// Information element id.
    pub element: u16,
    /// Private enterprise number; 0 for IANA's.
    pub enterprise: u32,
    /// Length in bytes; 65535 for variable-length.
    pub length: u16,
}

/// What one domain announced.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct SavedOptions {
    /// Whose.
    pub domain: SavedDomain,
    /// Sampling rates, sorted by scope.
    pub sampling: Vec<SavedSampling>,
    /// Application ids and names, sorted by id.
    pub applications: Vec<(u64, String)>,
    /// Interface indices and names, sorted by index.
    pub interface_names: Vec<(u32, String)>,
    /// VRF ids and names, sorted by id.
    pub vrf_names: Vec<(u32, String)>,
    /// When the exporter started, milliseconds since 1970, if it said so.
    pub system_init_ms: Option<i64>,
    /// When any application name was last announced, seconds since 1970.
    pub applications_seen_at: u64,
    /// When any interface name was last announced, seconds since 1970.
    pub interface_names_seen_at: u64,
    /// When any VRF name was last announced, seconds since 1970.
    pub vrf_names_seen_at: u64,
    /// When the exporter's start was last announced, seconds since 1970.
    pub system_init_seen_at: u64,
}

/// A sampling rate: one packet in `rate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct SavedSampling {
    /// For which flows.
    pub scope: SavedScope,
    /// One packet in this many.
    pub rate: u64,
    /// When it was last announced, seconds since 1970.
    pub seen_at: u64,
}

/// For which flows a sampling rate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub enum SavedScope {
    /// All of the domain.
    Domain,
    /// Those of one sampler.
    Sampler(u64),
    /// Those metered at one interface.
    Interface(u32),
    /// Those that went out by one interface.
    EgressInterface(u32),
    /// Those of one selection sequence.
    SelectionSequence(u64),
    /// Those of one template.
    Template(u16),
    /// Those of one observation point.
    ObservationPoint(u64),
    /// Those of one port.
    Port(u64),
    /// Those of one line card.
    LineCard(u64),
    /// Those of one cache.
    Cache(u64),
    /// Those of one metering process.
    MeteringProcess(u64),
    /// Those of one exporting process.
    ExportingProcess(u64),
    /// Those of one sampler of a part: the part's kind by its place in [`Part::ALL`], its id, and the sampler's.
    SamplerOfPart(u8, u32, u32),
}

impl From<DomainKey> for SavedDomain {
    fn from(key: DomainKey) -> Self {
        Self { exporter: key.exporter, version: key.version, domain: key.domain }
    }
}

impl From<SavedDomain> for DomainKey {
    fn from(saved: SavedDomain) -> Self {
        Self { exporter: saved.exporter, version: saved.version, domain: saved.domain }
    }
}

impl From<SamplingScope> for SavedScope {
    fn from(scope: SamplingScope) -> Self {
        match scope {
            SamplingScope::Domain => Self::Domain,
            SamplingScope::Sampler(id) => Self::Sampler(id),
            SamplingScope::Interface(index) => Self::Interface(index),
            SamplingScope::EgressInterface(index) => Self::EgressInterface(index),
            SamplingScope::SelectionSequence(id) => Self::SelectionSequence(id),
            SamplingScope::Template(id) => Self::Template(id),
            SamplingScope::Part(Part::ObservationPoint, id) => Self::ObservationPoint(id),
            SamplingScope::Part(Part::Port, id) => Self::Port(id),
            SamplingScope::Part(Part::LineCard, id) => Self::LineCard(id),
            SamplingScope::Part(Part::Cache, id) => Self::Cache(id),
            SamplingScope::Part(Part::MeteringProcess, id) => Self::MeteringProcess(id),
            SamplingScope::Part(Part::ExportingProcess, id) => Self::ExportingProcess(id),
            SamplingScope::SamplerOfPart(part, id, sampler) => Self::SamplerOfPart(part as u8, id, sampler),
        }
    }
}

impl From<SavedScope> for SamplingScope {
    fn from(saved: SavedScope) -> Self {
        match saved {
            SavedScope::Domain => Self::Domain,
            SavedScope::Sampler(id) => Self::Sampler(id),
            SavedScope::Interface(index) => Self::Interface(index),
            SavedScope::EgressInterface(index) => Self::EgressInterface(index),
            SavedScope::SelectionSequence(id) => Self::SelectionSequence(id),
            SavedScope::Template(id) => Self::Template(id),
            SavedScope::ObservationPoint(id) => Self::Part(Part::ObservationPoint, id),
            SavedScope::Port(id) => Self::Part(Part::Port, id),
            SavedScope::LineCard(id) => Self::Part(Part::LineCard, id),
            SavedScope::Cache(id) => Self::Part(Part::Cache, id),
            SavedScope::MeteringProcess(id) => Self::Part(Part::MeteringProcess, id),
            SavedScope::ExportingProcess(id) => Self::Part(Part::ExportingProcess, id),
            SavedScope::SamplerOfPart(part, id, sampler) => {
                let part = Part::ALL.get(usize::from(part)).copied().unwrap_or(Part::ExportingProcess);
                Self::SamplerOfPart(part, id, sampler)
            }
        }
    }
}

impl From<FieldSpecifier> for SavedField {
    fn from(field: FieldSpecifier) -> Self {
        Self { element: field.element, enterprise: field.enterprise, length: field.length }
    }
}

impl From<SavedField> for FieldSpecifier {
    fn from(saved: SavedField) -> Self {
        Self { element: saved.element, enterprise: saved.enterprise, length: saved.length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_comes_back() {
        let of_parts = Part::ALL
            .into_iter()
            .flat_map(|part| [SamplingScope::Part(part, u64::MAX), SamplingScope::SamplerOfPart(part, 7, u32::MAX)]);
        let others = [
            SamplingScope::Domain,
            SamplingScope::Sampler(1),
            SamplingScope::Interface(2),
            SamplingScope::EgressInterface(2),
            SamplingScope::SelectionSequence(3),
            SamplingScope::Template(256),
        ];
        for scope in others.into_iter().chain(of_parts) {
            assert_eq!(SamplingScope::from(SavedScope::from(scope)), scope);
        }
    }
}
