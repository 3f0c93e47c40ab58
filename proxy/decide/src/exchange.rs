//! Everything that is known of one request.

mod cached;
mod captures;
mod connection;
mod id;
mod marks;
mod trace;

pub use cached::Cached;
pub use captures::{Captures, MAX_CAPTURES};
pub use connection::{ClientCertificate, Connection, TlsFacts};
pub use id::RequestId;
pub use marks::{Marks, Moment};
pub use trace::{Attempt, Trace};

use std::net::IpAddr;
use std::sync::Arc;

use http::{Method, Version};
use marchproxy_conf::model::Coding;

use crate::grpc_web::Call;
use crate::request::limit::Told;
use crate::verdict::{Reason, Verdict};

/// The scheme of a request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that goes without saying.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// What a request says of the length of its body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeclaredBody {
    /// There is none (HTTP/1), or nothing is said (HTTP/2).
    None,
    /// So many bytes.
    Length(u64),
    /// Chunked: known when it ends.
    Chunked,
}

/// What is passed in at the beginning of a request.
#[derive(Clone, Debug)]
pub struct Start {
    /// The connection it came on.
    pub connection: Arc<Connection>,
    /// The listener's position in the snapshot that the request is served with.
    pub listener: usize,
    /// When its first byte (HTTP/1) or its stream (HTTP/2) came.
    pub moment: Moment,
    /// The same on the wall clock: milliseconds since 1970-01-01 UTC.
    pub unix_millis: u64,
    /// Fresh random bits: request id and trace id are made of them.
    pub random: [u64; 4],
}

/// Everything that is known of one request. Owned; every index is into the snapshot that the
/// request began with.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The connection it came on.
    pub connection: Arc<Connection>,
    /// The listener's position in the snapshot.
    pub listener: usize,
    /// Wall clock at its beginning: milliseconds since 1970-01-01 UTC.
    pub unix_millis: u64,
    /// When what happened.
    pub marks: Marks,
    /// Random bits of this request.
    pub random: [u64; 4],
    /// Its id: made here, or a trusted peer's.
    pub request_id: RequestId,
    /// The W3C trace id it belongs to, once known.
    pub trace_id: Option<[u8; 32]>,
    /// What is told of it, if it is recorded in a trace.
    pub trace: Option<Box<Trace>>,
    /// The version the client spoke.
    pub version: Version,
    /// The method; `-` when the head could not be read.
    pub method: Method,
    /// The scheme the client used, as far as trusted peers say.
    pub scheme: Scheme,
    /// The client's address, as far as trusted peers say.
    pub client: IpAddr,
    /// Whether the peer of the connection is a trusted proxy.
    pub peer_trusted: bool,
    /// The host that a trusted peer says the client asked for, port included.
    pub forwarded_host: Option<Box<str>>,
    /// The length of the body as declared.
    pub body: DeclaredBody,
    /// Whether the client asks for a WebSocket.
    pub websocket: bool,
    /// What the body is coded with, if it is to be decompressed.
    pub decode: Option<Coding>,
    /// The call of gRPC-Web that it is, where such are taken.
    pub grpc_web: Option<Box<Call>>,
    /// The route's position in the snapshot.
    pub route: Option<usize>,
    /// What the names of the route's path stand for: ranges of [`Exchange::path`].
    pub captures: Captures,
    /// The upstream's position in the snapshot.
    pub upstream: Option<usize>,
    /// The endpoint that was chosen last.
    pub endpoint: Option<Arc<str>>,
    /// How many times an endpoint was tried.
    pub attempts: u32,
    /// What the cache has to do with it; `None`: its route has none.
    pub cache: Option<Cached>,
    /// The status that the client got; 0: none yet.
    pub status: u16,
    /// Why it was refused or failed.
    pub reason: Option<Reason>,
    /// Who the client is, if a policy of the route asks for that.
    pub consumer: Option<Arc<str>>,
    /// The policy that refused it, by its position in the snapshot.
    pub policy: Option<usize>,
    /// What the client is told of the limits that it met.
    pub limits: Option<Box<Told>>,
    /// Methods for the `Allow` field of a 405.
    pub allow: Option<String>,
    /// Bytes of the request's body received.
    pub bytes_in: u64,
    /// Bytes of the answer's body sent.
    pub bytes_out: u64,
    text: String,
    host_end: usize,
    authority_end: usize,
    path_end: usize,
}

