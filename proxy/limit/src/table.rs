//! Very many keys in fixed memory, for one proxy.
//!
//! A key has its place in one of two buckets of seven, in which it was put where there was more room
//! then. With half of all places in use practically none of the buckets is full, so the number of
//! keys that was asked for is kept exactly.
//!
//! *What is forgotten.* A key that has all its tokens back takes no place: to forget it changes
//! nothing. Where a new key finds no place, of the fourteen keys in its two buckets the one that will
//! be full first is forgotten: it has the most to lose and gets the least by it. So who floods the
//! table with fresh keys pushes out fresh keys, not the one that is far beyond its limit. How often
//! that has happened is counted, as each time somebody may have got more than the quota.
//!
//! *Many at once.* A request of a known key takes no lock: it moves the key's full time by
//! compare-and-swap, so two requests never take one token. New keys are put in under the locks of
//! both their buckets, so no key gets two places.

use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Key, Quota, Verdict, step};

mod bucket;

use bucket::{Bucket, Entry, PLACES};

/// A table of keys and their full times.
#[derive(Debug)]
pub struct Table {
    buckets: Box<[Bucket]>,
    /// There is always one.
    last: Bucket,
    forgotten: AtomicU64,
}

/// The two buckets in which a key may be.
struct Pair<'a> {
    first: &'a Bucket,
    second: &'a Bucket,
    /// In which order they lie, and are locked.
    is_first_before: bool,
}

impl Table {
    /// A table that keeps `keys` keys exactly, in about 37 bytes each.
    pub fn new(keys: usize) -> Self {
        // Two buckets for seven keys: half of the places are in use.
        let buckets = keys.saturating_mul(2).div_ceil(PLACES).max(1);
        // Half a word finds a bucket.
        let buckets = buckets.min(usize::try_from(u32::MAX).unwrap_or(usize::MAX));
        let buckets = (0..buckets).map(|_| Bucket::default()).collect();
        Self { buckets, last: Bucket::default(), forgotten: AtomicU64::new(0) }
    }

    /// Takes `cost` tokens of `key` at `now`, in nanoseconds. When it is refused it takes none.
    pub fn check(&self, key: Key, quota: &Quota, cost: u32, now: u64) -> Verdict {
        let take = |full| step(full, now, cost, quota);
        let pair = self.pair(key);
        if let Some(verdict) = pair.find(key).and_then(|entry| entry.change(key, take)) {
            return verdict;
        }
        let _locks = pair.lock();
        if let Some(verdict) = pair.find(key).and_then(|entry| entry.change(key, take)) {
            return verdict;
        }
        let (verdict, full) = take(0);
        if full > now {
            self.put(&pair, key, full, now);
        }
        verdict
    }

    /// What [`Table::check`] would say. It takes nothing.
    pub fn peek(&self, key: Key, quota: &Quota, cost: u32, now: u64) -> Verdict {
        let full = self.pair(key).find(key).and_then(|entry| entry.read(key));
        step(full.unwrap_or(0), now, cost, quota).0
    }

    /// Gives `cost` tokens back that `key` paid: another limit has refused the request.
    pub fn give_back(&self, key: Key, quota: &Quota, cost: u32) {
        let give = |full: u64| ((), full.saturating_sub(quota.time_of(cost)));
        // A key that is not there, or is just being forgotten, has them all back.
        self.pair(key).find(key).and_then(|entry| entry.change(key, give));
    }

    /// How many times a key was forgotten that had not all its tokens back.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// How many keys have not all their tokens back. It looks at the whole table.
    pub fn live(&self, now: u64) -> usize {
        let buckets = self.buckets.iter().chain([&self.last]);
        buckets.map(|bucket| bucket.live(now)).sum()
    }

    /// The bytes that it takes, which never change.
    pub fn bytes(&self) -> usize {
        size_of_val::<[Bucket]>(&self.buckets).saturating_add(size_of::<Self>())
    }

    /// Keeps a key that is not there. Both buckets are locked.
    fn put(&self, pair: &Pair<'_>, key: Key, full: u64, now: u64) {
        loop {
            let (entry, seen) = pair.place(now);
            // A request of the key that was to be forgotten may have been quicker.
            if entry.replace(seen, key, full) {
                self.forgotten.fetch_add(u64::from(seen > now), Ordering::Relaxed);
                return;
            }
        }
    }

    fn pair(&self, key: Key) -> Pair<'_> {
        let last = self.buckets.len();
        // Of a number below 2^32 as many parts as there are buckets.
        let scale = |half: u64| half.wrapping_mul((last as u64).wrapping_add(1)) >> 32;
        let [first, other] = [key.second >> 32, key.second & u64::from(u32::MAX)]
            .map(|half| usize::try_from(scale(half)).unwrap_or(0));
        // They must be two, as both are locked.
        let beside = if first == last { 0 } else { last };
        let second = if other == first { beside } else { other };
        let bucket = |at: usize| self.buckets.get(at).unwrap_or(&self.last);
        Pair { first: bucket(first), second: bucket(second), is_first_before: first < second }
    }
}

impl<'a> Pair<'a> {
    fn find(&self, key: Key) -> Option<Entry<'a>> {
        self.first.find(key).or_else(|| self.second.find(key))
    }

    /// Locks both, always in the order in which they lie: else two could wait for one another.
    fn lock(&self) -> [MutexGuard<'a, ()>; 2] {
        let mut pair = [self.first, self.second];
        if !self.is_first_before {
            pair.reverse();
        }
        pair.map(Bucket::lock)
    }

    /// Where a new key goes, and the full time that is there.
    fn place(&self, now: u64) -> (Entry<'a>, u64) {
        let (first, second) = (self.first.next(), self.second.next());
        let (used, used_second) = (self.first.live(now), self.second.live(now));
        let are_both_full = used == PLACES && used_second == PLACES;
        let is_first = if are_both_full { first.1 <= second.1 } else { used <= used_second };
        if is_first { first } else { second }
    }
}

#[cfg(test)]
mod tests;
