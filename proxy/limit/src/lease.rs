//! One key that several proxies share: tokens come from a store in small batches.
//!
//! A proxy takes requests from a batch that it has in hand, and asks for the next while some are left:
//! the common request waits for no answer. How large a batch is follows how fast the key is used: it
//! should last some [`HORIZON`], and is never more than an eighth of the burst. A key that is used
//! slowly has batches of one request, which is exact.
//!
//! *What is promised.* The store never grants more than the quota. A token that was granted can be
//! used up to [`LAPSE`] later. So in any time `T` the proxies together let through at most the burst,
//! what comes back in `T`, and an eighth of the burst (or one request's cost, if that is more) for each
//! proxy. Tokens in hand that are not used in time are lost: at most that eighth, and the next batch is
//! smaller. A request may be refused although the store still has a few tokens: fewer than come back
//! within [`SOON`].
//!
//! *Without the store* the mode applies ([`Away`]). Local shares add to the above at most the burst
//! once for each absence, as the store gets its tokens back meanwhile.

use std::time::Duration;

use crate::gcra::{allowance, refusal};
use crate::{Grant, Quota, Verdict, Wish, step};

/// Nanoseconds that a batch should last at least. One that lasts four times as long was too large.
const HORIZON: u64 = 20_000_000;
const TOO_LONG: u64 = 4 * HORIZON;
/// Nanoseconds that a request may be refused early, so that the next question brings more than one token.
const SOON: u64 = 5_000_000;
/// Nanoseconds after which tokens in hand are worth nothing.
const LAPSE: u64 = 1_000_000_000;
/// Nanoseconds for which the mode applies before the store is asked again.
const PAUSE: u64 = 200_000_000;
/// Nanoseconds after which the answer to a question in the background is not waited for.
const LOST: u64 = 2_000_000_000;
/// A batch is at most this part of the burst.
const PART: u32 = 8;

/// What applies when the store is slow or gone.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Away {
    /// Each proxy lets its share of the quota through.
    #[default]
    Local,
    /// Everything passes.
    Open,
    /// Nothing passes but what was granted before.
    Closed,
}

/// What holds for all keys of a limit.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    quota: Quota,
    share: Quota,
    away: Away,
    most: u32,
}

/// What a proxy knows of one key of a shared limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lease {
    /// Tokens in hand, and until when they are worth something.
    tokens: u32,
    lapses: u64,
    /// The size of a batch (0: one request), and when the last one was granted.
    batch: u32,
    granted: u64,
    /// Until when a question in the background is under way.
    asking: u64,
    /// When the store has all its tokens back, or later, as other proxies take some. It was learned
    /// from a question that was asked then.
    full: u64,
    learned: u64,
    /// The store is not asked before that.
    away: u64,
    /// When the local share has all its tokens back.
    share: u64,
}

/// What a request of a key is to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "the request may have to ask"]
pub enum Answer {
    /// It may pass. The store is to be asked meanwhile, if so it says.
    Taken(Verdict, Option<Ask>),
    /// It may not.
    Refused(Verdict),
    /// It has to wait for what the store says.
    Ask(Ask),
}

/// A question to the store. Its answer goes to [`Lease::answered`], its failure to [`Lease::failed`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "its tokens are waited for"]
pub struct Ask {
    /// What the store is to be asked for.
    pub wish: Wish,
    /// What the request that waits for it costs; 0 when none does.
    cost: u32,
    /// Tokens in hand that were laid aside for that request.
    aside: u32,
    /// Whether it asks for a batch.
    is_for_batch: bool,
    /// By how much the store will be further from full, if it grants all.
    assumed: u64,
    at: u64,
}

impl Ask {
    /// Whether a request waits for the answer.
    pub fn is_waited_for(&self) -> bool {
        self.cost > 0
    }
}

impl Terms {
    /// The terms of a limit that `proxies` proxies share.
    pub fn new(quota: Quota, away: Away, proxies: u32) -> Self {
        let most = quota.burst().checked_div(PART).unwrap_or(0);
        Self { quota, share: quota.share(proxies), away, most }
    }

    /// The quota of all proxies together.
    pub fn quota(&self) -> &Quota {
        &self.quota
    }
}

impl Lease {
    /// A request that costs `cost` tokens, at `now` in nanoseconds.
    pub fn take(&mut self, terms: &Terms, cost: u32, now: u64) -> Answer {
        self.lapse(now);
        if let Some(tokens) = self.tokens.checked_sub(cost) {
            self.tokens = tokens;
            self.note_share(terms, cost, now);
            return Answer::Taken(self.verdict(terms, now), self.ask_ahead(terms, now));
        }
        if now < self.away {
            return match self.without_store(terms, cost, now) {
                verdict if verdict.is_allowed => Answer::Taken(verdict, None),
                verdict => Answer::Refused(verdict),
            };
        }
        let missing = cost.saturating_sub(self.tokens);
        let minimum = missing.max(self.fewest(terms));
        let verdict = refusal(self.full.saturating_sub(now), minimum, &terms.quota);
        if verdict.retry_after != Some(Duration::ZERO) {
            let remaining =
                verdict.remaining.saturating_add(self.tokens).min(cost.saturating_sub(1));
            return Answer::Refused(Verdict { remaining, ..verdict });
        }
        Answer::Ask(self.ask(terms, cost, missing, now))
    }

