//! The two ways to decode a datagram: into columns, and record by record.

use crate::columns::flags;
use crate::counts::Counts;
use crate::fill;
use crate::header::Datagram;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::plausible::{self, Told};
use crate::record::{DataSet, Record};
use crate::report::Report;
use crate::sflow::{Sample, Samples, counters};
use crate::store::Store;
use crate::tables::Tables;
use crate::template::Kind;
use crate::walk::{Sink, Taken, walk};

/// Appends what a datagram tells to `out`; templates and option values go to `store`, everything is counted in
/// `report`. Allocates nothing once `out` has room and the templates are known.
pub fn decode(datagram: &Datagram<'_>, store: &mut impl Store, out: &mut Tables, report: &mut Report) -> Outcome {
    let outcome = decode_part(datagram, store, out, report);
    out.complete();
    outcome
}

/// As [`decode`], one of many datagrams of a block: columns of flows that no field has written stay shorter than the others,
/// and those that fields do write grow ahead, until [`Tables::complete`], which has to be called before anybody but a decoder
/// looks. So an empty column costs something once for a block, and growing costs something once for many datagrams.
pub fn decode_part(datagram: &Datagram<'_>, store: &mut impl Store, out: &mut Tables, report: &mut Report) -> Outcome {
    let mut columns = Columns { out, counts: Counts::default() };
    let outcome = walk(datagram, store, report, &mut columns);
    columns.counts.tell(report);
    let fault = outcome.fault.or(columns.counts.fault());
    for event in out.flows.scratch.unopened.drain(..) {
        report.count_unopened(event);
    }
    Outcome { fault, unopened: report.unopened(), ..outcome }
}

/// Who is shown what is in datagrams. A closure that takes a [`Record`] is one that leaves samples aside.
pub trait Visit {
    /// Takes a data record or options data record of NetFlow or IPFIX.
    fn record(&mut self, record: Record<'_>);

    /// Takes a record whose data set waited for its template: by its header, it came in an earlier datagram or in this one.
    fn late_record(&mut self, record: Record<'_>) {
        self.record(record);
    }

    /// Takes a sample of sFlow.
    fn sample(&mut self, _: Sample<'_>) {}
}

impl<F: FnMut(Record<'_>)> Visit for F {
    fn record(&mut self, record: Record<'_>) {
        self(record);
    }
}

/// Shows `visit` each record or sample of a datagram, in wire order. Templates, options and counts as in [`decode`].
pub fn dissect(
    datagram: &Datagram<'_>,
    store: &mut impl Store,
    report: &mut Report,
    visit: &mut impl Visit,
) -> Outcome {
    walk(datagram, store, report, &mut Rows { visit })
}

struct Columns<'a> {
    out: &'a mut Tables,
    counts: Counts,
}

impl Sink for Columns<'_> {
    fn data_set(&mut self, set: &DataSet<'_>, options: Option<&Options>) -> Taken {
        match set.template.kind() {
            Kind::Data => fill::fill(set, options, self.out, &mut self.counts),
            Kind::Options { .. } => visit_all(set, |_| {}),
        }
    }

    fn late_data_set(&mut self, set: &DataSet<'_>, options: Option<&Options>) -> Taken {
        let first_row = self.out.flows.len();
        let taken = self.data_set(set, options);
        self.out.flows.flags.iter_mut().skip(first_row).for_each(|cell| *cell |= flags::HELD);
        taken
    }

    fn samples(&mut self, mut samples: Samples<'_, '_>) {
        let Tables { flows, interface_counters, limits, .. } = &mut *self.out;
        let first_row = flows.len();
        let mut row = first_row;
        // Rows are made for all samples at once; those of broken ones are taken back.
        let end = row.saturating_add(samples.flow_samples());
        if row < end {
            flows.resize(end);
        }
        while let Some((sample, flow)) = samples.next() {
            let Some(flow) = flow else {
                counters::append(&sample, interface_counters, &mut self.counts);
                continue;
            };
            flow.write(&sample, row, flows);
            row = row.saturating_add(1);
        }
        if row < end {
            flows.resize(row);
        }
        let implausible = plausible::judge(Told::PACKETS, limits, first_row..row, flows);
        self.counts.implausible = self.counts.implausible.wrapping_add(implausible);
    }
}

struct Rows<'a, V> {
    visit: &'a mut V,
}

impl<V: Visit> Sink for Rows<'_, V> {
    fn data_set(&mut self, set: &DataSet<'_>, _: Option<&Options>) -> Taken {
        visit_all(set, |record| self.visit.record(record))
    }

    fn late_data_set(&mut self, set: &DataSet<'_>, _: Option<&Options>) -> Taken {
        visit_all(set, |record| self.visit.late_record(record))
    }

    fn samples(&mut self, mut samples: Samples<'_, '_>) {
        while let Some((sample, _)) = samples.next() {
            self.visit.sample(sample);
        }
    }
}

fn visit_all<'a>(set: &DataSet<'a>, mut visit: impl FnMut(Record<'a>)) -> Taken {
    let mut records = set.records();
    let mut count = 0_usize;
    for bytes in records.by_ref() {
        visit(set.record(bytes));
        count = count.saturating_add(1);
    }
    Taken { records: count, is_truncated: records.is_truncated() }
}
