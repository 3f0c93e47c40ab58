//! The cache as the data path sees it.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::header::{CONTENT_LOCATION, LOCATION};
use http::{HeaderMap, Method, StatusCode};

use crate::entry::{Entry, Place};
use crate::fetch::Fetch;
use crate::flight::{Errand, Flights, Joined, Leader, Waiter};
use crate::hit::Hit;
use crate::key::{Key, Normalise};
use crate::now::Now;
use crate::policy::{self, Bypass, Policy, Standing, Wish};
use crate::status::Forward;
use crate::store::{Figures, Found, Limits, Store};

/// A shared cache (RFC 9111) in memory. One for all workers; it outlives every configuration.
#[derive(Debug)]
pub struct Cache {
    store: Arc<Store>,
    flights: Arc<Flights>,
}

/// A request, as the cache looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What it asks for.
    pub key: &'a Arc<Key>,
    /// What else than the key decides where it goes and what is done to its answer: the name of the
    /// route. Requests of two spaces never share an answer, but are purged together.
    pub space: &'a Arc<str>,
    /// Its method.
    pub method: &'a Method,
    /// Its fields, as the client sent them.
    pub headers: &'a HeaderMap,
    /// Whether it has a body.
    pub has_body: bool,
    /// What the operator decided.
    pub policy: &'a Arc<Policy>,
    /// Now.
    pub now: Now,
}

/// What to do with a request.
#[derive(Debug)]
pub enum Look {
    /// The cache has nothing to do with it. When it is over, [`Cache::invalidate`] is told.
    Pass(Bypass),
    /// It is answered with this. Where there is a fetch, too, that is to be made meanwhile, for
    /// nobody but the store: the answer is stale.
    Hit(Hit, Option<Box<Fetch>>),
    /// It goes to the origin.
    Fetch(Box<Fetch>),
    /// Another one is on its way for the same: it waits, as long as the caller thinks fit. Then the
    /// cache is looked at again; `may_wait` is false when waiting was in vain or took too long.
    Wait(Waiter),
    /// The client wants nothing but what is stored, and nothing is: 504 (RFC 9111, section 5.2.1.7).
    OnlyIfCached,
}

impl Cache {
    /// An empty cache.
    pub fn new(limits: Limits) -> Self {
        Self { store: Arc::new(Store::new(limits)), flights: Arc::new(Flights::new()) }
    }

    /// Decides what becomes of a request. `may_wait` is whether it may wait for another one.
    pub fn look(&self, asked: &Asked<'_>, may_wait: bool) -> Look {
        let wish = policy::wish(asked.policy, asked.method, asked.headers, asked.has_body);
        let wish = match wish {
            Ok(wish) => wish,
            Err(bypass) => return Look::Pass(bypass),
        };
        let found = self.store.find(asked.key, asked.space, asked.headers);
        if let Some(look) = self.without_origin(asked, &wish, &found) {
            return look;
        }
        if goes_alone(&wish, found.entry.as_deref()) {
            return Look::Fetch(self.fetch(asked, wish, found, None));
        }
        match self.flights.join(errand(asked, &found), may_wait, asked.now) {
            Joined::Alone => Look::Fetch(self.fetch(asked, wish, found, None)),
            Joined::Wait(waiter) => Look::Wait(waiter),
            Joined::Lead(leader) => {
                // Another one may have come back between the two looks.
                let found = self.store.find(asked.key, asked.space, asked.headers);
                let Some(look) = self.without_origin(asked, &wish, &found) else {
                    return Look::Fetch(self.fetch(asked, wish, found, Some(leader)));
                };
                leader.has_stored();
                look
            }
        }
    }

    /// What can be decided without the origin.
    fn without_origin(&self, asked: &Asked<'_>, wish: &Wish, found: &Found) -> Option<Look> {
        let hit = |entry: &Arc<Entry>| Hit::new(Arc::clone(entry), wish, asked.headers, asked.now);
        if let Some(entry) = &found.entry {
            let terms = &entry.head.terms;
            if wish.has_credentials && !terms.is_public {
                return Some(Look::Pass(Bypass::Credentials));
            }
            if wish.has_cookie && terms.is_guess {
                return Some(Look::Pass(Bypass::Cookie));
            }
            match terms.standing(wish, asked.now) {
                Standing::Fresh | Standing::StaleByWish => {
                    return Some(Look::Hit(hit(entry), None));
                }
                Standing::StaleWhileRevalidate => {
                    return Some(Look::Hit(hit(entry), self.refresh(asked, *wish, found)));
                }
                Standing::Stale => {}
            }
        }
        if wish.only_if_cached {
            return Some(Look::OnlyIfCached);
        }
        wish.is_head.then_some(Look::Pass(Bypass::Head))
    }

