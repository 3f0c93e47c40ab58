use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn quota(count: u32, seconds: u64, burst: u32) -> Quota {
    Quota::new(count, Duration::from_secs(seconds), burst).unwrap()
}

/// Any quota that is one.
fn quotas() -> impl Strategy<Value = Quota> {
    let parts = (1..=2_000_000_u32, 1..=1_000_000_000_000_u64, 1..=5_000_u32);
    parts.prop_map(|(count, per, burst)| {
        Quota::new(count, Duration::from_nanos(per), burst).unwrap()
    })
}

/// Requests: how long after the one before, in parts of an interval, and what it costs.
fn requests() -> impl Strategy<Value = Vec<(u64, u32)>> {
    prop::collection::vec((0..3_000_u64, 0..4_u32), 1..200)
}

/// When how much was let through.
fn passed(quota: &Quota, requests: &[(u64, u32)]) -> Vec<(u64, u64)> {
    let (mut full, mut now, mut passed) = (0, SECOND, Vec::new());
    for (thousandths, cost) in requests {
        now += quota.interval() * thousandths / 1_000;
        let (verdict, new) = step(full, now, *cost, quota);
        if verdict.is_allowed {
            full = new;
            passed.push((now, u64::from(*cost)));
        }
    }
    passed
}

#[test]
fn a_burst_passes_at_once_and_then_one_for_each_interval() {
    let quota = quota(10, 1, 3);
    let mut full = 0;
    for remaining in [2, 1, 0] {
        let (verdict, new) = step(full, SECOND, 1, &quota);
        assert!(verdict.is_allowed);
        assert_eq!(verdict.remaining, remaining);
        full = new;
    }
    let (verdict, kept) = step(full, SECOND, 1, &quota);
    assert!(!verdict.is_allowed);
    assert_eq!(verdict.retry_after, Some(Duration::from_millis(100)));
    assert_eq!(verdict.reset, Duration::from_millis(300));
    assert_eq!(kept, full, "a refused request costs nothing");
    assert!(step(full, SECOND + SECOND / 10, 1, &quota).0.is_allowed);
}

#[test]
fn what_costs_more_than_the_burst_never_passes() {
    let (verdict, full) = step(0, SECOND, 4, &quota(10, 1, 3));
    assert_eq!((verdict.is_allowed, verdict.retry_after, full), (false, None, 0));
    assert_eq!(verdict.remaining, 3);
}

#[test]
fn what_costs_nothing_always_passes_and_changes_nothing() {
    let quota = quota(1, 1, 1);
    let (_, full) = step(0, SECOND, 1, &quota);
    let (verdict, new) = step(full, SECOND, 0, &quota);
    assert_eq!((verdict.is_allowed, verdict.remaining, new), (true, 0, full));
}

#[test]
fn a_clock_set_back_makes_it_stricter_and_no_more() {
    let quota = quota(10, 1, 3);
    let (_, full) = step(0, 100 * SECOND, 1, &quota);
    let (verdict, kept) = step(full, 50 * SECOND, 1, &quota);
    assert!(!verdict.is_allowed);
    assert!(step(kept, 100 * SECOND, 1, &quota).0.is_allowed);
}

#[test]
fn at_the_end_of_all_time_nothing_overflows() {
    let quota = Quota::new(1, Duration::from_hours(24), 52).unwrap();
    let (verdict, full) = step(u64::MAX, u64::MAX, u32::MAX, &quota);
    assert_eq!((verdict.is_allowed, full), (false, u64::MAX));
    assert_eq!(step(0, u64::MAX, 52, &quota).1, u64::MAX);
}

proptest! {
    #[test]
    fn no_window_lets_more_through_than_the_burst_and_what_comes_back(
        quota in quotas(),
        requests in requests(),
    ) {
        let passed = passed(&quota, &requests);
        for (at, (begin, _)) in passed.iter().enumerate() {
            let mut sum = 0;
            for (end, cost) in &passed[at..] {
                sum += cost;
                let back = (end - begin) / quota.interval();
                prop_assert!(sum <= u64::from(quota.burst()) + back);
            }
        }
    }

    #[test]
    fn who_asks_all_the_time_gets_no_less(quota in quotas(), intervals in 1..200_u64) {
        let asked = vec![(500, 1); usize::try_from(intervals * 2).unwrap() + 10_000];
        let passed = passed(&quota, &asked);
        let begin = passed[0].0;
        let sum = passed.iter().filter(|(at, _)| at - begin <= intervals * quota.interval()).count();
        // The steps of the clock are whole nanoseconds.
        let steps = u64::from(quota.burst()).min(intervals * quota.interval() / (quota.interval() / 2).max(1));
        prop_assert!(sum as u64 >= steps.min(intervals));
    }

    #[test]
    fn what_remains_is_never_more_than_the_burst_and_can_be_had(
        quota in quotas(),
        full in any::<u64>(),
        now in 0..u64::MAX / 2,
        cost in any::<u32>(),
    ) {
        let (verdict, new) = step(full, now, cost, &quota);
        prop_assert!(verdict.remaining <= quota.burst());
        prop_assert!(step(new, now, verdict.remaining, &quota).0.is_allowed || new > now + quota.tolerance());
        if verdict.remaining < quota.burst() {
            prop_assert!(!step(new, now, verdict.remaining + 1, &quota).0.is_allowed);
        }
    }

    #[test]
    fn the_time_to_wait_is_exact_to_the_nanosecond(
        quota in quotas(),
        now in 0..u64::MAX / 4,
        ahead in 0..1_u64 << 53,
        cost in 1..6_000_u32,
    ) {
        let full = now + ahead;
        let (verdict, kept) = step(full, now, cost, &quota);
        prop_assert_eq!(verdict.retry_after.is_some(), cost <= quota.burst());
        let Some(wait) = verdict.retry_after else { return Ok(()) };
        let wait = u64::try_from(wait.as_nanos()).unwrap();
        prop_assert_eq!(verdict.is_allowed, wait == 0);
        if wait > 0 {
            prop_assert_eq!(kept, full);
            prop_assert!(!step(full, now + wait - 1, cost, &quota).0.is_allowed);
        }
        prop_assert!(step(full, now + wait, cost, &quota).0.is_allowed);
    }

    #[test]
    fn a_clock_that_jumps_never_lets_more_through(
        quota in quotas(),
        moments in prop::collection::vec(0..1_000_u64, 1..200),
    ) {
        let (mut full, mut latest, mut passed) = (0, 0, 0_u64);
        for moment in moments {
            let now = SECOND + moment * quota.interval() / 100;
            latest = latest.max(now);
            let (verdict, new) = step(full, now, 1, &quota);
            passed += u64::from(verdict.is_allowed);
            full = if verdict.is_allowed { new } else { full };
        }
        prop_assert!(passed <= u64::from(quota.burst()) + (latest - SECOND) / quota.interval());
    }
}
