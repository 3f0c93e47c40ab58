//! Seven places for keys.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Key;

/// So many fill two cache lines, with the lock.
pub(super) const PLACES: usize = 7;
/// Instead of a full time: the place is given to another key at this moment.
const MOVING: u64 = u64::MAX;

/// The names lie in one cache line, with the lock, and the full times in the next: to find that a key
/// is not here touches one line.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub(super) struct Bucket {
    /// Held by who gives a place to another key.
    entering: Mutex<()>,
    /// 0 in a place that was never used.
    names: [AtomicU64; PLACES],
    fulls: [AtomicU64; PLACES],
}

/// A place in a bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    name: &'a AtomicU64,
    full: &'a AtomicU64,
}

impl Bucket {
    pub(super) fn lock(&self) -> MutexGuard<'_, ()> {
        self.entering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, key: Key) -> Option<Entry<'_>> {
        let wanted = name(key);
        self.entries().find(|entry| entry.name.load(Ordering::Relaxed) == wanted)
    }

    /// How many places are in use.
    pub(super) fn live(&self, now: u64) -> usize {
        self.fulls.iter().filter(|full| full.load(Ordering::Relaxed) > now).count()
    }

    /// The place that is given away next, and the full time that is there.
    pub(super) fn next(&self) -> (Entry<'_>, u64) {
        let [name, ..] = &self.names;
        let [full, ..] = &self.fulls;
        let mut next = (Entry { name, full }, full.load(Ordering::Relaxed));
        for entry in self.entries() {
            let seen = entry.full.load(Ordering::Relaxed);
            if seen < next.1 {
                next = (entry, seen);
            }
        }
        next
    }

    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.names.iter().zip(&self.fulls).map(|(name, full)| Entry { name, full })
    }
}

impl Entry<'_> {
    /// The full time, if the place is still the key's.
    pub(super) fn read(self, key: Key) -> Option<u64> {
        // In this order: who sees the full time of another key sees its name too.
        let full = self.full.load(Ordering::Acquire);
        (full != MOVING && self.name.load(Ordering::Relaxed) == name(key)).then_some(full)
    }

    /// Makes the full time another, if the place is still the key's. `change` gives what is to be
    /// answered, and the new time.
    ///
    /// Where the place goes to another key between the look and the swap, and its full time is the
    /// same to the nanosecond, that one pays. The key of this request is forgotten then, anyhow.
    pub(super) fn change<T>(self, key: Key, change: impl Fn(u64) -> (T, u64)) -> Option<T> {
        loop {
            let seen = self.read(key)?;
            let (answer, full) = change(seen);
            let full = full.min(MOVING - 1);
            let swap = || {
                self.full.compare_exchange(seen, full, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            };
            if full == seen || swap() {
                return Some(answer);
            }
        }
    }

    /// Gives the place to another key, if its full time is still the one that was seen. The bucket is
    /// locked.
    pub(super) fn replace(self, seen: u64, key: Key, full: u64) -> bool {
        // From here on no request of the key that was here can change it.
        if self.full.compare_exchange(seen, MOVING, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return false;
        }
        self.name.store(name(key), Ordering::Release);
        self.full.store(full.min(MOVING - 1), Ordering::Release);
        true
    }
}

/// Two keys of one name in one bucket would be one. With 64 bits of a hash that has a secret, among a
/// million keys, the odds are below one in ten million.
fn name(key: Key) -> u64 {
    key.first.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::key;

    fn bucket() -> (Bucket, Key, Key) {
        let (bucket, key, other) = (Bucket::default(), key(1), key(2));
        let (entry, seen) = bucket.next();
        assert!(entry.replace(seen, key, 10));
        (bucket, key, other)
    }

    #[test]
    fn a_place_that_went_to_another_key_is_not_touched() {
        let (bucket, key, other) = bucket();
        let entry = bucket.find(key).unwrap();
        assert!(entry.replace(10, other, 20));
        assert_eq!(entry.change(key, |_| ((), 99)), None);
        assert_eq!(entry.read(other), Some(20));
        assert!(bucket.find(key).is_none());
    }

    #[test]
    fn a_place_that_goes_to_another_key_between_look_and_swap_is_not_touched() {
        let (bucket, key, other) = bucket();
        let entry = bucket.find(key).unwrap();
        let change = |full| (entry.replace(full, other, 20), 99);
        assert_eq!(entry.change(key, change), None);
        assert_eq!(entry.read(other), Some(20));
    }

    #[test]
    fn a_place_whose_key_was_quicker_is_not_given_away() {
        let (bucket, key, other) = bucket();
        let entry = bucket.find(key).unwrap();
        let (_, seen) = (entry.change(key, |_| ((), 15)), 10);
        assert!(!entry.replace(seen, other, 20));
        assert_eq!(entry.read(key), Some(15));
    }

    #[test]
    fn while_a_place_is_given_away_nobody_has_it() {
        let (bucket, key, _) = bucket();
        let entry = bucket.find(key).unwrap();
        entry.full.store(MOVING, Ordering::Relaxed);
        assert_eq!(entry.read(key), None);
    }
}
