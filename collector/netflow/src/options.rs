//! What exporters announce in options data records: sampling rates, names of applications, interfaces and VRFs, when the
//! exporter started.

use std::collections::HashMap;
use std::sync::Arc;

/// One announced value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionValue {
    /// A sampling rate.
    Sampling {
        /// For what.
        scope: SamplingScope,
        /// One packet in this many; never 0.
        rate: u64,
    },
    /// The name of an application id.
    Application {
        /// Application id in the form of the flow column.
        id: u64,
        /// Its name.
        name: Box<str>,
    },
    /// The name of an interface.
    InterfaceName {
        /// Interface index; never 0.
        index: u32,
        /// Its name, or its description where it has no name.
        name: Box<str>,
    },
    /// The name of a VRF.
    VrfName {
        /// VRF id (elements 234 and 235); never 0.
        id: u32,
        /// Its name.
        name: Box<str>,
    },
    /// When the exporter started (systemInitTimeMilliseconds): IPFIX flows may tell their times relative to it.
    SystemInit {
        /// Milliseconds since 1970.
        milliseconds: i64,
    },
}

impl OptionValue {
    /// What the value is about.
    #[must_use]
    pub fn key(&self) -> OptionKey {
        match self {
            Self::Sampling { scope, .. } => OptionKey::Sampling(*scope),
            Self::Application { id, .. } => OptionKey::Application(*id),
            Self::InterfaceName { index, .. } => OptionKey::InterfaceName(*index),
            Self::VrfName { id, .. } => OptionKey::VrfName(*id),
            Self::SystemInit { .. } => OptionKey::SystemInit,
        }
    }
}

/// What an announced value is about: there is one value for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OptionKey {
    /// The sampling rate for these flows.
    Sampling(SamplingScope),
    /// The name of this application id.
    Application(u64),
    /// The name of the interface with this index.
    InterfaceName(u32),
    /// The name of the VRF with this id.
    VrfName(u32),
    /// When the exporter started.
    SystemInit,
}

/// For which flows of a domain an announced sampling rate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SamplingScope {
    /// All of the domain.
    Domain,
    /// Flows with this sampler (48) or selector (302) id.
    Sampler(u64),
    /// Flows metered at this interface: as they came in, or, where the flow record says so, as they went out.
    Interface(u32),
    /// Flows that went out by this interface.
    EgressInterface(u32),
    /// Flows with this selectionSequenceId (301): packets that passed several selectors (RFC 5476 section 6.5.1).
    SelectionSequence(u64),
    /// Flows of this template.
    Template(u16),
    /// Flows of this part of the exporter.
    Part(Part, u64),
    /// Flows of this part of the exporter with this sampler or selector id: parts may number theirs alike.
    SamplerOfPart(Part, u32, u32),
}

/// A kind of part of an exporter that may sample by a rate of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// observationPointId (138).
    ObservationPoint,
    /// portId (142).
    Port,
    /// lineCardId (141).
    LineCard,
    /// A cache of flows, which NetFlow v9 alone has a scope for.
    Cache,
    /// meteringProcessId (143).
    MeteringProcess,
    /// exportingProcessId (144).
    ExportingProcess,
}

impl Part {
    /// Every kind, the narrowest first.
    pub const ALL: [Self; 6] = [
        Self::ObservationPoint,
        Self::Port,
        Self::LineCard,
        Self::Cache,
        Self::MeteringProcess,
        Self::ExportingProcess,
    ];
}

/// Most sampling rates kept for one domain.
pub const SAMPLING_LIMIT: usize = 4096;
/// Most application names kept for one domain. Cisco's NBAR2 has about 1500.
pub const APPLICATION_LIMIT: usize = 8192;
/// Most interface names kept for one domain.
pub const INTERFACE_LIMIT: usize = 8192;
/// Most VRF names kept for one domain.
pub const VRF_LIMIT: usize = 4096;
/// Exporters that work their start out again each time do not always find the same one.
const SAME_START_MS: u64 = 10_000;
/// Longest name kept, in bytes.
pub(crate) const NAME_LIMIT: usize = 255;

/// All that one observation domain announced; bounded. The parts are shared: a copy is cheap, and a change copies the part
/// it changes.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Sampling rates by scope.
    pub sampling: Arc<SamplingRates>,
    /// Application names by id.
    pub applications: Arc<HashMap<u64, Arc<str>>>,
    /// Interface names by index.
    pub interface_names: Arc<HashMap<u32, Arc<str>>>,
    /// VRF names by id.
    pub vrf_names: Arc<HashMap<u32, Arc<str>>>,
    /// When the exporter started, milliseconds since 1970.
    pub system_init_ms: Option<i64>,
}

