//! Least requests, by the power of two choices: of two endpoints drawn at random the one with less
//! to do is taken. That is nearly as even as looking at all of them, costs the same for ten and for
//! a thousand, and does not send every proxy of a fleet to the one endpoint that idles (Mitzenmacher,
//! "The Power of Two Choices in Randomized Load Balancing", 2001).

/// Draws by weight, and compares what runs.
#[derive(Clone, Debug)]
pub struct LeastRequests {
    weights: Vec<u32>,
    /// The sum of the weights up to and with each endpoint.
    sums: Vec<u64>,
}

/// Draws for a second endpoint that is not the first, before the first is taken.
const DRAWS: usize = 4;

impl LeastRequests {
    /// For endpoints with these weights. An endpoint of weight 0 is never picked.
    pub fn new(weights: &[u32]) -> Self {
        let mut sum = 0_u64;
        let sums = weights.iter().map(|weight| {
            sum = sum.saturating_add(u64::from(*weight));
            sum
        });
        Self { sums: sums.collect(), weights: weights.to_vec() }
    }

    /// The position of the endpoint to take; `None` when there is none. `below` draws a number below
    /// its argument, each as likely as the others; `running` is how many requests an endpoint has.
    pub fn pick(
        &self,
        mut below: impl FnMut(u64) -> u64,
        running: impl Fn(usize) -> u32,
    ) -> Option<usize> {
        let first = self.draw(&mut below)?;
        let second = (0..DRAWS).filter_map(|_| self.draw(&mut below)).find(|other| *other != first);
        let Some(second) = second else { return Some(first) };
        Some(if self.is_busier(first, second, running) { second } else { first })
    }

    fn draw(&self, below: &mut impl FnMut(u64) -> u64) -> Option<usize> {
        let sum = *self.sums.last().filter(|sum| **sum > 0)?;
        let drawn = below(sum);
        Some(self.sums.partition_point(|sum| *sum <= drawn)).filter(|at| *at < self.sums.len())
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
    use proptest::prelude::*;

    use super::*;

    /// Deterministic, so that a failure can be seen again: `SplitMix64`.
    fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed;
        move |bound| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % bound
        }
    }

    fn shares(weights: &[u32], picks: u32, running: impl Fn(usize) -> u32) -> Vec<f64> {
        let balancer = LeastRequests::new(weights);
        let mut draw = numbers(7);
        let mut counts = vec![0_u32; weights.len()];
        for _ in 0..picks {
            counts[balancer.pick(&mut draw, &running).unwrap()] += 1;
        }
        counts.into_iter().map(|count| f64::from(count) / f64::from(picks)).collect()
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
    fn equal_endpoints_that_idle_share_evenly() {
        for share in shares(&[1; 10], 100_000, |_| 0) {
            assert!((share - 0.1).abs() < 0.002, "{share}");
        }
    }

    #[test]
    fn endpoints_that_idle_share_by_weight() {
        for (share, weight) in shares(&[1, 2, 5], 100_000, |_| 0).into_iter().zip([1, 2, 5]) {
            assert!((share - f64::from(weight) / 8.0).abs() < 0.005, "{share} for {weight}");
        }
    }

    #[test]
    fn a_busy_endpoint_is_left_alone_whenever_there_is_another() {
        let shares = shares(&[1, 1, 1], 10_000, |at| if at == 0 { 50 } else { 0 });
        assert!(shares[0] < 0.01, "{shares:?}");
    }

    #[test]
    fn a_heavier_endpoint_may_have_more_that_runs() {
        let balancer = LeastRequests::new(&[1, 3]);
        assert!(balancer.is_busier(0, 1, |at| [2, 5][at]), "2 of 1 is more than 5 of 3");
        assert!(!balancer.is_busier(0, 1, |at| [2, 6][at]), "2 of 1 is as much as 6 of 3");
    }

    #[test]
    fn requests_that_last_are_spread_by_weight() {
        let weights = [1, 2, 5];
        let balancer = LeastRequests::new(&weights);
        let mut draw = numbers(11);
        let mut running = [0_u32; 3];
        let mut counts = [0_u32; 3];
        let mut queue = std::collections::VecDeque::new();
        for _ in 0..100_000 {
            let at = balancer.pick(&mut draw, |at| running[at]).unwrap();
            (running[at], counts[at]) = (running[at] + 1, counts[at] + 1);
            queue.push_back(at);
            if queue.len() > 80 {
                running[queue.pop_front().unwrap()] -= 1;
            }
        }
        for (count, weight) in counts.into_iter().zip(weights) {
            let share = f64::from(count) / 100_000.0;
            let due = f64::from(weight) / 8.0;
            assert!((share - due).abs() < 0.02, "{share} of {due}");
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
