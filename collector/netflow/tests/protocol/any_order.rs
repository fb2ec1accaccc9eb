//! Whatever order reports of running totals come in, whichever are lost or come twice: the sum over a flow's rows is its largest
//! total, and the same datagrams give the same rows again, also where what is remembered was saved in between.

use std::collections::BTreeMap;

use netflow::columns::flags;
use netflow::totals::{Bounds, Room, Totals};
use netflow::{Datagram, MapStore, Report, Store, Tables, decode};
use proptest::prelude::*;

use crate::encoder::{self, EXPORTER, RECEIVED_MS, set, template};

/// A report of a flow: (flow, number of the report, octets and packets since the flow began).
type Told = (u8, u16, u64, u64);

/// Flows with reports of counts that grow, in the order in which they come.
fn reports() -> impl Strategy<Value = Vec<Told>> {
    let flow = proptest::collection::vec((0..5000_u64, 0..9_u64), 1..8);
    let flows = proptest::collection::vec(flow, 1..5);
    flows.prop_flat_map(|flows| {
        let mut all: Vec<Told> = Vec::new();
        for (reports, flow) in flows.iter().zip(0..) {
            let mut sums = (0, 0);
            for ((octets, packets), number) in reports.iter().zip(1..) {
                sums = (sums.0 + octets, sums.1 + packets);
                all.push((flow, number, sums.0, sums.1));
            }
        }
        let most = all.len();
        // Some are lost, some come twice, and the order is any.
        proptest::collection::vec(proptest::sample::select(all), 1..most * 2 + 1)
    })
}

fn payload((flow, number, octets, packets): Told) -> Vec<u8> {
    let fields = [(7, 2), (85, 8), (86, 8), (152, 8), (153, 8)];
    let start_ms = RECEIVED_MS as u64 + 1000;
    let end_ms = start_ms + u64::from(number) * 1000;
    let ports = u16::from(flow).to_be_bytes();
    let counts = [octets.to_be_bytes(), packets.to_be_bytes(), start_ms.to_be_bytes(), end_ms.to_be_bytes()];
    encoder::ipfix(&[set(2, &template(256, &fields)), set(256, &[&ports[..], &counts.concat()].concat())])
}

fn rows(store: &mut impl Store, reports: &[Told]) -> Tables {
    let (mut tables, mut report) = (Tables::default(), Report::default());
    for told in reports {
        let payload = payload(*told);
        let datagram = Datagram { payload: &payload, exporter: EXPORTER, received_ms: RECEIVED_MS };
        decode(&datagram, store, &mut tables, &mut report);
    }
    tables
}

/// An event of a connection: its number, whether it is the end, octets of its own or in all.
type Event = (u16, bool, u64);

/// Events of one connection of a firewall, and its octets.
fn events() -> impl Strategy<Value = (Vec<Event>, u64)> {
    proptest::collection::vec(0..5000_u64, 1..8).prop_flat_map(|updates| {
        let total: u64 = updates.iter().sum();
        let events: Vec<Event> = (1..).zip(updates).map(|(number, octets)| (number, false, octets)).collect();
        let end = (events.len() as u16, true, total);
        let count = events.len();
        (proptest::sample::subsequence(events, 0..=count), Just(end), Just(total)).prop_flat_map(
            |(mut events, end, total)| {
                events.push(end);
                (Just(events).prop_shuffle(), Just(total))
            },
        )
    })
}

proptest! {
    #[test]
    fn the_sum_over_a_flow_is_its_largest_total(reports in reports()) {
        let flows = rows(&mut MapStore::default(), &reports).flows;
        let (mut found, mut expected) = (BTreeMap::new(), BTreeMap::new());
        for row in 0..flows.len() {
            let sums: &mut (u64, u64) = found.entry(u64::from(flows.src_port[row])).or_default();
            *sums = (sums.0 + flows.bytes[row], sums.1 + flows.packets[row]);
        }
        for (flow, _, octets, packets) in &reports {
            let most: &mut (u64, u64) = expected.entry(u64::from(*flow)).or_default();
            *most = (most.0.max(*octets), most.1.max(*packets));
        }
        prop_assert_eq!(found, expected);
        prop_assert!(flows.flags.iter().all(|bits| bits & flags::TOTAL == 0));
    }

    #[test]
    fn the_sum_over_a_connection_is_what_its_end_tells((events, total) in events()) {
        let fields = [(148, 4), (7, 2), (233, 1), (323, 8), (231, 8), (232, 8)];
        let (mut store, mut tables, mut report) = (MapStore::default(), Tables::default(), Report::default());
        for (number, is_end, octets) in events {
            let at_ms = RECEIVED_MS as u64 + u64::from(number) * 1000;
            let event = if is_end { 2 } else { 5 };
            let data = [&[0, 0, 0, 7, 0, 9, event][..], &at_ms.to_be_bytes(), &octets.to_be_bytes(), &octets.to_be_bytes()];
            let payload = encoder::v9(&[set(0, &template(263, &fields)), set(263, &data.concat())]);
            decode(&encoder::datagram(&payload), &mut store, &mut tables, &mut report);
        }
        prop_assert_eq!(tables.flows.bytes.iter().sum::<u64>(), 2 * total);
    }

    #[test]
    fn what_is_saved_goes_on_as_if_nothing_had_happened(reports in reports(), at in 0..64_usize) {
        let (before, after) = reports.split_at(at.min(reports.len()));
        let (mut going_on, mut restarted) = (MapStore::default(), MapStore::default());
        rows(&mut going_on, before);
        let totals = going_on.totals(&EXPORTER, RECEIVED_MS).expect("a plain store keeps all");
        let saved = totals.lock().expect("nobody panics").state();
        let room = Room::new(Bounds::default().total);
        let copy = Totals::put_back(&saved, Bounds::default(), &room);
        prop_assert_eq!(&copy.state(), &saved);
        prop_assert_eq!(room.flows(), copy.len());
        drop(copy);
        prop_assert_eq!(room.flows(), 0);
        let of_restarted = restarted.totals(&EXPORTER, RECEIVED_MS).expect("a plain store keeps all");
        *of_restarted.lock().expect("nobody panics") = Totals::put_back(&saved, Bounds::default(), &room);
        let (one, other) = (rows(&mut going_on, after).flows, rows(&mut restarted, after).flows);
        prop_assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
}
