//! What has been purged, so that an answer that was on its way at that time is not stored after it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::entry::Entry;
use crate::key::{Key, hash_of};

/// Two keys or tags that fall together only keep one more answer from being stored.
const PLACES: usize = 4096;

/// For each key and each tag, by its hash, the last time that it was purged. Time is the number of
/// purges so far.
#[derive(Debug)]
pub(super) struct Purged {
    clock: AtomicU64,
    all: AtomicU64,
    places: Box<[AtomicU64]>,
}

impl Purged {
    pub fn new() -> Self {
        Self {
            clock: AtomicU64::new(0),
            all: AtomicU64::new(0),
            places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    pub fn now(&self) -> u64 {
        self.clock.load(Ordering::SeqCst)
    }

    pub fn key(&self, key: &Key) {
        self.note(self.place(key.hash()));
    }

    pub fn tag(&self, tag: &[u8]) {
        self.note(self.place(hash_of(tag)));
    }

    pub fn all(&self) {
        self.note(Some(&self.all));
    }

    /// Whether an answer, or a tag of it, was purged after a time.
    pub fn since(&self, time: u64, entry: &Entry) -> bool {
        let is_after = |place: &AtomicU64| place.load(Ordering::SeqCst) > time;
        let is_purged = |hash: u64| self.place(hash).is_some_and(is_after);
        is_after(&self.all)
            || is_purged(entry.head.place.key.hash())
            || entry.head.tags.iter().any(|tag| is_purged(hash_of(&**tag)))
    }

    fn note(&self, place: Option<&AtomicU64>) {
        let time = self.clock.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        if let Some(place) = place {
            place.fetch_max(time, Ordering::SeqCst);
        }
    }

    fn place(&self, hash: u64) -> Option<&AtomicU64> {
        self.places.get(usize::try_from(hash >> 32).ok()?.checked_rem(PLACES)?)
    }
}
