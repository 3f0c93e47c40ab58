//! How one that is new, or back, comes to its full share.

use super::*;

#[test]
fn one_that_is_back_comes_to_its_full_share_by_and_by() {
    let mut upstream = Upstream::new(2);
    upstream.policy.slow_start = Duration::from_secs(10);
    upstream.send(0, 5, Outcome::Broken);
    assert_eq!(upstream.weights(0), [(1, 1)]);
    for (second, weight) in
        [100, 100, 200, 300, 400, 500, 600, 700, 800, 900].into_iter().enumerate()
    {
        let millis = 10_000 + 1000 * u64::try_from(second).unwrap();
        let review = upstream.look(millis);
        assert_eq!(review.states, [State::Warming, State::Serving]);
        assert_eq!(review.roster.places[0].weight, weight, "{second}");
        assert_eq!(review.roster.places[1].weight, 1000);
        assert_eq!(review.again, Some(at(millis + 1000)));
    }
    assert_eq!(upstream.weights(20_000), [(0, 1), (1, 1)]);
}

#[test]
fn the_first_of_all_serve_at_once_and_those_that_come_later_in_steps() {
    let mut upstream = Upstream::new(0);
    upstream.policy.slow_start = Duration::from_secs(10);
    upstream.standings = vec![Standing::default(), Standing::default()];
    assert_eq!(upstream.states(0), [State::Serving; 2]);
    upstream.standings.push(Standing::default());
    assert_eq!(upstream.states(1), [State::Serving, State::Serving, State::Warming]);
}

#[test]
fn a_longer_slow_start_takes_nothing_from_one_that_has_come_to_its_share() {
    let mut upstream = Upstream::new(2);
    upstream.policy.slow_start = Duration::from_secs(10);
    upstream.send(0, 5, Outcome::Broken);
    for millis in [0, 10_000, 20_000] {
        upstream.look(millis);
    }
    upstream.policy.slow_start = Duration::from_mins(10);
    assert_eq!(upstream.states(21_000), [State::Serving; 2]);
}

#[test]
fn one_that_goes_again_while_it_warms_begins_its_steps_anew() {
    let mut upstream = Upstream::new(2);
    upstream.policy.slow_start = Duration::from_secs(10);
    upstream.standings[0].set_mode(Mode::Draining);
    upstream.look(0);
    upstream.standings[0].set_mode(Mode::Serving);
    assert_eq!(upstream.weights(1000)[0], (0, 100));
    assert_eq!(upstream.weights(6000)[0], (0, 500));
    upstream.standings[0].set_mode(Mode::Draining);
    assert_eq!(upstream.weights(7000), [(1, 1)]);
    upstream.standings[0].set_mode(Mode::Serving);
    assert_eq!(upstream.weights(8000)[0], (0, 100));
}