impl Options {
    /// Takes up one value; false if it was known already or there is no room.
    pub fn apply(&mut self, value: &OptionValue) -> bool {
        if self.is_known(value) || !self.has_room(value) {
            return false;
        }
        match value {
            OptionValue::Sampling { rate: 0, .. } => return false,
            OptionValue::Sampling { scope, rate } => Arc::make_mut(&mut self.sampling).insert(*scope, *rate),
            OptionValue::Application { id, name } => {
                Arc::make_mut(&mut self.applications).insert(*id, Arc::from(&**name));
            }
            OptionValue::InterfaceName { index, name } => {
                Arc::make_mut(&mut self.interface_names).insert(*index, Arc::from(&**name));
            }
            OptionValue::VrfName { id, name } => {
                Arc::make_mut(&mut self.vrf_names).insert(*id, Arc::from(&**name));
            }
            OptionValue::SystemInit { milliseconds } => self.start(*milliseconds),
        }
        true
    }

    /// Takes up when the exporter started. After another start its processes are others, whatever they told before.
    fn start(&mut self, milliseconds: i64) {
        if self.has_restarted(milliseconds) {
            let is_of_a_process = |scope: &SamplingScope| {
                let (SamplingScope::Part(part, _) | SamplingScope::SamplerOfPart(part, ..)) = scope else {
                    return false;
                };
                matches!(part, Part::MeteringProcess | Part::ExportingProcess)
            };
            if self.sampling.iter().any(|(scope, _)| is_of_a_process(&scope)) {
                let kept = self.sampling.iter().filter(|(scope, _)| !is_of_a_process(scope));
                self.sampling = Arc::new(kept.collect());
            }
        }
        self.system_init_ms = Some(milliseconds);
    }

    /// Whether a start is another one than what was announced before.
    pub(crate) fn has_restarted(&self, milliseconds: i64) -> bool {
        self.system_init_ms.is_some_and(|before| before.abs_diff(milliseconds) > SAME_START_MS)
    }

    /// Whether this very value is in force.
    #[must_use]
    pub fn is_known(&self, value: &OptionValue) -> bool {
        match value {
            OptionValue::Sampling { scope, rate } => self.sampling.get(scope) == Some(*rate),
            OptionValue::Application { id, name } => is_name(&self.applications, id, name),
            OptionValue::InterfaceName { index, name } => is_name(&self.interface_names, index, name),
            OptionValue::VrfName { id, name } => is_name(&self.vrf_names, id, name),
            OptionValue::SystemInit { milliseconds } => self.system_init_ms == Some(*milliseconds),
        }
    }

    /// Whether this or another value for the same thing is in force.
    #[must_use]
    pub fn has(&self, key: &OptionKey) -> bool {
        match key {
            OptionKey::Sampling(scope) => self.sampling.get(scope).is_some(),
            OptionKey::Application(id) => self.applications.contains_key(id),
            OptionKey::InterfaceName(index) => self.interface_names.contains_key(index),
            OptionKey::VrfName(id) => self.vrf_names.contains_key(id),
            OptionKey::SystemInit => self.system_init_ms.is_some(),
        }
    }

    /// How many values are in force.
    #[must_use]
    pub fn len(&self) -> usize {
        let names = [self.applications.len(), self.interface_names.len(), self.vrf_names.len()];
        let names = names.into_iter().fold(0, usize::saturating_add);
        names.saturating_add(self.sampling.len()).saturating_add(usize::from(self.system_init_ms.is_some()))
    }

    /// Whether nothing was announced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether [`Options::apply`] can keep a value: its key is known, or the limit is not reached.
    #[must_use]
    pub fn has_room(&self, value: &OptionValue) -> bool {
        let (used, limit) = match value {
            OptionValue::Sampling { .. } => (self.sampling.len(), SAMPLING_LIMIT),
            OptionValue::Application { .. } => (self.applications.len(), APPLICATION_LIMIT),
            OptionValue::InterfaceName { .. } => (self.interface_names.len(), INTERFACE_LIMIT),
            OptionValue::VrfName { .. } => (self.vrf_names.len(), VRF_LIMIT),
            OptionValue::SystemInit { .. } => (0, 1),
        };
        used < limit || self.has(&value.key())
    }
}

