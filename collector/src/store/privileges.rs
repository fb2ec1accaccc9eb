//! Gives up the privileges that the store's process inherits, before the engine is loaded.
//!
//! The collector may hold CAP_BPF, CAP_NET_ADMIN and more, as ambient capabilities or as root's; the engine, which runs
//! other people's queries, needs none of them. Root keeps its user id, so what root owns stays open to the store, and its
//! files stay root's; but it passes no file mode, loads no program into the kernel, and sends signals to nobody else. Not
//! here: what queries may do, which the engine's grants bound.

use rustix::thread::{CapabilitySet, CapabilitySets};

use super::Error;

/// Drops all capabilities of the calling thread, and of the threads and processes that it starts from now on, for good:
/// programs with set-user-ID bits or file capabilities give nothing back. To be called while there is one thread.
///
/// # Errors
///
/// When the kernel refuses, which a seccomp filter may make it do.
pub(super) fn give_up() -> Result<(), Error> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_no_new_privs(true)
        .and_then(|()| rustix::thread::clear_ambient_capability_set())
        .and_then(|()| rustix::thread::set_capabilities(None, none))
        .map_err(|errno| Error::Privileges(errno.into()))
}
