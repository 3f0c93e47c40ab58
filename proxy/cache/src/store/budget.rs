//! The bound of bytes. Nothing takes room that has not reserved it here first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    used: AtomicUsize,
    /// What is used by reservations: half of all at the most, so that answers which take long to
    /// come, or never come to an end, do not put out everything that is stored.
    reserved: AtomicUsize,
}

/// Room that is taken as long as this lives.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub const fn new(most: usize) -> Self {
        Self { most, used: AtomicUsize::new(0), reserved: AtomicUsize::new(0) }
    }

    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The most that can be reserved.
    pub const fn most_reserved(&self) -> usize {
        self.most / 2
    }

    /// Whether so much may be reserved besides what is; that it may does not mean that it is there.
    pub fn may_reserve(&self, bytes: usize) -> bool {
        let reserved = self.reserved.load(Ordering::Relaxed);
        reserved.checked_add(bytes).is_some_and(|reserved| reserved <= self.most_reserved())
    }

    /// Takes room for so many bytes if it is there.
    pub fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reservation> {
        self.take(bytes).then(|| Reservation { budget: Arc::clone(self), bytes })
    }

    /// Gives back what was kept.
    pub fn give_back(&self, bytes: usize) {
        less(&self.used, bytes);
    }

    fn take(&self, bytes: usize) -> bool {
        if !more(&self.reserved, bytes, self.most_reserved()) {
            return false;
        }
        let is_there = more(&self.used, bytes, self.most);
        if !is_there {
            less(&self.reserved, bytes);
        }
        is_there
    }
}

fn more(counter: &AtomicUsize, bytes: usize, most: usize) -> bool {
    let sum = |used: usize| used.checked_add(bytes).filter(|used| *used <= most);
    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum).is_ok()
}

fn less(counter: &AtomicUsize, bytes: usize) {
    let before = counter.fetch_sub(bytes, Ordering::Relaxed);
    debug_assert!(before >= bytes, "only what was taken is given back");
}

impl Reservation {
    /// Takes in another.
    pub fn add(&mut self, mut other: Self) {
        self.bytes = self.bytes.saturating_add(std::mem::take(&mut other.bytes));
    }

    /// Gives back what is too much, or takes what is missing if it is there.
    pub fn become_exactly(&mut self, bytes: usize) -> Result<(), ()> {
        if bytes > self.bytes && !self.budget.take(bytes.saturating_sub(self.bytes)) {
            return Err(());
        }
        self.give_back(self.bytes.saturating_sub(bytes));
        self.bytes = bytes;
        Ok(())
    }

    /// Leaves the room taken: whoever calls this gives it back.
    pub fn keep(mut self) {
        less(&self.budget.reserved, std::mem::take(&mut self.bytes));
    }

    fn give_back(&self, bytes: usize) {
        less(&self.budget.reserved, bytes);
        less(&self.budget.used, bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}
