//! The flags of `collector query`, and the request they make.

use std::net::{IpAddr, SocketAddr};

use clap::{Args, Subcommand, ValueEnum};

use super::super::moment::Moment;
use super::super::run::ClickHouseFlags;
use super::filters::Filters;
use crate::query::{Ends, ExporterName, Grouping, InterfaceName, Limits, Measure, Named, Question, Request, Span};

/// Ask the stored flows
///
/// Each question is answered from the smallest table that answers it exactly; below the answer stands which, and why. Traffic is
/// that of the time asked about: of a flow that lasted longer its share, with the sampling applied.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, arg_required_else_help = true)]
pub struct QueryArgs {
    #[command(subcommand)]
    question: Ask,
}

const EXAMPLES: &str = "\
Examples:
  collector query top                             hosts with most traffic in the last hour
  collector query top --by src --from \"2026-11-20\" --to \"2026-11-21\" --exporter 192.0.2.1
  collector query interfaces                      every interface, in and out
  collector query interface 192.0.2.1 3 --from \"1d ago\"
  collector query interface vyos-2 uplink         the same by names
  collector query top --exporter vyos-1 --country germany
  collector query host 198.51.100.7:443 --from \"30d ago\" --format csv
  collector query nat 203.0.113.9:40000 --at \"2026-11-20 10:31:07\"
  collector query as --from \"7d ago\" --format json
  collector query as --src-as 64500 --explain     the SQL, without asking it

Times are UTC: 2026-11-23T04:00:00Z, \"2026-11-23 04:00\", 2026-11-23, \"2h ago\",
now, or seconds since 1970. Without any, the last hour.

Exit status: 0 answered, also with no rows; 1 failed; 2 wrong usage.";

#[derive(Debug, Subcommand)]
enum Ask {
    /// The hosts with most traffic
    Top(TopArgs),
    /// Every interface with its traffic in and out
    Interfaces(PlainArgs),
    /// One interface's traffic over time
    Interface(InterfaceArgs),
    /// Every flow of a host, the newest first
    Host(HostArgs),
    /// Who had an outside address and port at a time, by logs of address translation
    Nat(NatArgs),
    /// Traffic from AS to AS
    As(PairArgs),
    /// Traffic from country to country
    Countries(PairArgs),
    /// Traffic by protocol and port
    Services(PlainArgs),
    /// Traffic from network to network, with their customers
    Networks(PairArgs),
    /// What each exporter sent, and when it was last heard of
    Exporters(PlainArgs),
}

#[derive(Debug, Args)]
struct PlainArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    filters: Filters,
}

#[derive(Debug, Args)]
struct TopArgs {
    /// Which end's hosts
    #[arg(long, value_name = "END", default_value = "both")]
    by: Grouping,
    /// Take the hourly table of the busiest hosts, whose figures are a lower bound
    #[arg(long)]
    approximate: bool,
    #[command(flatten)]
    plain: PlainArgs,
}

#[derive(Debug, Args)]
struct PairArgs {
    /// By which end: both for pairs
    #[arg(long, value_name = "END", default_value = "both")]
    by: Grouping,
    #[command(flatten)]
    plain: PlainArgs,
}

#[derive(Debug, Args)]
struct InterfaceArgs {
    /// Address or name of the exporter
    #[arg(id = "exporter_of_interface", value_name = "EXPORTER")]
    exporter: ExporterName,
    /// ifIndex or name of its interface
    #[arg(id = "interface_of_exporter", value_name = "INTERFACE")]
    interface: InterfaceName,
    /// Length of a point, such as 60s, 5m or 1h [default: one that gives about a hundred points]
    #[arg(long, value_name = "LENGTH", value_parser = length_ms)]
    interval: Option<i64>,
    #[command(flatten)]
    plain: PlainArgs,
}

