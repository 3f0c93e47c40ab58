//! Origins: servers behind the proxy, in this process. [`Origin`] behaves well and does what the
//! request's `x-script` field asks for; [`raw`] has those that do not behave.

mod haproxy;
mod http1;
mod http2;
mod nginx;
pub mod raw;
mod script;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use boring::ssl::{AlpnError, SslAcceptor, SslMethod, select_next_proto};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::certs::Leaf;
use crate::client::Connection;
use crate::client::answer::named;
use crate::client::tls::alpn_list;

pub use haproxy::Haproxy;
pub use nginx::Nginx;
pub use raw::{Behaviour, RawOrigin};

/// A request as an origin received it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The origin's own name.
    pub origin: String,
    /// `HTTP/1.1` or `HTTP/2`.
    pub version: String,
    /// The method.
    pub method: String,
    /// The target; over HTTP/2 the path.
    pub target: String,
    /// Fields in order; over HTTP/2 the authority is put in as `host`.
    pub fields: Vec<(String, String)>,
    /// How long the body was.
    pub body_length: usize,
    /// The first 64 KiB of the body.
    pub body: String,
    /// Fields after the body.
    pub trailers: Vec<(String, String)>,
}

impl Seen {
    /// The value of the only field of this name.
    ///
    /// # Panics
    /// When there are several.
    pub fn field(&self, name: &str) -> Option<&str> {
        let values = self.fields_named(name);
        assert!(values.len() < 2, "`{name}` came {} times: {:?}", values.len(), self.fields);
        values.first().copied()
    }

    /// All values of the fields of this name.
    pub fn fields_named(&self, name: &str) -> Vec<&str> {
        named(&self.fields, name)
    }

    fn to_json(&self) -> Value {
        json!({
            "origin": self.origin, "version": self.version, "method": self.method,
            "target": self.target, "fields": self.fields, "body_length": self.body_length,
            "body": self.body, "trailers": self.trailers,
        })
    }

    /// Back from the JSON that an origin answers with.
    ///
    /// # Panics
    /// When it is something else.
    pub fn of(json: &Value) -> Self {
        let text = |name: &str| json[name].as_str().expect("an echo has it").to_owned();
        let fields = |name: &str| serde_json::from_value(json[name].clone()).expect("pairs");
        Self {
            origin: text("origin"),
            version: text("version"),
            method: text("method"),
            target: text("target"),
            fields: fields("fields"),
            body_length: serde_json::from_value(json["body_length"].clone()).expect("a length"),
            body: text("body"),
            trailers: fields("trailers"),
        }
    }
}

/// What the connections of an origin share.
#[derive(Debug)]
struct Shared {
    name: String,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    released: watch::Sender<bool>,
    /// A status that every so many answers have, whatever the request asks for.
    fails: Mutex<Option<(u16, usize)>>,
    answered: AtomicUsize,
}

impl Shared {
    /// The status of the next answer, if it is not the request's own choice.
    fn forced_status(&self) -> Option<u16> {
        let count = self.answered.fetch_add(1, Ordering::SeqCst);
        let fails = *self.fails.lock().expect("no panic with it in hand");
        fails.filter(|(_, every)| count.is_multiple_of(*every)).map(|(status, _)| status)
    }
}

/// A well-behaved origin. It stops when it is dropped.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
enum Speaks {
    Http1,
    Http2,
    Tls(SslAcceptor),
}

impl Origin {
    /// HTTP/1.1 on plain text.
    pub async fn start() -> Self {
        Self::named("origin").await
    }

    /// HTTP/1.1 on plain text; echoes say this name.
    pub async fn named(name: &str) -> Self {
        Self::serve(name, Speaks::Http1, 0).await
    }

    /// HTTP/1.1 on plain text on a given port.
    pub async fn on_port(name: &str, port: u16) -> Self {
        Self::serve(name, Speaks::Http1, port).await
    }

    /// HTTP/2 on plain text.
    pub async fn http2() -> Self {
        Self::serve("origin", Speaks::Http2, 0).await
    }

    /// HTTP/2 on plain text on a given port.
    pub async fn http2_on_port(name: &str, port: u16) -> Self {
        Self::serve(name, Speaks::Http2, port).await
    }

    /// TLS with this certificate and these protocols by ALPN (`h2`, `http/1.1`).
    pub async fn tls(leaf: &Leaf, protocols: &'static [&'static str]) -> Self {
        Self::tls_on_port(leaf, protocols, 0).await
    }

    /// TLS on a given port.
    pub async fn tls_on_port(leaf: &Leaf, protocols: &'static [&'static str], port: u16) -> Self {
        Self::serve("origin", Speaks::Tls(acceptor(leaf, protocols)), port).await
    }

    async fn serve(name: &str, speaks: Speaks, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("an origin's port");
        let address = listener.local_addr().expect("an origin's address");
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            released: watch::Sender::new(false),
            fails: Mutex::new(None),
            answered: AtomicUsize::new(0),
        });
        let for_task = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((stream, _)) = accepted else { continue };
                        let connection = one(stream, Arc::clone(&for_task), speaks.clone());
                        connections.spawn(connection);
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Self { address, shared, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests that arrived until now, heads and bodies complete.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("no panic with the list in hand").clone()
    }

    /// How many connections were accepted until now.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many connections are open now.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// From now on every so many answers have this status; 1: all of them.
    ///
    /// # Panics
    /// Never, unless a connection has panicked.
    pub fn fail(&self, status: u16, every: usize) {
        *self.shared.fails.lock().expect("no panic with it in hand") = Some((status, every));
    }

    /// From now on answers are as requests ask for.
    ///
    /// # Panics
    /// Never, unless a connection has panicked.
    pub fn recover(&self) {
        *self.shared.fails.lock().expect("no panic with it in hand") = None;
    }

    /// Lets all answers go that wait by the script `hold`.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct OpenCount(Arc<Shared>);

impl Drop for OpenCount {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn one(stream: TcpStream, shared: Arc<Shared>, speaks: Speaks) {
    shared.connections.fetch_add(1, Ordering::SeqCst);
    shared.open.fetch_add(1, Ordering::SeqCst);
    let _count = OpenCount(Arc::clone(&shared));
    // Without it a test would see the delayed acknowledgement of the peer's system.
    let _ = stream.set_nodelay(true);
    match speaks {
        Speaks::Http1 => http1::serve(Connection::over(stream), &shared).await,
        Speaks::Http2 => http2::serve(stream, shared).await,
        Speaks::Tls(acceptor) => {
            let Ok(stream) = tokio_boring::accept(&acceptor, stream).await else { return };
            if stream.ssl().selected_alpn_protocol() == Some(b"h2") {
                http2::serve(stream, shared).await;
            } else {
                http1::serve(Connection::over(stream), &shared).await;
            }
        }
    }
}

pub(crate) fn acceptor(leaf: &Leaf, protocols: &'static [&'static str]) -> SslAcceptor {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    builder.set_certificate(&leaf.certificate).unwrap();
    builder.set_private_key(&leaf.key).unwrap();
    let own = alpn_list(protocols);
    builder.set_alpn_select_callback(move |_, offered| {
        let chosen = select_next_proto(&own, offered);
        // The callback gives back a part of what the client offered.
        let chosen =
            chosen.and_then(|name| offered.windows(name.len()).find(|window| *window == name));
        chosen.ok_or(AlpnError::NOACK)
    });
    builder.build()
}
