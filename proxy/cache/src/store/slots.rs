//! Where a shard keeps its entries, each under a number that is never used for two of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::entry::Entry;

/// More uses than these say no more.
const MOST_USES: u8 = 3;

/// The number of an entry.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Id {
    slot: usize,
    turn: u64,
}

/// An entry, and what is known of its use.
#[derive(Debug)]
pub(super) struct Held {
    pub entry: Arc<Entry>,
    /// Whether it is in the main queue.
    pub is_main: bool,
    uses: AtomicU8,
}

#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<(u64, Option<Held>)>,
    free: Vec<usize>,
}

impl Held {
    /// Notes a use. Under a reading lock, so one of two at a time may go uncounted.
    pub fn is_used(&self) {
        let uses = self.uses.load(Ordering::Relaxed);
        if uses < MOST_USES {
            self.uses.store(uses.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Whether it was used; counts one use less.
    pub fn spend_use(&mut self) -> bool {
        let uses = self.uses.get_mut();
        let was_used = *uses > 0;
        *uses = uses.saturating_sub(1);
        was_used
    }

    /// Whether it was used; all is forgotten.
    pub fn spend_uses(&mut self) -> bool {
        std::mem::take(self.uses.get_mut()) > 0
    }
}

impl Slots {
    pub fn add(&mut self, entry: Arc<Entry>, is_main: bool) -> Id {
        let held = Some(Held { entry, is_main, uses: AtomicU8::new(0) });
        if let Some(slot) = self.free.pop()
            && let Some((turn, place)) = self.slots.get_mut(slot)
        {
            *turn = turn.wrapping_add(1);
            *place = held;
            return Id { slot, turn: *turn };
        }
        self.slots.push((0, held));
        Id { slot: self.slots.len().saturating_sub(1), turn: 0 }
    }

    pub fn get(&self, id: Id) -> Option<&Held> {
        let (turn, held) = self.slots.get(id.slot)?;
        held.as_ref().filter(|_| *turn == id.turn)
    }

    pub fn get_mut(&mut self, id: Id) -> Option<&mut Held> {
        let (turn, held) = self.slots.get_mut(id.slot)?;
        held.as_mut().filter(|_| *turn == id.turn)
    }

    pub fn remove(&mut self, id: Id) -> Option<Held> {
        let (turn, held) = self.slots.get_mut(id.slot)?;
        let removed = held.take_if(|_| *turn == id.turn)?;
        self.free.push(id.slot);
        Some(removed)
    }

    pub fn into_entries(self) -> impl Iterator<Item = Arc<Entry>> {
        self.slots.into_iter().filter_map(|(_, held)| Some(held?.entry))
    }
}
