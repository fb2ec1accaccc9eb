//! Fills a block's columns that the exporter did not: one worker's part of enrichment, column by column.

use netflow::Text;
use netflow::columns::Address;

use super::geo::{Geo, PlaceId};
use super::memo::{ExporterMemo, NetworkKeys, NetworkMemo, PlaceKeys, PlaceMemo};
use super::names::Names;
use super::networks::Networks;
use super::published::{Current, Published};
use super::sampling::{CurrentRates, PublishedRates};
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
    places: Vec<PlaceId>,
    src: PlaceMemo,
    dst: PlaceMemo,
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
            places: Vec::new(),
            src: PlaceMemo::new(),
            dst: PlaceMemo::new(),
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
            self.src.clear();
            self.dst.clear();
            self.src_networks.clear(networks.count());
            self.dst_networks.clear(networks.count());
            self.exporters.iter_mut().for_each(ExporterMemo::clear);
        }
        let [of_flows, of_nat_events, of_counters] = &mut self.exporters;
        let Block { decoded, exporter_name, nat_exporter_name, counters_exporter_name, .. } = block;
        fill_names(&decoded.flows.exporter, names, of_flows, exporter_name);
        fill_names(&decoded.nat_events.exporter, names, of_nat_events, nat_exporter_name);
        fill_names(&decoded.interface_counters.exporter, names, of_counters, counters_exporter_name);
        self.rates.load().apply(&mut block.decoded.flows, done[0]);
        let first = done[0].min(rows[0]);
        find_places(&block.decoded.flows.src_addr[first..], geo, &mut self.places);
        fill_places(&self.places, geo, &mut self.src, &mut block.src);
        find_places(&block.decoded.flows.dst_addr[first..], geo, &mut self.places);
        fill_places(&self.places, geo, &mut self.dst, &mut block.dst);
        let flows = &block.decoded.flows;
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

/// Names the exporters that come after those which are named already.
fn fill_names(exporters: &[Address], names: &Names, memo: &mut ExporterMemo, column: &mut Text) {
    let done = column.keys().len();
    for exporter in exporters.iter().skip(done) {
        let key = memo.get(exporter, || column.key(names.get(exporter)));
        column.push(key);
    }
}

/// A pass of its own: the lookups do not depend on each other, so the processor has many of their loads under way at once.
fn find_places(addresses: &[Address], geo: &Geo, places: &mut Vec<PlaceId>) {
    places.clear();
    places.extend(addresses.iter().map(|address| geo.lookup(address)));
}

fn fill_places(places: &[PlaceId], geo: &Geo, memo: &mut PlaceMemo, origin: &mut Origin) {
    for place in places {
        let keys = memo.get(*place, || {
            let place = geo.place(*place);
            PlaceKeys {
                country: origin.country.key(place.country),
                city: origin.city.key(place.city),
                asn: place.asn,
                as_name: origin.as_name.key(place.as_name),
            }
        });
        origin.country.push(keys.country);
        origin.city.push(keys.city);
        origin.asn.push(keys.asn);
        origin.as_name.push(keys.as_name);
    }
}

fn fill_networks(addresses: &[Address], networks: &Networks, memo: &mut NetworkMemo, origin: &mut Origin) {
    for address in addresses {
        let number = networks.number(address);
        let keys = memo.get(number, || {
            let network = networks.network(number);
            NetworkKeys { network: origin.network.key(&network.name), customer: origin.customer.key(&network.customer) }
        });
        origin.network.push(keys.network);
        origin.customer.push(keys.customer);
    }
}
