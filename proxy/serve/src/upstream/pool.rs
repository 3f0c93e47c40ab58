//! A worker's connections to endpoints: made when there is none to be had, kept for the next request.

use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use marchproxy_decide::exchange::{Connection, Moment};
use marchproxy_decide::verdict::Reason;
use marchproxy_decide::wire::proxy_protocol::Client;
use pingora_core::connectors::TransportConnector;
use pingora_core::protocols::Stream;
use pingora_core::protocols::tls::ALPN;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::allowance::{Place, SHORTAGE};
use super::announce::Announced;
use super::connect::{Connected, NotConnected, connect};
use super::http1::Http1;
use super::http2::{Http2, Shared};
use super::session::Session;
use super::{Endpoint, Upstream};
use crate::clock;
use crate::edge::Outbound;

/// Idle connections that are kept to one endpoint. A pool smaller than the concurrency costs a
/// handshake for each request.
const MOST_IDLE: usize = 1024;
/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// The connections of one worker.
pub struct Pool {
    connector: TransportConnector,
    shelves: Mutex<HashMap<Key, Shelf>>,
    /// Wakes those who wait for a connection, of which one has just become idle.
    given_back: Notify,
}

/// Which connections a request can use.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct Key {
    /// They lead to the endpoint with this number.
    endpoint: u64,
    /// They were announced as those of the client whose connection is at this place in memory; 0:
    /// nothing was announced. The shelf holds on to that place, so that no other connection has it.
    client: usize,
}

impl Key {
    /// `None`: no connection is kept for such requests, nor was any.
    fn of(endpoint: &Endpoint, outbound: &Outbound) -> Option<Self> {
        let client = match &outbound.manner.announced {
            None => 0,
            Some(announced) => Arc::as_ptr(announced.owner()?).addr(),
        };
        Some(Self { endpoint: endpoint.number, client })
    }
}

/// Those to one endpoint, of one client if it is told of clients.
struct Shelf {
    /// They must not outlive it.
    endpoint: Weak<Endpoint>,
    /// Nor this client's connection.
    client: Option<Weak<Connection>>,
    /// The one used last is used first, so that what is too many falls idle.
    idle: Vec<Idle>,
    shared: Vec<SharedUntil>,
    /// Whose turn it is to make a shared connection: the others wait for it.
    turn: Arc<tokio::sync::Mutex<()>>,
}

struct Idle {
    stream: Stream,
    place: Place,
    until: Moment,
}

struct SharedUntil {
    connection: Shared,
    until: Moment,
}

/// What a request that needs a connection got.
enum Found {
    /// A connection.
    Session(Box<Session>),
    /// Room for another one.
    Place(Place),
}

impl Pool {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            connector: TransportConnector::new(None),
            shelves: Mutex::default(),
            given_back: Notify::new(),
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Key, Shelf>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A kept connection for `outbound`, if there is one.
    pub fn take(&self, endpoint: &Endpoint, outbound: &Outbound) -> Option<Session> {
        let key = Key::of(endpoint, outbound)?;
        let mut all = self.all();
        let kept = all.get_mut(&key)?;
        if !outbound.is_websocket {
            let mut shared = kept.shared.iter_mut().map(|kept| &mut kept.connection);
            if let Some(shared) = shared.find_map(|shared| shared.has_room().then_some(shared)) {
                return Some(Session::Http2(Http2::new(shared.clone())));
            }
        }
        while let Some(mut idle) = kept.idle.pop() {
            if is_open(&mut idle.stream) {
                return Some(Session::Http1(Http1::new(idle.stream, idle.place)));
            }
        }
        None
    }

