//! Every datagram of every capture, cut at every byte, with all templates known.

use netflow::{MapStore, Record, Report, Tables, decode, dissect};

use crate::captures;

#[test]
fn cut_at_every_byte() {
    let Some(corpus) = captures::corpus() else { return };
    for name in captures::captures(&corpus) {
        let (mut store, mut report, mut columns) = (MapStore::default(), Report::default(), Tables::default());
        let packets = captures::packets(&corpus, &name);
        for packet in &packets {
            decode(&packet.datagram(), &mut store, &mut columns, &mut report);
        }
        // Of captures with many alike, the first datagrams are enough.
        for packet in packets.iter().take(8) {
            for length in 0..packet.payload.len() {
                let mut datagram = packet.datagram();
                datagram.payload = &packet.payload[..length];
                columns.clear();
                let mut column_report = Report::default();
                decode(&datagram, &mut store, &mut columns, &mut column_report);
                let mut row_report = Report::default();
                dissect(&datagram, &mut store, &mut row_report, &mut |_: Record<'_>| {});
                assert_eq!(
                    (columns.flows.len() as u64, column_report.flow_records()),
                    (column_report.flow_rows(), row_report.flow_records()),
                    "{name}, packet {}, cut at {length}",
                    packet.number
                );
                assert_eq!(
                    column_report.without_rows().malformed(),
                    row_report.malformed(),
                    "{name}, packet {}",
                    packet.number
                );
            }
        }
    }
}
