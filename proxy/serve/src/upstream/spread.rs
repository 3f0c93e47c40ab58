//! The endpoints of this moment, and over which of them requests are spread.

use std::collections::HashMap;
use std::sync::Arc;

use marchproxy_balance::{LeastRequests, PeakEwma, Place, Roster, RoundRobin, State};
use marchproxy_conf::model::{Balance, Upstream};

use super::circle::Circle;
use super::endpoint::{Endpoint, Hub, Seat};
use super::sticky::tag_in;
use crate::clock;

/// How often one is drawn before all are looked through.
const DRAWS: usize = 4;
/// A fleet must agree on which endpoint is whose.
const SEED: u128 = 0x6d61_7263_6870_726f_7879_2068_6173_6821;

/// Positions by tags. Clients look up whatever they like, but add none, so no seed is needed.
type Tags = HashMap<u64, usize, foldhash::fast::FixedState>;

/// The endpoints of this moment.
pub struct Endpoints {
    pub(super) list: Arc<Vec<Arc<Endpoint>>>,
    /// What each is fit for, in their order.
    states: Vec<State>,
    /// Those that requests are sent to.
    places: Vec<Place>,
    choice: Arc<Choice>,
    /// Whether each keeps the clients that are bound to it, in their order; of those that are used it
    /// goes without saying.
    keeps: Vec<bool>,
    /// Positions in the list by what sticky cookies name.
    by_tag: Arc<Tags>,
    /// Too few are usable, so that all are used.
    pub is_panic: bool,
}

/// How one of those that are used is chosen.
enum Choice {
    RoundRobin(RoundRobin),
    LeastRequests(LeastRequests),
    PeakEwma(PeakEwma),
    ConsistentHash(Circle),
}

/// What a request asks of the choice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// Endpoints that it has been sent to, by number.
    pub tried: &'a [u64],
    /// The key that says where it goes, if there is one.
    pub key: Option<u64>,
    /// The endpoint that it had before, as its cookie names it.
    pub tag: Option<u64>,
}

/// The hash of a key, the same in all processes.
pub fn hash(key: &[u8]) -> u64 {
    marchproxy_balance::hash(SEED, key)
}

impl Endpoints {
    pub(super) fn none() -> Self {
        Self {
            list: Arc::default(),
            states: Vec::new(),
            places: Vec::new(),
            choice: Arc::new(Choice::RoundRobin(RoundRobin::new(&[]))),
            keeps: Vec::new(),
            by_tag: Arc::default(),
            is_panic: false,
        }
    }

    /// These endpoints, spread over as `roster` says. What has not changed is kept from `old`.
    pub(super) fn new(
        list: Arc<Vec<Arc<Endpoint>>>,
        states: Vec<State>,
        roster: Roster,
        config: &Upstream,
        old: &Self,
    ) -> Self {
        let Roster { places, is_panic } = roster;
        let is_same_list = Arc::ptr_eq(&list, &old.list);
        // A weight that an operator gives moves keys, also of an endpoint that is not used now.
        let is_same =
            is_same_list && places == old.places && config.balance != Balance::ConsistentHash;
        let choice = if is_same {
            Arc::clone(&old.choice)
        } else {
            Arc::new(choice(config, &list, &places, &old.choice))
        };
        let by_tag = if is_same_list {
            Arc::clone(&old.by_tag)
        } else {
            let with_cookie = list.iter().enumerate().filter(|(_, one)| one.cookie.is_some());
            Arc::new(with_cookie.map(|(at, endpoint)| (endpoint.tag, at)).collect())
        };
        let consecutive = config.ejection.consecutive;
        let keeps = list.iter().zip(&states).map(|(endpoint, state)| {
            *state == State::Draining && !endpoint.standing.is_failing(consecutive)
        });
        let keeps = keeps.collect();
        Self { list, states, places, choice, keeps, by_tag, is_panic }
    }

