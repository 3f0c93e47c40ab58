//! The cache as it is configured: the one store, and what each route makes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::HeaderName;
use marchproxy_cache::{Cache, Figures, Key, Limits, Policy};
use marchproxy_conf::model::{self, ClientControl, Config, Route};
use marchproxy_conf::values::{FieldName, Time};
use marchproxy_decide::exchange::Exchange;
use marchproxy_decide::path;

use crate::observe::Observer;
use crate::observe::metrics::CacheAnswers;
use crate::upstream::hash;

/// Stale answers that are refreshed at one time; more wait for the next request for them.
const MOST_REFRESHES: usize = 256;

/// What is kept, for all routes and workers. A reload that does not change its bounds keeps it.
#[derive(Debug)]
pub struct CacheStore {
    pub(super) cache: Cache,
    limits: Limits,
    refreshing: AtomicUsize,
    /// Evictions that have been told of.
    told: AtomicU64,
}

/// Room to refresh one stale answer.
pub(super) struct Refreshing(Arc<CacheStore>);

/// What one route makes of the cache.
pub struct CacheRules {
    pub(super) store: Arc<CacheStore>,
    pub(super) policy: Arc<Policy>,
    /// How long a request waits for another one that is fetching the same.
    pub(super) wait: Duration,
    /// What its answers count with.
    pub answers: CacheAnswers,
    /// The upstream that `space` is for.
    upstream: Box<str>,
    space: Arc<str>,
}

impl CacheRules {
    /// The fields by which clients are known, beside `Authorization`.
    pub fn credentials(&self) -> &[HeaderName] {
        &self.policy.credentials
    }
}

impl CacheStore {
    /// The store of a configuration, if it has one: that which was there, if its bounds are the same.
    pub fn of(config: &Config, old: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        let wanted = config.cache.as_ref()?;
        let limits = Limits {
            bytes: usize::try_from(wanted.memory.bytes()).unwrap_or(usize::MAX),
            variants: usize::try_from(wanted.variants).unwrap_or(usize::MAX),
        };
        if let Some(old) = old.filter(|old| old.limits == limits) {
            return Some(Arc::clone(old));
        }
        let (refreshing, told) = (AtomicUsize::new(0), AtomicU64::new(0));
        Some(Arc::new(Self { cache: Cache::new(limits), limits, refreshing, told }))
    }

    /// Tells what is in it.
    pub fn tell(&self, observer: &Observer) -> Figures {
        let figures = self.cache.figures();
        let metrics = &observer.metrics.cache;
        metrics.holds(figures.bytes, figures.entries);
        let told = self.told.fetch_max(figures.evictions, Ordering::Relaxed);
        metrics.evicted(figures.evictions.saturating_sub(told));
        figures
    }

    /// The most bytes that may be in it.
    pub fn memory(&self) -> usize {
        self.limits.bytes
    }

    /// Removes the answers for a URL. How many there were; `None`: it is no URL of a request.
    pub fn purge_url(&self, url: &str) -> Option<usize> {
        Some(self.cache.purge_key(&Key::of_uri(url, &normalise)?))
    }

    /// Removes the answers with a tag. How many there were.
    pub fn purge_tag(&self, tag: &str) -> usize {
        self.cache.purge_tag(tag.as_bytes())
    }

    /// Removes all answers. How many there were.
    pub fn purge_all(&self) -> usize {
        self.cache.purge_all()
    }

    /// Room to refresh one more answer, if there is any.
    pub(super) fn refreshes(self: &Arc<Self>) -> Option<Refreshing> {
        let more = |count: usize| (count < MOST_REFRESHES).then_some(count.saturating_add(1));
        let taken = self.refreshing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.is_ok().then(|| Refreshing(Arc::clone(self)))
    }
}

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.0.refreshing.fetch_sub(1, Ordering::Relaxed);
    }
}

