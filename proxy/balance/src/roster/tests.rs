use proptest::prelude::*;

use super::*;

const HALF: Share = Share::percent(50);

/// Zones make no difference.
const NOWHERE: Share = Share::percent(0);

fn candidates(states: &[State]) -> Vec<Candidate> {
    states
        .iter()
        .map(|state| Candidate { state: *state, weight: 1, permille: SCALE, is_local: false })
        .collect()
}

fn places(states: &[State], panic: Share) -> (Vec<usize>, bool) {
    let roster = Roster::of(&candidates(states), panic, NOWHERE);
    (roster.places.iter().map(|place| place.position).collect(), roster.is_panic)
}

#[test]
fn only_those_that_are_usable_are_used() {
    let every = places(&State::ALL, Share::percent(0));
    assert_eq!(every, (vec![0, 1, 2], false), "serving, warming, half open");
}

#[test]
fn with_too_few_left_all_are_used_but_those_that_were_taken_out_or_whose_breaker_is_open() {
    // Three of six that are wanted.
    assert_eq!(places(&State::ALL, HALF), (vec![0, 1, 2], false));
    assert_eq!(places(&State::ALL, Share::percent(51)), (vec![0, 1, 2, 4, 5], true));
}

#[test]
fn nobody_is_used_where_nobody_is() {
    assert_eq!(places(&[], Share::percent(100)), (vec![], false));
    assert_eq!(places(&[State::Disabled, State::Draining], Share::percent(100)), (vec![], false));
    assert_eq!(places(&[State::Open; 3], HALF), (vec![], false));
    assert_eq!(places(&[State::Serving, State::Open, State::Open], HALF), (vec![0], false));
}

#[test]
fn weights_stay_as_they_are_until_one_is_warming() {
    let mut candidates = candidates(&[State::Serving; 2]);
    candidates[0].weight = 7;
    let weights = |candidates: &[Candidate]| {
        let roster = Roster::of(candidates, HALF, NOWHERE);
        roster.places.iter().map(|place| place.weight).collect::<Vec<_>>()
    };
    assert_eq!(weights(&candidates), [7, 1]);
    candidates[0].permille = 100;
    assert_eq!(weights(&candidates), [700, 1000]);
}

#[test]
fn when_all_are_used_one_that_is_warming_is_not_held_back_for_those_that_fail() {
    let mut candidates =
        candidates(&[State::Warming, State::Ejected, State::Ejected, State::Unhealthy]);
    candidates[0].permille = 100;
    let roster = Roster::of(&candidates, HALF, NOWHERE);
    assert!(roster.is_panic);
    assert!(roster.places.iter().all(|place| place.weight == 1), "{roster:?}");
}

#[test]
fn when_all_are_used_none_is_preferred_for_its_zone() {
    let states = [State::Unhealthy, State::Unhealthy, State::Unhealthy, State::Serving];
    let mut candidates = candidates(&states);
    candidates[..3].iter_mut().for_each(|one| one.is_local = true);
    let roster = Roster::of(&candidates, HALF, Share::percent(70));
    assert!(roster.is_panic);
    assert_eq!(roster.places.len(), 4, "the only one that is well is among them");
}

#[test]
fn one_comes_to_its_full_share_in_ten_steps() {
    let (second, since) = (Duration::from_secs(1), Moment::from_nanos(5_000_000_000));
    let over = second * 10;
    let mut now = since;
    for permille in [100, 100, 200, 300, 400, 500, 600, 700, 800, 900] {
        let next = now.after(second);
        assert_eq!(warmth(since, over, now), Some((permille, next)));
        let just_before = Moment::from_nanos(next.nanos() - 1);
        assert_eq!(warmth(since, over, just_before), Some((permille, next)));
        now = next;
    }
    assert_eq!(warmth(since, over, now), None);
}

#[test]
fn without_slow_start_the_full_share_is_there_at_once() {
    for over in [Duration::ZERO, Duration::from_nanos(9)] {
        assert_eq!(warmth(Moment::default(), over, Moment::default()), None);
    }
}

#[test]
fn a_clock_that_went_back_leaves_one_at_the_first_step() {
    let since = Moment::from_nanos(1_000_000);
    let warmth = warmth(since, Duration::from_secs(1), Moment::default());
    assert_eq!(warmth.map(|(permille, _)| permille), Some(LEAST_PERMILLE));
}

proptest! {
    #[test]
    fn no_numbers_do_harm(
        all in prop::collection::vec((0_usize..8, any::<u32>(), 0_u64..=1000), 0..50),
        percent in 0_u8..=100,
    ) {
        let candidate = |(state, weight, permille)| Candidate {
            state: State::ALL[state], weight, permille, is_local: false,
        };
        let all: Vec<Candidate> = all.into_iter().map(candidate).collect();
        let roster = Roster::of(&all, Share::percent(percent), NOWHERE);
        let is_used = |at: usize| roster.places.iter().any(|place| place.position == at);
        for (at, candidate) in all.iter().enumerate() {
            prop_assert!(!candidate.state.is_usable() || is_used(at));
            prop_assert!(!is_used(at) || candidate.state.is_last_resort());
        }
    }

    #[test]
    fn no_times_do_harm(since in any::<u64>(), now in any::<u64>(), over in any::<u64>()) {
        let (since, now) = (Moment::from_nanos(since), Moment::from_nanos(now));
        if let Some((permille, next)) = warmth(since, Duration::from_nanos(over), now) {
            prop_assert!((LEAST_PERMILLE..SCALE).contains(&permille));
            prop_assert!(next > now || next.nanos() == u64::MAX);
        }
    }
}

fn zoned(state: State, is_local: bool) -> Candidate {
    Candidate { state, weight: 1, permille: SCALE, is_local }
}

/// The part of all requests that goes to the own zone, in percent.
fn own_share(usable: usize, lost: usize, others: usize, local: u8) -> u64 {
    let own = std::iter::repeat_n(zoned(State::Serving, true), usable);
    let lost = std::iter::repeat_n(zoned(State::Unhealthy, true), lost);
    let others = std::iter::repeat_n(zoned(State::Serving, false), others);
    let all: Vec<Candidate> = own.chain(lost).chain(others).collect();
    let roster = Roster::of(&all, Share::percent(0), Share::percent(local));
    let sum = |is: fn(&Candidate) -> bool| {
        let places = roster.places.iter().filter(|place| is(&all[place.position]));
        places.map(|place| u64::from(place.weight)).sum::<u64>()
    };
    sum(|one| one.is_local) * 100 / sum(|_| true)
}

#[test]
fn the_own_zone_is_preferred_as_long_as_enough_of_it_is_there() {
    assert_eq!(own_share(10, 0, 10, 70), 100);
    assert_eq!(own_share(7, 3, 10, 70), 100);
    assert_eq!(own_share(1, 0, 9, 70), 100);
}

#[test]
fn with_less_the_others_get_what_is_missing() {
    // 35 of the 70 percent that are needed: half.
    assert_eq!(own_share(7, 13, 10, 70), 50);
    assert_eq!(own_share(1, 6, 1, 100), 14);
    assert_eq!(own_share(0, 10, 10, 70), 0);
}

#[test]
fn zones_may_make_no_difference() {
    assert_eq!(own_share(5, 0, 15, 0), 25);
    assert_eq!(own_share(0, 0, 5, 70), 0);
}
