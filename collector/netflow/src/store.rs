//! What the decoder asks of the keeper of templates and option values.
//!
//! The decoder keeps nothing between datagrams. The keeper (lock-free and shared in the collector, a plain map in tests and
//! in `collector decode`) decides about bounds, ageing and snapshots.

use std::sync::{Arc, Mutex};

use crate::columns::Address;
use crate::header::Header;
use crate::options::{OptionKey, OptionValue, Options};
use crate::sflow::Sample;
use crate::skew::ClockSkew;
use crate::template::{Kind, Template};
use crate::totals::Totals;

/// One stream of templates: an exporter's observation domain in one protocol version.
///
/// The version is part of the key because a device that sends NetFlow v9 and IPFIX numbers their templates independently.
/// The source port is not: several exporters send templates and data from different ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainKey {
    /// Exporter address.
    pub exporter: Address,
    /// 9 or 10.
    pub version: u8,
    /// Observation domain (IPFIX) or source id (NetFlow v9).
    pub domain: u32,
}

/// One template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TemplateKey {
    /// Whose.
    pub domain: DomainKey,
    /// Template id, 256 and up.
    pub id: u16,
}

/// What became of a template handed to [`Store::learn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// There was none with this key.
    New,
    /// It took the place of a different one.
    Replaced,
    /// The exporter has as many as it may; it was not kept.
    Refused,
}

/// A data set that waited for its template.
#[derive(Debug, Clone)]
pub struct Held {
    /// Header of the message it came in, with its own receive time.
    pub header: Header,
    /// The set without its header.
    pub bytes: Box<[u8]>,
}

/// The keeper of templates and option values.
pub trait Store {
    /// The template with this key, for a data set.
    fn template(&mut self, key: &TemplateKey) -> Option<Arc<Template>>;
    /// The template with this key, for comparison with one that the exporter has just sent. A store that keeps ages tells a
    /// repetition from a use by it.
    fn known(&mut self, key: &TemplateKey) -> Option<Arc<Template>> {
        self.template(key)
    }
    /// Keeps a template that is new or differs from the one kept: the decoder does not call this for a mere repetition.
    fn learn(&mut self, key: TemplateKey, template: Arc<Template>) -> Learned;
    /// Forgets one template (RFC 7011 section 8.1); true if there was one.
    fn withdraw(&mut self, key: &TemplateKey) -> bool;
    /// Forgets all templates of a domain, or all its options templates; the number forgotten.
    fn withdraw_all(&mut self, domain: &DomainKey, kind: Kind) -> usize;
    /// What the exporter announced in options data records for this domain.
    fn options(&mut self, domain: &DomainKey) -> Option<Arc<Options>>;
    /// Takes up the values of one options data set that are new or different.
    fn announce(&mut self, domain: &DomainKey, values: &[OptionValue]);
    /// Hears that a known value was announced once more, unchanged: for stores that keep ages.
    fn repeated(&mut self, _domain: &DomainKey, _key: OptionKey) {}
    /// Keeps a data set whose template is not known, until it comes. False if there is no room: the set is given up.
    fn hold(&mut self, _key: &TemplateKey, _header: &Header, _set: &[u8]) -> bool {
        false
    }
    /// Whether data sets wait for this template. True where the keeper does not know: [`Store::release`] finds out.
    fn is_held(&mut self, _key: &TemplateKey) -> bool {
        true
    }
    /// The data sets that wait for a template that is known now, oldest first; they wait no longer.
    fn release(&mut self, _key: &TemplateKey) -> Vec<Held> {
        Vec::new()
    }
    /// Hears that so many records of a data set were decoded; of one that was held, if `is_late`.
    fn decoded(&mut self, _key: &TemplateKey, _header: &Header, _records: usize, _is_late: bool) {}
    /// What is known of the clock of a domain, one of whose messages shows it `skew_ms` ahead of the collector's (behind if
    /// negative) at its receipt. Asked in the order of receipt, for messages that show [`crate::skew::LEFT_ALONE_MS`] or more.
    /// A store that keeps no clocks knows of none that is steady.
    fn clock_skew(&mut self, _domain: &DomainKey, _skew_ms: i64, _received_ms: i64) -> ClockSkew {
        ClockSkew::Unsteady
    }
    /// What the flows of an exporter have reported so far, for records that tell totals received at `received_ms` (milliseconds since
    /// 1970). `None` where nobody keeps that or there is no room: such records count whole, and their rows say so.
    fn totals(&mut self, _exporter: &Address, _received_ms: i64) -> Option<Arc<Mutex<Totals>>> {
        None
    }
    /// Hears of a sample of sFlow, of any kind.
    fn sampled(&mut self, _sample: &Sample<'_>) {}
}
