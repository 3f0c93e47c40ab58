//! What is remembered by the hash of a secret, within a bound. When there is no room, what has not
//! been used since it was last looked at goes first: a hand goes round, from the oldest on, spares
//! what was used once, and puts out the rest (second chance, or CLOCK).

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

const SHARDS: usize = 16;

/// How much may be remembered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Entries in all. Each sixteenth is bounded by itself.
    pub entries: usize,
    /// Bytes in all, about: of tokens, what they say counted four times for how it is kept.
    pub bytes: usize,
}

/// What is remembered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Figures {
    /// Entries, those that have expired and were not asked for since among them.
    pub entries: usize,
    /// Their bytes, about.
    pub bytes: usize,
    /// Entries that had to go for others, since the beginning.
    pub evictions: u64,
}

pub(crate) type Place = [u8; 32];

pub(crate) struct Bounded<V> {
    limits: Limits,
    shards: Box<[RwLock<Shard<V>>]>,
    evictions: AtomicU64,
}

struct Shard<V> {
    entries: HashMap<Place, Entry<V>>,
    /// Each entry once, the next to be looked at first.
    round: VecDeque<Place>,
    bytes: usize,
}

struct Entry<V> {
    value: V,
    until: Duration,
    bytes: usize,
    is_used: AtomicBool,
}

impl<V: Clone> Bounded<V> {
    pub fn new(limits: Limits) -> Self {
        let share = Limits {
            entries: limits.entries.div_ceil(SHARDS),
            bytes: limits.bytes.div_ceil(SHARDS),
        };
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Self { limits: share, shards, evictions: AtomicU64::new(0) }
    }

    /// What is remembered, and until when it holds.
    pub fn find(&self, place: &Place) -> Option<(V, Duration)> {
        let shard = self.shard(place)?.read().unwrap_or_else(PoisonError::into_inner);
        let entry = shard.entries.get(place)?;
        // Most often it is set already, and then its memory stays with every core that reads it.
        if !entry.is_used.load(Ordering::Relaxed) {
            entry.is_used.store(true, Ordering::Relaxed);
        }
        Some((entry.value.clone(), entry.until))
    }

    /// Remembers a value in the place of another; one larger than a shard's share is not.
    pub fn insert(&self, place: Place, value: V, until: Duration, bytes: usize) {
        if bytes > self.limits.bytes || self.limits.entries == 0 {
            return;
        }
        let Some(shard) = self.shard(&place) else { return };
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        shard.remove(&place);
        let evicted = shard.make_room(self.limits, bytes);
        let entry = Entry { value, until, bytes, is_used: AtomicBool::new(false) };
        shard.entries.insert(place, entry);
        shard.round.push_back(place);
        shard.bytes = shard.bytes.saturating_add(bytes);
        drop(shard);
        self.evictions.fetch_add(evicted, Ordering::Relaxed);
    }

    pub fn remove(&self, place: &Place) {
        if let Some(shard) = self.shard(place) {
            shard.write().unwrap_or_else(PoisonError::into_inner).remove(place);
        }
    }

    /// Forgets all that `keep` does not want, given the value and until when it holds.
    pub fn retain(&self, mut keep: impl FnMut(&V, Duration) -> bool) {
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let Shard { entries, round, bytes } = &mut *shard;
            entries.retain(|_, entry| keep(&entry.value, entry.until));
            round.retain(|place| entries.contains_key(place));
            *bytes = entries.values().map(|entry| entry.bytes).sum();
        }
    }

    pub fn figures(&self) -> Figures {
        let evictions = self.evictions.load(Ordering::Relaxed);
        let mut figures = Figures { evictions, ..Figures::default() };
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            figures.entries = figures.entries.saturating_add(shard.entries.len());
            figures.bytes = figures.bytes.saturating_add(shard.bytes);
        }
        figures
    }

    fn shard(&self, place: &Place) -> Option<&RwLock<Shard<V>>> {
        let [first, ..] = *place;
        self.shards.get(usize::from(first) % SHARDS)
    }
}

