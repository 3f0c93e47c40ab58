//! W3C Trace Context.
//!
//! A request that is recorded gets a span of its own, and each of its attempts at an endpoint
//! another: the endpoint is told of the latter, by whoever makes the attempt. Whether it is
//! recorded is for the trusted proxy to say that sends a `traceparent`, else left to chance.
//!
//! What is not recorded here is passed on untouched, with its `tracestate`: the proxy must not put
//! itself between parent and child when it reports nothing. When there is no `traceparent`, or a
//! malformed one, or one that is not to be believed, a new trace begins, so that log line and
//! upstream can be brought together.

use http::{HeaderMap, HeaderName, HeaderValue};
use marchproxy_conf::values::Share;

use crate::exchange::{Exchange, Trace};
use crate::snapshot::Snapshot;

/// `traceparent`
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What a `traceparent` says.
struct Parent {
    /// The trace, as text.
    text: [u8; 32],
    id: u128,
    span: u64,
    flags: u8,
}

/// Decides whether the request is recorded in a trace, and notes it if so. Comes after
/// [`crate::request::sanity::check`], which knows whether the peer is trusted.
pub fn begin(snapshot: &Snapshot, received: &HeaderMap, exchange: &mut Exchange) {
    let Some(share) = snapshot.traces else { return };
    let parent = exchange.peer_trusted.then(|| parent_of(received)).flatten();
    let [first, second, span, _] = exchange.random;
    let span = span | 1;
    let trace = match parent {
        Some(parent) if parent.flags & 1 == 0 => return,
        Some(parent) => Trace::continuing(parent.id, parent.span, parent.flags, span),
        None if !is_in(share, second) => return,
        None => Trace::beginning(u128::from(first | 1) << 64 | u128::from(second), span),
    };
    exchange.trace_id = hex(trace.id);
    exchange.trace = Some(Box::new(trace));
}

/// Whether a trace is among those that are recorded. As everywhere in OpenTelemetry, those are the
/// ones whose last seven bytes are the highest.
fn is_in(share: Share, id: u64) -> bool {
    const ALL: u64 = 1 << 56;
    id & (ALL - 1) >= ALL.saturating_sub(share.of(ALL))
}

pub(super) fn set(
    snapshot: &Snapshot,
    received: &HeaderMap,
    exchange: &mut Exchange,
    to: &mut HeaderMap,
) {
    if let Some(trace) = &exchange.trace {
        if let Some(value) = trace.traceparent(trace.span) {
            to.insert(TRACEPARENT, value);
        }
        if trace.parent.is_none() {
            to.remove(&TRACESTATE);
        }
        return;
    }
    // Where nothing is recorded, the traces of others are none of our business.
    let is_believed = snapshot.traces.is_none() || exchange.peer_trusted;
    if let Some(parent) = parent_of(received).filter(|_| is_believed) {
        exchange.trace_id = Some(parent.text);
        return;
    }
    let [first, second, parent, _] = exchange.random;
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    // An id of zeros would be invalid.
    write_hex(first | 1, text.get_mut(3..19).unwrap_or_default());
    write_hex(second, text.get_mut(19..35).unwrap_or_default());
    write_hex(parent | 1, text.get_mut(36..52).unwrap_or_default());
    exchange.trace_id = text.get(3..35).and_then(|id| id.try_into().ok());
    if let Ok(value) = HeaderValue::from_bytes(&text) {
        to.insert(TRACEPARENT, value);
        if received.contains_key(&TRACESTATE) {
            to.remove(&TRACESTATE);
        }
    }
}

/// What the one `traceparent` says, if it is well-formed.
fn parent_of(received: &HeaderMap) -> Option<Parent> {
    let mut values = received.get_all(&TRACEPARENT).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => read(value.as_bytes()),
        _ => None,
    }
}

/// A well-formed `traceparent`: version, trace id, parent id and flags in lower-case hex; later
/// versions may go on after a dash.
fn read(value: &[u8]) -> Option<Parent> {
    let (fixed, rest) = value.split_at_checked(55)?;
    let is_hex = |c: &u8| c.is_ascii_digit() || (b'a'..=b'f').contains(c);
    let is_version_0 = fixed.starts_with(b"00-");
    let rest_is_fine = rest.is_empty() || (!is_version_0 && rest.first() == Some(&b'-'));
    let hex = |from: usize, to: usize| fixed.get(from..to).filter(|part| part.iter().all(is_hex));
    let dashes = [2, 35, 52].iter().all(|place| fixed.get(*place) == Some(&b'-'));
    let version = hex(0, 2)?;
    let text: [u8; 32] = hex(3, 35)?.try_into().ok()?;
    let id = number(&text);
    let span = u64::try_from(number(hex(36, 52)?)).ok()?;
    let flags = u8::try_from(number(hex(53, 55)?)).ok()?;
    if !dashes || !rest_is_fine || version == b"ff" || id == 0 || span == 0 {
        return None;
    }
    Some(Parent { text, id, span, flags })
}

/// The number that at most 32 digits in lower-case hex stand for.
fn number(hex: &[u8]) -> u128 {
    hex.iter().fold(0, |number, c| {
        let digit = if c.is_ascii_digit() { c - b'0' } else { c.wrapping_sub(b'a' - 10) };
        number << 4 | u128::from(digit & 15)
    })
}

fn hex(id: u128) -> Option<[u8; 32]> {
    format!("{id:032x}").into_bytes().try_into().ok()
}

fn write_hex(mut value: u64, into: &mut [u8]) {
    for place in into.iter_mut().rev() {
        let digit = u8::try_from(value & 15).unwrap_or_default();
        *place = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        value >>= 4;
    }
}

#[cfg(test)]
mod tests;
