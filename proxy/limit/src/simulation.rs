//! Two proxies and a store between them, in a clock of their own: what is promised of a shared limit,
//! for any seed.
//!
//! A failure names its seed; the same seed gives the same run.

use std::collections::BTreeMap;

use crate::testing::{MILLISECOND, SECOND, a_second, numbers};
use crate::{Answer, Ask, Away, Grant, Lease, Quota, Stored, Terms};

const MICROSECOND: u64 = 1_000;

/// What a proxy asks and is answered takes from half of this to this.
const ROUND_TRIP: u64 = MILLISECOND;
/// It gives up then.
const PATIENCE: u64 = 5 * MILLISECOND;

struct Setup {
    quota: Quota,
    away: Away,
    /// Requests a second at each proxy.
    rates: [u64; 2],
    length: u64,
    /// So long the store is well, then so long it is gone, again and again.
    well: u64,
    gone: u64,
    /// Of a hundred questions so many are granted, and the answer is lost.
    lost: u64,
}

#[derive(Debug, Default, Eq, PartialEq)]
struct Report {
    requests: u64,
    asked: u64,
    /// When one passed.
    passed: Vec<u64>,
}

enum Event {
    Request(usize),
    Store(usize, Ask),
    Answer(usize, Ask, Option<Grant>),
}

struct World<'a> {
    setup: &'a Setup,
    terms: Terms,
    leases: [Lease; 2],
    stored: Option<Stored>,
    /// By time, and in the order in which they were made.
    events: BTreeMap<(u64, u64), Event>,
    made: u64,
    below: Box<dyn FnMut(u64) -> u64>,
    report: Report,
}

impl World<'_> {
    fn at(&mut self, when: u64, event: Event) {
        self.made += 1;
        self.events.insert((when, self.made), event);
    }

    fn run(mut self) -> Report {
        (0..2).for_each(|proxy| self.at(SECOND, Event::Request(proxy)));
        while let Some(((now, _), event)) = self.events.pop_first() {
            match event {
                Event::Request(proxy) => self.request(proxy, now),
                Event::Store(proxy, ask) => self.store(proxy, ask, now),
                Event::Answer(proxy, ask, grant) => self.answer(proxy, ask, grant.as_ref(), now),
            }
        }
        self.report
    }

    fn request(&mut self, proxy: usize, now: u64) {
        self.report.requests += 1;
        // As far apart as they come by chance.
        let next = now + (self.below)(2 * SECOND / self.setup.rates[proxy]) + 1;
        if next < SECOND + self.setup.length {
            self.at(next, Event::Request(proxy));
        }
        match self.leases[proxy].take(&self.terms, 1, now) {
            Answer::Refused(_) => {}
            Answer::Ask(ask) => self.ask(proxy, ask, now),
            Answer::Taken(_, ahead) => {
                self.report.passed.push(now);
                if let Some(ask) = ahead {
                    self.ask(proxy, ask, now);
                }
            }
        }
    }

    fn ask(&mut self, proxy: usize, ask: Ask, now: u64) {
        self.report.asked += 1;
        let there = now + self.way();
        if there % (self.setup.well + self.setup.gone) >= self.setup.well {
            self.at(now + PATIENCE, Event::Answer(proxy, ask, None));
        } else {
            self.at(there, Event::Store(proxy, ask));
        }
    }

    fn store(&mut self, proxy: usize, ask: Ask, now: u64) {
        // Its clock is another: it has begun long before.
        let clock = 1_700_000_000_000_000 + now / MICROSECOND;
        let grant = Stored::grant(&mut self.stored, &self.setup.quota, ask.wish, clock);
        if (self.below)(100) < self.setup.lost {
            return self.at(now + PATIENCE, Event::Answer(proxy, ask, None));
        }
        let back = now + self.way();
        self.at(back, Event::Answer(proxy, ask, Some(grant)));
    }

    fn way(&mut self) -> u64 {
        (self.below)(ROUND_TRIP / 4) + ROUND_TRIP / 4
    }

    fn answer(&mut self, proxy: usize, ask: Ask, grant: Option<&Grant>, now: u64) {
        let lease = &mut self.leases[proxy];
        let verdict = match grant {
            Some(grant) => lease.answered(&self.terms, ask, grant, now),
            None => lease.failed(&self.terms, ask, now),
        };
        if ask.is_waited_for() && verdict.is_allowed {
            self.report.passed.push(now);
        }
    }
}

fn run(setup: &Setup, seed: u64) -> Report {
    let world = World {
        setup,
        terms: Terms::new(setup.quota, setup.away, 2),
        leases: [Lease::default(); 2],
        stored: None,
        events: BTreeMap::new(),
        made: 0,
        below: Box::new(numbers(seed)),
        report: Report::default(),
    };
    world.run()
}

