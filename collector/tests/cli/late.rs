//! Records that came before their template: shown when it comes, as what they are.

use crate::captures::{MICROSECONDS_LITTLE, ethernet, ipv4, pcap, udp};
use crate::{run_with_input, stderr, stdout};

/// A NetFlow v9 datagram; all have the same header.
fn netflow_v9(sets: &[u8]) -> Vec<u8> {
    let words = [1_u32 << 16, 1000, 1_700_000_000, 1, 0].map(u32::to_be_bytes);
    let mut datagram = [words.as_flattened(), sets].concat();
    datagram[..4].copy_from_slice(&[0, 9, 0, 1]);
    datagram
}

/// A template of octetDeltaCount alone.
fn template(id: u8) -> [u8; 12] {
    [0, 0, 0, 12, 1, id, 0, 1, 0, 1, 0, 4]
}

fn data(id: u8, octets: u8) -> [u8; 8] {
    [1, id, 0, 8, 0, 0, 0, octets]
}

/// Devices send several datagrams in a millisecond, and some give all of them the same sequence number.
#[test]
fn each_has_its_own_packet() {
    let datagrams =
        [data(0, 1).to_vec(), data(1, 2).to_vec(), data(0, 3).to_vec(), [template(1), template(0)].concat()];
    let frames = datagrams.map(|sets| ethernet(&[], &ipv4(0x4000, &udp(2055, &netflow_v9(&sets)))));
    let output = run_with_input(&["decode", "-", "--fields"], &pcap(MICROSECONDS_LITTLE, 1, &frames));
    let rows = stdout(&output);
    let rows = rows.lines().map(|line| serde_json::from_str(line).expect("each line is JSON"));
    let found: Vec<[Option<u64>; 2]> = rows
        .map(|row: serde_json::Value| {
            assert_eq!(row["late"], true, "{row}");
            [row["packet"].as_u64(), row["fields"]["octetDeltaCount"].as_u64()]
        })
        .collect();
    assert_eq!(found, [[2, 2], [1, 1], [3, 3]].map(|row| row.map(Some)), "{}", stderr(&output));
}
