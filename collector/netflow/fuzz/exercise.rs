//! What the fuzz targets, and the test that replays their seeds, do with bytes.

use netflow::neutral::{Names, fields, sample_fields, sample_flow};
use netflow::totals::{Bounds, Room, Totals};
use netflow::{Datagram, MapStore, Record, Report, Sample, Store, Tables, Visit, decode, dissect};

/// Makes names and values of everything.
struct Showing;

impl Visit for Showing {
    fn record(&mut self, record: Record<'_>) {
        assert_eq!(record.fields().count(), record.template().fields().len(), "a record has all its fields");
        if record.template().fields().len() < 64 {
            drop(fields(&record, Names::Vendors));
        }
    }

    fn sample(&mut self, sample: Sample<'_>) {
        drop(sample_fields(&sample, Names::Vendors));
        drop(sample_flow(&sample));
    }
}

/// Puts a copy of what flows have reported so far in the place of it.
fn save_totals(store: &mut MapStore, received_ms: i64) {
    let Some(totals) = store.totals(&[1; 16], received_ms) else { return };
    let Ok(mut totals) = totals.lock() else { return };
    *totals = Totals::put_back(&totals.state(), Bounds::default(), &Room::new(Bounds::default().total));
}

/// Decodes the datagrams both ways and compares what came of them.
pub(crate) fn datagrams<'a>(payloads: impl Iterator<Item = &'a [u8]>) {
    let (mut row_store, mut column_store, mut saved_store) =
        (MapStore::default(), MapStore::default(), MapStore::default());
    let (mut row_report, mut column_report) = (Report::default(), Report::default());
    let (mut columns, mut again) = (Tables::default(), Tables::default());
    columns.flows.raw.keep = true;
    for payload in payloads {
        let datagram = Datagram { payload, exporter: [1; 16], received_ms: 1_700_000_000_000 };
        dissect(&datagram, &mut row_store, &mut row_report, &mut Showing);
        decode(&datagram, &mut column_store, &mut columns, &mut column_report);
        assert_eq!(column_report.without_rows(), row_report.without_rows(), "columns and rows agree");
        decode(&datagram, &mut saved_store, &mut again, &mut Report::default());
        save_totals(&mut saved_store, datagram.received_ms);
    }
    let columns = columns.flows;
    assert_eq!(columns.bytes, again.flows.bytes, "what was saved in between goes on as it was");
    assert_eq!(columns.packets, again.flows.packets);
    let rows = columns.len();
    assert_eq!(
        u64::try_from(rows),
        Ok(column_report.flow_rows()),
        "a row for each flow record and each other direction"
    );
    let lengths =
        [columns.start_ms.len(), columns.src_addr.len(), columns.sampling_rate.len(), columns.icmp_code.len()];
    assert_eq!(lengths, [rows; 4], "columns are equally long");
    assert_eq!([columns.application_name.keys().len(), columns.mpls_labels.ends.len()], [rows; 2]);
    assert_eq!([columns.flags.len(), columns.raw.ends.len()], [rows; 2]);
    assert!((0..rows).all(|row| columns.mpls_labels.get(row).len() <= 10), "a stack has ten labels at most");
    assert!(columns.sampling_rate.iter().all(|rate| *rate > 0), "no rate is zero");
}
