//! What is sent back to the client.

#[cfg(test)]
mod tests;

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE, VIA};
use http::{HeaderMap, HeaderValue, StatusCode, Version};

use super::forward::{hop, via};
use super::limit;
use crate::answer::X_REQUEST_ID;
use crate::exchange::Exchange;
use crate::snapshot::Snapshot;
use crate::verdict::{Reason, Verdict};
use crate::wire::answer::{MAX_FIELDS, MAX_HEAD};
use crate::wire::chars;
use crate::wire::head::{content_length, transfer_coding};

/// Checks the head of an upstream's answer; `version` is the one the upstream spoke.
pub fn check(
    exchange: &Exchange,
    status: StatusCode,
    version: Version,
    headers: &HeaderMap,
) -> Verdict {
    match inspect(exchange, status, version, headers) {
        Ok(()) => Verdict::Pass,
        Err(reason) => Verdict::Refuse(reason),
    }
}

fn inspect(
    exchange: &Exchange,
    status: StatusCode,
    version: Version,
    headers: &HeaderMap,
) -> Result<(), Reason> {
    // RFC 9110, section 15: a status is 100 to 599.
    if status.as_u16() > 599 {
        return Err(Reason::UpstreamMalformed);
    }
    // RFC 9110, section 7.8: a server must not switch to what the client did not ask for.
    let is_asked_for = exchange.websocket && is_websocket(headers);
    if status == StatusCode::SWITCHING_PROTOCOLS && !is_asked_for {
        return Err(Reason::UpstreamUpgrade);
    }
    check_size(headers)?;
    check_framing(status, version, headers)
}

fn is_websocket(headers: &HeaderMap) -> bool {
    let value = headers.get(UPGRADE);
    value.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

fn check_size(headers: &HeaderMap) -> Result<(), Reason> {
    if headers.len() > MAX_FIELDS {
        return Err(Reason::UpstreamHeadSize);
    }
    let mut size: usize = 0;
    for (name, value) in headers {
        size = size.saturating_add(name.as_str().len()).saturating_add(value.len());
        if !chars::is_field_value(value.as_bytes()) {
            return Err(Reason::UpstreamMalformed);
        }
    }
    if size > MAX_HEAD { Err(Reason::UpstreamHeadSize) } else { Ok(()) }
}

/// RFC 9112, section 6.3: a length that cannot be relied on is an unrecoverable error.
fn check_framing(status: StatusCode, version: Version, headers: &HeaderMap) -> Result<(), Reason> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next();
    let length_is_fine = length.is_none_or(|length| content_length(length.as_bytes()).is_some());
    if !length_is_fine || lengths.next().is_some() {
        return Err(Reason::UpstreamMalformed);
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    // RFC 9112, section 6.1: not in 1xx and 204, not before HTTP/1.1; RFC 9113, section 8.2.2: not
    // in HTTP/2.
    let may_have_coding = version == Version::HTTP_11
        && !status.is_informational()
        && status != StatusCode::NO_CONTENT;
    let is_fine = may_have_coding
        && length.is_none()
        && codings.next().is_none()
        && transfer_coding(coding.as_bytes()).is_ok();
    if is_fine { Ok(()) } else { Err(Reason::UpstreamMalformed) }
}

/// Makes an interim answer (RFC 9110, section 15.2) ready for the client: without the fields of the
/// upstream's connection.
pub fn prepare_interim(to: &mut HeaderMap) {
    hop::strip_own(to);
    // RFC 9110, section 8.6.
    to.remove(CONTENT_LENGTH);
}

/// Checks the trailers of an answer. On HTTP/1 the wire has been checked already.
///
/// # Errors
/// One of them comes too late to be a trailer (RFC 9110, section 6.5.1).
pub fn check_trailers(trailers: &HeaderMap) -> Result<(), Reason> {
    super::forward::check_trailers(trailers).map_err(|_| Reason::UpstreamMalformed)
}

/// Makes the fields of the answer that the client gets out of the upstream's: `to` begins as a copy
/// of them. `version` is the one the upstream spoke. `Content-Length` and `Transfer-Encoding` stay:
/// whoever writes the message owns them.
///
/// Removed: what belongs to the connection alone, and what `Connection` nominates; kept of these:
/// the switch to a WebSocket that the client asked for. A client of HTTP/1.0 knows no chunks (RFC
/// 9112, section 7.1): its answer ends with the connection instead. `Via` and `X-Request-Id` are added. Last
/// come the route's own edits.
pub fn prepare(snapshot: &Snapshot, exchange: &Exchange, version: Version, to: &mut HeaderMap) {
    let is_websocket = exchange.websocket && is_websocket(to);
    hop::strip_own(to);
    if is_websocket {
        to.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        to.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    if exchange.version == Version::HTTP_10 {
        to.remove(&TRANSFER_ENCODING);
    }
    if matches!(exchange.status, 101 | 204) {
        // RFC 9110, section 8.6: it has none, whatever the upstream says.
        to.remove(&CONTENT_LENGTH);
    }
    to.append(VIA, via(version));
    if let Ok(mut id) = HeaderValue::from_str(exchange.request_id.as_str()) {
        // It never comes again, so HPACK must not index it (RFC 7541, section 7.1.3).
        id.set_sensitive(true);
        to.insert(X_REQUEST_ID, id);
    }
    limit::tell(snapshot, exchange, to);
    if let Some(route) = snapshot.route(exchange) {
        route.response_edits.apply(exchange, to);
    }
}
