//! How often a request is tried, and where.

use std::time::Duration;

use http::StatusCode;
use marchproxy_balance::Outcome;
use marchproxy_conf::model::RetryOn;
use marchproxy_decide::exchange::Moment;
use marchproxy_decide::verdict::{Fault, Reason};

use super::Outbound;
use super::replay::Replay;
use crate::observe::Observer;
use crate::observe::metrics::Retried;
use crate::upstream::{Failure, Fate, Seat, Upstream};

/// The attempts to have one request answered.
pub struct Attempts<'a> {
    upstream: &'a Upstream,
    observer: &'a Observer,
    /// The beginning of the request's body.
    pub replay: Replay,
    /// When the request as a whole is over.
    end: Moment,
    is_idempotent: bool,
    is_websocket: bool,
    /// Endpoints that were tried, the last one included.
    tried: Vec<u64>,
    seat: Seat,
    /// Where it is tried next.
    next: Option<Seat>,
}

impl<'a> Attempts<'a> {
    /// The first attempt.
    ///
    /// # Errors
    /// There is no endpoint to try.
    pub fn begin(
        upstream: &'a Upstream,
        observer: &'a Observer,
        outbound: &Outbound,
        end: Moment,
        now: Moment,
    ) -> Result<Self, Reason> {
        let seat = upstream.pick(&[]).ok_or_else(|| upstream.why_nobody())?;
        let retry = &upstream.config.retry;
        if retry.attempts > 1 {
            upstream.budget.request(now);
        }
        // A kept connection that turns out to be dead is no attempt, and needs the body as well.
        let replay = Replay::new(retry.buffer.bytes());
        let (is_idempotent, is_websocket) =
            (outbound.method.is_idempotent(), outbound.is_websocket);
        let tried = Vec::new();
        Ok(Self {
            upstream,
            observer,
            replay,
            end,
            is_idempotent,
            is_websocket,
            tried,
            seat,
            next: None,
        })
    }

    /// Where it is tried now.
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// An answer has begun; `true`: it is not passed on, for the request is tried again.
    pub fn has_answer(&mut self, status: StatusCode, took: Duration, now: Moment) -> bool {
        self.seat.note(match status.as_u16() {
            502..=504 => Outcome::Broken,
            500..=599 => Outcome::Error(took),
            _ => Outcome::Good(took),
        });
        let statuses = &self.upstream.config.retry.statuses;
        let is_unwanted = !statuses.is_empty() && statuses.contains(&status.as_u16());
        is_unwanted && self.is_idempotent && !self.is_websocket && self.find_another(now)
    }

    /// There is no connection; `true`: the request is tried again.
    pub fn has_no_connection(&mut self, reason: Reason, now: Moment) -> bool {
        if !self.blame(reason) {
            return false;
        }
        self.upstream.config.retry.on.contains(&RetryOn::Connect) && self.find_another(now)
    }

    /// The exchange has failed, which is the endpoint's fault if `is_its_fault`; `true`: the request
    /// is tried again.
    pub fn has_failed(&mut self, failure: Failure, is_its_fault: bool, now: Moment) -> bool {
        if !is_its_fault || !self.blame(failure.reason) {
            return false;
        }
        let kind = match failure.reason {
            Reason::UpstreamTimeout => RetryOn::Timeout,
            Reason::UpstreamReset => RetryOn::Reset,
            _ => return false,
        };
        let is_wanted = self.upstream.config.retry.on.contains(&kind);
        is_wanted && self.may_go_twice(failure.fate) && self.find_another(now)
    }

    /// Whether a request of which this became may be sent a second time.
    pub fn may_go_twice(&self, fate: Fate) -> bool {
        let is_safe = match fate {
            Fate::Unprocessed => true,
            // RFC 9110, section 9.2.2.
            Fate::Unknown => self.is_idempotent && !self.is_websocket,
            Fate::Begun => false,
        };
        is_safe && self.replay.is_whole()
    }

    /// Whether it is known where to try again.
    pub fn has_next(&self) -> bool {
        self.next.is_some()
    }

    /// Goes on with what was found, after a pause.
    pub fn go_on(&mut self) -> Option<Duration> {
        let next = self.next.take()?;
        self.seat = next;
        let retry = &self.upstream.config.retry;
        let doublings = u32::try_from(self.tried.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let pause = retry.pause.duration().saturating_mul(factor);
        Some(pause.mul_f64(0.5 + fastrand::f64() / 2.0))
    }

    /// Notes a failure; `false`: it is not the endpoint's.
    fn blame(&self, reason: Reason) -> bool {
        let is_its_fault = matches!(reason.whose(), Fault::Upstream) && reason != Reason::NoUpgrade;
        if is_its_fault {
            self.seat.note(Outcome::Broken);
        }
        is_its_fault
    }

    /// Finds an endpoint that was not tried, if the request may be tried again at all.
    fn find_another(&mut self, now: Moment) -> bool {
        let retry = &self.upstream.config.retry;
        self.tried.push(self.seat.number());
        let most = usize::try_from(retry.attempts).unwrap_or(usize::MAX);
        if self.tried.len() >= most || now >= self.end || !self.replay.is_whole() {
            return false;
        }
        self.next = self.upstream.pick(&self.tried);
        let found = if self.next.is_none() {
            Retried::NoEndpoint
        } else if self.upstream.budget.retry(retry.budget, retry.floor, now) {
            Retried::Done
        } else {
            self.next = None;
            Retried::NoBudget
        };
        self.observer.metrics.upstreams.retried(&self.upstream.name, found);
        found == Retried::Done
    }
}
