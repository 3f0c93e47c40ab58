//! What is asked of a token whose signature holds.

use std::time::Duration;

use super::verify::Verified;
use super::{Algorithms, Header, Refused, Revoked};

/// What is asked of a token.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What it may be signed with. Its key has a say too: a public key never takes an HMAC.
    pub algorithms: Algorithms,
    /// Who may have issued it, to the letter. Empty: anybody who has one of the keys.
    pub issuers: Vec<Box<str>>,
    /// It has to be for one of them. Empty: for anybody.
    pub audiences: Vec<Box<str>>,
    /// Kinds of token (`typ`), one of which it has to say it is; upper and lower case are the same,
    /// and so is `application/` before it (RFC 7515 section 4.1.9). None: `JWT`, `at+jwt`
    /// (RFC 9068), or nothing said.
    pub types: Option<Vec<Box<str>>>,
    /// How far the issuer's clock may be from ours.
    pub leeway: Duration,
    /// How long ago it may have been issued; it has to say so then.
    pub max_age: Option<Duration>,
    /// Claims that have to be there.
    pub required: Vec<Required>,
    /// Scopes that have to be granted, all of them.
    pub scopes: Vec<Box<str>>,
}

/// A claim that has to be there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Required {
    /// Where it is: see [`super::Claims::get`].
    pub path: Box<str>,
    /// One of these it has to be, or have in its list. Empty: anything but `null`.
    pub values: Vec<Box<str>>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            algorithms: Algorithms::PUBLIC,
            issuers: Vec::new(),
            audiences: Vec::new(),
            types: None,
            leeway: Duration::from_secs(30),
            max_age: None,
            required: Vec::new(),
            scopes: Vec::new(),
        }
    }
}

impl Rules {
    /// Whether a token with a good signature is good now. All of it is looked at each time, as rules
    /// may have changed since the signature was verified, and time has passed.
    pub(super) fn judge(
        &self,
        verified: &Verified,
        revoked: &Revoked,
        now: Duration,
    ) -> Result<(), Refused> {
        let Verified { header, claims, .. } = verified;
        let ensure = |holds: bool, otherwise| if holds { Ok(()) } else { Err(otherwise) };
        ensure(self.algorithms.has(header.algorithm), Refused::Algorithm)?;
        self.judge_times(verified, now)?;
        let is_one = |list: &[Box<str>], text: &str| list.iter().any(|one| **one == *text);
        let is_issuer = |issuer| is_one(&self.issuers, issuer);
        ensure(self.issuers.is_empty() || claims.issuer().is_some_and(is_issuer), Refused::Issuer)?;
        let is_audience = |audience| is_one(&self.audiences, audience);
        ensure(
            self.audiences.is_empty() || claims.audiences().any(is_audience),
            Refused::Audience,
        )?;
        ensure(self.is_of_a_type(header), Refused::Type)?;
        ensure(!revoked.has(claims), Refused::Revoked)?;
        let is_met = |required: &Required| match &*required.values {
            [] => claims.is_there(&required.path),
            values => values.iter().any(|value| claims.says(&required.path, value)),
        };
        ensure(self.required.iter().all(is_met), Refused::Claims)?;
        let is_granted = |scope: &str| claims.scopes().any(|granted| granted == scope);
        ensure(self.scopes.iter().all(|scope| is_granted(scope)), Refused::Scope)
    }

    /// A token without `exp` would be good for ever: there has to be one.
    fn judge_times(&self, verified: &Verified, now: Duration) -> Result<(), Refused> {
        let claims = &verified.claims;
        let latest_start = now.saturating_add(self.leeway);
        let starts = [claims.not_before(), claims.issued()];
        if starts.into_iter().flatten().any(|start| start > latest_start) {
            return Err(Refused::NotYet);
        }
        // RFC 7519 section 4.1.4: not on or after it.
        let expires = claims.expires().ok_or(Refused::Malformed)?;
        if now >= expires.saturating_add(self.leeway) {
            return Err(Refused::Expired);
        }
        let Some(max_age) = self.max_age else { return Ok(()) };
        let issued = claims.issued().ok_or(Refused::Malformed)?;
        let oldest = issued.saturating_add(max_age).saturating_add(self.leeway);
        if now >= oldest { Err(Refused::Expired) } else { Ok(()) }
    }

    fn is_of_a_type(&self, header: &Header) -> bool {
        let kind = header.kind.as_deref().map(bare);
        match (&self.types, kind) {
            (None, None) => true,
            (Some(_), None) => false,
            (None, Some(kind)) => {
                ["jwt", "at+jwt"].iter().any(|one| kind.eq_ignore_ascii_case(one))
            }
            (Some(types), Some(kind)) => {
                types.iter().any(|one| kind.eq_ignore_ascii_case(bare(one)))
            }
        }
    }
}

fn bare(kind: &str) -> &str {
    const PREFIX: &str = "application/";
    match kind.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => kind,
    }
}
