//! What is known of one endpoint.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use marchproxy_decide::exchange::Moment;

use crate::breaker::Circuit;
use crate::check::Checked;
use crate::ejection::{Cause, Ejected};
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
    timed: AtomicU64,
    waited: AtomicU64,
    probed: AtomicU64,
    probes_failed: AtomicU64,
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
    /// None was waited for any longer, as another endpoint answered: it would have taken more than
    /// this.
    Left(Duration),
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
    /// Those of which it is known how long they were waited for.
    pub timed: u64,
    /// Nanoseconds that these were waited for.
    pub waited: u64,
    /// Those that a half open breaker had let in.
    pub probed: u64,
    /// Of these, those that failed.
    pub probes_failed: u64,
}

/// What the keeper has made of it.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    pub circuit: Circuit,
    pub ejected: Ejected,
    /// Since when it may be used again; `None`: it may not be, or always could.
    pub warming_since: Option<Moment>,
    pub is_known: bool,
    pub was_usable: bool,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            running: AtomicU32::new(0),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            timed: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            probed: AtomicU64::new(0),
            probes_failed: AtomicU64::new(0),
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
        let add = |count: &AtomicU64, more: u64| count.fetch_add(more, Ordering::Relaxed);
        if let Outcome::Good(waited) | Outcome::Error(waited) | Outcome::Left(waited) = outcome {
            add(&self.waited, u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX));
            add(&self.timed, 1);
        }
        let (is_broken, has_failed) = match outcome {
            Outcome::Good(_) => (false, false),
            Outcome::Error(_) => (false, true),
            Outcome::Broken => (true, true),
            // Nothing came of it: neither good nor bad, and a probe is free for another.
            Outcome::Left(_) => return false,
        };
        if entered.is_probing.swap(false, Ordering::Relaxed) {
            add(&self.probed, 1);
            add(&self.probes_failed, has_failed.into());
        }
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
            Mode::Serving => {
                // What failed until now is of before.
                self.forget_row();
                0
            }
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

    /// Why it is ejected, and until when; `None`: it is not.
    pub fn ejected(&self) -> Option<(Cause, Moment)> {
        self.judged().ejected.out()
    }

    /// Whether it is so unwell that not even those stay who are bound to it: checks say so, its
    /// breaker is open, or it has failed so often in a row; 0: however often.
    pub fn is_failing(&self, consecutive: u32) -> bool {
        self.checked().is_healthy() == Some(false)
            || self.judged().circuit.is_open()
            || (consecutive > 0 && self.broken_in_a_row() >= consecutive)
    }

    /// How many of its answers were waited for how long together. Of one that fails it is not known.
    pub fn answers(&self) -> (u64, Duration) {
        let counts = self.counts();
        (counts.timed, Duration::from_nanos(counts.waited))
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
            timed: self.timed.load(Ordering::Relaxed),
            waited: self.waited.load(Ordering::Relaxed),
            probed: self.probed.load(Ordering::Relaxed),
            probes_failed: self.probes_failed.load(Ordering::Relaxed),
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
            timed: self.timed.saturating_sub(earlier.timed),
            // So many wait at one time that this goes round within weeks.
            waited: self.waited.wrapping_sub(earlier.waited),
            probed: self.probed.saturating_sub(earlier.probed),
            probes_failed: self.probes_failed.saturating_sub(earlier.probes_failed),
        }
    }
}

#[cfg(test)]
mod tests;