/// Whether a thing has this very name.
fn is_name<K: Eq + std::hash::Hash>(names: &HashMap<K, Arc<str>>, key: &K, name: &str) -> bool {
    names.get(key).is_some_and(|known| **known == *name)
}

/// Sampling rates by scope, and what all samplers have in common.
#[derive(Debug, Clone, Default)]
pub struct SamplingRates {
    by_scope: HashMap<SamplingScope, u64>,
    /// How many scopes of a group have each rate: kept so that a change need not look at all of them.
    groups: HashMap<Group, HashMap<u64, usize>>,
    /// Whether any is an interface's.
    has_interfaces: bool,
}

/// Scopes of which a flow may be of any, if it does not say more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Group {
    /// All samplers.
    Samplers,
    /// Those of one id, of all parts.
    Sampler(u32),
    /// All parts of a kind.
    Parts(Part),
    /// The samplers of one part.
    Part(Part, u32),
}

impl SamplingScope {
    /// The groups that a scope is in.
    fn groups(&self) -> [Option<Group>; 3] {
        match *self {
            Self::Sampler(_) => [Some(Group::Samplers), None, None],
            Self::Part(part, _) => [Some(Group::Parts(part)), None, None],
            Self::SamplerOfPart(part, id, sampler) => {
                [Some(Group::Samplers), Some(Group::Sampler(sampler)), Some(Group::Part(part, id))]
            }
            Self::Domain
            | Self::Interface(_)
            | Self::EgressInterface(_)
            | Self::SelectionSequence(_)
            | Self::Template(_) => [None; 3],
        }
    }
}

impl SamplingRates {
    /// The rate announced for a scope.
    #[must_use]
    pub fn get(&self, scope: &SamplingScope) -> Option<u64> {
        self.by_scope.get(scope).copied()
    }

    /// The rate of all samplers, if they agree: it holds for flows that do not say which sampler took them.
    #[must_use]
    pub fn of_every_sampler(&self) -> Option<u64> {
        self.of_all(Group::Samplers)
    }

    /// The rate of all scopes of a group, if they agree.
    pub(crate) fn of_all(&self, group: Group) -> Option<u64> {
        let rates = self.groups.get(&group)?;
        rates.keys().next().copied().filter(|_| rates.len() == 1)
    }

    /// Whether any scope is of a group.
    pub(crate) fn has(&self, group: Group) -> bool {
        self.groups.contains_key(&group)
    }

    /// Whether there is a rate of an interface: where there is none, rows need not be asked for theirs.
    pub(crate) fn has_interfaces(&self) -> bool {
        self.has_interfaces
    }

    /// Every scope with its rate, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (SamplingScope, u64)> {
        self.by_scope.iter().map(|(scope, rate)| (*scope, *rate))
    }

    /// Number of scopes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_scope.len()
    }

    /// Whether nothing was announced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_scope.is_empty()
    }

    fn insert(&mut self, scope: SamplingScope, rate: u64) {
        let before = self.by_scope.insert(scope, rate);
        self.has_interfaces |= matches!(scope, SamplingScope::Interface(_) | SamplingScope::EgressInterface(_));
        for group in scope.groups().into_iter().flatten() {
            let rates = self.groups.entry(group).or_default();
            if let Some(before) = before
                && let Some(scopes) = rates.get_mut(&before)
            {
                *scopes = scopes.saturating_sub(1);
                if *scopes == 0 {
                    rates.remove(&before);
                }
            }
            let scopes = rates.entry(rate).or_default();
            *scopes = scopes.saturating_add(1);
        }
    }
}

impl FromIterator<(SamplingScope, u64)> for SamplingRates {
    fn from_iter<T: IntoIterator<Item = (SamplingScope, u64)>>(rates: T) -> Self {
        let mut all = Self::default();
        for (scope, rate) in rates {
            all.insert(scope, rate);
        }
        all
    }
}

/// Rate of a sampler that takes `interval` packets in a row and then skips `space` (elements 305 and 306, RFC 5477
/// section 8.2); 0 if it says nothing.
pub(crate) fn rate_of_intervals(interval: u64, space: u64) -> u64 {
    rate_of_sizes(interval, interval.saturating_add(space))
}

/// Rate of a sampler that takes `size` packets of `population` (elements 309 and 310), rounded; 0 if it says nothing.
pub(crate) fn rate_of_sizes(size: u64, population: u64) -> u64 {
    population.saturating_add(size / 2).checked_div(size).unwrap_or(0)
}
