//! In which order entries go: S3-FIFO. What comes waits in a small queue; only what was used there,
//! or came back soon after it had to go, gets into the main one. A scan passes through the small
//! queue and puts out nothing else.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;

use super::slots::{Id, Slots};
use crate::key::Ready;

/// The share of the small queue: one part of so many.
const SMALL_PART: usize = 10;
/// Entries that are looked at before the next one has to go, used or not: a lock is not held longer.
const MOST_LOOKS: usize = 64;
/// Entries that went and are remembered, whatever is stored.
const LEAST_GHOSTS: usize = 64;
const MOST_GHOSTS: usize = 8192;

#[derive(Debug, Default)]
pub(super) struct Queues {
    small: VecDeque<Id>,
    main: VecDeque<Id>,
    /// Bytes of the entries in the small one.
    small_bytes: usize,
    /// Numbers in the queues of what is there no more.
    gone: usize,
    ghosts: Ghosts,
}

/// Hashes of what had to go from the small queue, the oldest first.
#[derive(Debug, Default)]
struct Ghosts {
    order: VecDeque<u64>,
    /// How often each is in `order`.
    counts: HashMap<u64, usize, BuildHasherDefault<Ready>>,
}

impl Queues {
    /// Whether something of this hash goes to the main queue at once.
    pub fn is_known(&self, hash: u64) -> bool {
        self.ghosts.counts.contains_key(&hash)
    }

    pub fn add(&mut self, id: Id, is_main: bool, weight: usize) {
        if is_main {
            self.main.push_back(id);
        } else {
            self.small.push_back(id);
            self.small_bytes = self.small_bytes.saturating_add(weight);
        }
    }

    /// Numbers in the queues, those of what is gone among them.
    pub fn numbers(&self) -> usize {
        self.small.len().saturating_add(self.main.len())
    }

    /// Notes that an entry has another weight now.
    pub const fn has_changed(&mut self, is_main: bool, before: usize, now: usize) {
        if !is_main {
            self.small_bytes = self.small_bytes.saturating_sub(before).saturating_add(now);
        }
    }

    /// Notes that an entry was removed otherwise than by [`Queues::next`].
    pub fn is_gone(&mut self, slots: &Slots, is_main: bool, weight: usize) {
        if !is_main {
            self.small_bytes = self.small_bytes.saturating_sub(weight);
        }
        self.gone = self.gone.saturating_add(1);
        if self.gone > LEAST_GHOSTS && self.gone > self.numbers() / 2 {
            self.small.retain(|id| slots.get(*id).is_some());
            self.main.retain(|id| slots.get(*id).is_some());
            self.gone = 0;
        }
    }

    /// The entry that has to go next; `bytes` are those of all. The caller removes it.
    pub fn next(&mut self, slots: &mut Slots, bytes: usize) -> Option<Id> {
        let mut looks: usize = 0;
        loop {
            let is_full = self.small_bytes.saturating_mul(SMALL_PART) >= bytes;
            let from_small = !self.small.is_empty() && (is_full || self.main.is_empty());
            let id = if from_small { self.small.pop_front() } else { self.main.pop_front() }?;
            let Some(held) = slots.get_mut(id) else {
                self.gone = self.gone.saturating_sub(1);
                continue;
            };
            looks = looks.saturating_add(1);
            let is_last_look = looks > MOST_LOOKS;
            let stays = if from_small { held.spend_uses() } else { held.spend_use() };
            if from_small {
                self.small_bytes = self.small_bytes.saturating_sub(held.entry.weight);
            }
            if stays && !is_last_look {
                held.is_main = true;
                self.main.push_back(id);
                continue;
            }
            if from_small {
                let hash = held.entry.head.place.key.hash();
                self.ghosts.add(hash, self.numbers().clamp(LEAST_GHOSTS, MOST_GHOSTS));
            }
            return Some(id);
        }
    }
}

impl Ghosts {
    fn add(&mut self, hash: u64, most: usize) {
        self.order.push_back(hash);
        let count = self.counts.entry(hash).or_default();
        *count = count.saturating_add(1);
        while self.order.len() > most
            && let Some(oldest) = self.order.pop_front()
        {
            if let Some(count) = self.counts.get_mut(&oldest) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.counts.remove(&oldest);
                }
            }
        }
    }
}
