//! Whose datagrams the program takes: the MACs and addresses that are this machine's, in the program's maps.
//!
//! What the program does not take for ours it leaves to the kernel, so an address that is not in the maps yet costs nothing: a UDP
//! socket gets its datagrams meanwhile. Not here: how the machine's addresses are found, see [`super::host`].

use std::collections::BTreeSet;
use std::net::IpAddr;

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, MapData};
use collector_ebpf::maps::{
    ADDRESSES, ADDRESSES_MAX, ANY_RECIPIENT, MACS, MACS_MAX, NETWORKS, NETWORKS_MAX, OWN, OwnWords, mac_word,
};
use netflow::columns::Address;

use super::Error;
use crate::prefix::Prefix;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// Whose datagrams are taken, as the operator wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipients {
    /// Those that UDP sockets of this machine would get, and those to some addresses more.
    Ours {
        /// The address that these sockets are bound to; unspecified for every one of the machine.
        listen: IpAddr,
        /// Addresses that are as good as the machine's own.
        addresses: Vec<Prefix>,
    },
    /// Everybody's: the interface is a mirror port, or hangs on a tap.
    Everybody,
}

/// The MACs and addresses that are this machine's, as seen from one interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// The interface's own MAC.
    pub mac: Mac,
    /// MACs that are as good: those of the bridge, bond or VLAN interfaces that get this one's frames.
    pub macs: BTreeSet<Mac>,
    /// Addresses, IPv4 mapped: those of hosts, broadcasts, and groups that were joined.
    pub addresses: BTreeSet<Address>,
    /// Networks of which every address is ours.
    pub networks: BTreeSet<Prefix>,
}

/// The maps, and what they hold.
pub(super) struct OwnMaps {
    own: Array<MapData, OwnWords>,
    generation: u64,
    addresses: HashMap<MapData, Address, u8>,
    networks: LpmTrie<MapData, Address, u8>,
    macs: HashMap<MapData, u64, u8>,
    held: Own,
}

impl OwnMaps {
    /// Takes over the maps, which are empty: nothing is addressed to this machine.
    pub(super) fn new(
        own: Array<MapData, OwnWords>,
        addresses: HashMap<MapData, Address, u8>,
        networks: LpmTrie<MapData, Address, u8>,
        macs: HashMap<MapData, u64, u8>,
    ) -> Self {
        Self { own, generation: 0, addresses, networks, macs, held: Own::default() }
    }

    /// Has the program take everybody's datagrams.
    pub(super) fn take_all(&mut self) -> Result<(), Error> {
        self.tell(ANY_RECIPIENT)
    }

    /// Has the program take what is addressed to `own`; returns how many entries found no room. What is new is written first, what
    /// goes is removed last.
    pub(super) fn replace(&mut self, own: &Own) -> Result<usize, Error> {
        let wanted = Own {
            mac: own.mac,
            macs: first(&own.macs, MACS_MAX),
            addresses: first(&own.addresses, ADDRESSES_MAX),
            networks: first(&own.networks, NETWORKS_MAX),
        };
        // With both the old and the new the maps may have no room for a moment: what goes makes some, then.
        let is_tight = self.held.addresses.len() + wanted.addresses.len() > ADDRESSES_MAX as usize
            || self.held.networks.len() + wanted.networks.len() > NETWORKS_MAX as usize
            || self.held.macs.len() + wanted.macs.len() > MACS_MAX as usize;
        if is_tight {
            self.remove_all_but(&wanted)?;
        }
        for address in wanted.addresses.difference(&self.held.addresses) {
            self.addresses.insert(address, 0, 0).map_err(|error| Error::map(ADDRESSES, error))?;
        }
        self.held.addresses.extend(&wanted.addresses);
        for network in wanted.networks.difference(&self.held.networks) {
            self.networks.insert(&key(*network), 0, 0).map_err(|error| Error::map(NETWORKS, error))?;
        }
        self.held.networks.extend(&wanted.networks);
        for mac in wanted.macs.difference(&self.held.macs) {
            self.macs.insert(mac_word(*mac), 0, 0).map_err(|error| Error::map(MACS, error))?;
        }
        self.held.macs.extend(&wanted.macs);
        self.remove_all_but(&wanted)?;
        // At last: what a CPU found before is looked up once more.
        self.tell(mac_word(wanted.mac))?;
        self.held.mac = wanted.mac;
        Ok(own.len() - wanted.len())
    }

    fn tell(&mut self, mac: u64) -> Result<(), Error> {
        self.generation += 1;
        self.own.set(0, [mac, self.generation], 0).map_err(|error| Error::map(OWN, error))
    }

    fn remove_all_but(&mut self, wanted: &Own) -> Result<(), Error> {
        for address in self.held.addresses.difference(&wanted.addresses) {
            self.addresses.remove(address).map_err(|error| Error::map(ADDRESSES, error))?;
        }
        self.held.addresses.retain(|address| wanted.addresses.contains(address));
        for network in self.held.networks.difference(&wanted.networks) {
            self.networks.remove(&key(*network)).map_err(|error| Error::map(NETWORKS, error))?;
        }
        self.held.networks.retain(|network| wanted.networks.contains(network));
        for mac in self.held.macs.difference(&wanted.macs) {
            self.macs.remove(&mac_word(*mac)).map_err(|error| Error::map(MACS, error))?;
        }
        self.held.macs.retain(|mac| wanted.macs.contains(mac));
        Ok(())
    }

    /// What the maps hold.
    pub(super) fn held(&self) -> &Own {
        &self.held
    }
}

impl Own {
    fn len(&self) -> usize {
        self.macs.len() + self.addresses.len() + self.networks.len()
    }
}

fn first<T: Ord + Copy>(all: &BTreeSet<T>, most: u32) -> BTreeSet<T> {
    all.iter().copied().take(most as usize).collect()
}

fn key(network: Prefix) -> Key<Address> {
    Key::new(u32::from(network.bits()), network.first())
}
