//! The draw of two endpoints, of which the better is then taken: that is nearly as even as looking at
//! all of them, costs the same for ten and for a thousand, and does not send every proxy of a fleet to
//! the one endpoint that idles (Mitzenmacher, "The Power of Two Choices in Randomized Load
//! Balancing", 2001).

/// Pairs of endpoints, each place of a pair drawn by weight.
///
/// The weights lie on a circle, one behind the other. The first of a pair is where a random point falls,
/// the second a random way further, at least as far as the heaviest endpoint is long: so the two
/// differ, and both come up just as often as their weights say. Drawing again until the second differs
/// would prefer the light ones. An endpoint heavier than all others together cannot always have another
/// beside it, and then is both of a pair.
#[derive(Clone, Debug)]
pub(crate) struct Pairs {
    /// The sum of the weights up to and with each endpoint.
    sums: Vec<u64>,
    /// The shortest way from the first of a pair to the second.
    least_way: u64,
}

impl Pairs {
    /// For endpoints with these weights. An endpoint of weight 0 is never drawn.
    pub(crate) fn new(weights: &[u32]) -> Self {
        let mut sum = 0_u64;
        let sums = weights.iter().map(|weight| {
            sum = sum.saturating_add(u64::from(*weight));
            sum
        });
        let sums = sums.collect();
        let heaviest = weights.iter().copied().max().map_or(0, u64::from);
        Self { sums, least_way: heaviest.min(sum / 2) }
    }

    /// The positions of two endpoints, or of one twice; `None` when there is none. `below` draws a
    /// number below its argument, each as likely as the others.
    pub(crate) fn draw(&self, mut below: impl FnMut(u64) -> u64) -> Option<(usize, usize)> {
        let sum = *self.sums.last().filter(|sum| **sum > 0)?;
        let point = below(sum);
        let ways = sum.saturating_sub(self.least_way.saturating_mul(2)).saturating_add(1);
        let way = self.least_way.saturating_add(below(ways));
        Some((self.at(point)?, self.at(point.saturating_add(way).checked_rem(sum)?)?))
    }

    fn at(&self, point: u64) -> Option<usize> {
        Some(self.sums.partition_point(|sum| *sum <= point)).filter(|at| *at < self.sums.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_shares, numbers};

    #[test]
    fn nobody_is_drawn_from_nothing() {
        for weights in [&[][..], &[0, 0]] {
            assert_eq!(Pairs::new(weights).draw(numbers(1)), None);
        }
    }

    #[test]
    fn only_the_heavier_half_is_drawn_twice() {
        let twice = |weights: &[u32]| {
            let (pairs, mut below) = (Pairs::new(weights), numbers(3));
            let draws = (0..10_000).filter_map(|_| pairs.draw(&mut below));
            draws.filter(|(first, second)| first == second).count()
        };
        assert_eq!(twice(&[1, 1]), 0);
        assert_eq!(twice(&[1, 2, 3]), 0);
        assert!((4_800..5_200).contains(&twice(&[1, 3])), "3 of 4 is half a circle too long");
    }

    #[test]
    fn each_place_of_a_pair_is_drawn_by_weight() {
        for seed in 0..20 {
            for weights in [&[1, 2, 5][..], &[1, 9], &[3, 0, 3, 1], &[1; 10]] {
                let (pairs, mut below) = (Pairs::new(weights), numbers(seed));
                let mut counts = vec![[0_u32; 2]; weights.len()];
                for _ in 0..100_000 {
                    let (first, second) = pairs.draw(&mut below).unwrap();
                    counts[first][0] += 1;
                    counts[second][1] += 1;
                }
                for place in 0..2 {
                    let counts: Vec<u32> = counts.iter().map(|count| count[place]).collect();
                    assert_shares(&counts, weights, 0.005, seed);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_drawn_has_a_weight(
            weights in prop::collection::vec(prop_oneof![Just(0), 0_u32..5, Just(u32::MAX)], 0..50),
            seed in any::<u64>(),
        ) {
            let pair = Pairs::new(&weights).draw(numbers(seed));
            prop_assert_eq!(pair.is_some(), weights.iter().any(|weight| *weight > 0));
            prop_assert!(pair.is_none_or(|(one, other)| weights[one] > 0 && weights[other] > 0));
        }

        #[test]
        fn numbers_that_are_not_below_what_was_asked_do_no_harm(drawn in any::<u64>()) {
            let pair = Pairs::new(&[1, 0, 2]).draw(|_| drawn);
            prop_assert!(pair.is_none_or(|(one, other)| one < 3 && other < 3));
        }
    }
}
