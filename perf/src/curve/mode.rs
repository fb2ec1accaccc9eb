//! The ways of taking datagrams off the wire that are compared.

use std::fmt;

use anyhow::Result;

use crate::rig::{Pair, Run};

/// One way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Mode {
    /// Plain UDP sockets, recvmmsg.
    Udp,
    /// AF_XDP behind generic XDP.
    XdpGeneric,
    /// AF_XDP behind native XDP, the kernel copying into the UMEM.
    XdpNative,
    /// AF_XDP behind native XDP, the driver writing into the UMEM.
    XdpZeroCopy,
}

impl Mode {
    pub(super) const ALL: [Self; 4] = [Self::Udp, Self::XdpGeneric, Self::XdpNative, Self::XdpZeroCopy];

    /// The run with this way of capturing.
    pub(super) fn of(self, run: Run) -> Run {
        match self {
            Self::Udp => run.capture_udp(),
            Self::XdpGeneric => run.capture_xdp("generic", "copy"),
            Self::XdpNative => run.capture_xdp("native", "copy"),
            Self::XdpZeroCopy => run.capture_xdp("native", "zero-copy"),
        }
    }

    /// Why this way does not exist on the pair, if it does not: a driver without zero-copy, of which veth is one.
    ///
    /// # Errors
    ///
    /// When it should exist and does not.
    pub(super) fn missing(self, run: &Run, pair: &Pair) -> Result<Option<String>> {
        match (self, self.of(run.clone()).start(&pair.receiver)) {
            (_, Ok(collector)) => collector.stop().map(|_| None),
            (Self::XdpZeroCopy, Err(error)) => Ok(Some(last_words(&format!("{error:#}")))),
            (Self::Udp | Self::XdpGeneric | Self::XdpNative, Err(error)) => Err(error),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Udp => "udp",
            Self::XdpGeneric => "xdp generic",
            Self::XdpNative => "xdp native copy",
            Self::XdpZeroCopy => "xdp native zero-copy",
        })
    }
}

/// The last line of what a program said that is no trace of a stack.
fn last_words(log: &str) -> String {
    let line = log.lines().rev().map(str::trim).find(|line| !line.is_empty());
    line.unwrap_or("it does not start").trim_start_matches("collector: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_last_line() {
        assert_eq!(last_words("a\nb: no zero-copy\n\n"), "b: no zero-copy");
        assert_eq!(last_words(""), "it does not start");
    }
}