    /// The store has answered a question. Gives what is said to the request that waited for it.
    pub fn answered(&mut self, terms: &Terms, ask: Ask, grant: &Grant, now: u64) -> Verdict {
        self.lapse(now);
        self.away = 0;
        if ask.is_for_batch {
            self.asking = 0;
        }
        if ask.at >= self.learned {
            self.learned = ask.at;
            // The store looked at its clock after that. So it is not later than the truth, and who is
            // refused by it is refused rightly.
            self.full = ask.at.saturating_add(nanos(grant.reset));
        }
        if grant.tokens > 0 {
            self.lapses = ask.at.saturating_add(LAPSE);
            self.granted = if ask.is_for_batch { now } else { self.granted };
        }
        let here = self.tokens.saturating_add(ask.aside).saturating_add(grant.tokens);
        self.tokens = here.checked_sub(ask.cost).unwrap_or(here);
        let verdict = self.verdict(terms, now);
        if here >= ask.cost {
            self.note_share(terms, ask.cost, now);
            return verdict;
        }
        Verdict { is_allowed: false, retry_after: grant.wait, ..verdict }
    }

    /// The store did not answer a question, or not in time. Gives what is said to the request that
    /// waited for it.
    pub fn failed(&mut self, terms: &Terms, ask: Ask, now: u64) -> Verdict {
        self.away = now.saturating_add(PAUSE);
        if ask.is_for_batch {
            self.asking = 0;
        }
        self.full = self.full.saturating_sub(ask.assumed);
        self.tokens = self.tokens.saturating_add(ask.aside);
        self.lapse(now);
        if let Some(tokens) = self.tokens.checked_sub(ask.cost) {
            self.tokens = tokens;
            return self.verdict(terms, now);
        }
        self.without_store(terms, ask.cost, now)
    }

    /// Whether to forget it changes nothing: the store has all tokens back and there are none in hand,
    /// nor of the local share.
    pub fn is_idle(&self, now: u64) -> bool {
        let is_in_hand = self.tokens > 0 && now < self.lapses;
        !is_in_hand && [self.full, self.asking, self.away, self.share].iter().all(|end| *end <= now)
    }

    fn lapse(&mut self, now: u64) {
        if now >= self.lapses && self.tokens > 0 {
            self.tokens = 0;
            self.batch = 0;
        }
    }

    /// What a request that passes is told.
    fn verdict(&self, terms: &Terms, now: u64) -> Verdict {
        let backlog = self.full.saturating_sub(now);
        let backlog = backlog.saturating_sub(terms.quota.time_of(self.tokens));
        allowance(backlog, &terms.quota)
    }

    /// Asks while some are left, so that nobody waits.
    fn ask_ahead(&mut self, terms: &Terms, now: u64) -> Option<Ask> {
        let is_enough = self.tokens >= self.batch / 2;
        if is_enough || now < self.asking || now < self.away {
            return None;
        }
        let backlog = self.full.saturating_sub(now);
        let is_there = terms.quota.tokens_at(backlog) >= self.fewest(terms);
        is_there.then(|| self.ask(terms, 0, 1, now))
    }

    fn ask(&mut self, terms: &Terms, cost: u32, missing: u32, now: u64) -> Ask {
        // Who meets another question under way asks for itself only: else each would get a batch.
        let is_for_batch = now >= self.asking;
        let (mut wanted, mut minimum) = (missing, missing);
        if is_for_batch {
            self.asking = now.saturating_add(LOST);
            self.batch = self.next_batch(terms, now);
            minimum = missing.max(self.fewest(terms));
            wanted = minimum.max(self.batch.saturating_sub(self.tokens));
        }
        let aside = if cost > 0 { std::mem::take(&mut self.tokens) } else { 0 };
        // Until the answer is here: else all that come meanwhile would ask for what is not there.
        let assumed = terms.quota.time_of(wanted);
        self.full = self.full.max(now).saturating_add(assumed);
        Ask { wish: Wish { wanted, minimum }, cost, aside, is_for_batch, assumed, at: now }
    }

    fn next_batch(&self, terms: &Terms, now: u64) -> u32 {
        let lasted = now.saturating_sub(self.granted);
        let batch = match lasted {
            0..HORIZON => self.batch.saturating_mul(2).max(2),
            HORIZON..TOO_LONG => self.batch,
            TOO_LONG..LAPSE => self.batch / 2,
            LAPSE.. => 0,
        };
        batch.min(terms.most)
    }

    /// Fewer than that are not asked for, as each would be a question, unless they are long in coming.
    fn fewest(&self, terms: &Terms) -> u32 {
        let soon = SOON.checked_div(terms.quota.interval()).unwrap_or(0);
        (self.batch / 2).min(u32::try_from(soon).unwrap_or(u32::MAX)).max(1)
    }

    /// What passes while the store is well is taken of the local share too: else each absence would
    /// begin with a burst.
    fn note_share(&mut self, terms: &Terms, cost: u32, now: u64) {
        if terms.away == Away::Local {
            self.share = step(self.share, now, cost, &terms.share).1;
        }
    }

    fn without_store(&mut self, terms: &Terms, cost: u32, now: u64) -> Verdict {
        match terms.away {
            Away::Local => {
                let (verdict, full) = step(self.share, now, cost, &terms.share);
                self.share = full;
                verdict
            }
            Away::Open => allowance(0, &terms.quota),
            Away::Closed => Verdict {
                is_allowed: false,
                retry_after: Some(Duration::from_nanos(self.away.saturating_sub(now))),
                ..self.verdict(terms, now)
            },
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
