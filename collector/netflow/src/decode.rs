//! The two ways to decode a datagram: into columns, and record by record.

use crate::fill;
use crate::header::Datagram;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::record::{DataSet, Record};
use crate::report::Report;
use crate::sflow::{Sample, Sampled, Samples};
use crate::store::Store;
use crate::tables::Tables;
use crate::template::Kind;
use crate::walk::{Sink, Taken, walk};

/// Appends what a datagram tells to `out`; templates and option values go to `store`, everything is counted in
/// `report`. Allocates nothing once `out` has room and the templates are known.
pub fn decode(datagram: &Datagram<'_>, store: &mut impl Store, out: &mut Tables, report: &mut Report) -> Outcome {
    walk(datagram, store, report, &mut Columns { out })
}

/// Who is shown what is in datagrams. A closure that takes a [`Record`] is one that leaves samples aside.
pub trait Visit {
    /// Takes a data record or options data record of NetFlow or IPFIX.
    fn record(&mut self, record: Record<'_>);

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
}

impl Sink for Columns<'_> {
    fn data_set(&mut self, set: &DataSet<'_>, options: Option<&Options>) -> Taken {
        match set.template.kind() {
            Kind::Data => fill::fill(set, options, &mut self.out.flows),
            Kind::Options { .. } => visit_all(set, &mut |_: Record<'_>| {}),
        }
    }

    fn samples(&mut self, samples: Samples<'_, '_>) {
        let flows = &mut self.out.flows;
        let mut row = flows.len();
        // Rows are made for all samples at once; those of broken ones are taken back.
        let end = row.saturating_add(samples.flow_samples());
        if row < end {
            flows.resize(end);
        }
        for Sampled { sample, flow } in samples {
            let Some(flow) = flow else { continue };
            flow.write(&sample, row, flows);
            row = row.saturating_add(1);
        }
        if row < end {
            flows.resize(row);
        }
    }
}

struct Rows<'a, V> {
    visit: &'a mut V,
}

impl<V: Visit> Sink for Rows<'_, V> {
    fn data_set(&mut self, set: &DataSet<'_>, _: Option<&Options>) -> Taken {
        visit_all(set, self.visit)
    }

    fn samples(&mut self, samples: Samples<'_, '_>) {
        for Sampled { sample, .. } in samples {
            self.visit.sample(sample);
        }
    }
}

fn visit_all(set: &DataSet<'_>, visit: &mut impl Visit) -> Taken {
    let mut records = set.records();
    let mut count = 0_usize;
    for bytes in records.by_ref() {
        visit.record(set.record(bytes));
        count = count.saturating_add(1);
    }
    Taken { records: count, is_truncated: records.is_truncated() }
}
