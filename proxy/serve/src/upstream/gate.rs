//! How many requests an upstream is given at one time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use marchproxy_balance::Gradient;
use marchproxy_conf::model::Limits;
use marchproxy_decide::exchange::Moment;
use marchproxy_decide::verdict::Reason;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How often a limit that adapts is looked at.
const STEP: Duration = Duration::from_millis(250);

/// Lets a bounded number of requests through; a bounded number of others waits for a bounded time,
/// first come, first served.
pub struct Gate {
    places: Option<Arc<Places>>,
    /// How many places there are when it begins.
    begins_with: Option<u32>,
    waiting: Arc<AtomicUsize>,
    limits: Limits,
    adapting: Option<Mutex<Adapting>>,
}

/// The places of a gate.
struct Places {
    free: Arc<Semaphore>,
    /// Places that are taken and are to be given up when they are given back.
    surplus: AtomicUsize,
    /// How many there are when all that are to be given up are.
    count: AtomicUsize,
}

/// A limit that adapts to how long answers take.
struct Adapting {
    gradient: Gradient,
    /// When it was last looked at, and what had been counted by then.
    last: Option<(Moment, u64, Duration)>,
}

/// A request's place; it is given back when this is dropped.
pub struct Pass {
    place: Option<(OwnedSemaphorePermit, Arc<Places>)>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some((permit, places)) = self.place.take() {
            let take = |surplus: usize| surplus.checked_sub(1);
            if places.surplus.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
                permit.forget();
            }
        }
    }
}

impl Places {
    fn new(count: u32) -> Arc<Self> {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let free = Arc::new(Semaphore::new(count));
        Arc::new(Self { free, surplus: AtomicUsize::new(0), count: AtomicUsize::new(count) })
    }

