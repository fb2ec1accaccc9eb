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
    /// The next datagram.
    next: usize,
}

impl Decoded {
    pub(crate) fn new(load: Load, size: Size) -> Self {
        let mut templates = Templates::new(Settings::default()).cache();
        let (mut tables, mut report) = (Tables::default(), Report::default());
        decode_part(&Load::datagram(&load.opening), &mut templates, &mut tables, &mut report);
        let decoded = Self { load, templates, tables, report, rows: size.rows(), next: 0 };
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
        let mut tables = std::mem::take(&mut self.tables);
        tables.clear();
        let flows = self.more(&mut tables, self.rows);
        self.tables = tables;
        flows
    }

    /// Decodes so many flow records into `tables`, and the others of the last datagram; how many.
    pub(crate) fn more(&mut self, tables: &mut Tables, most: usize) -> usize {
        let mut flows = 0;
        while flows < most {
            let (payload, records) = self.load.at(self.next);
            decode_part(&Load::datagram(payload), &mut self.templates, tables, &mut self.report);
            flows += records;
            self.next += 1;
        }
        tables.complete();
        flows
    }

    /// Flow records of a block.
    pub(crate) fn rows(&self) -> usize {
        self.rows
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
