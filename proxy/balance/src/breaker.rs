//! The circuit breaker of one endpoint.

use std::collections::VecDeque;
use std::time::Duration;

use marchproxy_conf::model::Breaker;
use marchproxy_decide::exchange::Moment;

use crate::standing::Counts;

/// Into how many parts the window is cut: it slides by one at a time.
const PARTS: u32 = 10;

/// The circuit breaker of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Circuit {
    state: Circuits,
    /// What was counted at the beginning of each part of the window, the oldest first.
    samples: VecDeque<(Moment, Counts)>,
}

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Circuits {
    /// All.
    #[default]
    Closed,
    /// Nothing, until then.
    Open(Moment),
    /// A few, since then; what was counted at that time.
    HalfOpen(Moment, Counts),
}

/// A change of a breaker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trip {
    /// Too much failed.
    Opened,
    /// It was open for long enough: a few requests may try.
    HalfOpened,
    /// They succeeded.
    Closed,
}

impl Circuit {
    pub fn is_open(&self) -> bool {
        matches!(self.state, Circuits::Open(_))
    }

    pub fn is_half_open(&self) -> bool {
        matches!(self.state, Circuits::HalfOpen(..))
    }

    /// There is no breaker.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Looks at what has been counted until `now`. `probe` is called when requests may enter, with
    /// how many; `None`: all.
    pub fn look(
        &mut self,
        policy: &Breaker,
        counts: Counts,
        now: Moment,
        mut probe: impl FnMut(Option<u32>),
    ) -> Option<Trip> {
        match self.state {
            Circuits::Closed => {
                let window = self.window(policy.window.duration(), counts, now);
                let enough = window.answered >= u64::from(policy.requests);
                // `100%` opens as well.
                let limit = u64::from(policy.failures.as_percent()).saturating_mul(window.answered);
                if !enough || window.failed.saturating_mul(100) < limit {
                    return None;
                }
                self.open(policy, now);
                Some(Trip::Opened)
            }
            Circuits::Open(until) if now >= until => {
                self.state = Circuits::HalfOpen(now, counts);
                probe(Some(policy.probes));
                Some(Trip::HalfOpened)
            }
            Circuits::Open(_) => None,
            Circuits::HalfOpen(since, before) => {
                let probes = counts.since(before);
                // What ran before it opened says nothing of how it is now.
                if probes.probes_failed > 0 {
                    self.open(policy, now);
                    return Some(Trip::Opened);
                }
                if probes.probed >= u64::from(policy.probes) {
                    self.reset();
                    probe(None);
                    return Some(Trip::Closed);
                }
                // Probes may have vanished with their clients.
                if now.since(since) >= policy.open.duration() {
                    self.state = Circuits::HalfOpen(now, counts);
                    probe(Some(policy.probes));
                }
                None
            }
        }
    }

    /// When there will be something to look at even if nothing happens.
    pub fn next(&self, policy: &Breaker, now: Moment) -> Moment {
        let part = policy.window.duration() / PARTS;
        match self.state {
            Circuits::Closed => now.after(part),
            Circuits::Open(until) => until,
            Circuits::HalfOpen(since, _) => since.after(policy.open.duration()),
        }
    }

    fn open(&mut self, policy: &Breaker, now: Moment) {
        self.state = Circuits::Open(now.after(policy.open.duration()));
    }

    /// What was counted within the window that ends now.
    fn window(&mut self, window: Duration, counts: Counts, now: Moment) -> Counts {
        // The oldest sample that is kept begins the window, so the one after it must be too young.
        while self.samples.get(1).is_some_and(|(at, _)| now.since(*at) >= window) {
            self.samples.pop_front();
        }
        let part = window / PARTS;
        if self.samples.back().is_none_or(|(at, _)| now.since(*at) >= part) {
            self.samples.push_back((now, counts));
        }
        let begin = self.samples.front().map(|(_, counts)| *counts).unwrap_or_default();
        counts.since(begin)
    }
}

#[cfg(test)]
mod tests;
