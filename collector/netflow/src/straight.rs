//! NetFlow v5 straight into columns: its layout never changes, so no plan has to be read, and each offset is a constant. Gives
//! what the plan made of the same layout gives; not here: what is derived from the columns afterwards.

use std::ops::Range;

use crate::clock::Now;
use crate::columns::FlowColumns;
use crate::fill::mapped;
use crate::flat::Flat;
use crate::plan::Clock;

/// Length of a record in bytes.
const LENGTH: usize = 48;

/// A record as it came.
type Record = [u8; LENGTH];

/// Whole records of a set in the layout of NetFlow v5; none if they are in another one.
pub(crate) fn records(version: u8, bytes: &[u8]) -> Option<&[Record]> {
    let (records, rest) = bytes.as_chunks();
    (version == 5 && rest.is_empty()).then_some(records)
}

/// Writes the records into their columns.
pub(crate) fn fill(records: &[Record], rows: &Range<usize>, now: Now, out: &mut FlowColumns) {
    column(records, rows, &mut out.src_addr, |it| mapped([it[0], it[1], it[2], it[3]]));
    column(records, rows, &mut out.dst_addr, |it| mapped([it[4], it[5], it[6], it[7]]));
    column(records, rows, &mut out.next_hop, |it| mapped([it[8], it[9], it[10], it[11]]));
    column(records, rows, &mut out.in_if, |it| u32::from(u16::from_be_bytes([it[12], it[13]])));
    column(records, rows, &mut out.out_if, |it| u32::from(u16::from_be_bytes([it[14], it[15]])));
    column(records, rows, &mut out.packets, |it| u64::from(u32::from_be_bytes([it[16], it[17], it[18], it[19]])));
    column(records, rows, &mut out.bytes, |it| u64::from(u32::from_be_bytes([it[20], it[21], it[22], it[23]])));
    let time = |bytes: [u8; 4]| now.read(Clock::Uptime, u64::from(u32::from_be_bytes(bytes)));
    column(records, rows, &mut out.start_ms, |it| time([it[24], it[25], it[26], it[27]]));
    column(records, rows, &mut out.end_ms, |it| time([it[28], it[29], it[30], it[31]]));
    column(records, rows, &mut out.src_port, |it| u16::from_be_bytes([it[32], it[33]]));
    column(records, rows, &mut out.dst_port, |it| u16::from_be_bytes([it[34], it[35]]));
    column(records, rows, &mut out.tcp_flags, |it| u16::from(it[37]));
    column(records, rows, &mut out.protocol, |it| it[38]);
    column(records, rows, &mut out.tos, |it| it[39]);
    column(records, rows, &mut out.src_as, |it| u32::from(u16::from_be_bytes([it[40], it[41]])));
    column(records, rows, &mut out.dst_as, |it| u32::from(u16::from_be_bytes([it[42], it[43]])));
    column(records, rows, &mut out.src_prefix_len, |it| it[44]);
    column(records, rows, &mut out.dst_prefix_len, |it| it[45]);
}

fn column<T: Copy + Default>(
    records: &[Record],
    rows: &Range<usize>,
    column: &mut Flat<T>,
    turn: impl Fn(&Record) -> T,
) {
    for (cell, record) in column.over(rows.clone()).iter_mut().zip(records) {
        *cell = turn(record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constant;
    use crate::fill::fill_by_plan;
    use crate::tables::Tables;

    #[test]
    fn says_what_the_plan_says() {
        let bytes: Vec<u8> = (0..LENGTH * 9).map(|at| (at * 37 % 251) as u8).collect();
        let now = Now { export_ms: 1_700_000_000_000, uptime_ms: 5000 };
        let (mut straight, mut planned) = (Tables::default(), Tables::default());
        let found = records(5, &bytes).expect("whole records");
        fill(found, &(0..found.len()), now, &mut straight.flows);
        fill_by_plan(constant::v5(), &bytes, LENGTH, now, &mut planned);
        for tables in [&mut straight, &mut planned] {
            tables.flows.resize(found.len());
        }
        assert_eq!(format!("{:?}", straight.flows), format!("{:?}", planned.flows));
        assert!(records(7, &bytes).is_none() && records(5, &bytes[1..]).is_none(), "other layouts");
    }
}
