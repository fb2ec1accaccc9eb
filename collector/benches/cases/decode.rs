//! Datagrams into the columns of a block, through a worker's view of the template store, as in production.

use collector::templates::{Cache, Settings, Templates};
use netflow::{Report, Tables, decode_part};

use super::load::Load;
use super::{Case, Size};

/// Datagrams of one exporter, decoded until a block is full.
pub(crate) struct Decoded {
    load: Load,
    templates: Cache,
    tables: Tables,
    report: Report,
    rows: usize,
}

impl Decoded {
    pub(crate) fn new(load: Load, size: Size) -> Self {
        let mut templates = Templates::new(Settings::default()).cache();
        let (mut tables, mut report) = (Tables::default(), Report::default());
        decode_part(&Load::datagram(&load.opening), &mut templates, &mut tables, &mut report);
        let decoded = Self { load, templates, tables, report, rows: size.rows() };
        decoded.checked()
    }

    /// Every flow that was sent makes a row.
    fn checked(mut self) -> Self {
        let flows = self.fill();
        assert!(self.tables.flows.len() >= flows, "{} rows of {flows} flows", self.tables.flows.len());
        self
    }

    /// Fills the block; the flow records in it.
    pub(crate) fn fill(&mut self) -> usize {
        self.tables.clear();
        let mut flows = 0;
        for (payload, records) in self.load.cycle() {
            if flows >= self.rows {
                break;
            }
            decode_part(&Load::datagram(payload), &mut self.templates, &mut self.tables, &mut self.report);
            flows += records;
        }
        self.tables.complete();
        flows
    }

    /// What was decoded last.
    pub(crate) fn tables(&mut self) -> &mut Tables {
        &mut self.tables
    }
}

impl Case for Decoded {
    fn round(&mut self) -> usize {
        self.fill()
    }
}