    /// Each endpoint, and what it is fit for.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<Endpoint>, State)> {
        self.list.iter().zip(self.states.iter().copied())
    }

    /// Whether there is any that requests are sent to.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// A place at an endpoint that was not tried and has less than `limit` requests.
    pub(super) fn pick(&self, wish: Wish<'_>, limit: u32, hub: &Arc<Hub>) -> Option<Seat> {
        let take = |endpoint: &Arc<Endpoint>| {
            let is_new = !wish.tried.contains(&endpoint.number);
            is_new.then(|| Seat::take(endpoint, limit, hub)).flatten()
        };
        if let Some(seat) = wish.tag.and_then(|tag| take(self.stuck_to(tag)?)) {
            return Some(seat);
        }
        let seat = |at: usize| take(self.used(at)?);
        let draws = if self.places.is_empty() { 0 } else { DRAWS };
        if let Some(drawn) = (0..draws).find_map(|_| seat(self.draw(wish, limit, hub)?)) {
            return Some(drawn);
        }
        let first = if self.places.is_empty() { 0 } else { fastrand::usize(..self.places.len()) };
        (first..self.places.len()).chain(0..first).find_map(seat)
    }

    /// What names the endpoint whose cookie this is, if it is one.
    pub(super) fn tag_of(&self, cookie: &[u8]) -> Option<u64> {
        let tag = tag_in(cookie)?;
        let endpoint = self.list.get(*self.by_tag.get(&tag)?)?;
        endpoint.cookie.as_ref().is_some_and(|ours| ours.is(cookie)).then_some(tag)
    }

    /// The endpoint that a cookie names, as long as it may have those that are stuck to it.
    fn stuck_to(&self, tag: u64) -> Option<&Arc<Endpoint>> {
        let at = *self.by_tag.get(&tag)?;
        let may_serve = self.states.get(at)?.is_usable() || *self.keeps.get(at)?;
        self.list.get(at).filter(|_| may_serve)
    }

    fn used(&self, at: usize) -> Option<&Arc<Endpoint>> {
        self.list.get(self.places.get(at)?.position)
    }

    fn draw(&self, wish: Wish<'_>, limit: u32, hub: &Hub) -> Option<usize> {
        let below = |bound| fastrand::u64(..bound);
        let running = |at| self.used(at).map_or(0, |endpoint| endpoint.standing.running());
        match &*self.choice {
            Choice::RoundRobin(turns) => turns.pick(),
            Choice::LeastRequests(drawn) => drawn.pick(below, running),
            Choice::PeakEwma(drawn) => {
                let now = clock::now().nanos();
                drawn.pick(below, |at, weight| {
                    self.used(at).map_or(f64::MAX, |endpoint| {
                        let standing = &endpoint.standing;
                        standing.latency.cost(now, standing.running(), weight)
                    })
                })
            }
            Choice::ConsistentHash(circle) => {
                let key = wish.key.unwrap_or_else(|| fastrand::u64(..));
                circle.pick(key, hub.running(), |at, bound| {
                    let (Some(place), Some(one)) = (self.places.get(at), self.used(at)) else {
                        return true;
                    };
                    let running = one.standing.running();
                    let is_full = running >= limit || bound.is_full(running, place.weight);
                    is_full || wish.tried.contains(&one.number)
                })
            }
        }
    }
}

fn choice(config: &Upstream, list: &[Arc<Endpoint>], places: &[Place], old: &Choice) -> Choice {
    let weights: Vec<u32> = places.iter().map(|place| place.weight).collect();
    match config.balance {
        Balance::RoundRobin => match old {
            Choice::RoundRobin(turns) => {
                Choice::RoundRobin(RoundRobin::new(&weights).continuing(turns))
            }
            _ => Choice::RoundRobin(RoundRobin::new(&weights)),
        },
        Balance::LeastRequests => Choice::LeastRequests(LeastRequests::new(&weights)),
        Balance::PeakEwma => Choice::PeakEwma(PeakEwma::new(&weights)),
        Balance::ConsistentHash => {
            let old = match old {
                Choice::ConsistentHash(old) => Some(old),
                _ => None,
            };
            Choice::ConsistentHash(Circle::new(config, list, places, old))
        }
    }
}
