//! One worker's rollups: a block's flows, exporter by exporter, cut into pieces and added to every table.

use super::counts::Counts;
use super::hosts::Hosts;
use super::linear::{Countries, Interfaces, Networks, Services, Systems};
use super::parts::Parts;
use super::pieces::Pieces;
use super::selection::Selection;
use super::table::Rollup;
use crate::batch::{Block, Rollups};

/// Flows that are cut at a time: their pieces stay in the nearest cache while the tables take them.
const AT_A_TIME: usize = 256;
/// Rows between two pulses.
const PULSE_ROWS: usize = 2048;

/// Computes the rollups of blocks. Nothing is allocated for a row once blocks of this kind were seen.
#[derive(Debug)]
pub struct Roller {
    parts: Parts,
    pieces: Pieces,
    rollups: Vec<Box<dyn Rollup>>,
}

impl Default for Roller {
    fn default() -> Self {
        Self::new(Selection::default())
    }
}

impl Roller {
    /// Computes some rollups; the others of a block stay empty.
    #[must_use]
    pub fn new(selection: Selection) -> Self {
        let rollup = |place| -> Box<dyn Rollup> {
            match place {
                0 => Box::new(Interfaces::default()),
                1 => Box::new(Systems::default()),
                2 => Box::new(Countries::default()),
                3 => Box::new(Services::default()),
                4 => Box::new(Networks::default()),
                _ => Box::new(Hosts::default()),
            }
        };
        Self { parts: Parts::default(), pieces: Pieces::default(), rollups: selection.places().map(rollup).collect() }
    }

    /// Fills the rollups of a block from its flow records, which must be complete and enriched.
    pub fn roll(&mut self, block: &mut Block) {
        self.roll_meanwhile(block, &mut || ());
    }

    /// The same; `pulse` is called each time some rows are done.
    pub fn roll_meanwhile(&mut self, block: &mut Block, pulse: &mut dyn FnMut()) {
        block.rollups.clear();
        if block.decoded.flows.is_empty() || self.rollups.is_empty() {
            return;
        }
        let mut rollups = std::mem::take(&mut block.rollups);
        self.roll_into(block, &mut rollups, pulse);
        block.rollups = rollups;
    }

    /// What was not told apart so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            whole_flows: self.pieces.whole(),
            unnamed_hosts: self.rollups.iter().map(|rollup| rollup.unnamed_hosts()).sum(),
        }
    }

    fn roll_into(&mut self, block: &Block, out: &mut Rollups, pulse: &mut dyn FnMut()) {
        let Self { parts, pieces, rollups } = self;
        parts.take(&block.decoded.flows.exporter);
        pieces.begin_block();
        for rollup in &mut *rollups {
            rollup.begin_block();
        }
        let mut since_pulse = 0;
        for (exporter, rows) in (0..).zip(parts.each()) {
            for rollup in &mut *rollups {
                rollup.begin_part(rows.len());
            }
            for rows in rows.chunks(AT_A_TIME) {
                pieces.cut(&block.decoded.flows, rows);
                for rollup in &mut *rollups {
                    rollup.add(pieces, block);
                }
                since_pulse += rows.len();
                if since_pulse >= PULSE_ROWS {
                    since_pulse = 0;
                    pulse();
                }
            }
            for rollup in &mut *rollups {
                rollup.end_part(exporter);
            }
        }
        for rollup in &mut *rollups {
            rollup.drain(block, parts, out);
            pulse();
        }
    }
}
