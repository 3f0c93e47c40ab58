//! Weighted round robin, smoothly interleaved.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The most turns of one round; larger weights are scaled down to fit, at least one turn each.
const LONGEST_ROUND: u64 = 4096;

/// A round of turns, worked out once, so that a pick is one atomic addition.
///
/// The turns of each endpoint are spread evenly over the round: a heavy one does not get all of its
/// own in a row, nor do the light ones come all at once.
#[derive(Debug)]
pub struct RoundRobin {
    turns: Vec<usize>,
    next: AtomicUsize,
}

impl RoundRobin {
    /// A round for endpoints with these weights. An endpoint of weight 0 is never picked.
    pub fn new(weights: &[u32]) -> Self {
        Self { turns: turns(&scaled(weights)), next: AtomicUsize::new(0) }
    }

    /// The position of the endpoint whose turn it is; `None` when there is none.
    pub fn pick(&self) -> Option<usize> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let position = turn.checked_rem(self.turns.len())?;
        self.turns.get(position).copied()
    }

    /// Begins a round where another one stands, so that a change of endpoints does not send every
    /// request back to the first.
    #[must_use]
    pub fn continuing(self, other: &Self) -> Self {
        self.next.store(other.next.load(Ordering::Relaxed), Ordering::Relaxed);
        self
    }
}

/// Weights without their common factor, and small enough for one round.
fn scaled(weights: &[u32]) -> Vec<u64> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let reduced: Vec<u64> = weights.iter().map(|weight| u64::from(weight / divisor)).collect();
    let sum: u64 = reduced.iter().sum();
    if sum <= LONGEST_ROUND {
        return reduced;
    }
    let scale = |weight: u64| match weight {
        0 => 0,
        _ => (weight.saturating_mul(LONGEST_ROUND) / sum).max(1),
    };
    reduced.into_iter().map(scale).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Each endpoint's turns lie evenly on the round, and are taken as they come on it. Where the first
/// of them lies goes by the endpoint's position, lest those of equal weight all come together.
fn turns(weights: &[u64]) -> Vec<usize> {
    let steps = u128::try_from(weights.len()).unwrap_or(u128::MAX).saturating_mul(2);
    let mut turns = Vec::new();
    for (position, (weight, step)) in weights.iter().zip((1_u128..).step_by(2)).enumerate() {
        for turn in 0..*weight {
            let place = u128::from(turn).saturating_mul(steps).saturating_add(step);
            // So fine that two places which differ stay apart.
            let place = place.saturating_mul(1 << 64).checked_div(u128::from(*weight));
            turns.push((place.unwrap_or(0), position));
        }
    }
    turns.sort_unstable();
    turns.into_iter().map(|(_, position)| position).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_shares, counted};

    fn picks(weights: &[u32], count: usize) -> Vec<Option<usize>> {
        let round = RoundRobin::new(weights);
        (0..count).map(|_| round.pick()).collect()
    }

    #[test]
    fn equal_endpoints_take_turns() {
        assert_eq!(picks(&[1, 1, 1], 4), [Some(0), Some(1), Some(2), Some(0)]);
    }

    #[test]
    fn a_heavy_endpoint_does_not_get_its_turns_in_a_row() {
        assert_eq!(picks(&[2, 1, 1], 4), [Some(0), Some(1), Some(0), Some(2)]);
        let mut weights = [1; 11];
        weights[5] = 10;
        let turns = picks(&weights, 40);
        assert!(turns.windows(3).all(|turns| turns != [Some(5); 3]), "{turns:?}");
    }

    #[test]
    fn nobody_is_picked_from_nothing() {
        assert_eq!(picks(&[], 1), [None]);
        assert_eq!(picks(&[0], 1), [None]);
    }

    #[test]
    fn endpoints_share_by_weight() {
        for weights in [&[1; 10][..], &[1, 2, 5], &[1, 0, 1000], &[1000; 999]] {
            let round = RoundRobin::new(weights);
            let counts = counted(weights.len(), 100_000, || round.pick());
            assert_shares(&counts, weights, 0.005, 0);
        }
    }

    #[test]
    fn a_changed_set_of_endpoints_goes_on_where_the_old_one_stood() {
        let old = RoundRobin::new(&[1, 1]);
        old.pick();
        assert_eq!(RoundRobin::new(&[1, 1, 1]).continuing(&old).pick(), Some(1));
    }

    proptest! {
        #[test]
        fn each_endpoint_gets_its_share_of_a_round(weights in prop::collection::vec(0_u32..50, 1..20)) {
            let sum: u32 = weights.iter().sum();
            let round = RoundRobin::new(&weights);
            let mut seen = vec![0_u32; weights.len()];
            for _ in 0..sum {
                if let Some(position) = round.pick() {
                    seen[position] += 1;
                }
            }
            prop_assert_eq!(seen, weights);
        }

        #[test]
        fn huge_weights_leave_nobody_out(weights in prop::collection::vec(1_u32..=1000, 1..200)) {
            let round = RoundRobin::new(&weights);
            prop_assert!(round.turns.len() <= 4096 + weights.len());
            for position in 0..weights.len() {
                prop_assert!(round.turns.contains(&position));
            }
        }
    }
}