/// Both proxies are asked for twice their half.
fn steady(rate: u32) -> Setup {
    let rates = [u64::from(rate); 2];
    let quota = a_second(rate, rate);
    Setup { quota, away: Away::Closed, rates, length: 20 * SECOND, well: SECOND, gone: 0, lost: 0 }
}

/// The most that passed in any time above what comes back in it.
fn most_above(report: &Report, quota: &Quota) -> i64 {
    // The largest rise of what has passed less what has come back.
    let (mut lowest, mut most) = (i64::MAX, 0);
    for (number, at) in report.passed.iter().enumerate() {
        let back = i64::try_from(at / quota.interval()).unwrap();
        let level = i64::try_from(number).unwrap() - back;
        lowest = lowest.min(level);
        most = most.max(level - lowest + 1);
    }
    most
}

fn share_of_rate(report: &Report, setup: &Setup) -> f64 {
    // After the burst is used up.
    let begin = SECOND + setup.length / 4;
    let count = report.passed.iter().filter(|at| **at >= begin).count();
    let nanos = setup.length - setup.length / 4;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let due = nanos as f64 / setup.quota.interval() as f64;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let count = count as f64;
    count / due
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let setup = steady(1_000);
    assert_eq!(run(&setup, 7), run(&setup, 7));
    assert_ne!(run(&setup, 7).passed, run(&setup, 8).passed);
}

#[test]
fn two_proxies_let_the_configured_rate_through() {
    for rate in [50, 300, 1_000, 10_000] {
        for seed in 0..5 {
            let setup = steady(rate);
            let share = share_of_rate(&run(&setup, seed), &setup);
            assert!((0.98..=1.02).contains(&share), "seed {seed}: {share} of {rate}");
        }
    }
}

/// One proxy has nine tenths of the requests.
#[test]
fn however_requests_are_spread_the_configured_rate_gets_through() {
    for seed in 0..5 {
        let setup = Setup { rates: [18_000, 2_000], ..steady(10_000) };
        let share = share_of_rate(&run(&setup, seed), &setup);
        assert!((0.98..=1.02).contains(&share), "seed {seed}: {share}");
    }
}

#[test]
fn at_ten_thousand_a_second_fewer_than_one_in_ten_requests_ask() {
    let even = [5_000, 5_000];
    for (rates, quota) in [(even, 20_000), (even, 10_000), (even, 5_000), ([9_500, 500], 9_000)] {
        for seed in 0..5 {
            let setup = Setup { rates, ..steady(quota) };
            let report = run(&setup, seed);
            let (asked, requests) = (report.asked, report.requests);
            assert!(asked * 10 < requests, "seed {seed}: {asked} of {requests} for {quota}");
        }
    }
}

/// The burst, what comes back, and an eighth of the burst for each proxy.
#[test]
fn never_more_than_was_promised_gets_through_while_the_store_flaps() {
    for flaps in [5 * MILLISECOND, 20 * MILLISECOND, 300 * MILLISECOND, 3 * SECOND] {
        for seed in 0..5 {
            let setup = Setup { well: flaps, gone: flaps, lost: 5, ..steady(2_000) };
            let report = run(&setup, seed);
            let most = most_above(&report, &setup.quota);
            let burst = i64::from(setup.quota.burst());
            assert!(most <= burst + 2 * (burst / 8) + 1, "seed {seed}: {most} at {flaps}");
            assert!(report.passed.len() > 500, "seed {seed}: {}", report.passed.len());
        }
    }
}

#[test]
fn while_the_store_is_gone_the_local_shares_let_the_configured_rate_through() {
    for seed in 0..5 {
        let setup = Setup { away: Away::Local, well: 0, gone: SECOND, ..steady(1_000) };
        let share = share_of_rate(&run(&setup, seed), &setup);
        assert!((0.98..=1.02).contains(&share), "seed {seed}: {share}");
    }
}

/// The store gets its tokens back while it is gone.
#[test]
fn with_local_shares_an_absence_adds_at_most_a_burst() {
    for seed in 0..5 {
        let times = Setup { well: 8 * SECOND, gone: 8 * SECOND, ..steady(1_000) };
        let setup = Setup { away: Away::Local, ..times };
        let report = run(&setup, seed);
        let (most, burst) = (most_above(&report, &setup.quota), i64::from(setup.quota.burst()));
        assert!(most > burst + burst / 2, "seed {seed}: {most}");
        assert!(most <= 2 * burst + 2 * (burst / 8) + 1, "seed {seed}: {most}");
    }
}
