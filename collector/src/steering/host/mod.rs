//! Which datagrams this machine's IP would take on an interface, and how that changes while the collector runs.
//!
//! The kernel says it itself: what its routing tables call local, broadcast or anycast is delivered here, whichever interface the
//! address is on (as Linux does by default), and so is what is sent to a group that was joined. A frame is ours if its MAC is that
//! of the interface, or of one above it that its frames go to: a bridge, a bond, a VLAN, the macvlan of a virtual router.
//!
//! Everything is read anew when the kernel tells of a change to an address or an interface, and once a minute: a change that was
//! not told, or was lost because the kernel had no room to tell it, is found then. All of it is about the network namespace of the thread
//! that opened the [`Host`].

/// Groups that were joined.
mod groups;
/// Interfaces, their MACs, and which stands on which.
mod links;
/// What routing tables say is delivered here.
mod routes;
/// Questions to the kernel by rtnetlink.
mod rtnetlink;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use netflow::columns::Address;

use super::own::{Mac, Own};
use crate::prefix::Prefix;
use rtnetlink::{Events, Questions};

/// How long after the last look everything is read anew, though nothing was told.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// After a change was told everything is read at once, and once more after this time: routes follow addresses a little later.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How often the groups are read, of which nothing is told.
const GROUPS_EVERY: Duration = Duration::from_secs(1);
/// Looking takes at most one part in so many of this thread's time, however often changes are told.
const LOOK_SHARE: u32 = 10;

/// The machine as seen from one interface.
#[derive(Debug)]
pub(super) struct Host {
    interface_index: u32,
    events: Events,
    questions: Questions,
    groups: [Option<File>; 2],
    found: Found,
    /// When everything is read next, and not before when.
    look_at: Instant,
    look_again_at: Option<Instant>,
    rests_until: Instant,
    groups_at: Instant,
}

/// What was found.
#[derive(Debug, Clone, Default)]
struct Found {
    is_loopback: bool,
    mac: Mac,
    macs: BTreeSet<Mac>,
    /// The interface and those above and below it.
    related: BTreeSet<u32>,
    local: BTreeSet<Prefix>,
    groups: BTreeSet<Address>,
}

impl Host {
    /// Reads everything for the first time.
    pub(super) fn open(interface_index: u32) -> io::Result<Self> {
        let now = Instant::now();
        // Changes are listened for first, so that none falls between.
        let events = Events::open()?;
        let mut host = Self {
            interface_index,
            events,
            questions: Questions::open()?,
            groups: groups::FILES.map(|path| File::open(path).ok()),
            found: Found::default(),
            look_at: now,
            look_again_at: None,
            rests_until: now,
            groups_at: now,
        };
        host.look()?;
        Ok(host)
    }

