//! What an answer does not say by its rows: flows of the time asked about that are in no sum, and flows whose times are not those that
//! their exporter told. From the ledger, which knows of both by exporter and minute of receipt.

use std::net::{IpAddr, Ipv6Addr};

use super::question::{MINUTE_MS, Request, Span};
use super::statement::{Parameter, Parameters, whole_seconds};
use crate::clickhouse::Client;

/// Exporters that are named; of more, the number is told.
const NAMED: usize = 3;

/// Flows of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remark {
    /// How many.
    pub flows: u64,
    /// Whose, the one with most first.
    pub exporters: Vec<IpAddr>,
}

/// What is to be said of the flows that were received in the time asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remarks {
    /// Flows whose octets and packets cannot be.
    pub implausible: Remark,
    /// Flows whose times are moved by their exporter's clock skew.
    pub corrected: Remark,
    /// Flows of clocks that are off and not steady.
    pub unsteady: Remark,
}

/// Asks the ledger. Where it cannot be asked there is nothing to remark: it is not what was asked for.
pub(super) async fn ask(client: &Client, request: &Request, span: Span) -> Remarks {
    let (sql, parameters) = statement(request, span);
    let settings: Vec<(String, String)> =
        parameters.iter().map(|one| (format!("param_{}", one.name), one.escaped())).collect();
    match client.query_with(&sql, "TSV", &settings).await {
        Ok(answer) => read(&String::from_utf8_lossy(&answer)),
        Err(_) => Remarks::default(),
    }
}

fn statement(request: &Request, span: Span) -> (String, Vec<Parameter>) {
    let mut parameters = Parameters::default();
    let condition = rows_of_ledger(request, span, &mut parameters);
    let sql = format!(
        "SELECT t.exporter_address AS exporter, sum(t.implausible) AS wrong, sum(t.times_corrected) AS moved, sum(t.clock_off) AS off\n\
         FROM ledger AS t\nWHERE {condition}\nGROUP BY exporter\nHAVING wrong > 0 OR moved > 0 OR off > 0\n\
         ORDER BY wrong + moved + off DESC, exporter"
    );
    (sql, parameters.0)
}

/// Which rows of the ledger, as `t`, a request is about: the minutes that its span touches, of the exporters that it asks for.
pub(super) fn rows_of_ledger(request: &Request, span: Span, parameters: &mut Parameters) -> String {
    let minutes = span.aligned(MINUTE_MS);
    let from = parameters.put("minute_from", "DateTime('UTC')", whole_seconds(minutes.from_ms));
    let to = parameters.put("minute_to", "DateTime('UTC')", whole_seconds(minutes.to_ms));
    let mut condition = format!("t.minute >= {from} AND t.minute < {to}");
    for filter in request.filters.iter().filter(|filter| filter.is_of_exporter()) {
        condition.push_str(" AND ");
        condition.push_str(&filter.sql(parameters, |dimension| format!("t.{}", dimension.column())));
    }
    condition
}

fn read(answer: &str) -> Remarks {
    let mut remarks = Remarks::default();
    for line in answer.lines() {
        let mut cells = line.split('\t');
        let Some(exporter) = cells.next().and_then(|cell| cell.parse::<Ipv6Addr>().ok()) else { continue };
        for remark in [&mut remarks.implausible, &mut remarks.corrected, &mut remarks.unsteady] {
            let flows = cells.next().and_then(|cell| cell.parse::<u64>().ok()).unwrap_or(0);
            if flows > 0 {
                remark.flows = remark.flows.saturating_add(flows);
                remark.exporters.push(exporter.to_canonical());
            }
        }
    }
    remarks
}

impl Remark {
    /// How many flows of whom, in words; nothing of none.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let Self { flows, exporters } = self;
        let named: Vec<String> = exporters.iter().take(NAMED).map(ToString::to_string).collect();
        let more = match exporters.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let rows = if *flows == 1 { "row" } else { "rows" };
        (*flows > 0).then(|| format!("{flows} {rows} of flows from {}{more}", named.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_ledger_answers_is_told_by_exporter() {
        let answer = "::ffff:192.0.2.1\t7\t0\t0\n2001:db8::1\t0\t5\t1\n::ffff:192.0.2.2\t1\t0\t0\n\
                      ::ffff:192.0.2.3\t1\t0\t0\n::ffff:192.0.2.4\t1\t0\t0\n";
        let Remarks { implausible, corrected, unsteady } = read(answer);
        let told = implausible.told().expect("some");
        assert_eq!(told, "10 rows of flows from 192.0.2.1, 192.0.2.2, 192.0.2.3 and 1 more");
        assert_eq!(corrected.told().expect("some"), "5 rows of flows from 2001:db8::1");
        assert_eq!(unsteady.told().expect("one"), "1 row of flows from 2001:db8::1");
        assert_eq!(Remark::default().told(), None);
        assert_eq!(read("no table"), Remarks::default());
    }
}
