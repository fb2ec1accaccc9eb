//! sFlow: packets in every wrapping, packets in numbers, routes.

use netflow::Event;
use perf::clock::Clock;
use perf::frame::{Wrap, frame, visible};
use perf::sflow::{
    ETHERNET, Header, Sampler, counter_sample, datagram, flow_sample, gateway, interface_counters, raw_header, router,
    sampled_ip, switch,
};
use perf::{Direction, Flow};
use proptest::prelude::*;
use proptest::sample::select;

use crate::generate::{clock, flows};
use crate::rows::told;
use crate::{Decoded, EXPORTER, RECEIVED_MS, config};

const SUB_AGENT: u32 = 3;

/// How a sample tells of its packet.
#[derive(Debug, Clone)]
enum Told {
    Frame(Wrap),
    Numbers,
}

fn forms() -> impl Strategy<Value = Told> {
    prop_oneof![
        Just(Told::Numbers),
        select(&[Wrap::Plain, Wrap::Gre, Wrap::GreBridged, Wrap::Vxlan, Wrap::InIpv6][..]).prop_map(Told::Frame),
        prop::collection::vec(1..4095_u16, 1..3).prop_map(|tags| Told::Frame(Wrap::Tags(tags))),
        prop::collection::vec(16_u32..1 << 20, 1..5).prop_map(|labels| Told::Frame(Wrap::Labels(labels))),
    ]
}

/// A sample of the flow, and what its row must tell.
fn sample(form: &Told, flow: &Flow, sampler: &Sampler, has_routes: bool) -> (Vec<u8>, Flow) {
    let seen = visible(flow);
    let (mut records, seen) = match form {
        Told::Numbers => {
            let numbers = Flow { octets: flow.octets & 0xffff_ffff, ..flow.clone() };
            let expected = Flow {
                source_port: flow.source_port,
                destination_port: flow.destination_port,
                tcp_flags: flow.tcp_flags & 0xff,
                octets: numbers.octets,
                icmp_type: 0,
                icmp_code: 0,
                source_mac: 0,
                destination_mac: 0,
                ..seen
            };
            (vec![sampled_ip(&numbers)], expected)
        }
        Told::Frame(wrap) => {
            let bytes = frame(wrap, flow);
            let octets = bytes.len() as u32 + 4;
            let source_vlan = if let Wrap::Tags(tags) = wrap { tags[0] } else { 0 };
            let labels = if let Wrap::Labels(labels) = wrap { labels.clone() } else { Vec::new() };
            let expected = Flow { octets: octets.into(), source_vlan, labels, ..seen };
            (vec![raw_header(ETHERNET, octets, 4, &bytes)], expected)
        }
    };
    let mut expected = Flow {
        packets: 1,
        sampling_rate: sampler.rate.into(),
        input: sampler.input,
        output: sampler.output,
        direction: match (sampler.source == sampler.input, sampler.source == sampler.output) {
            (true, false) => Direction::Ingress,
            (false, true) => Direction::Egress,
            _ => Direction::Unknown,
        },
        ..seen
    };
    if has_routes {
        let hops = flow.next_hop.zip(flow.bgp_next_hop).expect("the flows have routes");
        let path = [(2, vec![64_500, 64_501]), (1, vec![flow.destination_as])];
        records.push(switch(flow.source_vlan.into(), flow.destination_vlan.into()));
        records.push(router(hops.0, flow.source_prefix.into(), flow.destination_prefix.into()));
        records.push(gateway(hops.1, 64_499, flow.source_as, &path));
        expected = Flow {
            source_vlan: if flow.source_vlan == 0 { expected.source_vlan } else { flow.source_vlan },
            destination_vlan: flow.destination_vlan,
            next_hop: flow.next_hop,
            bgp_next_hop: flow.bgp_next_hop,
            source_prefix: flow.source_prefix,
            destination_prefix: flow.destination_prefix,
            source_as: flow.source_as,
            destination_as: flow.destination_as,
            ..expected
        };
    }
    (flow_sample(sampler, &records), told(&expected, RECEIVED_MS))
}

fn header(clock: Clock) -> Header {
    let agent = "198.51.100.7".parse().expect("an address");
    Header { agent, sub_agent: SUB_AGENT, sequence: 1, uptime_ms: clock.uptime() }
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn rows_are_the_packets(
        clock in clock(),
        forms in prop::collection::vec((forms(), any::<bool>(), any::<bool>(), 1..=u32::MAX), 0..8),
        seed in any::<u64>(),
    ) {
        let (mut samples, mut expected) = (Vec::new(), Vec::new());
        let flows = flows(seed, forms.len(), clock);
        for ((form, has_routes, is_expanded, rate), mut flow) in forms.into_iter().zip(flows) {
            flow.output = flow.output.max(1);
            flow.input &= 0x3fff_ffff;
            let source = if rate % 3 == 0 { flow.output } else { flow.input } & 0xff_ffff;
            let sampler = Sampler {
                sequence: 1, source, rate, pool: 9, drops: 0, input: flow.input, output: flow.output, is_expanded,
            };
            let (bytes, row) = sample(&form, &flow, &sampler, has_routes);
            samples.push(bytes);
            expected.push(row);
        }
        samples.push(counter_sample(1, 7, seed.is_multiple_of(2), &[interface_counters(7, 1 << 35, u64::MAX, 5, &[u32::MAX; 11])]));
        let mut decoded = Decoded::default();
        decoded.feed(EXPORTER, &datagram(&header(clock), &samples));
        prop_assert_eq!(decoded.report.malformed(), 0);
        prop_assert_eq!(decoded.report.get(Event::CounterSample), 1);
        prop_assert_eq!(decoded.report.get(Event::FlowSample), expected.len() as u64);
        prop_assert_eq!(decoded.flows(), expected);
        prop_assert!(decoded.tables.flows.domain.iter().all(|domain| *domain == SUB_AGENT));
    }
}