    /// Reads what may have changed; true if something was read.
    pub(super) fn follow(&mut self) -> io::Result<bool> {
        let now = Instant::now();
        if self.events.take() {
            self.look_at = now;
            self.look_again_at = Some(now + LOOK_AGAIN);
        }
        if now >= self.look_at && now >= self.rests_until {
            // Tried again soon where it fails.
            self.look_at = now + LOOK_AGAIN;
            self.look()?;
            return Ok(true);
        }
        if now >= self.groups_at {
            self.groups_at = now + GROUPS_EVERY;
            self.found.groups = groups::joined(&mut self.groups, &self.found.related)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Who is this machine, for sockets that are bound to `listen`; `more` counts as its own.
    pub(super) fn own(&self, listen: IpAddr, more: &[Prefix]) -> Own {
        own(&self.found, listen, more)
    }

    fn look(&mut self) -> io::Result<()> {
        let began = Instant::now();
        let links = links::all(&mut self.questions)?;
        let stack = links::stack(self.interface_index, &links);
        let local = routes::local(&mut self.questions)?;
        let groups = groups::joined(&mut self.groups, &stack.related)?;
        let links::Stack { is_loopback, mac, macs, related } = stack;
        self.found = Found { is_loopback, mac, macs, related, local, groups };
        let now = Instant::now();
        self.rests_until = now + (now - began) * LOOK_SHARE;
        self.groups_at = now + GROUPS_EVERY;
        self.look_at = self.look_again_at.take().unwrap_or(now + LOOK_EVERY);
        Ok(())
    }
}

fn own(found: &Found, listen: IpAddr, more: &[Prefix]) -> Own {
    let mut own = Own { mac: found.mac, macs: found.macs.clone(), ..Own::default() };
    let mut ours = more.to_vec();
    if listen.is_unspecified() {
        ours.extend(found.local.iter().filter(|prefix| found.is_loopback || !is_loopback(**prefix)));
        own.addresses.clone_from(&found.groups);
        // No routing table has it: it is everybody's on every link.
        ours.push(Prefix::from(IpAddr::V4(Ipv4Addr::BROADCAST)));
    } else {
        let alone = Prefix::from(listen);
        let is_here = found.local.iter().any(|prefix| prefix.holds(listen)) || found.groups.contains(&alone.first());
        ours.extend(Some(alone).filter(|_| is_here));
    }
    let (addresses, networks): (Vec<Prefix>, Vec<Prefix>) = ours.into_iter().partition(|prefix| prefix.bits() == 128);
    own.addresses.extend(addresses.into_iter().map(Prefix::first));
    own.networks.extend(networks);
    own
}

/// Whether these addresses are never taken from a wire: RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3.
fn is_loopback(prefix: Prefix) -> bool {
    prefix.bits() >= 96 + 8 && IpAddr::from(prefix.first()).to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Found {
        let prefix = |text: &str| text.parse::<Prefix>().expect("a prefix");
        Found {
            mac: [2, 0, 0, 0, 0, 1],
            local: ["127.0.0.0/8", "192.0.2.1", "192.0.2.255", "2001:db8::1"].map(prefix).into(),
            groups: [prefix("239.1.2.3").first()].into(),
            ..Found::default()
        }
    }

    fn texts(own: &Own) -> Vec<String> {
        assert!(own.networks.is_empty(), "{own:?}");
        own.addresses.iter().map(|address| IpAddr::from(*address).to_canonical().to_string()).collect()
    }

    #[test]
    fn sockets_on_every_address_get_what_the_machine_gets() {
        let any: IpAddr = "::".parse().expect("an address");
        let more = ["198.51.100.7", "203.0.113.0/24"].map(|text| text.parse().expect("a prefix"));
        let mut ours = own(&found(), any, &more);
        let network = ours.networks.pop_first().expect("the one that was configured");
        assert_eq!((network, ours.networks.len()), (more[1], 0));
        let expected = ["192.0.2.1", "192.0.2.255", "198.51.100.7", "239.1.2.3", "255.255.255.255", "2001:db8::1"]
            .map(str::to_owned);
        assert_eq!(BTreeSet::from_iter(texts(&ours)), BTreeSet::from(expected));
        let loopback = own(&Found { is_loopback: true, ..found() }, "0.0.0.0".parse().expect("an address"), &[]);
        assert_eq!(loopback.networks, ["127.0.0.0/8".parse().expect("a prefix")].into());
    }

    #[test]
    fn sockets_on_one_address_get_what_is_sent_to_it() {
        for (listen, expected) in [
            ("192.0.2.1", &["192.0.2.1"][..]),
            ("127.0.0.9", &["127.0.0.9"]),
            ("239.1.2.3", &["239.1.2.3"]),
            ("2001:db8::1", &["2001:db8::1"]),
            ("192.0.2.9", &[]),
            ("239.1.2.4", &[]),
        ] {
            let own = own(&found(), listen.parse().expect("an address"), &[]);
            assert_eq!(texts(&own), expected, "{listen}");
        }
    }
}
