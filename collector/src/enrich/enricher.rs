//! Fills a block's columns that the exporter did not: one worker's part of enrichment, column by column.

use netflow::Text;
use netflow::columns::Address;

use super::geo::{Geo, PlaceId};
use super::memo::{ExporterMemo, PlaceKeys, PlaceMemo};
use super::names::Names;
use super::published::{Current, Published};
use crate::batch::{Block, Origin};

/// One worker's enrichment. Nothing is allocated for a row once blocks of this size were seen.
#[derive(Debug)]
pub struct Enricher {
    geo: Current,
    names: Current<Names>,
    places: Vec<PlaceId>,
    src: PlaceMemo,
    dst: PlaceMemo,
    exporters: ExporterMemo,
    /// What the memos are valid for.
    valid_for: Option<Dictionaries>,
}

/// The tables and the dictionaries that memos were made from. A dictionary only grows until its block is cleared, so it is
/// the one that was left behind if it is where it was and as long as it was, and the block has as many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dictionaries {
    tables: u64,
    /// Where the names lie: those that memos were made from are held until others are looked at.
    names: usize,
    rows: usize,
    /// Address and length of each.
    texts: [(usize, usize); 7],
}

impl Enricher {
    /// Enrichment from the tables in force and the configured names.
    #[must_use]
    pub fn new(published: &Published, names: &Published<Names>) -> Self {
        Self {
            geo: published.current(),
            names: names.current(),
            places: Vec::new(),
            src: PlaceMemo::new(),
            dst: PlaceMemo::new(),
            exporters: ExporterMemo::new(),
            valid_for: None,
        }
    }

    /// Fills the enriched columns of the rows that were added since they were last filled.
    pub fn enrich(&mut self, block: &mut Block) {
        let (geo, names) = (self.geo.load(), self.names.load());
        let (done, rows) = (block.src.asn.len(), block.len());
        if done >= rows {
            return;
        }
        if done == 0 || self.valid_for != Some(Dictionaries::of(block, geo, names)) {
            self.src.clear();
            self.dst.clear();
            self.exporters.clear();
        }
        let exporters = &block.flows.exporter[done..];
        fill_names(exporters, names, &mut self.exporters, &mut block.exporter_name);
        find_places(&block.flows.src_addr[done..], geo, &mut self.places);
        fill_places(&self.places, geo, &mut self.src, &mut block.src);
        find_places(&block.flows.dst_addr[done..], geo, &mut self.places);
        fill_places(&self.places, geo, &mut self.dst, &mut block.dst);
        self.valid_for = Some(Dictionaries::of(block, geo, names));
    }
}

impl Dictionaries {
    fn of(block: &Block, geo: &Geo, names: &Names) -> Self {
        let texts = [
            &block.exporter_name,
            &block.src.country,
            &block.src.city,
            &block.src.as_name,
            &block.dst.country,
            &block.dst.city,
            &block.dst.as_name,
        ];
        let texts = texts.map(|text| (text.values().as_ptr().addr(), text.values().len()));
        Self { tables: geo.serial(), names: std::ptr::from_ref(names).addr(), rows: block.src.asn.len(), texts }
    }
}

fn fill_names(exporters: &[Address], names: &Names, memo: &mut ExporterMemo, column: &mut Text) {
    for exporter in exporters {
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
