//! Blocks with random and extreme values, the same in each run.

use collector::batch::Block;
use netflow::Text;

/// 2026-01-02T03:04:05.678Z.
pub(crate) const BEGIN_MS: i64 = 1_767_323_045_678;

/// A sequence of numbers that look random (SplitMix64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// All zero and all one as often as anything else: the extremes of every type cut from it.
    pub(crate) fn cell(&mut self) -> u64 {
        match self.next() % 4 {
            0 => 0,
            1 => u64::MAX,
            _ => self.next(),
        }
    }
}

/// A block of `rows` flow records, and fewer rows of the other tables, whose `application_id` counts on from `first_id`, with up to `names` different strings a column.
pub(crate) fn block(first_id: u64, rows: usize, names: u64, numbers: &mut Numbers) -> Block {
    let mut block = Block::default();
    block.decoded.flows.resize(rows);
    let flows = &mut block.decoded.flows;
    macro_rules! fill {
        ($($column:ident)*) => { $(flows.$column.fill_with(|| numbers.cell() as _);)* };
    }
    fill! {
        start_ms end_ms clock_skew domain version template_id src_port dst_port protocol tos tcp_flags icmp_type icmp_code in_if out_if
        src_as dst_as src_prefix_len dst_prefix_len src_vlan dst_vlan src_mac dst_mac forwarding_status flow_end_reason bytes
        packets sampling_rate post_nat_src_port post_nat_dst_port ingress_vrf egress_vrf firewall_event firewall_ext_event flags
    }
    for column in [
        &mut flows.exporter,
        &mut flows.src_addr,
        &mut flows.dst_addr,
        &mut flows.next_hop,
        &mut flows.bgp_next_hop,
        &mut flows.post_nat_src_addr,
        &mut flows.post_nat_dst_addr,
    ] {
        column.fill_with(|| address(numbers));
    }
    flows.received_ms.fill_with(|| BEGIN_MS + (numbers.next() % 172_800_000) as i64);
    flows.direction.fill_with(|| (numbers.next() % 3) as u8);
    flows.sampling_source.fill_with(|| (numbers.next() % 5) as u8);
    for (row, id) in flows.application_id.iter_mut().enumerate() {
        *id = first_id + row as u64;
    }
    let labels = &mut flows.mpls_labels;
    for end in &mut labels.ends {
        labels.values.extend((0..numbers.next() % 4).map(|_| numbers.cell() as u32));
        *end = labels.values.len() as u64;
    }
    for origin in [&mut block.src, &mut block.dst] {
        origin.asn.extend((0..rows).map(|_| numbers.cell() as u32));
        for text in
            [&mut origin.country, &mut origin.city, &mut origin.as_name, &mut origin.network, &mut origin.customer]
        {
            fill(text, rows, names, numbers);
        }
    }
    let flows = &mut block.decoded.flows;
    for text in [
        &mut block.exporter_name,
        &mut flows.application_name,
        &mut flows.user_name,
        &mut flows.in_if_name,
        &mut flows.out_if_name,
        &mut flows.ingress_vrf_name,
        &mut flows.egress_vrf_name,
    ] {
        fill(text, rows, names, numbers);
    }
    let raw = &mut flows.raw;
    for end in &mut raw.ends {
        for _ in 0..numbers.next() % 3 {
            let key = raw.names.key(&format!("9/{}", numbers.next() % names));
            raw.names.push(key);
            raw.values.push(format!("value {}", numbers.next() % 1000).into());
        }
        *end = raw.values.len() as u64;
    }
    nat_events(&mut block, first_id, names, numbers);
    interface_counters(&mut block, first_id, names, numbers);
    block
}

/// The same without rows of other tables than that of flows.
pub(crate) fn flows_only(first_id: u64, rows: usize, names: u64, numbers: &mut Numbers) -> Block {
    let mut block = block(first_id, rows, names, numbers);
    block.decoded.nat_events.clear();
    block.decoded.interface_counters.clear();
    block.nat_exporter_name.clear();
    block.counters_exporter_name.clear();
    block
}

/// A tenth as many address translations, whose `pool_id` counts on from `first_id`.
fn nat_events(block: &mut Block, first_id: u64, names: u64, numbers: &mut Numbers) {
    let rows = block.decoded.flows.len().div_ceil(10);
    let events = &mut block.decoded.nat_events;
    events.resize(rows);
    macro_rules! fill {
        ($($column:ident)*) => { $(events.$column.fill_with(|| numbers.cell() as _);)* };
    }
    fill! {
        event_ms clock_skew domain event protocol src_port post_nat_src_port dst_port post_nat_dst_port ingress_vrf egress_vrf
        port_block_start port_block_end port_block_step
    }
    events.received_ms.fill_with(|| BEGIN_MS + (numbers.next() % 172_800_000) as i64);
    for column in [&mut events.exporter, &mut events.src_addr, &mut events.post_nat_src_addr, &mut events.dst_addr] {
        column.fill_with(|| address(numbers));
    }
    for (row, id) in events.pool_id.iter_mut().enumerate() {
        *id = (first_id as u32).wrapping_add(row as u32);
    }
    for text in [&mut events.pool_name, &mut events.user_name, &mut block.nat_exporter_name] {
        fill(text, rows, names, numbers);
    }
}

/// A twentieth as many samples of interface counters, whose `if_speed` counts on from `first_id`.
fn interface_counters(block: &mut Block, first_id: u64, names: u64, numbers: &mut Numbers) {
    let rows = block.decoded.flows.len().div_ceil(20);
    let counters = &mut block.decoded.interface_counters;
    counters.resize(rows);
    macro_rules! fill {
        ($($column:ident)*) => { $(counters.$column.fill_with(|| numbers.cell() as _);)* };
    }
    fill! {
        domain if_index if_type if_duplex if_admin_up if_oper_up in_octets in_unicast in_multicast in_broadcast in_discards
        in_errors in_unknown_protocols out_octets out_unicast out_multicast out_broadcast out_discards out_errors promiscuous
    }
    counters.received_ms.fill_with(|| BEGIN_MS + (numbers.next() % 172_800_000) as i64);
    counters.exporter.fill_with(|| address(numbers));
    counters.agent.fill_with(|| address(numbers));
    for (row, id) in counters.if_speed.iter_mut().enumerate() {
        *id = first_id + row as u64;
    }
    fill(&mut block.counters_exporter_name, rows, names, numbers);
}

fn address(numbers: &mut Numbers) -> [u8; 16] {
    (u128::from(numbers.cell()) << 64 | u128::from(numbers.cell())).to_be_bytes()
}

fn fill(text: &mut Text, rows: usize, names: u64, numbers: &mut Numbers) {
    text.clear();
    for row in 0..rows {
        let name = match numbers.next() % 8 {
            0 => String::new(),
            1 => "東京 'quoted' \\ \0 \u{1f}".repeat(8),
            _ if names > rows as u64 => format!("name {row}"),
            _ => format!("name {}", numbers.next() % names),
        };
        let key = text.key(&name);
        text.push(key);
    }
}
