//! A token from its bytes to a verdict.

use std::time::Duration;

use super::claims::Claims;
use super::token::Token;
use super::{Algorithms, Header, Refused, Revoked, Rules, signature};
use crate::keys::{Digest, KeySet};

/// Keys that are tried for one token, at most.
const MOST_TRIES: usize = 4;

/// What a token is verified with.
#[derive(Clone, Copy, Debug)]
pub struct Check<'a> {
    /// Who is believed.
    pub keys: &'a KeySet,
    /// What is asked of it.
    pub rules: &'a Rules,
    /// What was taken back.
    pub revoked: &'a Revoked,
    /// The time since 1970-01-01 UTC.
    pub now: Duration,
}

/// A token whose signature was verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// What it says of its signature.
    pub header: Header,
    /// What it says.
    pub claims: Claims,
    /// The key that signed it.
    pub key: Digest,
}

impl Check<'_> {
    /// Verifies a token: its size, its header, its signature by a key that is known and may be used
    /// with its algorithm, its times, its issuer, whom it is for, its type, whether it was taken
    /// back, the claims and the scopes that are asked for, in this order.
    ///
    /// # Errors
    /// The first of it that does not hold.
    pub fn verify(&self, token: &[u8]) -> Result<Verified, Refused> {
        let verified = authenticate(token, self.keys, self.rules.algorithms)?;
        self.judge(&verified)?;
        Ok(verified)
    }

    /// All of it but the signature.
    pub(crate) fn judge(&self, verified: &Verified) -> Result<(), Refused> {
        self.rules.judge(verified, self.revoked, self.now)
    }
}

/// A token whose signature holds. Nothing of its claims is read before that.
fn authenticate(token: &[u8], keys: &KeySet, algorithms: Algorithms) -> Result<Verified, Refused> {
    let token = Token::split(token)?;
    let header = Header::parse(&Token::decode(token.header)?)?;
    let algorithm = header.algorithm;
    if !algorithms.has(algorithm) {
        return Err(Refused::Algorithm);
    }
    let signature = Token::decode(token.signature)?;
    let (mut refused, mut tries) = (Refused::UnknownKey, 0);
    for key in keys.of(header.kid.as_deref()) {
        // The key says what it may be used with, never the token alone (RFC 8725 section 3.1).
        if !key.algorithms().has(algorithm) {
            if tries == 0 {
                refused = Refused::Algorithm;
            }
            continue;
        }
        if tries == MOST_TRIES {
            break;
        }
        tries += 1;
        if signature::holds(key.material(), algorithm, token.signed, &signature) {
            let claims = Claims::parse(&Token::decode(token.claims)?)?;
            return Ok(Verified { header, claims, key: *key.digest() });
        }
        refused = Refused::BadSignature;
    }
    Err(refused)
}
