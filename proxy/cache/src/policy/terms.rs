//! How long a stored answer may be used, and for what.

use http::HeaderName;

use super::Wish;
use crate::now::Now;

/// The terms on which an answer is stored. All lengths are in seconds.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact that stands alone")]
pub struct Terms {
    /// How long it is fresh (RFC 9111, section 4.2.1).
    pub lifetime: u64,
    /// How old it was when it came.
    pub initial_age: u64,
    /// When it came, in nanoseconds of the monotonic clock.
    pub received: u64,
    /// When it was asked for, in nanoseconds of the monotonic clock.
    pub asked: u64,
    /// `no-cache`: fresh or not, the origin is asked each time.
    pub always_validate: bool,
    /// Whether a client may have it stale by its own wish.
    pub may_be_stale: bool,
    /// How long it may be used stale while the origin is asked.
    pub stale_while_revalidate: u64,
    /// How long it may be used stale when the origin fails.
    pub stale_if_error: u64,
    /// Whether the origin said that it is for everyone.
    pub is_public: bool,
    /// Whether the origin said nothing of how long it is fresh, nor that it is for everyone.
    pub is_guess: bool,
    /// The fields that `no-cache` names: they are not kept.
    pub unstored: Vec<HeaderName>,
}

/// What a stored answer is good for, now and for one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It is the answer.
    Fresh,
    /// It is the answer, although stale: the client does not mind.
    StaleByWish,
    /// It is the answer, and the origin is to be asked meanwhile.
    StaleWhileRevalidate,
    /// The origin must be asked first.
    Stale,
}

impl Terms {
    /// `current_age` of RFC 9111, section 4.2.3, in seconds.
    pub const fn age(&self, now: Now) -> u64 {
        self.initial_age.saturating_add(now.seconds_since(self.received))
    }

    /// Seconds that it is still fresh.
    pub const fn remaining(&self, now: Now) -> u64 {
        self.lifetime.saturating_sub(self.age(now))
    }

    /// What it is good for (RFC 9111, sections 4.2 and 5.2.1).
    pub fn standing(&self, wish: &Wish, now: Now) -> Standing {
        let age = self.age(now);
        let is_too_old = wish.max_age.is_some_and(|most| age > most);
        let is_too_near = wish.min_fresh.is_some_and(|least| self.remaining(now) < least);
        if wish.no_cache || self.always_validate || is_too_old || is_too_near {
            return Standing::Stale;
        }
        if self.lifetime > age {
            return Standing::Fresh;
        }
        let staleness = age.saturating_sub(self.lifetime);
        if self.may_be_stale && wish.max_stale.is_some_and(|most| staleness <= most) {
            return Standing::StaleByWish;
        }
        let is_within = self.stale_while_revalidate > staleness;
        if is_within { Standing::StaleWhileRevalidate } else { Standing::Stale }
    }

    /// Whether it may stand in for an origin that fails (RFC 5861, section 4).
    pub fn may_hide_failure(&self, wish: &Wish, now: Now) -> bool {
        let age = self.age(now);
        let staleness = age.saturating_sub(self.lifetime);
        let is_too_old = wish.max_age.is_some_and(|most| age > most);
        let is_wanted = !wish.no_cache && !is_too_old && wish.min_fresh.is_none();
        is_wanted && self.stale_if_error > staleness
    }

    /// Whether each use needs a validation of its own: nobody gains by another one's.
    pub(crate) const fn is_stale_at_once(&self) -> bool {
        self.always_validate || self.initial_age >= self.lifetime
    }

    /// Whether it is of no use without a validation, from the beginning.
    pub(crate) const fn is_never_fresh(&self) -> bool {
        let until = self.lifetime.saturating_add(self.stale_while_revalidate);
        self.always_validate || self.initial_age >= until.saturating_add(self.stale_if_error)
    }
}
