//! Notices that an interface sees datagrams to our ports, none of them addressed to this machine: a mirror port that was not called
//! one, which would otherwise look as if nobody sent anything.

use std::time::{Duration, Instant};

use crate::exporters::status::PassingBy;
use crate::steering::Verdicts;

/// How long exporters may take after the start to find this machine before the log says anything.
const PATIENCE: Duration = Duration::from_secs(10);
/// Fewer are strays, as when a switch does not know yet where to send them.
const DATAGRAMS_MIN: u64 = 10;

/// What the verdicts of an interface say, if datagrams only pass by it.
pub(super) fn passing_by(interface: &str, verdicts: &Verdicts) -> Option<PassingBy> {
    let [other_mac, other_address] = verdicts.only_others()?;
    let found = PassingBy { interface: interface.to_owned(), other_mac, other_address };
    (other_mac + other_address >= DATAGRAMS_MIN).then_some(found)
}

/// Says so in the log, once for each interface.
pub(super) struct Watch {
    since: Instant,
    told: Vec<String>,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), told: Vec::new() }
    }

    /// Takes what the verdicts of the interfaces say now.
    pub(super) fn tick(&mut self, found: Vec<PassingBy>) {
        if self.since.elapsed() < PATIENCE {
            return;
        }
        for found in found {
            if !self.told.contains(&found.interface) {
                tracing::warn!(interface = found.interface, "{}: {}", found.fault(), found.remedy());
                self.told.push(found.interface);
            }
        }
    }
}
