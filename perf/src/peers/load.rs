//! What every contender gets: the datagrams of `perf send`, from a process of its own on the sender's core. The same seed makes the same
//! flows, whoever receives them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::rig::{Child, Pair};

/// How long a sender may take beyond its seconds: encoding ahead, and its templates.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is sent, but for how fast.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Load {
    /// A device or version, as `perf send --version` takes it.
    pub(super) version: String,
    pub(super) exporters: u32,
    pub(super) records: u16,
    /// Datagrams that are encoded before the first is sent, and then sent over and over.
    pub(super) preload: u64,
    pub(super) seconds: f64,
    /// How they get on the wire, as `perf send --via` takes it.
    pub(super) via: String,
    pub(super) core: usize,
}

/// What was sent, by the sender's own account.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sent {
    pub(super) datagrams: u64,
    pub(super) flows: u64,
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    /// Datagrams that the kernel did not take: they were not sent, and nobody can have lost them.
    pub(super) refused: u64,
    /// Datagrams with templates that went ahead; they are in none of the other figures.
    pub(super) templates_first: u64,
}

impl Load {
    /// Sends, to its end.
    ///
    /// # Errors
    ///
    /// When the sender fails, with what it said.
    pub(super) fn send(&self, pair: &Pair, to: SocketAddr, rate: u64) -> Result<Sent> {
        let program = std::env::current_exe().context("this program does not know where it is")?;
        let mut command = pair.sender.command(program);
        command.arg("send").args(self.arguments(to, rate));
        let child = Child::spawn("perf send", command, Some(self.core))?;
        let patience = PATIENCE + Duration::from_secs_f64(self.seconds);
        let printed = child.finish(patience)?.success("perf send")?;
        Sent::parse(&printed).with_context(|| format!("perf send told something else: {printed}"))
    }

    fn arguments(&self, to: SocketAddr, rate: u64) -> Vec<String> {
        let given = [
            ("--to", to.to_string()),
            ("--version", self.version.clone()),
            ("--exporters", self.exporters.to_string()),
            ("--from", format!("{}/16", Pair::SENDER)),
            ("--records", self.records.to_string()),
            ("--seconds", self.seconds.to_string()),
            ("--rate", rate.to_string()),
            ("--preload", self.preload.to_string()),
            ("--via", self.via.clone()),
            ("--interface", Pair::SENDER_INTERFACE.to_owned()),
            ("--to-mac", Pair::RECEIVER_MAC.to_owned()),
            ("--core", self.core.to_string()),
        ];
        let only_by_frames = |name: &str| self.via == "udp" && matches!(name, "--interface" | "--to-mac");
        let given = given.into_iter().filter(|(name, _)| !only_by_frames(name));
        let mut arguments: Vec<String> = given.flat_map(|(name, value)| [name.to_owned(), value]).collect();
        arguments.push("--templates-first".to_owned());
        arguments
    }

    pub(super) fn told(&self) -> Value {
        json!({
            "version": self.version, "exporters": self.exporters, "most_records_in_a_datagram": self.records,
            "preloaded_datagrams": self.preload, "seconds": self.seconds, "via": self.via, "core": self.core,
        })
    }
}

impl Sent {
    /// Reads the document that `perf send` ends with.
    fn parse(text: &str) -> Result<Self> {
        let document: Value = serde_json::from_str(text.trim())?;
        let sent = document.get("sent").context("it has no `sent`")?;
        let number = |name: &str| sent[name].as_u64().with_context(|| format!("`sent` has no {name}"));
        let seconds = sent["seconds"].as_f64().context("`sent` has no seconds")?;
        let (datagrams, flows) = (number("datagrams")?, number("flows")?);
        if datagrams == 0 || flows == 0 || seconds <= 0.0 {
            bail!("nothing was sent");
        }
        let templates_first = document["templates_first"]["datagrams"].as_u64().unwrap_or(0);
        Ok(Self { datagrams, flows, bytes: number("bytes")?, seconds, refused: number("refused")?, templates_first })
    }

    /// Datagrams a second, as they were sent and not as they were asked for.
    pub(super) fn datagrams_per_second(self) -> f64 {
        self.datagrams as f64 / self.seconds
    }

    pub(super) fn flows_per_datagram(self) -> f64 {
        self.flows as f64 / self.datagrams.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_read() {
        let text = r#"{"to":"198.18.255.254:2055","exporters":[],"sent":{"datagrams":10,"flows":240,"bytes":20000,
            "seconds":0.5,"refused":1},"templates_first":{"datagrams":4}}"#;
        let sent = Sent::parse(text).expect("a document of perf send");
        assert_eq!(
            sent,
            Sent { datagrams: 10, flows: 240, bytes: 20_000, seconds: 0.5, refused: 1, templates_first: 4 }
        );
        assert!((sent.datagrams_per_second() - 20.0).abs() < 1e-9);
        for wrong in ["", "{}", r#"{"sent":{"datagrams":1,"flows":0,"bytes":1,"seconds":1.0,"refused":0}}"#] {
            assert!(Sent::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn frames_need_an_interface_and_sockets_do_not() {
        let load = |via: &str| Load {
            version: "vyos".to_owned(),
            exporters: 10,
            records: 24,
            preload: 1000,
            seconds: 1.5,
            via: via.to_owned(),
            core: 0,
        };
        let check = |via: &str, has_interface| {
            let to = "198.18.255.254:2055".parse().expect("an address");
            let line = load(via).arguments(to, 5000).join(" ");
            assert_eq!(line.contains("--interface sender0 --to-mac 02:"), has_interface, "{line}");
            assert!(line.contains("--rate 5000") && line.contains("--seconds 1.5"), "{line}");
        };
        check("udp", false);
        check("packet", true);
        check("xdp", true);
    }
}
