//! The floor: `perf count` among the contenders. And what all of them have in common that read from sockets: when they listen, and
//! when they have dealt with everything.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::account::Account;
use super::contender::{Amount, Place, Running, Stored};
use super::load::Sent;
use super::sockets::Sockets;
use crate::count::Call;
use crate::rig::{Child, Namespace, Pair, pause, wait_for};

/// Longest start and longest end of a program: one has to write what it has summed up.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at whether a program does anything.
const LOOK: Duration = Duration::from_millis(250);
/// Processor time between two looks, in seconds, below which it does nothing.
const NOTHING_S: f64 = 0.004;

/// A program that listens at one UDP port of the receiver.
pub(super) struct Listener<'p> {
    pub(super) child: Child,
    pub(super) port: u16,
    namespace: &'p Namespace,
    account: &'p Account,
}

struct Counting<'p> {
    listener: Listener<'p>,
}

pub(super) fn start<'p>(call: Call, place: &'p Place, account: &'p Account) -> Result<Box<dyn Running + 'p>> {
    const PORT: u16 = 9997;
    let program = std::env::current_exe().context("this program does not know where it is")?;
    let mut command = account.command(&place.pair.receiver, &program.to_string_lossy());
    let listen = format!("{}:{PORT}", Pair::RECEIVER);
    command.args(["count", "--listen", &listen, "--call", call.name(), "--buffer", &place.buffer_bytes.to_string()]);
    let child = Child::spawn(call.name(), command, Some(place.core))?;
    let listener = Listener::new(child, PORT, place, account)?;
    Ok(Box::new(Counting { listener }))
}

impl Running for Counting<'_> {
    fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    fn settle(&mut self, _sent: Sent) -> Result<()> {
        self.listener.settle()
    }

    fn stop(self: Box<Self>) -> Result<Stored> {
        let socket_drops = self.listener.drops()?;
        let printed = self.listener.child.terminate(PATIENCE)?.success("perf count")?;
        let counters: Value = serde_json::from_str(printed.trim()).context("perf count told something else")?;
        let datagrams = counters["datagrams"].as_u64().context("perf count told no datagrams")?;
        Ok(Stored { what: Amount::Datagrams(datagrams), socket_drops, counters })
    }
}

impl<'p> Listener<'p> {
    /// Waits until the port is open and the program has nothing more to do.
    pub(super) fn new(mut child: Child, port: u16, place: &'p Place, account: &'p Account) -> Result<Self> {
        let namespace = &place.pair.receiver;
        wait_for("listening", PATIENCE, || {
            child.check()?;
            Ok((Sockets::at(namespace, port)?.count > 0).then_some(()))
        })
        .with_context(|| child.log())?;
        let mut listener = Self { child, port, namespace, account };
        listener.settle()?;
        Ok(listener)
    }

    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::new(Pair::RECEIVER.parse().unwrap_or(std::net::Ipv4Addr::LOCALHOST.into()), self.port)
    }

    /// Waits until nothing is in its socket and none of its processes does anything.
    pub(super) fn settle(&mut self) -> Result<()> {
        let mut before = self.account.cpu()?.total_s();
        wait_for("having dealt with everything", PATIENCE, || {
            pause(LOOK)?;
            self.child.check()?;
            let now = self.account.cpu()?.total_s();
            let is_idle = now - before < NOTHING_S && Sockets::at(self.namespace, self.port)?.waiting_bytes == 0;
            before = now;
            Ok(is_idle.then_some(()))
        })
    }

    /// Datagrams that found no room in its socket.
    pub(super) fn drops(&self) -> Result<u64> {
        Ok(Sockets::at(self.namespace, self.port)?.drops)
    }

    /// Asks it to end by a signal and waits until all of its processes have, also those that outlive the first.
    pub(super) fn end(self, signal: Signal) -> Result<String> {
        self.child.signal(signal);
        let log = self.child.finish(PATIENCE)?.log;
        wait_for("the end of all processes", PATIENCE, || Ok(self.account.processes().is_empty().then_some(())))?;
        Ok(log)
    }
}
