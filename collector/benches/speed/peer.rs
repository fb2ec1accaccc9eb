//! The crate `netflow_parser` on the same datagrams, in the way that its documents name as the fastest: packet by packet from
//! its iterator, one parser for the one exporter, templates known.
//!
//! It gives, for each record, a vector of pairs of field and value, each in an enumeration of its own; nothing is made of them here
//! but that they are counted and dropped. Ours gives the columns of a block, with addresses of one width, times in milliseconds,
//! sampling rates looked up and template use noted. It knows no sFlow.

use criterion::Criterion;
use netflow_parser::variable_versions::{ipfix, v9};
use netflow_parser::{NetflowPacket, NetflowParser};

use crate::cases::load::{self, Load};
use crate::measure::time_units;

/// Measures it for a case that it can do too.
pub(crate) fn measure(criterion: &mut Criterion, case: &str) {
    let Some(load) = load_of(case) else { return };
    let mut parser = NetflowParser::default();
    assert!(parser.iter_packets(&load.opening).all(|packet| packet.is_ok()), "{case}: the templates");
    let expected: usize = load.flows.iter().sum();
    let found = parse(&mut parser, &load);
    if found != expected {
        eprintln!("SKIPPED: netflow_parser on {case}: it finds {found} of {expected} flows");
        return;
    }
    let mut group = criterion.benchmark_group("netflow_parser");
    group.bench_function(case, |bencher| {
        bencher.iter_custom(|units| time_units(units, || parse(&mut parser, &load)));
    });
    group.finish();
}

fn load_of(case: &str) -> Option<Load> {
    Some(match case {
        "decode_v5" => load::v5(),
        "decode_v9_22_fields" => load::vyos(24),
        "decode_v9_22_fields_ipv4" => load::vyos_ipv4(24),
        "decode_v9_22_fields_4_records" => load::vyos(4),
        "decode_ipfix" => load::juniper(),
        "decode_ipfix_variable_length" => load::variable(),
        "decode_asa" => load::asa(),
        "decode_60_fields" => load::sixty(),
        _ => return None,
    })
}

/// Every datagram once; the flow records found.
fn parse(parser: &mut NetflowParser, load: &Load) -> usize {
    let mut flows = 0;
    for payload in &load.payloads {
        for packet in parser.iter_packets(payload) {
            let packet = std::hint::black_box(packet.expect("a sound datagram"));
            flows += records(&packet);
        }
    }
    flows
}

fn records(packet: &NetflowPacket) -> usize {
    match packet {
        NetflowPacket::V5(packet) => packet.flowsets.len(),
        NetflowPacket::V9(packet) => packet.flowsets.iter().map(|set| of_v9(&set.body)).sum(),
        NetflowPacket::IPFix(packet) => packet.flowsets.iter().map(|set| of_ipfix(&set.body)).sum(),
        NetflowPacket::V7(_) | _ => 0,
    }
}

fn of_v9(body: &v9::FlowSetBody) -> usize {
    if let v9::FlowSetBody::Data(data) = body { data.fields.len() } else { 0 }
}

fn of_ipfix(body: &ipfix::FlowSetBody) -> usize {
    if let ipfix::FlowSetBody::Data(data) = body { data.fields.len() } else { 0 }
}
