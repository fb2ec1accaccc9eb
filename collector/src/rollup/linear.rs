//! The rollups whose rows add up, however flows are cut into blocks: all but the hosts.
//!
//! While flows are summed up, texts stand for themselves by their keys of this block; only what is left, a row of a table, gets their
//! ranks, so that rows can be sorted as the table is.

use super::ends::Ends;
use super::groups::Short;
use super::parts::Parts;
use super::pieces::{Length, Pieces};
use super::ranks::TextRanks;
use super::table::{Rollup, Table};
use crate::batch::{Block, Rollups};

/// Protocols with ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
pub(super) const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];

/// Traffic of interfaces. The direction is the lowest bit of a key's bucket.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    table: Table<6, 4>,
    names: TextRanks,
}

/// Traffic between autonomous systems.
#[derive(Debug, Default)]
pub(super) struct Systems {
    table: Table<5, 1>,
}

/// Traffic between countries.
#[derive(Debug, Default)]
pub(super) struct Countries {
    table: Table<5, 1>,
    names: TextRanks,
}

/// Traffic of services.
#[derive(Debug, Default)]
pub(super) struct Services {
    table: Table<5, 1>,
}

/// Traffic between networks.
#[derive(Debug, Default)]
pub(super) struct Networks {
    table: Table<7, 1>,
    src: Ends,
    dst: Ends,
    customers: TextRanks,
    names: TextRanks,
}

impl Rollup for Interfaces {
    fn begin_block(&mut self) {
        self.table.begin_block();
    }

    fn begin_part(&mut self, rows: usize) {
        self.table.groups.begin_part(rows / 2);
    }

    fn add(&mut self, pieces: &Pieces, block: &Block) {
        let flows = &block.decoded.flows;
        let (in_names, out_names) = (flows.in_if_name.keys(), flows.out_if_name.keys());
        pieces.each(Length::Minute, |piece, sums| {
            let (row, bucket) = (piece.row as usize, piece.bucket << 1);
            let (entered, left) = (pair(flows.in_if[row], in_names[row]), pair(flows.out_if[row], out_names[row]));
            self.table.groups.add(Short { subject: entered, bucket }, sums);
            self.table.groups.add(Short { subject: left, bucket: bucket | 1 }, sums);
        });
    }

    fn end_part(&mut self, _exporter: u32) {
        self.table.end_part();
    }

    fn drain(&mut self, block: &Block, parts: &Parts, out: &mut Rollups) {
        let (Self { table, names }, flows) = (self, &block.decoded.flows);
        let out = &mut out.interface_1m;
        names.of(&[&flows.in_if_name, &flows.out_if_name]);
        table.sort(Length::Minute, |key| {
            let ((if_index, name), direction) = (halves(key.subject), key.bucket & 1);
            (key.bucket >> 1, [names.rank(direction as usize, name), direction, if_index])
        });
        names.fill_dictionary(&mut out.if_name);
        table.push_text(0, &mut out.if_name);
        out.direction.extend(table.subject(1).map(|direction| direction as u8));
        out.if_index.extend(table.subject(2));
        table.push(Length::Minute, parts, &mut out.sums);
    }
}

impl Rollup for Systems {
    fn begin_block(&mut self) {
        self.table.begin_block();
    }

    fn begin_part(&mut self, rows: usize) {
        self.table.groups.begin_part(rows);
    }

    fn add(&mut self, pieces: &Pieces, block: &Block) {
        let flows = &block.decoded.flows;
        let known = |told: u32, looked_up: u32| if told == 0 { looked_up } else { told };
        pieces.each(Length::FiveMinutes, |piece, sums| {
            let row = piece.row as usize;
            let src = known(flows.src_as[row], block.src.asn[row]);
            let dst = known(flows.dst_as[row], block.dst.asn[row]);
            self.table.groups.add(Short { subject: pair(src, dst), bucket: piece.bucket }, sums);
        });
    }

    fn end_part(&mut self, _exporter: u32) {
        self.table.end_part();
    }

    fn drain(&mut self, _block: &Block, parts: &Parts, out: &mut Rollups) {
        let out = &mut out.as_5m;
        self.table.sort(Length::FiveMinutes, |key| {
            let (src, dst) = halves(key.subject);
            (key.bucket, [dst, src])
        });
        out.dst.extend(self.table.subject(0));
        out.src.extend(self.table.subject(1));
        self.table.push(Length::FiveMinutes, parts, &mut out.sums);
    }
}

impl Rollup for Countries {
    fn begin_block(&mut self) {
        self.table.begin_block();
    }

    fn begin_part(&mut self, rows: usize) {
        self.table.groups.begin_part(rows / 2);
    }

    fn add(&mut self, pieces: &Pieces, block: &Block) {
        let (src, dst) = (block.src.country.keys(), block.dst.country.keys());
        pieces.each(Length::FiveMinutes, |piece, sums| {
            let row = piece.row as usize;
            self.table.groups.add(Short { subject: pair(src[row], dst[row]), bucket: piece.bucket }, sums);
        });
    }

    fn end_part(&mut self, _exporter: u32) {
        self.table.end_part();
    }

