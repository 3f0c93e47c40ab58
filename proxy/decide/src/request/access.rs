//! Who may pass.

#[cfg(test)]
mod tests;

use crate::exchange::Exchange;
use crate::snapshot::{Asks, Snapshot};
use crate::verdict::{Reason, Verdict};

/// Asks every `access` policy of the route. The first that refuses is noted.
pub fn check(snapshot: &Snapshot, exchange: &mut Exchange) -> Verdict {
    let Some(route) = snapshot.route(exchange) else { return Verdict::Pass };
    for at in &route.policies {
        let Some(policy) = snapshot.policies.get(*at) else {
            return exchange.refuse(Reason::Internal);
        };
        let Asks::Access(rules) = &policy.asks else { continue };
        if !rules.allows(exchange.client, &exchange.method, exchange.consumer.as_deref()) {
            exchange.policy = Some(*at);
            return exchange.refuse(Reason::AccessDenied);
        }
    }
    Verdict::Pass
}