    /// A fetch for the store alone, unless another one is on its way.
    fn refresh(&self, asked: &Asked<'_>, wish: Wish, found: &Found) -> Option<Box<Fetch>> {
        if wish.is_head || wish.only_if_cached || wish.has_credentials {
            return None;
        }
        match self.flights.join(errand(asked, found), false, asked.now) {
            Joined::Lead(leader) => {
                // The client's condition is not for this one.
                let wish = Wish { is_conditional: false, ..wish };
                let found = Found { entry: found.entry.clone(), variant: None };
                Some(self.fetch(asked, wish, found, Some(leader)))
            }
            Joined::Wait(_) | Joined::Alone => None,
        }
    }

    fn fetch(
        &self,
        asked: &Asked<'_>,
        wish: Wish,
        found: Found,
        leader: Option<Leader>,
    ) -> Box<Fetch> {
        let why = match &found {
            Found { entry: Some(entry), .. } if entry.head.terms.remaining(asked.now) > 0 => {
                if entry.head.terms.always_validate {
                    Forward::Stale
                } else {
                    Forward::Request
                }
            }
            Found { entry: Some(_), .. } => Forward::Stale,
            Found { variant: Some(_), .. } => Forward::VaryMiss,
            Found { .. } => Forward::UriMiss,
        };
        Box::new(Fetch {
            store: Arc::clone(&self.store),
            leader,
            place: Place { key: Arc::clone(asked.key), space: Arc::clone(asked.space) },
            policy: Arc::clone(asked.policy),
            request: asked.headers.clone(),
            wish,
            stale: found.entry,
            why,
            mark: self.store.mark(),
            asked: asked.now,
        })
    }

    /// Tells the cache of a final answer to a request that it had nothing to do with: when an
    /// unsafe method has succeeded, what is stored of its target is removed, and of what
    /// `Location` and `Content-Location` name, if that is of the same origin (RFC 9111, section
    /// 4.4). How many answers went.
    pub fn invalidate(
        &self,
        key: &Key,
        method: &Method,
        status: StatusCode,
        headers: &HeaderMap,
        normalise: Normalise<'_>,
    ) -> usize {
        if method.is_safe() || !(status.is_success() || status.is_redirection()) {
            return 0;
        }
        let named = [LOCATION, CONTENT_LOCATION].map(|name| {
            let value = headers.get(name)?.to_str().ok()?;
            key.resolve(value, normalise)
        });
        let named: usize = named.iter().flatten().map(|key| self.store.purge_key(key)).sum();
        named.saturating_add(self.store.purge_key(key))
    }

    /// Removes all answers for a resource, those on their way too. How many were stored.
    pub fn purge_key(&self, key: &Key) -> usize {
        self.store.purge_key(key)
    }

    /// Removes all answers with a tag, those on their way too. How many were stored.
    pub fn purge_tag(&self, tag: &[u8]) -> usize {
        self.store.purge_tag(tag)
    }

    /// Removes everything, and what is on its way. How many answers were stored.
    pub fn purge_all(&self) -> usize {
        self.store.purge_all()
    }

    /// What is in it.
    pub fn figures(&self) -> Figures {
        self.store.figures()
    }
}

/// Whether others would gain nothing by what this request brings.
fn goes_alone(wish: &Wish, stale: Option<&Entry>) -> bool {
    if wish.no_cache || wish.has_credentials || wish.min_fresh.is_some() {
        return true;
    }
    match stale {
        // Only a condition of ours brings what can be stored for sure.
        Some(stale) if stale.validators().is_none() => wish.is_conditional,
        Some(stale) => stale.head.terms.is_stale_at_once(),
        None => wish.is_conditional,
    }
}

fn errand(asked: &Asked<'_>, found: &Found) -> Errand {
    let variant = match found {
        Found { entry: Some(entry), .. } => entry.head.variant.clone(),
        Found { variant, .. } => variant.clone().unwrap_or_default(),
    };
    Errand { key: Arc::clone(asked.key), space: Arc::clone(asked.space), variant }
}
