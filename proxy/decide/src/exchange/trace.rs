use std::sync::Arc;

use http::{HeaderValue, Version};

use super::Moment;
use crate::verdict::Reason;

/// Attempts of one request that are told of.
const MOST_ATTEMPTS: usize = 32;
/// The flag of W3C Trace Context that says that a trace is recorded.
const SAMPLED: u8 = 1;
/// The flag that says that the trace id is random (level 2).
const RANDOM: u8 = 2;

/// What is told of a request that is recorded in a trace, beside what the exchange knows anyway.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The trace.
    pub id: u128,
    /// The span of the trusted proxy that this request continues; `None`: the trace begins here.
    pub parent: Option<u64>,
    /// The span of the request.
    pub span: u64,
    /// Its attempts at endpoints, in the order in which they began.
    pub attempts: Vec<Attempt>,
    flags: u8,
    /// The attempt that is going on.
    current: Option<usize>,
}

/// One attempt at an endpoint.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its span.
    pub span: u64,
    /// The endpoint's address.
    pub endpoint: Arc<str>,
    /// When it began.
    pub begin: Moment,
    /// When it was over.
    pub end: Option<Moment>,
    /// The status of the answer, and the version it came with.
    pub answer: Option<(u16, Version)>,
    /// Why it failed.
    pub reason: Option<Reason>,
    /// Whether another was asked at the same time and heard instead.
    pub is_unheard: bool,
}

impl Trace {
    /// A request with the span `span` in the trace `id`, which a trusted proxy has sent with these
    /// flags, as part of its span `parent`.
    pub(crate) fn continuing(id: u128, parent: u64, flags: u8, span: u64) -> Self {
        Self {
            id,
            parent: Some(parent),
            span,
            attempts: Vec::new(),
            // Level 2, section 3.2.2.3: the flags that are not known are set to 0.
            flags: flags & (SAMPLED | RANDOM),
            current: None,
        }
    }

    /// A request with the span `span` that begins the trace `id`.
    pub(crate) fn beginning(id: u128, span: u64) -> Self {
        Self { id, parent: None, span, attempts: Vec::new(), flags: SAMPLED, current: None }
    }

    /// The flags that go with the trace.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// What says that a request is part of the span `span`.
    pub fn traceparent(&self, span: u64) -> Option<HeaderValue> {
        let text = format!("00-{:032x}-{span:016x}-{:02x}", self.id, self.flags);
        HeaderValue::try_from(text).ok()
    }

    /// The same for the attempt that is going on.
    pub fn traceparent_now(&self) -> Option<HeaderValue> {
        let attempt = self.attempts.get(self.current?)?;
        self.traceparent(attempt.span)
    }

    /// An endpoint is tried.
    pub fn tries(&mut self, endpoint: &Arc<str>, now: Moment) {
        self.current = None;
        if self.attempts.len() < MOST_ATTEMPTS {
            self.current = Some(self.attempts.len());
            self.attempts.push(Attempt {
                span: child(self.span, self.attempts.len()),
                endpoint: Arc::clone(endpoint),
                begin: now,
                end: None,
                answer: None,
                reason: None,
                is_unheard: false,
            });
        }
    }

    /// Of several endpoints that were asked at the same time, this one is heard.
    pub fn hears(&mut self, endpoint: &str, now: Moment) {
        self.current = None;
        for (position, attempt) in self.attempts.iter_mut().enumerate() {
            if attempt.end.is_some() {
                continue;
            }
            if *attempt.endpoint == *endpoint {
                self.current = Some(position);
            } else {
                attempt.end = Some(now);
                attempt.is_unheard = true;
            }
        }
    }

    /// The endpoint has begun to answer.
    pub fn answers(&mut self, status: u16, version: Version) {
        if let Some(attempt) = self.current() {
            attempt.answer = Some((status, version));
        }
    }

    /// Whether the attempt that is going on has an answer.
    pub fn is_answered(&self) -> bool {
        let attempt = self.current.and_then(|current| self.attempts.get(current));
        attempt.is_some_and(|attempt| attempt.answer.is_some())
    }

    /// The attempt that is going on, and any other, is over, perhaps because it failed.
    pub fn ends(&mut self, reason: Option<Reason>, now: Moment) {
        for attempt in self.attempts.iter_mut().filter(|attempt| attempt.end.is_none()) {
            attempt.end = Some(now);
            attempt.reason = reason;
        }
        self.current = None;
    }

    fn current(&mut self) -> Option<&mut Attempt> {
        self.attempts.get_mut(self.current?)
    }
}

/// The span of the attempt at `position`: each another one, and never 0, which is no span.
/// The steps are those of `SplitMix64`, which takes no number twice.
fn child(span: u64, position: usize) -> u64 {
    let count = u64::try_from(position).unwrap_or(u64::MAX).wrapping_add(1);
    let mut mixed = span.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)).max(1)
}