    /// Makes a connection for `outbound`. One that is to be upgraded speaks HTTP/1.1 (RFC 9113,
    /// section 8.6): where there is a choice, it is not left to the endpoint.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn connect(
        &self,
        upstream: &Upstream,
        endpoint: &Arc<Endpoint>,
        outbound: &Outbound,
    ) -> Result<Session, Reason> {
        let upgrades = outbound.is_websocket;
        let speaks_http2 = matches!(endpoint.peer.options.alpn, ALPN::H2);
        if upgrades && speaks_http2 {
            return Err(Reason::NoUpgrade);
        }
        let turn = self.shelf(endpoint, outbound, |shelf| {
            // Where it is not known yet, the first connections are made at once.
            let will_be_shared = speaks_http2 || !shelf.shared.is_empty();
            (will_be_shared && !upgrades).then(|| Arc::clone(&shelf.turn))
        });
        let turn = turn.flatten();
        let _turn = match &turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        if turn.is_some()
            && let Some(session) = self.take(endpoint, outbound)
        {
            return Ok(session);
        }
        let place = match self.place(upstream, endpoint, outbound).await? {
            Found::Session(session) => return Ok(*session),
            Found::Place(place) => place,
        };
        let client = outbound.manner.announced.as_ref().map_or(Client::Unknown, |to| to.client);
        let made = if upgrades && matches!(endpoint.peer.options.alpn, ALPN::H2H1) {
            let mut peer = endpoint.peer.clone();
            peer.options.alpn = ALPN::H1;
            connect(&self.connector, upstream, &peer, &client, place).await
        } else {
            connect(&self.connector, upstream, &endpoint.peer, &client, place).await
        };
        let connected = made.map_err(|NotConnected { why, reason }| {
            endpoint.fails(upstream, &why);
            reason
        })?;
        endpoint.works(upstream);
        let connection = match connected {
            Connected::Http1(stream, place) => {
                return Ok(Session::Http1(Http1::new(stream, place)));
            }
            Connected::Http2(shared) => shared,
        };
        let kept =
            SharedUntil { connection: connection.clone(), until: until(upstream, clock::now()) };
        self.shelf(endpoint, outbound, |shelf| shelf.shared.push(kept));
        Ok(Session::Http2(Http2::new(connection)))
    }

    /// A place for one more connection, or a connection that became idle meanwhile.
    ///
    /// # Errors
    /// The upstream has as many as it may have, and none becomes free in time.
    async fn place(
        &self,
        upstream: &Upstream,
        endpoint: &Endpoint,
        outbound: &Outbound,
    ) -> Result<Found, Reason> {
        let Some(allowance) = &upstream.allowance else { return Ok(Found::Place(None)) };
        if let Some(place) = allowance.try_take() {
            return Ok(Found::Place(place));
        }
        let _waiting = allowance.wait()?;
        SHORTAGE.notify_waiters();
        let mut taking = pin!(allowance.take());
        let mut is_over = pin!(sleep(upstream.patience()));
        loop {
            let given_back = self.given_back.notified();
            if let Some(session) = self.take(endpoint, outbound) {
                return Ok(Found::Session(Box::new(session)));
            }
            tokio::select! {
                place = &mut taking => return place.map(Found::Place),
                () = given_back => {}
                () = &mut is_over => return Err(Reason::UpstreamBusy),
            }
        }
    }

    /// Takes back what the exchange of `outbound`, which went well and ended `now`, ran on.
    pub fn give_back(
        &self,
        upstream: &Upstream,
        endpoint: &Arc<Endpoint>,
        outbound: &Outbound,
        session: Session,
        now: Moment,
    ) {
        let until = until(upstream, now);
        match session {
            Session::Http1(session) => {
                let Some((stream, place)) = session.into_idle() else { return };
                let is_counted = place.is_some();
                self.shelf(endpoint, outbound, |shelf| {
                    if shelf.idle.len() < MOST_IDLE {
                        shelf.idle.push(Idle { stream, place, until });
                    }
                });
                if is_counted {
                    self.given_back.notify_waiters();
                }
            }
            Session::Http2(session) => {
                let used = session.shared();
                self.shelf(endpoint, outbound, |shelf| {
                    let kept = shelf.shared.iter_mut().find(|kept| kept.connection.is(used));
                    if let Some(kept) = kept {
                        kept.until = until;
                    }
                });
            }
        }
    }

    /// Changes what is kept for requests like `outbound`, if anything may be.
    fn shelf<T>(
        &self,
        endpoint: &Arc<Endpoint>,
        outbound: &Outbound,
        change: impl FnOnce(&mut Shelf) -> T,
    ) -> Option<T> {
        let key = Key::of(endpoint, outbound)?;
        let mut all = self.all();
        Some(change(all.entry(key).or_insert_with(|| {
            let owner = outbound.manner.announced.as_ref().and_then(Announced::owner);
            Shelf {
                endpoint: Arc::downgrade(endpoint),
                client: owner.map(Arc::downgrade),
                idle: Vec::new(),
                shared: Vec::new(),
                turn: Arc::default(),
            }
        })))
    }

    /// Closes, for as long as it is polled, connections that have idled too long, that the endpoint
    /// has closed, or whose endpoint or client is no more.
    pub async fn sweep(&self) {
        let mut looks = interval(SWEEP);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = SHORTAGE.notified() => {}
            }
            let now = clock::now();
            self.all().retain(|_, shelf| {
                let client_is_gone = |client: &Weak<Connection>| client.strong_count() == 0;
                if shelf.endpoint.strong_count() == 0
                    || shelf.client.as_ref().is_some_and(client_is_gone)
                {
                    return false;
                }
                shelf.idle.retain_mut(|idle| idle.until > now && is_open(&mut idle.stream));
                let short = shelf.endpoint.upgrade().map_or(0, |endpoint| endpoint.shortage());
                // Those that have idled longest.
                shelf.idle.drain(..short.min(shelf.idle.len()));
                shelf.shared.retain(|kept| {
                    let is_over = (kept.until <= now || short > 0) && kept.connection.is_idle();
                    !is_over && !kept.connection.is_retired()
                });
                true
            });
        }
    }
}

fn until(upstream: &Upstream, now: Moment) -> Moment {
    clock::later(now, upstream.config.keep_alive.idle.duration())
}

/// Whether nothing has come on an idle connection: neither its end, nor what nobody asked for.
fn is_open(stream: &mut Stream) -> bool {
    let mut byte = [0; 1];
    let mut buffer = ReadBuf::new(&mut byte);
    let mut context = Context::from_waker(Waker::noop());
    Pin::new(stream).poll_read(&mut context, &mut buffer).is_pending()
}
