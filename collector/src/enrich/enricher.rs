//! Fills a block's columns that the exporter did not: one worker's part of enrichment, column by column.

use netflow::columns::Address;
use netflow::{Tables, Text};

use super::geo::Geo;
use super::interner;
use super::memo::{ExporterMemo, NetworkKeys, NetworkMemo, PlaceKeys};
use super::mmdb::Record;
use super::names::Names;
use super::networks::Networks;
use super::published::{Current, Published};
use super::sampling::{CurrentRates, PublishedRates};
use super::tree::GROUP;
use crate::batch::{Block, Origin};

/// Tables that have a column of exporters' names.
const TABLES: usize = 3;

/// One worker's enrichment. Nothing is allocated for a row once blocks of this size were seen.
#[derive(Debug)]
pub struct Enricher {
    geo: Current,
    names: Current<Names>,
    networks: Current<Networks>,
    rates: CurrentRates,
    src: PlaceKeys,
    dst: PlaceKeys,
    src_networks: NetworkMemo,
    dst_networks: NetworkMemo,
    exporters: [ExporterMemo; TABLES],
    /// What the memos are valid for.
    valid_for: Option<Dictionaries>,
}

/// The tables and the dictionaries that memos were made from. A dictionary only grows until its block is cleared, so it is
/// the one that was left behind if it is where it was and as long as it was, and the block has as many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dictionaries {
    tables: u64,
    /// Where names and networks lie: those that memos were made from are held until others are looked at.
    names: usize,
    networks: usize,
    rows: [usize; TABLES],
    /// Address and length of each.
    texts: [(usize, usize); 13],
}

impl Enricher {
    /// Enrichment from the tables in force and the configured names.
    #[must_use]
    pub fn new(published: &Published, names: &Published<Names>) -> Self {
        Self {
            geo: published.current(),
            names: names.current(),
            networks: Published::new(Networks::default()).current(),
            rates: PublishedRates::default().current(),
            src: PlaceKeys::default(),
            dst: PlaceKeys::default(),
            src_networks: NetworkMemo::default(),
            dst_networks: NetworkMemo::default(),
            exporters: std::array::from_fn(|_| ExporterMemo::new()),
            valid_for: None,
        }
    }

    /// The same enrichment with configured sampling rates.
    #[must_use]
    pub fn with_rates(self, rates: &PublishedRates) -> Self {
        Self { rates: rates.current(), ..self }
    }

    /// The same enrichment with configured networks.
    #[must_use]
    pub fn with_networks(self, networks: &Published<Networks>) -> Self {
        Self { networks: networks.current(), ..self }
    }

    /// Fills the enriched columns of the rows that were added since they were last filled.
    pub fn enrich(&mut self, block: &mut Block) {
        let (geo, names, networks) = (self.geo.load(), self.names.load(), self.networks.load());
        let done = done(block);
        let rows = [block.decoded.flows.len(), block.decoded.nat_events.len(), block.decoded.interface_counters.len()];
        if done.iter().zip(rows).all(|(done, rows)| *done >= rows) {
            return;
        }
        if done == [0; TABLES] || self.valid_for != Some(Dictionaries::of(block, geo, names, networks)) {
            begin(&mut self.src, geo, &block.src);
            begin(&mut self.dst, geo, &block.dst);
            self.src_networks.clear(networks.count());
            self.dst_networks.clear(networks.count());
            self.exporters.iter_mut().for_each(ExporterMemo::clear);
        }
        let [of_flows, of_nat_events, of_counters] = &mut self.exporters;
        let Block { decoded, exporter_name, nat_exporter_name, counters_exporter_name, .. } = block;
        let Tables { flows, nat_events, interface_counters, .. } = &*decoded;
        fill_names((&flows.exporter, flows.agents()), names, of_flows, exporter_name);
        fill_names((&nat_events.exporter, &nat_events.agent), names, of_nat_events, nat_exporter_name);
        let of = (&interface_counters.exporter[..], &interface_counters.agent[..]);
        fill_names(of, names, of_counters, counters_exporter_name);
        self.rates.load().apply(&mut block.decoded.flows, done[0]);
        let first = done[0].min(rows[0]);
        let flows = &block.decoded.flows;
        fill_places(&flows.src_addr[first..], geo, &mut self.src, &mut block.src);
        fill_places(&flows.dst_addr[first..], geo, &mut self.dst, &mut block.dst);
        fill_networks(&flows.src_addr[first..], networks, &mut self.src_networks, &mut block.src);
        fill_networks(&flows.dst_addr[first..], networks, &mut self.dst_networks, &mut block.dst);
        self.valid_for = Some(Dictionaries::of(block, geo, names, networks));
    }
}

/// Rows of each table that were enriched before.
fn done(block: &Block) -> [usize; TABLES] {
    let names = [&block.exporter_name, &block.nat_exporter_name, &block.counters_exporter_name];
    names.map(|names| names.keys().len())
}

