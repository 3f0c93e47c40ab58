use marchproxy_conf::values::{Share, Time};
use proptest::prelude::*;

use super::*;

/// Ten seconds out, at most 35; compared each second if there are twenty answers.
fn policy() -> Ejection {
    Ejection {
        failures: Some(Share::percent(20)),
        slow: Some(3),
        period: Time::from_secs(1),
        requests: 20,
        time: Time::from_secs(10),
        longest: Time::from_secs(35),
        ..Ejection::default()
    }
}

fn at(millis: u64) -> Moment {
    Moment::from_nanos(millis * 1_000_000)
}

/// An endpoint with so many answers, of which so many failed, and so many milliseconds for each.
fn counted(answered: u64, failed: u64, millis: u64) -> Counts {
    let waited = answered * millis * 1_000_000;
    Counts { answered, failed, timed: answered, waited, ..Counts::default() }
}

/// Who stands out of these.
fn found(policy: &Ejection, counted: &[Counts]) -> Vec<(usize, Cause)> {
    let periods: Vec<Option<Counts>> = counted.iter().copied().map(Some).collect();
    outliers(policy, &periods)
}

/// Ejects it, and says for how many seconds.
fn seconds_out(ejected: &mut Ejected, now: u64) -> u64 {
    ejected.eject(&policy(), Cause::Consecutive, at(now));
    let until = ejected.until().unwrap();
    assert!(ejected.is_out() && !ejected.release(at(now)));
    assert!(ejected.release(until) && !ejected.is_out() && !ejected.release(until));
    until.since(at(now)).as_secs()
}

#[test]
fn each_time_it_is_out_for_twice_as_long_up_to_the_longest() {
    let (mut ejected, mut now) = (Ejected::default(), 100_000);
    for seconds in [10, 20, 35, 35] {
        assert_eq!(seconds_out(&mut ejected, now), seconds);
        now += seconds * 1000 + 34_999;
    }
}

#[test]
fn one_that_was_good_for_the_longest_time_begins_anew() {
    let mut ejected = Ejected::default();
    assert_eq!(seconds_out(&mut ejected, 0), 10);
    assert_eq!(seconds_out(&mut ejected, 10_000), 20);
    assert_eq!(seconds_out(&mut ejected, 30_000 + 35_000), 10);
}

#[test]
fn it_may_be_ejected_without_end() {
    let (mut ejected, mut now) = (Ejected::default(), 0);
    for _ in 0..100 {
        now += 1000 * seconds_out(&mut ejected, now);
    }
    assert_eq!(seconds_out(&mut ejected, now), 35);
    ejected.eject(&policy(), Cause::Consecutive, Moment::from_nanos(u64::MAX));
    assert_eq!(ejected.until(), Some(Moment::from_nanos(u64::MAX)), "the end of time");
}

#[test]
fn a_period_is_counted_when_it_is_over_and_had_enough_answers() {
    let mut ejected = Ejected::default();
    let counts = |answered| Counts { answered, ..Counts::default() };
    assert_eq!(ejected.period(&policy(), counts(1000), at(200)), None, "from here on");
    assert_eq!(ejected.period(&policy(), counts(1100), at(999)), None);
    assert_eq!(ejected.period(&policy(), counts(1200), at(1000)), Some(counts(200)));
    assert_eq!(ejected.period(&policy(), counts(1219), at(2000)), None, "19 are too few");
    assert_eq!(ejected.period(&policy(), counts(1239), at(3500)), Some(counts(20)));
    assert_eq!(ejected.period(&policy(), counts(9999), at(3999)), None);
}

#[test]
fn periods_that_began_at_different_times_end_together() {
    let (mut early, mut late) = (Ejected::default(), Ejected::default());
    let counts = |answered| Counts { answered, ..Counts::default() };
    early.period(&policy(), counts(0), at(0));
    late.period(&policy(), counts(0), at(705));
    for millis in (5..1000).step_by(5) {
        assert_eq!(early.period(&policy(), counts(90), at(millis)), None);
    }
    for ejected in [&mut early, &mut late] {
        assert_eq!(ejected.period(&policy(), counts(100), at(1000)), Some(counts(100)));
    }
}

