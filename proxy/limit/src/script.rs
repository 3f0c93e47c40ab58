//! The rule as proxies share it: a script that the store runs, and its twin for tests and simulations.
//!
//! The store keeps for a key when it was last changed, in microseconds of the store's own clock, and
//! how many nanoseconds it was then from having all its tokens back (*backlog*). Redis counts in
//! doubles, which are exact up to 2^53: a moment in microseconds is (until the year 2255), and so is a
//! backlog, which is 2^52 at most ([`Quota::new`]). A moment in nanoseconds would not be.
//!
//! Nothing is kept for a key that has all its tokens back: its entry ends by itself then. Where the
//! store's clock is set back, the backlog counts down from there on: nobody waits for the clock to
//! come back to where it was.

use std::time::Duration;

use crate::Quota;

/// The script, for Redis 7 and what speaks its language: `EVALSHA` with one key, and [`Wish::arguments`].
/// It answers with four integers, see [`Grant::read`]. It runs as one: nothing comes between its looking
/// and its taking.
pub const SCRIPT: &str = include_str!("script/lease.lua");

/// The tokens that a proxy asks a store for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wish {
    /// So many at most, one at least.
    pub wanted: u32,
    /// When there are fewer than that, none. Not more than `wanted`.
    pub minimum: u32,
}

/// What a store has answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Grant {
    /// Tokens that are the proxy's now.
    pub tokens: u32,
    /// Until there will be the minimum, if nobody else takes a token; `None`: never.
    pub wait: Option<Duration>,
    /// How many are left in the store.
    pub remaining: u32,
    /// Until the store has all tokens back.
    pub reset: Duration,
}

/// What a store keeps of a key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stored {
    /// Microseconds of the store's clock.
    at: u64,
    /// Nanoseconds.
    backlog: u64,
}

impl Wish {
    /// `ARGV` of the script: interval and tolerance in nanoseconds, tokens wanted, the fewest.
    pub fn arguments(self, quota: &Quota) -> [u64; 4] {
        [quota.interval(), quota.tolerance(), self.wanted.into(), self.minimum.into()]
    }
}

impl Grant {
    /// From the four integers of the script's answer: tokens, microseconds until there is the minimum
    /// (-1: never), tokens left, nanoseconds until all are back. `None` when they make no sense.
    pub fn read(answer: [i64; 4]) -> Option<Self> {
        let [tokens, wait, remaining, reset] = answer;
        let wait = match wait {
            -1 => None,
            wait => Some(Duration::from_micros(u64::try_from(wait).ok()?)),
        };
        Some(Self {
            tokens: u32::try_from(tokens).ok()?,
            wait,
            remaining: u32::try_from(remaining).ok()?,
            reset: Duration::from_nanos(u64::try_from(reset).ok()?),
        })
    }
}

impl Stored {
    /// What the script does, at `now` in microseconds of the store's clock, with what is stored of a key.
    pub fn grant(stored: &mut Option<Self>, quota: &Quota, wish: Wish, now: u64) -> Grant {
        let Self { at, backlog } = stored.unwrap_or(Self { at: now, backlog: 0 });
        let passed = now.saturating_sub(at).saturating_mul(1_000);
        let backlog = backlog.saturating_sub(passed);
        let room = quota.tokens_at(backlog);
        let (tokens, wait) = if room < wish.minimum {
            (0, micros_until(wish.minimum, backlog, quota))
        } else {
            (wish.wanted.min(room), Some(Duration::ZERO))
        };
        let backlog = backlog.saturating_add(quota.time_of(tokens));
        if tokens > 0 || now < at {
            *stored = Some(Self { at: now, backlog });
        }
        let remaining = room.saturating_sub(tokens);
        Grant { tokens, wait, remaining, reset: Duration::from_nanos(backlog) }
    }

