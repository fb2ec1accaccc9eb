//! The ledger on `/metrics`: totals of each cell, and the cells of the exporters that send most.

use std::net::Ipv6Addr;

use super::account::Account;
use super::cell::{Cell, Cells};
use crate::metrics::{Exposition, Kind};

/// Exporters with samples of their own.
const EXPORTERS_SHOWN: usize = 1_000;

impl Account {
    /// Writes every cell that is not zero.
    pub fn write(&self, out: &mut Exposition) {
        let (totals, folded) = self.totals();
        for cell in Cell::ALL {
            let name = format!("collector_ledger_{}{}", cell.label(), suffix(*cell));
            out.sample(kind(*cell), &name, &format!("{}.", cell.comment()), &[], totals.get(*cell));
        }
        for (fault, count) in totals.faults() {
            let help = "Malformed datagrams by the first fault in them.";
            out.counter("collector_ledger_faults_total", help, &[("fault", fault.label())], *count);
        }
        self.agents().write(out);
        let help = "Times that something was counted under the exporter :: because too many exporters came at once.";
        out.counter("collector_ledger_folded_total", help, &[], folded);
        for (exporter, cells) in self.of_exporters(EXPORTERS_SHOWN) {
            write_exporter(&Ipv6Addr::from(exporter).to_canonical().to_string(), &cells, out);
        }
    }
}

fn write_exporter(exporter: &str, cells: &Cells, out: &mut Exposition) {
    for cell in Cell::ALL {
        let count = cells.get(*cell);
        if count != 0 {
            let name = format!("collector_exporter_{}{}", cell.label(), suffix(*cell));
            let help = format!("{}, of the exporters that send most.", cell.comment());
            out.sample(kind(*cell), &name, &help, &[("exporter", exporter)], count);
        }
    }
}

/// What may be taken back is no counter to Prometheus.
fn kind(cell: Cell) -> Kind {
    if cell.is_signed() { Kind::Gauge } else { Kind::Counter }
}

fn suffix(cell: Cell) -> &'static str {
    if cell.is_signed() { "" } else { "_total" }
}
