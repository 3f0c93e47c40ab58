//! Passive ejection: which endpoints are out for a time because of what requests meet there.

use marchproxy_conf::model::Ejection;
use marchproxy_decide::exchange::Moment;

use crate::standing::Counts;

/// Whether an endpoint is out.
#[derive(Debug, Default)]
pub(crate) struct Ejected {
    out: Option<(Cause, Moment)>,
    /// Ejections that are remembered.
    count: u32,
    /// When it came back the last time.
    back: Moment,
    /// What was counted when the period began that answers are compared over.
    period: Option<(Moment, Counts)>,
}

/// Why an endpoint is ejected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// Failures in a row.
    Consecutive,
    /// More failures than the others have.
    Failures,
    /// Answers that take longer than those of the others.
    Slow,
}

impl Cause {
    /// As it is labelled.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consecutive => "consecutive",
            Self::Failures => "failures",
            Self::Slow => "slow",
        }
    }
}

impl Ejected {
    pub fn is_out(&self) -> bool {
        self.out.is_some()
    }

    /// Until when it is out.
    pub fn until(&self) -> Option<Moment> {
        self.out.map(|(_, until)| until)
    }

    /// Why it is out, and until when.
    pub fn out(&self) -> Option<(Cause, Moment)> {
        self.out
    }

    /// Ejects it.
    pub fn eject(&mut self, policy: &Ejection, cause: Cause, now: Moment) {
        let longest = policy.longest.duration();
        if now.since(self.back) >= longest {
            self.count = 0;
        }
        let factor = 1_u32.checked_shl(self.count).unwrap_or(u32::MAX);
        let time = policy.time.duration().saturating_mul(factor).min(longest);
        self.out = Some((cause, now.after(time)));
        self.count = self.count.saturating_add(1);
    }

    /// Lets it back when its time is over; `true`: it just came.
    pub fn release(&mut self, now: Moment) -> bool {
        let is_over = self.until().is_some_and(|until| until <= now);
        if is_over {
            self.out = None;
            self.back = now;
            self.period = None;
        }
        is_over
    }

    /// What was counted over the period, when it is over. The next begins. The periods of all
    /// endpoints end at the same moments, or those that were out would be compared with nobody.
    pub fn period(&mut self, policy: &Ejection, counts: Counts, now: Moment) -> Option<Counts> {
        let Some((began, before)) = self.period else {
            self.period = Some((now, counts));
            return None;
        };
        if now < period_end(policy, began) {
            return None;
        }
        self.period = Some((now, counts));
        let counted = counts.since(before);
        let count = counted.answered.max(counted.timed);
        (count >= u64::from(policy.requests)).then_some(counted)
    }
}

/// When the period ends that `now` lies in.
pub(crate) fn period_end(policy: &Ejection, now: Moment) -> Moment {
    let period = u64::try_from(policy.period.duration().as_nanos()).unwrap_or(u64::MAX).max(1);
    let before = now.nanos().checked_rem(period).unwrap_or(0);
    Moment::from_nanos(now.nanos().saturating_sub(before).saturating_add(period))
}

/// Which of those that were counted over one period stand out.
pub(crate) fn outliers(policy: &Ejection, periods: &[Option<Counts>]) -> Vec<(usize, Cause)> {
    let counted: Vec<(usize, Counts)> =
        periods.iter().enumerate().filter_map(|(at, counts)| Some((at, (*counts)?))).collect();
    // Among fewer there are no others to stand out from.
    if counted.len() < 2 {
        return Vec::new();
    }
    let total = counted.iter().fold(Counts::default(), |sum, (_, counts)| Counts {
        answered: sum.answered.saturating_add(counts.answered),
        failed: sum.failed.saturating_add(counts.failed),
        ..sum
    });
    let median = median_wait(&counted);
    let mut found = Vec::new();
    for (at, counts) in &counted {
        let others = total.since(*counts);
        let worse = permille(*counts).saturating_sub(permille(others));
        let limit = policy.failures.map(|share| u64::from(share.as_percent()).saturating_mul(10));
        let slow = policy.slow.map(|times| median.saturating_mul(u64::from(times)));
        if limit.is_some_and(|limit| worse >= limit) {
            found.push((*at, Cause::Failures));
        } else if slow.is_some_and(|limit| limit > 0 && wait(*counts) >= limit) {
            found.push((*at, Cause::Slow));
        }
    }
    // The worst first: the cap may leave room for no more.
    found.sort_by_key(|(at, _)| {
        let counts = periods.get(*at).copied().flatten().unwrap_or_default();
        std::cmp::Reverse((permille(counts), wait(counts)))
    });
    found
}

fn permille(counts: Counts) -> u64 {
    counts.failed.saturating_mul(1000).checked_div(counts.answered).unwrap_or(0)
}

/// Nanoseconds that an answer was waited for, on average.
fn wait(counts: Counts) -> u64 {
    counts.waited.checked_div(counts.timed).unwrap_or(0)
}

fn median_wait(counted: &[(usize, Counts)]) -> u64 {
    let mut waits: Vec<u64> = counted.iter().map(|(_, counts)| wait(*counts)).collect();
    waits.sort_unstable();
    // Of two the lower: the slow one must not be its own measure.
    let middle = waits.len().saturating_sub(1) / 2;
    waits.get(middle).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
