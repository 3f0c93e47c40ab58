//! gRPC-Web (PROTOCOL-WEB.md of gRPC): gRPC as browsers can speak it, which see no trailers. What
//! heads say of it; the frames are for whoever moves them.

#[cfg(test)]
mod tests;

use http::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_LENGTH, CONTENT_TYPE,
    ORIGIN, TE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use marchproxy_conf::model::GrpcWeb;

use crate::answer::Answer;
use crate::request::RequestHead;
use crate::snapshot::RouteRules;
use crate::verdict::Reason;
use crate::wire::chars;

const BINARY: &str = "application/grpc-web";
const TEXT: &str = "application/grpc-web-text";
const GRPC: &str = "application/grpc";
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// Says to servers that they are spoken to in gRPC-Web.
const X_GRPC_WEB: HeaderName = HeaderName::from_static("x-grpc-web");
/// What pages may read of an answer besides what they always may.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("grpc-status, grpc-message, grpc-status-details-bin, x-request-id");
/// How long, in seconds, browsers may go by the answer to a preflight request: the shortest that
/// one of them cuts it to is ten minutes.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// A call of gRPC-Web.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Call {
    /// Its body is text: base64.
    pub is_text: bool,
    /// Its answer is to be text.
    pub wants_text: bool,
    /// How messages are written, with its plus, such as `+proto`; or nothing.
    format: String,
    /// Whose page it is, if that may read the answer.
    page: Option<HeaderValue>,
}

impl Call {
    /// The call that a request is, on a route that takes such.
    pub fn of(rules: &RouteRules, head: &RequestHead<'_>) -> Option<Self> {
        let web = rules.grpc_web.as_ref()?;
        if *head.method != Method::POST {
            return None;
        }
        let (is_text, format) = kind(head.headers.get(CONTENT_TYPE)?)?;
        // Without a wish the answer is like the request.
        let wish = head.headers.get(ACCEPT).and_then(kind);
        let wants_text = wish.map_or(is_text, |(is_text, _)| is_text);
        let page = page(web, head.headers);
        Some(Self { is_text, wants_text, format, page })
    }

    /// Makes the fields of a call of gRPC out of its own.
    pub fn prepare(&self, to: &mut HeaderMap) {
        let kind = HeaderValue::try_from(format!("{GRPC}{}", self.format));
        to.insert(CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static(GRPC)));
        to.insert(TE, HeaderValue::from_static("trailers"));
        to.remove(X_GRPC_WEB);
        to.remove(ACCEPT);
        if self.is_text {
            to.remove(CONTENT_LENGTH);
        }
    }

    /// Makes the fields of its answer out of those of an answer. `true`: that is of gRPC, and its
    /// body, if there is one, is to be framed for the web.
    pub fn answer(&self, headers: &mut HeaderMap) -> bool {
        if let Some(page) = &self.page {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, page.clone());
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        let kind = headers.get(CONTENT_TYPE).and_then(media_type);
        let format = kind.as_deref().and_then(|kind| kind.strip_prefix(GRPC));
        let Some(format) = format.filter(|format| is_format(format)) else { return false };
        let own = self.kind(format);
        headers.insert(CONTENT_TYPE, own);
        headers.remove(CONTENT_LENGTH);
        true
    }

    /// The refusal of it: a status of gRPC in the head alone, which is what a server of gRPC would
    /// say, too.
    pub(crate) fn refusal(&self, reason: Reason) -> Answer {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, self.kind(&self.format));
        headers.insert(GRPC_STATUS, status(reason.status()).into());
        // The titles are plain text: nothing in them needs an escape.
        headers.insert(GRPC_MESSAGE, HeaderValue::from_static(reason.title()));
        headers.insert(CONTENT_LENGTH, 0.into());
        Answer::new(StatusCode::OK, headers)
    }

    fn kind(&self, format: &str) -> HeaderValue {
        let base = if self.wants_text { TEXT } else { BINARY };
        let whole = HeaderValue::try_from(format!("{base}{format}"));
        whole.unwrap_or(HeaderValue::from_static(BINARY))
    }
}

/// The answer to a preflight request (Fetch, section 3.3) of a call. A page that may not call gets
/// no permission: its browser does the rest.
pub(crate) fn preflight(rules: &RouteRules, head: &RequestHead<'_>) -> Option<Answer> {
    let web = rules.grpc_web.as_ref()?;
    let method = head.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    if *head.method != Method::OPTIONS || method != "POST" || !head.headers.contains_key(ORIGIN) {
        return None;
    }
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(VARY, HeaderValue::from_static("origin, access-control-request-headers"));
    if let Some(page) = page(web, head.headers) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, page);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        // Metadata of calls have any names.
        let names = head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
        if let Some(names) = names.filter(|names| is_list_of_names(names.as_bytes())) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
    }
    Some(Answer::new(StatusCode::NO_CONTENT, headers))
}

/// Whether a media type is text, and how messages are written; of gRPC-Web only.
fn kind(value: &HeaderValue) -> Option<(bool, String)> {
    let text = media_type(value)?;
    let (is_text, format) = match (text.strip_prefix(TEXT), text.strip_prefix(BINARY)) {
        (Some(format), _) => (true, format),
        (None, Some(format)) => (false, format),
        (None, None) => return None,
    };
    is_format(format).then(|| (is_text, format.to_owned()))
}

/// A media type without its parameters, in lower case (RFC 9110, section 8.3.1).
fn media_type(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// `+proto` and the like, or nothing.
fn is_format(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix('+').is_some_and(|name| chars::is_token_text(name.as_bytes()))
}

/// Whose page it is, if that is one of those that may call.
fn page(web: &GrpcWeb, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    let is_known = web.origins.iter().any(|known| known.as_str().as_bytes() == origin.as_bytes());
    is_known.then(|| origin.clone())
}

fn is_list_of_names(text: &[u8]) -> bool {
    text.split(|c| *c == b',').all(|name| chars::is_token_text(chars::trim(name)))
}

/// The status of gRPC that stands for one of HTTP (gRPC, "HTTP to gRPC Status Code Mapping"), and
/// for what is too long the one that gRPC itself has.
fn status(status: StatusCode) -> u16 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        413 => 8,
        429 | 502..=504 => 14,
        _ => 2,
    }
}
