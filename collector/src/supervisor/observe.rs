//! What the collector tells about itself: the text of `/metrics`, and the totals in the log at the end.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clickhouse;
use crate::clickhouse::retention::Retention;
use crate::enrich::names::Names;
use crate::enrich::{Published, Watcher};
use crate::exporters;
use crate::exporters::status::{Element, PassingBy};
use crate::ledger::Account;
use crate::metrics::{Counter, Exposition};
use crate::steering::{Verdict, Verdicts};
use crate::store::Child;
use crate::templates::Templates;
use crate::utc::now_ms;
use crate::worker::tally::{Shared, Tally};
use netflow::columns::Address;

use super::capture::{self, Refused};
use super::interface::Interface;
use super::passing_by::passing_by;

/// Handles to every part that counts.
pub(super) struct Observed {
    pub(super) mode: Mutex<String>,
    /// What the journal survives.
    pub(super) durability: &'static str,
    pub(super) tallies: Vec<Arc<Shared>>,
    /// For each interface on which XDP is wanted, as read last.
    pub(super) verdicts: Vec<(String, Mutex<Verdicts>)>,
    /// How XDP stands on these.
    pub(super) standings: Mutex<BTreeMap<String, Standing>>,
    pub(super) clickhouse: Arc<clickhouse::Counters>,
    pub(super) names: Published<Names>,
    pub(super) account: Account,
    pub(super) exporters: exporters::Directory,
    pub(super) templates: Templates,
    pub(super) published: Published,
    pub(super) watcher: Watcher,
    /// None where nothing is stored.
    pub(super) retention: Option<Retention>,
    /// Whether rows are thrown away.
    pub(super) discards: bool,
    pub(super) stdout_skipped: Option<Arc<Counter>>,
    pub(super) store_restarts: Option<Counter>,
}

/// How XDP stands on an interface.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// Why it does not run there, where it does not.
    refused: Option<&'static str>,
    /// Queues that feed rings.
    queues: u32,
    /// How often rings were laid out for another number of queues.
    changes: u64,
    /// How often it was attached again because the interface had come back.
    comebacks: u64,
}

/// How XDP stands at the start.
pub(super) fn standings(interfaces: &[Interface], refused: &[Refused]) -> BTreeMap<String, Standing> {
    let running = interfaces
        .iter()
        .map(|interface| (interface.name.clone(), Standing { queues: interface.queues, ..Standing::default() }));
    let refused = refused
        .iter()
        .map(|refused| (refused.interface.clone(), Standing { refused: Some(refused.reason), ..Standing::default() }));
    running.chain(refused).collect()
}

impl Observed {
    /// Shows that XDP does not run on an interface.
    pub(super) fn refuse(&self, interface: &str, reason: &'static str) {
        self.change(interface, |standing| (standing.refused, standing.queues) = (Some(reason), 0));
    }

    /// Shows that XDP runs on an interface again.
    pub(super) fn accept(&self, interface: &Interface) {
        self.change(&interface.name, |standing| {
            (standing.refused, standing.queues) = (None, interface.queues);
            standing.comebacks += 1;
        });
    }

    /// Shows how many queues of an interface feed rings.
    pub(super) fn show_queues(&self, interface: &Interface, changes: u64) {
        self.change(&interface.name, |standing| {
            standing.queues = interface.queues;
            standing.changes += changes;
        });
    }

    /// Shows the mode in force.
    pub(super) fn show_mode(&self, interfaces: &[Interface]) {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = capture::describe(interfaces);
    }

    fn change(&self, interface: &str, change: impl FnOnce(&mut Standing)) {
        let mut standings = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
        change(standings.entry(interface.to_owned()).or_default());
    }

    /// Takes over the XDP program's counters.
    pub(super) fn read_verdicts(&self, interfaces: &[Interface]) {
        for interface in interfaces {
            let Some((_, verdicts)) = self.verdicts.iter().find(|(name, _)| *name == interface.name) else { continue };
            match interface.verdicts() {
                Ok(read) => *verdicts.lock().unwrap_or_else(PoisonError::into_inner) = read,
                Err(error) => tracing::debug!(%error, "could not read the verdicts"),
            }
        }
    }

    /// The interfaces at which datagrams to our ports only pass by.
    pub(super) fn passing_by(&self) -> Vec<PassingBy> {
        let of = |(interface, verdicts): &(String, Mutex<Verdicts>)| {
            passing_by(interface, &verdicts.lock().unwrap_or_else(PoisonError::into_inner))
        };
        self.verdicts.iter().filter_map(of).collect()
    }

    /// Takes over the embedded store's counter.
    pub(super) fn read_store(&self, store: Option<&Child>) {
        if let (Some(restarts), Some(store)) = (&self.store_restarts, store) {
            restarts.set(store.restarts());
        }
    }

