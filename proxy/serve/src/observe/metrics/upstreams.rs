//! What is told of upstreams beside their requests.

use marchproxy_balance::{Cause, State};
use marchproxy_conf::model;
use prometheus::{IntCounterVec, IntGaugeVec};

use super::build::Builder;

/// What is told of upstreams beside their requests.
pub struct Upstreams {
    states: IntGaugeVec,
    panic: IntGaugeVec,
    waiting: IntGaugeVec,
    limit: IntGaugeVec,
    ejections: IntCounterVec,
    trips: IntCounterVec,
    checks: IntCounterVec,
    retries: IntCounterVec,
    mirrored: IntCounterVec,
}

/// What became of a wish to try a request again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retried {
    /// It is tried again.
    Done,
    /// The budget is spent.
    NoBudget,
    /// No endpoint is left that was not tried.
    NoEndpoint,
    /// Another endpoint is asked at the same time.
    Hedged,
}

/// What became of the copy of a request for a second upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mirrored {
    /// It was answered.
    Done,
    /// It failed, or was not taken fast enough.
    Failed,
    /// It was not begun: there are too many.
    Dropped,
}

impl Mirrored {
    const ALL: [Self; 3] = [Self::Done, Self::Failed, Self::Dropped];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

impl Retried {
    const ALL: [Self; 4] = [Self::Done, Self::NoBudget, Self::NoEndpoint, Self::Hedged];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NoBudget => "no_budget",
            Self::NoEndpoint => "no_endpoint",
            Self::Hedged => "hedged",
        }
    }
}

const RESULTS: [&str; 2] = ["failed", "ok"];
const CAUSES: [Cause; 3] = [Cause::Consecutive, Cause::Failures, Cause::Slow];

impl Upstreams {
    pub(super) fn new(build: &Builder<'_>) -> Result<Self, String> {
        Ok(Self {
            states: build.gauges("marchproxy_upstream_endpoints")?,
            panic: build.gauges("marchproxy_upstream_panic")?,
            waiting: build.gauges("marchproxy_upstream_waiting_requests")?,
            limit: build.gauges("marchproxy_upstream_request_limit")?,
            ejections: build.counters("marchproxy_upstream_ejections_total")?,
            trips: build.counters("marchproxy_upstream_breaker_openings_total")?,
            checks: build.counters("marchproxy_upstream_checks_total")?,
            retries: build.counters("marchproxy_upstream_retries_total")?,
            mirrored: build.counters("marchproxy_mirrored_requests_total")?,
        })
    }

    /// An upstream begins: what may happen to it has not happened yet.
    pub fn begin(&self, upstream: &model::Upstream) {
        let name = upstream.name.as_str();
        for cause in CAUSES {
            self.ejections.with_label_values(&[name, cause.as_str()]);
        }
        if upstream.breaker.is_some() {
            self.trips.with_label_values(&[name]);
        }
        if upstream.health.is_some() {
            for result in RESULTS {
                self.checks.with_label_values(&[name, result]);
            }
        }
        for retried in Retried::ALL {
            self.retries.with_label_values(&[name, retried.as_str()]);
        }
        for mirrored in Mirrored::ALL {
            self.mirrored.with_label_values(&[name, mirrored.as_str()]);
        }
    }

    /// How an upstream stands: whether all its endpoints are used because too few are well, how many
    /// requests wait, and how many there may be, if there is a limit.
    pub fn stands(&self, upstream: &str, is_panic: bool, waiting: usize, limit: Option<usize>) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.panic.with_label_values(&[upstream]).set(is_panic.into());
        self.waiting.with_label_values(&[upstream]).set(number(waiting));
        match limit {
            Some(limit) => self.limit.with_label_values(&[upstream]).set(number(limit)),
            None => {
                let _ = self.limit.remove_label_values(&[upstream]);
            }
        }
    }

    /// These are the states of an upstream's endpoints.
    pub fn states(&self, upstream: &str, states: impl Iterator<Item = State>) {
        let states: Vec<State> = states.collect();
        for state in State::ALL {
            let count = states.iter().filter(|one| **one == state).count();
            let gauge = self.states.with_label_values(&[upstream, state.as_str()]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// An endpoint was ejected.
    pub fn ejected(&self, upstream: &str, cause: Cause) {
        self.ejections.with_label_values(&[upstream, cause.as_str()]).inc();
    }

    /// The breaker of an endpoint has opened.
    pub fn tripped(&self, upstream: &str) {
        self.trips.with_label_values(&[upstream]).inc();
    }

    /// An endpoint was checked.
    pub fn checked(&self, upstream: &str, is_well: bool) {
        let [failed, ok] = RESULTS;
        let result = if is_well { ok } else { failed };
        self.checks.with_label_values(&[upstream, result]).inc();
    }

    /// A request should have been tried again.
    pub fn retried(&self, upstream: &str, retried: Retried) {
        self.retries.with_label_values(&[upstream, retried.as_str()]).inc();
    }

    /// A copy of a request was sent to a second upstream, or was not.
    pub fn mirrored(&self, upstream: &str, mirrored: Mirrored) {
        self.mirrored.with_label_values(&[upstream, mirrored.as_str()]).inc();
    }

    /// Nothing more is told of an upstream.
    pub(super) fn forget(&self, upstream: &str) {
        for state in State::ALL {
            let _ = self.states.remove_label_values(&[upstream, state.as_str()]);
        }
        for gauge in [&self.panic, &self.waiting, &self.limit] {
            let _ = gauge.remove_label_values(&[upstream]);
        }
        for cause in CAUSES {
            let _ = self.ejections.remove_label_values(&[upstream, cause.as_str()]);
        }
        let _ = self.trips.remove_label_values(&[upstream]);
        for result in RESULTS {
            let _ = self.checks.remove_label_values(&[upstream, result]);
        }
        for retried in Retried::ALL {
            let _ = self.retries.remove_label_values(&[upstream, retried.as_str()]);
        }
        for mirrored in Mirrored::ALL {
            let _ = self.mirrored.remove_label_values(&[upstream, mirrored.as_str()]);
        }
    }
}