impl CacheRules {
    /// The rules of each route of a configuration, at its position.
    pub fn of(
        config: &Config,
        store: Option<&Arc<CacheStore>>,
        observer: &Observer,
    ) -> Vec<Option<Self>> {
        let largest = config.cache.as_ref().map_or(0, |cache| cache.largest.bytes());
        let rules = |route: &Route| {
            let (wanted, upstream) = (route.cache.as_ref()?, route.upstream.as_ref()?);
            Some(Self {
                store: Arc::clone(store?),
                policy: Arc::new(policy(wanted, largest)),
                wait: wanted.wait.duration(),
                answers: observer.metrics.cache.answers(route.name.as_str()),
                upstream: upstream.as_str().into(),
                space: space(route).into(),
            })
        };
        config.routes.iter().map(rules).collect()
    }

    /// What else than the key decides which answer a request gets: the route as it is configured,
    /// the upstream that was chosen, and the host that a trusted proxy was asked for, which
    /// upstreams are told of.
    pub(super) fn space(&self, exchange: &Exchange, upstream: &str) -> Arc<str> {
        let outer = exchange.outer_authority();
        if *self.upstream == *upstream && outer == exchange.authority() {
            return Arc::clone(&self.space);
        }
        // A name has no blank in it.
        [&*self.space, upstream, outer].join(" ").into()
    }
}

/// The route's name, and what its answers depend on: after a change of that, none is used that came
/// before.
fn space(route: &Route) -> String {
    let Route { name, matches, upstream, rewrite, request_headers, cache, .. } = route;
    let parts = serde_json::to_vec(&(matches, upstream, rewrite, request_headers, cache));
    // Plain values: writing them cannot fail.
    format!("{name} {:016x}", hash(&parts.unwrap_or_default()))
}

fn policy(wanted: &model::RouteCache, largest: u64) -> Policy {
    let name = |field: &FieldName| HeaderName::from_bytes(field.as_str().as_bytes()).ok();
    Policy {
        default_lifetime: wanted.default.map(Time::duration),
        stale_while_revalidate: wanted.stale_while_revalidate.duration(),
        stale_if_error: wanted.stale_if_error.duration(),
        heeds_clients: wanted.client_control == ClientControl::Heed,
        credentials: wanted.credentials.iter().filter_map(name).collect(),
        largest_body: usize::try_from(largest).unwrap_or(usize::MAX),
        tags: wanted.tag_field.as_ref().and_then(name),
        targeted: wanted.control_field.as_ref().and_then(name),
        ..Policy::default()
    }
}

/// A path in the form that requests have it in.
pub(super) fn normalise(path: &str) -> Option<String> {
    path::normalise(path.as_bytes()).ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use marchproxy_conf::model::Cache as Wanted;

    use super::*;

    fn store(wanted: Wanted, old: Option<&Arc<CacheStore>>) -> Arc<CacheStore> {
        CacheStore::of(&Config { cache: Some(wanted), ..Config::default() }, old).unwrap()
    }

    #[test]
    fn no_more_answers_are_refreshed_at_one_time_than_the_bound() {
        let store = store(Wanted::default(), None);
        let mut running: Vec<_> = (0..MOST_REFRESHES).filter_map(|_| store.refreshes()).collect();
        assert_eq!(running.len(), MOST_REFRESHES);
        assert!(store.refreshes().is_none());
        running.pop();
        assert!(store.refreshes().is_some());
    }

    #[test]
    fn a_store_is_kept_while_its_bounds_are_the_same() {
        let old = store(Wanted::default(), None);
        let largest = "2MiB".parse().unwrap();
        let same = store(Wanted { largest, ..Wanted::default() }, Some(&old));
        assert!(Arc::ptr_eq(&old, &same), "the largest answer is no bound of the store");
        let other = store(Wanted { variants: 7, ..Wanted::default() }, Some(&old));
        assert!(!Arc::ptr_eq(&old, &other));
        assert!(CacheStore::of(&Config::default(), Some(&old)).is_none());
    }
}
