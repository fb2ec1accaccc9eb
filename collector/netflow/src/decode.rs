//! The two ways to decode a datagram: into columns, and record by record.

use crate::columns::FlowColumns;
use crate::fill;
use crate::header::Datagram;
use crate::options::Options;
use crate::record::{DataSet, Record};
use crate::report::Report;
use crate::store::Store;
use crate::template::Kind;
use crate::walk::{Sink, Taken, walk};

/// Appends the flow records of a datagram to `out`; templates and option values go to `store`, everything is counted in
/// `report`. Allocates nothing once `out` has room and the templates are known.
pub fn decode(datagram: &Datagram<'_>, store: &mut impl Store, out: &mut FlowColumns, report: &mut Report) {
    walk(datagram, store, report, &mut Columns { out });
}

/// Calls `visit` with each data record and options data record of a datagram, in wire order. Templates, options and counts
/// as in [`decode`].
pub fn dissect(
    datagram: &Datagram<'_>,
    store: &mut impl Store,
    report: &mut Report,
    visit: &mut impl FnMut(Record<'_>),
) {
    walk(datagram, store, report, &mut Rows { visit });
}

struct Columns<'a> {
    out: &'a mut FlowColumns,
}

impl Sink for Columns<'_> {
    fn data_set(&mut self, set: &DataSet<'_>, options: Option<&Options>) -> Taken {
        match set.template.kind() {
            Kind::Data => fill::fill(set, options, self.out),
            Kind::Options { .. } => visit_all(set, &mut |_| {}),
        }
    }
}

struct Rows<'a, F> {
    visit: &'a mut F,
}

impl<F: FnMut(Record<'_>)> Sink for Rows<'_, F> {
    fn data_set(&mut self, set: &DataSet<'_>, _: Option<&Options>) -> Taken {
        visit_all(set, self.visit)
    }
}

fn visit_all(set: &DataSet<'_>, visit: &mut impl FnMut(Record<'_>)) -> Taken {
    let mut records = set.records();
    let mut count = 0_usize;
    for bytes in records.by_ref() {
        visit(set.record(bytes));
        count = count.saturating_add(1);
    }
    Taken { records: count, is_truncated: records.is_truncated() }
}
