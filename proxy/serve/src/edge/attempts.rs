//! How often a request is tried, and where.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use marchproxy_conf::model::RetryOn;
use marchproxy_decide::exchange::Moment;
use marchproxy_decide::verdict::Reason;

use super::outcome::{Lost, note_answer, note_failure, note_lost};
use super::upload::Upload;
use super::{AnswerHead, Flow, Outbound};
use crate::observe::Observer;
use crate::observe::metrics::Retried;
use crate::upstream::{Endpoint, Failure, Fate, Seat, Upstream, Wish};

/// The attempts to have one request answered.
pub struct Attempts<'a> {
    upstream: &'a Upstream,
    observer: &'a Observer,
    /// The request's body.
    pub upload: &'a mut Upload,
    /// When the request as a whole is over.
    end: Moment,
    is_idempotent: bool,
    is_websocket: bool,
    /// The key that says which endpoint it goes to.
    key: Option<u64>,
    /// The endpoint that the client had before.
    tag: Option<u64>,
    /// Endpoints that were tried, the last one included.
    tried: Vec<u64>,
    seat: Seat,
    /// Where it is tried next.
    next: Option<Seat>,
    /// Where it is tried at the same time.
    second: Option<Seat>,
}

impl<'a> Attempts<'a> {
    /// The first attempt.
    ///
    /// # Errors
    /// There is no endpoint to try.
    pub fn begin(
        upstream: &'a Upstream,
        observer: &'a Observer,
        flow: &Flow,
        (outbound, upload): (&Outbound, &'a mut Upload),
        (end, now): (Moment, Moment),
    ) -> Result<Self, Reason> {
        let (key, tag) = (flow.key(upstream), flow.tag(upstream));
        let seat = upstream.pick(Wish { tried: &[], key, tag });
        let seat = seat.ok_or_else(|| upstream.why_nobody())?;
        let retry = &upstream.config.retry;
        if retry.attempts > 1 || flow.hedge().is_some() {
            upstream.budget.request(now);
        }
        let (is_idempotent, is_websocket) =
            (outbound.method.is_idempotent(), outbound.is_websocket);
        let tried = Vec::new();
        Ok(Self {
            upstream,
            observer,
            upload,
            end,
            is_idempotent,
            is_websocket,
            key,
            tag,
            tried,
            seat,
            next: None,
            second: None,
        })
    }

    /// Where it is tried now.
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// An answer has begun; `true`: it is not passed on, for the request is tried again.
    pub fn has_answer(&mut self, head: &AnswerHead, took: Duration, now: Moment) -> bool {
        note_answer(self.upstream, &self.seat, head, took, now);
        let statuses = &self.upstream.config.retry.statuses;
        let is_unwanted = !statuses.is_empty() && statuses.contains(&head.status.as_u16());
        is_unwanted && self.is_idempotent && !self.is_websocket && self.find_another(now)
    }

    /// The cookie that brings the client back to where its answer comes from; none when it has it.
    pub fn cookie(&self, is_secure: bool) -> Option<HeaderValue> {
        self.seat.cookie(self.tag, is_secure)
    }

    /// There is no connection; `true`: the request is tried again.
    pub fn has_no_connection(&mut self, reason: Reason, now: Moment) -> bool {
        if !note_failure(self.upstream, &self.seat, reason) {
            return false;
        }
        self.upstream.config.retry.on.contains(&RetryOn::Connect) && self.find_another(now)
    }

    /// The exchange has failed, which is the endpoint's fault if `is_its_fault`; `true`: the request
    /// is tried again.
    pub fn has_failed(&mut self, failure: Failure, is_its_fault: bool, now: Moment) -> bool {
        // One that says in good order that it takes no more has not failed.
        let is_leaving = failure.fate == Fate::Unprocessed;
        let is_blamed = || note_failure(self.upstream, &self.seat, failure.reason);
        if !is_its_fault || !(is_leaving || is_blamed()) {
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
        is_safe && self.upload.replay.is_whole()
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

    /// Another endpoint to be asked at the same time, if there is one and the budget bears it.
    pub fn hedge(&mut self, now: Moment) -> Option<Arc<Endpoint>> {
        let retry = &self.upstream.config.retry;
        self.is_tried(self.seat.number());
        let seat = self.upstream.pick(Wish { tried: &self.tried, key: self.key, tag: None });
        let seat = seat.filter(|_| self.upstream.budget.retry(retry.budget, retry.floor, now))?;
        self.observer.metrics.upstreams.retried(&self.upstream.name, Retried::Hedged);
        self.is_tried(seat.number());
        let endpoint = Arc::clone(&seat.endpoint);
        self.second = Some(seat);
        Some(endpoint)
    }

    /// The second one, if there is one, is not heard: that became of it.
    pub fn drop_second(&mut self, lost: &Lost) {
        if let Some(second) = self.second.take() {
            note_lost(self.upstream, &second, lost);
        }
    }

    /// The second one is heard instead of the first, of which that became.
    pub fn take_second(&mut self, lost: &Lost) {
        note_lost(self.upstream, &self.seat, lost);
        if let Some(second) = self.second.take() {
            self.seat = second;
        }
    }

    /// An endpoint was tried, also when that is known already.
    fn is_tried(&mut self, number: u64) {
        if !self.tried.contains(&number) {
            self.tried.push(number);
        }
    }

    /// Finds an endpoint that was not tried, if the request may be tried again at all.
    fn find_another(&mut self, now: Moment) -> bool {
        let retry = &self.upstream.config.retry;
        self.is_tried(self.seat.number());
        let most = usize::try_from(retry.attempts).unwrap_or(usize::MAX);
        if self.tried.len() >= most || now >= self.end || !self.upload.replay.is_whole() {
            return false;
        }
        let wish = Wish { tried: &self.tried, key: self.key, tag: None };
        self.next = self.upstream.pick(wish);
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
