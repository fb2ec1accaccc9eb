//! What a place or an exporter is called in the dictionaries of the block at hand, so that no text is hashed for a row.

use netflow::columns::Address;

use super::geo::PlaceId;

/// Slots for places; a power of two.
const PLACE_SLOTS: usize = 16_384;
/// Slots for exporters; a power of two.
const EXPORTER_SLOTS: usize = 256;

/// A place as a block's columns have it: keys of three dictionaries, and the number.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PlaceKeys {
    pub(super) country: u32,
    pub(super) city: u32,
    pub(super) asn: u32,
    pub(super) as_name: u32,
}

/// The keys of places seen in this block. Direct-mapped: two places in one slot only cost hashing their texts again.
#[derive(Debug)]
pub(super) struct PlaceMemo(Box<[Option<(PlaceId, PlaceKeys)>]>);

/// A network as a block's columns have it: keys of two dictionaries.
#[derive(Debug, Clone, Copy)]
pub(super) struct NetworkKeys {
    pub(super) network: u32,
    pub(super) customer: u32,
}

/// The keys of networks seen in this block, by their number.
#[derive(Debug, Default)]
pub(super) struct NetworkMemo(Vec<Option<NetworkKeys>>);

/// The keys of exporters' names in this block.
#[derive(Debug)]
pub(super) struct ExporterMemo(Box<[Option<(Address, u32)>]>);

impl PlaceMemo {
    pub(super) fn new() -> Self {
        Self(vec![None; PLACE_SLOTS].into_boxed_slice())
    }

    /// The keys of a place, made by `make` if they are not known.
    #[inline]
    pub(super) fn get(&mut self, place: PlaceId, make: impl FnOnce() -> PlaceKeys) -> PlaceKeys {
        // Neighbouring numbers are places of neighbouring networks: they go to neighbouring slots.
        let slot = &mut self.0[place.0 as usize % PLACE_SLOTS];
        match slot {
            Some((known, keys)) if *known == place => *keys,
            other => other.insert((place, make())).1,
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.fill(None);
    }
}

impl NetworkMemo {
    /// The keys of a network, made by `make` if they are not known.
    #[inline]
    pub(super) fn get(&mut self, number: u32, make: impl FnOnce() -> NetworkKeys) -> NetworkKeys {
        match &mut self.0[number as usize] {
            Some(keys) => *keys,
            unknown => *unknown.insert(make()),
        }
    }

    /// Forgets them and makes room for `networks`.
    pub(super) fn clear(&mut self, networks: usize) {
        self.0.clear();
        self.0.resize(networks, None);
    }
}

impl ExporterMemo {
    pub(super) fn new() -> Self {
        Self(vec![None; EXPORTER_SLOTS].into_boxed_slice())
    }

    /// The key of an exporter's name, made by `make` if it is not known.
    #[inline]
    pub(super) fn get(&mut self, exporter: &Address, make: impl FnOnce() -> u32) -> u32 {
        let folded = u128::from_be_bytes(*exporter);
        let folded = (folded >> 64) as u64 ^ folded as u64;
        let hash = (folded ^ folded >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let slot = &mut self.0[(hash >> 32) as usize % EXPORTER_SLOTS];
        match slot {
            Some((known, key)) if known == exporter => *key,
            other => other.insert((*exporter, make())).1,
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.fill(None);
    }
}