    fn drain(&mut self, block: &Block, parts: &Parts, out: &mut Rollups) {
        let Self { table, names } = self;
        let out = &mut out.country_5m;
        names.of(&[&block.src.country, &block.dst.country]);
        table.sort(Length::FiveMinutes, |key| {
            let (src, dst) = halves(key.subject);
            (key.bucket, [names.rank(1, dst), names.rank(0, src)])
        });
        for (number, column) in [&mut out.dst, &mut out.src].into_iter().enumerate() {
            names.fill_dictionary(column);
            table.push_text(number, column);
        }
        table.push(Length::FiveMinutes, parts, &mut out.sums);
    }
}

impl Rollup for Services {
    fn begin_block(&mut self) {
        self.table.begin_block();
    }

    fn begin_part(&mut self, rows: usize) {
        self.table.groups.begin_part(rows / 8);
    }

    fn add(&mut self, pieces: &Pieces, block: &Block) {
        let flows = &block.decoded.flows;
        pieces.each(Length::FiveMinutes, |piece, sums| {
            let row = piece.row as usize;
            let protocol = flows.protocol[row];
            let port = service_port(protocol, flows.src_port[row], flows.dst_port[row]);
            let subject = pair(u32::from(protocol), u32::from(port));
            self.table.groups.add(Short { subject, bucket: piece.bucket }, sums);
        });
    }

    fn end_part(&mut self, _exporter: u32) {
        self.table.end_part();
    }

    fn drain(&mut self, _block: &Block, parts: &Parts, out: &mut Rollups) {
        let out = &mut out.service_5m;
        self.table.sort(Length::FiveMinutes, |key| {
            let (protocol, port) = halves(key.subject);
            (key.bucket, [port, protocol])
        });
        out.port.extend(self.table.subject(0).map(|port| port as u16));
        out.protocol.extend(self.table.subject(1).map(|protocol| protocol as u8));
        self.table.push(Length::FiveMinutes, parts, &mut out.sums);
    }
}

impl Rollup for Networks {
    fn begin_block(&mut self) {
        self.table.begin_block();
        self.src.clear();
        self.dst.clear();
    }

    fn begin_part(&mut self, rows: usize) {
        self.table.groups.begin_part(rows / 8);
    }

    fn add(&mut self, pieces: &Pieces, block: &Block) {
        let Self { table, src, dst, .. } = self;
        let (src_customers, src_networks) = (block.src.customer.keys(), block.src.network.keys());
        let (dst_customers, dst_networks) = (block.dst.customer.keys(), block.dst.network.keys());
        pieces.each(Length::FiveMinutes, |piece, sums| {
            let row = piece.row as usize;
            let src = src.number(src_customers[row], src_networks[row]);
            let dst = dst.number(dst_customers[row], dst_networks[row]);
            table.groups.add(Short { subject: pair(src, dst), bucket: piece.bucket }, sums);
        });
    }

    fn end_part(&mut self, _exporter: u32) {
        self.table.end_part();
    }

    fn drain(&mut self, block: &Block, parts: &Parts, out: &mut Rollups) {
        let Self { table, src, dst, customers, names } = self;
        let out = &mut out.network_5m;
        customers.of(&[&block.src.customer, &block.dst.customer]);
        names.of(&[&block.src.network, &block.dst.network]);
        table.sort(Length::FiveMinutes, |key| {
            let numbers = halves(key.subject);
            let ((src_customer, src_network), (dst_customer, dst_network)) = (src.keys(numbers.0), dst.keys(numbers.1));
            let subject = [
                names.rank(1, dst_network),
                customers.rank(1, dst_customer),
                names.rank(0, src_network),
                customers.rank(0, src_customer),
            ];
            (key.bucket, subject)
        });
        let columns = [
            (&*names, &mut out.dst_network),
            (&*customers, &mut out.dst_customer),
            (&*names, &mut out.src_network),
            (&*customers, &mut out.src_customer),
        ];
        for (number, (ranks, column)) in columns.into_iter().enumerate() {
            ranks.fill_dictionary(column);
            table.push_text(number, column);
        }
        table.push(Length::FiveMinutes, parts, &mut out.sums);
    }
}

/// The port that names a flow's service.
fn service_port(protocol: u8, src: u16, dst: u16) -> u16 {
    if !WITH_PORTS.contains(&protocol) {
        return 0;
    }
    let (lower, higher) = (src.min(dst), src.max(dst));
    if lower == 0 { higher } else { lower }
}

#[inline]
fn pair(one: u32, other: u32) -> u64 {
    u64::from(one) << 32 | u64::from(other)
}

#[inline]
fn halves(pair: u64) -> (u32, u32) {
    ((pair >> 32) as u32, pair as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_the_lower_port_that_is_told() {
        for (protocol, src, dst, expected) in [
            (6, 50_000, 443, 443),
            (17, 53, 53, 53),
            (6, 0, 8080, 8080),
            (132, 8080, 0, 8080),
            (1, 0, 771, 0),
            (50, 7, 8, 0),
            (6, 0, 0, 0),
        ] {
            assert_eq!(service_port(protocol, src, dst), expected, "{protocol} {src} {dst}");
        }
    }
}
