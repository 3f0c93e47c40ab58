//! W3C Trace Context. A well-formed `traceparent` is passed on untouched, with its `tracestate`:
//! the proxy reports no spans of its own, so it must not put itself between parent and child. When
//! there is none, or a malformed one, a new trace begins here (not sampled: that is for those who
//! record spans to say), so that log line and upstream can be brought together.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::exchange::Exchange;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

pub(super) fn set(received: &HeaderMap, exchange: &mut Exchange, to: &mut HeaderMap) {
    let mut values = received.get_all(&TRACEPARENT).iter();
    let given = match (values.next(), values.next()) {
        (Some(value), None) => trace_id(value.as_bytes()),
        _ => None,
    };
    if let Some(id) = given {
        exchange.trace_id = Some(id);
        return;
    }
    let [first, second, parent, _] = exchange.random;
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    // An id of zeros would be invalid.
    write_hex(first | 1, text.get_mut(3..19).unwrap_or_default());
    write_hex(second, text.get_mut(19..35).unwrap_or_default());
    write_hex(parent | 1, text.get_mut(36..52).unwrap_or_default());
    exchange.trace_id = trace_id(&text);
    if let Ok(value) = HeaderValue::from_bytes(&text) {
        to.insert(TRACEPARENT, value);
        if received.contains_key(&TRACESTATE) {
            to.remove(&TRACESTATE);
        }
    }
}

/// The trace id of a well-formed `traceparent`: version, trace id, parent id and flags in lower-case
/// hex; later versions may go on after a dash.
fn trace_id(value: &[u8]) -> Option<[u8; 32]> {
    let (fixed, rest) = value.split_at_checked(55)?;
    let is_hex = |c: &u8| c.is_ascii_digit() || (b'a'..=b'f').contains(c);
    let is_version_0 = fixed.starts_with(b"00-");
    let rest_is_fine = rest.is_empty() || (!is_version_0 && rest.first() == Some(&b'-'));
    let hex = |from: usize, to: usize| fixed.get(from..to).filter(|part| part.iter().all(is_hex));
    let dashes = [2, 35, 52].iter().all(|place| fixed.get(*place) == Some(&b'-'));
    let version = hex(0, 2)?;
    let id = hex(3, 35)?;
    let parent = hex(36, 52)?;
    hex(53, 55)?;
    let is_zero = |part: &[u8]| part.iter().all(|c| *c == b'0');
    if !dashes || !rest_is_fine || version == b"ff" || is_zero(id) || is_zero(parent) {
        return None;
    }
    id.try_into().ok()
}

fn write_hex(mut value: u64, into: &mut [u8]) {
    for place in into.iter_mut().rev() {
        let digit = u8::try_from(value & 15).unwrap_or_default();
        *place = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        value >>= 4;
    }
}
