//! What came of a simulation.

use super::SECOND;
use crate::{Review, State};

/// One request, and what became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    pub came: u64,
    pub is_post: bool,
    pub key: u64,
    pub tried: Vec<usize>,
    /// Where it is, or is about to be.
    pub seat: Option<usize>,
    /// When its last attempt began.
    pub began: u64,
    /// How many servers have been told it.
    pub sent: usize,
    /// When it was answered, and whether well.
    pub end: Option<(u64, bool)>,
}

/// What a look of the keeper found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Look {
    pub at: u64,
    pub ejected: usize,
    pub usable: usize,
    /// How many servers had something wrong in truth.
    pub failing: usize,
    pub is_panic: bool,
    /// The share of requests of each endpoint, in thousandths.
    pub shares: Vec<u64>,
}

/// What came of a simulation.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    pub seed: u64,
    pub requests: Vec<Request>,
    /// When an attempt began, and where.
    pub tries: Vec<(u64, usize)>,
    pub retries: Vec<u64>,
    pub ejections: Vec<(u64, usize)>,
    pub looks: Vec<Look>,
}

impl Request {
    pub fn new(came: u64, is_post: bool, key: u64) -> Self {
        let (tried, seat, end) = (Vec::new(), None, None);
        Self { came, is_post, key, tried, seat, began: came, sent: 0, end }
    }

    /// Whether this is its attempt at the moment.
    pub fn is_at(&self, attempt: usize) -> bool {
        self.end.is_none() && self.tried.len() == attempt
    }
}

impl Look {
    pub fn new(at: u64, review: &Review, failing: usize) -> Self {
        let count = |is: fn(&State) -> bool| review.states.iter().filter(|state| is(state)).count();
        let sum: u64 = review.roster.places.iter().map(|place| u64::from(place.weight)).sum();
        let mut shares = vec![0; review.states.len()];
        for place in &review.roster.places {
            shares[place.position] = u64::from(place.weight) * 1000 / sum;
        }
        Self {
            at,
            ejected: count(|state| *state == State::Ejected),
            usable: count(|state| state.is_usable()),
            failing,
            is_panic: review.roster.is_panic,
            shares,
        }
    }
}

impl Report {
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Those that came in a time and were answered, or should have been long ago.
    pub fn over(&self, from: u64, to: u64) -> impl Iterator<Item = &Request> {
        self.requests.iter().filter(move |request| (from..to).contains(&request.came))
    }

    /// Requests of a time that were not answered well, of how many; POST does not count.
    pub fn bad(&self, from: u64, to: u64) -> (usize, usize) {
        let idempotent = || self.over(from, to).filter(|request| !request.is_post);
        let is_bad = |request: &&Request| !request.end.is_some_and(|(_, is_good)| is_good);
        (idempotent().filter(is_bad).count(), idempotent().count())
    }

    /// The time within which 99 % of the good answers of a time came.
    pub fn p99(&self, from: u64, to: u64) -> u64 {
        let good = self.over(from, to).filter_map(|request| match request.end {
            Some((end, true)) => Some(end - request.came),
            _ => None,
        });
        let mut times: Vec<u64> = good.collect();
        times.sort_unstable();
        times[times.len() * 99 / 100]
    }

    /// The share of attempts of a time that went to an endpoint, in thousandths.
    pub fn share(&self, endpoint: usize, from: u64, to: u64) -> usize {
        let tries = || self.tries.iter().filter(|(at, _)| (from..to).contains(at));
        tries().filter(|(_, at)| *at == endpoint).count() * 1000 / tries().count().max(1)
    }

    /// Attempts for each thousand requests of a time.
    pub fn tried(&self, from: u64, to: u64) -> usize {
        let tries = self.tries.iter().filter(|(at, _)| (from..to).contains(at));
        tries.count() * 1000 / self.over(from, to).count().max(1)
    }

    /// Attempts that began in each second at an endpoint.
    pub fn each_second(&self, endpoint: usize, seconds: u64) -> Vec<usize> {
        let count = |second: u64| {
            let tries =
                self.tries.iter().filter(|(at, to)| *to == endpoint && at / SECOND == second);
            tries.count()
        };
        (0..seconds).map(count).collect()
    }
}
