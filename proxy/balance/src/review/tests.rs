mod slow_start;

use marchproxy_conf::values::Time;
use proptest::prelude::*;

use super::*;
use crate::Outcome;

const MILLISECOND: Duration = Duration::from_millis(1);
const GOOD: Outcome = Outcome::Good(MILLISECOND);
const ERROR: Outcome = Outcome::Error(MILLISECOND);

fn at(millis: u64) -> Moment {
    Moment::from_nanos(millis * 1_000_000)
}

/// Endpoints of weight 1, and by what they are judged: five failures in a row eject for ten seconds,
/// up to half of them, if nothing else is said.
struct Upstream {
    standings: Vec<Standing>,
    policy: Policy,
}

impl Upstream {
    fn new(endpoints: usize) -> Self {
        let policy = Policy {
            local: Share::percent(0),
            ejection: Ejection::default(),
            breaker: None,
            panic: Share::percent(50),
            slow_start: Duration::ZERO,
        };
        let upstream =
            Self { standings: (0..endpoints).map(|_| Standing::default()).collect(), policy };
        upstream.look(0);
        upstream
    }

    fn look(&self, millis: u64) -> Review {
        let member = |standing| Member { standing, weight: 1, is_local: false };
        let members: Vec<Member<'_>> = self.standings.iter().map(member).collect();
        review(&members, &self.policy, at(millis))
    }

    fn states(&self, millis: u64) -> Vec<State> {
        self.look(millis).states
    }

    /// How many of so many requests got in, and met that.
    fn send(&self, endpoint: usize, requests: usize, outcome: Outcome) -> usize {
        let standing = &self.standings[endpoint];
        let send = |_| {
            let entered = standing.enter(u32::MAX)?;
            standing.note(&entered, outcome);
            standing.leave(&entered);
            Some(())
        };
        (0..requests).map_while(send).count()
    }

    /// The weights of those that are used.
    fn weights(&self, millis: u64) -> Vec<(usize, u32)> {
        let places = self.look(millis).roster.places;
        places.iter().map(|place| (place.position, place.weight)).collect()
    }

    fn ejected(&self, millis: u64) -> usize {
        self.states(millis).iter().filter(|state| **state == State::Ejected).count()
    }
}

#[test]
fn failures_in_a_row_eject_for_a_time() {
    let upstream = Upstream::new(4);
    upstream.send(1, 4, Outcome::Broken);
    assert_eq!(upstream.states(10), [State::Serving; 4]);
    upstream.send(1, 1, Outcome::Broken);
    let review = upstream.look(20);
    assert_eq!(review.events, [(1, Event::Ejected(Cause::Consecutive))]);
    assert_eq!(review.states[1], State::Ejected);
    assert_eq!(upstream.weights(20), [(0, 1), (2, 1), (3, 1)]);
    assert_eq!(review.again, Some(at(10_020)));
    assert_eq!(upstream.look(10_019).events, []);
    let review = upstream.look(10_020);
    assert_eq!(review.events, [(1, Event::Returned)]);
    assert_eq!((review.states[1], review.again), (State::Serving, None));
}

#[test]
fn an_answer_between_them_keeps_it_in_whatever_it_says() {
    for answer in [GOOD, ERROR] {
        let upstream = Upstream::new(4);
        for _ in 0..5 {
            upstream.send(1, 4, Outcome::Broken);
            upstream.send(1, 1, answer);
        }
        assert_eq!(upstream.ejected(10), 0);
    }
}

#[test]
fn without_a_number_of_failures_in_a_row_none_eject() {
    let mut upstream = Upstream::new(4);
    upstream.policy.ejection.consecutive = 0;
    upstream.send(1, 1000, Outcome::Broken);
    assert_eq!(upstream.ejected(10), 0);
}

#[test]
fn no_more_are_ejected_than_may_be() {
    for (endpoints, percent, most) in
        [(1, 50, 0), (3, 50, 1), (4, 50, 2), (10, 25, 2), (9, 10, 0), (4, 100, 4), (4, 0, 0)]
    {
        let mut upstream = Upstream::new(endpoints);
        upstream.policy.ejection.share = Share::percent(percent);
        for endpoint in 0..endpoints {
            upstream.send(endpoint, 5, Outcome::Broken);
        }
        assert_eq!(upstream.ejected(10), most, "{percent} % of {endpoints}");
    }
}