#[derive(Debug, Args)]
struct HostArgs {
    /// Its address, and its port if only that: 192.0.2.1, 192.0.2.1:443, [2001:db8::1]:443
    #[arg(value_name = "ADDRESS[:PORT]", value_parser = endpoint)]
    host: (IpAddr, Option<u16>),
    #[command(flatten)]
    plain: PlainArgs,
}

#[derive(Debug, Args)]
struct NatArgs {
    /// The outside address, and the outside port
    #[arg(value_name = "ADDRESS[:PORT]", value_parser = endpoint)]
    outside: (IpAddr, Option<u16>),
    /// The time; events from 7 days before to 7 days after are looked at, unless --from or --to says otherwise [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Option<Moment>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(super) struct Common {
    /// Where the time asked about begins
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<Moment>,
    /// Where it ends
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<Moment>,
    /// Do not move the ends to whole buckets of a smaller table
    #[arg(long)]
    exact: bool,
    /// Count flows too whose octets and packets cannot be (flag 128); every answer but of single flows leaves them out
    #[arg(long)]
    implausible: bool,
    /// Only exporters of this name, address or prefix
    #[arg(long, value_name = "EXPORTER")]
    exporter: Option<ExporterName>,
    /// Order by, the most first
    #[arg(long, value_name = "MEASURE", default_value = "bytes")]
    sort: Measure,
    /// The most rows
    #[arg(long, value_name = "ROWS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(super) format: Format,
    /// Print the SQL and why it is asked of which table, and do not ask it
    #[arg(long)]
    pub(super) explain: bool,
    /// Seconds that ClickHouse may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    max_seconds: u64,
    /// MiB of memory that it may take
    #[arg(long, value_name = "MIB", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(1..=1 << 24))]
    max_memory: u64,
    /// Rows that it may read; 0 for any number
    #[arg(long, value_name = "ROWS", default_value_t = 0)]
    max_rows: u64,
    #[command(flatten)]
    pub(super) clickhouse: ClickHouseFlags,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns of a terminal, human units
    Table,
    /// One JSON object, plain numbers
    Json,
    /// Comma-separated, plain numbers
    Csv,
}

const HOUR_MS: i64 = 3_600_000;
const WEEK_MS: i64 = 7 * 24 * HOUR_MS;

impl QueryArgs {
    pub(super) fn common(&self) -> &Common {
        match &self.question {
            Ask::Top(args) => &args.plain.common,
            Ask::Interfaces(args) | Ask::Services(args) | Ask::Exporters(args) => &args.common,
            Ask::Interface(args) => &args.plain.common,
            Ask::Host(args) => &args.plain.common,
            Ask::Nat(args) => &args.common,
            Ask::As(args) | Ask::Countries(args) | Ask::Networks(args) => &args.plain.common,
        }
    }

    fn filters(&self) -> Option<&Filters> {
        match &self.question {
            Ask::Top(args) => Some(&args.plain.filters),
            Ask::Interfaces(args) | Ask::Services(args) | Ask::Exporters(args) => Some(&args.filters),
            Ask::Interface(args) => Some(&args.plain.filters),
            Ask::Host(args) => Some(&args.plain.filters),
            Ask::Nat(_) => None,
            Ask::As(args) | Ask::Countries(args) | Ask::Networks(args) => Some(&args.plain.filters),
        }
    }

