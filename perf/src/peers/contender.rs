//! Who takes part: how each is called, what it makes of a datagram, and how it is started.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::account::Account;
use super::load::Sent;
use super::{collector, floor, nfacctd, nfcapd};
use crate::count::Call;
use crate::rig::Pair;

/// One that takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contender {
    /// The collector with a sink that discards.
    Collector(collector::Kind),
    /// nfdump's collector.
    Nfcapd(nfcapd::Compression),
    /// pmacct's collector.
    Nfacctd,
    /// A loop that counts.
    Count(Call),
}

/// Where all of them run.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) pair: Pair,
    /// The core of whoever receives.
    pub(super) core: usize,
    /// Directory on a file system in memory, for what they write.
    pub(super) directory: PathBuf,
    /// Receive buffer of each socket.
    pub(super) buffer_bytes: u64,
    /// The collector's program, if it is not beside this one.
    pub(super) collector: Option<PathBuf>,
}

/// One that runs. Dropped, it is gone.
pub(super) trait Running {
    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// Waits until it has dealt with what was sent, or does nothing any more.
    ///
    /// # Errors
    ///
    /// When it has ended, or a signal came.
    fn settle(&mut self, sent: Sent) -> Result<()>;

    /// Whether it writes what it holds when it ends, so that its end is part of its work.
    fn ends_with_work(&self) -> bool {
        true
    }

    /// Ends it tidily, and tells what it has stored by reading that back.
    ///
    /// # Errors
    ///
    /// When it does not end, or what it stored cannot be read.
    fn stop(self: Box<Self>) -> Result<Stored>;
}

/// What became of the datagrams.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    pub(super) what: Amount,
    /// Datagrams that found no room in its sockets.
    pub(super) socket_drops: u64,
    /// Its own counters.
    pub(super) counters: Value,
}

/// How much of the load was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amount {
    Flows(u64),
    /// Of one that does not know flows.
    Datagrams(u64),
}

impl Amount {
    /// Whether it is all that was sent, and no more.
    pub(super) fn is_all_of(self, sent: Sent) -> bool {
        match self {
            Self::Flows(flows) => flows == sent.flows,
            Self::Datagrams(datagrams) => datagrams == sent.datagrams + sent.templates_first,
        }
    }
}

impl Contender {
    /// All of them, in the order in which they take turns.
    pub(super) const ALL: [Self; 12] = [
        Self::Collector(collector::Kind::XDP),
        Self::Nfcapd(nfcapd::Compression::None),
        Self::Collector(collector::Kind::UDP),
        Self::Nfacctd,
        Self::Collector(collector::Kind::XDP.with_lz4()),
        Self::Nfcapd(nfcapd::Compression::Lz4),
        Self::Collector(collector::Kind::XDP.with_rollups()),
        Self::Nfcapd(nfcapd::Compression::Lzo),
        Self::Collector(collector::Kind::UDP.with_rollups()),
        Self::Count(Call::Recvfrom),
        Self::Collector(collector::Kind::XDP.with_rollups().with_lz4()),
        Self::Count(Call::Recvmmsg),
    ];
    /// Those that a quick run is content with.
    pub(super) const FEW: [Self; 5] = [
        Self::Collector(collector::Kind::XDP),
        Self::Nfcapd(nfcapd::Compression::None),
        Self::Collector(collector::Kind::UDP),
        Self::Nfacctd,
        Self::Count(Call::Recvmmsg),
    ];

    /// The one of this name.
    ///
    /// # Errors
    ///
    /// When there is none, with the names there are.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(|contender| contender.to_string()).join(", ");
        let found = Self::ALL.into_iter().find(|contender| contender.to_string() == name);
        found.ok_or_else(|| format!("nobody is called {name}; there are {}", names()))
    }

    /// What it makes of a datagram, and what is left of it at the end.
    pub(super) fn stores(self) -> String {
        match self {
            Self::Collector(kind) => kind.stores(),
            Self::Nfcapd(compression) => compression.stores(),
            Self::Nfacctd => nfacctd::STORES.to_owned(),
            Self::Count(_) => {
                "Nothing: counts datagrams and bytes. The floor under everything that reads from a socket.".to_owned()
            }
        }
    }

    /// Starts it on its core, and on this account, and waits until it listens.
    ///
    /// # Errors
    ///
    /// When it does not start, with what it said.
    pub(super) fn start<'p>(self, place: &'p Place, account: &'p Account) -> Result<Box<dyn Running + 'p>> {
        let started: Result<Box<dyn Running + 'p>> = match self {
            Self::Collector(kind) => collector::start(kind, place, account),
            Self::Nfcapd(compression) => nfcapd::start(compression, place, account),
            Self::Nfacctd => nfacctd::start(place, account),
            Self::Count(call) => floor::start(call, place, account),
        };
        started.with_context(|| format!("{self} does not start"))
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Collector(kind) => write!(f, "{kind}"),
            Self::Nfcapd(compression) => write!(f, "nfcapd{}", compression.suffix()),
            Self::Nfacctd => f.write_str("nfacctd"),
            Self::Count(call) => f.write_str(call.name()),
        }
    }
}

/// Refuses where a program is missing, before anything was measured.
pub(super) fn ensure_installed(contenders: &[Contender]) -> Result<()> {
    let is_installed = |program: &str| {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&paths).chain([PathBuf::from("/usr/sbin")]).any(|path| path.join(program).is_file())
    };
    for contender in contenders {
        let (programs, package): (&[&str], _) = match contender {
            Contender::Nfcapd(_) => (&["nfcapd", "nfdump"], "nfdump"),
            Contender::Nfacctd => (&["nfacctd"], "pmacct"),
            Contender::Collector(_) | Contender::Count(_) => continue,
        };
        if !programs.iter().all(|program| is_installed(program)) {
            bail!("{contender} is not installed: apt-get install {package}, or leave it out with --only");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for contender in Contender::ALL {
            assert_eq!(Contender::named(&contender.to_string()), Ok(contender));
            assert!(!contender.stores().is_empty());
        }
        let names = Contender::ALL.map(|contender| contender.to_string()).join(" ");
        let expected = "collector-xdp nfcapd collector-udp nfacctd collector-xdp-lz4 nfcapd-lz4 collector-xdp-rollups nfcapd-lzo \
            collector-udp-rollups recvfrom collector-xdp-rollups-lz4 recvmmsg";
        assert_eq!(names, expected);
        assert!(Contender::named("softflowd").is_err_and(|error| error.contains("nfacctd")));
    }

    #[test]
    fn all_is_neither_less_nor_more() {
        let sent = Sent { datagrams: 10, flows: 240, bytes: 1, seconds: 1.0, refused: 0, templates_first: 2 };
        let check = |amount: Amount, expected| assert_eq!(amount.is_all_of(sent), expected, "{amount:?}");
        check(Amount::Flows(240), true);
        check(Amount::Flows(239), false);
        check(Amount::Flows(241), false);
        check(Amount::Datagrams(12), true);
        check(Amount::Datagrams(11), false);
    }
}
