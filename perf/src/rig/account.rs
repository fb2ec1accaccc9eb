//! What became of every datagram that was sent: those decoded, and the others by the stage that lost them.
//!
//! The collector's counters tell of what reached it; before that, the counters of both interfaces and the kernel's UDP counters do.
//! What no counter explains is a line of its own.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::load::Sent;
use super::{Collector, Namespace, Pair};

/// Where datagrams are lost, and the collector's counters that say so: name, and a label that must be there.
const STAGES: [(&str, &[(&str, &str)]); 15] = [
    ("ring_full", &[("collector_ring_ring_full_total", "")]),
    ("fill_ring_empty_or_too_long", &[("collector_ring_dropped_total", "")]),
    (
        "ring_other",
        &[
            ("collector_ring_bad_descriptors_total", ""),
            ("collector_ring_refused_descriptors_total", ""),
            ("collector_frames_without_datagram_total", ""),
        ],
    ),
    (
        "front_door_not_allowed",
        &[
            ("collector_xdp_verdicts_total", "verdict=\"not_allowed\""),
            ("collector_refused_total", "reason=\"not_allowed\""),
        ],
    ),
    (
        "front_door_rate_limited",
        &[
            ("collector_xdp_verdicts_total", "verdict=\"rate_limited\""),
            ("collector_refused_total", "reason=\"rate_limited\""),
        ],
    ),
    ("socket_buffer_full", &[("collector_socket_drops_total", "")]),
    ("socket_truncated", &[("collector_socket_truncated_total", "")]),
    ("bad_checksum", &[("collector_bad_checksum_total", "")]),
    ("journal_slow", &[("collector_journal_refused_total", "reason=\"journal_slow\"")]),
    ("journal_disk", &[("collector_journal_refused_total", "reason=\"journal_disk\"")]),
    ("journal_oversize", &[("collector_journal_refused_total", "reason=\"journal_oversize\"")]),
    ("journal_given_up", &[("collector_journal_given_up_total", "")]),
    ("journal_corrupt", &[("collector_journal_corrupt_total", "")]),
    ("decoder_panics", &[("collector_decoder_panics_total", "")]),
    ("malformed", &[("collector_malformed_total", "")]),
];
/// Rows of the table of flows, whatever became of them.
const ROWS: &str = "collector_clickhouse_rows_total{table=\"flows\"";
/// Those that are where they should be.
const STORED: [&str; 2] = ["table=\"flows\",outcome=\"inserted\"", "table=\"flows\",outcome=\"discarded\""];

/// All counters at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    collector: BTreeMap<String, f64>,
    sender_dropped: f64,
    receiver_dropped: f64,
    udp_errors: f64,
}

/// What happened between two moments.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Account {
    /// Datagrams that reached a worker.
    pub(crate) received: f64,
    /// Those of them that came by the plain UDP sockets.
    pub(crate) received_udp: f64,
    /// Datagrams decoded.
    pub(crate) decoded: f64,
    /// Flows decoded from them, and those of which the store (or what stands for it) has the rows.
    pub(crate) decoded_flows: f64,
    pub(crate) stored_flows: f64,
    /// Datagrams lost, by stage; only stages that lost any.
    pub(crate) lost: BTreeMap<&'static str, f64>,
    /// Rows given up between decoding and store.
    pub(crate) rows_given_up: f64,
}

impl Counters {
    /// Reads them all.
    ///
    /// # Errors
    ///
    /// When the collector does not answer, or an interface is gone.
    pub(crate) fn read(pair: &Pair, collector: &Collector<'_>) -> Result<Self> {
        let dropped = |namespace: &Namespace, interface: &str, counter: usize| -> Result<f64> {
            let text = namespace.enter(|| std::fs::read_to_string("/proc/thread-self/net/dev"))??;
            interface_counter(&text, interface, counter).with_context(|| format!("no counters of {interface}"))
        };
        let snmp = pair.receiver.enter(|| std::fs::read_to_string("/proc/thread-self/net/snmp"))??;
        Ok(Self {
            sender_dropped: dropped(&pair.sender, Pair::SENDER_INTERFACE, TRANSMIT_DROPPED)?,
            receiver_dropped: dropped(&pair.receiver, Pair::RECEIVER_INTERFACE, RECEIVE_DROPPED)?,
            udp_errors: udp_errors(&snmp).context("no UDP counters")?,
            collector: collector.metrics()?,
        })
    }

