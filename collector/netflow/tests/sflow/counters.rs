//! Generic interface counters, in their table.

use netflow::tables::InterfaceCounters;
use netflow::{Event, MapStore, Report, Tables, decode};

use crate::encoder::{counter, counter_expanded, datagram, flow, interface_counters, structure, words};
use crate::{EXPORTER, RECEIVED_MS, address, received};

fn counters(samples: &[Vec<u8>]) -> (InterfaceCounters, Report) {
    let (mut tables, mut report) = (Tables::default(), Report::default());
    decode(&received(&datagram(samples)), &mut MapStore::default(), &mut tables, &mut report);
    assert_eq!(report.get(Event::InterfaceCounters), tables.interface_counters.len() as u64);
    (tables.interface_counters, report)
}

/// The columns from the interface's index on.
fn cells(rows: &InterfaceCounters, row: usize) -> [u64; 20] {
    let identity = [rows.if_index[row].into(), rows.if_type[row].into(), rows.if_speed[row]];
    let state = [rows.if_duplex[row], rows.if_admin_up[row], rows.if_oper_up[row]].map(u64::from);
    let incoming = [
        rows.in_octets[row],
        rows.in_unicast[row],
        rows.in_multicast[row],
        rows.in_broadcast[row],
        rows.in_discards[row],
        rows.in_errors[row],
        rows.in_unknown_protocols[row],
    ];
    let outgoing = [
        rows.out_octets[row],
        rows.out_unicast[row],
        rows.out_multicast[row],
        rows.out_broadcast[row],
        rows.out_discards[row],
        rows.out_errors[row],
        rows.promiscuous[row].into(),
    ];
    [&identity[..], &state, &incoming, &outgoing].concat().try_into().expect("twenty")
}

#[test]
fn every_column() {
    // The status 5 is admin up, oper down; promiscuous 19 is not 1, which alone is yes.
    let expected = [7, 2, 3, 4, 1, 0, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 0];
    for sample in [counter(&[interface_counters()]), counter_expanded(&[interface_counters()])] {
        let (rows, report) = counters(&[sample]);
        assert_eq!((rows.len(), report.malformed()), (1, 0));
        assert_eq!(cells(&rows, 0), expected);
        assert_eq!((rows.received_ms[0], rows.exporter[0], rows.domain[0]), (RECEIVED_MS, EXPORTER, 3));
        assert_eq!(rows.agent, [address("198.51.100.7")]);
    }
}

#[test]
fn what_the_exporter_does_not_know() {
    let all_ones = structure(1, &words(&[u32::MAX; 22]));
    let (rows, _) = counters(&[counter(&[all_ones])]);
    let (octets, packets) = ([rows.in_octets[0], rows.out_octets[0]], [rows.in_errors[0], rows.out_errors[0]]);
    assert_eq!((octets, packets), ([u64::MAX; 2], [u64::from(u32::MAX); 2]), "as sent");
    assert_eq!((rows.if_admin_up[0], rows.if_oper_up[0], rows.promiscuous[0]), (1, 1, 0));
}

#[test]
fn records_of_a_sample() {
    let of_ethernet = structure(2, &[0; 52]);
    let (rows, report) = counters(&[counter(&[of_ethernet, interface_counters(), interface_counters()])]);
    assert_eq!((rows.len(), report.malformed()), (2, 0));
    let (rows, report) = counters(&[counter(&[structure(1, &[0; 84])])]);
    assert_eq!((rows.len(), report.get(Event::CountersTooShort)), (0, 1));
    let (rows, _) = counters(&[flow(&[interface_counters()])]);
    assert!(rows.is_empty(), "counters in a flow sample are no counter sample");
}
