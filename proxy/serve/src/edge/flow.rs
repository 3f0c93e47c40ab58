//! What is known of one request, from its head to its line in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, Method};
use marchproxy_conf::model::{Balance, HashBy};
use marchproxy_decide::exchange::{Connection, DeclaredBody, Exchange, Moment, Start};
use marchproxy_decide::request::forward::trace::TRACEPARENT;
use marchproxy_decide::request::{RequestHead, access, forward, identity, limit, route, sanity};
use marchproxy_decide::verdict::{Reason, Verdict};

use super::cache::{CacheRules, Caching};
use super::message::{Manner, OutboundBody};
use super::{AnswerHead, Edge, Outbound, Request};
use crate::clock;
use crate::drain::Drain;
use crate::generation::Generation;
use crate::observe::Observer;
use crate::upstream::{Announced, Endpoint, Upstream, cookie, hash};

/// How a request came.
#[derive(Clone)]
pub struct Arrival {
    /// The configuration it is served with, to its end.
    pub generation: Arc<Generation>,
    /// Its listener's position in that.
    pub listener: usize,
    /// The connection it came by.
    pub connection: Arc<Connection>,
    /// When its first byte (HTTP/1) or its stream (HTTP/2) came.
    pub began: Moment,
    /// How it learns of its end.
    pub drain: Drain,
}

/// One request on its way. Recorded exactly once: when it is finished, or, when it is cut or its
/// client vanishes, when it is dropped.
pub struct Flow {
    /// How it came.
    pub arrival: Arrival,
    /// What is known of it.
    pub exchange: Exchange,
    /// How far it is with the cache.
    pub(super) caching: Caching,
    pub(super) request: Option<Request>,
    pub(super) observer: Arc<Observer>,
    worker: usize,
    is_recorded: bool,
    /// Bytes of the answer's body as they are sent, if that is not as they came.
    sent: Option<Arc<AtomicU64>>,
}

impl Flow {
    /// Begins.
    pub fn begin(edge: &Edge, arrival: Arrival, request: Option<Request>) -> Self {
        let exchange = Exchange::new(Start {
            connection: Arc::clone(&arrival.connection),
            listener: arrival.listener,
            moment: arrival.began,
            unix_millis: clock::unix_millis(),
            random: std::array::from_fn(|_| fastrand::u64(..)),
        });
        let observer = Arc::clone(&edge.observer);
        let (caching, worker) = (Caching::default(), edge.worker);
        let (is_recorded, sent) = (false, None);
        Self { arrival, exchange, caching, request, observer, worker, is_recorded, sent }
    }

    /// Keeps it out of log and metrics: no client has asked.
    pub(super) fn is_own(&mut self) {
        self.is_recorded = true;
    }

    /// Whether no client has asked, before it is over.
    pub(super) fn is_ours(&self) -> bool {
        self.is_recorded
    }

    /// Passes the checkpoints that stand before an endpoint is chosen.
    pub(super) fn check(&mut self, now: Moment) -> Verdict {
        let Some(request) = &self.request else { return Verdict::Refuse(Reason::Internal) };
        let snapshot = &self.arrival.generation.snapshot;
        let head = request.head();
        let verdict = decide(&self.arrival.generation, &head, &mut self.exchange, now);
        forward::trace::begin(snapshot, head.headers, &mut self.exchange);
        self.exchange.marks.head = Some(now);
        verdict
    }

    pub(super) fn upstream(&self) -> Option<&Arc<Upstream>> {
        self.arrival.generation.upstreams.get(self.exchange.upstream?)
    }

    /// The request as it is forwarded.
    pub(super) fn outbound(&mut self, upstream: &Upstream, has_body: bool) -> Option<Outbound> {
        let request = self.request.as_ref()?;
        let snapshot = &self.arrival.generation.snapshot;
        let mut headers = request.headers.clone();
        forward::prepare(snapshot, &request.head(), &mut self.exchange, &mut headers);
        headers.remove(TRANSFER_ENCODING);
        let is_text = self.exchange.grpc_web.as_ref().is_some_and(|call| call.is_text);
        let is_changed = is_text || self.exchange.decode.is_some();
        let body = match self.exchange.body {
            _ if !has_body => OutboundBody::None,
            _ if is_changed => OutboundBody::Unknown,
            DeclaredBody::Length(length) => OutboundBody::Length(length),
            DeclaredBody::Chunked | DeclaredBody::None => OutboundBody::Unknown,
        };
        // RFC 9110, section 8.6: who may have a body and has none says so.
        let is_told = headers.contains_key(CONTENT_LENGTH);
        let may_have_one = matches!(request.method, Method::POST | Method::PUT | Method::PATCH);
        if body == OutboundBody::None && may_have_one && !is_told {
            headers.insert(CONTENT_LENGTH, 0.into());
        }
        Some(Outbound {
            method: request.method.clone(),
            target: forward::target(snapshot, &self.exchange).into_owned(),
            headers,
            body,
            is_websocket: self.exchange.websocket,
            manner: self.manner(upstream),
        })
    }

