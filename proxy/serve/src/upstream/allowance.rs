//! How many connections an upstream may have.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use marchproxy_conf::model::Limits;
use marchproxy_decide::verdict::Reason;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// One connection's place, given back when the connection is closed; `None` where there is no limit.
pub type Place = Option<OwnedSemaphorePermit>;

/// Wakes the pools of all workers when an upstream is short of connections: those that idle in one
/// worker may be what another one waits for.
pub(super) static SHORTAGE: Notify = Notify::const_new();

/// How many connections an upstream may have, those that idle included.
pub(super) struct Allowance {
    free: Arc<Semaphore>,
    most: u32,
    waiting: Arc<AtomicUsize>,
    most_waiting: usize,
}

/// Somebody who waits for a place.
pub(super) struct Waiting<'a>(&'a Allowance);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Allowance {
    /// What `limits` allow, if they say anything of it. Connections, and those who wait for one, count
    /// on after a reload that leaves the number of connections as it is.
    pub fn following(old: Option<&Arc<Self>>, limits: &Limits) -> Option<Arc<Self>> {
        let most = limits.connections?;
        let most_waiting = usize::try_from(limits.waiting).unwrap_or(usize::MAX);
        let kept = old.filter(|old| old.most == most);
        let kept = kept.map(|old| (Arc::clone(&old.free), Arc::clone(&old.waiting)));
        let (free, waiting) = kept.unwrap_or_else(|| {
            let count = usize::try_from(most).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
            (Arc::new(Semaphore::new(count)), Arc::default())
        });
        Some(Arc::new(Self { free, most, waiting, most_waiting }))
    }

    /// A place, waited for so long at the most.
    ///
    /// # Errors
    /// None becomes free in time, or too many wait already.
    pub async fn get(&self, patience: Duration) -> Result<Place, Reason> {
        if let Some(place) = self.try_take() {
            return Ok(place);
        }
        let _waiting = self.wait()?;
        SHORTAGE.notify_waiters();
        timeout(patience, self.take()).await.unwrap_or(Err(Reason::UpstreamBusy))
    }

    /// A place, if one is free.
    pub fn try_take(&self) -> Option<Place> {
        Arc::clone(&self.free).try_acquire_owned().ok().map(Some)
    }

    /// Resolves when a place has become free.
    pub async fn take(&self) -> Result<Place, Reason> {
        let taken = Arc::clone(&self.free).acquire_owned().await;
        taken.map(Some).map_err(|_| Reason::UpstreamBusy)
    }

    /// Begins to wait.
    ///
    /// # Errors
    /// Too many wait already.
    pub fn wait(&self) -> Result<Waiting<'_>, Reason> {
        let others = self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(self);
        if others < self.most_waiting { Ok(waiting) } else { Err(Reason::UpstreamBusy) }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}
