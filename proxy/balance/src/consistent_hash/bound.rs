//! Bounded load: a key that everyone asks for does not bring its endpoint down.

/// The most requests an endpoint may have: a factor times its share by weight of all that run
/// (Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016).
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Of each request that runs, and the one to come: what an endpoint may have per weight.
    allowed: u128,
    all_weight: u128,
}

impl Bound {
    /// The bound while `all_running` requests run on endpoints whose weights add up to `all_weight`.
    /// A factor below 100 percent counts as 100, as else there may be no endpoint with room.
    pub fn new(factor_percent: u32, all_running: u64, all_weight: u64) -> Self {
        let requests = u128::from(all_running).saturating_add(1);
        Self {
            allowed: requests.saturating_mul(u128::from(factor_percent.max(100))),
            all_weight: u128::from(all_weight),
        }
    }

    /// Whether an endpoint of this weight has no room for another request beside those that run.
    /// As long as `all_running` and `all_weight` are the sums over all endpoints, one has room.
    pub fn is_full(&self, running: u32, weight: u32) -> bool {
        let has = self.all_weight.saturating_mul(100).saturating_mul(u128::from(running));
        has >= self.allowed.saturating_mul(u128::from(weight))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_endpoint_may_have_the_factor_times_its_share() {
        let bound = Bound::new(125, 99, 10);
        assert!(!bound.is_full(12, 1), "1.25 x 100 x 1/10 is 12.5, so a 13th may come");
        assert!(bound.is_full(13, 1));
        assert!(!bound.is_full(62, 5));
        assert!(bound.is_full(63, 5));
    }

    #[test]
    fn where_nothing_runs_all_have_room_but_those_without_weight() {
        let bound = Bound::new(125, 0, 1000);
        assert!(!bound.is_full(0, 1));
        assert!(bound.is_full(0, 0));
    }

    #[test]
    fn a_factor_too_small_counts_as_one() {
        assert!(!Bound::new(0, 9, 2).is_full(4, 1));
        assert!(Bound::new(0, 9, 2).is_full(5, 1));
    }

    proptest! {
        #[test]
        fn one_always_has_room(
            endpoints in prop::collection::vec((any::<u32>(), 1..=u32::MAX), 1..20),
            factor in any::<u32>(),
        ) {
            let all_running = endpoints.iter().map(|(running, _)| u64::from(*running)).sum();
            let all_weight = endpoints.iter().map(|(_, weight)| u64::from(*weight)).sum();
            let bound = Bound::new(factor, all_running, all_weight);
            prop_assert!(endpoints.iter().any(|(running, weight)| !bound.is_full(*running, *weight)));
        }

        #[test]
        fn no_load_overflows(running in any::<u32>(), all in any::<u64>(), weights in any::<u64>()) {
            let full = Bound::new(u32::MAX, all, weights).is_full(running, u32::MAX);
            prop_assert!(!full || running > 0 || all == u64::MAX);
        }
    }
}
