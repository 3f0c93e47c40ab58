//! Asking endpoints whether they are well.

mod grpc;

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use http::header::{HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use marchproxy_balance::Mode;
use marchproxy_conf::model::Health;
use marchproxy_decide::wire::proxy_protocol::Client;
use pingora_core::connectors::TransportConnector;
use pingora_core::upstreams::peer::HttpPeer;
use tokio::time::{sleep, timeout};

use super::address::Address;
use super::connect::{Connected, NotConnected, connect};
use super::http1::Http1;
use super::http2::Http2;
use super::{Endpoint, Session, Upstream};
use crate::edge::{Manner, Outbound, OutboundBody, Piece};
use crate::observe::Observer;

/// How much of the body of an answer is looked at.
const MOST_BODY: usize = 64 << 10;

/// Connections of checks are apart from those of requests, which belong to workers.
static CONNECTOR: LazyLock<TransportConnector> = LazyLock::new(|| TransportConnector::new(None));

impl Upstream {
    /// Has those endpoints checked that nobody checks yet.
    pub(super) fn start_checks(self: &Arc<Self>, observer: &Arc<Observer>) {
        let Some(health) = &self.config.health else {
            // What an earlier configuration found must not keep them out.
            self.listed.load().iter().for_each(|endpoint| endpoint.standing.checked().forget());
            return;
        };
        for endpoint in self.listed.load().iter() {
            if endpoint.is_checked.swap(true, Ordering::Relaxed) {
                continue;
            }
            let (upstream, endpoint) = (Arc::downgrade(self), Arc::downgrade(endpoint));
            let task = keep_checking(upstream, endpoint, health.clone(), Arc::clone(observer));
            self.spawn(task);
        }
    }
}

/// Checks an endpoint for as long as it and its upstream are there.
async fn keep_checking(
    upstream: Weak<Upstream>,
    endpoint: Weak<Endpoint>,
    health: Health,
    observer: Arc<Observer>,
) {
    loop {
        {
            let (Some(upstream), Some(endpoint)) = (upstream.upgrade(), endpoint.upgrade()) else {
                return;
            };
            if endpoint.standing.mode() != Mode::Disabled {
                let result = check(&upstream, &endpoint, &health).await;
                upstream.checked(&endpoint, &health, result, &observer);
            }
        }
        sleep(pause(&health)).await;
    }
}

/// The time to the next check, longer or shorter by some random part.
fn pause(health: &Health) -> Duration {
    let every = health.every.duration();
    let by = every * u32::from(health.jitter.as_percent()) / 100;
    every.saturating_sub(by) + by.mul_f64(2.0 * fastrand::f64())
}

impl Upstream {
    fn checked(
        &self,
        endpoint: &Endpoint,
        health: &Health,
        result: Result<(), String>,
        observer: &Observer,
    ) {
        observer.metrics.upstreams.checked(&self.name, result.is_ok());
        let error = result.as_ref().err().cloned();
        if !endpoint.standing.checked().note(result, health.up, health.down) {
            return;
        }
        let (upstream, endpoint) = (&*self.name, &*endpoint.label);
        if let Some(error) = error {
            tracing::warn!(upstream, endpoint, error, "an endpoint is not well");
        } else {
            tracing::info!(upstream, endpoint, "an endpoint is well");
        }
        self.hub.keeper.notify_one();
    }
}

/// Checks an endpoint once.
async fn check(upstream: &Upstream, endpoint: &Endpoint, health: &Health) -> Result<(), String> {
    let bound = health.timeout.duration();
    let asked = timeout(bound, ask(upstream, endpoint, health)).await;
    asked.unwrap_or_else(|_| Err(format!("no answer within {}", health.timeout)))
}

async fn ask(upstream: &Upstream, endpoint: &Endpoint, health: &Health) -> Result<(), String> {
    let peer = peer(endpoint, health);
    let connected = connect(&CONNECTOR, upstream, &peer, &Client::Sender, None).await;
    let connected = connected.map_err(|NotConnected { why, .. }| why)?;
    let session = match connected {
        _ if health.http.is_none() && health.grpc.is_none() => return Ok(()),
        Connected::Http1(stream, place) => Session::Http1(Http1::new(stream, place)),
        Connected::Http2(shared) => Session::Http2(Http2::new(shared)),
    };
    let host = health.host.clone().unwrap_or_else(|| host_of(endpoint));
    let scheme = if upstream.config.tls.is_some() { "https" } else { "http" };
    match (&health.http, &health.grpc) {
        (_, Some(service)) => grpc::ask(session, service, &host, scheme).await,
        (Some(path), None) => ask_http(session, path, &host, scheme, health).await,
        (None, None) => Ok(()),
    }
}

fn peer(endpoint: &Endpoint, health: &Health) -> HttpPeer {
    let mut peer = endpoint.peer.clone();
    if let (Some(port), Address::Ip(address)) = (health.port, &endpoint.address) {
        peer._address = SocketAddr::new(address.ip(), port).into();
    }
    peer
}

fn host_of(endpoint: &Endpoint) -> String {
    match (&endpoint.name, &endpoint.address) {
        (Some(name), Address::Ip(address)) => format!("{name}:{}", address.port()),
        (None, Address::Ip(address)) => address.to_string(),
        (_, Address::Unix(_)) => "localhost".to_owned(),
    }
}

async fn ask_http(
    mut session: Session,
    path: &str,
    host: &str,
    scheme: &'static str,
    health: &Health,
) -> Result<(), String> {
    let question = question(Method::GET, path, host, scheme)?;
    let failed = |failure: super::Failure| failure.reason.title().to_owned();
    session.start(&question).map_err(failed)?;
    session.send(Piece::End(None)).map_err(failed)?;
    std::future::poll_fn(|context| session.poll_flush(context)).await.map_err(failed)?;
    let head = loop {
        let head = std::future::poll_fn(|context| session.poll_head(context)).await;
        let head = head.map_err(failed)?;
        if !head.is_interim() {
            break head;
        }
    };
    let is_well = match health.statuses.as_slice() {
        [] => head.status.is_success(),
        statuses => statuses.contains(&head.status.as_u16()),
    };
    if is_well { Ok(()) } else { Err(format!("it answers {}", head.status.as_u16())) }
}

/// A request of the proxy's own.
fn question(
    method: Method,
    path: &str,
    host: &str,
    scheme: &'static str,
) -> Result<Outbound, String> {
    let host = HeaderValue::from_str(host).map_err(|_| "`host` is not valid".to_owned())?;
    let mut headers = HeaderMap::new();
    headers.insert(HOST, host);
    headers.insert(USER_AGENT, HeaderValue::from_static("marchproxy-health"));
    Ok(Outbound {
        method,
        target: path.to_owned(),
        headers,
        body: OutboundBody::None,
        is_websocket: false,
        manner: Manner { scheme, keeps_connection: false, announced: None },
    })
}
