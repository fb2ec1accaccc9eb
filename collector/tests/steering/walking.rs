//! The walk over bytes that no table foresees: it neither panics nor points outside the frame.

use collector_ebpf::walk;
use proptest::prelude::*;

use crate::table::table;

fn check(frame: &[u8]) {
    let Ok(datagram) = walk(frame) else { return };
    let end = datagram.payload_offset.checked_add(datagram.payload_length).expect("no wrap");
    assert!(datagram.payload_offset >= 14 + 20 + 8 && end <= frame.len(), "{datagram:?} in {} bytes", frame.len());
}

proptest! {
    #[test]
    fn arbitrary_bytes(frame in proptest::collection::vec(any::<u8>(), 0..200)) {
        check(&frame);
    }

    #[test]
    fn frames_of_the_table_with_damage(
        case in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        length in any::<prop::sample::Index>(),
    ) {
        let table = table();
        let mut frame = table[case.index(table.len())].frame.clone();
        for (place, value) in damage {
            let place = place.index(frame.len());
            frame[place] = value;
        }
        check(&frame);
        check(&frame[..length.index(frame.len() + 1)]);
    }
}