impl Dictionaries {
    fn of(block: &Block, geo: &Geo, names: &Names, networks: &Networks) -> Self {
        let texts = [
            &block.exporter_name,
            &block.nat_exporter_name,
            &block.counters_exporter_name,
            &block.src.country,
            &block.src.city,
            &block.src.as_name,
            &block.src.network,
            &block.src.customer,
            &block.dst.country,
            &block.dst.city,
            &block.dst.as_name,
            &block.dst.network,
            &block.dst.customer,
        ];
        let texts = texts.map(|text| (text.values().as_ptr().addr(), text.values().len()));
        let (names, networks) = (std::ptr::from_ref(names).addr(), std::ptr::from_ref(networks).addr());
        Self { tables: geo.serial(), names, networks, rows: done(block), texts }
    }
}

/// Names the exporters, each a sender and a device, that come after those which are named already.
fn fill_names(
    (exporters, agents): (&[Address], &[Address]),
    names: &Names,
    memo: &mut ExporterMemo,
    column: &mut Text,
) {
    let done = column.keys().len();
    column.resize(exporters.len().max(done));
    if names.is_empty() {
        return;
    }
    let are_told = !std::ptr::eq(exporters, agents);
    let mut row = done;
    while let (Some(exporter), Some(agent)) = (exporters.get(row), agents.get(row)) {
        // An exporter's records come some dozens at a time.
        let rest = exporters[row..].iter().zip(&agents[row..]);
        let is_same = |(sender, of): &(&Address, &Address)| *sender == exporter && (!are_told || *of == agent);
        let run = rest.take_while(is_same).count();
        let key = memo.get((exporter, agent), || column.key(names.of_exporter(exporter, agent)));
        if key != 0 {
            column.keys_mut()[row..row + run].fill(key);
        }
        row += run;
    }
}

fn begin(keys: &mut PlaceKeys, geo: &Geo, origin: &Origin) {
    let interner::Names { country, city, as_name } = geo.names();
    keys.country.begin(country, &origin.country);
    keys.city.begin(city, &origin.city);
    keys.as_name.begin(as_name, &origin.as_name);
}

fn fill_places(addresses: &[Address], geo: &Geo, keys: &mut PlaceKeys, origin: &mut Origin) {
    let done = origin.asn.len();
    let rows = done + addresses.len();
    origin.asn.resize(rows);
    [&mut origin.country, &mut origin.city, &mut origin.as_name].into_iter().for_each(|column| column.resize(rows));
    let names = geo.names();
    let mut records = [Record::default(); GROUP];
    if let (true, [first, ..]) = (geo.is_empty(), addresses) {
        geo.records(std::slice::from_ref(first), &mut records);
        let record = &records[0];
        if record.asn != 0 {
            origin.asn[done..].fill(record.asn);
        }
        for (keys, place, names, column) in [
            (&mut keys.country, record.country, &names.country, &mut origin.country),
            (&mut keys.city, record.city, &names.city, &mut origin.city),
            (&mut keys.as_name, record.as_name, &names.as_name, &mut origin.as_name),
        ] {
            keys.fill(std::iter::once(place), names, column, done..done + 1);
            let key = column.keys()[done];
            column.keys_mut()[done..].fill(key);
        }
        return;
    }
    for (group, row) in addresses.chunks(GROUP).zip((done..).step_by(GROUP)) {
        let rows = row..row + group.len();
        geo.records(group, &mut records);
        let records = &records[..group.len()];
        origin.asn[rows.clone()].iter_mut().zip(records).for_each(|(asn, record)| *asn = record.asn);
        keys.country.fill(
            records.iter().map(|record| record.country),
            &names.country,
            &mut origin.country,
            rows.clone(),
        );
        keys.city.fill(records.iter().map(|record| record.city), &names.city, &mut origin.city, rows.clone());
        keys.as_name.fill(records.iter().map(|record| record.as_name), &names.as_name, &mut origin.as_name, rows);
    }
}

fn fill_networks(addresses: &[Address], networks: &Networks, memo: &mut NetworkMemo, origin: &mut Origin) {
    if networks.is_empty() {
        let rows = origin.network.keys().len() + addresses.len();
        origin.network.resize(rows);
        origin.customer.resize(rows);
        return;
    }
    let done = origin.network.keys().len();
    let rows = done + addresses.len();
    [&mut origin.network, &mut origin.customer].into_iter().for_each(|column| column.resize(rows));
    let mut numbers = [0; GROUP];
    for (group, first) in addresses.chunks(GROUP).zip((done..).step_by(GROUP)) {
        networks.numbers(group, &mut numbers);
        for (row, number) in (first..rows).zip(&numbers[..group.len()]) {
            let keys = memo.get(*number, || {
                let network = networks.network(*number);
                NetworkKeys {
                    network: origin.network.key(&network.name),
                    customer: origin.customer.key(&network.customer),
                }
            });
            origin.network.keys_mut()[row] = keys.network;
            origin.customer.keys_mut()[row] = keys.customer;
        }
    }
}
