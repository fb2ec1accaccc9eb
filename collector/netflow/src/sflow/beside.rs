//! What records beside the packet say of it: translated addresses, users, labels and tags that were taken off before, tunnels that
//! begin or end in the exporter. They fill the columns that the packet leaves empty.

use super::record::{Mpls, Nat, Users};
use super::xdr::numbers;
use crate::columns::{Address, FlowColumns, is_unspecified};
use crate::frame::{Frame, LABELS};
use crate::options::NAME_LIMIT;

/// Of several records of one kind the first.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Beside<'a> {
    pub(super) users: Option<Users<'a>>,
    pub(super) nat: Option<Nat>,
    /// Source and destination port after translation.
    pub(super) nat_ports: Option<(u32, u32)>,
    pub(super) mpls: Option<Mpls<'a>>,
    /// Tags that were taken off, outermost first: type and control field each.
    pub(super) tags: Option<&'a [u8]>,
    /// Where in the sampled header the packet begins that is, or was, inside of a tunnel that ends here.
    pub(super) inside: Option<u32>,
}

impl Beside<'_> {
    /// The VLAN of the outermost tag that was taken off.
    pub(super) fn vlan(&self) -> Option<u16> {
        let tag = numbers(self.tags?).next()?;
        Some(tag as u16 & 0x0fff)
    }

    /// Opens the tunnel that ends in the exporter, if the frame itself does not tell what is inside.
    pub(super) fn open(&self, bytes: &[u8], frame: &mut Frame) {
        let Some(offset) = self.inside.and_then(|offset| usize::try_from(offset).ok()) else { return };
        if frame.inner == frame.outer && offset > 0 {
            frame.open(bytes.get(offset..).unwrap_or(&[]));
        }
    }

    /// Fills cells that are empty.
    pub(super) fn write(&self, row: usize, out: &mut FlowColumns) {
        if let Some(nat) = self.nat {
            set_address(&mut out.post_nat_src_addr, row, nat.source);
            set_address(&mut out.post_nat_dst_addr, row, nat.destination);
        }
        if let Some((source, destination)) = self.nat_ports {
            super::flow::set(&mut out.post_nat_src_port, row, source as u16);
            super::flow::set(&mut out.post_nat_dst_port, row, destination as u16);
        }
        if let Some(users) = self.users {
            let user = if users.source.is_empty() { users.destination } else { users.source };
            let key = out.user_name.key_of_bytes((user, user.len()), NAME_LIMIT);
            if key != 0 {
                super::flow::set(out.user_name.keys_mut(), row, key);
            }
        }
        if let Some(mpls) = self.mpls {
            if out.next_hop.get(row).copied().is_some_and(is_unspecified) {
                set_address(&mut out.next_hop, row, mpls.next_hop);
            }
            if out.mpls_labels.get(row).is_empty() {
                let stack = if mpls.incoming.is_empty() { mpls.outgoing } else { mpls.incoming };
                let mut labels = [0; LABELS];
                let mut count = 0_usize;
                for (label, entry) in labels.iter_mut().zip(numbers(stack)) {
                    *label = entry >> 12;
                    count = count.saturating_add(1);
                }
                out.mpls_labels.set(row, labels.get(..count).unwrap_or(&[]));
            }
        }
    }
}

fn set_address(column: &mut [Address], row: usize, address: Address) {
    if !is_unspecified(address) {
        super::flow::set(column, row, address);
    }
}
