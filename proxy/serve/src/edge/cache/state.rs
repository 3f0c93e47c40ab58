//! How far a request is with the cache.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use marchproxy_cache::policy::{Bypass, Refusal};
use marchproxy_cache::{
    Answered, Asked, CACHE_STATUS, CacheStatus, Fetch, Filling, Hit, Key, Look, Now,
};
use marchproxy_decide::exchange::{Cached, DeclaredBody, Exchange};
use marchproxy_decide::verdict::{Fault, Reason};

use super::super::{AnswerHead, Flow};
use super::rules::{CacheRules, normalise};
use crate::clock;
use crate::observe::metrics::Metrics;

/// The name of this cache in `Cache-Status`.
pub(super) const NAME: &str = "marchproxy";

/// How far a request is with the cache.
#[derive(Debug, Default)]
pub struct Caching {
    key: Option<Arc<Key>>,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// The cache has nothing to do with it, or not any more.
    #[default]
    Aside,
    /// The cache has nothing to do with it, but is told what comes of it.
    Passes(Bypass),
    /// It goes to the upstream. What the proxy itself has written into the request is noted.
    Fetches(Box<Fetch>, Vec<HeaderName>),
    /// Its answer goes into the cache.
    Stores(Box<Filling>),
    /// The client gets this instead of the upstream's answer.
    Instead(Box<Stored>),
}

/// An answer from the cache, and what is told of it.
#[derive(Debug)]
pub struct Stored {
    pub(super) hit: Hit,
    pub(super) cached: Cached,
    pub(super) told: CacheStatus,
}

impl Caching {
    /// Of a request that goes to the upstream for the cache.
    pub(super) fn fetching(fetch: Box<Fetch>) -> Self {
        Self { key: None, state: State::Fetches(fetch, Vec::new()) }
    }

    /// Makes the request that goes to the upstream what the cache needs. `asked` are the fields as
    /// the client sent them.
    pub fn prepare(&mut self, asked: &HeaderMap, outbound: &mut HeaderMap) {
        let State::Fetches(fetch, own) = &mut self.state else { return };
        let differs =
            |name: &&HeaderName| !asked.get_all(*name).iter().eq(outbound.get_all(*name).iter());
        own.extend(outbound.keys().filter(differs).cloned());
        fetch.prepare(outbound);
    }

    /// Takes a piece of the answer that the client gets, too.
    pub fn add(&mut self, piece: &Bytes) {
        if let State::Stores(filling) = &mut self.state {
            filling.add(piece);
        }
    }
}

impl Drop for Caching {
    /// Whoever waits for a request that was broken off takes its place.
    fn drop(&mut self) {
        match std::mem::take(&mut self.state) {
            State::Fetches(fetch, _) => fetch.hand_over(),
            State::Stores(filling) => filling.hand_over(),
            State::Aside | State::Passes(_) | State::Instead(_) => {}
        }
    }
}

impl Flow {
    /// What the route makes of the cache, if it has one.
    pub fn cache_rules(&self) -> Option<&CacheRules> {
        self.arrival.generation.cache_rules.get(self.exchange.route?)?.as_ref()
    }

    /// Looks at the cache; `None`: the request cannot have a place in it.
    pub(super) fn look(&mut self, has_body: bool, may_wait: bool) -> Option<Look> {
        let (request, upstream) = (self.request.as_ref()?, self.upstream()?);
        let rules = self.cache_rules()?;
        let exchange = &self.exchange;
        let key = match &self.caching.key {
            Some(key) => Arc::clone(key),
            None => key_of(exchange)?,
        };
        let asked = Asked {
            key: &key,
            space: &rules.space(exchange, &upstream.name),
            method: &request.method,
            headers: &request.headers,
            has_body: has_body || !is_without(exchange.body),
            policy: &rules.policy,
            now: now(),
        };
        let look = if self.has_certificate() {
            Look::Pass(Bypass::Certificate)
        } else if self.exchange.consumer.is_some() {
            Look::Pass(Bypass::Credentials)
        } else {
            rules.store.cache.look(&asked, may_wait)
        };
        self.caching.key = Some(key);
        Some(look)
    }

    /// The request goes past the cache.
    pub(super) fn passes_cache(&mut self, why: Bypass) {
        self.metrics().cache.passed(why.as_str());
        self.exchange.cache = Some(Cached::Pass);
        self.caching.state = State::Passes(why);
    }

    /// The request goes to the upstream for the cache.
    pub(super) fn fetches(&mut self, fetch: Box<Fetch>) {
        self.exchange.cache = Some(Cached::Miss);
        self.caching.state = State::Fetches(fetch, Vec::new());
    }

