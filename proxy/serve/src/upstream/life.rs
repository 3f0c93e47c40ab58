//! How connections learn that their upstream is gone: kept ones must not outlive it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Upstreams that live, by number. Pingora carries nothing of ours from an upstream to the place
/// where its connections are made, but a number.
static LIVING: LazyLock<Mutex<HashMap<u64, watch::Sender<()>>>> = LazyLock::new(Mutex::default);

fn living() -> MutexGuard<'static, HashMap<u64, watch::Sender<()>>> {
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The life of one upstream; it ends when this is dropped.
#[derive(Debug)]
pub struct Life {
    number: u64,
}

impl Life {
    /// A life of its own.
    pub fn new() -> Self {
        // 0 is what Pingora takes for connections of nobody in particular.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        living().insert(number, watch::Sender::new(()));
        Self { number }
    }

    /// What tells it from all others of this process.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        living().remove(&self.number);
    }
}

/// Resolves when the life with this number is over.
pub async fn end_of(number: u64) {
    let watched = living().get(&number).map(watch::Sender::subscribe);
    if let Some(mut watched) = watched {
        // Nothing is ever sent: only the sender's end is waited for.
        while watched.changed().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_end_of_a_life_is_told_to_those_who_wait_and_those_who_ask_later() {
        let (life, other) = (Life::new(), Life::new());
        let number = life.number();
        let mut end = Box::pin(end_of(number));
        assert!((&mut end).now_or_never().is_none());
        drop(life);
        assert!(end.now_or_never().is_some());
        assert!(end_of(number).now_or_never().is_some());
        assert!(end_of(other.number()).now_or_never().is_none());
    }
}
