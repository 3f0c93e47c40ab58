//! Tokens whose signature was verified before.

use std::sync::Arc;
use std::time::Duration;

use crate::bounded::{Bounded, Figures, Limits};
use crate::jwt::{Check, LARGEST_TOKEN, Refused, Verified};
use crate::keys::Digest;
use crate::secret::HashKey;

/// Tokens whose signature was verified before, so that it is verified once.
///
/// What is remembered is only that the key's signature holds, and what the token says. Its times,
/// its issuer and all else that rules ask for are looked at each time, and so is whether its key is
/// still among those that are believed: several sets of rules may share one of these, and what was
/// good for one of them is not for that reason good for another. A token that was refused is not
/// remembered. Within the bounds, the least used go first.
#[derive(Debug)]
pub struct Remembered {
    key: HashKey,
    tokens: Bounded<Arc<Verified>>,
}

impl Remembered {
    /// With a random key for the hashes that tokens are known by: the tokens themselves are not
    /// kept.
    pub fn new(key: HashKey, limits: Limits) -> Self {
        Self { key, tokens: Bounded::new(limits) }
    }

    /// Verifies a token like [`Check::verify`], its signature only if it is not remembered.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn verify(&self, token: &[u8], check: &Check<'_>) -> Result<Arc<Verified>, Refused> {
        if token.len() > LARGEST_TOKEN {
            return Err(Refused::TooLarge);
        }
        let place = self.key.place(&[token]);
        // One of a key that is not believed may be remembered for others, who believe it.
        if let Some((verified, until)) = self.tokens.find(&place)
            && check.keys.has(&verified.key)
        {
            return self.again(&place, verified, until, check);
        }
        let verified = Arc::new(check.verify(token)?);
        let leeway = check.rules.leeway;
        let until = verified.claims.expires().unwrap_or_default().saturating_add(leeway);
        self.tokens.insert(place, Arc::clone(&verified), until, weight(token));
        Ok(verified)
    }

    /// Forgets the tokens that have expired, and those of keys that nobody believes any more. They
    /// are of no use before that either, but take room.
    pub fn tidy(&self, now: Duration, is_believed: impl Fn(&Digest) -> bool) {
        self.tokens.retain(|verified, until| now < until && is_believed(&verified.key));
    }

    /// How much is remembered.
    pub fn figures(&self) -> Figures {
        self.tokens.figures()
    }

    fn again(
        &self,
        place: &[u8; 32],
        verified: Arc<Verified>,
        until: Duration,
        check: &Check<'_>,
    ) -> Result<Arc<Verified>, Refused> {
        let verdict = check.judge(&verified);
        if check.now >= until {
            self.tokens.remove(place);
        }
        verdict.map(|()| verified)
    }
}

/// About what is kept of a token.
fn weight(token: &[u8]) -> usize {
    token.len().saturating_mul(4).saturating_add(512)
}
