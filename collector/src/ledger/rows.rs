//! Rows by exporter, device, domain and minute: a table's columns are looked through for runs of the same.

use netflow::columns::flags;

use super::{Cell, Key, minute_of};
use crate::batch::Provenance;

/// Some rows of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Whose.
    pub key: Key,
    /// How many.
    pub rows: u64,
    /// How many of these have which flags.
    pub flagged: Flagged,
}

/// Rows of flows by what their flags say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flagged {
    /// A start or end was moved.
    pub clamped: u64,
    /// The times were corrected by the exporter's clock skew.
    pub corrected: u64,
    /// The exporter's clock is off and not steady.
    pub clock_off: u64,
    /// The counts cannot be.
    pub implausible: u64,
}

impl Flagged {
    fn of(flags: &[u8]) -> Self {
        // Nearly always there is none.
        if flags.iter().fold(0, |all, flags| all | flags) == 0 {
            return Self::default();
        }
        let count = |bits: u8| flags.iter().filter(|flags| **flags & bits != 0).count() as u64;
        Self {
            clamped: count(CLAMPED),
            corrected: count(flags::CLOCK_CORRECTED),
            clock_off: count(flags::CLOCK_OFF),
            implausible: count(flags::IMPLAUSIBLE),
        }
    }

    /// Each number with its cell.
    pub fn cells(self) -> impl Iterator<Item = (Cell, i64)> {
        let cells = [
            (Cell::TimesClamped, self.clamped),
            (Cell::TimesCorrected, self.corrected),
            (Cell::ClockOff, self.clock_off),
            (Cell::Implausible, self.implausible),
        ];
        cells.into_iter().filter(|(_, count)| *count > 0).map(|(cell, count)| (cell, count.cast_signed()))
    }
}

/// Shows `take` the rows of a table by whose datagrams gave them; `flags` are those of flow records, if there are any. Rows of one
/// datagram stand together, so there are few runs.
pub fn runs(provenance: Provenance<'_>, flags: &[u8], take: &mut impl FnMut(Run)) {
    let Provenance { exporters, agents, domains, received_ms } = provenance;
    // Mostly nobody tells of another device: then these are the same cells, which need no second look.
    let are_told = !std::ptr::eq(agents, exporters);
    let mut start = 0;
    while let (Some(exporter), Some(agent), Some(domain), Some(received)) =
        (exporters.get(start), agents.get(start), domains.get(start), received_ms.get(start))
    {
        let minute = minute_of(*received);
        let rest = exporters[start..].iter().zip(&agents[start..]).zip(&domains[start..]).zip(&received_ms[start..]);
        // A minute is divided out only where the time differs: the rows of a datagram share theirs.
        let length = rest
            .take_while(|(((other, other_agent), other_domain), time)| {
                *other == exporter
                    && (!are_told || *other_agent == agent)
                    && *other_domain == domain
                    && (*time == received || minute_of(**time) == minute)
            })
            .count();
        let flagged = Flagged::of(flags.get(start..start + length).unwrap_or(&[]));
        let key = Key { exporter: *exporter, agent: *agent, domain: *domain, minute };
        take(Run { key, rows: length as u64, flagged });
        start += length;
    }
}

const CLAMPED: u8 = flags::START_CLAMPED | flags::END_CLAMPED;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Block;

    #[test]
    fn runs_end_where_the_device_changes() {
        let mut block = Block::default();
        for (row, (exporter, agent)) in [(1, 7), (1, 7), (1, 8), (2, 8), (2, 2)].into_iter().enumerate() {
            block.decoded.interface_counters.resize(row + 1);
            block.decoded.interface_counters.exporter[row] = [exporter; 16];
            block.decoded.interface_counters.agent[row] = [agent; 16];
        }
        let part = block.parts().nth(2).expect("counters");
        let mut found = Vec::new();
        let provenance = part.provenance().expect("counters come from datagrams");
        runs(provenance, &[], &mut |run| found.push((run.key.exporter[0], run.key.agent[0], run.rows)));
        assert_eq!(found, [(1, 7, 2), (1, 8, 1), (2, 8, 1), (2, 2, 1)]);
    }

    #[test]
    fn runs_end_where_exporter_domain_or_minute_changes() {
        let mut block = Block::default();
        let rows: [(u8, u32, i64, u8); 7] = [
            (1, 5, 1_000, 0),
            (1, 5, 1_000, flags::START_CLAMPED),
            (1, 5, 59_999, flags::END_CLAMPED | flags::START_CLAMPED),
            (1, 5, 60_000, flags::CLOCK_OFF),
            (1, 6, 60_000, 0),
            (2, 6, 60_000, 0),
            (1, 6, 60_000, 0),
        ];
        block.decoded.flows.resize(rows.len());
        for (row, (exporter, domain, received_ms, flags)) in rows.into_iter().enumerate() {
            let flows = &mut block.decoded.flows;
            flows.exporter[row] = [exporter; 16];
            (flows.domain[row], flows.received_ms[row], flows.flags[row]) = (domain, received_ms, flags);
        }
        let part = block.parts().next().expect("flows");
        let mut found = Vec::new();
        let provenance = part.provenance().expect("flows come from datagrams");
        runs(provenance, &block.decoded.flows.flags, &mut |run| {
            found.push((run.key.exporter[0], run.key.domain, run.key.minute, run.rows, run.flagged.clamped))
        });
        let expected = [(1, 5, 0, 3, 2), (1, 5, 1, 1, 0), (1, 6, 1, 1, 0), (2, 6, 1, 1, 0), (1, 6, 1, 1, 0)];
        assert_eq!(found, expected);
    }
}
