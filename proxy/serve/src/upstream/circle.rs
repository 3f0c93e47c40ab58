//! Which endpoint a key goes to, as endpoints come, go and fail.

use std::sync::Arc;

use marchproxy_balance::{Bound, ConsistentHash, Place};
use marchproxy_conf::model::Upstream;

use super::endpoint::Endpoint;

/// The circle of an upstream, and who of those on it is used.
///
/// Making one takes the control thread tens of milliseconds. So whoever fails for a time stays on it,
/// and counts as full: its keys go where they would go without it, and back. The same for an endpoint
/// that warms up, whose weight here is its whole one: it is held back by the bound.
pub struct Circle {
    keys: Arc<ConsistentHash>,
    members: Vec<Member>,
    /// For each position in the list of endpoints, its place if it is used.
    places: Vec<Option<usize>>,
    bound: u32,
    all_weight: u64,
}

/// One of those on the circle.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Member {
    /// Its position in the list.
    position: usize,
    tag: u64,
    weight: u32,
}

impl Circle {
    /// A circle for `places` in `list`. If it would be the same as that of `old`, that is kept.
    pub fn new(
        config: &Upstream,
        list: &[Arc<Endpoint>],
        places: &[Place],
        old: Option<&Self>,
    ) -> Self {
        let mut place_of = vec![None; list.len()];
        for (at, place) in places.iter().enumerate() {
            if let Some(entry) = place_of.get_mut(place.position) {
                *entry = Some(at);
            }
        }
        // Where most are not used, too many steps lead past them. Proxies that know the same agree.
        let has_all = places.len().saturating_mul(2) >= list.len();
        let members = list.iter().zip(&place_of).enumerate();
        let members = members.filter(|(_, (_, place))| has_all || place.is_some());
        let members: Vec<Member> = members
            .map(|(position, (endpoint, _))| Member {
                position,
                tag: endpoint.tag,
                weight: endpoint.weight(),
            })
            .collect();
        let kept = old.filter(|old| old.members == members).map(|old| Arc::clone(&old.keys));
        let pairs = || members.iter().map(|member| (member.tag, member.weight));
        Self {
            keys: kept.unwrap_or_else(|| Arc::new(ConsistentHash::new(pairs()))),
            members,
            places: place_of,
            bound: config.hash.clone().unwrap_or_default().bound,
            all_weight: places.iter().map(|place| u64::from(place.weight)).sum(),
        }
    }

    /// The place of a key's endpoint, or of the next one that is used and has room. `running` are the
    /// requests of all; `is_full` tells whether a place has no room within the bound.
    pub fn pick(
        &self,
        key: u64,
        running: u64,
        is_full: impl Fn(usize, Bound) -> bool,
    ) -> Option<usize> {
        let bound = Bound::new(self.bound, running, self.all_weight);
        let place = |member: usize| *self.places.get(self.members.get(member)?.position)?;
        let found = self.keys.pick(key, |member| place(member).is_none_or(|at| is_full(at, bound)));
        place(found?)
    }
}
