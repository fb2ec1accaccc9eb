//! Generic interface counters (`if_counters`, sFlow version 5 section 5.4) of counter samples, into their table.

use super::sample::Sample;
use super::xdr::Reader;
use crate::counts::Counts;
use crate::tables::InterfaceCounters;

/// sFlow's own (enterprise 0) structure 1.
const IF_COUNTERS: u32 = 1;
const ADMIN_UP: u32 = 1;
const OPER_UP: u32 = 2;

/// Appends a row for each record of generic interface counters in a counter sample; any other sample has none. A counter that
/// the exporter does not keep is all ones, and stays so.
pub(crate) fn append(sample: &Sample<'_>, out: &mut InterfaceCounters, counts: &mut Counts) {
    if sample.kind() != super::Kind::Counter {
        return;
    }
    for record in sample.records().filter(|record| record.data_format == IF_COUNTERS) {
        let Some(counters) = Interface::read(&mut Reader::new(record.bytes)) else {
            counts.counters_short = counts.counters_short.wrapping_add(1);
            continue;
        };
        counters.push(sample, out);
        counts.interface_counters = counts.interface_counters.wrapping_add(1);
    }
}

/// The fields in wire order.
#[derive(Debug, Clone, Copy)]
struct Interface {
    index: u32,
    kind: u32,
    speed: u64,
    direction: u32,
    status: u32,
    in_octets: u64,
    /// Unicast, multicast, broadcast, discards, errors, unknown protocols.
    incoming: [u32; 6],
    out_octets: u64,
    /// Unicast, multicast, broadcast, discards, errors.
    outgoing: [u32; 5],
    promiscuous: u32,
}

impl Interface {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            index: reader.word()?,
            kind: reader.word()?,
            speed: reader.double_word()?,
            direction: reader.word()?,
            status: reader.word()?,
            in_octets: reader.double_word()?,
            incoming: words(reader)?,
            out_octets: reader.double_word()?,
            outgoing: words(reader)?,
            promiscuous: reader.word()?,
        })
    }

    fn push(&self, sample: &Sample<'_>, out: &mut InterfaceCounters) {
        let header = &sample.header;
        out.received_ms.push(header.received_ms);
        out.exporter.push(header.exporter);
        out.agent.push(header.device());
        out.domain.push(header.sub_agent);
        out.if_index.push(self.index);
        out.if_type.push(self.kind);
        out.if_speed.push(self.speed);
        out.if_duplex.push(self.direction as u8);
        out.if_admin_up.push(u8::from(self.status & ADMIN_UP != 0));
        out.if_oper_up.push(u8::from(self.status & OPER_UP != 0));
        let [unicast, multicast, broadcast, discards, errors, unknown] = self.incoming.map(u64::from);
        out.in_octets.push(self.in_octets);
        out.in_unicast.push(unicast);
        out.in_multicast.push(multicast);
        out.in_broadcast.push(broadcast);
        out.in_discards.push(discards);
        out.in_errors.push(errors);
        out.in_unknown_protocols.push(unknown);
        let [unicast, multicast, broadcast, discards, errors] = self.outgoing.map(u64::from);
        out.out_octets.push(self.out_octets);
        out.out_unicast.push(unicast);
        out.out_multicast.push(multicast);
        out.out_broadcast.push(broadcast);
        out.out_discards.push(discards);
        out.out_errors.push(errors);
        out.promiscuous.push(u8::from(self.promiscuous == 1));
    }
}

fn words<const N: usize>(reader: &mut Reader<'_>) -> Option<[u32; N]> {
    let mut words = [0; N];
    for word in &mut words {
        *word = reader.word()?;
    }
    Some(words)
}