    /// The text of `/metrics`.
    pub(super) fn render(&self) -> String {
        let mut out = Exposition::default();
        out.gauge(
            "collector_info",
            "Version, and the capture mode in force.",
            &[
                ("version", env!("CARGO_PKG_VERSION")),
                ("capture", &self.mode.lock().unwrap_or_else(PoisonError::into_inner)),
            ],
            1,
        );
        let help = "What the journal survives: the end of the process, or of the system.";
        out.gauge("collector_journal_info", help, &[("durability", self.durability)], 1);
        let help = "1 where rows are thrown away once they are encoded, and nothing is stored.";
        out.gauge("collector_sink_discards", help, &[], u64::from(self.discards));
        for (interface, standing) in &*self.standings.lock().unwrap_or_else(PoisonError::into_inner) {
            let labels = [("interface", interface.as_str())];
            if let Some(reason) = standing.refused {
                let help =
                    "1 for each interface on which XDP is wanted and does not run, so that plain UDP sockets receive.";
                out.gauge("collector_xdp_refused", help, &[labels[0], ("reason", reason)], 1);
            }
            out.gauge("collector_xdp_queues", "Queues of the interface that feed rings.", &labels, standing.queues);
            let help = "How often rings were laid out for another number of queues.";
            out.counter("collector_xdp_queue_changes_total", help, &labels, standing.changes);
            let help = "How often XDP was attached again because the interface had come back.";
            out.counter("collector_xdp_comebacks_total", help, &labels, standing.comebacks);
        }
        for (interface, verdicts) in &self.verdicts {
            let verdicts = verdicts.lock().unwrap_or_else(PoisonError::into_inner);
            for verdict in Verdict::ALL {
                out.counter(
                    "collector_xdp_verdicts_total",
                    "Frames by the XDP program's verdict.",
                    &[("interface", interface), ("verdict", verdict.label())],
                    verdicts.get(verdict),
                );
            }
        }
        for (index, tally) in self.tallies.iter().enumerate() {
            tally.read().write(&mut out, &index.to_string());
        }
        self.templates.write(&mut out);
        self.watcher.counters().write(&self.published, &mut out);
        self.clickhouse.write(&mut out);
        if let Some(retention) = &self.retention {
            retention.write(&mut out);
        }
        self.account.write(&mut out);
        self.exporters.write(&mut out);
        if let Some(skipped) = &self.stdout_skipped {
            out.counter(
                "collector_stdout_rows_skipped_total",
                "Rows not written to standard output because its reader was too slow.",
                &[],
                skipped.get(),
            );
        }
        if let Some(restarts) = &self.store_restarts {
            out.counter(
                "collector_store_restarts_total",
                "Times the embedded store ended on its own and was started again.",
                &[],
                restarts.get(),
            );
        }
        out.finish()
    }

    /// The JSON of `/exporters`: what the directory knows, with what others keep of the exporters.
    pub(super) fn render_exporters(&self) -> String {
        let mut report = self.exporters.report(now_ms());
        let mut templates: HashMap<Address, usize> = HashMap::new();
        for of in self.templates.of_exporters() {
            templates.insert(of.exporter, of.domains.iter().map(|domain| domain.templates).sum());
        }
        let mut unknown: HashMap<Address, Vec<Element>> = HashMap::new();
        for of in self.templates.unknown_elements() {
            let element = Element { enterprise: of.enterprise, element: of.element, records: of.records };
            unknown.entry(of.exporter).or_default().push(element);
        }
        let names = self.names.load();
        for status in &mut report.exporters {
            let (sender, agent) = (mapped(status.exporter), mapped(status.agent));
            status.name = names.of_exporter(&sender, &agent).to_owned();
            // Templates are those of who sends them.
            if sender == agent {
                status.templates = templates.get(&sender).copied().unwrap_or(0);
                status.unknown_elements = unknown.remove(&sender).unwrap_or_default();
            }
        }
        report.passing_by = self.passing_by();
        serde_json::to_string(&report).unwrap_or_default()
    }

    /// The time up to which everything that was received is decoded, in seconds since 1970.
    pub(super) fn decoded_seconds(&self) -> u64 {
        let decoded_ns = self.tallies.iter().map(|tally| tally.read().journal.decoded_ns).min().unwrap_or(0);
        u64::try_from(decoded_ns / 1_000_000_000).unwrap_or(0)
    }

    /// One line of totals at the end.
    pub(super) fn log_totals(&self) {
        let mut total = Tally::default();
        for tally in &self.tallies {
            total.merge(&tally.read());
        }
        tracing::info!(
            datagrams = total.datagrams(),
            flow_records = total.decoded.report.flow_records(),
            rows_stored = self.clickhouse.rows_inserted.get(),
            rows_discarded = self.clickhouse.rows_discarded.get(),
            rows_given_up = self.clickhouse.rows_given_up_total(),
            malformed = total.decoded.report.malformed(),
            sets_without_template = total.decoded.report.get(netflow::Event::SetWithoutTemplate),
            sets_still_held = self.templates.held_sets(),
            "stopped"
        );
    }
}

fn mapped(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}
