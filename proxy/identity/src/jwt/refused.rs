//! Why a token is refused.

use std::fmt;

/// Why a token is refused. In the order in which it is found.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Refused {
    /// There is no token.
    Missing,
    /// There is one in more than one place, or twice in one (RFC 6750 section 2).
    Several,
    /// It is larger than [`super::LARGEST_TOKEN`]; nothing of it was read.
    TooLarge,
    /// It is no signed JWT, or a claim of RFC 7519 is not what it has to be.
    Malformed,
    /// It asks for an extension to be understood, and there is none that is.
    Critical,
    /// Its algorithm is none, unknown, not one of the rules', or not one of its key's.
    Algorithm,
    /// No key is known that may have signed it.
    UnknownKey,
    /// Its signature is not that of its key.
    BadSignature,
    /// `nbf` or `iat` is yet to come.
    NotYet,
    /// `exp` is over, or it is older than it may be.
    Expired,
    /// It is from somebody else, or does not say from whom.
    Issuer,
    /// It is for somebody else, or does not say for whom.
    Audience,
    /// It is another kind of token, by `typ`.
    Type,
    /// It was taken back.
    Revoked,
    /// A claim that has to be there is not, or has another value.
    Claims,
    /// A scope that has to be granted is not.
    Scope,
}

impl Refused {
    /// The word for it, in logs and metrics; it stays the same.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Several => "several",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Critical => "critical",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::NotYet => "not_yet",
            Self::Expired => "expired",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Type => "type",
            Self::Revoked => "revoked",
            Self::Claims => "claims",
            Self::Scope => "scope",
        }
    }

    /// The error code of RFC 6750 section 3.1. A request without a token is told none.
    pub const fn error(self) -> Option<&'static str> {
        match self {
            Self::Missing => None,
            Self::Several => Some("invalid_request"),
            Self::Claims | Self::Scope => Some("insufficient_scope"),
            _ => Some("invalid_token"),
        }
    }

    /// 403 when another token of the same client would do no better, 401 otherwise. RFC 6750 has 400
    /// for a token in several places; 401 goes with the challenge that says so.
    pub const fn status(self) -> u16 {
        match self {
            Self::Claims | Self::Scope => 403,
            _ => 401,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Refused {}