#[test]
fn a_period_ends_where_the_next_begins() {
    let end = |now| period_end(&policy(), at(now));
    assert_eq!([0, 1, 999, 1000].map(end), [1000, 1000, 1000, 2000].map(at));
    assert_eq!(period_end(&policy(), Moment::from_nanos(u64::MAX)).nanos(), u64::MAX);
}

#[test]
fn what_fails_more_than_all_others_together_stands_out() {
    let others = counted(100, 10, 10);
    for (failed, is_found) in [(29, false), (30, true), (100, true)] {
        let periods = [Some(others), Some(counted(100, failed, 10)), Some(others), None];
        let found = outliers(&policy(), &periods);
        let expected = [(1, Cause::Failures)];
        assert_eq!(found, &expected[..usize::from(is_found)], "{failed}");
    }
}

#[test]
fn what_takes_so_many_times_as_long_as_the_median_stands_out() {
    for (millis, is_found) in [(29, false), (30, true)] {
        let periods =
            [counted(50, 0, 10), counted(50, 0, 9), counted(50, 0, 500), counted(50, 0, millis)];
        let found = found(&policy(), &periods);
        let expected = [(2, Cause::Slow), (3, Cause::Slow)];
        assert_eq!(found, &expected[..=usize::from(is_found)], "{millis}");
    }
}

#[test]
fn of_two_the_slower_and_the_worse_are_told_from_the_other() {
    assert_eq!(found(&policy(), &[counted(50, 0, 10), counted(50, 0, 40)]), [(1, Cause::Slow)]);
    let worse = [counted(50, 20, 10), counted(50, 0, 10)];
    assert_eq!(found(&policy(), &worse), [(0, Cause::Failures)]);
}

#[test]
fn one_alone_stands_out_from_nobody() {
    assert_eq!(found(&policy(), &[]), []);
    assert_eq!(outliers(&policy(), &[None, Some(counted(50, 50, 9999)), None]), []);
}

#[test]
fn where_all_are_equally_bad_nobody_stands_out() {
    assert_eq!(found(&policy(), &[counted(50, 50, 10_000); 5]), []);
}

#[test]
fn the_worst_come_first() {
    let periods = [
        counted(50, 20, 10),
        counted(50, 0, 90),
        counted(50, 40, 10),
        counted(500, 0, 10),
        counted(500, 0, 10),
        counted(50, 0, 50),
        counted(500, 0, 10),
    ];
    let found = found(&policy(), &periods);
    assert_eq!(found.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [2, 0, 1, 5]);
}

#[test]
fn what_is_not_configured_is_not_looked_for() {
    let periods = [counted(50, 0, 10), counted(50, 50, 10), counted(50, 0, 500)];
    let by_failures = Ejection { slow: None, ..policy() };
    assert_eq!(found(&by_failures, &periods), [(1, Cause::Failures)]);
    let by_time = Ejection { failures: None, ..policy() };
    assert_eq!(found(&by_time, &periods), [(2, Cause::Slow)]);
}

proptest! {
    #[test]
    fn no_counts_do_harm(
        counts in prop::collection::vec(
            prop::option::of((any::<u64>(), any::<u64>(), any::<u64>())),
            0..20,
        ),
    ) {
        let count = |(answered, failed, waited)| Counts { answered, failed, timed: answered, waited, ..Counts::default() };
        let periods: Vec<Option<Counts>> =
            counts.into_iter().map(|counts| counts.map(count)).collect();
        let found = outliers(&policy(), &periods);
        prop_assert!(found.iter().all(|(at, _)| periods[*at].is_some()));
    }

    #[test]
    fn never_do_all_stand_out_in_one_way(
        counts in prop::collection::vec((20_u64..1000, 0_u64..1000, 1_u64..1000), 2..20),
    ) {
        let count = |(answered, failed, millis): (u64, u64, u64)| {
            counted(answered, failed.min(answered), millis)
        };
        let counts: Vec<Counts> = counts.into_iter().map(count).collect();
        let (failures, slow) = (policy().failures, policy().slow);
        for (failures, slow) in [(failures, None), (None, slow)] {
            let policy = Ejection { failures, slow, ..policy() };
            prop_assert!(found(&policy, &counts).len() < counts.len());
        }
    }
}
