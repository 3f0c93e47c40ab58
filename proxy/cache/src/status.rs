//! `Cache-Status` (RFC 9211): what the cache tells of itself.

#[cfg(test)]
mod tests;

use std::fmt::Write;

use http::{HeaderName, HeaderValue, StatusCode};

use crate::hit::Hit;
use crate::policy::Bypass;

/// `Cache-Status`
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Why a request went to the origin (RFC 9211, section 2.2).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Forward {
    /// The cache was not to be used.
    Bypass,
    /// Its method is never answered from the cache.
    Method,
    /// Nothing is stored for the resource.
    UriMiss,
    /// What is stored is for requests with other fields.
    VaryMiss,
    /// The client wanted it so.
    Request,
    /// What is stored is stale.
    Stale,
    /// It asks for a part.
    Partial,
}

impl Forward {
    /// The token of RFC 9211.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

impl From<Bypass> for Forward {
    fn from(bypass: Bypass) -> Self {
        match bypass {
            Bypass::Method => Self::Method,
            Bypass::Range => Self::Partial,
            Bypass::NoStore => Self::Request,
            Bypass::Head => Self::UriMiss,
            Bypass::Body
            | Bypass::Precondition
            | Bypass::Upgrade
            | Bypass::Malformed
            | Bypass::Credentials
            | Bypass::Cookie
            | Bypass::Certificate => Self::Bypass,
        }
    }
}

/// A member of `Cache-Status`, being written.
#[derive(Clone, Debug)]
pub struct CacheStatus(String);

impl CacheStatus {
    /// Of an answer from the store. `name` is the cache's, a token.
    pub fn hit(name: &str, hit: &Hit) -> Self {
        Self(format!("{name}; hit; ttl={}", hit.remaining()))
    }

    /// Of an answer of the origin.
    pub fn forwarded(name: &str, why: Forward) -> Self {
        Self(format!("{name}; fwd={}", why.as_str()))
    }

    /// With the status of the origin's answer.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        let _ = write!(self.0, "; fwd-status={}", status.as_u16());
        self
    }

    /// Says that the answer is being stored.
    #[must_use]
    pub fn stored(mut self) -> Self {
        self.0.push_str("; stored");
        self
    }

    /// Says that the request waited for another one's answer.
    #[must_use]
    pub fn collapsed(mut self) -> Self {
        self.0.push_str("; collapsed");
        self
    }

    /// The value; `None` when the name is no token.
    pub fn value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}
