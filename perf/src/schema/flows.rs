//! Flow records as a middle-sized network sends them: few exporters and addresses have most of the traffic, a datagram brings
//! some two dozen records of one exporter, most optional fields are empty, and who fills them fills them always.

use perf::random::Random;

use super::native::{self, Column};

/// Columns of the flows table that are filled, with their types; the rest take their defaults.
pub(crate) const COLUMNS: &[(&str, &str)] = &[
    ("time_received", "DateTime64(3, 'UTC')"),
    ("time_start", "DateTime64(3, 'UTC')"),
    ("time_end", "DateTime64(3, 'UTC')"),
    ("exporter_address", "IPv6"),
    ("exporter_name", "LowCardinality(String)"),
    ("observation_domain", "UInt32"),
    ("version", "UInt8"),
    ("template_id", "UInt16"),
    ("flags", "UInt8"),
    ("src_addr", "IPv6"),
    ("dst_addr", "IPv6"),
    ("src_port", "UInt16"),
    ("dst_port", "UInt16"),
    ("protocol", "UInt8"),
    ("tos", "UInt8"),
    ("tcp_flags", "UInt16"),
    ("icmp_type", "UInt8"),
    ("icmp_code", "UInt8"),
    ("next_hop", "IPv6"),
    ("bgp_next_hop", "IPv6"),
    ("in_if", "UInt32"),
    ("out_if", "UInt32"),
    ("in_if_name", "LowCardinality(String)"),
    ("out_if_name", "LowCardinality(String)"),
    ("src_as", "UInt32"),
    ("dst_as", "UInt32"),
    ("src_prefix_len", "UInt8"),
    ("dst_prefix_len", "UInt8"),
    ("src_vlan", "UInt16"),
    ("dst_vlan", "UInt16"),
    ("src_mac", "UInt64"),
    ("dst_mac", "UInt64"),
    ("direction", "Enum8('unknown' = 0, 'ingress' = 1, 'egress' = 2)"),
    ("forwarding_status", "UInt8"),
    ("flow_end_reason", "UInt8"),
    ("firewall_event", "UInt8"),
    ("firewall_ext_event", "UInt16"),
    ("bytes", "UInt64"),
    ("packets", "UInt64"),
    ("sampling_rate", "UInt64"),
    ("sampling_source", "Enum8('none' = 0, 'record' = 1, 'option' = 2, 'header' = 3, 'configuration' = 4)"),
    ("mpls_labels", "Array(UInt32)"),
    ("application_id", "UInt64"),
    ("application_name", "LowCardinality(String)"),
    ("user_name", "LowCardinality(String)"),
    ("post_nat_src_addr", "IPv6"),
    ("post_nat_dst_addr", "IPv6"),
    ("post_nat_src_port", "UInt16"),
    ("post_nat_dst_port", "UInt16"),
    ("ingress_vrf", "UInt32"),
    ("egress_vrf", "UInt32"),
    ("ingress_vrf_name", "LowCardinality(String)"),
    ("egress_vrf_name", "LowCardinality(String)"),
    ("src_country", "LowCardinality(String)"),
    ("dst_country", "LowCardinality(String)"),
    ("src_city", "LowCardinality(String)"),
    ("dst_city", "LowCardinality(String)"),
    ("src_geo_as", "UInt32"),
    ("dst_geo_as", "UInt32"),
    ("src_as_name", "LowCardinality(String)"),
    ("dst_as_name", "LowCardinality(String)"),
];

/// Receive time of the first record: 2026-01-02T00:00:00Z.
pub(crate) const BEGIN_MS: u64 = 1_767_312_000_000;
/// Devices that send.
pub(crate) const EXPORTERS: u64 = 200;
const HOSTS_PER_EXPORTER: u64 = 4_000;
const REMOTE_HOSTS: u64 = 400_000;
const RECORDS_PER_DATAGRAM: u64 = 24;
/// Stands for what GeoIP does not know.
const UNKNOWN: u64 = u64::MAX - 1;
pub(super) const MAPPED: u128 = 0xffff_0000_0000;

/// Produces blocks, the same for the same seed.
pub(crate) struct Flows {
    random: Random,
    now_ms: u64,
    datagram_every_ms: f64,
    elapsed_ms: f64,
    left_in_datagram: u64,
    exporter: u64,
}

/// One end of a flow and what is known about its address.
struct End {
    address: u128,
    /// Numbers everything that follows from the address.
    site: u64,
    local: bool,
}

