use std::collections::HashMap;
use std::sync::Barrier;
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::testing::{SECOND, a_second, key, numbers};

const THREADS: usize = 8;

/// What all threads together were allowed that do it at the same time.
fn allowed(what: impl Fn(usize) -> u64 + Sync) -> u64 {
    let (begin, sum) = (Barrier::new(THREADS), AtomicU64::new(0));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (begin, sum, what) = (&begin, &sum, &what);
            scope.spawn(move || {
                begin.wait();
                sum.fetch_add(what(thread), Ordering::Relaxed);
            });
        }
    });
    sum.into_inner()
}

#[test]
fn keys_do_not_touch_one_another() {
    let (table, quota) = (Table::new(100), a_second(10, 3));
    for _ in 0..3 {
        assert!(table.check(key(1), &quota, 1, SECOND).is_allowed);
    }
    assert!(!table.check(key(1), &quota, 1, SECOND).is_allowed);
    assert!(table.check(key(2), &quota, 1, SECOND).is_allowed);
}

#[test]
fn a_look_takes_nothing_and_what_was_taken_can_be_given_back() {
    let (table, quota) = (Table::new(100), a_second(10, 3));
    assert_eq!(table.peek(key(1), &quota, 1, SECOND).remaining, 2);
    assert_eq!(table.check(key(1), &quota, 3, SECOND).remaining, 0);
    table.give_back(key(1), &quota, 2);
    assert_eq!(table.check(key(1), &quota, 1, SECOND).remaining, 1);
    table.give_back(key(2), &quota, 2);
    assert_eq!(table.check(key(2), &quota, 1, SECOND).remaining, 2);
}

#[test]
fn as_many_keys_as_were_asked_for_are_kept_exactly() {
    let (table, quota) = (Table::new(100_000), a_second(1, 1));
    let keys: Vec<_> = (0..100_000).map(key).collect();
    for key in &keys {
        assert!(table.check(*key, &quota, 1, SECOND).is_allowed);
    }
    assert_eq!((table.live(SECOND), table.forgotten()), (100_000, 0));
    assert!(keys.iter().all(|key| !table.check(*key, &quota, 1, SECOND).is_allowed));
    assert!(table.bytes() < 37 * 100_000);
}

/// Keys that come and go for long do not wear it out.
#[test]
fn keys_that_have_all_back_make_room() {
    let (table, quota) = (Table::new(10_000), a_second(1, 1));
    for number in 0..200_000_u64 {
        // Each is live for a second, in which 10,000 come.
        let now = SECOND + number * SECOND / 10_000;
        assert!(table.check(key(number), &quota, 1, now).is_allowed);
    }
    assert_eq!(table.forgotten(), 0);
}

#[test]
fn a_flood_of_fresh_keys_pushes_out_fresh_keys_and_not_who_is_at_the_limit() {
    let (table, quota) = (Table::new(1_000), a_second(1, 5));
    let busy: Vec<_> = (0..100).map(key).collect();
    for key in &busy {
        assert!(table.check(*key, &quota, 5, SECOND).is_allowed);
    }
    for number in 100..100_000 {
        table.check(key(number), &quota, 1, SECOND);
    }
    assert!(busy.iter().all(|key| !table.check(*key, &quota, 1, SECOND).is_allowed));
    assert!(table.forgotten() > 90_000, "{}", table.forgotten());
}

#[test]
fn the_smallest_table_is_one_too() {
    let (table, quota) = (Table::new(0), a_second(1, 1));
    for number in 0..100 {
        assert!(table.check(key(number), &quota, 1, SECOND).is_allowed);
        assert!(!table.check(key(number), &quota, 1, SECOND).is_allowed);
    }
    assert_eq!(table.live(SECOND), 2 * PLACES);
}

