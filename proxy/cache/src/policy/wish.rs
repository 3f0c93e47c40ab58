//! What a request wants of a cache.

use http::header::{
    AUTHORIZATION, COOKIE, EXPECT, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE, UPGRADE,
};
use http::{HeaderMap, Method};

use super::Policy;
use crate::control::RequestControl;

/// Why a request goes past the cache.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Bypass {
    /// Its method is not GET or HEAD.
    Method,
    /// It is HEAD, and there is no stored answer to GET to take the fields from.
    Head,
    /// It has a body, which no key takes in.
    Body,
    /// It asks for a part.
    Range,
    /// Its condition is for the origin alone (RFC 9111, section 4.3.2).
    Precondition,
    /// It wants another protocol, or an interim answer.
    Upgrade,
    /// It says `no-store`.
    NoStore,
    /// Its `Cache-Control` or `Pragma` is malformed.
    Malformed,
    /// It has credentials, and the stored answer is not said to be for everyone.
    Credentials,
    /// It has `Cookie`, and the stored answer is fresh by a guess only.
    Cookie,
    /// Its client has shown a certificate: what it gets may be for it alone, and no field tells
    /// that.
    Certificate,
}

impl Bypass {
    /// The reason as logs and metrics name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Head => "head",
            Self::Body => "body",
            Self::Range => "range",
            Self::Precondition => "precondition",
            Self::Upgrade => "upgrade",
            Self::NoStore => "no_store",
            Self::Malformed => "malformed",
            Self::Credentials => "credentials",
            Self::Cookie => "cookie",
            Self::Certificate => "certificate",
        }
    }
}

/// What a request for which the cache may be used says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact that stands alone")]
pub struct Wish {
    /// Whether it is HEAD.
    pub is_head: bool,
    /// Whether it has `Authorization`, or what the operator takes for the like.
    pub has_credentials: bool,
    /// Whether it has `Cookie`.
    pub has_cookie: bool,
    /// Whether it is conditional.
    pub is_conditional: bool,
    /// Whether nothing may come from the cache unless the origin says so.
    pub no_cache: bool,
    /// Whether everything must come from the cache.
    pub only_if_cached: bool,
    /// How old an answer may be, in seconds.
    pub max_age: Option<u64>,
    /// How long an answer must still be fresh, in seconds.
    pub min_fresh: Option<u64>,
    /// How stale an answer may be, in seconds.
    pub max_stale: Option<u64>,
}

/// Reads a request. `has_body` tells whether it has one, however it is framed.
///
/// # Errors
/// Why the cache must not be used for it.
pub fn wish(
    policy: &Policy,
    method: &Method,
    headers: &HeaderMap,
    has_body: bool,
) -> Result<Wish, Bypass> {
    if *method != Method::GET && *method != Method::HEAD {
        return Err(Bypass::Method);
    }
    if has_body {
        return Err(Bypass::Body);
    }
    if headers.contains_key(RANGE) {
        return Err(Bypass::Range);
    }
    if [IF_MATCH, IF_UNMODIFIED_SINCE, IF_RANGE].iter().any(|name| headers.contains_key(name)) {
        return Err(Bypass::Precondition);
    }
    if headers.contains_key(UPGRADE) || headers.contains_key(EXPECT) {
        return Err(Bypass::Upgrade);
    }
    let control = RequestControl::read(headers).map_err(|_| Bypass::Malformed)?;
    if control.no_store {
        return Err(Bypass::NoStore);
    }
    let heard = if policy.heeds_clients { control } else { RequestControl::default() };
    Ok(Wish {
        is_head: *method == Method::HEAD,
        has_credentials: headers.contains_key(AUTHORIZATION)
            || policy.credentials.iter().any(|name| headers.contains_key(name)),
        has_cookie: headers.contains_key(COOKIE),
        is_conditional: headers.contains_key(IF_NONE_MATCH)
            || headers.contains_key(IF_MODIFIED_SINCE),
        no_cache: heard.no_cache,
        only_if_cached: control.only_if_cached,
        max_age: heard.max_age,
        min_fresh: heard.min_fresh,
        max_stale: heard.max_stale,
    })
}