    /// How the endpoints of `upstream` are spoken to.
    pub(super) fn manner(&self, upstream: &Upstream) -> Manner {
        let config = &upstream.config;
        let announced = config
            .proxy_protocol
            .map(|_version| Announced::new(&self.exchange.connection, self.exchange.client));
        let is_kept = announced.as_ref().is_none_or(|announced| announced.owner().is_some());
        Manner {
            scheme: if config.tls.is_some() { "https" } else { "http" },
            keeps_connection: is_kept && !config.keep_alive.idle.duration().is_zero(),
            announced,
        }
    }

    /// Makes of the request what the cache needs, if that has a part in it.
    pub(super) fn ask_for_cache(&mut self, outbound: &mut Outbound) {
        if let Some(request) = &self.request {
            self.caching.prepare(&request.headers, &mut outbound.headers);
        }
    }

    /// The key that says which endpoint of `upstream` the request goes to, if it has one.
    pub(super) fn key(&self, upstream: &Upstream) -> Option<u64> {
        let by = upstream.config.hash.as_ref();
        if upstream.config.balance != Balance::ConsistentHash {
            return None;
        }
        let headers = &self.request.as_ref()?.headers;
        let name = by.and_then(|by| by.name.as_deref()).unwrap_or_default();
        match by.map_or(HashBy::Address, |by| by.by) {
            HashBy::Address => upstream.key_of_address(self.exchange.client),
            HashBy::Path => Some(hash(self.exchange.path().as_bytes())),
            HashBy::Header => headers.get(name).map(|value| hash(value.as_bytes())),
            HashBy::Cookie => {
                let mut fields = headers.get_all(COOKIE).iter();
                fields.find_map(|field| cookie(field.as_bytes(), name)).map(hash)
            }
        }
    }

    /// The endpoint of `upstream` that the client had before, as its cookie names it.
    pub(super) fn tag(&self, upstream: &Upstream) -> Option<u64> {
        upstream.tag(&self.request.as_ref()?.headers)
    }

    /// How much of the body is taken before an endpoint is asked.
    pub(super) fn request_buffer(&self) -> u64 {
        let route = self.arrival.generation.snapshot.route(&self.exchange);
        route.map_or(0, |route| route.request_buffer)
    }

    /// How long one endpoint is waited for before another is asked as well.
    pub(super) fn hedge(&self) -> Option<Duration> {
        self.arrival.generation.snapshot.route(&self.exchange)?.hedge
    }

    /// An endpoint is tried.
    pub(super) fn tries(&mut self, endpoint: &Endpoint, now: Moment) {
        self.exchange.endpoint = Some(Arc::clone(&endpoint.label));
        self.exchange.attempts = self.exchange.attempts.saturating_add(1);
        self.exchange.marks.connecting = Some(now);
        if let Some(trace) = &mut self.exchange.trace {
            trace.tries(&endpoint.label, now);
        }
    }

    /// The request as it is sent in the attempt that was begun last, if that differs: what is
    /// recorded in a trace tells the endpoint of that attempt, unless the route says otherwise.
    pub(super) fn traced(&self, outbound: &Outbound) -> Option<Box<Outbound>> {
        let trace = self.exchange.trace.as_ref()?;
        let told = outbound.headers.get(TRACEPARENT);
        if told != trace.traceparent(trace.span).as_ref() {
            return None;
        }
        let mut traced = Box::new(outbound.clone());
        traced.headers.insert(TRACEPARENT, trace.traceparent_now()?);
        Some(traced)
    }

    /// Of the endpoints that were asked at the same time, this one is heard.
    pub(super) fn hears(&mut self, endpoint: &Endpoint) {
        self.exchange.endpoint = Some(Arc::clone(&endpoint.label));
        if let Some(trace) = &mut self.exchange.trace {
            trace.hears(&endpoint.label, clock::now());
        }
    }