    /// The head of the upstream's final answer is there, nothing done to it yet. `true`: it is not
    /// for the client, who gets something else once the relay is over.
    ///
    /// # Errors
    /// Nothing can be made of it.
    pub fn is_answered_by_cache(&mut self, head: &mut AnswerHead) -> Result<bool, Reason> {
        let (cached, told) = match std::mem::take(&mut self.caching.state) {
            State::Passes(why) => {
                self.invalidate(head);
                (Cached::Pass, CacheStatus::forwarded(NAME, why.into()))
            }
            State::Fetches(fetch, own) => {
                let told = CacheStatus::forwarded(NAME, fetch.why());
                match answered(*fetch, &own, head) {
                    Answered::Store(_) if ends_with_connection(head) => {
                        self.metrics().cache.refused("no_length");
                        (Cached::Uncacheable, told)
                    }
                    Answered::Store(filling) => {
                        self.caching.state = State::Stores(filling);
                        (Cached::Miss, told.stored())
                    }
                    Answered::Pass(refusal) => {
                        self.metrics().cache.refused(refusal.as_str());
                        (Cached::Uncacheable, told)
                    }
                    Answered::Use(hit) => {
                        let stored = Stored::instead_of(head.status, hit, told);
                        self.caching.state = State::Instead(Box::new(stored));
                        return Ok(true);
                    }
                    Answered::Contradicts => return Err(Reason::UpstreamMalformed),
                }
            }
            State::Aside => {
                self.invalidate(head);
                return Ok(false);
            }
            State::Stores(_) | State::Instead(_) => return Ok(false),
        };
        self.exchange.cache = Some(cached);
        if let Some(rules) = self.cache_rules() {
            rules.policy.strip(&mut head.headers);
        }
        tell(&told, &mut head.headers);
        Ok(false)
    }

    /// The answer is at its end.
    pub fn ends_for_cache(&mut self, has_trailers: bool) {
        let State::Stores(filling) = std::mem::take(&mut self.caching.state) else { return };
        let refused = if has_trailers {
            // They would be lost.
            Some("trailers")
        } else {
            filling.complete().err().map(Refusal::as_str)
        };
        if let Some(reason) = refused {
            self.metrics().cache.refused(reason);
            self.exchange.cache = Some(Cached::Uncacheable);
        }
    }

    /// What the client gets instead of what came of the request at the upstream.
    pub(super) fn instead(&mut self, done: Result<(), Reason>) -> Option<Stored> {
        match std::mem::take(&mut self.caching.state) {
            State::Instead(stored) => Some(*stored),
            State::Fetches(fetch, own) => match done {
                Err(reason) if reason.whose() == Fault::Upstream && !self.has_begun() => {
                    let told = CacheStatus::forwarded(NAME, fetch.why());
                    let hit = fetch.failed(now())?;
                    Some(Stored { hit, cached: Cached::StaleOnError, told })
                }
                _ => {
                    self.caching.state = State::Fetches(fetch, own);
                    None
                }
            },
            other => {
                self.caching.state = other;
                None
            }
        }
    }

    fn invalidate(&self, head: &AnswerHead) {
        let (Some(store), Some(request)) = (&self.arrival.generation.cache, &self.request) else {
            return;
        };
        // Of every route: what one changes another may have kept (RFC 9111, section 4.4).
        if request.method.is_safe() || !(head.status.is_success() || head.status.is_redirection()) {
            return;
        }
        if let Some(key) = self.caching.key.clone().or_else(|| key_of(&self.exchange)) {
            store.cache.invalidate(&key, &request.method, head.status, &head.headers, &normalise);
        }
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.observer.metrics
    }
}

impl Stored {
    fn instead_of(status: StatusCode, hit: Hit, told: CacheStatus) -> Self {
        let is_good = status == StatusCode::NOT_MODIFIED;
        let cached = if is_good { Cached::Revalidated } else { Cached::StaleOnError };
        Self { hit, cached, told: told.with_status(status) }
    }
}

/// What the cache makes of an answer. One that varies by what the proxy wrote itself, such as
/// `X-Forwarded-For`, is as good as `Vary: *`: the fields of the next request do not tell whether it
/// is for it.
fn answered(fetch: Fetch, own: &[HeaderName], head: &AnswerHead) -> Answered {
    let is_own = |name: &str| own.iter().any(|own| own.as_str().eq_ignore_ascii_case(name.trim()));
    let lines = head.headers.get_all(VARY).iter();
    let mut names = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    if !names.any(is_own) {
        return fetch.answered(head.status, &head.headers, now());
    }
    let mut headers = head.headers.clone();
    headers.insert(VARY, HeaderValue::from_static("*"));
    fetch.answered(head.status, &headers, now())
}

fn key_of(exchange: &Exchange) -> Option<Arc<Key>> {
    let (scheme, authority) = (exchange.scheme.as_str(), exchange.authority());
    Key::new(scheme, authority, exchange.path(), exchange.query()).map(Arc::new)
}

const fn is_without(body: DeclaredBody) -> bool {
    matches!(body, DeclaredBody::None | DeclaredBody::Length(0))
}

/// Whether only the end of the connection tells where the body ends: it may be anywhere.
fn ends_with_connection(head: &AnswerHead) -> bool {
    let has = |name| head.headers.contains_key(name);
    let has_body = !matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    head.version != Version::HTTP_2 && has_body && !has(CONTENT_LENGTH) && !has(TRANSFER_ENCODING)
}

/// Writes what the cache tells of itself after what other caches have told (RFC 9211, section 2).
pub(super) fn tell(told: &CacheStatus, headers: &mut HeaderMap) {
    if let Some(value) = told.value() {
        headers.append(CACHE_STATUS, value);
    }
}

fn now() -> Now {
    Now { unix: clock::unix_millis() / 1000, nanos: clock::now().nanos() }
}
