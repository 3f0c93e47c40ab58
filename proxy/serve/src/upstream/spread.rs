//! The endpoints of this moment, and over which of them requests are spread.

use std::sync::Arc;

use marchproxy_balance::{LeastRequests, Place, Roster, RoundRobin, State};
use marchproxy_conf::model::Balance;
use tokio::sync::Notify;

use super::endpoint::{Endpoint, Seat};

/// How often one is drawn before all are looked through.
const DRAWS: usize = 4;

/// The endpoints of this moment.
pub struct Endpoints {
    pub(super) list: Arc<Vec<Arc<Endpoint>>>,
    /// What each is fit for, in their order.
    states: Vec<State>,
    /// Those that requests are sent to: positions in the list.
    used: Vec<usize>,
    choice: Choice,
    /// Too few are usable, so that all are used.
    pub is_panic: bool,
}

/// How one of those that are used is chosen.
enum Choice {
    RoundRobin(RoundRobin),
    LeastRequests(LeastRequests),
}

impl Endpoints {
    pub(super) fn none() -> Self {
        let choice = Choice::RoundRobin(RoundRobin::new(&[]));
        let (states, used) = (Vec::new(), Vec::new());
        Self { list: Arc::default(), states, used, choice, is_panic: false }
    }

    /// These endpoints, spread over as `roster` says. Turns go on where those of `old` stand.
    pub(super) fn new(
        list: Arc<Vec<Arc<Endpoint>>>,
        states: Vec<State>,
        roster: &Roster,
        balance: Balance,
        old: &Self,
    ) -> Self {
        let Roster { places, is_panic } = roster;
        let weights: Vec<u32> = places.iter().map(|place| place.weight).collect();
        let choice = match (balance, &old.choice) {
            (Balance::RoundRobin, Choice::RoundRobin(turns)) => {
                Choice::RoundRobin(RoundRobin::new(&weights).continuing(turns))
            }
            (Balance::RoundRobin, _) => Choice::RoundRobin(RoundRobin::new(&weights)),
            (Balance::LeastRequests, _) => Choice::LeastRequests(LeastRequests::new(&weights)),
        };
        let used = places.iter().map(|Place { position, .. }| *position).collect();
        Self { list, states, used, choice, is_panic: *is_panic }
    }

    /// Each endpoint, and what it is fit for.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<Endpoint>, State)> {
        self.list.iter().zip(self.states.iter().copied())
    }

    /// Whether there is any that requests are sent to.
    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    /// A place at one that is used, was not `tried`, and has less than `limit` requests.
    pub(super) fn pick(&self, tried: &[u64], limit: u32, keeper: &Arc<Notify>) -> Option<Seat> {
        let seat = |at: usize| {
            let endpoint = self.used(at)?;
            let is_new = !tried.contains(&endpoint.number);
            is_new.then(|| Seat::take(endpoint, limit, keeper)).flatten()
        };
        if let Some(drawn) = (0..DRAWS).find_map(|_| seat(self.draw()?)) {
            return Some(drawn);
        }
        let first = if self.used.is_empty() { 0 } else { fastrand::usize(..self.used.len()) };
        let all = (first..self.used.len()).chain(0..first);
        all.into_iter().find_map(seat)
    }

    fn used(&self, at: usize) -> Option<&Arc<Endpoint>> {
        self.list.get(*self.used.get(at)?)
    }

    fn draw(&self) -> Option<usize> {
        match &self.choice {
            Choice::RoundRobin(turns) => turns.pick(),
            Choice::LeastRequests(drawn) => {
                let running = |at| self.used(at).map_or(0, |endpoint| endpoint.standing.running());
                drawn.pick(|bound| fastrand::u64(..bound), running)
            }
        }
    }
}
