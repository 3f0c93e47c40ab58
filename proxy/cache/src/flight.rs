//! Of several requests for the same, one goes to the origin, and the others wait for what it brings.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::key::{Key, hash_of};
use crate::now::Now;
use crate::variant::Variant;

const PARTS: usize = 16;
/// Things found not to be storable that each part remembers. Two whose hashes fall together only
/// make one of them be forgotten.
const UNSTORABLE: usize = 512;
/// Requests that wait for one.
const MOST_WAITING: usize = 4096;

/// What is fetched: answers to two requests with the same of these are likely to be the same.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Errand {
    pub key: Arc<Key>,
    pub space: Arc<str>,
    /// As far as the fields are known by which answers are chosen.
    pub variant: Variant,
}

/// What one that waited does next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Looks again: something was stored, or somebody else must lead.
    LookAgain,
    /// Goes to the origin by itself: waiting was in vain.
    GoAlone,
}

/// All that is being fetched.
#[derive(Debug)]
pub(crate) struct Flights(Box<[Mutex<Part>]>);

#[derive(Debug)]
struct Part {
    flights: HashMap<Errand, Arc<Flight>>,
    /// Hash, and until when, in nanoseconds of the monotonic clock.
    unstorable: Box<[(u64, u64)]>,
}

#[derive(Debug, Default)]
struct Flight(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: Option<Next>,
    waiting: usize,
    seats: u64,
    wakers: HashMap<u64, Waker>,
}

/// What became of a request that wanted to go to the origin.
#[derive(Debug)]
pub(crate) enum Joined {
    Lead(Leader),
    Wait(Waiter),
    Alone,
}

/// Whoever has it goes to the origin for all. Dropped, it sends the others there, too.
#[derive(Debug)]
pub(crate) struct Leader {
    flights: Arc<Flights>,
    errand: Errand,
    flight: Arc<Flight>,
    next: Next,
}

/// Waits for another request that is on its way to the origin.
#[derive(Debug)]
pub struct Waiter {
    flight: Arc<Flight>,
    seat: u64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flights {
    pub fn new() -> Self {
        let part = |_| Part {
            flights: HashMap::new(),
            unstorable: vec![(0, 0); UNSTORABLE].into_boxed_slice(),
        };
        Self((0..PARTS).map(part).map(Mutex::new).collect())
    }

    /// Leads, unless another one does: then waits, where that `may_wait` be. Nobody does either for
    /// what was found not to be storable a short while ago.
    pub fn join(self: &Arc<Self>, errand: Errand, may_wait: bool, now: Now) -> Joined {
        let hash = hash_of(&errand);
        let Some(mut part) = self.part(hash) else { return Joined::Alone };
        if part.is_unstorable(hash, now) {
            return Joined::Alone;
        }
        match part.flights.entry(errand) {
            Place::Vacant(place) => {
                let errand = place.key().clone();
                let flight = Arc::clone(place.insert(Arc::default()));
                let flights = Arc::clone(self);
                Joined::Lead(Leader { flights, errand, flight, next: Next::GoAlone })
            }
            Place::Occupied(place) if may_wait => {
                let flight = Arc::clone(place.get());
                flight.seat().map_or(Joined::Alone, |seat| Joined::Wait(Waiter { flight, seat }))
            }
            Place::Occupied(_) => Joined::Alone,
        }
    }

    fn part(&self, hash: u64) -> Option<MutexGuard<'_, Part>> {
        let position = usize::try_from(hash >> 48).ok()?.checked_rem(self.0.len())?;
        self.0.get(position).map(locked)
    }
}

impl Part {
    fn is_unstorable(&self, hash: u64, now: Now) -> bool {
        let place = place_of(hash).and_then(|place| self.unstorable.get(place));
        place.is_some_and(|(known, until)| *known == hash && now.nanos < *until)
    }

    fn remember(&mut self, hash: u64, until: u64) {
        if let Some(place) = place_of(hash).and_then(|place| self.unstorable.get_mut(place)) {
            *place = (hash, until);
        }
    }
}

fn place_of(hash: u64) -> Option<usize> {
    usize::try_from(hash >> 16).ok()?.checked_rem(UNSTORABLE)
}

impl Flight {
    fn seat(&self) -> Option<u64> {
        let mut state = locked(&self.0);
        if state.waiting >= MOST_WAITING {
            return None;
        }
        state.waiting = state.waiting.saturating_add(1);
        state.seats = state.seats.wrapping_add(1);
        Some(state.seats)
    }

    fn end(&self, next: Next) {
        let mut state = locked(&self.0);
        state.next = Some(next);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_values().for_each(Waker::wake);
    }
}

impl Leader {
    /// Something was stored: the others look again.
    pub fn has_stored(mut self) {
        self.next = Next::LookAgain;
    }

    /// Nothing is known: the others look again, and one of them leads.
    pub fn hands_over(mut self) {
        self.next = Next::LookAgain;
    }

    /// Nothing can be stored, now and probably for a while: nobody waits for it.
    pub fn gives_up(self, now: Now, wait: Duration) {
        let hash = hash_of(&self.errand);
        let wait = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        if let Some(mut part) = self.flights.part(hash) {
            part.remember(hash, now.nanos.saturating_add(wait));
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        // First, so that whoever comes now does not wait for one who is back.
        if let Some(mut part) = self.flights.part(hash_of(&self.errand)) {
            part.flights.remove(&self.errand);
        }
        self.flight.end(self.next);
    }
}

impl Waiter {
    /// Ready once the other request is back. How long that may take is for the caller to say: dropped,
    /// it waits no more.
    pub fn poll(&mut self, context: &Context<'_>) -> Poll<Next> {
        let mut state = locked(&self.flight.0);
        if let Some(next) = state.next {
            return Poll::Ready(next);
        }
        let known = state.wakers.get(&self.seat);
        if known.is_none_or(|known| !known.will_wake(context.waker())) {
            let before = state.wakers.insert(self.seat, context.waker().clone());
            // Whatever a waker does when it is dropped, it does without the lock.
            drop(state);
            drop(before);
        }
        Poll::Pending
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut state = locked(&self.flight.0);
        state.waiting = state.waiting.saturating_sub(1);
        let waker = state.wakers.remove(&self.seat);
        drop(state);
        drop(waker);
    }
}
