//! Whether a request makes sense: the rules that hold for HTTP/1 and HTTP/2 alike.
//!
//! What only exists on an HTTP/1 wire (line ends, folding, chunks) is refused before, in
//! [`crate::wire`]. An upgrade to h2c is not refused but ignored, as RFC 9110, section 7.8, allows:
//! the request is served as the HTTP/1.1 request it is, and `Upgrade` is not forwarded.

mod body;
mod peer;
mod target;
mod terms;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use http::header::{CONNECTION, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use super::RequestHead;
use crate::authority::Authority;
use crate::exchange::{Exchange, Scheme};
use crate::request::forward::hop::{KEEP_ALIVE, PROXY_CONNECTION, nominates};
use crate::snapshot::{ListenerRules, Snapshot};
use crate::verdict::{Reason, Verdict};
use crate::wire::chars;
use target::Target;

/// The longest method of a refused head that is kept for the log.
const KEPT_METHOD: usize = 32;
/// Bytes of a refused target that are kept for the log.
const KEPT_TARGET: usize = 2048;

/// Checks the head and fills in what the exchange knows of it: method, version, host, path, query,
/// the client's address, the request id, the declared body.
pub fn check(snapshot: &Snapshot, head: &RequestHead<'_>, exchange: &mut Exchange) -> Verdict {
    exchange.method = head.method.clone();
    exchange.version = head.version;
    peer::believe(snapshot, head.headers, exchange);
    match inspect(snapshot, head, exchange) {
        Ok(()) => Verdict::Pass,
        Err(reason) => {
            keep_target(head, exchange);
            exchange.refuse(reason)
        }
    }
}

/// Notes what can be read of an HTTP/1 head that was refused before it was one: for the log alone.
pub fn keep_refused(head: &[u8], exchange: &mut Exchange) {
    let line = head.split(|c| matches!(c, b'\r' | b'\n')).find(|line| !line.is_empty());
    let mut parts = line.unwrap_or_default().split(|c| *c == b' ');
    let (Some(method), Some(target)) = (parts.next(), parts.next()) else { return };
    if chars::is_token_text(method)
        && method.len() <= KEPT_METHOD
        && let Ok(method) = Method::from_bytes(method)
    {
        exchange.method = method;
        exchange.set_target("", None, &kept(target), None);
    }
}

fn inspect(
    snapshot: &Snapshot,
    head: &RequestHead<'_>,
    exchange: &mut Exchange,
) -> Result<(), Reason> {
    if *head.method == Method::TRACE || *head.method == Method::CONNECT {
        return Err(Reason::MethodRefused);
    }
    if let Some(listener) = snapshot.listeners.get(exchange.listener)
        && head.version > Version::HTTP_11
    {
        check_http2(head, listener)?;
    }
    let target = target::read(head.target, head.method)?;
    let local = exchange.connection.local;
    let authority = match authority_of(head, &target, exchange.scheme)? {
        Some(authority) => authority,
        None if head.version == Version::HTTP_10 => Authority::of_address(local, exchange.scheme),
        None => return Err(Reason::HostMissing),
    };
    exchange.set_target(&authority.host, authority.port, &target.path, target.query);
    terms::met(snapshot, exchange)?;
    exchange.body = body::declared(head.headers)?;
    exchange.websocket = asks_for_websocket(head);
    Ok(())
}

/// What an HTTP/1 head has been checked for on the wire.
fn check_http2(head: &RequestHead<'_>, listener: &ListenerRules) -> Result<(), Reason> {
    if head.target.len() > listener.head.target_size {
        return Err(Reason::TargetSize);
    }
    if head.headers.len() > listener.head.fields {
        return Err(Reason::Fields);
    }
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().len().saturating_add(value.len()).saturating_add(4)
    };
    let size = head.headers.iter().map(line).fold(head.target.len(), usize::saturating_add);
    if size > listener.head.head_size {
        return Err(Reason::HeadSize);
    }
    // RFC 9110, section 10.1.1.
    let is_known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if !head.headers.get_all(EXPECT).iter().all(is_known) {
        return Err(Reason::Expectation);
    }
    // RFC 9113, section 8.2.2.
    let connection_fields = [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE];
    let has_any = connection_fields.iter().any(|name| head.headers.contains_key(name));
    let te_is_fine = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"trailers");
    if has_any || !head.headers.get_all(TE).iter().all(te_is_fine) {
        return Err(Reason::Connection);
    }
    Ok(())
}

/// The one host of a request. RFC 9112, section 3.2.2, and RFC 9113, section 8.3.1, would have the
/// target win over a different `Host`; here the two must agree.
fn authority_of<'a>(
    head: &RequestHead<'a>,
    target: &Target<'a>,
    scheme: Scheme,
) -> Result<Option<Authority<'a>>, Reason> {
    let mut fields = head.headers.get_all(HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(Reason::HostRepeated);
    }
    let field = field.map(|value| Authority::read(value.as_bytes(), scheme)).transpose()?;
    let Some(of_target) = target.authority.or(head.authority) else { return Ok(field) };
    let of_target = Authority::read(of_target, scheme)?;
    if field.is_some_and(|field| field != of_target) {
        return Err(Reason::HostDiffers);
    }
    Ok(Some(of_target))
}

/// RFC 6455, section 4.2.1: GET, HTTP/1.1 or later, and `Upgrade: websocket`, nominated.
fn asks_for_websocket(head: &RequestHead<'_>) -> bool {
    let Some(upgrade) = head.headers.get(UPGRADE) else { return false };
    head.version == Version::HTTP_11
        && *head.method == Method::GET
        && upgrade.as_bytes().eq_ignore_ascii_case(b"websocket")
        && has_one(head.headers, &UPGRADE)
        && nominates(head.headers, b"upgrade")
}

fn has_one(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(name).iter().count() == 1
}

/// Keeps what can be told of a refused request: its host, when there is one, and its target.
fn keep_target(head: &RequestHead<'_>, exchange: &mut Exchange) {
    if !exchange.path().is_empty() {
        return;
    }
    let host = head.authority.or_else(|| head.headers.get(HOST).map(HeaderValue::as_bytes));
    let host = host.and_then(|host| Authority::read(host, exchange.scheme).ok());
    let target = kept(head.target);
    match host {
        Some(authority) => exchange.set_target(&authority.host, authority.port, &target, None),
        None => exchange.set_target("", None, &target, None),
    }
}

fn kept(target: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(target.get(..KEPT_TARGET).unwrap_or(target))
}