    /// What is asked for, and what of it has to be looked up.
    ///
    /// # Errors
    /// A time that ends before it begins.
    pub(super) fn request(&self) -> anyhow::Result<(Request, Named)> {
        let common = self.common();
        let filters = self.filters().map(Filters::all).unwrap_or_default();
        let mut named = Named {
            exporter: common.exporter.clone(),
            series: None,
            interface: self.filters().and_then(|filters| filters.interface.clone()),
        };
        let now_ms = Moment::now().ms();
        let (mut span, ends) = common.span(now_ms);
        let mut approximate = false;
        let question = match &self.question {
            Ask::Top(args) => {
                approximate = args.approximate;
                Question::Top(args.by)
            }
            Ask::Interfaces(_) => Question::Interfaces,
            Ask::Interface(args) => {
                named.exporter = Some(args.exporter.clone());
                named.series = Some(args.interface.clone());
                Question::Interface { if_index: 0, interval_ms: args.interval }
            }
            Ask::Host(HostArgs { host: (address, port), .. }) => Question::Host { address: *address, port: *port },
            Ask::Nat(NatArgs { outside: (address, port), at, .. }) => {
                let at_ms = at.map_or(now_ms, Moment::ms);
                span.from_ms = common.from.map_or(at_ms - WEEK_MS, Moment::ms);
                span.to_ms = common.to.map_or(at_ms + WEEK_MS, Moment::ms);
                Question::Nat { address: *address, port: *port, at_ms }
            }
            Ask::As(args) => Question::As(args.by),
            Ask::Countries(args) => Question::Countries(args.by),
            Ask::Services(_) => Question::Services,
            Ask::Networks(args) => Question::Networks(args.by),
            Ask::Exporters(_) => Question::Exporters,
        };
        anyhow::ensure!(
            span.from_ms < span.to_ms,
            "the time asked about ends before it begins: let --from {} be before --to {}",
            Moment::from_ns(span.from_ms.saturating_mul(1_000_000)),
            Moment::from_ns(span.to_ms.saturating_mul(1_000_000))
        );
        let request = Request {
            question,
            span,
            ends,
            filters,
            measure: common.sort,
            limit: common.limit,
            approximate,
            implausible: common.implausible,
        };
        Ok((request, named))
    }
}

impl Common {
    pub(super) fn limits(&self) -> Limits {
        Limits { seconds: self.max_seconds, memory_bytes: self.max_memory << 20, rows: self.max_rows }
    }

    fn span(&self, now_ms: i64) -> (Span, Ends) {
        let ends = match (self.from, self.to, self.exact) {
            (None, None, false) => Ends::Free,
            (_, _, false) => Ends::Asked,
            (_, _, true) => Ends::Exact,
        };
        let to_ms = self.to.map_or(now_ms, Moment::ms);
        let from_ms = self.from.map_or(to_ms - HOUR_MS, Moment::ms);
        (Span { from_ms, to_ms }, ends)
    }
}

/// An address with a port or without.
fn endpoint(text: &str) -> Result<(IpAddr, Option<u16>), String> {
    if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse() {
        return Ok((address, None));
    }
    let both: SocketAddr =
        text.parse().map_err(|_| "write it like 192.0.2.1, 192.0.2.1:443, 2001:db8::1 or [2001:db8::1]:443")?;
    Ok((both.ip(), Some(both.port())))
}

/// A length of time in milliseconds.
fn length_ms(text: &str) -> Result<i64, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let unit_ms = match &text[digits..] {
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => HOUR_MS,
        "d" => 24 * HOUR_MS,
        _ => 0,
    };
    let length =
        text[..digits].parse::<i64>().ok().and_then(|number| number.checked_mul(unit_ms)).filter(|length| *length > 0);
    length.ok_or_else(|| "write it like 60s, 5m, 1h or 1d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        for (text, expected) in [
            ("192.0.2.1", Some(("192.0.2.1", None))),
            ("192.0.2.1:443", Some(("192.0.2.1", Some(443)))),
            ("2001:db8::1", Some(("2001:db8::1", None))),
            ("[2001:db8::1]:53", Some(("2001:db8::1", Some(53)))),
            ("[2001:db8::1]", Some(("2001:db8::1", None))),
            ("192.0.2.1:x", None),
            ("host.example", None),
            ("' OR 1=1", None),
        ] {
            let expected = expected.map(|(text, port)| (address(text), port));
            assert_eq!(endpoint(text).ok(), expected, "{text}");
        }
        for (text, expected) in [
            ("60s", Some(60_000)),
            ("5m", Some(300_000)),
            ("1d", Some(86_400_000)),
            ("0s", None),
            ("5", None),
            ("m", None),
        ] {
            assert_eq!(length_ms(text).ok(), expected, "{text}");
        }
    }
}
