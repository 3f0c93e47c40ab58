//! Least requests: of two endpoints drawn at random, the one with less to do.

use crate::pair::Pairs;

/// Draws by weight, and compares what runs.
#[derive(Clone, Debug)]
pub struct LeastRequests {
    weights: Vec<u32>,
    pairs: Pairs,
}

impl LeastRequests {
    /// For endpoints with these weights. An endpoint of weight 0 is never picked.
    pub fn new(weights: &[u32]) -> Self {
        Self { weights: weights.to_vec(), pairs: Pairs::new(weights) }
    }

    /// The position of the endpoint to take; `None` when there is none. `below` draws a number below
    /// its argument, each as likely as the others; `running` is how many requests an endpoint has.
    pub fn pick(
        &self,
        below: impl FnMut(u64) -> u64,
        running: impl Fn(usize) -> u32,
    ) -> Option<usize> {
        let (first, second) = self.pairs.draw(below)?;
        Some(if self.is_busier(first, second, running) { second } else { first })
    }

    /// Whether `one` has more to do than `other`, for what each can bear. Of equals neither is, so
    /// that endpoints that idle are taken as they are drawn: by weight.
    fn is_busier(&self, one: usize, other: usize, running: impl Fn(usize) -> u32) -> bool {
        let weight = |at: usize| u64::from(self.weights.get(at).copied().unwrap_or(0));
        let running = |at: usize| u64::from(running(at));
        running(one).saturating_mul(weight(other)) > running(other).saturating_mul(weight(one))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_shares, counted, numbers};

    fn counts(weights: &[u32], seed: u64, running: impl Fn(usize) -> u32) -> Vec<u32> {
        let (balancer, mut below) = (LeastRequests::new(weights), numbers(seed));
        counted(weights.len(), 100_000, || balancer.pick(&mut below, &running))
    }

    #[test]
    fn nobody_is_picked_from_nothing() {
        for weights in [&[][..], &[0, 0]] {
            assert_eq!(LeastRequests::new(weights).pick(numbers(1), |_| 0), None);
        }
    }

    #[test]
    fn the_only_one_is_taken_however_busy_it_is() {
        assert_eq!(LeastRequests::new(&[0, 3]).pick(numbers(1), |_| 1000), Some(1));
    }

    #[test]
    fn endpoints_that_idle_share_by_weight() {
        for seed in 0..20 {
            for weights in [&[1; 10][..], &[1, 2, 5], &[1, 9], &[1, 0, 1000]] {
                assert_shares(&counts(weights, seed, |_| 0), weights, 0.005, seed);
            }
        }
    }

    #[test]
    fn a_busy_endpoint_is_left_alone_whenever_there_is_another() {
        assert_eq!(counts(&[1, 1, 1], 7, |at| if at == 0 { 50 } else { 0 })[0], 0);
    }

    #[test]
    fn a_heavier_endpoint_may_have_more_that_runs() {
        let balancer = LeastRequests::new(&[1, 3]);
        assert!(balancer.is_busier(0, 1, |at| [2, 5][at]), "2 of 1 is more than 5 of 3");
        assert!(!balancer.is_busier(0, 1, |at| [2, 6][at]), "2 of 1 is as much as 6 of 3");
    }

    /// The shares when so many run at a time, and which one ends is chance.
    fn busy_counts(weights: &[u32], at_a_time: usize, seed: u64) -> Vec<u32> {
        let (balancer, mut below, mut ends) =
            (LeastRequests::new(weights), numbers(seed), numbers(!seed));
        let running = RefCell::new(vec![0_u32; weights.len()]);
        let mut all = Vec::new();
        counted(weights.len(), 100_000, || {
            let picked = balancer.pick(&mut below, |at| running.borrow()[at])?;
            running.borrow_mut()[picked] += 1;
            all.push(picked);
            if all.len() > at_a_time {
                let ended = usize::try_from(ends(all.len() as u64)).unwrap();
                running.borrow_mut()[all.swap_remove(ended)] -= 1;
            }
            Some(picked)
        })
    }

    #[test]
    fn requests_that_last_are_spread_by_weight() {
        for seed in 0..20 {
            for weights in [&[1, 2, 5][..], &[1, 1, 2, 2, 4, 4], &[1; 10]] {
                assert_shares(&busy_counts(weights, 80, seed), weights, 0.02, seed);
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_picked_has_a_weight(
            weights in prop::collection::vec(0_u32..5, 0..50),
            seed in any::<u64>(),
        ) {
            let picked = LeastRequests::new(&weights).pick(numbers(seed), |at| [2, 0, 1][at % 3]);
            prop_assert_eq!(picked.is_some(), weights.iter().any(|weight| *weight > 0));
            prop_assert!(picked.is_none_or(|at| weights[at] > 0));
        }
    }
}
