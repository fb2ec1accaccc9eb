//! The variants: the collector's tables as they are, and what was considered for them.

/// The ordering of the flows table.
const MINUTE_FIRST: &str = "toStartOfMinute(time_received), exporter_address, src_addr, dst_addr";
/// What a question about a host asks of its flows.
const HOST_COLUMNS: &str = "time_received, time_start, time_end, exporter_address, exporter_name, src_addr, dst_addr, \
     src_port, dst_port, protocol, tcp_flags, in_if, out_if, bytes, packets, sampling_rate, post_nat_src_addr, \
     post_nat_src_port";
/// The least that tells of a flow.
const NARROW_COLUMNS: &str = "time_received, exporter_address, src_addr, dst_addr, src_port, dst_port, protocol, bytes, \
     packets, sampling_rate";
/// The codec of what has none of its own, which projections never have.
const ZSTD: &str = "MODIFY SETTING default_compression_codec = 'ZSTD(1)'";
const LZ4: &str = "MODIFY SETTING default_compression_codec = 'LZ4'";

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
                 ORDER BY ({ordering}) SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 10000"
            ));
        }
        statements.extend(self.alterations.iter().map(|alteration| format!("ALTER TABLE {table} {alteration}")));
        statements
    }
}

/// Variants of the flows table, the committed one first; the others begin without its projections.
pub(crate) fn of_flows() -> Vec<Variant> {
    let altered = |name, alterations: Vec<String>| Variant { name, ordering: None, alterations };
    let bare = |name, codec: &str, what: fn(&str, &str) -> String| {
        let mut alterations = without_projections();
        alterations.push(codec.to_owned());
        alterations.extend([what("src", "dst"), what("dst", "src")]);
        altered(name, alterations)
    };
    let covering: fn(&str, &str) -> String =
        |end, _| format!("ADD PROJECTION h_{end} (SELECT {HOST_COLUMNS} ORDER BY {end}_addr, time_received)");
    let mut variants = vec![
        altered("committed", Vec::new()),
        altered("without host look-up", without_projections()),
        bare("bloom filters", ZSTD, |end, _| {
            format!("ADD INDEX h_{end} {end}_addr TYPE bloom_filter(0.01) GRANULARITY 1")
        }),
        bare("offset projections", ZSTD, |end, _| {
            format!("ADD PROJECTION h_{end} (SELECT _part_offset ORDER BY {end}_addr)")
        }),
        bare("narrow projections", ZSTD, |end, _| {
            format!("ADD PROJECTION h_{end} (SELECT {NARROW_COLUMNS} ORDER BY {end}_addr, time_received)")
        }),
        bare("covering projections, LZ4", LZ4, covering),
        bare("covering projections, by peer", ZSTD, |end, peer| {
            format!("ADD PROJECTION h_{end} (SELECT {HOST_COLUMNS} ORDER BY {end}_addr, {peer}_addr, time_received)")
        }),
        bare("full projections", ZSTD, |end, _| {
            format!("ADD PROJECTION h_{end} (SELECT * ORDER BY {end}_addr, time_received)")
        }),
    ];
    for (name, ordering) in [
        ("order: hour, src, dst", "toStartOfHour(time_received), src_addr, dst_addr"),
        ("order: exporter, minute, src, dst", "exporter_address, toStartOfMinute(time_received), src_addr, dst_addr"),
        ("order: minute, exporter, dst, src", "toStartOfMinute(time_received), exporter_address, dst_addr, src_addr"),
        ("order: minute, exporter, src, dst", MINUTE_FIRST),
    ] {
        variants.push(Variant { name, ordering: Some(ordering), alterations: without_projections() });
    }
    variants
}

fn without_projections() -> Vec<String> {
    ["host_by_src", "host_by_dst"].map(|name| format!("DROP PROJECTION IF EXISTS {name}")).to_vec()
}

/// Variants of the translations table, the committed one first.
pub(crate) fn of_nat_events() -> Vec<Variant> {
    let altered = |name, alterations: &[&str]| Variant {
        name,
        ordering: None,
        alterations: alterations.iter().map(|text| (*text).to_owned()).collect(),
    };
    let bare = "DROP INDEX IF EXISTS inside";
    vec![
        altered("committed", &[]),
        altered("without inside look-up", &[bare]),
        altered(
            "offset projection",
            &[bare, ZSTD, "ADD PROJECTION h (SELECT _part_offset ORDER BY src_addr, time_event)"],
        ),
        altered("full projection", &[bare, ZSTD, "ADD PROJECTION h (SELECT * ORDER BY src_addr, time_event)"]),
    ]
}
