//! Settling a minute: what went into the rings and did not come out of them is lost.

use netflow::columns::Address;

use super::NOBODY;
use super::cell::{Cell, Cells};
use super::rings::{RingDrops, Split};

/// Datagrams and their payload bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quantity {
    /// Datagrams.
    pub datagrams: u64,
    /// Payload bytes.
    pub bytes: u64,
}

/// An exporter's datagrams in a minute at both ends of the rings.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sides {
    pub(super) steered: Quantity,
    pub(super) received: Quantity,
}

/// What came out was seen, whoever's count it is in: exporters without a lasting account are counted in the kernel's sum
/// under `::`, so what came out beyond an exporter's own count is taken off that sum.
pub(super) fn settle(mut exporters: Vec<(Address, Sides)>, drops: &mut RingDrops) -> Vec<(Address, Cells)> {
    exporters.sort_unstable_by_key(|(exporter, _)| *exporter);
    let (mut beyond, mut lost) = (Quantity::default(), 0);
    for (_, sides) in exporters.iter().filter(|(exporter, _)| *exporter != NOBODY) {
        beyond.datagrams += sides.received.datagrams.saturating_sub(sides.steered.datagrams);
        beyond.bytes += sides.received.bytes.saturating_sub(sides.steered.bytes);
    }
    // What a worker had to count under `::` for want of room is not lost for the exporter that the kernel counted.
    let nobody =
        exporters.iter().find(|(exporter, _)| *exporter == NOBODY).map_or(Sides::default(), |(_, nobody)| *nobody);
    let mut unplaced = nobody.received.datagrams.saturating_sub(nobody.steered.datagrams);
    for (exporter, sides) in &mut exporters {
        let moved = unplaced.min(sides.steered.datagrams.saturating_sub(sides.received.datagrams));
        sides.steered.datagrams -= moved;
        unplaced -= moved;
        if *exporter == NOBODY {
            sides.steered.datagrams = sides.steered.datagrams.saturating_sub(beyond.datagrams);
            sides.steered.bytes = sides.steered.bytes.saturating_sub(beyond.bytes);
        }
        sides.steered.datagrams = sides.steered.datagrams.max(sides.received.datagrams);
        sides.steered.bytes = sides.steered.bytes.max(sides.received.bytes);
        lost += sides.steered.datagrams - sides.received.datagrams;
    }
    let mut reasons = drops.take(lost);
    let counted = exporters.into_iter().map(|(exporter, sides)| {
        let mut cells = Cells::default();
        cells.see_xdp(sides.steered);
        let Split { ring_full, fill_ring_empty, other } =
            reasons.take(sides.steered.datagrams - sides.received.datagrams);
        cells.add(Cell::RingFull, ring_full.cast_signed());
        cells.add(Cell::FillRingEmpty, fill_ring_empty.cast_signed());
        cells.add(Cell::RingOther, other.cast_signed());
        (exporter, cells)
    });
    counted.collect()
}

impl Cells {
    pub(super) fn see_xdp(&mut self, quantity: Quantity) {
        self.add(Cell::SeenXdp, quantity.datagrams.cast_signed());
        self.add(Cell::SeenXdpBytes, quantity.bytes.cast_signed());
    }
}
