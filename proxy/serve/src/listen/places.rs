//! Places for connections: how many there may be at one time, in all and from one source.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use marchproxy_conf::model::ConnectionLimits;

/// The places of one listener.
#[derive(Default)]
pub struct Places(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    total: u32,
    by_source: HashMap<IpAddr, u32>,
}

/// Whom a place is counted for; a client without an address has a place among all only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Source(Option<IpAddr>);

impl Source {
    /// The source that a client at `address` belongs to.
    pub fn of(address: Option<IpAddr>) -> Self {
        Self(address.map(source_of))
    }
}

impl Places {
    /// Places that are taken now.
    pub fn taken(&self) -> u32 {
        self.counts().total
    }

    /// Takes a place for `source`. `false`: there is none left, in all or for that source.
    pub fn take(&self, source: Source, limits: &ConnectionLimits) -> bool {
        let mut counts = self.counts();
        if counts.total >= limits.total || counts.of(source) >= limits.per_source {
            return false;
        }
        counts.total = counts.total.saturating_add(1);
        counts.enter(source);
        true
    }

    /// Counts a place that `from` has for `to` instead. `false`: that one has as many as it may, and
    /// nothing has changed.
    pub fn pass_on(&self, from: Source, to: Source, limits: &ConnectionLimits) -> bool {
        let mut counts = self.counts();
        if from != to && counts.of(to) >= limits.per_source {
            return false;
        }
        counts.leave(from);
        counts.enter(to);
        true
    }

    /// Gives a place of `source` back.
    pub fn give_back(&self, source: Source) {
        let mut counts = self.counts();
        counts.total = counts.total.saturating_sub(1);
        counts.leave(source);
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn of(&self, source: Source) -> u32 {
        source.0.and_then(|source| self.by_source.get(&source)).copied().unwrap_or_default()
    }

    fn enter(&mut self, source: Source) {
        let Source(Some(source)) = source else { return };
        let count = self.by_source.entry(source).or_insert(0);
        *count = count.saturating_add(1);
    }

    fn leave(&mut self, source: Source) {
        let Source(Some(source)) = source else { return };
        if let Some(count) = self.by_source.get_mut(&source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
    }
}

/// One IPv6 client has a /64 to choose addresses from: it counts as one source.
fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(total: u32, per_source: u32) -> ConnectionLimits {
        ConnectionLimits { total, per_source, ..ConnectionLimits::default() }
    }

    fn source(address: &str) -> Source {
        Source::of(Some(address.parse().unwrap()))
    }

    #[test]
    fn a_place_that_is_passed_on_counts_for_its_new_source_only() {
        let places = Places::default();
        let limits = limits(10, 2);
        let (balancer, client) = (source("10.0.0.1"), source("203.0.113.9"));
        for _ in 0..2 {
            assert!(places.take(balancer, &limits));
            assert!(places.pass_on(balancer, client, &limits));
        }
        assert!(places.take(balancer, &limits));
        assert!(!places.pass_on(balancer, client, &limits));
        assert!(places.take(balancer, &limits), "it has one place, not three");
        assert!(!places.take(balancer, &limits));
        assert_eq!(places.taken(), 4);
        places.give_back(client);
        assert!(places.pass_on(balancer, client, &limits));
        assert_eq!(places.taken(), 3);
    }

    #[test]
    fn a_place_stays_with_a_source_that_has_all_it_may_have() {
        let places = Places::default();
        let limits = limits(10, 1);
        assert!(places.take(source("10.0.0.1"), &limits));
        assert!(places.pass_on(source("10.0.0.1"), source("10.0.0.1"), &limits));
        assert!(places.pass_on(source("10.0.0.1"), source("::ffff:10.0.0.1"), &limits));
    }

    #[test]
    fn nothing_is_kept_of_a_source_that_is_gone() {
        let places = Places::default();
        let limits = limits(10, 1);
        let (one, other) = (source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert!(places.take(one, &limits));
        assert!(places.pass_on(one, other, &limits));
        places.give_back(other);
        assert!(places.counts().by_source.is_empty());
        assert_eq!(places.taken(), 0);
    }

    #[test]
    fn clients_without_an_address_have_places_among_all_only() {
        let places = Places::default();
        let limits = limits(3, 1);
        let nobody = Source::of(None);
        for _ in 0..3 {
            assert!(places.take(nobody, &limits));
        }
        assert!(!places.take(nobody, &limits));
        assert!(places.pass_on(nobody, source("203.0.113.9"), &limits));
        assert!(!places.pass_on(nobody, source("203.0.113.9"), &limits));
    }
}
