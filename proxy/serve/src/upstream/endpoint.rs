//! A server that requests can be sent to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::HeaderValue;
use marchproxy_balance::{Entered, Latency, Outcome, Standing, State};
use pingora_core::upstreams::peer::HttpPeer;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::Upstream;
use super::address::Address;
use super::allowance::Allowance;
use super::spread::hash;
use super::sticky::{Cookie, Sticky};
use crate::clock;

/// A server that requests can be sent to.
pub struct Endpoint {
    /// Where it is.
    pub address: Address,
    /// The same as text, for logs.
    pub label: Arc<str>,
    /// How Pingora connects to it.
    pub peer: HttpPeer,
    /// What is known of it. A reload that changes its upstream keeps that.
    pub standing: Arc<Standing>,
    /// What tells it from all others of this process.
    pub(super) number: u64,
    /// The name it was found by, if it was: TLS verifies it.
    pub(super) name: Option<Box<str>>,
    /// Its share of requests as configured, relative to the others.
    pub(super) weight: u32,
    /// Whether it is in the proxy's own zone.
    pub(super) is_local: bool,
    /// What names it in cookies, and for keys: the same in all processes.
    pub(super) tag: u64,
    /// The cookie by which clients come back to it, if they are to.
    pub(super) cookie: Option<Cookie>,
    /// How many connections it may have together with the others of its upstream.
    allowance: Option<Arc<Allowance>>,
    /// Whether somebody checks its health.
    pub(super) is_checked: AtomicBool,
    /// Whether the last connection to it could not be made.
    is_failing: AtomicBool,
}

/// What tells an endpoint from the others of its upstream, also after a reload.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Identity {
    pub address: Address,
    pub name: Option<Box<str>>,
}

impl Endpoint {
    pub(super) fn new(
        identity: Identity,
        (weight, is_local): (u32, bool),
        peer: HttpPeer,
        standing: Arc<Standing>,
        (sticky, allowance): (Option<&Sticky>, Option<Arc<Allowance>>),
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let Identity { address, name } = identity;
        let label: Arc<str> = address.to_string().into();
        let tag = hash(label.as_bytes());
        Self {
            address,
            tag,
            cookie: sticky.and_then(|sticky| sticky.cookie(tag)),
            allowance,
            label,
            is_local,
            peer,
            standing,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            name,
            weight,
            is_checked: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
        }
    }

    pub(super) fn identity(&self) -> Identity {
        Identity { address: self.address.clone(), name: self.name.clone() }
    }

    /// How many wait for a connection of its upstream.
    pub(super) fn shortage(&self) -> usize {
        self.allowance.as_ref().map_or(0, |allowance| allowance.waiting())
    }

    /// Says, once until it works again, why no connection to it can be made.
    pub(super) fn fails(&self, upstream: &Upstream, why: &str) {
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            let (upstream, endpoint) = (&*upstream.name, &*self.label);
            tracing::warn!(upstream, endpoint, error = why, "cannot connect to an endpoint");
        }
    }

    /// A connection to it has been made.
    pub(super) fn works(&self, upstream: &Upstream) {
        if self.is_failing.swap(false, Ordering::Relaxed) {
            let (upstream, endpoint) = (&*upstream.name, &*self.label);
            tracing::info!(upstream, endpoint, "connecting to an endpoint works again");
        }
    }

    /// What people are told of it.
    pub fn status(&self, state: State) -> Value {
        let now = clock::now();
        let ejected = self.standing.ejected().map(|(cause, until)| {
            json!({ "cause": cause.as_str(), "seconds_left": until.since(now).as_secs() })
        });
        json!({
            "address": &*self.label,
            "weight": self.weight(),
            "state": state.as_str(),
            "running": self.standing.running(),
            "check_error": self.standing.checked().why(),
            "ejected": ejected,
        })
    }

    /// Its share of requests, relative to the others.
    pub fn weight(&self) -> u32 {
        self.standing.weight(self.weight)
    }
}

/// What all places at the endpoints of one upstream have in common.
#[derive(Debug, Default)]
pub(super) struct Hub {
    /// Wakes whoever looks after the endpoints.
    pub keeper: Notify,
    /// Requests at this moment.
    running: AtomicU64,
}

impl Hub {
    pub fn running(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }
}

/// A place at an endpoint, held by one request.
pub struct Seat {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    entered: Entered,
    hub: Arc<Hub>,
}

impl Seat {
    /// A place, unless the endpoint has none.
    pub(super) fn take(endpoint: &Arc<Endpoint>, limit: u32, hub: &Arc<Hub>) -> Option<Self> {
        let entered = endpoint.standing.enter(limit)?;
        hub.running.fetch_add(1, Ordering::Relaxed);
        Some(Self { endpoint: Arc::clone(endpoint), entered, hub: Arc::clone(hub) })
    }

    /// What tells its endpoint from all others.
    pub fn number(&self) -> u64 {
        self.endpoint.number
    }

    /// What the answers of its endpoint took.
    pub fn latency(&self) -> &Latency {
        &self.endpoint.standing.latency
    }

    /// The field that gives a client the cookie of its endpoint, unless its cookie had this tag.
    pub fn cookie(&self, tag: Option<u64>, is_secure: bool) -> Option<HeaderValue> {
        let cookie = self.endpoint.cookie.as_ref().filter(|_| tag != Some(self.endpoint.tag))?;
        Some(cookie.field(is_secure))
    }

    /// Notes what became of the request.
    pub fn note(&self, outcome: Outcome) {
        if self.endpoint.standing.note(&self.entered, outcome) {
            self.hub.keeper.notify_one();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.running.fetch_sub(1, Ordering::Relaxed);
        self.endpoint.standing.leave(&self.entered);
    }
}