impl Flows {
    /// Records that arrive at `rows_per_second`.
    pub(crate) fn new(rows_per_second: f64) -> Self {
        Self {
            random: Random::new(1),
            now_ms: BEGIN_MS,
            datagram_every_ms: 1000.0 * RECORDS_PER_DATAGRAM as f64 / rows_per_second,
            elapsed_ms: 0.0,
            left_in_datagram: 0,
            exporter: 0,
        }
    }

    /// The next `rows` records as a Native block.
    pub(crate) fn block(&mut self, rows: u64) -> Vec<u8> {
        let mut columns: Vec<Column> = COLUMNS.iter().map(|(name, kind)| Column::new(name, kind)).collect();
        for _ in 0..rows {
            self.row(&mut columns);
        }
        native::encode(&columns)
    }

    fn row(&mut self, columns: &mut [Column]) {
        if self.left_in_datagram == 0 {
            self.left_in_datagram = 1 + self.random.below(2 * RECORDS_PER_DATAGRAM - 1);
            self.exporter = self.random.zipf(EXPORTERS);
            self.elapsed_ms += self.datagram_every_ms;
            self.now_ms = BEGIN_MS + self.elapsed_ms as u64;
        }
        self.left_in_datagram -= 1;
        let (random, exporter) = (&mut self.random, self.exporter);
        // What a device does is fixed by its number.
        let device = Random::new(exporter).bits();
        let (has_nat, has_mpls) = (device.is_multiple_of(10), device % 20 == 1);
        let (has_applications, has_macs, has_vrf) = (device % 5 == 2, device.is_multiple_of(3), device % 8 == 3);
        let (v9, has_names) = (device.is_multiple_of(2), !device.is_multiple_of(3));

        let local = local_end(exporter, random);
        let remote = remote_end(random);
        let outbound = random.below(2) == 0;
        let (src, dst) = if outbound { (&local, &remote) } else { (&remote, &local) };
        let service =
            [443, 443, 443, 80, 53, 53, 123, 22, 25, 993, 3389, 8080, 5060, 1194, 6881][random.zipf(15) as usize];
        let ephemeral = 32_768 + random.below(28_232);
        let (src_port, dst_port) = if outbound { (ephemeral, service) } else { (service, ephemeral) };
        let protocol = match (random.below(50), service) {
            (0, _) => 1,
            (_, 53 | 123 | 5060 | 1194) => 17,
            (kind, 443) if kind < 15 => 17,
            _ => 6,
        };
        let (src_port, dst_port) = if protocol == 1 { (0, 0) } else { (src_port, dst_port) };
        let packets = random.heavy(1.0, 1.1).clamp(1, 5_000_000);
        let packet_bytes = if packets < 4 { 40 + random.below(80) } else { 60 + random.below(1_440) };
        let duration_ms = if packets == 1 { 0 } else { random.below(packets.min(600) * 100) };
        let end_ms = self.now_ms - 1_000 - random.below(59_000);
        let (inside, outside) = (1 + exporter % 4, 10 + remote.site % (2 + device % 24));
        let (in_if, out_if) = if outbound { (inside, outside) } else { (outside, inside) };
        let mac = |number: u64| if has_macs { 0x0200_0000_0000 | exporter << 16 | number } else { 0 };
        let application = 0x0d00_0000 | service;

        let mut columns = columns.iter_mut();
        let mut next = || columns.next().unwrap_or_else(|| unreachable!("as many cells as columns"));
        next().number(self.now_ms);
        next().number(end_ms - duration_ms);
        next().number(end_ms);
        next().address(MAPPED | 0x0aff_0000 | u128::from(exporter));
        next().text(exporter, || format!("edge-{exporter}"));
        next().number(if v9 { 0 } else { device % 4 });
        next().number(if v9 { 9 } else { 10 });
        next().number(256 + u64::from(src.address >> 32 != 0xffff));
        next().number(0);
        next().address(src.address);
        next().address(dst.address);
        next().number(src_port);
        next().number(dst_port);
        next().number(protocol);
        next().number([0, 0, 0, 0, 0, 0x48, 0x28, 0xb8][random.below(8) as usize]);
        next().number(if protocol == 6 {
            [0x1b, 0x1b, 0x1a, 0x18, 0x10, 0x02, 0x12, 0x14][random.zipf(8) as usize]
        } else {
            0
        });
        next().number(if protocol == 1 { [8, 0, 3, 11][random.zipf(4) as usize] } else { 0 });
        next().number(u64::from(protocol == 1 && random.below(4) == 0));
        next().address(MAPPED | 0x0a00_0000 | u128::from(exporter << 8 | out_if));
        next().address(if device.is_multiple_of(4) { MAPPED | 0x0a01_0000 | u128::from(out_if) } else { 0 });
        next().number(in_if);
        next().number(out_if);
        for interface in [in_if, out_if] {
            if has_names {
                next().text(interface, || format!("GigabitEthernet0/0/{interface}"));
            } else {
                next().no_text();
            }
        }
        for end in [src, dst] {
            next().number(if device % 3 == 1 { as_number(end) } else { 0 });
        }
        for end in [src, dst] {
            next().number(if end.local { 24 } else { 12 + end.site % 13 });
        }
        next().number(if device.is_multiple_of(6) { 100 + inside } else { 0 });
        next().number(0);
        next().number(mac(in_if));
        next().number(mac(out_if));
        next().number(1 + u64::from(outbound && device.is_multiple_of(7)));
        next().number(if v9 { 64 } else { 0 });
        next().number(if v9 { 0 } else { [1, 2, 3, 3][random.below(4) as usize] });
        next().number(0);
        next().number(0);
        next().number(packets * packet_bytes);
        next().number(packets);
        next().number([1, 1, 100, 1000, 4096][(device % 5) as usize]);
        next().number([0, 0, 2, 2, 4][(device % 5) as usize]);
        let labels = [16_000 + (remote.site % 300) as u32, 24_000 + out_if as u32];
        next().array(if has_mpls { &labels } else { &[] });
        next().number(if has_applications { application } else { 0 });
        if has_applications {
            next().text(service, || format!("application-{service}"));
        } else {
            next().no_text();
        }
        next().no_text();
        next().address(if has_nat && outbound { MAPPED | 0xc633_6400 | u128::from(exporter % 256) } else { 0 });
        next().address(if has_nat { dst.address } else { 0 });
        next().number(if has_nat && outbound { 1_024 + random.below(64_512) } else { 0 });
        next().number(if has_nat { dst_port } else { 0 });
        next().number(if has_vrf { inside } else { 0 });
        next().number(if has_vrf { outside % 4 } else { 0 });
        next().no_text();
        next().no_text();
        for end in [src, dst] {
            next().text(end.country(), || named(end, || format!("C{}", end.country())));
        }
        for end in [src, dst] {
            next().text(end.city(), || named(end, || format!("City of {}", end.city())));
        }
        for end in [src, dst] {
            next().number(if end.local { 0 } else { as_number(end) });
        }
        for end in [src, dst] {
            next().text(if end.local { UNKNOWN } else { as_number(end) }, || {
                named(end, || format!("Network operator {}", as_number(end)))
            });
        }
    }
}

