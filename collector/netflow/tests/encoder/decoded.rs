//! What came of some datagrams.

use netflow::{MapStore, Report, Tables, decode};

use crate::encoder;

/// What came of some datagrams.
#[derive(Default)]
pub(crate) struct Decoded {
    pub(crate) store: MapStore,
    pub(crate) tables: Tables,
    pub(crate) report: Report,
}

impl Decoded {
    /// Decodes one more.
    pub(crate) fn feed(&mut self, payload: &[u8]) -> &mut Self {
        decode(&encoder::datagram(payload), &mut self.store, &mut self.tables, &mut self.report);
        self
    }
}
