//! Policies.

use http::HeaderName;
use marchproxy_conf::model::{Access, AccessRule, ApiKeys, Limit, Policy};
use marchproxy_conf::problem::{Place, Problem};
use marchproxy_limit::Quota;

use super::template::field_name;
use crate::snapshot::policies::{self, AccessRules, Asks, IdentityRules, LimitRules, PolicyRules};

/// Compiles policies that `conf` has checked.
pub(super) fn compile(models: &[Policy], problems: &mut Vec<Problem>) -> Vec<PolicyRules> {
    let mut rules = Vec::with_capacity(models.len());
    for (index, model) in models.iter().enumerate() {
        let Policy { name, api_keys, access, limit } = model;
        let place = Place::root().key("policies").index(index);
        let asks = match (api_keys, access, limit) {
            (Some(api_keys), ..) => Some(Asks::Identity(identity(api_keys))),
            (None, Some(access), _) => Some(Asks::Access(self::access(access))),
            (None, None, Some(limit)) => {
                self::limit(limit, &place.key("limit"), problems).map(Asks::Limit)
            }
            // That is told of by `conf`.
            (None, None, None) => None,
        };
        let asks = asks.unwrap_or_else(|| Asks::Access(nobody()));
        rules.push(PolicyRules { name: name.as_str().into(), asks });
    }
    rules
}

/// What stands for a policy that could not be compiled, and so is never served.
fn nobody() -> AccessRules {
    let everyone =
        policies::AccessRule { networks: Vec::new(), methods: Vec::new(), consumers: Vec::new() };
    AccessRules { allow: Vec::new(), deny: vec![everyone] }
}

fn identity(model: &ApiKeys) -> IdentityRules {
    let ApiKeys {
        hash_key: _, // whoever looks keys up
        header,
        forwarding,
        keys: _, // likewise
    } = model;
    // `conf` has seen to it that it is one.
    let header = field_name(header).unwrap_or(HeaderName::from_static("x-api-key"));
    IdentityRules { header, forwarding: *forwarding }
}

fn access(model: &Access) -> AccessRules {
    let Access { allow, deny } = model;
    let rules = |models: &[AccessRule]| models.iter().map(rule).collect();
    AccessRules { allow: rules(allow), deny: rules(deny) }
}

fn rule(model: &AccessRule) -> policies::AccessRule {
    let AccessRule { networks, methods, consumers } = model;
    let methods = methods.iter().filter_map(|method| method.as_str().parse().ok());
    policies::AccessRule {
        networks: networks.clone(),
        methods: methods.collect(),
        consumers: consumers.iter().map(|name| name.as_str().into()).collect(),
    }
}

fn limit(model: &Limit, place: &Place, problems: &mut Vec<Problem>) -> Option<LimitRules> {
    let Limit { rate, burst, key, header, ipv4, ipv6 } = model;
    let Some(quota) = Quota::new(rate.count(), rate.per(), burst.unwrap_or(rate.count())) else {
        let message = "so large a burst takes more than 52 days to come back";
        let problem = Problem::new("slow-burst", place.key("burst"), message);
        problems.push(problem.label("make it smaller, or the rate higher"));
        return None;
    };
    let header = header.as_ref().and_then(|name| HeaderName::try_from(name.as_str()).ok());
    let bits = |bits: u32| u8::try_from(bits).unwrap_or(u8::MAX);
    Some(LimitRules { quota, key: key.clone(), header, ipv4: bits(*ipv4), ipv6: bits(*ipv6) })
}
