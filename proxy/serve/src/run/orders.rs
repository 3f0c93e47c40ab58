//! Doing what an operator orders by the local socket.

use std::sync::Arc;

use marchproxy_balance::Mode;
use serde_json::{Value, json};

use super::status::State;
use crate::edge::CacheStore;
use crate::local::{Change, Order, Purge, Reply};
use crate::upstream::Upstream;

/// The largest weight, as in a configuration.
const LARGEST_WEIGHT: u32 = 1000;

impl State {
    /// Does what is ordered, or says why not.
    pub(super) fn follow(&self, order: Order) -> Reply {
        let done = match order {
            Order::Upstreams { upstream } => self.tell_upstreams(upstream.as_deref()),
            Order::Endpoint { upstream, endpoint, change } => {
                let upstream = self.find(&upstream);
                upstream.and_then(|upstream| self.change(&upstream, &endpoint, change))
            }
            Order::Cache => self.tell_cache(),
            Order::Purge(purge) => self.purge(&purge),
        };
        done.map_or_else(Reply::Refused, Reply::Done)
    }

    fn tell_upstreams(&self, name: Option<&str>) -> Result<Value, String> {
        let upstreams = match name {
            None => self.upstreams(),
            Some(name) => vec![self.find(name)?],
        };
        Ok(upstreams.iter().map(|upstream| upstream.status()).collect())
    }

    fn tell_cache(&self) -> Result<Value, String> {
        let store = self.store()?;
        let figures = self.look_at(&store);
        Ok(json!({
            "memory": store.memory(),
            "bytes": figures.bytes,
            "entries": figures.entries,
            "evictions": figures.evictions,
        }))
    }

    fn purge(&self, purge: &Purge) -> Result<Value, String> {
        let store = self.store()?;
        let purged = match purge {
            Purge::Url(url) => store.purge_url(url).ok_or_else(|| {
                format!("`{url}` is no URL; write it like `https://shop.example.com/a?b=c`")
            })?,
            Purge::Tag(tag) => store.purge_tag(tag),
            Purge::All => store.purge_all(),
        };
        tracing::info!(?purge, purged, "an operator has purged the cache");
        Ok(json!({ "purged": purged }))
    }

    fn store(&self) -> Result<Arc<CacheStore>, String> {
        self.cache().ok_or_else(|| "the configuration has no `cache`".to_owned())
    }

    fn find(&self, name: &str) -> Result<Arc<Upstream>, String> {
        let upstreams = self.upstreams();
        let found = upstreams.iter().find(|upstream| *upstream.name == *name);
        found.cloned().ok_or_else(|| {
            let names: Vec<&str> = upstreams.iter().map(|upstream| &*upstream.name).collect();
            format!("there is no upstream `{name}`; there are: {}", names.join(", "))
        })
    }

    fn change(
        &self,
        upstream: &Arc<Upstream>,
        address: &str,
        change: Change,
    ) -> Result<Value, String> {
        if let Change::Weight(Some(weight)) = change
            && !(1..=LARGEST_WEIGHT).contains(&weight)
        {
            return Err(format!("a weight is a number from 1 to {LARGEST_WEIGHT}"));
        }
        let endpoints = upstream.endpoints();
        let found: Vec<_> = endpoints
            .iter()
            .map(|(endpoint, _)| endpoint)
            .filter(|one| &*one.label == address)
            .collect();
        if found.is_empty() {
            let known: Vec<&str> = endpoints.iter().map(|(endpoint, _)| &*endpoint.label).collect();
            let (name, known) = (&upstream.name, known.join(", "));
            return Err(format!("upstream `{name}` has no endpoint {address}; it has: {known}"));
        }
        for endpoint in found {
            match change {
                Change::Drain => endpoint.standing.set_mode(Mode::Draining),
                Change::Disable => endpoint.standing.set_mode(Mode::Disabled),
                Change::Enable => endpoint.standing.set_mode(Mode::Serving),
                Change::Weight(weight) => endpoint.standing.set_weight(weight),
            }
            let (upstream, endpoint) = (&*upstream.name, &*endpoint.label);
            tracing::info!(upstream, endpoint, ?change, "an operator has changed an endpoint");
        }
        upstream.look_now(self.observer());
        Ok(json!({ "upstream": &*upstream.name, "endpoint": address }))
    }
}
