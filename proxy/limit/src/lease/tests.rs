use super::*;
use crate::Stored;
use crate::testing::{MILLISECOND, SECOND, a_second};

/// One proxy and a store that answers at once.
struct World {
    lease: Lease,
    terms: Terms,
    stored: Option<Stored>,
    asked: u32,
    waited: u32,
}

impl World {
    fn new(quota: Quota, away: Away) -> Self {
        let terms = Terms::new(quota, away, 2);
        Self { lease: Lease::default(), terms, stored: None, asked: 0, waited: 0 }
    }

    fn ask(&mut self, ask: Ask, now: u64) -> Verdict {
        self.asked += 1;
        let grant = Stored::grant(&mut self.stored, &self.terms.quota, ask.wish, now / 1_000);
        self.lease.answered(&self.terms, ask, &grant, now)
    }

    fn request(&mut self, now: u64) -> Verdict {
        match self.lease.take(&self.terms, 1, now) {
            Answer::Refused(verdict) => verdict,
            Answer::Ask(ask) => {
                self.waited += 1;
                self.ask(ask, now)
            }
            Answer::Taken(verdict, ahead) => {
                ahead.map(|ask| self.ask(ask, now));
                verdict
            }
        }
    }

    /// A request while the store is gone.
    fn alone(&mut self, now: u64) -> Verdict {
        match self.lease.take(&self.terms, 1, now) {
            Answer::Refused(verdict) => verdict,
            Answer::Ask(ask) => {
                self.asked += 1;
                self.lease.failed(&self.terms, ask, now)
            }
            Answer::Taken(verdict, ahead) => {
                ahead.map(|ask| self.lease.failed(&self.terms, ask, now));
                verdict
            }
        }
    }
}

#[test]
fn a_key_in_steady_use_rarely_asks() {
    let mut world = World::new(a_second(10_000, 10_000), Away::Closed);
    for number in 0..20_000 {
        assert!(world.request(SECOND + number * SECOND / 10_000).is_allowed);
    }
    assert!(world.asked < 300, "{}", world.asked);
    assert!(world.waited < 5, "{}", world.waited);
}

#[test]
fn a_batch_is_as_large_as_the_key_is_busy() {
    let mut world = World::new(a_second(10_000, 10_000), Away::Closed);
    let (mut now, mut batches) = (SECOND, Vec::new());
    for rate in [1_000, 10_000, 100] {
        for _ in 0..rate * 5 {
            now += SECOND / rate;
            assert!(world.request(now).is_allowed);
        }
        batches.push(world.lease.batch);
    }
    // Half of it is used before the next is asked for.
    let lasts = |batch: u32, rate: u64| u64::from(batch) * SECOND / rate / 2;
    assert!((HORIZON..=TOO_LONG).contains(&lasts(batches[0], 1_000)), "{batches:?}");
    assert!((HORIZON..=TOO_LONG).contains(&lasts(batches[1], 10_000)), "{batches:?}");
    assert!((1..=16).contains(&batches[2]), "{batches:?}");
}

#[test]
fn a_key_that_is_used_slowly_asks_for_one_at_a_time() {
    let mut world = World::new(a_second(1_000, 1_000), Away::Closed);
    for number in 0..100 {
        world.request(SECOND + number * SECOND / 2);
        assert_eq!(world.lease.tokens, 0);
    }
    assert_eq!(world.asked, 100);
}

#[test]
fn what_the_store_has_not_is_not_asked_for() {
    let mut world = World::new(a_second(10, 2), Away::Closed);
    world.request(SECOND);
    world.request(SECOND);
    for _ in 0..1_000 {
        assert!(!world.request(SECOND).is_allowed);
    }
    assert_eq!(world.asked, 2);
}

/// However it is used: in hand is never more than an eighth of the burst.
#[test]
fn in_hand_is_never_more_than_a_small_part_of_the_burst() {
    let mut world = World::new(a_second(10_000, 800), Away::Closed);
    let mut most = 0;
    for number in 0..100_000 {
        world.request(SECOND + number * SECOND / 9_000);
        most = most.max(world.lease.tokens);
    }
    assert!((50..=100).contains(&most), "{most}");
}

#[test]
fn what_was_not_used_in_time_is_worth_nothing() {
    let mut world = World::new(a_second(10_000, 10_000), Away::Closed);
    for number in 0..1_000 {
        world.request(SECOND + number * SECOND / 10_000);
    }
    assert!(world.lease.tokens > 10);
    let later = world.lease.lapses;
    assert!(world.lease.is_idle(later) && !world.lease.is_idle(later - 1));
    assert!(!world.alone(later).is_allowed);
}

