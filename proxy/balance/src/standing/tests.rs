use std::sync::Barrier;
use std::sync::atomic::AtomicU32;
use std::thread;

use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);
const OUTCOMES: [Outcome; 3] =
    [Outcome::Good(MILLISECOND), Outcome::Error(MILLISECOND), Outcome::Broken];

fn send(standing: &Standing, outcome: Outcome) -> bool {
    let entered = standing.enter(u32::MAX).unwrap();
    let wakes = standing.note(&entered, outcome);
    standing.leave(&entered);
    wakes
}

#[test]
fn no_more_enter_than_may() {
    let standing = Standing::default();
    let first = standing.enter(2).unwrap();
    let _second = standing.enter(2).unwrap();
    assert!(standing.enter(2).is_none());
    assert_eq!(standing.running(), 2);
    standing.leave(&first);
    assert!(standing.enter(2).is_some());
    assert!(standing.enter(0).is_none());
}

/// Eight threads that do it a thousand times each, all at once.
fn by_many(what: impl Fn() + Sync) {
    let begin = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                begin.wait();
                (0..1000).for_each(|_| what());
            });
        }
    });
}

#[test]
fn however_many_come_at_once_the_limit_holds_and_every_place_comes_back() {
    let (standing, inside) = (Standing::default(), AtomicU32::new(0));
    by_many(|| {
        let Some(entered) = standing.enter(3) else { return };
        assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
        thread::yield_now();
        inside.fetch_sub(1, Ordering::SeqCst);
        standing.leave(&entered);
    });
    assert_eq!(standing.running(), 0);
}

#[test]
fn however_many_come_at_once_no_more_probes_get_in_than_are_wanted() {
    let (standing, probes) = (Standing::default(), AtomicU32::new(0));
    standing.set_probes(Some(5));
    by_many(|| {
        if let Some(entered) = standing.enter(u32::MAX) {
            probes.fetch_add(1, Ordering::Relaxed);
            standing.note(&entered, Outcome::Good(MILLISECOND));
            standing.leave(&entered);
        }
    });
    assert_eq!(probes.into_inner(), 5);
    assert_eq!(standing.running(), 0);
}

#[test]
fn a_probe_of_which_nothing_became_is_free_for_another() {
    let standing = Standing::default();
    standing.set_probes(Some(1));
    let vanishes = standing.enter(u32::MAX).unwrap();
    assert!(standing.enter(u32::MAX).is_none());
    assert_eq!(standing.running(), 1, "one that did not get in has no place");
    standing.leave(&vanishes);
    send(&standing, Outcome::Broken);
    assert!(standing.enter(u32::MAX).is_none(), "of this one something became");
}

#[test]
fn one_that_came_before_the_breaker_opened_frees_no_probe() {
    let standing = Standing::default();
    let before = standing.enter(u32::MAX).unwrap();
    standing.set_probes(Some(0));
    standing.leave(&before);
    assert!(standing.enter(u32::MAX).is_none());
}

#[test]
fn a_probe_that_leaves_late_does_not_hinder_those_after_it() {
    let standing = Standing::default();
    standing.set_probes(Some(1));
    let probe = standing.enter(u32::MAX).unwrap();
    standing.set_probes(None);
    standing.leave(&probe);
    let entered: Vec<_> = (0..10).map_while(|_| standing.enter(u32::MAX)).collect();
    assert_eq!(entered.len(), 10);
}

#[test]
fn each_outcome_is_counted_as_what_it_is() {
    for (outcome, failed, in_a_row) in
        [(OUTCOMES[0], 0, 0), (OUTCOMES[1], 1, 0), (OUTCOMES[2], 1, 2)]
    {
        let standing = Standing::default();
        send(&standing, Outcome::Broken);
        let before = standing.counts();
        send(&standing, outcome);
        let counts = standing.counts().since(before);
        assert_eq!((counts.answered, counts.failed), (1, failed), "{outcome:?}");
        assert_eq!(counts.waited, if outcome == Outcome::Broken { 0 } else { 1_000_000 });
        assert_eq!(standing.broken_in_a_row(), in_a_row, "{outcome:?}");
    }
}

#[test]
fn the_keeper_is_called_for_failures_and_for_what_becomes_of_probes() {
    let standing = Standing::default();
    assert_eq!(OUTCOMES.map(|outcome| send(&standing, outcome)), [false, true, true]);
    standing.set_probes(Some(9));
    assert_eq!(OUTCOMES.map(|outcome| send(&standing, outcome)), [true; 3]);
}

#[test]
fn the_longest_waits_are_added_without_harm() {
    let standing = Standing::default();
    for _ in 0..3 {
        send(&standing, Outcome::Good(Duration::MAX));
    }
    let before = standing.counts();
    send(&standing, Outcome::Good(MILLISECOND));
    assert_eq!(standing.counts().since(before).waited, 1_000_000);
}

#[test]
fn an_operator_is_followed() {
    let standing = Standing::default();
    assert_eq!((standing.mode(), standing.weight(3)), (Mode::Serving, 3));
    for mode in [Mode::Draining, Mode::Disabled, Mode::Serving] {
        standing.set_mode(mode);
        assert_eq!(standing.mode(), mode);
    }
    standing.set_weight(Some(7));
    assert_eq!(standing.weight(3), 7);
    standing.set_weight(None);
    assert_eq!(standing.weight(3), 3);
}
