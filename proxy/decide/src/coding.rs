//! Whether a body is compressed or decompressed on its way, and what its head says then. The bytes
//! are for whoever moves them.

mod accept;
mod fields;
#[cfg(test)]
mod tests;

use http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, ETAG,
    IF_NONE_MATCH, SET_COOKIE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use marchproxy_conf::model::{Authenticated, CodedRequests, Coding, Compress};

use crate::snapshot::RouteRules;
use accept::Accepted;
use fields::{has_directive, media_type, vary_on_coding, weaken};

/// Digests of the content as it was before (RFC 9530, and the older fields).
const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// What a request says of the coding of its answer.
#[derive(Clone, Debug)]
pub struct Wish {
    accepted: Accepted,
    is_head: bool,
    /// It comes with credentials, so its answer may hold secrets of one user.
    is_authenticated: bool,
    /// RFC 9111, section 5.2.1.6.
    no_transform: bool,
    /// What the client has already.
    known: Option<HeaderValue>,
}

/// What becomes of a body: first it is decompressed, then compressed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Recoding {
    /// What it is coded with, and shall not be.
    pub decode: Option<Coding>,
    /// What it shall be coded with.
    pub encode: Option<Coding>,
}

impl Wish {
    /// Of a request with this method and these fields.
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        Self {
            accepted: Accepted::of(headers),
            is_head: *method == Method::HEAD,
            is_authenticated: headers.contains_key(AUTHORIZATION) || headers.contains_key(COOKIE),
            no_transform: has_directive(headers, "no-transform"),
            known: headers.get(IF_NONE_MATCH).cloned(),
        }
    }

    /// Its client is known by more than these fields: its answer may hold secrets of one user.
    #[must_use]
    pub fn of_someone(self, is_known: bool) -> Self {
        Self { is_authenticated: self.is_authenticated || is_known, ..self }
    }

    /// Whether no body follows the head, whatever that says.
    pub fn is_head(&self) -> bool {
        self.is_head
    }
}

/// Decides what becomes of the body of an answer with these fields, and changes them to fit. The
/// answer to HEAD gets the fields that GET would get, except for the length (RFC 9110, section 9.3.2).
pub fn answer(
    rules: &RouteRules,
    wish: &Wish,
    status: StatusCode,
    headers: &mut HeaderMap,
) -> Recoding {
    if wish.no_transform || has_directive(headers, "no-transform") {
        return Recoding::default();
    }
    if status == StatusCode::NOT_MODIFIED {
        not_modified(rules, wish, headers);
        return Recoding::default();
    }
    if !may_be_recoded(status) {
        return Recoding::default();
    }
    let decode = rules.decompress.as_ref().and_then(|_| coding_of(headers));
    let decode = decode.filter(|coding| {
        vary_on_coding(headers);
        !wish.accepted.takes(*coding)
    });
    if decode.is_some() {
        headers.remove(CONTENT_ENCODING);
        is_recoded(headers);
    }
    let encode = rules.compress.as_ref().and_then(|rules| compress(rules, wish, headers));
    if let Some(coding) = encode {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
        is_recoded(headers);
    }
    Recoding { decode, encode }
}

/// The coding of a request's body, if that is to be decompressed.
pub fn request(rules: &RouteRules, headers: &HeaderMap) -> Option<Coding> {
    let decompress = rules.decompress.as_ref()?;
    let is_asked_for = decompress.requests == CodedRequests::Decode;
    if !is_asked_for || has_directive(headers, "no-transform") {
        return None;
    }
    coding_of(headers)
}

/// Makes the fields of a request whose body is decompressed out of its own.
pub(crate) fn prepare_request(to: &mut HeaderMap) {
    to.remove(CONTENT_ENCODING);
    to.remove(CONTENT_LENGTH);
    remove_digests(to);
}

/// A part of a body cannot be coded without the rest, and what has no body needs no coding.
fn may_be_recoded(status: StatusCode) -> bool {
    !status.is_informational()
        && status != StatusCode::NO_CONTENT
        && status != StatusCode::RESET_CONTENT
        && status != StatusCode::PARTIAL_CONTENT
}

/// The coding of a message that has exactly one, and one that is known.
fn coding_of(headers: &HeaderMap) -> Option<Coding> {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    accept::coding(value.as_bytes())
}

/// The coding of an answer, if it gets one. Says that it depends on `Accept-Encoding` whenever it
/// does (RFC 9110, section 12.5.5).
fn compress(rules: &Compress, wish: &Wish, headers: &mut HeaderMap) -> Option<Coding> {
    if headers.contains_key(CONTENT_ENCODING) || !is_worth_it(rules, headers) {
        return None;
    }
    let is_private = headers.contains_key(SET_COOKIE) || has_directive(headers, "private");
    let is_guarded = rules.authenticated == Authenticated::Never;
    if is_guarded && is_private {
        return None;
    }
    vary_on_coding(headers);
    // What is public holds nothing of the user, credentials or not (RFC 9111, section 5.2.2.9).
    if is_guarded && wish.is_authenticated && !has_directive(headers, "public") {
        return None;
    }
    wish.accepted.best(&rules.codings)
}

fn is_worth_it(rules: &Compress, headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE).and_then(|value| media_type(value.as_bytes()))
    else {
        return false;
    };
    // Messages of gRPC are compressed one by one, or not at all.
    if kind.starts_with("application/grpc") || !rules.types.iter().any(|range| range.holds(kind)) {
        return false;
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    length.is_none_or(|length: u64| length >= rules.least.bytes())
}

/// The fields of what is another representation now.
fn is_recoded(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.remove(ACCEPT_RANGES);
    remove_digests(headers);
    if let Some(tag) = headers.get_mut(ETAG) {
        weaken(tag);
    }
}

fn remove_digests(headers: &mut HeaderMap) {
    for name in &DIGESTS {
        headers.remove(name);
    }
}

/// RFC 9110, section 15.4.5: the fields that the 200 would have had. A client that asked with the
/// weak tag would not know its own copy by the strong one (RFC 9111, section 4.3.4).
fn not_modified(rules: &RouteRules, wish: &Wish, headers: &mut HeaderMap) {
    if rules.compress.is_none() && rules.decompress.is_none() {
        return;
    }
    let known = wish.known.as_ref().map(HeaderValue::as_bytes).unwrap_or_default();
    if let Some(tag) = headers.get_mut(ETAG) {
        let mut weak = tag.clone();
        weaken(&mut weak);
        if memchr::memmem::find(known, weak.as_bytes()).is_some() {
            *tag = weak;
            vary_on_coding(headers);
        }
    }
}
