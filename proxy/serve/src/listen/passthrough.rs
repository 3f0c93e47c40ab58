//! Connections that are passed on to an upstream as they come, by the name in their first message:
//! their TLS is between client and endpoint.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use marchproxy_balance::Outcome;
use marchproxy_conf::model::ListenerTls;
use marchproxy_decide::wire::client_hello::{self, Hello};
use marchproxy_decide::wire::proxy_protocol::Client;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::{Instant, timeout, timeout_at};

use super::proxied::Ends;
use super::socket::Socket;
use super::stream::Stream;
use super::table::Listener;
use crate::clock;
use crate::generation::Generation;
use crate::observe::Observer;
use crate::upstream::{Endpoint, Pass, Place, Seat, Upstream, Wish, header};

/// Bytes that are held each way.
const BUFFER: usize = 16 * 1024;

/// What became of a connection that was to be passed on, as it is counted.
pub const OUTCOMES: [&str; 4] = ["passed", "no_endpoint", "unreachable", "busy"];

/// Passes a connection on, to its end, if its name says so. Else it is given back, as it came.
pub async fn pass_on(
    mut socket: Socket,
    listener: &Listener,
    (generation, ends): (&Generation, Ends),
    observer: &Observer,
) -> Option<Socket> {
    let config = listener.view().config.clone();
    let patience = config.connections.handshake.duration();
    let Some(rules) = &config.tls else { return Some(socket) };
    let name = match timeout(patience, wanted(rules, &mut socket)).await {
        Ok(Ok(Some(name))) => name,
        Ok(Ok(None)) => return Some(socket),
        Ok(Err(_)) => return None,
        Err(_) => {
            observer.metrics.handshake_failed(&listener.name, "timeout");
            return None;
        }
    };
    match begin(generation, &name, ends).await {
        Ok(other) => {
            observer.metrics.passed_on(&listener.name, "passed");
            other.serve(socket).await;
        }
        Err(outcome) => observer.metrics.passed_on(&listener.name, outcome),
    }
    None
}

/// The name of the upstream that a connection is for, if it is to be passed on. What was read for
/// that is given back to `socket`.
///
/// # Errors
/// The connection ended.
async fn wanted(tls: &ListenerTls, socket: &mut Socket) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let name = loop {
        match client_hello::inspect(&bytes) {
            Hello::Unfinished => {}
            Hello::Name(name) => break name,
            Hello::Other => break None,
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            break None;
        }
    };
    socket.give_back(bytes);
    Ok(name.and_then(|name| tls.passthrough_for(&name)).map(|rule| rule.upstream.to_string()))
}

/// The other end of a connection that is passed on.
struct Other {
    server: Stream,
    idle: Duration,
    /// Counts as a connection and a request of the upstream, and as a request of the endpoint, for as long as it lasts.
    _held: (Place, Pass, Seat),
}

/// Connects to an endpoint of the upstream with this name.
///
/// # Errors
/// One of [`OUTCOMES`].
async fn begin(generation: &Generation, name: &str, ends: Ends) -> Result<Other, &'static str> {
    let upstream = generation.upstreams.iter().find(|upstream| &*upstream.name == name);
    let upstream = upstream.ok_or("no_endpoint")?;
    let place = upstream.place().await.map_err(|_| "busy")?;
    let pass = match upstream.gate.try_enter() {
        Some(pass) => pass,
        None => upstream.gate.enter().await.map_err(|_| "busy")?,
    };
    let mut tried = Vec::new();
    let (times, retry) = (&upstream.config.timeouts, &upstream.config.retry);
    let key = upstream.key_of_address(ends.client.ip());
    upstream.budget.request(clock::now());
    for _ in 0..retry.attempts {
        let again = || upstream.budget.retry(retry.budget, retry.floor, clock::now());
        if !tried.is_empty() && !again() {
            break;
        }
        let Some(seat) = upstream.pick(Wish { tried: &tried, key, tag: None }) else { break };
        let began = clock::now();
        let dialing = timeout(times.connect.duration(), dial(upstream, &seat.endpoint, ends)).await;
        if let Ok(Ok(server)) = dialing {
            seat.note(Outcome::Good(clock::now().since(began)));
            let idle = times.idle.duration();
            return Ok(Other { server, idle, _held: (place, pass, seat) });
        }
        seat.note(Outcome::Broken);
        tried.push(seat.number());
    }
    Err(if tried.is_empty() { "no_endpoint" } else { "unreachable" })
}

/// Connects to an endpoint, and tells it whose connection it is if it wants to know.
async fn dial(upstream: &Upstream, endpoint: &Endpoint, ends: Ends) -> io::Result<Stream> {
    let mut server = endpoint.address.connect().await?;
    server.set_nodelay();
    if let Some(version) = upstream.config.proxy_protocol {
        let client = Client::Address { source: ends.client, destination: ends.local };
        server.write_all(&header(version, &client)).await?;
    }
    Ok(server)
}

impl Other {
    /// Passes a connection on until both ends have ended, or nothing goes either way for too long.
    async fn serve(self, socket: Socket) {
        let (from_client, to_client) = split(socket);
        let (from_server, to_server) = split(self.server);
        let idle = Idle::new(self.idle);
        let up = copy(from_client, to_server, &idle);
        let down = copy(from_server, to_client, &idle);
        // How it ends is the business of the two ends.
        let _ = futures_util::future::try_join(up, down).await;
    }
}

/// When something last went either way.
struct Idle {
    last: Mutex<Instant>,
    most: Duration,
}

impl Idle {
    fn new(most: Duration) -> Self {
        Self { last: Mutex::new(Instant::now()), most }
    }

    fn touch(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn end(&self) -> Instant {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.checked_add(self.most).unwrap_or(last)
    }
}

/// Copies one way to its end, and passes the end on.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    idle: &Idle,
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER);
    loop {
        buffer.clear();
        let end = idle.end();
        let count = match timeout_at(end, from.read_buf(&mut buffer)).await {
            Ok(count) => count?,
            // Unless the other way was in use.
            Err(_) if idle.end() > end => continue,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        if count == 0 {
            return to.shutdown().await;
        }
        idle.touch();
        timeout(idle.most, to.write_all(&buffer)).await??;
        idle.touch();
    }
}
