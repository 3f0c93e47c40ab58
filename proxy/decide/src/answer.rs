//! Answers that the proxy itself makes: refusals, redirects and fixed responses.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::exchange::{Exchange, RequestId};
use crate::request::{identity, limit};
use crate::snapshot::Snapshot;
use crate::verdict::Reason;

/// `X-Request-Id`
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What `Allow` says when the method itself is refused (RFC 9110, section 15.5.6).
const SERVED_METHODS: HeaderValue =
    HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS");

/// An answer, whole and ready to be sent. `headers` holds `Content-Length` where there may be one;
/// `Date` and `Connection` are for whoever sends it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The fields.
    pub headers: HeaderMap,
    /// The body; empty for HEAD, although `Content-Length` says what GET would get.
    pub body: Bytes,
}

/// The refusal of a request that got as far as an exchange: the error page of its route or of the
/// configuration, else `application/problem+json`. Either way with the request id, and with `Allow`
/// and `Retry-After` where they are due.
pub fn refusal(snapshot: &Snapshot, exchange: &Exchange, reason: Reason) -> Answer {
    if let Some(call) = &exchange.grpc_web {
        let mut answer = call.refusal(reason);
        limit::tell(snapshot, exchange, &mut answer.headers);
        finish(&mut answer, &exchange.method, &exchange.request_id);
        return answer;
    }
    let status = reason.status();
    let of_route = snapshot.route(exchange).and_then(|route| route.error_pages.find(status));
    let mut answer = match of_route.or_else(|| snapshot.error_pages.find(status)) {
        Some(page) => {
            let mut answer = Answer::new(status, due(reason));
            answer.set_body(page.body.clone(), page.content_type.clone());
            answer
        }
        None => problem_answer(reason, &exchange.request_id),
    };
    if let Some(allow) = &exchange.allow
        && let Ok(allow) = HeaderValue::from_str(allow)
    {
        answer.headers.insert(ALLOW, allow);
    }
    limit::tell(snapshot, exchange, &mut answer.headers);
    identity::challenge(reason, &mut answer.headers);
    finish(&mut answer, &exchange.method, &exchange.request_id);
    answer
}

/// The answer to OPTIONS that may not be forwarded any further (RFC 9110, section 9.3.7).
pub(crate) fn of_last_hop() -> Answer {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(ALLOW, SERVED_METHODS);
    Answer::new(StatusCode::NO_CONTENT, headers)
}

/// The refusal of something that never became a request, as `application/problem+json`.
pub fn wire_refusal(reason: Reason, request_id: &RequestId) -> Answer {
    let mut answer = problem_answer(reason, request_id);
    finish(&mut answer, &Method::GET, request_id);
    answer
}

/// Adds the request id, and takes the body away where there must be none.
pub(crate) fn finish(answer: &mut Answer, method: &Method, request_id: &RequestId) {
    if let Ok(value) = HeaderValue::from_str(request_id.as_str()) {
        answer.headers.insert(X_REQUEST_ID, value);
    }
    if *method == Method::HEAD {
        answer.body = Bytes::new();
    }
}

fn problem_answer(reason: Reason, request_id: &RequestId) -> Answer {
    let mut answer = Answer::new(reason.status(), due(reason));
    let body = problem(reason, request_id);
    answer.set_body(body.into(), HeaderValue::from_static("application/problem+json"));
    answer
}

/// Fields that go with a reason.
fn due(reason: Reason) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(6);
    match reason {
        Reason::MethodRefused => {
            headers.insert(ALLOW, SERVED_METHODS);
        }
        // RFC 9110, section 10.2.3: these pass by themselves.
        Reason::NoEndpoint | Reason::Unresolved => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    headers
}

/// RFC 9457. With the type `about:blank` the title is the status' own phrase (section 4.2.1), and
/// `detail` says what happened. Nothing in it needs escaping: all texts are the proxy's own, and an
/// id is made of harmless characters.
fn problem(reason: Reason, request_id: &RequestId) -> String {
    let status = reason.status();
    let phrase = status.canonical_reason().unwrap_or("Error");
    format!(
        "{{\"type\":\"about:blank\",\"title\":\"{phrase}\",\"status\":{},\"detail\":\"{}\",\
         \"reason\":\"{}\",\"request_id\":\"{request_id}\"}}\n",
        status.as_u16(),
        reason.title(),
        reason.code(),
    )
}

impl Answer {
    /// An answer without a body yet.
    pub(crate) fn new(status: StatusCode, headers: HeaderMap) -> Self {
        Self { status, headers, body: Bytes::new() }
    }

    /// Sets the body and what describes it, unless the status has none (RFC 9110, section 6.4.1).
    pub(crate) fn set_body(&mut self, body: Bytes, content_type: HeaderValue) {
        let has_none = matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if has_none {
            return;
        }
        if !body.is_empty() {
            self.headers.insert(CONTENT_TYPE, content_type);
        }
        // RFC 9110, section 15.3.6: a 205 has no content, but says so.
        let body = if self.status == StatusCode::RESET_CONTENT { Bytes::new() } else { body };
        self.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        self.body = body;
    }

    /// Appends the answer as HTTP/1.1. `date` is the value of the `Date` field; `close` says that
    /// the connection is closed after it.
    pub fn to_http1(&self, date: &str, close: bool, into: &mut Vec<u8>) {
        into.extend_from_slice(b"HTTP/1.1 ");
        into.extend_from_slice(self.status.as_str().as_bytes());
        into.push(b' ');
        into.extend_from_slice(self.status.canonical_reason().unwrap_or_default().as_bytes());
        into.extend_from_slice(b"\r\n");
        let mut line = |name: &[u8], value: &[u8]| {
            into.extend_from_slice(name);
            into.extend_from_slice(b": ");
            into.extend_from_slice(value);
            into.extend_from_slice(b"\r\n");
        };
        line(b"date", date.as_bytes());
        for (name, value) in &self.headers {
            line(name.as_str().as_bytes(), value.as_bytes());
        }
        if close {
            line(b"connection", b"close");
        }
        into.extend_from_slice(b"\r\n");
        into.extend_from_slice(&self.body);
    }
}
