//! How much is allowed: a rate and a burst.

use std::time::Duration;

/// What has been used up must come back within this, 52 days. The sum of two such times in
/// nanoseconds is still exact in the doubles that Redis' scripts count with.
const LONGEST: u64 = 1 << 52;

/// So many tokens each so long, and so many at once. Most requests cost one token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    count: u32,
    per: Duration,
    burst: u32,
    /// Nanoseconds in which one token comes back.
    interval: u64,
    /// Nanoseconds in which all of them do.
    tolerance: u64,
}

impl Quota {
    /// `count` tokens come back each `per`, evenly; at most `burst` can be there at once. `None` when
    /// one of them is 0, or `burst` tokens would take more than 52 days to come back.
    ///
    /// A token takes a whole number of nanoseconds, rounded up: never more is allowed than was said,
    /// and at 1,000,000 a second at most 0.1 % less.
    pub fn new(count: u32, per: Duration, burst: u32) -> Option<Self> {
        let nanos = u64::try_from(per.as_nanos()).ok().filter(|nanos| *nanos > 0)?;
        let interval =
            nanos.checked_add(u64::from(count).checked_sub(1)?)?.checked_div(count.into())?;
        let tolerance = interval.checked_mul(burst.into())?;
        let is_sane = burst > 0 && tolerance <= LONGEST;
        is_sane.then_some(Self { count, per, burst, interval, tolerance })
    }

    /// What each of `proxies` may let through when they cannot ask one another: the rate and the burst
    /// divided by their number, but at least one token at once.
    #[must_use]
    pub fn share(&self, proxies: u32) -> Self {
        let proxies = proxies.max(1);
        let burst = self.burst.checked_div(proxies).unwrap_or(0).max(1);
        // Slower than once in 52 days cannot be told apart from that.
        let interval = self.interval.saturating_mul(proxies.into()).min(LONGEST);
        let per = self.per.saturating_mul(proxies);
        let tolerance = interval.saturating_mul(burst.into()).min(LONGEST);
        Self { count: self.count, per, burst, interval, tolerance }
    }

    /// Tokens that come back each [`Quota::per`].
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The time in which [`Quota::count`] tokens come back.
    pub fn per(&self) -> Duration {
        self.per
    }

    /// Tokens that can be there at once.
    pub fn burst(&self) -> u32 {
        self.burst
    }

    /// Nanoseconds in which one token comes back.
    pub fn interval(&self) -> u64 {
        self.interval
    }

    /// Nanoseconds in which all tokens come back.
    pub fn tolerance(&self) -> u64 {
        self.tolerance
    }

    /// Nanoseconds in which so many tokens come back.
    pub(crate) fn time_of(&self, tokens: u32) -> u64 {
        self.interval.saturating_mul(tokens.into())
    }

    /// How many tokens there are when all are back after so many nanoseconds.
    pub(crate) fn tokens_at(&self, backlog: u64) -> u32 {
        let room = self.tolerance.saturating_sub(backlog);
        u32::try_from(room.checked_div(self.interval).unwrap_or(0)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_token_takes_its_part_of_the_time_rounded_up() {
        let interval = |count, per| Quota::new(count, per, 1).unwrap().interval();
        assert_eq!(interval(1, 86_400 * SECOND), 86_400_000_000_000);
        assert_eq!(interval(1_000_000, SECOND), 1_000);
        assert_eq!(interval(3, SECOND), 333_333_334);
        assert_eq!(interval(u32::MAX, Duration::from_nanos(1)), 1);
    }

    #[test]
    fn up_to_a_million_a_second_no_rate_is_more_than_a_thousandth_too_low() {
        for count in 1..=1_000_000_u32 {
            let interval = Quota::new(count, SECOND, 1).unwrap().interval();
            let exact = 1e9 / f64::from(count);
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            let ratio = interval as f64 / exact;
            assert!((1.0..1.001).contains(&ratio), "{count}");
        }
    }

    #[test]
    fn what_is_nothing_or_takes_too_long_is_no_quota() {
        assert_eq!(Quota::new(0, SECOND, 1), None);
        assert_eq!(Quota::new(1, SECOND, 0), None);
        assert_eq!(Quota::new(1, Duration::ZERO, 1), None);
        assert_eq!(Quota::new(1, Duration::MAX, 1), None);
        assert_eq!(Quota::new(1, 86_400 * SECOND, 53), None);
        assert!(Quota::new(1, 86_400 * SECOND, 52).is_some());
    }

    #[test]
    fn the_shares_together_are_no_more_than_the_whole_but_for_the_one_token() {
        let whole = Quota::new(100, SECOND, 50).unwrap();
        let share = whole.share(4);
        assert_eq!((share.interval(), share.burst()), (whole.interval() * 4, 12));
        assert_eq!(whole.share(100).burst(), 1);
        assert_eq!(whole.share(0), whole);
        let slow = Quota::new(1, 86_400 * SECOND, 1).unwrap().share(u32::MAX);
        assert_eq!(slow.interval(), LONGEST);
    }
}
