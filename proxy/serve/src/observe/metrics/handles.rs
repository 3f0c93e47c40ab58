//! What a request counts with: found by position, without looking a name up.

use std::time::Duration;

use marchproxy_decide::exchange::Exchange;
use marchproxy_decide::snapshot::Snapshot;
use marchproxy_decide::verdict::{Fault, Reason};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

/// The classes of a status, as they are labelled.
pub(super) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The families that are counted by request.
pub(super) struct Families {
    pub(super) requests: IntCounterVec,
    pub(super) durations: HistogramVec,
    pub(super) bytes_in: IntCounterVec,
    pub(super) bytes_out: IntCounterVec,
    pub(super) refusals: IntCounterVec,
    pub(super) policy_refusals: IntCounterVec,
    pub(super) upstream_requests: IntCounterVec,
    pub(super) first_bytes: HistogramVec,
}

/// What the requests of one snapshot count with.
pub struct Handles {
    routes: Vec<Route>,
    no_route: Route,
    upstreams: Vec<Upstream>,
    /// In the order of [`Reason::ALL`].
    refusals: Vec<IntCounter>,
    policies: Vec<IntCounter>,
}

struct Route {
    requests: [IntCounter; 5],
    duration: Histogram,
    bytes_in: IntCounter,
    bytes_out: IntCounter,
}

struct Upstream {
    requests: [IntCounter; 5],
    first_byte: Histogram,
}

impl Families {
    pub(super) fn handles(&self, snapshot: &Snapshot) -> Handles {
        let refusal = |reason: &Reason| self.refusals.with_label_values(&[reason.code()]);
        Handles {
            routes: snapshot.routes.iter().map(|route| self.route(&route.name)).collect(),
            no_route: self.route("none"),
            upstreams: snapshot.upstreams.iter().map(|to| self.upstream(&to.name)).collect(),
            refusals: Reason::ALL.iter().map(refusal).collect(),
            policies: snapshot.policies.iter().map(|policy| self.policy(&policy.name)).collect(),
        }
    }

    /// A policy is gone: nothing more is told of it.
    pub(super) fn forget_policy(&self, name: &str) {
        let _ = self.policy_refusals.remove_label_values(&[name]);
    }

    /// A route is gone: nothing more is told of it.
    pub(super) fn forget_route(&self, name: &str) {
        for class in CLASSES {
            let _ = self.requests.remove_label_values(&[name, class]);
        }
        let _ = self.durations.remove_label_values(&[name]);
        let _ = self.bytes_in.remove_label_values(&[name]);
        let _ = self.bytes_out.remove_label_values(&[name]);
    }

    /// An upstream is gone: nothing more is told of it.
    pub(super) fn forget_upstream(&self, name: &str) {
        for class in CLASSES {
            let _ = self.upstream_requests.remove_label_values(&[name, class]);
        }
        let _ = self.first_bytes.remove_label_values(&[name]);
    }

    fn policy(&self, name: &str) -> IntCounter {
        self.policy_refusals.with_label_values(&[name])
    }

    fn route(&self, name: &str) -> Route {
        Route {
            requests: CLASSES.map(|class| self.requests.with_label_values(&[name, class])),
            duration: self.durations.with_label_values(&[name]),
            bytes_in: self.bytes_in.with_label_values(&[name]),
            bytes_out: self.bytes_out.with_label_values(&[name]),
        }
    }

    fn upstream(&self, name: &str) -> Upstream {
        let requests = &self.upstream_requests;
        Upstream {
            requests: CLASSES.map(|class| requests.with_label_values(&[name, class])),
            first_byte: self.first_bytes.with_label_values(&[name]),
        }
    }
}

impl Handles {
    /// Counts a request that has ended.
    pub fn count(&self, exchange: &Exchange) {
        let class = class_of(exchange);
        let route = exchange.route.and_then(|position| self.routes.get(position));
        route.unwrap_or(&self.no_route).count(class, exchange);
        if let Some(reason) = exchange.reason {
            debug_assert_eq!(Reason::ALL.get(reason as usize), Some(&reason));
            if let Some(refusal) = self.refusals.get(reason as usize) {
                refusal.inc();
            }
        }
        if let Some(policy) = exchange.policy.and_then(|position| self.policies.get(position)) {
            policy.inc();
        }
        let upstream = exchange.upstream.and_then(|position| self.upstreams.get(position));
        if let Some(upstream) = upstream
            && was_to_be_forwarded(exchange)
        {
            upstream.count(class, exchange.marks.first_byte_took());
        }
    }
}

impl Route {
    fn count(&self, class: usize, exchange: &Exchange) {
        if let Some(requests) = self.requests.get(class) {
            requests.inc();
        }
        if let Some(total) = exchange.marks.total() {
            self.duration.observe(total.as_secs_f64());
        }
        self.bytes_in.inc_by(exchange.bytes_in);
        self.bytes_out.inc_by(exchange.bytes_out);
    }
}

impl Upstream {
    fn count(&self, class: usize, first_byte: Option<Duration>) {
        if let Some(requests) = self.requests.get(class) {
            requests.inc();
        }
        if let Some(took) = first_byte {
            self.first_byte.observe(took.as_secs_f64());
        }
    }
}

/// Refusals before an endpoint was even looked for say nothing about the upstream.
fn was_to_be_forwarded(exchange: &Exchange) -> bool {
    let upstream_failed = exchange.reason.is_some_and(|reason| reason.whose() == Fault::Upstream);
    exchange.attempts > 0 || upstream_failed
}

/// The position in [`CLASSES`].
fn class_of(exchange: &Exchange) -> usize {
    usize::from(exchange.status_told() / 100).clamp(1, CLASSES.len()) - 1
}