    /// The sum of a counter over workers and labels, of lines that have this in them.
    pub(crate) fn sum(&self, name: &str, label: &str) -> f64 {
        let ours = self.collector.range(name.to_owned()..).take_while(|(line, _)| line.starts_with(name));
        let whole = |line: &str| line.get(name.len()..).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'));
        ours.filter(|(line, _)| (name.contains('{') || whole(line)) && line.contains(label))
            .map(|(_, value)| value)
            .sum()
    }

    /// Datagrams that reached a worker.
    pub(crate) fn received(&self) -> f64 {
        self.sum("collector_datagrams_total", "")
    }

    /// Rows of the table of flows that the store has acknowledged, or that were thrown away as the settings ask for.
    pub(crate) fn stored_flows(&self) -> f64 {
        STORED.iter().map(|label| self.sum("collector_clickhouse_rows_total", label)).sum()
    }

    /// Bytes in the journal that are not decoded yet, and those that are not known to be stored.
    pub(crate) fn backlog(&self) -> (f64, f64) {
        (self.sum("collector_journal_undecoded_bytes", ""), self.sum("collector_journal_waiting_bytes", ""))
    }
}

impl Account {
    /// What happened between two readings.
    pub(crate) fn between(before: &Counters, after: &Counters) -> Self {
        let grown = |name: &str, label: &str| after.sum(name, label) - before.sum(name, label);
        let mut lost: BTreeMap<&'static str, f64> = BTreeMap::new();
        for (stage, counters) in STAGES {
            lost.insert(stage, counters.iter().map(|(name, label)| grown(name, label)).sum());
        }
        let of = |stage: &str| lost.get(stage).copied().unwrap_or_default();
        // A native XDP program's redirect that fails counts at the interface too; those are the rings' own.
        let rings = of("ring_full") + of("fill_ring_empty_or_too_long");
        let receiver = (after.receiver_dropped - before.receiver_dropped - rings).max(0.0);
        lost.insert("sender_interface", after.sender_dropped - before.sender_dropped);
        lost.insert("receiver_interface", receiver);
        lost.insert("kernel_udp_errors", after.udp_errors - before.udp_errors);
        lost.retain(|_, count| *count != 0.0);
        let stored_flows = after.stored_flows() - before.stored_flows();
        Self {
            received: grown("collector_datagrams_total", ""),
            received_udp: grown("collector_datagrams_total", "path=\"udp\""),
            decoded: grown("collector_decoded_total", "event=\"datagram_"),
            decoded_flows: grown("collector_decoded_total", "event=\"flow_record\""),
            stored_flows,
            lost,
            rows_given_up: grown(ROWS, "") - stored_flows,
        }
    }

    /// Datagrams sent that were not decoded.
    pub(crate) fn lost_datagrams(&self, sent: &Sent) -> f64 {
        sent.datagrams as f64 - self.decoded
    }

    /// Datagrams sent that were neither decoded nor lost at a stage that has a name.
    pub(crate) fn unexplained_datagrams(&self, sent: &Sent) -> f64 {
        self.lost_datagrams(sent) - self.lost.values().sum::<f64>()
    }

    /// Flows decoded that were neither stored nor given up, and flows missing from datagrams that were all decoded.
    pub(crate) fn unexplained_flows(&self, sent: &Sent) -> f64 {
        let kept = self.decoded_flows - self.stored_flows - self.rows_given_up;
        let is_whole = self.lost_datagrams(sent) == 0.0;
        if is_whole { kept + sent.flows as f64 - self.decoded_flows } else { kept }
    }

    /// Datagrams received that the journal did not take.
    pub(crate) fn refused_by_journal(&self) -> f64 {
        ["journal_slow", "journal_disk", "journal_oversize"].iter().filter_map(|stage| self.lost.get(stage)).sum()
    }

    /// Whether every flow sent is stored, and nothing else.
    pub(crate) fn is_whole(&self, sent: &Sent) -> bool {
        self.lost_datagrams(sent) == 0.0 && self.stored_flows == sent.flows as f64
    }

