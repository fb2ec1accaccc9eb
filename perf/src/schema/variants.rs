//! The variants: one codec at a time for all columns that take it, then orderings and granularities with the chosen codecs.

use super::flows::COLUMNS;

/// Conditions of typical queries, by name; [`super::flows::BEGIN_MS`] is midnight.
pub(crate) const QUERIES: &[(&str, &str)] = &[
    ("one_minute", "time_received >= '2026-01-02 00:03:00' AND time_received < '2026-01-02 00:04:00'"),
    (
        "busy_exporter_one_minute",
        "exporter_address = toIPv6('10.255.0.3') \
         AND time_received >= '2026-01-02 00:03:00' AND time_received < '2026-01-02 00:04:00'",
    ),
    ("quiet_exporter", "exporter_address = toIPv6('10.255.0.150')"),
    (
        "source_address_two_minutes",
        "src_addr = toIPv6('10.0.62.133') \
         AND time_received >= '2026-01-02 00:02:00' AND time_received < '2026-01-02 00:04:00'",
    ),
    ("destination_address", "dst_addr = toIPv6('10.0.62.133')"),
];

/// The ordering of the collector's table, with which codecs and granularities are compared.
const CHOSEN: &str = "toStartOfMinute(time_received), exporter_address, src_addr, dst_addr";

/// One way to make the table.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) ordering: &'static str,
    pub(crate) granularity: u32,
    codecs: Codecs,
}

#[derive(Debug, Clone, Copy)]
enum Codecs {
    /// This compression everywhere.
    Plain(&'static str),
    /// This codec, then ZSTD(1), on numbers and times; ZSTD(1) on the rest.
    Numbers(&'static str),
    /// The best for each column.
    Chosen,
}

/// Every variant, codecs first.
pub(crate) fn all() -> Vec<Variant> {
    let codecs = [
        ("codec: LZ4", Codecs::Plain("LZ4")),
        ("codec: ZSTD(1)", Codecs::Plain("ZSTD(1)")),
        ("codec: ZSTD(3)", Codecs::Plain("ZSTD(3)")),
        ("codec: T64, ZSTD(1)", Codecs::Numbers("T64")),
        ("codec: Delta, ZSTD(1)", Codecs::Numbers("Delta")),
        ("codec: DoubleDelta, ZSTD(1)", Codecs::Numbers("DoubleDelta")),
        ("codec: chosen", Codecs::Chosen),
    ];
    let orderings = [
        ("order: time", "time_received"),
        ("order: exporter, time", "exporter_address, time_received"),
        ("order: exporter, minute", "exporter_address, toStartOfMinute(time_received)"),
        ("order: exporter, minute, src", "exporter_address, toStartOfMinute(time_received), src_addr, dst_addr"),
        ("order: minute, exporter", "toStartOfMinute(time_received), exporter_address"),
        ("order: minute, exporter, time", "toStartOfMinute(time_received), exporter_address, time_received"),
        ("order: 5 minutes, exporter", "toStartOfFiveMinutes(time_received), exporter_address"),
        ("order: minute, exporter, dst", "toStartOfMinute(time_received), exporter_address, dst_addr, src_addr"),
        ("order: minute, exporter, src", CHOSEN),
        (
            "order: 5 minutes, exporter, src",
            "toStartOfFiveMinutes(time_received), exporter_address, src_addr, dst_addr",
        ),
        ("order: minute, src, dst", "toStartOfMinute(time_received), src_addr, dst_addr"),
    ];
    let codecs = codecs.into_iter().map(|(name, codecs)| Variant {
        name: name.to_owned(),
        ordering: CHOSEN,
        granularity: 8192,
        codecs,
    });
    let orderings = orderings.into_iter().map(|(name, ordering)| Variant {
        name: name.to_owned(),
        ordering,
        granularity: 8192,
        codecs: Codecs::Chosen,
    });
    let granularities = [2048, 4096, 16384].into_iter().map(|granularity| Variant {
        name: format!("granularity: {granularity}"),
        ordering: CHOSEN,
        granularity,
        codecs: Codecs::Chosen,
    });
    codecs.chain(orderings).chain(granularities).collect()
}

impl Variant {
    /// The statement that makes it.
    pub(crate) fn ddl(&self, table: &str) -> String {
        let columns: Vec<String> =
            COLUMNS.iter().map(|(name, kind)| format!("{name} {kind} CODEC({})", self.codecs.of(name, kind))).collect();
        format!(
            "CREATE TABLE {table} ({}) ENGINE = MergeTree PARTITION BY toDate(time_received) ORDER BY ({}) \
             SETTINGS index_granularity = {}, non_replicated_deduplication_window = 1000",
            columns.join(", "),
            self.ordering,
            self.granularity
        )
    }
}

impl Codecs {
    fn of(self, name: &str, kind: &str) -> String {
        let number = ["UInt", "DateTime64", "Enum8"].iter().any(|prefix| kind.starts_with(prefix));
        match self {
            Self::Plain(codec) => codec.to_owned(),
            Self::Numbers(codec) if number => format!("{codec}, ZSTD(1)"),
            Self::Numbers(_) => "ZSTD(1)".to_owned(),
            Self::Chosen => chosen(name).to_owned(),
        }
    }
}

/// The codecs of the collector's table.
fn chosen(name: &str) -> &'static str {
    match name {
        "time_start" | "time_end" | "bytes" | "packets" | "in_if" | "out_if" | "src_as" | "dst_as" | "src_geo_as"
        | "dst_geo_as" | "template_id" | "sampling_rate" | "flow_end_reason" => "T64, ZSTD(1)",
        _ => "ZSTD(1)",
    }
}