impl<V> Shard<V> {
    fn remove(&mut self, place: &Place) {
        if let Some(entry) = self.entries.remove(place) {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
            self.round.retain(|other| other != place);
        }
    }

    /// How many had to go. It ends: the second time round nothing is spared.
    fn make_room(&mut self, limits: Limits, bytes: usize) -> u64 {
        let mut evicted = 0;
        while self.entries.len() >= limits.entries
            || self.bytes.saturating_add(bytes) > limits.bytes
        {
            let Some(place) = self.round.pop_front() else { break };
            let is_spared = self
                .entries
                .get_mut(&place)
                .is_some_and(|entry| std::mem::take(entry.is_used.get_mut()));
            if is_spared {
                self.round.push_back(place);
            } else if let Some(entry) = self.entries.remove(&place) {
                self.bytes = self.bytes.saturating_sub(entry.bytes);
                evicted += 1;
            }
        }
        evicted
    }
}

impl<V> Default for Shard<V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), round: VecDeque::new(), bytes: 0 }
    }
}

impl<V> fmt::Debug for Bounded<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LATER: Duration = Duration::from_secs(1);

    /// Places of the same shard.
    fn place(number: u8) -> Place {
        let mut place = [0; 32];
        place[1] = number;
        place
    }

    fn has(bounded: &Bounded<u8>, number: u8) -> bool {
        bounded.find(&place(number)).is_some()
    }

    #[test]
    fn what_is_used_outlives_what_is_not() {
        let bounded = Bounded::new(Limits { entries: 16 * 4, bytes: 1 << 20 });
        bounded.insert(place(0), 0, LATER, 10);
        for number in 1..200 {
            assert!(has(&bounded, 0), "{number}");
            bounded.insert(place(number), number, LATER, 10);
        }
        assert_eq!(bounded.figures().entries, 4);
        assert_eq!(bounded.figures().evictions, 196);
    }

    #[test]
    fn bytes_are_bounded_too_and_what_is_too_large_takes_nobodys_room() {
        let bounded = Bounded::new(Limits { entries: 1000, bytes: 16 * 100 });
        bounded.insert(place(0), 0, LATER, 60);
        bounded.insert(place(1), 1, LATER, 40);
        bounded.insert(place(2), 2, LATER, 101);
        assert!(has(&bounded, 0) && has(&bounded, 1) && !has(&bounded, 2));
        bounded.insert(place(3), 3, LATER, 100);
        assert_eq!(bounded.figures(), Figures { entries: 1, bytes: 100, evictions: 2 });
    }

    #[test]
    fn what_is_remembered_anew_counts_once() {
        let bounded = Bounded::new(Limits { entries: 1000, bytes: 16 * 100 });
        for _ in 0..10 {
            bounded.insert(place(0), 0, LATER, 60);
        }
        assert_eq!(bounded.figures(), Figures { entries: 1, bytes: 60, evictions: 0 });
        bounded.remove(&place(0));
        assert_eq!(bounded.figures(), Figures::default());
    }

    proptest! {
        #[test]
        fn no_order_of_things_breaks_a_bound(steps in prop::collection::vec((0_u8..40, 0..4, 0_usize..70), 0..200)) {
            let bounded = Bounded::new(Limits { entries: 16 * 5, bytes: 16 * 200 });
            for (number, step, bytes) in steps {
                match step {
                    0 => bounded.remove(&place(number)),
                    1 => drop(bounded.find(&place(number))),
                    2 => bounded.insert(place(number), number, LATER, bytes),
                    _ => bounded.retain(|value, _| *value != number),
                }
                let figures = bounded.figures();
                prop_assert!(figures.entries <= 5 && figures.bytes <= 200);
                let shard = bounded.shards[0].read().unwrap();
                prop_assert_eq!(shard.round.len(), shard.entries.len());
                let bytes: usize = shard.entries.values().map(|entry| entry.bytes).sum();
                prop_assert_eq!(bytes, shard.bytes);
            }
        }
    }
}