/// What stands for a method that could not be read.
fn unknown_method() -> Method {
    Method::from_bytes(b"-").unwrap_or(Method::GET)
}

/// The status of a request whose client left before an answer began, as nginx has it.
const GONE: u16 = 499;

impl Exchange {
    /// The status that logs and metrics tell: the one that was sent, or what stands for none.
    pub fn status_told(&self) -> u16 {
        match (self.status, self.reason) {
            (0, Some(reason)) => reason.status_number(),
            (0, None) => GONE,
            (status, _) => status,
        }
    }

    /// An exchange of which nothing is known but where it came from.
    pub fn new(start: Start) -> Self {
        let Start { connection, listener, moment, unix_millis, random } = start;
        let scheme = if connection.tls.is_some() { Scheme::Https } else { Scheme::Http };
        let client = connection.client_ip;
        Self {
            listener,
            unix_millis,
            marks: Marks::starting(moment),
            random,
            request_id: RequestId::ulid(unix_millis, [random[0], random[1]]),
            trace_id: None,
            trace: None,
            version: Version::HTTP_11,
            method: unknown_method(),
            scheme,
            client,
            peer_trusted: false,
            forwarded_host: None,
            body: DeclaredBody::None,
            websocket: false,
            decode: None,
            grpc_web: None,
            route: None,
            captures: Captures::default(),
            upstream: None,
            endpoint: None,
            attempts: 0,
            cache: None,
            status: 0,
            reason: None,
            consumer: None,
            policy: None,
            limits: None,
            allow: None,
            bytes_in: 0,
            bytes_out: 0,
            text: String::new(),
            host_end: 0,
            authority_end: 0,
            path_end: 0,
            connection,
        }
    }

    /// Random bits that nobody is told: for what is left to chance.
    pub fn dice(&self) -> [u32; 2] {
        let [.., last] = self.random;
        let half = |bits: u64| u32::try_from(bits & 0xffff_ffff).unwrap_or(0);
        [half(last), half(last >> 32)]
    }

    /// Says what is asked for. `host` is without a port and in lower case, `path` in normal form,
    /// `query` without its question mark.
    pub fn set_target(&mut self, host: &str, port: Option<u16>, path: &str, query: Option<&str>) {
        let query_length = query.map_or(0, |query| query.len() + 1);
        self.text.clear();
        self.text.reserve(host.len() + 6 + path.len() + query_length);
        self.text.push_str(host);
        self.host_end = self.text.len();
        if let Some(port) = port {
            self.text.push(':');
            self.text.push_str(itoa::Buffer::new().format(port));
        }
        self.authority_end = self.text.len();
        self.text.push_str(path);
        self.path_end = self.text.len();
        if let Some(query) = query {
            self.text.push('?');
            self.text.push_str(query);
        }
    }

    /// Notes why the request is refused, and refuses it.
    pub fn refuse(&mut self, reason: Reason) -> Verdict {
        self.reason = Some(reason);
        Verdict::Refuse(reason)
    }

    /// The certificate the client came with, if it was asked for one and had one.
    pub fn certificate(&self) -> Option<&ClientCertificate> {
        self.connection.tls.as_ref()?.client.as_deref()
    }

    /// The host in lower case, without its port: what routes are matched with.
    pub fn host(&self) -> &str {
        self.text.get(..self.host_end).unwrap_or_default()
    }

    /// The host and, when the client gave one that is not the scheme's own, its port.
    pub fn authority(&self) -> &str {
        self.text.get(..self.authority_end).unwrap_or_default()
    }

    /// The path in normal form: what routes are matched with, and what is forwarded.
    pub fn path(&self) -> &str {
        self.text.get(self.authority_end..self.path_end).unwrap_or_default()
    }

    /// The query without its question mark.
    pub fn query(&self) -> Option<&str> {
        self.text.get(self.path_end..).and_then(|text| text.strip_prefix('?'))
    }

    /// Path and query as they are forwarded when the route rewrites nothing.
    pub fn path_and_query(&self) -> &str {
        self.text.get(self.authority_end..).unwrap_or_default()
    }

    /// What the name of the route's path at `position` stands for.
    pub fn capture(&self, position: usize) -> &str {
        let range = self.captures.get(position);
        range.and_then(|range| self.path().get(range)).unwrap_or_default()
    }

    /// The host that the client asked the outermost trusted proxy for, port included.
    pub fn outer_authority(&self) -> &str {
        self.forwarded_host.as_deref().unwrap_or_else(|| self.authority())
    }
}
