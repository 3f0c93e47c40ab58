//! What Pingora carries along with one request.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, StatusCode};
use marchproxy_decide::exchange::{Exchange, Start};
use marchproxy_decide::verdict::Reason;
use pingora_core::upstreams::peer::{HttpPeer, PeerOptions};

use crate::generation::Generation;
use crate::listen::link::{self, Link};
use crate::listen::table::View;
use crate::observe::Observer;
use crate::upstream::{Endpoint, Handshake, Refused, Upstream};

/// One request on its way. Recorded exactly once: by Pingora's logging hook, or, when the request
/// is cut or its client vanishes, when it is dropped.
pub struct Flow {
    observer: Arc<Observer>,
    worker: usize,
    /// In a box: Pingora moves this from future to future.
    running: Option<Box<Running>>,
}

struct Running {
    link: Arc<Link>,
    view: Arc<View>,
    exchange: Exchange,
    recorded: bool,
}

impl Flow {
    pub(super) fn new(observer: Arc<Observer>, worker: usize) -> Self {
        Self { observer, worker, running: None }
    }

    /// Begins with the configuration of this moment; `None` when it has begun already.
    pub(super) fn begin(&mut self, link: &Arc<Link>) -> Option<(Arc<View>, &mut Exchange)> {
        if self.running.is_some() {
            return None;
        }
        let view = link.listener().view_to_keep();
        let unix_millis = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(0));
        let exchange = Exchange::new(Start {
            connection: Arc::clone(&link.connection),
            listener: view.index,
            moment: link.head_began(),
            unix_millis,
            random: std::array::from_fn(|_| fastrand::u64(..)),
        });
        let running = Box::new(Running { link: Arc::clone(link), view, exchange, recorded: false });
        let running = self.running.insert(running);
        Some((Arc::clone(&running.view), &mut running.exchange))
    }

    /// The configuration it began with, and what is known of it.
    pub(super) fn parts(&mut self) -> Option<(Arc<View>, &mut Exchange)> {
        let running = self.running.as_mut()?;
        Some((Arc::clone(&running.view), &mut running.exchange))
    }

    fn upstream(&self) -> Option<&Arc<Upstream>> {
        let running = self.running.as_ref()?;
        running.view.generation.upstreams.get(running.exchange.upstream?)
    }

    /// Chooses the endpoint of the next attempt.
    pub(super) fn pick(&mut self) -> Result<Arc<Endpoint>, Reason> {
        let upstream = self.upstream().ok_or(Reason::Internal)?;
        let endpoint = upstream.pick().ok_or_else(|| {
            if upstream.is_failing_to_resolve() { Reason::Unresolved } else { Reason::NoEndpoint }
        })?;
        let running = self.running.as_mut().ok_or(Reason::Internal)?;
        running.exchange.endpoint = Some(Arc::clone(&endpoint.label));
        running.exchange.attempts = running.exchange.attempts.saturating_add(1);
        running.exchange.marks.connecting = Some(link::now());
        Ok(endpoint)
    }

    /// How Pingora is to reach the endpoint for this request.
    pub(super) fn peer(&self, endpoint: &Endpoint) -> HttpPeer {
        match &self.running {
            Some(running) if running.exchange.websocket => {
                running.link.set_upgrade();
                endpoint.peer_for_upgrade()
            }
            _ => endpoint.peer.clone(),
        }
    }

    /// Has Pingora give up on the endpoint when the time of the whole request is over. The loop that
    /// owns the client's connection would end the request then, but could not answer it.
    pub(super) fn bound(&self, options: &mut PeerOptions) {
        let Some(running) = &self.running else { return };
        let Some(left) = running.link.time_left() else { return };
        let sooner = |limit: Option<Duration>| Some(limit.map_or(left, |limit| limit.min(left)));
        options.total_connection_timeout = sooner(options.total_connection_timeout);
        // An upgraded connection may outlive that time.
        if !running.exchange.websocket {
            options.read_timeout = sooner(options.read_timeout);
        }
    }

    /// Whether connections to its upstream are kept for later requests.
    pub(super) fn keeps_upstream_connections(&self) -> bool {
        self.upstream().is_none_or(|upstream| !upstream.config.keep_alive.idle.duration().is_zero())
    }

    /// Checks what TLS with the endpoint settled on; from here on the first byte is waited for.
    pub(super) fn check_handshake(&mut self, handshake: Option<&Handshake>) -> Result<(), Reason> {
        let upstream = self.upstream().ok_or(Reason::Internal)?;
        upstream.check(handshake).map_err(|refused| match refused {
            Refused::Pin => Reason::UpstreamPin,
            Refused::Outdated => Reason::UpstreamTls,
        })?;
        let first_byte = upstream.config.timeouts.first_byte.duration();
        let running = self.running.as_mut().ok_or(Reason::Internal)?;
        running.exchange.marks.connected = Some(link::now());
        running.link.idles_at_most(first_byte);
        Ok(())
    }

    /// Bounds the whole request, once its route is known.
    pub(super) fn limit_time(&self, link: &Link) {
        let Some(running) = &self.running else { return };
        let of_route = running.view.generation.snapshot.route(&running.exchange);
        let of_upstream = || Some(self.upstream()?.config.timeouts.request.duration());
        if let Some(limit) = of_route.and_then(|route| route.timeout).or_else(of_upstream) {
            link.ends_after(limit);
        }
    }

    /// Counts bytes of the request's body; `false`: there are too many.
    pub(super) fn body_passes(&mut self, count: usize) -> bool {
        let Some(running) = &mut self.running else { return false };
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        running.exchange.bytes_in = running.exchange.bytes_in.saturating_add(count);
        running.link.touch();
        running.exchange.bytes_in <= running.view.generation.snapshot.body_limit(&running.exchange)
    }

    /// Counts bytes of the answer's body.
    pub(super) fn answer_passes(&mut self, count: usize) {
        let Some(running) = &mut self.running else { return };
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        running.exchange.bytes_out = running.exchange.bytes_out.saturating_add(count);
        running.link.touch();
    }

    /// The head of an answer leaves.
    pub(super) fn answering(&self, status: StatusCode) {
        let Some(running) = &self.running else { return };
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            return running.link.touch();
        }
        running.link.set_answering();
        if let Some(upstream) = self.upstream() {
            running.link.idles_at_most(upstream.config.timeouts.idle.duration());
        }
        if status == StatusCode::SWITCHING_PROTOCOLS {
            running.link.set_tunnel();
        }
    }

    /// Notes why it is refused. The first reason stays.
    pub(super) fn refuse(&mut self, reason: Reason) {
        if let Some(running) = &mut self.running {
            running.exchange.reason.get_or_insert(reason);
        }
    }

    pub(super) fn reason(&self) -> Option<Reason> {
        self.running.as_ref()?.exchange.reason
    }

    /// The client's connection can go on although the request failed.
    pub(super) fn goes_on(&self) {
        if let Some(running) = &self.running {
            running.link.set_going_on();
        }
    }

    pub(super) fn interrupted(&self) -> Option<Reason> {
        self.running.as_ref()?.link.interrupted()
    }

    /// Records it, unless that has been done.
    pub(super) fn finish(&mut self, headers: Option<&HeaderMap>) {
        let Some(running) = &mut self.running else { return };
        if std::mem::replace(&mut running.recorded, true) {
            return;
        }
        running.exchange.marks.end = Some(link::now());
        let Generation { handles, snapshot, .. } = &*running.view.generation;
        self.observer.record(self.worker, handles, snapshot, &running.exchange, headers);
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        let reason = self.interrupted().unwrap_or(Reason::ClientGone);
        if self.running.as_ref().is_some_and(|running| !running.recorded) {
            self.refuse(reason);
        }
        self.finish(None);
    }
}
