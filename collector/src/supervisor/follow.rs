//! Interfaces that change, go and come back while the collector runs: XDP follows them by itself.
//!
//! An interface that goes takes its program along; plain UDP sockets receive then, and the program is attached again once an
//! interface of this name is there. One that refused XDP is asked again when it was replaced by another one.

use std::collections::HashSet;

use netflow::columns::Address;

use crate::config::Config;
use crate::steering::{self, Verdicts};
use crate::worker::Worker;

use super::bookkeeping::Bookkeeping;
use super::capture::{DoorSettings, Refused};
use super::interface::{Change, Interface, Retry};
use super::observe::Observed;

/// What an interface is called that went, as a metric's label.
const GONE: &str = "gone";

/// Looks after interfaces.
pub(super) struct Follower {
    absent: Vec<Absent>,
    next_program: u32,
    /// Exporters that have lasting accounts, for programs that are attached later; no more than there may be.
    admitted: HashSet<Address>,
}

/// An interface on which XDP is wanted and does not run.
struct Absent {
    name: String,
    /// The interface that refused it; none where there was none.
    index: Option<u32>,
    retry: Retry,
    verdicts: Verdicts,
}

impl Follower {
    /// Starts with those that refused XDP at the start; `programs` were attached.
    pub(super) fn new(refused: &[Refused], programs: usize) -> Self {
        let absent = |refused: &Refused| Absent {
            name: refused.interface.clone(),
            index: steering::index(&refused.interface),
            retry: Retry::default(),
            verdicts: Verdicts::default(),
        };
        let next_program = u32::try_from(programs).unwrap_or(u32::MAX);
        Self { absent: refused.iter().map(absent).collect(), next_program, admitted: HashSet::new() }
    }

    /// Keeps in mind who has a lasting account.
    pub(super) fn admitted(&mut self, exporters: &[Address], most: u32) {
        let room = (most as usize).saturating_sub(self.admitted.len());
        self.admitted.extend(exporters.iter().take(room));
    }

    /// Follows what changed; to be called once a second.
    pub(super) fn tick(
        &mut self,
        config: &Config,
        attached: &mut Vec<Interface>,
        workers: &[Worker],
        bookkeeping: &Bookkeeping,
        observed: &Observed,
    ) {
        let count = attached.len();
        self.part_with_gone(attached, workers, bookkeeping, observed);
        let mut is_changed = attached.len() != count;
        for interface in attached.iter_mut() {
            let program = interface.program;
            let change = interface.follow(|(worker, ring)| {
                if let Some(worker) = workers.get(worker) {
                    worker.rings().give(ring);
                }
            });
            if let Change::Fewer { from_queue } = change {
                workers.iter().for_each(|worker| worker.rings().let_go(program, from_queue));
            }
            if change != Change::None {
                is_changed = true;
                observed.show_queues(interface, 1);
            }
        }
        is_changed |= self.take_up_again(config, attached, workers, observed);
        if is_changed {
            observed.show_mode(attached);
        }
    }

    /// Takes off what belongs to interfaces that are not there any more.
    fn part_with_gone(
        &mut self,
        attached: &mut Vec<Interface>,
        workers: &[Worker],
        bookkeeping: &Bookkeeping,
        observed: &Observed,
    ) {
        while let Some(place) = attached.iter().position(|interface| !interface.is_there()) {
            let mut gone = attached.remove(place);
            bookkeeping.take_last_minutes(std::slice::from_mut(&mut gone));
            workers.iter().for_each(|worker| worker.rings().let_go(gone.program, 0));
            tracing::error!(
                interface = gone.name,
                "an interface is gone: plain UDP sockets receive; XDP is taken up again by itself once it is back"
            );
            observed.refuse(&gone.name, GONE);
            let verdicts = gone.verdicts().unwrap_or(gone.before);
            self.absent.push(Absent { name: gone.name.clone(), index: None, retry: Retry::default(), verdicts });
        }
    }

    /// Attaches the program to interfaces that came back; whether there were any.
    fn take_up_again(
        &mut self,
        config: &Config,
        attached: &mut Vec<Interface>,
        workers: &[Worker],
        observed: &Observed,
    ) -> bool {
        let count = attached.len();
        let door = DoorSettings { rules: config.rules(), exporters: config.front_door.exporters };
        for mut absent in std::mem::take(&mut self.absent) {
            let index = steering::index(&absent.name);
            if index.is_none() || index == absent.index || absent.retry.waits() {
                self.absent.push(absent);
                continue;
            }
            let program = self.next_program;
            self.next_program = self.next_program.wrapping_add(1);
            match Interface::open(&config.capture, &door, &absent.name, workers.len(), program) {
                Ok((mut interface, rings)) => {
                    interface.before = absent.verdicts;
                    for (worker, ring) in rings {
                        if let Some(worker) = workers.get(worker) {
                            worker.rings().give(ring);
                        }
                    }
                    let admitted: Vec<Address> = self.admitted.iter().copied().collect();
                    if let Err(error) = interface.steering.admit(&admitted) {
                        tracing::error!(%error, "exporters could not be given accounts of their own");
                    }
                    tracing::warn!(
                        interface = interface.name,
                        mode = interface.mode(),
                        "an interface is back: XDP runs on it again"
                    );
                    observed.accept(&interface);
                    attached.push(interface);
                }
                Err(error) => {
                    if absent.retry.failed() {
                        tracing::error!(
                            interface = absent.name,
                            %error,
                            "an interface is back and XDP cannot run on it: plain UDP sockets receive; tried again by itself"
                        );
                    }
                    observed.refuse(&absent.name, error.label());
                    self.absent.push(absent);
                }
            }
        }
        attached.len() != count
    }
}
