//! How many run at one time, for each key.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Key;

/// So many workers rarely meet.
const SHARDS: usize = 64;

/// Counts what runs. A key takes memory as long as something of it runs, and there are at most as
/// many keys as were asked for: those that run cannot be forgotten, so one more is not let in.
#[derive(Debug)]
pub struct Concurrency {
    shards: [Mutex<HashMap<Key, u32>>; SHARDS],
    keys: AtomicUsize,
    most_keys: usize,
}

/// One that runs. It is over when this is dropped.
#[derive(Debug)]
#[must_use = "it is over at once"]
pub struct Running {
    of: Arc<Concurrency>,
    key: Key,
}

/// Why one may not run now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Full {
    /// As many of this key run as may.
    Key,
    /// So many other keys run that there is no memory for one more.
    Table,
}

impl Concurrency {
    /// Counts at most so many keys at one time. As many as there can be requests at one time are
    /// enough for all; each takes about 50 bytes while something of it runs.
    pub fn new(most_keys: usize) -> Arc<Self> {
        let shards = std::array::from_fn(|_| Mutex::default());
        Arc::new(Self { shards, keys: AtomicUsize::new(0), most_keys })
    }

    /// Lets one of `key` run, unless `most` do already.
    pub fn enter(self: &Arc<Self>, key: Key, most: u32) -> Result<Running, Full> {
        match self.shard(key).entry(key) {
            Entry::Occupied(mut running) => {
                let more = running.get().checked_add(1).filter(|more| *more <= most);
                *running.get_mut() = more.ok_or(Full::Key)?;
            }
            Entry::Vacant(_) if most == 0 => return Err(Full::Key),
            Entry::Vacant(running) => {
                self.add_key().ok_or(Full::Table)?;
                running.insert(1);
            }
        }
        Ok(Running { of: Arc::clone(self), key })
    }

    /// How many of `key` run.
    pub fn running(&self, key: Key) -> u32 {
        self.shard(key).get(&key).copied().unwrap_or(0)
    }

    /// How many keys something of runs.
    pub fn keys(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    fn add_key(&self) -> Option<usize> {
        let add = |keys: usize| keys.checked_add(1).filter(|keys| *keys <= self.most_keys);
        self.keys.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok()
    }

    fn leave(&self, key: Key) {
        let mut shard = self.shard(key);
        let Entry::Occupied(mut running) = shard.entry(key) else { return };
        *running.get_mut() = running.get().saturating_sub(1);
        if *running.get() == 0 {
            running.remove();
            self.keys.fetch_sub(1, Ordering::Relaxed);
            // What a flood has made it grow to is not kept for ever.
            if shard.capacity() > 64 && shard.len() < shard.capacity() / 8 {
                let twice = shard.len().saturating_mul(2);
                shard.shrink_to(twice);
            }
        }
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, HashMap<Key, u32>> {
        let [first, ..] = &self.shards;
        let at = usize::try_from(key.first % SHARDS as u64).unwrap_or(0);
        let shard = self.shards.get(at).unwrap_or(first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.of.leave(self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicU32;
    use std::thread;

    use super::*;
    use crate::testing::key;

    #[test]
    fn no_more_of_a_key_run_than_may_and_other_keys_do() {
        let running = Concurrency::new(10);
        let first = running.enter(key(1), 2).unwrap();
        let _second = running.enter(key(1), 2).unwrap();
        assert_eq!(running.enter(key(1), 2).unwrap_err(), Full::Key);
        let _other = running.enter(key(2), 2).unwrap();
        drop(first);
        let _third = running.enter(key(1), 2).unwrap();
        assert_eq!((running.running(key(1)), running.running(key(2))), (2, 1));
    }

    #[test]
    fn what_is_over_takes_no_memory() {
        let running = Concurrency::new(100_000);
        let many: Vec<_> = (0..100_000).map(|number| running.enter(key(number), 1)).collect();
        assert_eq!(running.keys(), 100_000);
        drop(many);
        assert_eq!(running.keys(), 0);
        let places = running.shards.iter().map(|shard| shard.lock().unwrap().capacity());
        assert!(places.sum::<usize>() < 64 * 128);
    }

    #[test]
    fn there_are_no_more_keys_than_were_asked_for() {
        let running = Concurrency::new(2);
        let first = running.enter(key(1), 1).unwrap();
        let _second = running.enter(key(2), 1).unwrap();
        assert_eq!(running.enter(key(3), 1).unwrap_err(), Full::Table);
        drop(first);
        assert!(running.enter(key(3), 1).is_ok());
    }

    #[test]
    fn where_none_may_run_none_does() {
        let running = Concurrency::new(2);
        assert_eq!(running.enter(key(1), 0).unwrap_err(), Full::Key);
        assert_eq!(running.keys(), 0);
    }

    #[test]
    fn however_many_come_at_once_the_limit_holds_and_every_place_comes_back() {
        let (running, inside, begin) = (Concurrency::new(1), AtomicU32::new(0), Barrier::new(8));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    begin.wait();
                    for _ in 0..2_000 {
                        let Ok(entered) = running.enter(key(1), 3) else { continue };
                        assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(entered);
                    }
                });
            }
        });
        assert_eq!((running.running(key(1)), running.keys()), (0, 0));
    }
}
