//! Questions that operators ask of the stored flows, and their answers: a typed question becomes SQL over the coarsest table that
//! answers it exactly, and ClickHouse's answer becomes typed rows.
//!
//! Traffic belongs to the time when it was, not to the time when its record came: a flow that lasted longer than the period that is
//! asked about counts with its share, from whichever table the answer comes. Not here: the command line, and how answers look.

/// What came back.
mod answer;
/// Asking ClickHouse.
mod ask;
/// Which table answers, and why.
mod choice;
/// Countries by code and name.
mod country;
/// What of a span data covers.
mod covered;
/// What a question can group by and filter on, and what that is called in each table.
mod dimension;
/// What is known of each exporter.
mod exporters;
/// Conditions on traffic.
mod filter;
/// Flows as a table of shares of traffic.
mod flows;
/// The SQL of every question, as it was looked at.
#[cfg(test)]
mod golden;
/// Exporters and interfaces as people name them.
mod known;
/// One host's flows; who had an outside address.
mod lookup;
/// Names of what tables know by number.
mod names;
/// The questions.
mod question;
/// The most of something: hosts, AS pairs, countries, services, networks, interfaces.
mod ranking;
/// What an answer does not say by its rows.
mod remarks;
/// An interface's traffic over time.
mod series;
/// SQL with its parameters.
mod statement;
/// The tables.
mod table;
/// What waits for a template.
mod waiting;

pub use answer::{Answer, Cell};
pub use ask::{Error, Limits, Plan, ask, held, plan};
pub use choice::{Choice, Held, Reason, choose};
pub use country::code as country_code;
pub use covered::Covered;
pub use filter::{End, Exporters, Filter};
pub use known::{ExporterName, InterfaceName, Named, check, nearest, resolve};
pub use names::Names;
pub use question::{Ends, Grouping, Measure, Question, Request, Span};
pub use remarks::{Remark, Remarks};
pub use statement::{Column, Kind, Parameter, Statement};
pub use table::{TABLES, Table};
pub use waiting::{Waiting, waiting};
