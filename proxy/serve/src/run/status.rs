//! What the process knows of itself, for the status listener.

use std::sync::{Arc, Mutex, PoisonError};

use marchproxy_cache::Figures;
use marchproxy_decide::limiter::Limiter;
use serde_json::{Value, json};

use crate::edge::CacheStore;
use crate::generation::Generation;
use crate::listen::table::{Failure, Listener};
use crate::observe::{Observer, StatusSource};
use crate::upstream::Upstream;

/// What the status listener tells.
pub(super) struct State {
    observer: Arc<Observer>,
    facts: Mutex<Facts>,
}

#[derive(Default)]
struct Facts {
    generation: Option<Arc<Generation>>,
    listeners: Vec<Arc<Listener>>,
    failures: Vec<Failure>,
    last_reload_error: Option<String>,
    draining: bool,
}

impl State {
    pub(super) fn new(observer: Arc<Observer>) -> Self {
        Self { observer, facts: Mutex::default() }
    }

    /// Where what happens is counted.
    pub(super) fn observer(&self) -> &Arc<Observer> {
        &self.observer
    }

    /// This is what serves now.
    pub(super) fn serving<'a>(
        &self,
        generation: &Arc<Generation>,
        failures: &[Failure],
        listeners: impl Iterator<Item = &'a Arc<Listener>>,
    ) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.generation = Some(Arc::clone(generation));
        facts.failures = failures.to_vec();
        facts.listeners = listeners.cloned().collect();
    }

    /// A reload took place.
    pub(super) fn reloaded(&self) {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).last_reload_error = None;
    }

    /// A reload was refused.
    pub(super) fn refused(&self, error: String) {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).last_reload_error = Some(error);
    }

    /// The upstreams that serve now.
    pub(super) fn upstreams(&self) -> Vec<Arc<Upstream>> {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.generation.as_ref().map(|generation| generation.upstreams.clone()).unwrap_or_default()
    }

    /// What limits count now.
    fn limiter(&self) -> Option<Arc<Limiter>> {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&facts.generation.as_ref()?.limiter))
    }

    /// What answers are kept in now.
    pub(super) fn cache(&self) -> Option<Arc<CacheStore>> {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.generation.as_ref()?.cache.clone()
    }

    /// Looks what is in it, and lets the metrics tell it.
    pub(super) fn look_at(&self, store: &CacheStore) -> Figures {
        store.tell(&self.observer)
    }

    /// The process comes to its end.
    pub(super) fn draining(&self) {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).draining = true;
    }
}

impl StatusSource for State {
    fn ready(&self) -> Result<(), String> {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if facts.generation.is_none() {
            return Err("starting".to_owned());
        }
        if facts.draining {
            return Err("draining".to_owned());
        }
        // One port in use must not take the others out of service: `/status` tells of it.
        if facts.listeners.is_empty() && !facts.failures.is_empty() {
            return Err("no listener can be opened".to_owned());
        }
        Ok(())
    }

    fn metrics(&self) -> Result<Vec<u8>, String> {
        match self.cache() {
            Some(store) => {
                self.look_at(&store);
            }
            None => self.observer.metrics.cache.holds(0, 0),
        }
        if let Some(limiter) = self.limiter() {
            self.observer.metrics.keys_forgotten(limiter.forgotten());
        }
        for upstream in self.upstreams() {
            let (waiting, limit) = (upstream.gate.waiting(), upstream.gate.limit());
            let is_panic = upstream.endpoints().is_panic;
            self.observer.metrics.upstreams.stands(&upstream.name, is_panic, waiting, limit);
        }
        self.observer.metrics.render()
    }

    fn status(&self) -> Value {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(generation) = &facts.generation else { return Value::Null };
        let open = facts.listeners.iter().map(|listener| {
            json!({
                "name": &*listener.name,
                "address": listener.address.to_string(),
                "connections": listener.connections(),
            })
        });
        let failed = facts.failures.iter().map(|failure| {
            json!({
                "name": failure.name,
                "address": failure.address.to_string(),
                "error": failure.error,
            })
        });
        let upstreams = generation.upstreams.iter().map(|upstream| upstream.status());
        json!({
            "pid": std::process::id(),
            "generation": generation.snapshot.generation,
            "digest": generation.snapshot.digest,
            "listeners": open.chain(failed).collect::<Vec<_>>(),
            "upstreams": upstreams.collect::<Vec<_>>(),
            "last_reload_error": facts.last_reload_error,
        })
    }
}
