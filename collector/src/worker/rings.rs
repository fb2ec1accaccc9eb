//! A worker's rings, and how it gets others and lets some go while it runs: interfaces come and go, and so do their queues.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::utc::now_ms;
use crate::worker::checksum::Checks;
use crate::worker::tally;
use crate::xsk;

/// What feeds a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feed {
    /// The program on its interface, by a number that no other program has.
    pub program: u32,
    /// The queue.
    pub queue: u32,
}

/// A ring of a worker.
pub struct Ring {
    pub(super) receiver: xsk::Receiver,
    /// What is asked of the checksums of what comes by it.
    pub(super) checks: Checks,
    feed: Feed,
    /// Until when everything was taken out of it, milliseconds since 1970.
    pub(super) horizon_ms: i64,
    /// Whether nothing was in it at the last look.
    pub(super) was_empty: bool,
    /// Whether it gets nothing any more, and goes when it is empty.
    is_leaving: bool,
}

impl Ring {
    /// A ring that nothing was put into yet.
    #[must_use]
    pub fn new(receiver: xsk::Receiver, feed: Feed, checks: Checks) -> Self {
        Self { receiver, checks, feed, horizon_ms: now_ms(), was_empty: false, is_leaving: false }
    }
}

/// For the XSKMAP and for `poll`.
impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }
}

/// Where a running worker's rings are handed over.
#[derive(Default)]
pub struct Exchange {
    has_news: AtomicBool,
    news: Mutex<Vec<News>>,
}

enum News {
    Take(Ring),
    LetGo { program: u32, from_queue: u32 },
}

impl Exchange {
    /// Gives the worker a ring, which it takes within a quarter of a second.
    pub fn give(&self, ring: Ring) {
        self.tell(News::Take(ring));
    }

    /// Has the worker let go the rings of a program from a queue on. Nothing may be put into them any more; what is in them is taken
    /// first, which takes the worker about half a second.
    pub fn let_go(&self, program: u32, from_queue: u32) {
        self.tell(News::LetGo { program, from_queue });
    }

    fn tell(&self, news: News) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).push(news);
        self.has_news.store(true, Ordering::Release);
    }

    fn take(&self) -> Vec<News> {
        if !self.has_news.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Exchange").finish_non_exhaustive()
    }
}

/// Takes over and lets go what the exchange says; what the rings that went have counted is added to `gone`.
pub(super) fn follow(rings: &mut Vec<Ring>, exchange: &Exchange, gone: &mut tally::Ring) {
    // A ring that was told to leave at an earlier look has been looked at since.
    rings.retain(|ring| {
        let stays = !(ring.is_leaving && ring.was_empty);
        if !stays {
            gone.merge(&tally::Ring::of(ring));
        }
        stays
    });
    for news in exchange.take() {
        match news {
            News::Take(ring) => rings.push(ring),
            News::LetGo { program, from_queue } => {
                let leaves = |feed: Feed| feed.program == program && feed.queue >= from_queue;
                rings.iter_mut().filter(|ring| leaves(ring.feed)).for_each(|ring| {
                    ring.is_leaving = true;
                    ring.was_empty = false;
                });
            }
        }
    }
}
