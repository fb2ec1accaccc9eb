//! Keeps a datagram at which the decoder panics from ending the worker. It is in the journal, so it would be met again after every
//! start, and nothing behind it would ever be stored.

use std::panic::{AssertUnwindSafe, catch_unwind};

use netflow::Tables;

/// Does `work`, which appends rows; if it panics, which the panic hook prints, nothing, and what it appended is taken back.
pub(super) fn guarded<T>(tables: &mut Tables, work: impl FnOnce(&mut Tables) -> T) -> Option<T> {
    let (flows, nat_events, interface_counters) =
        (tables.flows.len(), tables.nat_events.len(), tables.interface_counters.len());
    // What is half done is the rows, which are cut, and shared state behind locks that take no notice of a panic.
    let done = catch_unwind(AssertUnwindSafe(|| work(tables)));
    if done.is_err() {
        tables.flows.resize(flows);
        tables.nat_events.resize(nat_events);
        tables.interface_counters.resize(interface_counters);
    }
    done.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_leaves_the_rows_that_were_there_and_no_others() {
        let mut tables = Tables::default();
        let push = |tables: &mut Tables, port: u16| {
            tables.flows.received_ms.push(1);
            tables.flows.dst_port.resize(tables.flows.received_ms.len() - 1);
            tables.flows.dst_port.push(port);
        };
        assert_eq!(guarded(&mut tables, |tables| push(tables, 7)), Some(()));
        let spoilt = guarded(&mut tables, |tables| {
            push(tables, 8);
            tables.flows.src_port.extend([0, 2, 3]);
            tables.nat_events.domain.push(1);
            tables.interface_counters.resize(2);
            panic!("as the decoder might");
        });
        assert_eq!(spoilt, None::<()>);
        assert_eq!(guarded(&mut tables, |tables| push(tables, 9)), Some(()));
        tables.complete();
        assert_eq!((tables.rows(), tables.flows.len()), (2, 2));
        assert_eq!((&*tables.flows.dst_port, &*tables.flows.src_port), (&[7, 9][..], &[0, 0][..]));
        assert!(tables.nat_events.domain.is_empty());
    }
}
