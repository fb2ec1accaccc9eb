//! The questions, as they are asked: nothing here knows of tables.

use std::net::IpAddr;

use super::dimension::Dimension;
use super::filter::Filter;

/// A minute in milliseconds: no table knows traffic more finely, but `flows`.
pub(super) const MINUTE_MS: i64 = 60_000;

/// From the first millisecond to before the last, since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first millisecond.
    pub from_ms: i64,
    /// The one after the last.
    pub to_ms: i64,
}

impl Span {
    /// How long it is; at least 1 ms.
    #[must_use]
    pub fn length_ms(self) -> i64 {
        self.to_ms.saturating_sub(self.from_ms).max(1)
    }

    /// The shortest span of whole buckets that holds it.
    #[must_use]
    pub fn aligned(self, bucket_ms: i64) -> Self {
        let from_ms = self.from_ms.div_euclid(bucket_ms).saturating_mul(bucket_ms);
        let to_ms = self.to_ms.div_euclid(bucket_ms).saturating_mul(bucket_ms);
        Self { from_ms, to_ms: if to_ms < self.to_ms { to_ms.saturating_add(bucket_ms) } else { to_ms } }
    }

    /// From the beginning of its first bucket to the end of its last second. Of a span that ends now, the bucket under way counts as
    /// far as it has come.
    #[must_use]
    pub fn from_bucket(self, bucket_ms: i64) -> Self {
        Self { from_ms: self.aligned(bucket_ms).from_ms, to_ms: self.aligned(1000).to_ms }
    }
}

/// A question with all that narrows it down.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What is asked.
    pub question: Question,
    /// About which time.
    pub span: Span,
    /// Whether the ends were given to the millisecond; otherwise whole buckets near them are as good.
    pub ends: Ends,
    /// What traffic must be like to count.
    pub filters: Vec<Filter>,
    /// What rows are ordered by, descending.
    pub measure: Measure,
    /// The most rows.
    pub limit: u32,
    /// Whether a lower bound from `hosts_1h` will do.
    pub approximate: bool,
    /// Whether flows whose counts cannot be are in the answer.
    pub implausible: bool,
}

/// How firm the ends of a span are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// The asker named none: the last hour, whose beginning may be moved back to a whole bucket without a word.
    Free,
    /// The asker named them: they may be moved where that is said, and changes little.
    Asked,
    /// To the millisecond.
    Exact,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// The hosts with most traffic.
    Top(Grouping),
    /// Every interface with its traffic in both directions.
    Interfaces,
    /// One interface's traffic over time.
    Interface {
        /// Its ifIndex.
        if_index: u32,
        /// Length of a point; `None` for one that gives about a hundred points.
        interval_ms: Option<i64>,
    },
    /// Every flow of a host.
    Host {
        /// Its address.
        address: IpAddr,
        /// Its port, if only that.
        port: Option<u16>,
    },
    /// Who had an outside address and port at a time, by what is known of the span around it.
    Nat {
        /// The outside address.
        address: IpAddr,
        /// The outside port, if only that.
        port: Option<u16>,
        /// The time, milliseconds since 1970.
        at_ms: i64,
    },
    /// From AS to AS.
    As(Grouping),
    /// From country to country.
    Countries(Grouping),
    /// Protocols and ports.
    Services,
    /// From network to network, with their customers.
    Networks(Grouping),
    /// What each exporter sent, and when it was last heard of.
    Exporters,
}

/// By which end traffic is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Grouping {
    /// By where it comes from
    Src,
    /// By where it goes to
    Dst,
    /// By both: pairs; for hosts, what a host sends and receives together
    Both,
}

/// What there is most of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Measure {
    /// Bytes, with the sampling applied
    Bytes,
    /// Packets, with the sampling applied
    Packets,
    /// Flow records
    Flows,
}

impl Measure {
    /// The column of that name.
    #[must_use]
    pub fn column(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Packets => "packets",
            Self::Flows => "flows",
        }
    }
}

impl Grouping {
    fn of(self, src: &[Dimension], dst: &[Dimension]) -> Vec<Dimension> {
        match self {
            Self::Src => src.to_vec(),
            Self::Dst => dst.to_vec(),
            Self::Both => [src, dst].concat(),
        }
    }
}

impl Question {
    /// The name on the command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Top(_) => "top",
            Self::Interfaces => "interfaces",
            Self::Interface { .. } => "interface",
            Self::Host { .. } => "host",
            Self::Nat { .. } => "nat",
            Self::As(_) => "as",
            Self::Countries(_) => "countries",
            Self::Services => "services",
            Self::Networks(_) => "networks",
            Self::Exporters => "exporters",
        }
    }

    /// The length of a point that was asked for.
    #[must_use]
    pub fn interval_ms(&self) -> Option<i64> {
        if let Self::Interface { interval_ms, .. } = self { *interval_ms } else { None }
    }

    /// Whether its answer has rates.
    #[must_use]
    pub(super) fn has_rates(&self) -> bool {
        !matches!(self, Self::Host { .. } | Self::Nat { .. })
    }

    /// What a table must tell apart to answer it, its filters aside.
    #[must_use]
    pub(super) fn dimensions(&self) -> Vec<Dimension> {
        use Dimension as D;
        match self {
            Self::Top(Grouping::Both) => vec![D::Host],
            Self::Top(grouping) => grouping.of(&[D::SrcAddress], &[D::DstAddress]),
            Self::Interfaces | Self::Interface { .. } => vec![D::Exporter, D::Interface],
            Self::Host { .. } => vec![D::SrcAddress, D::DstAddress, D::SrcPort, D::DstPort],
            Self::Nat { .. } => Vec::new(),
            Self::As(grouping) => grouping.of(&[D::SrcAs], &[D::DstAs]),
            Self::Countries(grouping) => grouping.of(&[D::SrcCountry], &[D::DstCountry]),
            Self::Services => vec![D::Protocol, D::ServicePort],
            Self::Networks(grouping) => grouping.of(&[D::SrcCustomer, D::SrcNetwork], &[D::DstCustomer, D::DstNetwork]),
            Self::Exporters => vec![D::Exporter],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_aligned_outwards() {
        for (from_ms, to_ms, aligned) in
            [(0, 100, (0, 100)), (1, 100, (0, 100)), (99, 101, (0, 200)), (100, 200, (100, 200)), (-1, 1, (-100, 100))]
        {
            let span = Span { from_ms, to_ms }.aligned(100);
            assert_eq!((span.from_ms, span.to_ms), aligned, "{from_ms} {to_ms}");
        }
    }
}
