//! Several limits for one request.

use crate::{Key, Quota, Table, Verdict};

/// One of the limits of a request.
#[derive(Clone, Copy, Debug)]
pub struct Check<'a> {
    /// Whom it counts for.
    pub key: Key,
    /// How much is allowed.
    pub quota: &'a Quota,
    /// The tokens that the request takes: its weight.
    pub cost: u32,
}

impl Table {
    /// Takes tokens of all limits at `now`, in nanoseconds, or of none: `true` when all allow it.
    /// `verdicts` is made to hold the verdict of each, in their order. A limit that would allow a
    /// request which another refuses says what it would if nobody had come.
    ///
    /// Where two requests come at once and one limit refuses one of them, another limit may take the
    /// tokens of that one for this moment, and so be stricter, never laxer.
    pub fn check_all(&self, checks: &[Check<'_>], now: u64, verdicts: &mut Vec<Verdict>) -> bool {
        verdicts.clear();
        for (at, check) in checks.iter().enumerate() {
            let verdict = self.check(check.key, check.quota, check.cost, now);
            if !verdict.is_allowed {
                self.undo(checks.get(..at).unwrap_or_default());
                self.look(checks, now, verdicts);
                return false;
            }
            verdicts.push(verdict);
        }
        true
    }

    fn undo(&self, taken: &[Check<'_>]) {
        for check in taken {
            self.give_back(check.key, check.quota, check.cost);
        }
    }

    /// What each would say to this request, but with what there is before it.
    fn look(&self, checks: &[Check<'_>], now: u64, verdicts: &mut Vec<Verdict>) {
        verdicts.clear();
        for check in checks {
            let verdict = self.peek(check.key, check.quota, check.cost, now);
            let before = self.peek(check.key, check.quota, 0, now);
            let (remaining, reset) = (before.remaining, before.reset);
            verdicts.push(Verdict { remaining, reset, ..verdict });
        }
    }
}

/// Which of the verdicts answers: the refusal that lasts longest; when all allow, the one that leaves
/// the smallest share of its burst. `None` when there are none.
pub fn strictest(verdicts: &[Verdict]) -> Option<usize> {
    let mut strictest: Option<(usize, &Verdict)> = None;
    for (at, verdict) in verdicts.iter().enumerate() {
        if strictest.is_none_or(|(_, other)| is_stricter(verdict, other)) {
            strictest = Some((at, verdict));
        }
    }
    strictest.map(|(at, _)| at)
}

fn is_stricter(one: &Verdict, other: &Verdict) -> bool {
    match (one.is_allowed, other.is_allowed) {
        (true, true) => {
            let share = |left: &Verdict, all: &Verdict| {
                u64::from(left.remaining).saturating_mul(all.limit.into())
            };
            share(one, other) < share(other, one)
        }
        (false, false) => match (one.retry_after, other.retry_after) {
            (Some(one), Some(other)) => one > other,
            (one, other) => one.is_none() && other.is_some(),
        },
        (is_allowed, _) => !is_allowed,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{SECOND, a_second, key};

    fn verdict(is_allowed: bool, limit: u32, remaining: u32, retry: Option<u64>) -> Verdict {
        let retry_after = retry.map(Duration::from_secs);
        Verdict { is_allowed, limit, remaining, reset: Duration::ZERO, retry_after }
    }

    #[test]
    fn a_request_that_one_limit_refuses_costs_nothing_with_the_others() {
        let (table, wide, narrow) = (Table::new(10), a_second(1, 10), a_second(1, 2));
        let checks = [
            Check { key: key(1), quota: &wide, cost: 1 },
            Check { key: key(2), quota: &narrow, cost: 1 },
            Check { key: key(3), quota: &wide, cost: 1 },
        ];
        let mut verdicts = Vec::new();
        for _ in 0..2 {
            assert!(table.check_all(&checks, SECOND, &mut verdicts));
        }
        for _ in 0..5 {
            assert!(!table.check_all(&checks, SECOND, &mut verdicts));
        }
        let said: Vec<_> = verdicts.iter().map(|each| (each.is_allowed, each.remaining)).collect();
        assert_eq!(said, [(true, 8), (false, 0), (true, 8)]);
        assert_eq!(strictest(&verdicts), Some(1));
        assert_eq!(table.peek(key(1), &wide, 0, SECOND).remaining, 8);
        assert_eq!(table.peek(key(3), &wide, 0, SECOND).remaining, 8);
    }

    #[test]
    fn the_refusal_that_lasts_longest_answers() {
        let never = verdict(false, 5, 5, None);
        let long = verdict(false, 5, 0, Some(9));
        let short = verdict(false, 5, 0, Some(1));
        let allowed = verdict(true, 5, 0, Some(0));
        assert_eq!(strictest(&[allowed, short, long, short]), Some(2));
        assert_eq!(strictest(&[long, never, long]), Some(1));
        assert_eq!(strictest(&[never, long]), Some(0));
    }

    #[test]
    fn when_all_allow_it_the_one_that_leaves_the_least_answers() {
        let most = verdict(true, 1_000, 100, Some(0));
        let least = verdict(true, 10, 1, Some(0));
        let less = verdict(true, 1_000, 99, Some(0));
        assert_eq!(strictest(&[most, least]), Some(0), "of equal ones the first");
        assert_eq!(strictest(&[most, least, less]), Some(2));
        assert_eq!(strictest(&[]), None);
    }
}