    /// All of it for the result.
    pub(crate) fn told(&self, sent: &Sent) -> Value {
        let lost: Map<String, Value> =
            self.lost.iter().map(|(stage, count)| ((*stage).to_owned(), json!(*count as i64))).collect();
        json!({
            "sent_datagrams": sent.datagrams, "sent_flows": sent.flows, "sent_bytes": sent.bytes,
            "refused_by_the_senders_kernel": sent.refused,
            "received_datagrams": self.received as i64, "received_by_socket": self.received_udp as i64,
            "decoded_datagrams": self.decoded as i64, "decoded_flows": self.decoded_flows as i64,
            "stored_flows": self.stored_flows as i64,
            "lost_datagrams": self.lost_datagrams(sent) as i64, "lost_by_stage": lost,
            "rows_given_up": self.rows_given_up as i64,
            "unexplained_datagrams": self.unexplained_datagrams(sent) as i64,
            "unexplained_flows": self.unexplained_flows(sent) as i64,
        })
    }
}

/// Places of the counters in a line of `/proc/net/dev`, after the name.
const RECEIVE_DROPPED: usize = 3;
const TRANSMIT_DROPPED: usize = 11;

fn interface_counter(text: &str, interface: &str, counter: usize) -> Option<f64> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(interface)?.strip_prefix(':'))?;
    line.split_whitespace().nth(counter)?.parse().ok()
}

/// Datagrams that the kernel's UDP dropped for another reason than a full buffer, which the collector counts itself.
fn udp_errors(text: &str) -> Option<f64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let value = |wanted: &str| {
        let mut pairs = names.split_whitespace().zip(values.split_whitespace());
        pairs.find(|(name, _)| *name == wanted)?.1.parse::<f64>().ok()
    };
    Some(value("NoPorts")? + value("InErrors")? - value("RcvbufErrors")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: &str = "Inter-|   Receive                            |  Transmit\n face |bytes    packets errs drop fifo\n\
        sender0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n    lo:       0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

    #[test]
    fn kernel_counters_are_found() {
        assert_eq!(interface_counter(DEV, "sender0", RECEIVE_DROPPED), Some(4.0));
        assert_eq!(interface_counter(DEV, "sender0", TRANSMIT_DROPPED), Some(12.0));
        assert_eq!(interface_counter(DEV, "sender", TRANSMIT_DROPPED), None);
        let snmp = "Ip: a b\nIp: 1 2\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors\nUdp: 9 1 7 9 5\n";
        assert_eq!(udp_errors(snmp), Some(3.0));
    }

    fn counters(lines: &[(&str, f64)], receiver_dropped: f64) -> Counters {
        let collector = lines.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Counters { collector, receiver_dropped, ..Counters::default() }
    }

    #[test]
    fn every_datagram_has_a_line() {
        let before = counters(&[("collector_datagrams_total{worker=\"0\",path=\"xdp\"}", 5.0)], 1.0);
        let lines = [
            ("collector_datagrams_total{worker=\"0\",path=\"xdp\"}", 85.0),
            ("collector_datagrams_total{worker=\"1\",path=\"udp\"}", 8.0),
            ("collector_decoded_total{worker=\"0\",event=\"datagram_v9\"}", 80.0),
            ("collector_decoded_total{worker=\"0\",event=\"flow_record\"}", 800.0),
            ("collector_decoded_total{worker=\"0\",event=\"template_repeated\"}", 7.0),
            ("collector_ring_ring_full_total{worker=\"0\"}", 4.0),
            ("collector_journal_refused_total{worker=\"0\",reason=\"journal_slow\"}", 8.0),
            ("collector_journal_refused_total_other", 1000.0),
            ("collector_clickhouse_rows_total{table=\"flows\",outcome=\"inserted\"}", 700.0),
            ("collector_clickhouse_rows_total{table=\"flows\",outcome=\"discarded\"}", 80.0),
            ("collector_clickhouse_rows_total{table=\"flows\",outcome=\"rejected\"}", 15.0),
        ];
        let account = Account::between(&before, &counters(&lines, 8.0));
        assert_eq!((account.received, account.received_udp, account.decoded), (88.0, 8.0, 80.0));
        let lost = BTreeMap::from([("ring_full", 4.0), ("journal_slow", 8.0), ("receiver_interface", 3.0)]);
        assert_eq!(account.lost, lost);
        let sent = Sent { datagrams: 100, flows: 1000, bytes: 0, seconds: 1.0, refused: 0 };
        assert_eq!((account.lost_datagrams(&sent), account.unexplained_datagrams(&sent)), (20.0, 5.0));
        assert_eq!((account.rows_given_up, account.unexplained_flows(&sent)), (15.0, 5.0));
        assert!(!account.is_whole(&sent));
        assert_eq!(account.told(&sent)["lost_by_stage"]["journal_slow"], 8);
    }
}
