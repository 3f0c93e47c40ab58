//! Who a client is.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};

use super::RequestHead;
use crate::exchange::Exchange;
use crate::snapshot::{Asks, Snapshot};
use crate::verdict::{Reason, Verdict};

/// What a client is to say to be known. No RFC has a scheme for keys in a field, but a 401 has to
/// have a challenge (RFC 9110, section 15.5.2).
const CHALLENGE: HeaderValue = HeaderValue::from_static("ApiKey realm=\"marchproxy\"");

/// Those who know whose a key is. They have the secrets that it takes, and no decision is theirs.
pub trait Identify {
    /// The consumer of a key by what the policy at this position knows, `now` since 1970-01-01 UTC.
    ///
    /// # Errors
    /// Why there is none.
    fn consumer(&self, policy: usize, key: &[u8], now: Duration) -> Result<Arc<str>, Reason>;
}

/// Finds out who a client is, where the route asks for that. Of several policies the first whose
/// field is there decides.
pub fn check(
    snapshot: &Snapshot,
    known: &dyn Identify,
    head: &RequestHead<'_>,
    exchange: &mut Exchange,
) -> Verdict {
    let Some(route) = snapshot.route(exchange) else { return Verdict::Pass };
    let mut missing = None;
    for at in &route.policies {
        let Some(Asks::Identity(rules)) = snapshot.policies.get(*at).map(|policy| &policy.asks)
        else {
            continue;
        };
        let mut keys = head.headers.get_all(&rules.header).iter();
        let consumer = match (keys.next(), keys.next()) {
            (None, _) => {
                missing.get_or_insert(*at);
                continue;
            }
            (Some(key), None) => {
                let now = Duration::from_millis(exchange.unix_millis);
                known.consumer(*at, key.as_bytes(), now)
            }
            // Whoever reads the other one would take it for somebody else's.
            (Some(_), Some(_)) => Err(Reason::ApiKeyMalformed),
        };
        return match consumer {
            Ok(consumer) => {
                exchange.consumer = Some(consumer);
                Verdict::Pass
            }
            Err(reason) => {
                exchange.policy = Some(*at);
                exchange.refuse(reason)
            }
        };
    }
    match missing {
        None => Verdict::Pass,
        Some(policy) => {
            exchange.policy = Some(policy);
            exchange.refuse(Reason::IdentityMissing)
        }
    }
}

/// Tells a client that is not known how to say who it is.
pub(crate) fn challenge(reason: Reason, to: &mut HeaderMap) {
    if reason.status_number() == 401 {
        to.insert(WWW_AUTHENTICATE, CHALLENGE);
    }
}
