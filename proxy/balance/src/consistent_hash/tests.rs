use std::cell::RefCell;

use super::*;
use crate::hash;
use crate::testing::{assert_shares, counted, numbers};

fn identities(seed: u64, weights: &[u32]) -> Vec<(u64, u32)> {
    let name = |at: usize| hash(u128::from(seed), format!("10.0.0.{at}:80").as_bytes());
    weights.iter().enumerate().map(|(at, weight)| (name(at), *weight)).collect()
}

fn circle(endpoints: &[(u64, u32)]) -> ConsistentHash {
    ConsistentHash::new(endpoints.iter().copied())
}

/// The share of slots with other owners.
fn moved(one: &ConsistentHash, other: &ConsistentHash) -> f64 {
    let pairs = one.owners.iter().zip(&other.owners);
    let moved = u32::try_from(pairs.filter(|(one, other)| one != other).count()).unwrap();
    f64::from(moved) / f64::from(1_u32 << SLOT_BITS)
}

#[test]
fn nobody_is_picked_from_nothing() {
    for endpoints in [&[][..], &[(7, 0)]] {
        assert_eq!(circle(endpoints).pick(3, |_| false), None);
    }
}

#[test]
fn the_only_one_gets_every_key() {
    let circle = circle(&[(7, 0), (8, 2)]);
    for key in [0, 1, u64::MAX / 2, u64::MAX] {
        assert_eq!(circle.pick(key, |_| false), Some(1));
    }
}

#[test]
fn random_keys_are_shared_by_weight() {
    for seed in 0..3 {
        for weights in [&[1; 10][..], &[1, 2, 5], &[1, 9], &[100, 0, 1000], &[1; 100]] {
            let circle = circle(&identities(seed, weights));
            let mut key = numbers(seed);
            let counts = counted(weights.len(), 100_000, || circle.pick(key(u64::MAX), |_| false));
            assert_shares(&counts, weights, 0.005, seed);
        }
    }
}

#[test]
fn the_slots_of_a_thousand_are_near_their_weights() {
    for seed in 0..3 {
        let endpoints = identities(seed, &[1; 1000]);
        let circle = circle(&endpoints);
        let mut counts = vec![0_u32; endpoints.len()];
        circle.owners.iter().for_each(|owner| counts[usize::try_from(*owner).unwrap()] += 1);
        let due = f64::from(1_u32 << SLOT_BITS) / 1000.0;
        let off = |count: &u32| (f64::from(*count) / due - 1.0).abs();
        let worst = counts.iter().map(off).fold(0.0, f64::max);
        let mean = counts.iter().map(off).sum::<f64>() / 1000.0;
        assert!(worst < 0.2 && mean < 0.05, "seed {seed}: worst {worst}, mean {mean}");
    }
}

#[test]
fn only_the_keys_of_an_endpoint_that_goes_move() {
    for seed in 0..5 {
        let endpoints = identities(seed, &[3, 1, 4, 1, 5]);
        let before = circle(&endpoints);
        let mut fewer = endpoints.clone();
        fewer[2].1 = 0;
        let after = circle(&fewer);
        let pairs = before.owners.iter().zip(&after.owners);
        let strays = pairs.filter(|(before, after)| **before != 2 && before != after).count();
        // Of the slots that nobody had hit some follow their neighbours, some are hit now.
        assert!(strays < SLOTS / 2_000, "seed {seed}: {strays}");
    }
}

#[test]
fn at_most_the_ideal_share_of_keys_and_a_fifth_moves_when_one_goes_or_comes() {
    for count in [2_u32, 10, 50, 200, 1000] {
        let mut endpoints = identities(0, &vec![1; usize::try_from(count).unwrap()]);
        let mut before = circle(&endpoints);
        for seed in 0..20 {
            let at = usize::try_from(numbers(seed / 2)(u64::from(count))).unwrap();
            endpoints[at] = match endpoints[at] {
                (_, 0) => (hash(u128::from(seed), b"new"), 1),
                (gone, _) => (gone, 0),
            };
            let after = circle(&endpoints);
            let share = moved(&before, &after) * f64::from(count);
            assert!(
                (0.8..=1.2).contains(&share),
                "seed {seed}: {share} of the ideal among {count}"
            );
            before = after;
        }
    }
}

