//! How many may come.

#[cfg(test)]
mod tests;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};
use marchproxy_conf::model::LimitKey;
use marchproxy_limit::{Check, Key, Verdict as Counted, fields, strictest};

use super::RequestHead;
use crate::exchange::{Exchange, Moment};
use crate::limiter::Limiter;
use crate::snapshot::{Asks, LimitRules, PolicyRules, RouteRules, Snapshot};
use crate::verdict::{Reason, Verdict};

/// `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10)
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// `RateLimit-Policy`
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a client is told of the limits that its request met.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Told {
    limit: HeaderValue,
    retry_after: Option<u64>,
}

/// Counts the request for every `limit` policy of the route, or, when one of them refuses it, for
/// none. The strictest is what the client is told of; one that refuses is noted.
pub fn check(
    snapshot: &Snapshot,
    limiter: &Limiter,
    head: &RequestHead<'_>,
    exchange: &mut Exchange,
    now: Moment,
) -> Verdict {
    let Some(route) = snapshot.route(exchange).filter(|route| route.limit_policy.is_some()) else {
        return Verdict::Pass;
    };
    let asked: Vec<(usize, &PolicyRules, &LimitRules)> = limits(snapshot, route).collect();
    let key = |policy, rules| key(limiter, policy, rules, route, head.headers, exchange);
    let checks: Vec<Check<'_>> = asked
        .iter()
        .map(|(_, policy, rules)| Check { key: key(policy, rules), quota: &rules.quota, cost: 1 })
        .collect();
    let mut counted: Vec<Counted> = Vec::with_capacity(checks.len());
    let may_pass = limiter.table.check_all(&checks, now.nanos(), &mut counted);
    let names: Vec<&str> = asked.iter().map(|(_, policy, _)| &*policy.name).collect();
    let value = fields::limit(&names, &counted);
    exchange.limits = value
        .and_then(|value| HeaderValue::try_from(value).ok())
        .map(|limit| Box::new(Told { limit, retry_after: fields::retry_after(&counted) }));
    if may_pass {
        return Verdict::Pass;
    }
    let refusing = strictest(&counted).and_then(|at| asked.get(at));
    exchange.policy = refusing.map(|(at, ..)| *at);
    exchange.refuse(Reason::LimitRate)
}

/// The limits of a route, with their positions.
fn limits<'a>(
    snapshot: &'a Snapshot,
    route: &'a RouteRules,
) -> impl Iterator<Item = (usize, &'a PolicyRules, &'a LimitRules)> {
    route.policies.iter().filter_map(|at| {
        let policy = snapshot.policies.get(*at)?;
        match &policy.asks {
            Asks::Limit(rules) => Some((*at, policy, rules)),
            Asks::Access(_) | Asks::Identity(_) => None,
        }
    })
}

/// Whom the request counts for.
fn key(
    limiter: &Limiter,
    policy: &PolicyRules,
    rules: &LimitRules,
    route: &RouteRules,
    headers: &HeaderMap,
    exchange: &Exchange,
) -> Key {
    let mut key = limiter.key(&policy.name);
    for part in &rules.key {
        key = match part {
            LimitKey::Address => key.network(exchange.client, rules.ipv4, rules.ipv6),
            LimitKey::Consumer => {
                key.text(exchange.consumer.as_deref().unwrap_or_default().as_bytes())
            }
            LimitKey::Route => key.text(route.name.as_bytes()),
            LimitKey::Header => {
                let value = rules.header.as_ref().and_then(|name| headers.get(name));
                key.text(value.map_or(&[][..], HeaderValue::as_bytes))
            }
        };
    }
    key.finish()
}

/// Tells the client of the limits that its request met, in the fields of an answer.
pub fn tell(snapshot: &Snapshot, exchange: &Exchange, to: &mut HeaderMap) {
    let Some(told) = &exchange.limits else { return };
    let policy = snapshot.route(exchange).and_then(|route| route.limit_policy.as_ref());
    if let Some(policy) = policy {
        to.insert(RATE_LIMIT_POLICY, policy.clone());
    }
    to.insert(RATE_LIMIT, told.limit.clone());
    if let Some(seconds) = told.retry_after {
        to.insert(RETRY_AFTER, seconds.into());
    }
}