    fn pass(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Pass {
        Pass { place: Some((permit, Arc::clone(self))) }
    }

    /// Makes them so many. Only one may do so at a time.
    fn resize(&self, count: u32) {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let before = self.count.swap(count, Ordering::Relaxed);
        if let Some(fewer) = before.checked_sub(count) {
            let gone = self.free.forget_permits(fewer);
            self.surplus.fetch_add(fewer.saturating_sub(gone), Ordering::Relaxed);
            return;
        }
        let mut more = count.saturating_sub(before);
        let keep = |surplus: usize| {
            let kept = surplus.min(more);
            (kept > 0).then_some(surplus.saturating_sub(kept))
        };
        if let Ok(surplus) = self.surplus.fetch_update(Ordering::Relaxed, Ordering::Relaxed, keep) {
            more = more.saturating_sub(surplus.min(more));
        }
        self.free.add_permits(more);
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    /// A gate with these limits. Requests that have a place at the old one keep it, and count; what
    /// an adaptive limit has learnt stays.
    pub(super) fn following(old: Option<&Arc<Self>>, limits: &Limits) -> Arc<Self> {
        if let Some(old) = old.filter(|old| old.limits == *limits) {
            return Arc::clone(old);
        }
        let learnt = old.filter(|old| old.adapting.is_some()).and_then(|old| old.limit());
        let adaptive = limits.adaptive.as_ref();
        let gradient = adaptive.map(|adaptive| {
            let learnt = learnt.and_then(|learnt| u32::try_from(learnt).ok());
            Gradient::beginning_at(learnt.unwrap_or(0), adaptive.least, adaptive.most)
        });
        let limit = gradient.as_ref().map(Gradient::limit).or(limits.requests);
        let places = old.and_then(|old| old.places.clone());
        Arc::new(Self {
            places: limit.map(|limit| places.unwrap_or_else(|| Places::new(limit))),
            begins_with: limit,
            waiting: old.map(|old| Arc::clone(&old.waiting)).unwrap_or_default(),
            limits: limits.clone(),
            adapting: gradient.map(|gradient| Mutex::new(Adapting { gradient, last: None })),
        })
    }

    /// Its limits hold from now on: a configuration that is not served changes nothing.
    pub(super) fn begin(&self) {
        let (Some(places), Some(limit)) = (&self.places, self.begins_with) else { return };
        // One that goes on has learnt another limit by now.
        let limit = self.adapting.as_ref().map_or(limit, |adapting| {
            adapting.lock().unwrap_or_else(PoisonError::into_inner).gradient.limit()
        });
        places.resize(limit);
    }

    /// A place, if one is free or none is needed.
    pub fn try_enter(&self) -> Option<Pass> {
        let Some(places) = &self.places else { return Some(Pass { place: None }) };
        let permit = Arc::clone(&places.free).try_acquire_owned().ok()?;
        Some(places.pass(permit))
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// Too many wait, or it takes too long.
    pub async fn enter(&self) -> Result<Pass, Reason> {
        let Some(places) = &self.places else { return Ok(Pass { place: None }) };
        let most = usize::try_from(self.limits.waiting).unwrap_or(usize::MAX);
        let others = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if others >= most {
            return Err(Reason::UpstreamBusy);
        }
        let wait = self.limits.wait.duration();
        match timeout(wait, Arc::clone(&places.free).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(places.pass(permit)),
            Ok(Err(_)) | Err(_) => Err(Reason::UpstreamBusy),
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many requests there may be at one time; `None`: as many as come.
    pub fn limit(&self) -> Option<usize> {
        Some(self.places.as_ref()?.count.load(Ordering::Relaxed))
    }

    /// Has a limit that adapts do so: `answers` were waited for so long together until now, and so
    /// many requests run. When to be called again.
    pub(super) fn adapt(
        &self,
        now: Moment,
        answers: u64,
        waited: Duration,
        running: u64,
    ) -> Option<Moment> {
        let (adapting, places) = (self.adapting.as_ref()?, self.places.as_ref()?);
        let mut adapting = adapting.lock().unwrap_or_else(PoisonError::into_inner);
        // What was before says nothing of how it is now.
        let (last, answers_before, waited_before) =
            *adapting.last.get_or_insert((now, answers, waited));
        if now.since(last) < STEP {
            return Some(last.after(STEP));
        }
        let count = answers.saturating_sub(answers_before);
        let time = waited.saturating_sub(waited_before);
        adapting.last = Some((now, answers, waited));
        if let Some(mean) = u32::try_from(count).ok().and_then(|count| time.checked_div(count)) {
            places.resize(adapting.gradient.step(mean, running));
        }
        Some(now.after(STEP))
    }
}

#[cfg(test)]
mod tests {
    use marchproxy_conf::model::Adaptive;

    use super::*;

    fn gate(limit: u32) -> Arc<Gate> {
        Gate::following(None, &Limits { requests: Some(limit), ..Limits::default() })
    }

    #[test]
    fn a_gate_that_follows_another_counts_those_who_are_inside_once_it_begins() {
        let old = gate(4);
        let inside = enter_all(&old);
        let next = Gate::following(Some(&old), &Limits { requests: Some(6), ..Limits::default() });
        assert!(next.try_enter().is_none(), "it is not served yet");
        next.begin();
        let more = enter_all(&next);
        assert_eq!((more.len(), next.limit()), (2, Some(6)));
        drop((inside, more));
        let fewer =
            Gate::following(Some(&next), &Limits { requests: Some(2), ..Limits::default() });
        fewer.begin();
        assert_eq!(enter_all(&fewer).len(), 2);
        assert!(Arc::ptr_eq(&Gate::following(Some(&fewer), &fewer.limits), &fewer));
    }

    #[test]
    fn a_limit_that_was_learnt_is_kept_within_the_new_bounds() {
        let adaptive =
            |least, most| Limits { adaptive: Some(Adaptive { least, most }), ..Limits::default() };
        let old = Gate::following(None, &adaptive(3, 100));
        for second in 1..200 {
            old.adapt(
                Moment::from_nanos(second * 1_000_000_000),
                second,
                Duration::from_millis(second),
                50,
            );
        }
        let learnt = old.limit().unwrap();
        assert!(learnt > 20, "{learnt}");
        for (most, expected) in [(200, learnt), (10, 10)] {
            let next = Gate::following(Some(&old), &adaptive(3, most));
            next.begin();
            assert_eq!(next.limit(), Some(expected));
        }
    }

    fn enter_all(gate: &Gate) -> Vec<Pass> {
        std::iter::from_fn(|| gate.try_enter()).take(1000).collect()
    }

    #[test]
    fn places_are_given_back() {
        let gate = gate(3);
        for _ in 0..3 {
            assert_eq!(enter_all(&gate).len(), 3);
        }
    }

    #[test]
    fn a_limit_that_falls_holds_when_those_who_are_in_have_left() {
        let gate = gate(10);
        let mut inside = enter_all(&gate);
        let places = gate.places.as_ref().unwrap();
        places.resize(4);
        inside.truncate(5);
        assert!(gate.try_enter().is_none());
        inside.truncate(2);
        assert_eq!(enter_all(&gate).len(), 2);
        drop(inside);
        assert_eq!(enter_all(&gate).len(), 4);
    }

    #[test]
    fn a_limit_may_rise_again_before_those_have_left() {
        let gate = gate(10);
        let inside = enter_all(&gate);
        let places = gate.places.as_ref().unwrap();
        places.resize(4);
        places.resize(12);
        assert_eq!(enter_all(&gate).len(), 2);
        drop(inside);
        assert_eq!(enter_all(&gate).len(), 12);
    }
}
