//! Stored answers, within a bound of bytes. A lock is held for as long as a few maps are looked at:
//! what is put out is dropped after it.

mod budget;
mod purged;
mod queues;
mod shard;
mod slots;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use http::HeaderMap;

use crate::entry::Entry;
use crate::key::Key;
use crate::policy::Refusal;
use budget::Budget;
pub(crate) use budget::Reservation;
use purged::Purged;
pub(crate) use shard::Found;
use shard::Shard;

const SHARDS: usize = 16;
/// How many answers may have to go so that one can come.
const MOST_EVICTIONS: usize = 4096;

/// How much may be stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes in all: bodies, fields, keys and what they are kept in, of what is stored and of what
    /// is on its way, which may take half of it. What was put out while it is still being sent does
    /// not count.
    pub bytes: usize,
    /// Answers of one resource that differ by `Vary` or space.
    pub variants: usize,
}

/// What is in the store.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Figures {
    /// Bytes taken, those of answers on their way among them.
    pub bytes: usize,
    /// Stored answers.
    pub entries: usize,
    /// Answers that had to go for others, since the beginning.
    pub evictions: u64,
}

#[derive(Debug)]
pub(crate) struct Store {
    limits: Limits,
    parts: Box<[Part]>,
    budget: Arc<Budget>,
    purged: Purged,
    evictions: AtomicU64,
}

#[derive(Debug, Default)]
struct Part {
    shard: RwLock<Shard>,
    /// Those of the shard, to be read without its lock.
    bytes: AtomicUsize,
    entries: AtomicUsize,
}

impl Store {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            parts: (0..SHARDS).map(|_| Part::default()).collect(),
            budget: Arc::new(Budget::new(limits.bytes)),
            purged: Purged::new(),
            evictions: AtomicU64::new(0),
        }
    }

    /// What there is for a request.
    pub fn find(&self, key: &Key, space: &str, request: &HeaderMap) -> Found {
        self.part(key).map_or_else(Found::default, |part| part.read().find(key, space, request))
    }

    /// A mark of now: what is purged after it must not be inserted by whoever has it.
    pub fn mark(&self) -> u64 {
        self.purged.now()
    }

    /// Room for so many bytes, made if need be.
    ///
    /// # Errors
    /// There is none, or too much of it is taken by what is on its way.
    pub fn reserve(&self, bytes: usize) -> Result<Reservation, Refusal> {
        for _ in 0..MOST_EVICTIONS {
            if !self.budget.may_reserve(bytes) {
                break;
            }
            if let Some(reservation) = self.budget.reserve(bytes) {
                return Ok(reservation);
            }
            if !self.evict_one() {
                break;
            }
        }
        Err(Refusal::NoRoom)
    }

    /// Stores an answer in the room that was reserved for it; it takes the place of those that
    /// `request`, for which it came, could have been answered with.
    pub fn insert(
        &self,
        entry: &Arc<Entry>,
        mut room: Reservation,
        request: &HeaderMap,
        mark: u64,
    ) -> Result<(), Refusal> {
        room.become_exactly(entry.weight).map_err(|()| Refusal::NoRoom)?;
        let part = self.part(&entry.head.place.key).ok_or(Refusal::NoRoom)?;
        let mut shard = part.write();
        // Under the lock: a purge notes itself first and looks for what to remove then.
        if self.purged.since(mark, entry) {
            return Err(Refusal::Purged);
        }
        let outdated = shard.make_way(entry, request, self.limits.variants)?;
        shard.add(entry);
        room.keep();
        part.note(&shard);
        drop(shard);
        self.put_out(outdated);
        Ok(())
    }

    /// Puts an answer with the same body in the place of another.
    ///
    /// # Errors
    /// That is stored no more, or there is no room.
    pub fn replace(&self, old: &Arc<Entry>, new: Arc<Entry>, mark: u64) -> Result<(), Refusal> {
        let room = self.reserve(new.weight.saturating_sub(old.weight))?;
        let part = self.part(&old.head.place.key).ok_or(Refusal::NoRoom)?;
        let mut shard = part.write();
        if self.purged.since(mark, &new) {
            return Err(Refusal::Purged);
        }
        let surplus = old.weight.saturating_sub(new.weight);
        if !shard.replace(old, new) {
            return Err(Refusal::Older);
        }
        room.keep();
        part.note(&shard);
        drop(shard);
        self.budget.give_back(surplus);
        Ok(())
    }

    /// Removes one answer, if it is still that which is stored.
    pub fn remove(&self, entry: &Arc<Entry>) -> usize {
        self.on_shard_of(&entry.head.place.key, |shard| shard.remove(entry).into_iter().collect())
    }

    /// Removes all answers of a resource. How many there were.
    pub fn purge_key(&self, key: &Key) -> usize {
        self.purged.key(key);
        self.on_shard_of(key, |shard| shard.remove_key(key))
    }

    /// Removes all answers with a tag. How many there were.
    pub fn purge_tag(&self, tag: &[u8]) -> usize {
        self.purged.tag(tag);
        self.on_all_shards(|shard| shard.remove_tag(tag))
    }

    /// Removes everything. How many answers that was.
    pub fn purge_all(&self) -> usize {
        self.purged.all();
        self.on_all_shards(Shard::remove_all)
    }

    pub fn figures(&self) -> Figures {
        Figures {
            bytes: self.budget.used(),
            entries: self.parts.iter().map(|part| part.entries.load(Ordering::Relaxed)).sum(),
            evictions: self.evictions.load(Ordering::Relaxed),
        }
    }

    fn part(&self, key: &Key) -> Option<&Part> {
        // The map within the shard uses the lower bits.
        let position = usize::try_from(key.hash() >> 48).ok()?.checked_rem(self.parts.len())?;
        self.parts.get(position)
    }

    /// From the fullest shard: they stay alike, however many answers each of them gets.
    fn evict_one(&self) -> bool {
        let fullest = self.parts.iter().max_by_key(|part| part.bytes.load(Ordering::Relaxed));
        let Some(part) = fullest else { return false };
        let mut shard = part.write();
        let evicted = shard.evict();
        part.note(&shard);
        drop(shard);
        self.evictions.fetch_add(u64::from(evicted.is_some()), Ordering::Relaxed);
        self.put_out(evicted) > 0
    }

    fn on_shard_of(&self, key: &Key, act: impl Fn(&mut Shard) -> Vec<Arc<Entry>>) -> usize {
        self.part(key).map_or(0, |part| self.on_part(part, &act))
    }

    fn on_all_shards(&self, act: impl Fn(&mut Shard) -> Vec<Arc<Entry>>) -> usize {
        self.parts.iter().map(|part| self.on_part(part, &act)).sum()
    }

    fn on_part(&self, part: &Part, act: &dyn Fn(&mut Shard) -> Vec<Arc<Entry>>) -> usize {
        let mut shard = part.write();
        let removed = act(&mut shard);
        part.note(&shard);
        drop(shard);
        self.put_out(removed)
    }

    /// Takes back the room of answers that are stored no more.
    fn put_out(&self, entries: impl IntoIterator<Item = Arc<Entry>>) -> usize {
        let mut count: usize = 0;
        for entry in entries {
            self.budget.give_back(entry.weight);
            count = count.saturating_add(1);
        }
        count
    }
}

impl Part {
    fn read(&self) -> RwLockReadGuard<'_, Shard> {
        self.shard.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Shard> {
        self.shard.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, shard: &Shard) {
        self.bytes.store(shard.bytes(), Ordering::Relaxed);
        self.entries.store(shard.entries(), Ordering::Relaxed);
    }
}
