//! How long a request may wait for what.

use std::time::Duration;

use marchproxy_conf::values::Time;
use marchproxy_decide::exchange::Moment;
use marchproxy_decide::verdict::Reason;

use super::Flow;
use crate::clock;
use crate::upstream::Upstream;

/// A moment that never comes.
const NEVER: Moment = Moment::from_nanos(u64::MAX);

/// The limits of one request, and since when it has been waiting for whom.
#[derive(Debug)]
pub struct Times {
    end: Moment,
    /// When the attempt must have brought an answer, but for the time that the client is waited for.
    attempt_end: Moment,
    attempt_limit: Option<Duration>,
    route_limit: Option<Duration>,
    connect: Duration,
    first_byte: Duration,
    idle: Duration,
    body_idle: Duration,
    answer_idle: Duration,
    is_sent: bool,
    has_head: bool,
    is_tunnel: bool,
    /// When the endpoint last took or gave something.
    endpoint_moved: Moment,
    /// Since when the client's body has been waited for.
    client_gives_since: Option<Moment>,
    /// Since when the client has not taken what is there for it.
    client_takes_since: Option<Moment>,
}

impl Times {
    /// As far as the listener and the route know.
    pub fn new(flow: &Flow) -> Self {
        let snapshot = &flow.arrival.generation.snapshot;
        let listener = snapshot.listener_of(&flow.exchange);
        let forever = Duration::MAX;
        Self {
            end: NEVER,
            attempt_end: NEVER,
            attempt_limit: None,
            route_limit: snapshot.route(&flow.exchange).and_then(|route| route.timeout),
            connect: forever,
            first_byte: forever,
            idle: forever,
            body_idle: listener.map_or(forever, |listener| listener.body_idle),
            answer_idle: listener.map_or(forever, |listener| listener.answer_idle),
            is_sent: false,
            has_head: false,
            is_tunnel: false,
            endpoint_moved: NEVER,
            client_gives_since: None,
            client_takes_since: None,
        }
    }

    /// Takes the limits of an upstream; the whole request is bounded from `now` on.
    pub fn know(&mut self, upstream: &Upstream, now: Moment) {
        let times = &upstream.config.timeouts;
        self.connect = times.connect.duration();
        self.first_byte = times.first_byte.duration();
        self.idle = times.idle.duration();
        self.attempt_limit = upstream.config.retry.attempt_time.map(Time::duration);
        let whole = self.route_limit.unwrap_or_else(|| times.request.duration());
        self.end = clock::later(now, whole);
    }

    /// When the whole request is over, and what that means.
    pub fn end(&self) -> (Moment, Reason) {
        (self.end, Reason::UpstreamTimeout)
    }

    /// An endpoint is tried from `now` on.
    pub fn attempts(&mut self, now: Moment) {
        self.attempt_end = self.attempt_limit.map_or(NEVER, |limit| clock::later(now, limit));
    }

    /// When a connection must be there that is begun `now`, and what it means when it is not.
    pub fn connect_by(&self, now: Moment) -> (Moment, Reason) {
        let by = clock::later(now, self.connect).min(self.attempt_end);
        if by <= self.end { (by, Reason::ConnectTimeout) } else { self.end() }
    }

    /// When the head of an answer must be there to what is asked from `now` on.
    pub fn answer_limit(&self, now: Moment) -> (Moment, Reason) {
        let by = clock::later(clock::later(now, self.connect), self.first_byte);
        (by.min(self.attempt_end).min(self.end), Reason::UpstreamTimeout)
    }

    /// Whether the client is waited for, and not the endpoint.
    pub fn blames_client(&self) -> bool {
        self.client_takes_since.is_some() || self.client_gives_since.is_some() && !self.has_head
    }

    /// A connection is there `now`: the answer is waited for.
    pub fn connected(&mut self, now: Moment) {
        self.endpoint_moved = now;
        self.client_gives_since = None;
        self.client_takes_since = None;
        self.is_sent = false;
    }

    /// The endpoint takes or gives something `now`.
    pub fn endpoint_moves(&mut self, now: Moment) {
        self.endpoint_moved = now;
    }

    /// When the endpoint last took or gave something.
    pub fn endpoint_moved(&self) -> Moment {
        self.endpoint_moved
    }

    /// The endpoint has been given the whole request.
    pub fn is_sent(&mut self) {
        self.is_sent = true;
    }

    /// The head of the answer is there.
    pub fn has_head(&mut self, is_tunnel: bool) {
        self.has_head = true;
        self.is_tunnel = is_tunnel;
    }

    /// The client is, or is not, waited for to give more.
    pub fn client_gives(&mut self, is_awaited: bool) {
        // The endpoint has its time all the same.
        if !is_awaited
            && self.attempt_limit.is_some()
            && let Some(since) = self.client_gives_since
        {
            self.attempt_end = clock::later(self.attempt_end, clock::now().since(since));
        }
        note(&mut self.client_gives_since, is_awaited);
    }

    /// The client is, or is not, waited for to take more.
    pub fn client_takes(&mut self, is_awaited: bool) {
        note(&mut self.client_takes_since, is_awaited);
    }

    /// When an answer of the proxy's own must have left that is sent now.
    pub fn answer_by(&self) -> Moment {
        clock::later(clock::now(), self.answer_idle)
    }

    /// The next limit, and what it means.
    pub fn next(&self) -> (Moment, Reason) {
        let moved = self.endpoint_moved;
        if self.is_tunnel {
            return (clock::later(moved, self.idle), Reason::UpstreamTimeout);
        }
        let mut next = (self.end, Reason::UpstreamTimeout);
        let mut consider = |since: Moment, limit: Duration, reason| {
            let at = clock::later(since, limit);
            if at < next.0 {
                next = (at, reason);
            }
        };
        // Whoever is waited for is to blame.
        if let Some(since) = self.client_takes_since {
            consider(since, self.answer_idle, Reason::ClientSlow);
        } else if let Some(since) = self.client_gives_since.filter(|_| !self.has_head) {
            consider(since, self.body_idle, Reason::BodyTime);
        } else {
            let awaits_answer = self.is_sent && !self.has_head;
            let limit = if awaits_answer { self.first_byte } else { self.idle };
            consider(moved, limit, Reason::UpstreamTimeout);
            if !self.has_head {
                consider(self.attempt_end, Duration::ZERO, Reason::UpstreamTimeout);
            }
        }
        next
    }
}

fn note(since: &mut Option<Moment>, is_awaited: bool) {
    if is_awaited {
        since.get_or_insert_with(clock::now);
    } else {
        *since = None;
    }
}