#[test]
fn endpoints_that_were_taken_out_count_neither_for_the_share_nor_against_it() {
    let upstream = Upstream::new(4);
    upstream.standings[2].set_mode(Mode::Disabled);
    upstream.standings[3].set_mode(Mode::Draining);
    upstream.send(3, 5, Outcome::Broken);
    assert_eq!(upstream.look(5).events, []);
    for endpoint in [3, 0, 1] {
        upstream.send(endpoint, 5, Outcome::Broken);
    }
    let states = upstream.states(10);
    assert_eq!(states[..2], [State::Ejected, State::Serving], "half of two is one");
    assert_eq!(states[2..], [State::Disabled, State::Draining]);
    upstream.standings[3].set_mode(Mode::Serving);
    assert_eq!(upstream.states(20)[3], State::Serving, "what failed as it went is of before");
}

#[test]
fn what_fails_while_it_is_out_is_forgotten() {
    let upstream = Upstream::new(4);
    upstream.send(1, 5, Outcome::Broken);
    upstream.look(0);
    upstream.send(1, 100, Outcome::Broken);
    let review = upstream.look(10_000);
    assert_eq!(review.events, [(1, Event::Returned)]);
    upstream.send(1, 4, Outcome::Broken);
    assert_eq!(upstream.ejected(10_001), 0);
    upstream.send(1, 1, Outcome::Broken);
    assert_eq!(upstream.look(10_002).again, Some(at(30_002)), "twice as long");
}

#[test]
fn one_that_was_out_is_compared_again_however_often_all_are_looked_at() {
    let mut upstream = Upstream::new(4);
    upstream.policy.ejection.failures = Some(Share::percent(20));
    upstream.policy.ejection.period = Time::from_secs(1);
    upstream.look(0);
    let mut ejections = Vec::new();
    for millis in (5..40_000).step_by(5) {
        for endpoint in 0..4 {
            upstream.send(endpoint, 1, if endpoint == 1 { ERROR } else { GOOD });
        }
        if millis == 335 {
            // Returns in the midst of a period.
            upstream.send(1, 5, Outcome::Broken);
        }
        let events = upstream.look(millis).events.into_iter();
        ejections.extend(events.filter_map(|(at, event)| match event {
            Event::Ejected(cause) => Some((millis, at, cause)),
            _ => None,
        }));
    }
    let expected =
        [(335, 1, Cause::Consecutive), (11_000, 1, Cause::Failures), (32_000, 1, Cause::Failures)];
    assert_eq!(ejections, expected);
}

#[test]
fn one_that_stands_out_in_two_ways_is_ejected_once() {
    let mut upstream = Upstream::new(4);
    upstream.policy.ejection.failures = Some(Share::percent(20));
    upstream.look(0);
    (0..4).for_each(|endpoint| {
        upstream.send(endpoint, 100, if endpoint == 1 { Outcome::Broken } else { GOOD });
    });
    let review = upstream.look(10_000);
    assert_eq!(review.events, [(1, Event::Ejected(Cause::Consecutive))]);
    assert_eq!(review.again, Some(at(20_000)));
}

#[test]
fn an_operator_stands_above_checks_and_checks_above_all_else() {
    let mut upstream = Upstream::new(4);
    upstream.policy.panic = Share::percent(0);
    upstream.send(0, 5, Outcome::Broken);
    assert_eq!(upstream.states(0)[0], State::Ejected);
    upstream.standings[0].checked().note(Err("no".to_owned()), 1, 1);
    assert_eq!(upstream.states(1)[0], State::Unhealthy);
    upstream.standings[0].set_mode(Mode::Draining);
    assert_eq!(upstream.states(2)[0], State::Draining);
    upstream.standings[0].set_mode(Mode::Disabled);
    assert_eq!(upstream.states(3)[0], State::Disabled);
    upstream.standings[0].set_mode(Mode::Serving);
    upstream.standings[0].checked().note(Ok(()), 1, 1);
    assert_eq!(upstream.states(10_000)[0], State::Serving);
}

#[test]
fn a_weight_that_an_operator_sets_holds_at_once() {
    let upstream = Upstream::new(2);
    upstream.standings[1].set_weight(Some(5));
    assert_eq!(upstream.weights(1), [(0, 1), (1, 5)]);
}

