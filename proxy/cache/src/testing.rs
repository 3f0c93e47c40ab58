//! What tests of several modules need.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::{Answered, Asked, Cache, Fetch, Filling, Hit, Key, Limits, Look, Now, Policy};

/// 2024-11-06 08:49:37 UTC, a Wednesday.
pub(crate) const BEGINNING: u64 = 1_730_882_977;

pub(crate) fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

/// So many seconds after the beginning.
pub(crate) fn at(seconds: u64) -> Now {
    Now { unix: BEGINNING + seconds, nanos: (1000 + seconds) * 1_000_000_000 }
}

/// A date so many seconds from the beginning.
pub(crate) fn date(seconds: i64) -> String {
    let unix = BEGINNING.checked_add_signed(seconds).unwrap();
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_secs(unix))
}

pub(crate) fn key(path: &str) -> Arc<Key> {
    let (path, query) =
        path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    Arc::new(Key::new("https", "example.com", path, query).unwrap())
}

/// A cache, with what its requests share.
pub(crate) struct World {
    pub cache: Cache,
    pub policy: Arc<Policy>,
    pub space: Arc<str>,
}

impl World {
    pub fn new(policy: Policy) -> Self {
        Self::within(policy, Limits { bytes: 1 << 20, variants: 4 })
    }

    pub fn within(policy: Policy, limits: Limits) -> Self {
        Self { cache: Cache::new(limits), policy: Arc::new(policy), space: Arc::from("app") }
    }

    /// Looks as a request to GET `path` would.
    pub fn get(&self, path: &str, fields: &[(&str, &str)], now: Now) -> Look {
        self.ask(&Method::GET, path, fields, now)
    }

    pub fn ask(&self, method: &Method, path: &str, fields: &[(&str, &str)], now: Now) -> Look {
        self.ask_in(&self.space, method, path, fields, now)
    }

    pub fn ask_in(
        &self,
        space: &Arc<str>,
        method: &Method,
        path: &str,
        fields: &[(&str, &str)],
        now: Now,
    ) -> Look {
        let (key, headers, policy) = (key(path), headers(fields), &self.policy);
        let asked =
            Asked { key: &key, space, method, headers: &headers, has_body: false, policy, now };
        self.cache.look(&asked, true)
    }

    /// A request to GET `path` that goes to the origin.
    pub fn fetch(&self, path: &str, fields: &[(&str, &str)], now: Now) -> Box<Fetch> {
        fetch(self.get(path, fields, now))
    }

    /// A request to GET `path` that is answered from the store.
    pub fn hit(&self, path: &str, fields: &[(&str, &str)], now: Now) -> Hit {
        hit(self.get(path, fields, now))
    }

    /// Whether a request to GET `path` is answered from the store.
    pub fn has(&self, path: &str, now: Now) -> bool {
        matches!(self.get(path, &[], now), Look::Hit(..))
    }

    /// Lets the origin answer a request to GET `path` with 200.
    pub fn store(&self, path: &str, answer: &[(&str, &str)], body: &str, now: Now) {
        let fetch = self.fetch(path, &[], now);
        complete(fetch.answered(StatusCode::OK, &headers(answer), now), body);
    }
}

pub(crate) fn fetch(look: Look) -> Box<Fetch> {
    match look {
        Look::Fetch(fetch) => fetch,
        other => panic!("the origin is not asked: {other:?}"),
    }
}

pub(crate) fn hit(look: Look) -> Hit {
    match look {
        Look::Hit(hit, _) => hit,
        other => panic!("it is not stored: {other:?}"),
    }
}

pub(crate) fn filling(answered: Answered) -> Box<Filling> {
    match answered {
        Answered::Store(filling) => filling,
        other => panic!("it is not stored: {other:?}"),
    }
}

pub(crate) fn complete(answered: Answered, body: &str) {
    let mut filling = filling(answered);
    filling.add(body.as_bytes());
    filling.complete().unwrap();
}

pub(crate) fn text(hit: &Hit) -> String {
    String::from_utf8(hit.body().concat()).unwrap()
}
