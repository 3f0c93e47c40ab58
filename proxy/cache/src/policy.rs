//! What may be stored, for how long, and for whom: pure functions of the fields.

mod answer;
mod terms;
#[cfg(test)]
mod tests;
mod wish;

use std::time::Duration;

use http::{HeaderMap, HeaderName};

pub use answer::{Refusal, Timing, terms};
pub use terms::{Standing, Terms};
pub use wish::{Bypass, Wish, wish};

/// What the operator of a route decides.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// How long an answer is fresh that says nothing of it, where RFC 9111, section 4.2.2 allows a
    /// guess at all; `None`: such an answer is not stored.
    pub default_lifetime: Option<Duration>,
    /// `stale-while-revalidate` where the answer does not say (RFC 5861, section 3).
    pub stale_while_revalidate: Duration,
    /// `stale-if-error` where the answer does not say (RFC 5861, section 4).
    pub stale_if_error: Duration,
    /// Whether `Cache-Control` of a request counts. RFC 9111, section 5.2.1 leaves it to the cache;
    /// where it counts, a client can send each of its requests to the origin. `no-store` and
    /// `only-if-cached` always count.
    pub heeds_clients: bool,
    /// What tells who asks, as `Authorization` does: `X-Api-Key`, for example. Answers to requests
    /// with such a field are shared only if the origin says that they are for everyone.
    pub credentials: Vec<HeaderName>,
    /// The most bytes of the body of a stored answer.
    pub largest_body: usize,
    /// The field that names the tags of an answer, divided by spaces or commas. It is not sent to
    /// clients.
    pub tags: Option<HeaderName>,
    /// The field that is meant for this cache and counts before `Cache-Control` and `Expires` (RFC
    /// 9213), such as `CDN-Cache-Control`. It is not sent to clients.
    pub targeted: Option<HeaderName>,
    /// How long nobody waits for others to fetch what was found not to be storable.
    pub unstorable_for: Duration,
}

impl Policy {
    /// Removes what the origin says to this cache alone from the fields of an answer.
    pub fn strip(&self, headers: &mut HeaderMap) {
        for name in self.own_fields() {
            headers.remove(name);
        }
    }

    /// The fields that are not sent to clients.
    pub(crate) fn own_fields(&self) -> impl Iterator<Item = &HeaderName> {
        self.tags.iter().chain(&self.targeted)
    }
}

impl Default for Policy {
    /// Nothing is guessed, nothing stale is used without the origin's word, 1 MiB a body.
    fn default() -> Self {
        Self {
            default_lifetime: None,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            heeds_clients: true,
            credentials: Vec::new(),
            largest_body: 1 << 20,
            tags: None,
            targeted: None,
            unstorable_for: Duration::from_secs(10),
        }
    }
}