    /// Whether its entry has ended by itself.
    pub fn is_over(self, now: u64) -> bool {
        let ends = self.at.saturating_add(self.backlog.div_ceil(1_000_000).saturating_mul(1_000));
        now > ends.saturating_add(1_000)
    }
}

fn micros_until(tokens: u32, backlog: u64, quota: &Quota) -> Option<Duration> {
    let time = quota.time_of(tokens);
    let wait = backlog.saturating_add(time).saturating_sub(quota.tolerance());
    (time <= quota.tolerance()).then_some(Duration::from_micros(wait.div_ceil(1_000)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::step;
    use crate::testing::{a_second, numbers};

    fn one() -> Wish {
        Wish { wanted: 1, minimum: 1 }
    }

    #[test]
    fn where_there_are_too_few_there_is_none_and_it_costs_nothing() {
        let (quota, mut stored) = (a_second(10, 10), None);
        let some = Wish { wanted: 8, minimum: 1 };
        assert_eq!(Stored::grant(&mut stored, &quota, some, 5).tokens, 8);
        let before = stored;
        let grant = Stored::grant(&mut stored, &quota, Wish { wanted: 8, minimum: 4 }, 5);
        assert_eq!((grant.tokens, grant.remaining, stored), (0, 2, before));
        assert_eq!(grant.wait, Some(Duration::from_millis(200)));
        assert_eq!(Stored::grant(&mut stored, &quota, some, 5).tokens, 2);
    }

    #[test]
    fn more_than_the_burst_is_never_granted() {
        let grant =
            Stored::grant(&mut None, &a_second(10, 10), Wish { wanted: 11, minimum: 11 }, 5);
        assert_eq!((grant.tokens, grant.wait), (0, None));
    }

    #[test]
    fn a_clock_set_back_by_an_hour_does_not_close_it_for_an_hour() {
        let (quota, mut stored, hour) = (a_second(10, 1), None, 3_600_000_000);
        assert_eq!(Stored::grant(&mut stored, &quota, one(), 2 * hour).tokens, 1);
        assert_eq!(Stored::grant(&mut stored, &quota, one(), hour).tokens, 0);
        assert_eq!(Stored::grant(&mut stored, &quota, one(), hour + 100_000).tokens, 1);
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_none() {
        assert!(Grant::read([3, 0, 1, 5]).is_some());
        assert_eq!(Grant::read([0, -1, 1, 5]).unwrap().wait, None);
        for answer in [[-1, 0, 0, 0], [0, -2, 0, 0], [1 << 33, 0, 0, 0], [0, 0, 0, -1]] {
            assert_eq!(Grant::read(answer), None);
        }
    }

    proptest! {
        /// Token by token, with a clock of whole microseconds, it is the rule.
        #[test]
        fn it_says_what_the_rule_says(
            seed in any::<u64>(),
            count in 1..100_000_u32,
            burst in 1..50_u32,
        ) {
            let (quota, mut below, mut stored) = (a_second(count, burst), numbers(seed), None);
            let (mut full, mut now) = (0, 1_700_000_000_000_000_u64);
            for _ in 0..500 {
                now += below(quota.interval() / 300 + 2);
                let cost = u32::try_from(below(4)).unwrap() + 1;
                let (verdict, new) = step(full, now * 1_000, cost, &quota);
                let wish = Wish { wanted: cost, minimum: cost };
                if stored.is_some_and(|stored: Stored| stored.is_over(now)) {
                    stored = None;
                }
                let grant = Stored::grant(&mut stored, &quota, wish, now);
                full = new;
                prop_assert_eq!(grant.tokens == cost, verdict.is_allowed);
                prop_assert_eq!(grant.remaining, verdict.remaining);
                let wait = verdict.retry_after.map(|wait| wait.as_nanos().div_ceil(1_000));
                prop_assert_eq!(grant.wait.map(|wait| wait.as_micros()), wait);
                prop_assert_eq!(grant.reset, verdict.reset);
            }
        }
    }
}
