//! What is measured, in rounds: each case has all it needs in memory and does the work of some thousand flows again and again.
//!
//! The instruction counts and the times are of the same cases. Inputs come from the fake exporter's own encoders, with fixed seeds.

/// Datagrams into columns.
mod decode;
/// Addresses to places.
mod geo;
/// The log of datagrams.
mod journal;
/// The account of datagrams.
mod ledger;
/// Datagrams by kind.
pub(crate) mod load;
/// Blocks for ClickHouse.
mod native;
/// MaxMind DB files.
mod places;
/// Sums of flows.
mod rollup;
/// Templates of many exporters.
pub(crate) mod templates;
#[path = "../../examples/rollup_cost/traffic.rs"]
mod traffic;

/// Work that can be repeated.
pub(crate) trait Case {
    /// Does it once; how many flows (or look-ups, or datagrams: what the case's name says) that was. Every round does the same.
    fn round(&mut self) -> usize;
}

/// How much memory the work goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// As little as gives the same instructions for each flow.
    Small,
    /// As much as in production: full blocks, files of real size.
    Real,
}

impl Size {
    /// Rows of a block.
    pub(crate) fn rows(self) -> usize {
        match self {
            Self::Small => 4096,
            Self::Real => 65_536,
        }
    }
}

/// A name, and how to make it ready.
pub(crate) struct Named {
    pub(crate) name: &'static str,
    /// What a round counts.
    pub(crate) unit: &'static str,
    pub(crate) make: fn(Size) -> Box<dyn Case>,
}

const fn case(name: &'static str, unit: &'static str, make: fn(Size) -> Box<dyn Case>) -> Named {
    Named { name, unit, make }
}

/// Every case, in the order in which a datagram meets them.
pub(crate) const CASES: &[Named] = &[
    case("journal_append_and_read", "datagram", |size| Box::new(journal::Appended::new(size))),
    case("ledger_book", "datagram", |size| Box::new(ledger::Booked::new(size))),
    case("templates_10_exporters", "look-up", |size| Box::new(templates::LookedUp::new(10, 10, size))),
    case("templates_many_exporters", "look-up", |size| match size {
        Size::Small => Box::new(templates::LookedUp::new(500, 10, size)),
        Size::Real => Box::new(templates::LookedUp::new(10_000, 10, size)),
    }),
    case("decode_v5", "flow", |size| Box::new(decode::Decoded::new(load::v5(), size))),
    case("decode_v9_22_fields", "flow", |size| Box::new(decode::Decoded::new(load::vyos(24), size))),
    case("decode_v9_22_fields_ipv4", "flow", |size| Box::new(decode::Decoded::new(load::vyos_ipv4(24), size))),
    case("decode_v9_22_fields_4_records", "flow", |size| Box::new(decode::Decoded::new(load::vyos(4), size))),
    case("decode_ipfix", "flow", |size| Box::new(decode::Decoded::new(load::juniper(), size))),
    case("decode_ipfix_variable_length", "flow", |size| Box::new(decode::Decoded::new(load::variable(), size))),
    case("decode_sflow", "flow", |size| Box::new(decode::Decoded::new(load::sflow(), size))),
    case("decode_asa", "flow", |size| Box::new(decode::Decoded::new(load::asa(), size))),
    case("decode_60_fields", "flow", |size| Box::new(decode::Decoded::new(load::sixty(), size))),
    case("geo_ipv4_heavy_tailed", "address", |size| Box::new(geo::Located::v4_heavy(size))),
    case("geo_ipv4_uniform", "address", |size| Box::new(geo::Located::v4_uniform(size))),
    case("geo_ipv6_heavy_tailed", "address", |size| Box::new(geo::Located::v6_heavy(size))),
    case("geo_ipv6_uniform", "address", |size| Box::new(geo::Located::v6_uniform(size))),
    case("enrich_both_ends", "flow", |size| Box::new(native::Enriched::new(size))),
    case("native_block", "flow", |size| Box::new(native::Encoded::new(size))),
    case("decode_enrich_native", "flow", |size| Box::new(native::Whole::new(size))),
    case("rollups", "flow", |size| Box::new(rollup::Rolled::new(size))),
];
