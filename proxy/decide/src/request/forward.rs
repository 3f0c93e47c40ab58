//! What is sent to the upstream.

pub(crate) mod hop;
pub(crate) mod max_forwards;
mod origin;
#[cfg(test)]
mod tests;
pub mod trace;

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONNECTION, COOKIE, EXPECT, HOST, TE, UPGRADE, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Version};

use super::RequestHead;
use crate::answer::X_REQUEST_ID;
use crate::coding;
use crate::exchange::Exchange;
use crate::snapshot::{Rewrite, Snapshot};
use crate::verdict::Reason;
use crate::wire::body::is_forbidden_trailer;

/// `X-Forwarded-For`
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `X-Forwarded-Host`
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// `X-Forwarded-Proto`
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// How many fields are usually added.
const ADDED_FIELDS: usize = 7;

/// Makes the fields of the request that is forwarded out of those received: `to` begins as a copy
/// of them. `Content-Length` and `Transfer-Encoding` stay: whoever writes the message owns them.
///
/// Removed: what belongs to the connection alone (RFC 9110, section 7.6.1), and what `Connection`
/// nominates. Kept of these: `TE: trailers`, which gRPC needs, and the upgrade to a WebSocket.
/// `Host` is the client's, in normal spelling; `Cookie` is one field. `X-Forwarded-For`, `-Proto` and `-Host` say where the
/// request came from: appended to when the peer is trusted, else replaced. `Forwarded` is treated
/// likewise when there is one, but not begun. `Via`, `X-Request-Id` and `traceparent` are added.
/// Last come the route's own edits.
pub fn prepare(
    snapshot: &Snapshot,
    head: &RequestHead<'_>,
    exchange: &mut Exchange,
    to: &mut HeaderMap,
) {
    // As many as a table can hold are far more than any head may have.
    let _ = to.try_reserve(ADDED_FIELDS);
    let takes_trailers = hop::te_is_trailers(head.headers);
    hop::strip(head.headers, to);
    if takes_trailers {
        to.insert(TE, HeaderValue::from_static("trailers"));
    }
    if exchange.websocket {
        to.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        to.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    let received_host = head.headers.get(HOST).map(HeaderValue::as_bytes);
    if received_host != Some(exchange.authority().as_bytes())
        && let Ok(host) = HeaderValue::from_str(exchange.authority())
    {
        to.insert(HOST, host);
    }
    join_cookies(head.headers, to);
    if head.version == Version::HTTP_10 {
        // RFC 9110, section 10.1.1: it means nothing there.
        to.remove(&EXPECT);
    }
    max_forwards::count(head, to);
    origin::set(head.headers, exchange, to);
    to.append(VIA, via(head.version));
    if let Ok(id) = HeaderValue::from_str(exchange.request_id.as_str()) {
        to.insert(X_REQUEST_ID, id);
    }
    trace::set(snapshot, head.headers, exchange, to);
    if let Some(route) = snapshot.route(exchange) {
        for name in &route.credentials {
            to.remove(name);
        }
        if exchange.decode.is_some() {
            coding::prepare_request(to);
        }
        if let Some(call) = &exchange.grpc_web {
            call.prepare(to);
        }
        route.request_edits.apply(exchange, to);
    }
}

/// Checks the trailers of a request. On HTTP/1 the wire has been checked already.
///
/// # Errors
/// One of them comes too late to be a trailer (RFC 9110, section 6.5.1).
pub fn check_trailers(trailers: &HeaderMap) -> Result<(), Reason> {
    let mut names = trailers.keys();
    let has_forbidden = names.any(|name| is_forbidden_trailer(name.as_str().as_bytes()));
    if has_forbidden { Err(Reason::Trailer) } else { Ok(()) }
}

/// A client of HTTP/2 may send each cookie in a field of its own, which HTTP/1 does not allow
/// (RFC 9113, section 8.2.3).
fn join_cookies(received: &HeaderMap, to: &mut HeaderMap) {
    let mut cookies = received.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (cookies.next(), cookies.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for cookie in std::iter::once(second).chain(cookies) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(cookie.as_bytes());
    }
    if let Ok(joined) = HeaderValue::from_maybe_shared(Bytes::from(joined)) {
        to.insert(COOKIE, joined);
    }
}

/// The path and query that are forwarded.
pub fn target<'a>(snapshot: &Snapshot, exchange: &'a Exchange) -> Cow<'a, str> {
    let rewrite = snapshot.route(exchange).and_then(|route| route.rewrite.as_ref());
    let path = exchange.path();
    let mut target = match rewrite {
        None => return Cow::Borrowed(exchange.path_and_query()),
        Some(_) if path == "*" => return Cow::Borrowed("*"),
        Some(Rewrite::Prefix { strip, add }) => {
            let mut target = String::with_capacity(add.len() + exchange.path_and_query().len() + 1);
            target.push_str(add);
            target.push_str(strip_prefix(path, strip));
            target
        }
        Some(Rewrite::Path(template)) => {
            let mut target = String::new();
            template.write(exchange, &mut target);
            target
        }
    };
    if !target.starts_with('/') {
        target.insert(0, '/');
    }
    if let Some(query) = exchange.query() {
        target.push('?');
        target.push_str(query);
    }
    Cow::Owned(target)
}

/// What is left of `path` without `prefix`, which must end at a segment border.
fn strip_prefix<'a>(path: &'a str, prefix: &str) -> &'a str {
    match path.strip_prefix(prefix) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    }
}

/// RFC 9110, section 7.6.3: the version received, and a name for the proxy.
pub(super) fn via(received: Version) -> HeaderValue {
    match received {
        Version::HTTP_10 => HeaderValue::from_static("1.0 marchproxy"),
        Version::HTTP_2 => HeaderValue::from_static("2 marchproxy"),
        _ => HeaderValue::from_static("1.1 marchproxy"),
    }
}
