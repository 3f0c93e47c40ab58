//! A server that requests can be sent to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use marchproxy_balance::{Outcome, Standing, State};
use pingora_core::upstreams::peer::HttpPeer;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::Upstream;

/// A server that requests can be sent to.
pub struct Endpoint {
    /// Where it is.
    pub address: SocketAddr,
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
    /// Whether somebody checks its health.
    pub(super) is_checked: AtomicBool,
    /// Whether the last connection to it could not be made.
    is_failing: AtomicBool,
}

/// What tells an endpoint from the others of its upstream, also after a reload.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Identity {
    pub address: SocketAddr,
    pub name: Option<Box<str>>,
}

impl Endpoint {
    pub(super) fn new(
        identity: Identity,
        weight: u32,
        peer: HttpPeer,
        standing: Arc<Standing>,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let Identity { address, name } = identity;
        Self {
            address,
            label: address.to_string().into(),
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
        Identity { address: self.address, name: self.name.clone() }
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
        json!({
            "address": &*self.label,
            "weight": self.weight(),
            "state": state.as_str(),
            "running": self.standing.running(),
            "check_error": self.standing.checked().why(),
        })
    }

    /// Its share of requests, relative to the others.
    pub fn weight(&self) -> u32 {
        self.standing.weight(self.weight)
    }
}

/// A place at an endpoint, held by one request.
pub struct Seat {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    keeper: Arc<Notify>,
}

impl Seat {
    /// A place, unless the endpoint has none.
    pub(super) fn take(endpoint: &Arc<Endpoint>, limit: u32, keeper: &Arc<Notify>) -> Option<Self> {
        let has_entered = endpoint.standing.enter(limit);
        has_entered.then(|| Self { endpoint: Arc::clone(endpoint), keeper: Arc::clone(keeper) })
    }

    /// What tells its endpoint from all others.
    pub fn number(&self) -> u64 {
        self.endpoint.number
    }

    /// Notes what became of the request.
    pub fn note(&self, outcome: Outcome) {
        if self.endpoint.standing.note(outcome) {
            self.keeper.notify_one();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.endpoint.standing.leave();
    }
}
