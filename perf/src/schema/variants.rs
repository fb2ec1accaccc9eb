//! The variants: the collector's tables as they are, and what was considered for them.

/// The ordering of the flows table.
const MINUTE_FIRST: &str = "toStartOfMinute(time_received), exporter_address, src_addr, dst_addr";
/// What a question about a host asks of its flows.
const HOST_COLUMNS: &str = "time_received, time_start, time_end, exporter_address, src_addr, dst_addr, src_port, dst_port, \
     protocol, tcp_flags, in_if, out_if, bytes, packets, sampling_rate";

/// One way to make a table.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    /// Ordering, where it is not the one of the committed schema.
    ordering: Option<&'static str>,
    /// Statements that follow the table's own.
    alterations: Vec<String>,
}

impl Variant {
    /// The statements that turn the empty table of the committed schema into this variant.
    pub(crate) fn statements(&self, table: &str, partition: &str) -> Vec<String> {
        let mut statements = Vec::new();
        if let Some(ordering) = self.ordering {
            statements.push(format!("RENAME TABLE {table} TO {table}_as_committed"));
            statements.push(format!(
                "CREATE TABLE {table} AS {table}_as_committed ENGINE = MergeTree PARTITION BY {partition} \
                 ORDER BY ({ordering}) SETTINGS index_granularity = 8192"
            ));
        }
        statements.extend(self.alterations.iter().map(|alteration| format!("ALTER TABLE {table} {alteration}")));
        statements
    }
}

/// Variants of the flows table, the committed one first.
pub(crate) fn of_flows() -> Vec<Variant> {
    let altered = |name, alterations: &[String]| Variant { name, ordering: None, alterations: alterations.to_vec() };
    let both_ends = |what: fn(&str, &str) -> String| [what("src", "dst"), what("dst", "src")];
    let mut variants = vec![
        altered("committed", &[]),
        altered(
            "bloom filters",
            &both_ends(|end, _| format!("ADD INDEX host_{end} {end}_addr TYPE bloom_filter(0.01) GRANULARITY 1")),
        ),
        altered(
            "offset projections",
            &both_ends(|end, _| {
                format!("ADD PROJECTION host_{end} (SELECT _part_offset ORDER BY {end}_addr, {end}_port)")
            }),
        ),
        altered(
            "covering projections",
            &both_ends(|end, other| {
                format!(
                    "ADD PROJECTION host_{end} (SELECT {HOST_COLUMNS} \
                     ORDER BY {end}_addr, toStartOfMinute(time_received), exporter_address, {other}_addr)"
                )
            }),
        ),
        altered(
            "full projections",
            &both_ends(|end, other| {
                format!(
                    "ADD PROJECTION host_{end} (SELECT * \
                     ORDER BY {end}_addr, toStartOfMinute(time_received), exporter_address, {other}_addr)"
                )
            }),
        ),
    ];
    for (name, ordering) in [
        ("order: hour, src, dst", "toStartOfHour(time_received), src_addr, dst_addr"),
        ("order: exporter, minute, src, dst", "exporter_address, toStartOfMinute(time_received), src_addr, dst_addr"),
        ("order: minute, exporter, dst, src", "toStartOfMinute(time_received), exporter_address, dst_addr, src_addr"),
        ("order: minute, exporter, src, dst", MINUTE_FIRST),
    ] {
        variants.push(Variant { name, ordering: Some(ordering), alterations: Vec::new() });
    }
    variants
}

/// Variants of the translations table, the committed one first.
pub(crate) fn of_nat_events() -> Vec<Variant> {
    let altered = |name, alteration: Option<&str>| Variant {
        name,
        ordering: None,
        alterations: alteration.map(str::to_owned).into_iter().collect(),
    };
    vec![
        altered("committed", None),
        altered("bloom filter", Some("ADD INDEX inside src_addr TYPE bloom_filter(0.01) GRANULARITY 1")),
        altered(
            "offset projection",
            Some("ADD PROJECTION inside (SELECT _part_offset ORDER BY src_addr, time_event)"),
        ),
        altered("full projection", Some("ADD PROJECTION inside (SELECT * ORDER BY src_addr, time_event)")),
    ]
}