#[test]
fn a_changed_weight_moves_the_keys_it_is_worth() {
    for seed in 0..5 {
        let mut endpoints = identities(seed, &[4; 8]);
        let before = circle(&endpoints);
        endpoints[3].1 = 5;
        let moved = moved(&before, &circle(&endpoints)) / (5.0 / 33.0 - 4.0 / 32.0);
        assert!((0.8..1.2).contains(&moved), "seed {seed}: {moved} of the ideal");
    }
}

#[test]
fn the_order_in_which_endpoints_are_known_does_not_matter() {
    let mut endpoints = identities(1, &[1, 2, 3, 4]);
    let one = circle(&endpoints);
    endpoints.reverse();
    let other = circle(&endpoints);
    assert!(one.owners.iter().zip(&other.owners).all(|(one, other)| *one == 3 - *other));
}

/// A change of this would move most keys of a fleet that is half updated.
#[test]
fn keys_go_where_they_went_in_the_first_version() {
    let circle = circle(&identities(0, &[1, 2, 3, 4, 5, 6]));
    let places =
        (0..12_u32).map(|key| circle.pick(hash(0, &key.to_le_bytes()), |_| false).unwrap());
    assert_eq!(places.collect::<Vec<_>>(), [4, 2, 3, 5, 3, 1, 2, 2, 1, 5, 5, 2]);
}

#[test]
fn the_keys_of_a_full_endpoint_are_spread_by_weight() {
    for seed in 0..10 {
        let circle = circle(&identities(seed, &[5, 1, 2, 5]));
        let mut key = numbers(seed);
        let counts = counted(4, 100_000, || {
            let key = std::iter::repeat_with(|| key(u64::MAX));
            let mut of_the_full = key.filter(|key| circle.pick(*key, |_| false) == Some(0));
            circle.pick(of_the_full.next()?, |at| at == 0)
        });
        assert_shares(&counts, &[0, 1, 2, 5], 0.02, seed);
    }
}

#[test]
fn a_full_endpoint_gets_no_key_and_the_keys_of_others_stay() {
    let circle = circle(&identities(0, &[1, 1, 1]));
    let mut key = numbers(5);
    for _ in 0..10_000 {
        let key = key(u64::MAX);
        let home = circle.pick(key, |_| false);
        let found = circle.pick(key, |at| at == 1);
        assert_ne!(found, Some(1));
        assert!(home == Some(1) || home == found);
    }
}

#[test]
fn the_only_one_with_room_is_found_and_nobody_when_all_are_full() {
    let circle = circle(&identities(0, &[1; 1000]));
    let mut key = numbers(5);
    for only in [0, 1, 500, 999] {
        assert_eq!(circle.pick(key(u64::MAX), |at| at != only), Some(only));
    }
    assert_eq!(circle.pick(key(u64::MAX), |_| true), None);
}

#[test]
fn one_key_that_everyone_asks_for_fills_no_endpoint_over_the_bound() {
    let weights = [1, 1, 2, 4];
    let circle = circle(&identities(0, &weights));
    let running = RefCell::new([0_u32; 4]);
    for all_running in 0..800_u64 {
        let bound = Bound::new(125, all_running, 8);
        let picked =
            circle.pick(42, |at| bound.is_full(running.borrow()[at], weights[at])).unwrap();
        running.borrow_mut()[picked] += 1;
    }
    for (running, weight) in running.into_inner().into_iter().zip(weights) {
        assert!(running <= 125 * weight, "{running} for {weight} of 8");
    }
}
