//! How a simulated proxy chooses one of the endpoints that are used.

use std::cell::Cell;
use std::time::Duration;

use super::{Numbers, SECOND};
use crate::{
    ConsistentHash, Entered, Latency, LeastRequests, PeakEwma, Roster, RoundRobin, Standing, hash,
};

/// How often one is drawn before all are looked through.
const DRAWS: usize = 4;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Balance {
    RoundRobin,
    LeastRequests,
    PeakEwma,
    ConsistentHash,
}

impl Balance {
    pub const ALL: [Self; 4] =
        [Self::RoundRobin, Self::LeastRequests, Self::PeakEwma, Self::ConsistentHash];
}

enum Choice {
    RoundRobin(RoundRobin),
    LeastRequests(LeastRequests),
    PeakEwma(PeakEwma),
    /// Over all endpoints: those that are not used count as full.
    ConsistentHash(ConsistentHash),
}

/// Chooses among those that are used.
pub struct Picker {
    choice: Choice,
    used: Vec<usize>,
    pub latencies: Vec<Latency>,
}

impl Picker {
    pub fn new(balance: Balance, endpoints: usize) -> Self {
        let choice = match balance {
            Balance::RoundRobin => Choice::RoundRobin(RoundRobin::new(&[])),
            Balance::LeastRequests => Choice::LeastRequests(LeastRequests::new(&[])),
            Balance::PeakEwma => Choice::PeakEwma(PeakEwma::new(&[])),
            Balance::ConsistentHash => {
                let identities = (0..endpoints).map(|at| (hash(0, &at.to_le_bytes()), 1));
                Choice::ConsistentHash(ConsistentHash::new(identities))
            }
        };
        let latencies = (0..endpoints).map(|_| Latency::new(Duration::from_secs(10))).collect();
        Self { choice, used: Vec::new(), latencies }
    }

    /// Spreads over these from now on.
    pub fn follow(&mut self, roster: &Roster) {
        let weights: Vec<u32> = roster.places.iter().map(|place| place.weight).collect();
        self.used = roster.places.iter().map(|place| place.position).collect();
        match &mut self.choice {
            Choice::RoundRobin(turns) => *turns = RoundRobin::new(&weights).continuing(turns),
            Choice::LeastRequests(drawn) => *drawn = LeastRequests::new(&weights),
            Choice::PeakEwma(drawn) => *drawn = PeakEwma::new(&weights),
            Choice::ConsistentHash(_) => {}
        }
    }

    /// A place at one that is used and was not `tried`, entered.
    pub fn pick(
        &self,
        standings: &[Standing],
        tried: &[usize],
        key: u64,
        now: u64,
        below: &mut Numbers,
    ) -> Option<(usize, Entered)> {
        let seat = |at: usize| {
            let entered = if tried.contains(&at) { None } else { standings[at].enter(u32::MAX) };
            Some((at, entered?))
        };
        if let Choice::ConsistentHash(circle) = &self.choice {
            let entered = Cell::new(None);
            circle.pick(key, |at| {
                let found = if self.used.contains(&at) { seat(at) } else { None };
                let is_full = found.is_none();
                entered.set(found);
                is_full
            })?;
            return entered.take();
        }
        let drawn = (0..DRAWS).find_map(|_| seat(self.used[self.draw(standings, now, below)?]));
        if drawn.is_some() || self.used.is_empty() {
            return drawn;
        }
        let first = usize::try_from(below(self.used.len() as u64)).unwrap();
        let (before, after) = self.used.split_at(first);
        after.iter().chain(before).copied().find_map(seat)
    }

    fn draw(&self, standings: &[Standing], now: u64, below: &mut Numbers) -> Option<usize> {
        let running = |at: usize| standings[self.used[at]].running();
        match &self.choice {
            Choice::RoundRobin(turns) => turns.pick(),
            Choice::LeastRequests(drawn) => drawn.pick(below, running),
            Choice::PeakEwma(drawn) => drawn.pick(below, |at, weight| {
                self.latencies[self.used[at]].cost(now, running(at), weight)
            }),
            Choice::ConsistentHash(_) => None,
        }
    }

    /// Learns how long an answer took; `None`: it was none, or a failure.
    pub fn learn(&self, at: usize, now: u64, took: Option<u64>) {
        match took {
            Some(took) => self.latencies[at].observe(now, took),
            None => self.latencies[at].penalise(now, SECOND),
        }
    }
}
