//! The one who looks after the endpoints of an upstream, on the control thread.

use std::sync::{Arc, Weak};
use std::time::Duration;

use marchproxy_balance::{Event, State, Trip};
use marchproxy_decide::exchange::Moment;
use tokio::time::sleep;

use super::Upstream;
use crate::clock::{self, Alarm};
use crate::observe::Observer;

/// However much fails, endpoints are looked at no more often.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks whenever something calls for it, until the upstream is no more.
pub(super) async fn keep(upstream: Weak<Upstream>, observer: Arc<Observer>) {
    let Some(hub) = upstream.upgrade().map(|upstream| Arc::clone(&upstream.hub)) else {
        return;
    };
    let mut alarm = Alarm::default();
    loop {
        let Some(held) = upstream.upgrade() else { return };
        let again = held.look(&observer);
        drop(held);
        let again = again.unwrap_or(Moment::from_nanos(u64::MAX));
        tokio::select! {
            () = hub.keeper.notified() => {}
            () = alarm.until(again) => {}
        }
        sleep(PAUSE).await;
    }
}

impl Upstream {
    /// Looks at all endpoints; what is found holds for the next request. When to look again.
    pub(super) fn look(self: &Arc<Self>, observer: &Arc<Observer>) -> Option<Moment> {
        let was_panic = self.endpoints.load().is_panic;
        let review = self.judge();
        let endpoints = self.endpoints.load();
        if endpoints.is_panic && !was_panic {
            let upstream = &*self.name;
            tracing::error!(upstream, "too few endpoints are well: all of them are used");
        } else if was_panic && !endpoints.is_panic {
            let upstream = &*self.name;
            tracing::info!(upstream, "only endpoints that are well are used again");
        }
        for (at, event) in review.events {
            let Some(endpoint) = endpoints.list.get(at) else { continue };
            let (upstream, endpoint) = (&*self.name, &*endpoint.label);
            match event {
                Event::Ejected(cause) => {
                    observer.metrics.upstreams.ejected(upstream, cause);
                    tracing::warn!(
                        upstream,
                        endpoint,
                        cause = cause.as_str(),
                        "an endpoint is ejected"
                    );
                }
                Event::Returned => tracing::info!(upstream, endpoint, "an endpoint is back"),
                Event::Tripped(Trip::Opened) => {
                    observer.metrics.upstreams.tripped(upstream);
                    tracing::warn!(upstream, endpoint, "the breaker of an endpoint opens");
                }
                Event::Tripped(Trip::HalfOpened) => {
                    tracing::info!(upstream, endpoint, "the breaker of an endpoint is half open");
                }
                Event::Tripped(Trip::Closed) => {
                    tracing::info!(upstream, endpoint, "the breaker of an endpoint closes");
                }
            }
        }
        let missing = self.missing().into_iter().map(|_| State::Unhealthy);
        let states = endpoints.iter().map(|(_, state)| state).chain(missing);
        observer.metrics.upstreams.states(&self.name, states);
        self.start_checks(observer);
        let soonest = |one: Moment, other: Option<Moment>| other.map_or(one, |at| one.min(at));
        match self.adapt() {
            Some(at) => Some(soonest(at, review.again)),
            None => review.again,
        }
    }

    /// Has the limit on requests follow how long answers take. When to do so again.
    fn adapt(&self) -> Option<Moment> {
        self.config.limits.adaptive.as_ref()?;
        let mut all = (0_u64, Duration::ZERO);
        for endpoint in self.listed.load().iter() {
            let (answers, waited) = endpoint.standing.answers();
            all = (all.0.saturating_add(answers), all.1.saturating_add(waited));
        }
        self.gate.adapt(clock::now(), all.0, all.1, self.hub.running())
    }
}
