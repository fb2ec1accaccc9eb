//! Names that the exporter announced in its options for ids in its records, where the record has none of its own.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::arrays::Column;
use crate::columns::FlowColumns;
use crate::options::Options;
use crate::text::Text;

/// Completes the rows from `first_row` on.
pub(super) fn complete(options: &Options, first_row: usize, rows: usize, out: &mut FlowColumns) {
    fill(&options.applications, &out.application_id, &mut out.application_name, first_row..rows);
    fill(&options.interface_names, &out.in_if, &mut out.in_if_name, first_row..rows);
    fill(&options.interface_names, &out.out_if, &mut out.out_if_name, first_row..rows);
    fill(&options.vrf_names, &out.ingress_vrf, &mut out.ingress_vrf_name, first_row..rows);
    fill(&options.vrf_names, &out.egress_vrf, &mut out.egress_vrf_name, first_row..rows);
}

/// Id 0 has no name.
fn fill<K>(names: &HashMap<K, Arc<str>>, ids: &[K], column: &mut Text, rows: Range<usize>)
where
    K: Copy + Default + Eq + std::hash::Hash + Into<u64>,
{
    if names.is_empty() {
        return;
    }
    column.lengthen(rows.end);
    // A small direct-mapped memory in front of the two maps: id and key of the name.
    let mut memo = [(K::default(), 0_u32); 16];
    for (row, id) in ids.iter().enumerate().skip(rows.start).filter(|(_, id)| **id != K::default()) {
        if column.keys().get(row) != Some(&0) {
            continue;
        }
        let place: u64 = (*id).into() % 16;
        let Some(known) = memo.get_mut(place as usize) else { continue };
        if known.0 != *id {
            *known = (*id, names.get(id).map_or(0, |name| column.key(name)));
        }
        if let Some(key) = column.keys_mut().get_mut(row) {
            *key = known.1;
        }
    }
}
