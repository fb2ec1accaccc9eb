//! A load on the pair's wire: `perf send` as a program in the sender's namespace, and what it says it sent.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Child, Collector, Pair};

/// How much later than planned a sender may end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is sent, whatever the rate.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Load {
    /// What the exporters are, as `perf send --version` takes it.
    #[arg(long, value_name = "NAME", default_value = "v9")]
    version: String,
    /// How many exporters.
    #[arg(long, value_name = "N", default_value_t = 100)]
    exporters: u32,
    /// Most flow records in a datagram. Datagrams of more than an MTU come in fragments, which XDP leaves to the kernel.
    #[arg(long, value_name = "N", default_value_t = 16)]
    records: u16,
    /// Datagrams that are encoded before the first is sent.
    #[arg(long, value_name = "N", default_value_t = 8192)]
    preload: u32,
    /// Templates of each exporter.
    #[arg(skip)]
    templates: Option<u16>,
    #[arg(skip)]
    announced: Templates,
    /// How they are sent: udp, packet or xdp.
    #[arg(long, value_name = "WAY", default_value = "packet")]
    via: String,
    /// The core that sends.
    #[arg(long, value_name = "CORE", default_value_t = 1)]
    sender_core: usize,
    /// The program that sends; this one if none is named.
    #[arg(long, value_name = "PROGRAM")]
    sender: Option<PathBuf>,
}

/// When exporters announce their templates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Templates {
    /// Again and again, as exporters do.
    #[default]
    Repeated,
    /// All of them before anything else, then as exporters do.
    First,
    /// Not at all: they are known.
    Never,
}

/// A sender at work.
#[derive(Debug)]
pub(crate) struct Sending {
    child: Child,
    planned: Duration,
}

/// What was sent, by the sender's own account.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sent {
    pub(crate) datagrams: u64,
    pub(crate) flows: u64,
    /// Of UDP payload.
    pub(crate) bytes: u64,
    /// From the first to the last datagram.
    pub(crate) seconds: f64,
    /// Datagrams that the sender's kernel did not take; they are not among those sent.
    pub(crate) refused: u64,
}

impl Load {
    /// The same of so many exporters with so many templates each, at least one datagram for each template.
    pub(crate) fn of_exporters(mut self, exporters: u32, templates: u16) -> Self {
        (self.exporters, self.templates) = (exporters, Some(templates));
        self.preload = self.preload.max(exporters.saturating_mul(templates.into()));
        self
    }

    /// Datagrams that are encoded ahead and sent over and over.
    pub(crate) fn preloaded(&self) -> u32 {
        self.preload
    }

    /// The same with other announcements.
    pub(crate) fn announcing(mut self, announced: Templates) -> Self {
        self.announced = announced;
        self
    }

    /// Starts sending for a time, so many datagrams a second; 0 is as fast as it goes.
    ///
    /// # Errors
    ///
    /// When the sender cannot be started.
    pub(crate) fn start(&self, pair: &Pair, rate: u64, time: Duration) -> Result<Sending> {
        let program = match &self.sender {
            Some(program) => program.clone(),
            None => std::env::current_exe().context("this program does not know where it is")?,
        };
        let mut command = pair.sender.command(program);
        command.args(self.words(rate, time));
        Ok(Sending { child: Child::spawn("perf send", command, Some(self.sender_core))?, planned: time })
    }

    /// Flow records in a full datagram.
    pub(crate) fn records(&self) -> u16 {
        self.records
    }

    /// The load in words, for the result.
    pub(crate) fn told(&self) -> Value {
        serde_json::json!({
            "version": self.version, "exporters": self.exporters, "records_per_datagram": self.records,
            "preloaded_datagrams": self.preload, "via": self.via, "core": self.sender_core,
        })
    }

    fn words(&self, rate: u64, time: Duration) -> Vec<String> {
        let mut words = vec!["send".to_owned()];
        let mut pair = |name: &str, value: String| words.extend([format!("--{name}"), value]);
        pair("to", Collector::address().to_string());
        pair("from", format!("{}/16", Pair::SENDER));
        pair("version", self.version.clone());
        pair("exporters", self.exporters.to_string());
        pair("records", self.records.to_string());
        pair("preload", self.preload.to_string());
        pair("rate", rate.to_string());
        pair("seconds", time.as_secs_f64().to_string());
        pair("core", self.sender_core.to_string());
        pair("via", self.via.clone());
        if let Some(templates) = self.templates {
            pair("templates", templates.to_string());
        }
        if self.via != "udp" {
            pair("interface", Pair::SENDER_INTERFACE.to_owned());
            pair("to-mac", Pair::RECEIVER_MAC.to_owned());
        }
        match self.announced {
            Templates::Repeated => {}
            Templates::First => words.push("--templates-first".to_owned()),
            Templates::Never => words.push("--without-template".to_owned()),
        }
        words
    }
}

impl Sending {
    /// Waits until all is sent.
    ///
    /// # Errors
    ///
    /// When the sender fails, or does not end in time.
    pub(crate) fn finish(self) -> Result<Sent> {
        let printed = self.child.finish(self.planned + PATIENCE)?.success("perf send")?;
        Sent::parse(&printed).with_context(|| format!("perf send printed {:.200}", printed))
    }
}

impl Sent {
    /// Reads the sender's document.
    fn parse(document: &str) -> Result<Self> {
        let document: Value = serde_json::from_str(document.trim()).context("no JSON")?;
        let sent = &document["sent"];
        let count = |name: &str| sent[name].as_u64().with_context(|| format!("sent.{name} is missing"));
        Ok(Self {
            datagrams: count("datagrams")?,
            flows: count("flows")?,
            bytes: count("bytes")?,
            seconds: sent["seconds"].as_f64().context("sent.seconds is missing")?,
            refused: count("refused")?,
        })
    }

    /// Datagrams a second that were really sent.
    pub(crate) fn rate(&self) -> f64 {
        self.datagrams as f64 / self.seconds.max(1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_senders_account_is_read() {
        let document = r#"{"to":"a","sent":{"datagrams":10,"flows":160,"bytes":14000,"seconds":0.5,"refused":1}}"#;
        let sent = Sent::parse(document).expect("it is all there");
        assert_eq!(sent, Sent { datagrams: 10, flows: 160, bytes: 14_000, seconds: 0.5, refused: 1 });
        assert!((sent.rate() - 20.0).abs() < 1e-9);
        let check = |document: &str| assert!(Sent::parse(document).is_err(), "{document}");
        check("");
        check(r#"{"sent":{"datagrams":10,"flows":160,"bytes":14000,"seconds":0.5}}"#);
        check(r#"{"seconds":0.5}"#);
    }
}
