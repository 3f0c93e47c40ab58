//! A collector of traces: it takes OTLP over HTTP as `opentelemetry-proto` describes it, decoded by
//! a decoder that has nothing in common with the proxy's encoder.

mod messages;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use boring::ssl::SslAcceptor;
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::bounded::eventually;
use crate::certs::Leaf;
use crate::client::Connection;
use crate::client::answer::{Broken, named, parse_head};
use crate::origin::acceptor;
pub use messages::{Request, Response, Span, Value};

/// `SPAN_KIND_SERVER`
pub const SERVER: i32 = 2;
/// `SPAN_KIND_CLIENT`
pub const CLIENT: i32 = 3;

/// What a collector does with a message.
#[derive(Clone, Debug)]
pub enum Manner {
    /// Takes it.
    Take,
    /// Takes it, but for so many of its spans.
    Reject(i64),
    /// Answers with this status, and with these lines in the head.
    Refuse(u16, &'static str),
    /// Reads it, and is silent.
    Hang,
}

/// A message, as a collector received it.
#[derive(Clone, Debug)]
pub struct Received {
    /// The target.
    pub target: String,
    /// The fields.
    pub fields: Vec<(String, String)>,
    /// What it says.
    pub request: Request,
}

#[derive(Debug)]
struct Shared {
    manner: Mutex<Manner>,
    /// Every message, also of those that were refused.
    received: Mutex<Vec<Received>>,
    taken: Mutex<Vec<Span>>,
}

/// A collector. It stops when it is dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Collector {
    /// Starts one on plain text.
    pub async fn start() -> Self {
        Self::serve(0, None).await
    }

    /// Starts one on plain text on a given port.
    pub async fn on_port(port: u16) -> Self {
        Self::serve(port, None).await
    }

    /// Starts one that speaks TLS.
    pub async fn tls(leaf: &Leaf) -> Self {
        Self::serve(0, Some(acceptor(leaf, &["http/1.1"]))).await
    }

    async fn serve(port: u16, tls: Option<SslAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            manner: Mutex::new(Manner::Take),
            received: Mutex::default(),
            taken: Mutex::default(),
        });
        let for_task = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                running.spawn(one(stream, tls.clone(), Arc::clone(&for_task)));
            }
        });
        Self { address, shared, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does with messages from now on.
    ///
    /// # Panics
    /// Never, unless a connection has panicked.
    pub fn behave(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// Every message until now, whatever was done with it.
    ///
    /// # Panics
    /// Never, unless a connection has panicked.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// The spans that were taken until now.
    ///
    /// # Panics
    /// Never, unless a connection has panicked.
    pub fn spans(&self) -> Vec<Span> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// Waits for the span of a request with this path, and gives it with its children, the first
    /// to begin first.
    ///
    /// # Panics
    /// When it does not come in time.
    pub async fn request(&self, path: &str) -> (Span, Vec<Span>) {
        eventually(&format!("a span of a request for {path}"), async || {
            let spans = self.spans();
            let is_meant =
                |span: &&Span| span.kind == SERVER && span.text("url.path") == Some(path);
            let server = spans.iter().find(is_meant)?.clone();
            let is_child =
                |span: &&Span| span.kind == CLIENT && span.parent_span_id == server.span_id;
            let mut children: Vec<Span> = spans.iter().filter(is_child).cloned().collect();
            children.sort_by_key(|span| span.start_time_unix_nano);
            Some((server, children))
        })
        .await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn one(stream: TcpStream, tls: Option<SslAcceptor>, shared: Arc<Shared>) {
    let mut connection = match tls {
        None => Connection::over(stream),
        Some(tls) => match tokio_boring::accept(&tls, stream).await {
            Ok(stream) => Connection::over(stream),
            Err(_) => return,
        },
    };
    // It ends when the proxy closes, or sends what cannot be read.
    while exchange(&mut connection, &shared).await.is_ok() {}
}

async fn exchange(connection: &mut Connection, shared: &Shared) -> Result<(), Broken> {
    let head = connection.until(b"\r\n\r\n").await?;
    let (start, fields) = parse_head(&head).map_err(Broken::Malformed)?;
    let length = named(&fields, "content-length").first().and_then(|length| length.parse().ok());
    let body = connection.bytes(length.expect("a message has a length")).await?;
    let request = Request::decode(&*body).expect("a message can be decoded");
    let target = start.split(' ').nth(1).unwrap_or_default().to_owned();
    let spans: Vec<Span> = request.spans().cloned().collect();
    shared.received.lock().unwrap().push(Received { target, fields, request });
    let manner = shared.manner.lock().unwrap().clone();
    let (head, body) = match manner {
        Manner::Take => ("200 OK\r\n".to_owned(), Vec::new()),
        Manner::Reject(count) => ("200 OK\r\n".to_owned(), Response::rejecting(count)),
        Manner::Refuse(status, lines) => (format!("{status} No\r\n{lines}"), Vec::new()),
        Manner::Hang => return std::future::pending().await,
    };
    if matches!(manner, Manner::Take | Manner::Reject(_)) {
        shared.taken.lock().unwrap().extend(spans);
    }
    let mut answer = format!("HTTP/1.1 {head}content-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(&body);
    connection.try_send(answer).await.map_err(|error| Broken::Malformed(error.to_string()))
}
