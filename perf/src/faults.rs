//! What a network and a power cut do to an exporter's datagrams, and the exact account of it.

use crate::exporter::{Exported, Exporter};
use crate::random::Random;

/// What goes wrong, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Datagrams lost, in a thousand.
    pub loss_per_mille: u32,
    /// Datagrams that come twice, in a thousand.
    pub duplicate_per_mille: u32,
    /// Datagrams that come after the next one, in a thousand.
    pub reorder_per_mille: u32,
    /// The exporter starts anew after this many datagrams.
    pub restart_after: Option<u64>,
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrives in its turn.
    InTurn,
    /// It arrives in its turn and once more.
    Twice,
    /// It arrives after the next one that is not lost.
    Late,
    /// It does not arrive.
    Lost,
}

/// A datagram on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// What the exporter sent.
    pub exported: Exported,
    /// What becomes of it.
    pub fate: Fate,
}

/// How many there were of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Datagrams that the exporter sent.
    pub exported: u64,
    /// Flow records in them.
    pub exported_flows: u64,
    /// Options data records in them.
    pub exported_options: u64,
    /// Datagrams lost.
    pub lost: u64,
    /// Flow records in them.
    pub lost_flows: u64,
    /// By how much sequence numbers went on over the lost datagrams.
    pub lost_counts: u64,
    /// Datagrams that came a second time.
    pub duplicates: u64,
    /// Flow records in these.
    pub duplicate_flows: u64,
    /// Datagrams that came after the next one.
    pub reordered: u64,
    /// Datagrams that arrive, duplicates among them.
    pub delivered: u64,
    /// Flow records that arrive, those of duplicates among them.
    pub delivered_flows: u64,
    /// Bytes of payload that arrive.
    pub delivered_bytes: u64,
    /// Datagrams that bring templates and arrive, duplicates among them.
    pub delivered_templates: u64,
    /// Times that the exporter started anew.
    pub restarts: u64,
}

/// An exporter behind a bad network.
#[derive(Debug, Clone)]
pub struct Path {
    exporter: Exporter,
    faults: Faults,
    random: Random,
    late: Option<Exported>,
    account: Account,
}

impl Path {
    /// Faults are drawn from `seed`, apart from the exporter's flows.
    #[must_use]
    pub fn new(exporter: Exporter, faults: Faults, seed: u64) -> Self {
        Self { exporter, faults, random: Random::new(seed ^ 0x5eed), late: None, account: Account::default() }
    }

    /// The exporter.
    #[must_use]
    pub fn exporter(&self) -> &Exporter {
        &self.exporter
    }

    /// Lets the exporter's time go on, as [`Exporter::advance_to`].
    pub fn advance_to(&mut self, now_ms: i64) {
        self.exporter.advance_to(now_ms);
    }

    /// The account so far; of a datagram that is late only what was sent.
    #[must_use]
    pub fn account(&self) -> Account {
        self.account
    }

    /// Lets the exporter send one datagram; gives it and its fate, and hands `deliver` what arrives now, in this order.
    pub fn send(&mut self, mut deliver: impl FnMut(&Exported)) -> Sent {
        if self.faults.restart_after == Some(self.account.exported) {
            self.exporter.restart();
            self.account.restarts += 1;
        }
        let exported = self.exporter.export();
        self.account.exported += 1;
        self.account.exported_flows += exported.flows.len() as u64;
        self.account.exported_options += u64::from(exported.options);
        let fate = self.fate();
        match fate {
            Fate::Lost => {
                self.account.lost += 1;
                self.account.lost_flows += exported.flows.len() as u64;
                self.account.lost_counts += u64::from(exported.counts);
            }
            Fate::Late => {
                self.late = Some(exported.clone());
            }
            Fate::InTurn | Fate::Twice => {
                self.arrive(&exported, &mut deliver);
                if fate == Fate::Twice {
                    self.account.duplicates += 1;
                    self.account.duplicate_flows += exported.flows.len() as u64;
                    self.arrive(&exported, &mut deliver);
                }
                if let Some(late) = self.late.take() {
                    self.account.reordered += 1;
                    self.arrive(&late, &mut deliver);
                }
            }
        }
        Sent { exported, fate }
    }

    /// Hands over the last datagram if it was held back: with none behind it, it is not out of order.
    pub fn finish(&mut self, mut deliver: impl FnMut(&Exported)) {
        if let Some(late) = self.late.take() {
            self.arrive(&late, &mut deliver);
        }
    }

    fn arrive(&mut self, exported: &Exported, deliver: &mut impl FnMut(&Exported)) {
        self.account.delivered += 1;
        self.account.delivered_flows += exported.flows.len() as u64;
        self.account.delivered_bytes += exported.payload.len() as u64;
        self.account.delivered_templates += u64::from(exported.has_templates);
        deliver(exported);
    }

    fn fate(&mut self) -> Fate {
        // One draw for each, so that a share changed leaves the others' draws as they were.
        let is_lost = self.random.per_mille(self.faults.loss_per_mille);
        let is_twice = self.random.per_mille(self.faults.duplicate_per_mille);
        let is_late = self.random.per_mille(self.faults.reorder_per_mille);
        match (is_lost, is_twice, is_late) {
            (true, _, _) => Fate::Lost,
            (false, true, _) => Fate::Twice,
            // Only one waits at a time.
            (false, false, true) if self.late.is_none() => Fate::Late,
            (false, false, _) => Fate::InTurn,
        }
    }
}