#[test]
fn what_can_never_pass_takes_no_place() {
    let (table, quota) = (Table::new(0), a_second(1, 1));
    for number in 0..1_000 {
        table.check(key(number), &quota, 1, SECOND);
    }
    let forgotten = table.forgotten();
    assert_eq!(table.check(key(9_999), &quota, 2, SECOND).retry_after, None);
    assert_eq!((table.forgotten(), table.live(SECOND)), (forgotten, 2 * PLACES));
}

/// Of those in both buckets.
#[test]
fn where_there_is_no_place_the_key_that_will_be_full_first_is_forgotten() {
    let (table, quota) = (Table::new(0), a_second(1, 1_000));
    let cost = |number: u64| u32::try_from(100 + number * 37 % 101).unwrap();
    let mut kept: Vec<_> = (0..14).map(|number| (cost(number), key(number))).collect();
    for (cost, key) in &kept {
        assert!(table.check(*key, &quota, *cost, SECOND).is_allowed);
    }
    for number in 14..90 {
        kept.sort_unstable();
        kept[0] = (cost(number), key(number));
        table.check(kept[0].1, &quota, kept[0].0, SECOND);
        for (cost, key) in &kept {
            assert_eq!(table.peek(*key, &quota, 0, SECOND).remaining, 1_000 - cost, "{number}");
        }
    }
    assert_eq!(table.forgotten(), 90 - 14);
}

#[test]
fn of_one_key_many_at_once_get_exactly_the_burst() {
    for round in 0..200 {
        let (table, quota) = (Table::new(10), a_second(1, 100));
        let check = |_| u64::from(table.check(key(round), &quota, 1, SECOND).is_allowed);
        assert_eq!(allowed(|thread| (0..50).map(|_| check(thread)).sum()), 100);
    }
}

/// All threads bring the same new keys in the same order, so that they meet in putting them in.
#[test]
fn a_new_key_that_many_bring_at_once_gets_one_place() {
    let (table, quota) = (Table::new(50_000), a_second(1, 2));
    let keys: Vec<_> = (0..50_000).map(key).collect();
    let check = |key: &Key| u64::from(table.check(*key, &quota, 1, SECOND).is_allowed);
    assert_eq!(allowed(|_| keys.iter().map(check).sum()), 100_000);
    assert_eq!(table.live(SECOND), 50_000);
}

/// While fresh keys are put in and forgotten all around, in the same few buckets.
#[test]
fn who_is_not_forgotten_gets_exactly_the_burst_whatever_goes_on_around() {
    for round in 0..20_u64 {
        let (table, slow, quick) = (Table::new(20), a_second(1, 1_000), a_second(1_000, 1));
        // It has taken so much that it is the last to be forgotten.
        assert!(table.check(key(round), &slow, 500, SECOND).is_allowed);
        let passed = allowed(|thread| {
            let mut passed = 0;
            for number in 0..2_000_u64 {
                passed += u64::from(table.check(key(round), &slow, 1, SECOND).is_allowed);
                table.check(key(1_000 + number * 8 + thread as u64), &quick, 1, SECOND);
            }
            passed
        });
        assert_eq!(passed, 500);
    }
}

proptest! {
    /// As long as nothing is forgotten, the table is nothing but the rule for each key.
    #[test]
    fn it_says_what_the_rule_says(seed in any::<u64>(), count in 1..1_000_u32, burst in 1..20_u32) {
        let (table, quota, mut below) = (Table::new(200), a_second(count, burst), numbers(seed));
        let (mut fulls, mut now) = (HashMap::new(), SECOND);
        for _ in 0..1_000 {
            now += below(quota.interval());
            let (number, cost) = (below(100), u32::try_from(below(3)).unwrap());
            let full = fulls.entry(number).or_insert(0);
            let (verdict, new) = step(*full, now, cost, &quota);
            *full = new;
            prop_assert_eq!(table.check(key(number), &quota, cost, now), verdict);
        }
        prop_assert_eq!(table.forgotten(), 0);
    }
}
