//! The rule: the generic cell rate algorithm (ITU-T I.371), as a virtual schedule.
//!
//! All that is known of a key is one time: when it will have all its tokens back, its *full time*.
//! What it takes moves that time into the future, and it may not lie further ahead than the burst.

use std::time::Duration;

use crate::Quota;

/// What the rule says of one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// Whether it may pass. If not, it has cost nothing.
    pub is_allowed: bool,
    /// The most tokens that there can be.
    pub limit: u32,
    /// How many there are now.
    pub remaining: u32,
    /// Until all tokens are back.
    pub reset: Duration,
    /// Until this request would pass, if nobody else takes a token: nothing when it may pass now,
    /// `None` when it costs more than there can ever be.
    pub retry_after: Option<Duration>,
}

/// Takes `cost` tokens from a key that has all of them at `full` (0: never seen). Gives the verdict
/// and the new full time, which is to be kept when the request is allowed.
///
/// Times are in nanoseconds.
pub fn step(full: u64, now: u64, cost: u32, quota: &Quota) -> (Verdict, u64) {
    let time = quota.time_of(cost);
    let backlog = full.saturating_sub(now);
    let wanted = backlog.saturating_add(time);
    if wanted > quota.tolerance() {
        return (refusal(backlog, cost, quota), full);
    }
    (allowance(wanted, quota), full.max(now).saturating_add(time))
}

/// What is said to one that passes, and leaves it `backlog` nanoseconds before all tokens are back.
pub(crate) fn allowance(backlog: u64, quota: &Quota) -> Verdict {
    Verdict {
        is_allowed: true,
        limit: quota.burst(),
        remaining: quota.tokens_at(backlog),
        reset: Duration::from_nanos(backlog),
        retry_after: Some(Duration::ZERO),
    }
}

/// What is said to one that may not pass, `backlog` nanoseconds before all tokens are back.
pub(crate) fn refusal(backlog: u64, cost: u32, quota: &Quota) -> Verdict {
    let time = quota.time_of(cost);
    let wait = backlog.saturating_add(time).saturating_sub(quota.tolerance());
    Verdict {
        is_allowed: false,
        limit: quota.burst(),
        remaining: quota.tokens_at(backlog),
        reset: Duration::from_nanos(backlog),
        retry_after: (time <= quota.tolerance()).then_some(Duration::from_nanos(wait)),
    }
}

#[cfg(test)]
mod tests;
