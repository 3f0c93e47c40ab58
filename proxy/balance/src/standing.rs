//! What is known of one endpoint.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::breaker::Circuit;
use crate::check::Checked;
use crate::ejection::Ejected;
use crate::latency::Latency;

/// After this a slow answer counts for 37 %.
const DECAY: Duration = Duration::from_secs(10);
/// No bound on who may enter.
const EVERYONE: u32 = u32::MAX;

/// What is known of one endpoint: noted by all workers without a lock, judged by one keeper.
#[derive(Debug)]
pub struct Standing {
    running: AtomicU32,
    answered: AtomicU64,
    failed: AtomicU64,
    waited: AtomicU64,
    broken_in_a_row: AtomicU32,
    /// Requests that may still enter while its breaker is half open.
    probes: AtomicU32,
    mode: AtomicU8,
    /// 0: as configured.
    weight: AtomicU32,
    /// What its answers took.
    pub latency: Latency,
    checked: Mutex<Checked>,
    judged: Mutex<Judged>,
}

/// The place of one request at an endpoint.
#[derive(Debug)]
#[must_use = "it is to be left"]
pub struct Entered {
    /// Whether it is one of the few that a half open breaker lets in, and nothing has become of it
    /// yet.
    is_probing: AtomicBool,
}

/// What became of a request at an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// An answer that is the endpoint's honest word, after so long.
    Good(Duration),
    /// An answer that says that the endpoint failed (5xx), after so long.
    Error(Duration),
    /// No connection, no answer in time, a broken one, or one that says that what is behind the
    /// endpoint is gone (502, 503, 504).
    Broken,
}

/// What an operator wants of an endpoint.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// It serves.
    #[default]
    Serving,
    /// It gets nothing new.
    Draining,
    /// It gets nothing, and is not checked either.
    Disabled,
}

/// How often what has happened at an endpoint, since it is known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    pub answered: u64,
    pub failed: u64,
    /// Nanoseconds that answers were waited for.
    pub waited: u64,
}

/// What the keeper has made of it.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    pub circuit: Circuit,
    pub ejected: Ejected,
    /// Since when it may be used again; `None`: it may not be, or always could.
    pub warming_since: Option<marchproxy_decide::exchange::Moment>,
    pub is_known: bool,
    pub was_usable: bool,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            running: AtomicU32::new(0),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            broken_in_a_row: AtomicU32::new(0),
            probes: AtomicU32::new(EVERYONE),
            mode: AtomicU8::new(0),
            weight: AtomicU32::new(0),
            latency: Latency::new(DECAY),
            checked: Mutex::default(),
            judged: Mutex::default(),
        }
    }
}

impl Standing {
    /// Takes a place for a request, unless `limit` requests run already or no probe is wanted. Who
    /// got one calls [`Standing::leave`] with it.
    pub fn enter(&self, limit: u32) -> Option<Entered> {
        let add = |running: u32| running.checked_add(1).filter(|running| *running <= limit);
        self.running.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok()?;
        let take = |probes: u32| match probes {
            0 | EVERYONE => None,
            more => Some(more - 1),
        };
        let probes = self.probes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        let entered = Entered { is_probing: AtomicBool::new(probes.is_ok()) };
        if probes == Err(0) {
            self.leave(&entered);
            return None;
        }
        Some(entered)
    }

    /// A request that entered is over. A probe of which nothing became, as its client has gone, is
    /// free for another: else clients could keep a breaker from closing.
    pub fn leave(&self, entered: &Entered) {
        if entered.is_probing.load(Ordering::Relaxed) {
            // One more than everyone is none, and it stays as it is.
            let give = |probes: u32| probes.checked_add(1);
            let _ = self.probes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, give);
        }
        self.running.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many requests it has.
    pub fn running(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    /// Notes what became of a request that entered. `true`: the keeper should look.
    pub fn note(&self, entered: &Entered, outcome: Outcome) -> bool {
        entered.is_probing.store(false, Ordering::Relaxed);
        let add = |count: &AtomicU64, more: u64| count.fetch_add(more, Ordering::Relaxed);
        let (is_broken, has_failed) = match outcome {
            Outcome::Good(waited) | Outcome::Error(waited) => {
                add(&self.waited, u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX));
                (false, matches!(outcome, Outcome::Error(_)))
            }
            Outcome::Broken => (true, true),
        };
        if is_broken {
            self.broken_in_a_row.fetch_add(1, Ordering::Relaxed);
        } else if self.broken_in_a_row.load(Ordering::Relaxed) != 0 {
            self.broken_in_a_row.store(0, Ordering::Relaxed);
        }
        if has_failed {
            add(&self.failed, 1);
        }
        add(&self.answered, 1);
        has_failed || self.probes.load(Ordering::Relaxed) != EVERYONE
    }

    /// What an operator wants of it.
    pub fn mode(&self) -> Mode {
        match self.mode.load(Ordering::Relaxed) {
            1 => Mode::Draining,
            2 => Mode::Disabled,
            _ => Mode::Serving,
        }
    }

    /// Follows an operator.
    pub fn set_mode(&self, mode: Mode) {
        let number = match mode {
            Mode::Serving => 0,
            Mode::Draining => 1,
            Mode::Disabled => 2,
        };
        self.mode.store(number, Ordering::Relaxed);
    }

    /// Its weight, `configured` unless an operator has said otherwise.
    pub fn weight(&self, configured: u32) -> u32 {
        match self.weight.load(Ordering::Relaxed) {
            0 => configured,
            weight => weight,
        }
    }

    /// Follows an operator; `None`: as configured.
    pub fn set_weight(&self, weight: Option<u32>) {
        self.weight.store(weight.unwrap_or(0), Ordering::Relaxed);
    }

    /// What checks have found.
    pub fn checked(&self) -> MutexGuard<'_, Checked> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many answers it gave, and how long they were waited for together.
    pub fn answers(&self) -> (u64, Duration) {
        let counts = self.counts();
        (counts.answered, Duration::from_nanos(counts.waited))
    }

    /// Failures in a row.
    pub(crate) fn broken_in_a_row(&self) -> u32 {
        self.broken_in_a_row.load(Ordering::Relaxed)
    }

    /// What was noted is judged: the next failures count anew.
    pub(crate) fn forget_row(&self) {
        self.broken_in_a_row.store(0, Ordering::Relaxed);
    }

    /// Lets so many requests in, or everyone.
    pub(crate) fn set_probes(&self, probes: Option<u32>) {
        self.probes.store(probes.unwrap_or(EVERYONE), Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            answered: self.answered.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            waited: self.waited.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn judged(&self) -> MutexGuard<'_, Judged> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    pub fn since(self, earlier: Self) -> Self {
        Self {
            answered: self.answered.saturating_sub(earlier.answered),
            failed: self.failed.saturating_sub(earlier.failed),
            // So many wait at one time that this goes round within weeks.
            waited: self.waited.wrapping_sub(earlier.waited),
        }
    }
}

#[cfg(test)]
mod tests;
