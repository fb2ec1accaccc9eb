//! Once templates are known and the columns have room, decoding allocates nothing.

#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
#![expect(unsafe_code, reason = "a global allocator is the one way to count allocations")]

#[path = "encoder/mod.rs"]
mod encoder;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use encoder::{datagram, ipfix, set, template, v1, v5, v7, v9};
use netflow::{MapStore, Report, Tables, decode};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps to the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps to the contract of `GlobalAlloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Decodes the datagrams until all is warm, then counts the allocations of another hundred rounds.
fn check(name: &str, payloads: &[Vec<u8>]) {
    let (mut store, mut columns, mut report) = (MapStore::default(), Tables::default(), Report::default());
    let mut round = || {
        columns.clear();
        for payload in payloads {
            decode(&datagram(payload), &mut store, &mut columns, &mut report);
        }
        columns.flows.len()
    };
    let rows = round();
    round();
    let before = ALLOCATIONS.get();
    for _ in 0..100 {
        assert_eq!(round(), rows, "{name}");
    }
    assert_eq!(ALLOCATIONS.get() - before, 0, "{name} allocates");
    assert!(rows > 0, "{name} has flow records");
}

#[test]
fn warm_decoding_allocates_nothing() {
    check("NetFlow v1", &[v1(&[[7; 48]; 24])]);
    check("NetFlow v7", &[v7(&[[7; 52]; 27])]);
    check("NetFlow v5", &[v5(0x4064, &[[7; 48]; 30])]);

    let fields =
        [(8, 4), (12, 4), (15, 4), (10, 4), (14, 4), (2, 8), (1, 8), (22, 4), (21, 4), (7, 2), (11, 2), (4, 1)];
    let options = [&300_u16.to_be_bytes()[..], &[0, 4, 0, 8, 0, 1, 0, 4, 0, 48, 0, 1, 0, 50, 0, 2]].concat();
    let fixed = [&fields[..], &[(48, 1), (70, 3), (71, 3)]].concat();
    let length: usize = fixed.iter().map(|(_, length)| usize::from(*length)).sum();
    let v9_sets = [
        set(0, &template(256, &fixed)),
        set(1, &options),
        set(300, &[0, 0, 0, 0, 7, 0, 100, 0, 0, 0, 0, 8, 0, 200]),
        set(256, &vec![7; length * 20]),
    ];
    check("NetFlow v9", &[v9(&v9_sets)]);

    // The seeds of the fuzz targets have a sample of every kind.
    let seeds = ["sflow_switched", "sflow_routed", "sflow_tunnels", "sflow_counters", "sflow_drops"];
    let seed = |name| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/datagram").join(name);
        std::fs::read(path).expect("the seed is there")
    };
    check("sFlow", &seeds.map(seed));

    let moving = [(8, 4), (82, 65_535), (96, 65_535), (1, 8), (95, 65_535), (70, 3)];
    let record = [&[10, 0, 0, 1][..], &[3, b'e', b't', b'h'], &[0], &[0; 8], &[4, 13, 0, 0, 80], &[1, 2, 3]].concat();
    check("IPFIX of variable length", &[ipfix(&[set(2, &template(256, &moving)), set(256, &record.repeat(100))])]);

    // Both directions, an address translation, a name, and the beginning of a packet: two rows for each record.
    let all = [(8, 4), (225, 4), (371, 4), (315, 34), (231, 1), (232, 1), (82, 4)];
    let record = [&[10, 0, 0, 1, 203, 0, 113, 1][..], b"user", &[0; 34], &[5, 6], b"eth0"].concat();
    check("NetFlow v9 with all that is special", &[v9(&[set(0, &template(256, &all)), set(256, &record.repeat(20))])]);
    let log = [(8, 4), (225, 4), (230, 1), (361, 2), (364, 2), (284, 4), (323, 8)];
    let record = [&[10, 0, 0, 1, 203, 0, 113, 1, 16, 4, 0, 2, 0][..], b"pool", &[0; 8]].concat();
    check("NAT events", &[v5(0, &[[0; 48]]), v9(&[set(0, &template(256, &log)), set(256, &record.repeat(20))])]);
}
