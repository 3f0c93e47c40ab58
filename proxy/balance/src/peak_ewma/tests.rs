use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Latency;
use crate::testing::{assert_shares, counted, numbers};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;

#[test]
fn nobody_is_picked_from_nothing() {
    for weights in [&[][..], &[0, 0]] {
        assert_eq!(PeakEwma::new(weights).pick(numbers(1), |_, _| 0.0), None);
    }
}

#[test]
fn the_only_one_is_taken_whatever_it_costs() {
    assert_eq!(PeakEwma::new(&[0, 3]).pick(numbers(1), |_, _| f64::MAX), Some(1));
}

#[test]
fn endpoints_of_equal_cost_share_by_weight() {
    for seed in 0..20 {
        for weights in [&[1; 10][..], &[1, 2, 5], &[1, 9], &[1, 0, 1000]] {
            let (balancer, mut below) = (PeakEwma::new(weights), numbers(seed));
            let pick = || balancer.pick(&mut below, |_, _| 5.0);
            assert_shares(&counted(weights.len(), 100_000, pick), weights, 0.005, seed);
        }
    }
}

#[test]
fn the_weight_that_a_cost_is_told_is_relative_to_the_mean() {
    let balancer = PeakEwma::new(&[100, 0, 300]);
    let asked = RefCell::new(Vec::new());
    balancer.pick(
        |_| 0,
        |at, weight| {
            asked.borrow_mut().push((at, weight));
            0.0
        },
    );
    balancer.pick(
        |_| 100,
        |at, weight| {
            asked.borrow_mut().push((at, weight));
            0.0
        },
    );
    assert!(asked.borrow().contains(&(0, 0.5)) && asked.borrow().contains(&(2, 1.5)), "{asked:?}");
}

#[test]
fn only_a_clear_difference_counts() {
    let picked = |costs: [f64; 2]| {
        let (balancer, mut below) = (PeakEwma::new(&[1, 1]), numbers(1));
        counted(2, 10_000, || balancer.pick(&mut below, |at, _| costs[at]))
    };
    assert_eq!(picked([1.3, 1.0]), [0, 10_000]);
    assert_shares(&picked([1.2, 1.0]), &[1, 1], 0.02, 1);
}

/// What an endpoint does with a request.
enum Answer {
    /// Takes so many milliseconds, give or take as many percent.
    Good(u64, u64),
    /// 500, in no time.
    Refused,
}

/// The times and positions of 100,000 picks, with so many requests of 10 ms at a time on average.
fn simulated(
    weights: &[u32],
    at_a_time: u64,
    seed: u64,
    answer: impl Fn(usize, u64) -> Answer,
) -> Vec<(u64, usize)> {
    let (balancer, mut below, mut chance) = (PeakEwma::new(weights), numbers(seed), numbers(!seed));
    let latency: Vec<_> = weights.iter().map(|_| Latency::new(Duration::from_secs(10))).collect();
    let mut running = vec![0_u32; weights.len()];
    let mut ends = BinaryHeap::<Reverse<(u64, u64, usize)>>::new();
    let mut picks = Vec::new();
    let mut now = 0;
    for _ in 0..100_000 {
        now += chance(2 * 10 * MILLISECOND / at_a_time);
        while ends.peek().is_some_and(|Reverse((end, ..))| *end <= now) {
            let Reverse((end, took, at)) = ends.pop().unwrap();
            running[at] -= 1;
            match took {
                0 => latency[at].penalise(end, SECOND),
                took => latency[at].observe(end, took),
            }
        }
        let cost = |at: usize, weight| latency[at].cost(now, running[at], weight);
        let picked = balancer.pick(&mut below, cost).unwrap();
        running[picked] += 1;
        picks.push((now, picked));
        let took = match answer(picked, now) {
            Answer::Good(nominal, jitter) => {
                nominal * MILLISECOND * (100 - jitter + chance(2 * jitter + 1)) / 100
            }
            Answer::Refused => 0,
        };
        ends.push(Reverse((now + took, took, picked)));
    }
    picks
}

fn counts(endpoints: usize, picks: &[(u64, usize)]) -> Vec<u32> {
    let mut picks = picks.iter().map(|(_, at)| *at);
    counted(endpoints, u32::try_from(picks.len()).unwrap(), || picks.next())
}

/// The share of the first endpoint of so many.
fn share_of_first(
    endpoints: usize,
    at_a_time: u64,
    seed: u64,
    answer: impl Fn(usize, u64) -> Answer,
) -> f64 {
    let picks = simulated(&vec![1; endpoints], at_a_time, seed, answer);
    f64::from(counts(endpoints, &picks)[0]) / 100_000.0
}

#[test]
fn endpoints_as_fast_as_each_other_share_by_weight() {
    for seed in 0..5 {
        for weights in [&[1; 10][..], &[1, 2, 5], &[1, 1, 2, 2, 4, 4]] {
            for (at_a_time, jitter) in [(10, 0), (10, 90), (30, 20)] {
                let picks = simulated(weights, at_a_time, seed, |_, _| Answer::Good(10, jitter));
                assert_shares(&counts(weights.len(), &picks), weights, 0.02, seed);
            }
        }
    }
}

#[test]
fn an_endpoint_ten_times_as_slow_gets_at_most_what_it_is_worth() {
    for seed in 0..5 {
        for (endpoints, worth) in [(2, 0.1 / 1.1), (4, 0.1 / 3.1), (10, 0.1 / 9.1)] {
            for at_a_time in [1, 10, 30] {
                let slow = |at, _| Answer::Good(if at == 0 { 100 } else { 10 }, 20);
                let share = share_of_first(endpoints, at_a_time, seed, slow);
                assert!(share > 0.0, "seed {seed}: it is never tried");
                assert!(
                    share <= worth,
                    "seed {seed}: {share} of {worth}, {endpoints}, {at_a_time}"
                );
            }
        }
    }
}

#[test]
fn an_endpoint_that_refuses_in_no_time_gets_next_to_nothing() {
    for seed in 0..5 {
        for endpoints in [2, 4, 10] {
            for at_a_time in [1, 10, 30] {
                let refusing = |at, _| if at == 0 { Answer::Refused } else { Answer::Good(10, 20) };
                let share = share_of_first(endpoints, at_a_time, seed, refusing);
                assert!(share < 0.002, "seed {seed}: {share}, {endpoints}, {at_a_time}");
            }
        }
    }
}

#[test]
fn an_endpoint_that_was_slow_gets_its_share_again() {
    for seed in 0..5 {
        let slow_at_first =
            |at, now| Answer::Good(if at == 0 && now < 10 * SECOND { 100 } else { 10 }, 20);
        let picks = simulated(&[1; 4], 10, seed, slow_at_first);
        let (slow, well) = picks.split_at(picks.partition_point(|(now, _)| *now < 40 * SECOND));
        assert!(counts(4, slow)[0] < counts(4, slow)[1] / 2, "seed {seed}");
        assert_shares(&counts(4, well), &[1; 4], 0.02, seed);
    }
}

proptest! {
    #[test]
    fn what_is_picked_has_a_weight(
        weights in prop::collection::vec(0_u32..5, 0..50),
        seed in any::<u64>(),
    ) {
        let cost = |at: usize, _: f64| [2.0, 0.0, f64::NAN][at % 3];
        let picked = PeakEwma::new(&weights).pick(numbers(seed), cost);
        prop_assert_eq!(picked.is_some(), weights.iter().any(|weight| *weight > 0));
        prop_assert!(picked.is_none_or(|at| weights[at] > 0));
    }
}