#[test]
fn a_request_that_is_refused_gives_back_what_was_laid_aside_for_it() {
    let (quota, now) = (a_second(1, 10), SECOND);
    let mut world = World::new(quota, Away::Closed);
    world.lease = Lease { tokens: 3, lapses: now + SECOND, ..Lease::default() };
    let Answer::Ask(ask) = world.lease.take(&world.terms, 8, now) else { panic!("it has only 3") };
    assert_eq!((ask.wish.minimum, world.lease.tokens), (5, 0));
    // Another proxy was quicker.
    Stored::grant(&mut world.stored, &quota, Wish { wanted: 8, minimum: 8 }, now / 1_000);
    assert!(!world.ask(ask, now).is_allowed);
    assert_eq!(world.lease.tokens, 3);
    let Answer::Ask(ask) = world.lease.take(&world.terms, 5, now) else {
        panic!("it may be there")
    };
    world.lease.failed(&world.terms, ask, now);
    assert_eq!(world.lease.tokens, 3);
}

#[test]
fn who_meets_a_question_under_way_asks_for_itself_only() {
    let mut world = World::new(a_second(10_000, 10_000), Away::Closed);
    world.lease.batch = 500;
    world.lease.granted = SECOND;
    let wish = |answer| match answer {
        Answer::Ask(ask) => ask.wish,
        other => panic!("{other:?}"),
    };
    assert_eq!(wish(world.lease.take(&world.terms, 1, SECOND)).wanted, 1_000);
    assert_eq!(wish(world.lease.take(&world.terms, 1, SECOND)), Wish { wanted: 1, minimum: 1 });
}

#[test]
fn without_the_store_the_mode_applies_and_it_is_not_asked_for_a_while() {
    for (away, passed) in [(Away::Open, 100), (Away::Closed, 0), (Away::Local, 5)] {
        let mut world = World::new(a_second(1, 10), away);
        let allowed = (0..100).filter(|_| world.alone(SECOND).is_allowed).count();
        assert_eq!((allowed, world.asked), (passed, 1), "{away:?}");
        assert!(world.request(SECOND + PAUSE).is_allowed);
        assert_eq!(world.asked, 2);
    }
}

#[test]
fn a_refusal_without_the_store_says_when_it_is_asked_again() {
    let mut world = World::new(a_second(1, 10), Away::Closed);
    world.alone(SECOND);
    let verdict = world.alone(SECOND + 80 * MILLISECOND);
    assert_eq!(verdict.retry_after, Some(Duration::from_millis(120)));
}

#[test]
fn a_question_whose_answer_is_lost_is_asked_again() {
    let mut world = World::new(a_second(10_000, 10_000), Away::Closed);
    world.lease.batch = 500;
    let Answer::Ask(_) = world.lease.take(&world.terms, 1, SECOND) else { panic!("none in hand") };
    let later = SECOND + LOST;
    world.lease.granted = later;
    let Answer::Ask(ask) = world.lease.take(&world.terms, 1, later) else { panic!("none in hand") };
    assert!(ask.wish.wanted > 1);
}

#[test]
fn an_answer_overtaken_by_a_later_one_does_not_change_what_is_known() {
    let mut world = World::new(a_second(10, 100), Away::Closed);
    let Answer::Ask(early) = world.lease.take(&world.terms, 1, SECOND) else { panic!("it asks") };
    let now = SECOND + MILLISECOND;
    let Answer::Ask(late) = world.lease.take(&world.terms, 1, now) else { panic!("it asks") };
    let grant = |tokens, reset| {
        let reset = Duration::from_secs(reset);
        Grant { tokens, wait: Some(Duration::ZERO), remaining: 0, reset }
    };
    world.lease.answered(&world.terms, late, &grant(1, 10), now);
    world.lease.answered(&world.terms, early, &grant(1, 1), now);
    assert_eq!(world.lease.full, now + 10 * SECOND);
}

#[test]
fn it_may_be_forgotten_when_nothing_is_known_any_more() {
    let mut world = World::new(a_second(10, 10), Away::Local);
    assert!(world.lease.is_idle(SECOND));
    world.request(SECOND);
    assert!(!world.lease.is_idle(SECOND));
    assert!(world.lease.is_idle(SECOND + SECOND / 5));
}

#[test]
fn a_question_that_failed_has_taken_nothing() {
    let day = Duration::from_hours(24);
    let mut world = World::new(Quota::new(1, day, 1).unwrap(), Away::Closed);
    assert!(!world.alone(SECOND).is_allowed);
    assert!(world.request(SECOND + PAUSE).is_allowed);
}

/// Between a question and its answer others come; what was asked for is not there for them.
#[test]
fn what_is_asked_for_is_not_asked_for_twice() {
    let mut world = World::new(a_second(10, 2), Away::Closed);
    let Answer::Ask(_) = world.lease.take(&world.terms, 1, SECOND) else { panic!("it asks") };
    let Answer::Ask(_) = world.lease.take(&world.terms, 1, SECOND) else { panic!("it asks") };
    let Answer::Refused(verdict) = world.lease.take(&world.terms, 1, SECOND) else {
        panic!("there are no more")
    };
    assert_eq!(verdict.retry_after, Some(Duration::from_millis(100)));
}
