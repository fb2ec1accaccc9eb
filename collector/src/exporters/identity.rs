//! Who an exporter is: who sends its datagrams, and the device behind that, where the protocol tells one.

use netflow::columns::Address;

/// One exporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// Source address of the datagrams.
    pub sender: Address,
    /// The device that they are of; the sender where none is told.
    pub agent: Address,
}

impl Identity {
    /// A sender that tells of no device but itself.
    #[must_use]
    pub fn of_sender(sender: Address) -> Self {
        Self { sender, agent: sender }
    }
}