#[test]
fn with_too_few_left_those_that_are_out_are_used_as_well() {
    let upstream = Upstream::new(4);
    for endpoint in [0, 1] {
        upstream.send(endpoint, 5, Outcome::Broken);
    }
    let review = upstream.look(1);
    assert!(!review.roster.is_panic && review.roster.places.len() == 2, "half is enough");
    upstream.standings[2].checked().note(Err("no".to_owned()), 1, 1);
    let review = upstream.look(2);
    assert!(review.roster.is_panic && review.roster.places.len() == 4);
}

/// One with a breaker that opens after ten failures of ten, for a second, and lets two through.
fn with_breaker() -> Upstream {
    let mut upstream = Upstream::new(4);
    upstream.policy.ejection.consecutive = 0;
    upstream.policy.breaker =
        Some(Breaker { requests: 10, open: Time::from_secs(1), probes: 2, ..Breaker::default() });
    upstream.look(0);
    upstream
}

#[test]
fn a_breaker_opens_lets_a_few_through_and_closes() {
    let upstream = with_breaker();
    upstream.send(3, 10, ERROR);
    let review = upstream.look(5);
    assert_eq!(review.events, [(3, Event::Tripped(Trip::Opened))]);
    assert_eq!((review.states[3], review.roster.places.len()), (State::Open, 3));
    let review = upstream.look(1005);
    assert_eq!(review.events, [(3, Event::Tripped(Trip::HalfOpened))]);
    assert_eq!((review.states[3], review.roster.places.len()), (State::HalfOpen, 4));
    assert_eq!(upstream.send(3, 10, GOOD), 2);
    let review = upstream.look(1010);
    assert_eq!(review.events, [(3, Event::Tripped(Trip::Closed))]);
    assert_eq!(review.states[3], State::Serving);
    assert_eq!(upstream.send(3, 10, GOOD), 10);
}

#[test]
fn probes_whose_clients_leave_do_not_keep_a_breaker_half_open() {
    let upstream = with_breaker();
    upstream.send(3, 10, ERROR);
    upstream.look(5);
    upstream.look(1005);
    for _ in 0..100 {
        let left = upstream.standings[3].enter(u32::MAX).unwrap();
        upstream.standings[3].leave(&left);
    }
    assert_eq!(upstream.send(3, 10, GOOD), 2);
    assert_eq!(upstream.states(1010)[3], State::Serving);
}

#[test]
fn what_ran_before_a_breaker_opened_neither_closes_nor_opens_it() {
    let upstream = with_breaker();
    let standing = &upstream.standings[3];
    let early: Vec<_> = (0..6).map(|_| standing.enter(u32::MAX).unwrap()).collect();
    upstream.send(3, 10, ERROR);
    upstream.look(5);
    assert_eq!(upstream.look(1005).states[3], State::HalfOpen);
    for entered in &early[..3] {
        standing.note(entered, GOOD);
    }
    assert_eq!(upstream.look(1010).states[3], State::HalfOpen, "no probe has come through");
    for entered in &early[3..] {
        standing.note(entered, ERROR);
    }
    assert_eq!(upstream.look(1015).states[3], State::HalfOpen, "nor failed");
    assert_eq!(upstream.send(3, 10, GOOD), 2);
    assert_eq!(upstream.look(1020).states[3], State::Serving);
}

#[test]
fn one_that_others_always_answer_for_stands_out_as_slow() {
    let mut upstream = Upstream::new(4);
    upstream.policy.ejection = Ejection { slow: Some(5), requests: 10, ..Ejection::default() };
    upstream.look(0);
    let period = u64::try_from(upstream.policy.ejection.period.duration().as_millis()).unwrap();
    for _ in 0..20 {
        for at in 0..3 {
            upstream.send(at, 1, GOOD);
        }
        upstream.send(3, 1, Outcome::Left(50 * MILLISECOND));
    }
    let review = upstream.look(period + 1);
    assert_eq!(review.events, [(3, Event::Ejected(Cause::Slow))]);
}

#[test]
fn failures_that_come_at_once_do_not_hide_how_slow_the_answers_are() {
    let mut upstream = Upstream::new(4);
    upstream.policy.ejection =
        Ejection { consecutive: 0, slow: Some(5), requests: 10, ..Ejection::default() };
    upstream.look(0);
    let period = u64::try_from(upstream.policy.ejection.period.duration().as_millis()).unwrap();
    for at in 0..3 {
        upstream.send(at, 20, GOOD);
    }
    upstream.send(3, 19, Outcome::Broken);
    upstream.send(3, 1, Outcome::Good(6 * MILLISECOND));
    let review = upstream.look(period + 1);
    assert_eq!(review.events, [(3, Event::Ejected(Cause::Slow))]);
    assert_eq!(upstream.standings[3].answers(), (1, 6 * MILLISECOND));
}

