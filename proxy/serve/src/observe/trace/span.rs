//! What spans tell of a request, by the semantic conventions of OpenTelemetry for HTTP (1.23 and
//! later), and how OTLP encodes it. Header fields are never told, and the query only when asked.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{Method, Version};
use marchproxy_conf::values::PathPattern;
use marchproxy_decide::exchange::{Attempt, Exchange, Moment, Trace};
use marchproxy_decide::request::forward;
use marchproxy_decide::snapshot::Snapshot;
use marchproxy_decide::verdict::{Fault, Reason};

use super::protobuf::Writer;

/// Bytes of a path, or of a query, that are told.
const MOST: usize = 2048;

/// `SPAN_KIND_SERVER` and `SPAN_KIND_CLIENT`.
const SERVER: u64 = 2;
const CLIENT: u64 = 3;
/// `STATUS_CODE_ERROR`
const ERROR: u64 = 2;
/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK` and `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`: whether the
/// parent is another process's is known, and is so.
const REMOTE_KNOWN: u32 = 0x100;
const REMOTE: u32 = 0x200;

/// The spans of one request.
pub struct Spans {
    /// How many there are.
    pub count: u64,
    /// Fields `spans` of a `ScopeSpans`.
    pub bytes: Vec<u8>,
}

/// What is told of a request beside the exchange.
pub struct Told<'a> {
    /// The configuration it was served with.
    pub snapshot: &'a Snapshot,
    /// The path of its route.
    pub path: Option<&'a PathPattern>,
    /// Whether the query is told.
    pub tells_query: bool,
}

/// How many spans a request has.
pub fn count(trace: &Trace) -> u64 {
    u64::try_from(trace.attempts.len()).unwrap_or(u64::MAX).saturating_add(1)
}

/// Writes the spans of a request that has ended.
pub fn write(told: &Told<'_>, exchange: &Exchange, trace: &Trace) -> Spans {
    let clock = WallClock::reading(SystemTime::now(), crate::clock::now());
    let mut to = Writer::default();
    to.message(2, |span| server(told, exchange, trace, clock, span));
    for (position, attempt) in trace.attempts.iter().enumerate() {
        to.message(2, |span| {
            client(told, (exchange, trace), (position, attempt), clock, span);
        });
    }
    Spans { count: count(trace), bytes: to.finish() }
}

/// Puts spans of several requests into one `ExportTraceServiceRequest`.
pub fn message<'a>(service: &str, spans: impl Iterator<Item = &'a Spans>) -> Vec<u8> {
    let mut to = Writer::default();
    to.message(1, |resource_spans| {
        resource_spans.message(1, |resource| {
            text(resource, 1, "service.name", service);
            text(resource, 1, "service.version", env!("CARGO_PKG_VERSION"));
        });
        resource_spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| {
                scope.bytes(1, b"marchproxy");
                scope.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
            });
            for spans in spans {
                scope_spans.written(&spans.bytes);
            }
        });
    });
    to.finish()
}

/// Tells the time of day of moments: one reading for all spans of a request.
#[derive(Clone, Copy)]
struct WallClock {
    unix_nanos: u64,
    at: Moment,
}

impl WallClock {
    fn reading(now: SystemTime, at: Moment) -> Self {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { unix_nanos: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX), at }
    }

    fn tell(self, moment: Moment) -> u64 {
        let ago = u64::try_from(self.at.since(moment).as_nanos()).unwrap_or(u64::MAX);
        self.unix_nanos.saturating_sub(ago)
    }
}

fn server(told: &Told<'_>, exchange: &Exchange, trace: &Trace, clock: WallClock, to: &mut Writer) {
    let path = told.path.map(|path| path.to_string().trim_start_matches('=').to_owned());
    let method = known_method(&exchange.method);
    let name = method.unwrap_or("HTTP");
    let name = path.as_ref().map_or_else(|| name.to_owned(), |path| format!("{name} {path}"));
    ids(to, trace, trace.span, trace.parent);
    to.bytes(5, name.as_bytes());
    to.integer(6, SERVER);
    let end = exchange.marks.end.unwrap_or(exchange.marks.start);
    times(to, clock, (exchange.marks.start, end));
    request(told, exchange, to);
    if let Some(path) = &path {
        text(to, 9, "http.route", path);
    }
    if let Some(route) = told.snapshot.route(exchange) {
        text(to, 9, "marchproxy.route", &route.name);
    }
    if let Some(upstream) = told.snapshot.upstream(exchange) {
        text(to, 9, "marchproxy.upstream", &upstream.name);
    }
    text(to, 9, "marchproxy.listener", &exchange.connection.listener);
    text(to, 9, "marchproxy.request_id", exchange.request_id.as_str());
    if exchange.status != 0 {
        number(to, 9, "http.response.status_code", exchange.status.into());
    }
    if let Some(reason) = exchange.reason {
        text(to, 9, "marchproxy.reason", reason.code());
    }
    // What a client does wrong is no error of the server (semantic conventions, "Status").
    let is_error = exchange.status >= 500 || exchange.reason.is_some_and(is_ours);
    if is_error {
        fails(to, exchange.reason, exchange.status);
    }
    let remote = if trace.parent.is_some() { REMOTE } else { 0 };
    to.fixed32(16, u32::from(trace.flags()) | REMOTE_KNOWN | remote);
}

/// What a server is asked.
fn request(told: &Told<'_>, exchange: &Exchange, to: &mut Writer) {
    method(&exchange.method, to);
    text(to, 9, "url.scheme", exchange.scheme.as_str());
    text(to, 9, "url.path", bounded(exchange.path()));
    if let Some(query) = exchange.query().filter(|_| told.tells_query) {
        text(to, 9, "url.query", bounded(query));
    }
    if !exchange.host().is_empty() {
        text(to, 9, "server.address", exchange.host());
        let port = exchange.authority().get(exchange.host().len()..);
        let port = port.and_then(|port| port.strip_prefix(':')?.parse().ok());
        number(to, 9, "server.port", port.unwrap_or(exchange.scheme.default_port()).into());
    }
    text(to, 9, "client.address", &exchange.client.to_string());
    let peer = exchange.connection.client;
    text(to, 9, "network.peer.address", &peer.ip().to_canonical().to_string());
    number(to, 9, "network.peer.port", peer.port().into());
    text(to, 9, "network.protocol.version", version(exchange.version));
}

fn client(
    told: &Told<'_>,
    (exchange, trace): (&Exchange, &Trace),
    (position, attempt): (usize, &Attempt),
    clock: WallClock,
    to: &mut Writer,
) {
    ids(to, trace, attempt.span, Some(trace.span));
    to.bytes(5, known_method(&exchange.method).unwrap_or("HTTP").as_bytes());
    to.integer(6, CLIENT);
    times(to, clock, (attempt.begin, attempt.end.unwrap_or(attempt.begin)));
    method(&exchange.method, to);
    text(to, 9, "url.full", &url(told, exchange));
    if let Ok(address) = attempt.endpoint.parse::<SocketAddr>() {
        text(to, 9, "server.address", &address.ip().to_string());
        number(to, 9, "server.port", address.port().into());
    } else {
        text(to, 9, "server.address", &attempt.endpoint);
    }
    if let Some(upstream) = told.snapshot.upstream(exchange) {
        text(to, 9, "marchproxy.upstream", &upstream.name);
    }
    if position > 0 {
        number(to, 9, "http.request.resend_count", u64::try_from(position).unwrap_or(u64::MAX));
    }
    let mut status = 0;
    if let Some((answered, spoken)) = attempt.answer {
        status = answered;
        number(to, 9, "http.response.status_code", status.into());
        text(to, 9, "network.protocol.version", version(spoken));
    }
    if attempt.is_unheard {
        truth(to, 9, "marchproxy.unheard");
    }
    // For a client an answer of 4xx is an error, too.
    if status >= 400 || attempt.reason.is_some() {
        fails(to, attempt.reason, status);
    }
    to.fixed32(16, u32::from(trace.flags()) | REMOTE_KNOWN);
}

/// Where a request is forwarded to, as the endpoint is told.
fn url(told: &Told<'_>, exchange: &Exchange) -> String {
    let target = forward::target(told.snapshot, exchange);
    let is_tls = told.snapshot.upstream(exchange).is_some_and(|to| to.model.tls.is_some());
    let scheme = if is_tls { "https" } else { "http" };
    let target = match target.split_once('?') {
        Some((path, _)) if !told.tells_query => path,
        _ => &target,
    };
    format!("{scheme}://{}{}", exchange.authority(), bounded(target))
}

fn ids(to: &mut Writer, trace: &Trace, span: u64, parent: Option<u64>) {
    to.bytes(1, &trace.id.to_be_bytes());
    to.bytes(2, &span.to_be_bytes());
    if let Some(parent) = parent {
        to.bytes(4, &parent.to_be_bytes());
    }
}

fn times(to: &mut Writer, clock: WallClock, (begin, end): (Moment, Moment)) {
    to.fixed64(7, clock.tell(begin));
    to.fixed64(8, clock.tell(end.max(begin)));
}

fn method(method: &Method, to: &mut Writer) {
    let known = known_method(method);
    text(to, 9, "http.request.method", known.unwrap_or("_OTHER"));
    if known.is_none() {
        text(to, 9, "http.request.method_original", method.as_str());
    }
}

/// Sets the status of a span to an error, of this type.
fn fails(to: &mut Writer, reason: Option<Reason>, status: u16) {
    match reason {
        Some(reason) => text(to, 9, "error.type", reason.code()),
        None => text(to, 9, "error.type", &status.to_string()),
    }
    to.message(15, |to| to.integer(3, ERROR));
}

fn is_ours(reason: Reason) -> bool {
    !matches!(reason.whose(), Fault::Client)
}

/// The methods of RFC 9110 and `PATCH` (RFC 5789).
fn known_method(method: &Method) -> Option<&str> {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::CONNECT,
        Method::OPTIONS,
        Method::TRACE,
        Method::PATCH,
    ];
    KNOWN.contains(method).then(|| method.as_str())
}

/// The version as the conventions have it.
fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

fn bounded(value: &str) -> &str {
    value.get(..value.floor_char_boundary(MOST)).unwrap_or(value)
}

/// An attribute in the repeated field `field`.
fn text(to: &mut Writer, field: u32, key: &str, value: &str) {
    to.message(field, |pair| {
        pair.bytes(1, key.as_bytes());
        pair.message(2, |any| any.text_choice(1, value));
    });
}

fn truth(to: &mut Writer, field: u32, key: &str) {
    to.message(field, |pair| {
        pair.bytes(1, key.as_bytes());
        pair.message(2, |any| any.choice(2, 1));
    });
}

fn number(to: &mut Writer, field: u32, key: &str, value: u64) {
    to.message(field, |pair| {
        pair.bytes(1, key.as_bytes());
        pair.message(2, |any| any.choice(3, value));
    });
}
