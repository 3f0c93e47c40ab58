use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Latency;
use crate::testing::{assert_shares, counted, numbers};

const MILLISECOND: u64 = 1_000_000;

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

/// What an endpoint does with a request.
enum Answer {
    /// So many nanoseconds, give or take as many percent.
    Good(u64, u64),
    /// 500, in no time.
    Refused,
}

/// The counts of 100,000 picks with so many nanoseconds between two requests, on average.
fn simulated(
    weights: &[u32],
    between: u64,
    seed: u64,
    answer: impl Fn(usize) -> Answer,
) -> Vec<u32> {
    let (balancer, mut below, mut chance) = (PeakEwma::new(weights), numbers(seed), numbers(!seed));
    let latency: Vec<_> = weights.iter().map(|_| Latency::new(Duration::from_secs(1))).collect();
    let running = RefCell::new(vec![0_u32; weights.len()]);
    let mut ends = BinaryHeap::new();
    let mut now = 0;
    counted(weights.len(), 100_000, || {
        now += chance(2 * between);
        while let Some(Reverse((end, took, at))) = ends.pop_if_due(now) {
            running.borrow_mut()[at] -= 1;
            match took {
                0 => latency[at].penalise(end, 1000 * MILLISECOND),
                took => latency[at].observe(end, took),
            }
        }
        let cost = |at: usize, weight| latency[at].cost(now, running.borrow()[at], weight);
        let picked = balancer.pick(&mut below, cost)?;
        running.borrow_mut()[picked] += 1;
        let took = match answer(picked) {
            Answer::Good(nanos, percent) => nanos * (100 - percent + chance(2 * percent + 1)) / 100,
            Answer::Refused => 0,
        };
        ends.push(Reverse((now + took, took, picked)));
        Some(picked)
    })
}

trait PopIfDue {
    fn pop_if_due(&mut self, now: u64) -> Option<Reverse<(u64, u64, usize)>>;
}

impl PopIfDue for BinaryHeap<Reverse<(u64, u64, usize)>> {
    fn pop_if_due(&mut self, now: u64) -> Option<Reverse<(u64, u64, usize)>> {
        self.peek().is_some_and(|Reverse((end, ..))| *end <= now).then(|| self.pop())?
    }
}

#[test]
fn zz_explore() {
    for weights in [&[1; 10][..], &[1, 2, 5], &[1, 9], &[1, 1, 2, 2, 4, 4]] {
        let sum: u32 = weights.iter().sum();
        for jitter in [0, 20, 90] {
            print!("{weights:?} jitter {jitter}:");
            for conc in [1, 3, 10, 30, 100, 300] {
                let c = simulated(weights, 10 * MILLISECOND * 10 / conc, 1, |_| {
                    Answer::Good(10 * MILLISECOND, jitter)
                });
                let worst = c
                    .iter()
                    .zip(weights)
                    .map(|(c, w)| f64::from(*c) / 1e5 - f64::from(*w) / f64::from(sum))
                    .fold(0.0f64, |a, b| if b.abs() > a.abs() { b } else { a });
                print!(" {}:{:+.3}", conc as f64 / 10.0, worst);
            }
            println!();
        }
    }
    for n in [2, 4, 10] {
        for conc in [1, 10, 100, 300] {
            let c = simulated(&vec![1; n], 10 * MILLISECOND * 10 / conc, 1, |at| {
                Answer::Good(if at == 0 { 100 } else { 10 } * MILLISECOND, 20)
            });
            println!("slow of {n} at {}: {}", conc as f64 / 10.0, f64::from(c[0]) / 1e5);
            let c = simulated(&vec![1; n], 10 * MILLISECOND * 10 / conc, 1, |at| {
                if at == 0 { Answer::Refused } else { Answer::Good(10 * MILLISECOND, 20) }
            });
            println!("refusing of {n} at {}: {}", conc as f64 / 10.0, f64::from(c[0]) / 1e5);
        }
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