    /// The endpoint has begun to answer.
    pub(super) fn attempt_answers(&mut self, head: &AnswerHead) {
        if let Some(trace) = &mut self.exchange.trace {
            trace.answers(head.status.as_u16(), head.version);
        }
    }

    /// The attempt is over, perhaps because it failed.
    pub(super) fn attempt_ends(&mut self, reason: Option<Reason>) {
        if let Some(trace) = &mut self.exchange.trace {
            // An answer that nobody wants is no failure to get one.
            let is_unwanted = self.exchange.status == 0 && trace.is_answered();
            trace.ends(reason.filter(|_| !is_unwanted), clock::now());
        }
    }

    /// Counts bytes of the request's body; `false`: there are too many.
    pub(super) fn body_passes(&mut self, count: usize) -> bool {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.exchange.bytes_in = self.exchange.bytes_in.saturating_add(count);
        self.exchange.bytes_in <= self.arrival.generation.snapshot.body_limit(&self.exchange)
    }

    /// Counts bytes of the answer's body.
    pub(super) fn answer_passes(&mut self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.exchange.bytes_out = self.exchange.bytes_out.saturating_add(count);
    }

    /// The fields of the request.
    pub(super) fn headers(&self) -> Option<&HeaderMap> {
        self.request.as_ref().map(|request| &request.headers)
    }

    /// Whether its client has shown a certificate.
    pub(super) fn has_certificate(&self) -> bool {
        self.exchange.connection.tls.as_ref().is_some_and(|tls| tls.client.is_some())
    }

    /// Whether its client is known by more than `Authorization` and `Cookie`.
    pub(super) fn is_someones(&self) -> bool {
        let credentials = self.cache_rules().map(CacheRules::credentials);
        let has = |name: &HeaderName| self.headers().is_some_and(|all| all.contains_key(name));
        self.has_certificate()
            || self.exchange.consumer.is_some()
            || credentials.is_some_and(|names| names.iter().any(has))
    }

    /// Bytes of the answer's body are counted by whoever sends them.
    pub(super) fn count_sent(&mut self) -> Arc<AtomicU64> {
        Arc::clone(self.sent.get_or_insert_default())
    }

    /// Whether the answer has begun: no other can be sent.
    pub(super) fn has_begun(&self) -> bool {
        self.exchange.status != 0
    }

    /// Notes why it is refused. The first reason stays.
    pub(super) fn refuse(&mut self, reason: Reason) {
        self.exchange.reason.get_or_insert(reason);
    }

    /// Records it, unless that has been done.
    pub(super) fn finish(&mut self) {
        if std::mem::replace(&mut self.is_recorded, true) {
            return;
        }
        self.attempt_ends(self.exchange.reason);
        self.exchange.marks.end = Some(clock::now());
        if let (Some(rules), Some(cached)) = (self.cache_rules(), self.exchange.cache) {
            rules.answers.count(cached);
        }
        if let Some(sent) = &self.sent {
            self.exchange.bytes_out = sent.load(Ordering::Relaxed);
        }
        let Generation { handles, snapshot, .. } = &*self.arrival.generation;
        let headers = self.request.as_ref().map(|request| &request.headers);
        self.observer.record(self.worker, handles, snapshot, &self.exchange, headers);
        if let Some(traces) = &self.arrival.generation.traces {
            traces.record(&self.arrival.generation, &self.exchange);
        }
    }

    /// Records a request that never got to a checkpoint.
    pub fn never_began(mut self, reason: Reason) {
        self.refuse(reason);
        self.finish();
    }
}

/// The checkpoints that stand before an endpoint is chosen, in their order.
fn decide(
    generation: &Generation,
    head: &RequestHead<'_>,
    exchange: &mut Exchange,
    now: Moment,
) -> Verdict {
    let Generation { snapshot, identities, limiter, .. } = generation;
    let verdict = sanity::check(snapshot, head, exchange);
    let verdict = verdict.then(|| route::check(snapshot, head, exchange));
    let verdict = verdict.then(|| identity::check(snapshot, identities, head, exchange));
    let verdict = verdict.then(|| access::check(snapshot, exchange));
    let verdict = verdict.then(|| limit::check(snapshot, limiter, head, exchange, now));
    verdict.then(|| route::act(snapshot, head, exchange))
}

impl Drop for Flow {
    fn drop(&mut self) {
        if !self.is_recorded {
            let is_cut = self.arrival.drain.is_cut();
            self.refuse(if is_cut { Reason::Draining } else { Reason::ClientGone });
            self.finish();
        }
    }
}
