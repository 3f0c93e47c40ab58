//! How many proxies a request may still pass (RFC 9110, section 7.6.2).

use http::header::MAX_FORWARDS;
use http::{HeaderMap, HeaderValue, Method};

use crate::request::RequestHead;

/// How many are left. Only OPTIONS and TRACE are bound by it; what is no number is no limit.
pub(crate) fn left(head: &RequestHead<'_>) -> Option<u64> {
    if *head.method != Method::OPTIONS {
        return None;
    }
    head.headers.get(MAX_FORWARDS)?.to_str().ok()?.parse().ok()
}

/// Counts this one.
pub(super) fn count(head: &RequestHead<'_>, to: &mut HeaderMap) {
    if let Some(left) = left(head) {
        to.insert(MAX_FORWARDS, HeaderValue::from(left.saturating_sub(1)));
    }
}