impl End {
    fn country(&self) -> u64 {
        if self.local { UNKNOWN } else { Random::new(self.site).zipf(180) }
    }

    fn city(&self) -> u64 {
        if self.local { UNKNOWN } else { Random::new(self.site).zipf(6_000) }
    }
}

fn named(end: &End, name: impl FnOnce() -> String) -> String {
    if end.local { "unknown".to_owned() } else { name() }
}

fn local_end(exporter: u64, random: &mut Random) -> End {
    let host = random.zipf(HOSTS_PER_EXPORTER);
    let address = MAPPED | 0x0a00_0000 | u128::from((exporter * HOSTS_PER_EXPORTER + host) & 0x00ff_ffff);
    End { address, site: exporter, local: true }
}

fn remote_end(random: &mut Random) -> End {
    let number = random.zipf(REMOTE_HOSTS);
    // Neighbouring ranks must not be neighbouring addresses.
    let scattered = Random::new(number).bits();
    let site = scattered % 60_000;
    let low = (scattered >> 32) & 0xff;
    let address = if scattered.is_multiple_of(5) {
        0x2001_0000 << 96 | u128::from(site) << 64 | u128::from(scattered >> 16)
    } else {
        MAPPED | u128::from((0x1000_0000 + site * 0xb_0000 + low) & 0xffff_ffff)
    };
    End { address, site, local: false }
}

fn as_number(end: &End) -> u64 {
    if end.local { 64_512 + end.site % 8 } else { 1 + Random::new(end.site).zipf(50_000) }
}