#[test]
fn a_policy_without_breakers_closes_those_that_are_open() {
    let mut upstream = with_breaker();
    upstream.send(3, 10, ERROR);
    upstream.look(5);
    upstream.look(1005);
    upstream.policy.breaker = None;
    assert_eq!(upstream.states(1006), [State::Serving; 4]);
    assert_eq!(upstream.send(3, 10, GOOD), 10);
}

#[test]
fn while_the_clock_stands_still_nothing_comes_back() {
    let mut upstream = with_breaker();
    upstream.policy.ejection.consecutive = 5;
    upstream.policy.slow_start = Duration::from_secs(10);
    upstream.send(0, 5, Outcome::Broken);
    upstream.send(1, 10, ERROR);
    let states = upstream.states(5);
    for _ in 0..1000 {
        let review = upstream.look(5);
        assert_eq!((&review.states, review.events), (&states, vec![]));
    }
}

#[test]
fn one_endpoint_that_is_there_twice_does_not_stop_the_keeper() {
    let upstream = Upstream::new(1);
    let member = Member { standing: &upstream.standings[0], weight: 1, is_local: false };
    upstream.send(0, 5, Outcome::Broken);
    assert_eq!(review(&[member, member], &upstream.policy, at(1)).states[0], State::Ejected);
    assert_eq!(review(&[member, member], &upstream.policy, at(2)).states[0], State::Ejected);
}

/// What can happen to an upstream: so much later, to whom, and what.
fn happenings() -> impl Strategy<Value = Vec<(u64, usize, usize, u8)>> {
    prop::collection::vec((0_u64..3000, 0_usize..8, 0_usize..12, 0_u8..8), 1..200)
}

proptest! {
    #[test]
    fn whatever_happens_the_share_holds_and_there_is_a_next_look(
        happenings in happenings(),
        percent in 0_u8..=100,
        has_breaker in any::<bool>(),
    ) {
        let mut upstream = if has_breaker { with_breaker() } else { Upstream::new(8) };
        upstream.standings.resize_with(8, Standing::default);
        let ejection = &mut upstream.policy.ejection;
        ejection.share = Share::percent(percent);
        (ejection.failures, ejection.slow, ejection.requests) = (Some(ejection.share), Some(2), 3);
        ejection.consecutive = 5;
        upstream.policy.slow_start = Duration::from_secs(3);
        let mut now = 0;
        for (later, endpoint, requests, what) in happenings {
            now += later;
            let outcome = [GOOD, ERROR, Outcome::Broken, Outcome::Good(Duration::MAX)];
            if let Some(outcome) = outcome.get(usize::from(what)) {
                upstream.send(endpoint, requests, *outcome);
            }
            let before = upstream.ejected(now);
            let review = upstream.look(now);
            let out = review.states.iter().filter(|state| **state == State::Ejected).count();
            prop_assert_eq!(before, out, "a second look at the same moment changes nothing");
            prop_assert!(out <= 8 * usize::from(percent) / 100);
            prop_assert!(review.again.is_some_and(|again| again > at(now)));
        }
    }

    #[test]
    fn no_numbers_do_harm(
        looks in prop::collection::vec((any::<u64>(), 0_usize..3, any::<u32>(), 0_u8..3), 1..50),
    ) {
        let mut upstream = with_breaker();
        upstream.policy.slow_start = Duration::from_nanos(u64::MAX);
        upstream.policy.ejection.longest = Time::from_secs(u64::MAX / 1_000_000_000);
        for (nanos, endpoint, weight, mode) in looks {
            upstream.send(endpoint, 10, Outcome::Good(Duration::MAX));
            upstream.send(endpoint, 10, Outcome::Broken);
            let standing = &upstream.standings[endpoint];
            standing.set_weight(Some(weight));
            standing.set_mode([Mode::Serving, Mode::Draining, Mode::Disabled][usize::from(mode)]);
            let members: Vec<_> =
                upstream.standings.iter().map(|standing| Member { standing, weight, is_local: false }).collect();
            let review = review(&members, &upstream.policy, Moment::from_nanos(nanos));
            prop_assert_eq!(review.states.len(), members.len());
        }
    }
}
