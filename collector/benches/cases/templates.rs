//! Templates of many exporters, looked up by a worker as its datagrams come: trains of a few datagrams of one exporter.

use std::net::Ipv4Addr;
use std::sync::Arc;

use collector::templates::{Bounds, Cache, Settings, Templates};
use netflow::store::{DomainKey, Store, TemplateKey};
use netflow::{Datagram, Report, Tables, decode};
use perf::Device;
use perf::clock::Clock;
use perf::random::Random;
use perf::template::{Header, Protocol, Template, message, template_set};

use super::{Case, Size};

const FIRST_ID: u16 = 256;
const NOW_MS: i64 = 1_767_312_000_000;

/// Look-ups in the order in which data sets come.
pub(crate) struct LookedUp {
    cache: Cache,
    keys: Vec<TemplateKey>,
}

impl LookedUp {
    pub(crate) fn new(exporters: u32, templates: u16, size: Size) -> Self {
        let store = filled(exporters, templates);
        let lookups = match size {
            Size::Small => 8192,
            Size::Real => 65_536,
        };
        Self::of(&store, exporters, templates, lookups, 1)
    }

    /// One worker's look-ups in a store of these exporters.
    pub(crate) fn of(store: &Templates, exporters: u32, templates: u16, lookups: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let key = |_| {
            let exporter = random.below(exporters.into()) as u32;
            let id = FIRST_ID + random.below(templates.into()) as u16;
            TemplateKey { domain: domain(exporter), id }
        };
        let mut looked_up = Self { cache: store.cache(), keys: (0..lookups).map(key).collect() };
        looked_up.cache.set_now(NOW_MS.cast_unsigned() / 1000);
        looked_up
    }
}

impl Case for LookedUp {
    fn round(&mut self) -> usize {
        let mut fields = 0;
        for key in &self.keys {
            let template = self.cache.template(key).expect("the store has it");
            fields += Arc::as_ptr(&template).addr() & 1;
            std::hint::black_box(self.cache.options(&key.domain));
        }
        self.keys.len() + std::hint::black_box(fields)
    }
}

/// A store with templates of 22 fields.
pub(crate) fn filled(exporters: u32, templates: u16) -> Templates {
    let all = usize::from(templates) * exporters as usize;
    let total = Bounds { templates: 2 * all, fields: 64 * all, option_values: all };
    let store = Templates::new(Settings { total, ..Settings::default() });
    let (mut cache, mut tables, mut report) = (store.cache(), Tables::default(), Report::default());
    let fields = &Device::Vyos.templates()[0].fields;
    let layouts: Vec<Template> = (0..templates).map(|id| Template::data(FIRST_ID + id, fields.clone())).collect();
    let clock = Clock { export_ms: NOW_MS, uptime_ms: 1000 };
    let header = Header { clock, sequence: 0, domain: 1 };
    let payload = message(Protocol::V9, &header, layouts.len(), &[template_set(Protocol::V9, &layouts, 0)]);
    cache.set_now(NOW_MS.cast_unsigned() / 1000);
    for exporter in 0..exporters {
        let datagram = Datagram { payload: &payload, exporter: domain(exporter).exporter, received_ms: NOW_MS };
        decode(&datagram, &mut cache, &mut tables, &mut report);
    }
    assert_eq!(store.len(), all);
    store
}

fn domain(exporter: u32) -> DomainKey {
    DomainKey { exporter: Ipv4Addr::from(0x0a00_0000 + exporter).to_ipv6_mapped().octets(), version: 9, domain: 1 }
}
