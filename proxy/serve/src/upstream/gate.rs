//! How many requests an upstream is given at one time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use marchproxy_conf::model::Limits;
use marchproxy_decide::verdict::Reason;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Lets a bounded number of requests through; a bounded number of others waits for a bounded time,
/// first come, first served.
pub struct Gate {
    places: Option<Arc<Semaphore>>,
    waiting: AtomicUsize,
    limits: Limits,
}

/// A request's place; it is given back when this is dropped.
pub struct Pass {
    _place: Option<OwnedSemaphorePermit>,
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    pub(super) fn new(limits: &Limits) -> Self {
        let places = limits.requests.map(|most| {
            let most = usize::try_from(most).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
            Arc::new(Semaphore::new(most))
        });
        Self { places, waiting: AtomicUsize::new(0), limits: limits.clone() }
    }

    /// A place, if one is free or none is needed.
    pub fn try_enter(&self) -> Option<Pass> {
        match &self.places {
            None => Some(Pass { _place: None }),
            Some(places) => {
                let place = Arc::clone(places).try_acquire_owned().ok()?;
                Some(Pass { _place: Some(place) })
            }
        }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// Too many wait, or it takes too long.
    pub async fn enter(&self) -> Result<Pass, Reason> {
        let Some(places) = &self.places else { return Ok(Pass { _place: None }) };
        let most = usize::try_from(self.limits.waiting).unwrap_or(usize::MAX);
        let others = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if others >= most {
            return Err(Reason::UpstreamBusy);
        }
        let place = timeout(self.limits.wait.duration(), Arc::clone(places).acquire_owned()).await;
        match place {
            Ok(Ok(place)) => Ok(Pass { _place: Some(place) }),
            Ok(Err(_)) | Err(_) => Err(Reason::UpstreamBusy),
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}
