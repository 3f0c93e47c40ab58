//! Policies.

use http::HeaderName;
use marchproxy_conf::model::{Access, AccessRule, Limit, Policy};
use marchproxy_conf::problem::{Place, Problem};
use marchproxy_limit::Quota;

use crate::snapshot::policies::{self, AccessRules, Asks, LimitRules, PolicyRules};

/// Compiles policies that `conf` has checked.
pub(super) fn compile(models: &[Policy], problems: &mut Vec<Problem>) -> Vec<PolicyRules> {
    let mut rules = Vec::with_capacity(models.len());
    for (index, model) in models.iter().enumerate() {
        let Policy { name, access, limit } = model;
        let place = Place::root().key("policies").index(index);
        let asks = match (access, limit) {
            (Some(access), _) => Some(Asks::Access(self::access(access))),
            (None, Some(limit)) => {
                self::limit(limit, &place.key("limit"), problems).map(Asks::Limit)
            }
            // That is told of by `conf`.
            (None, None) => None,
        };
        let asks = asks.unwrap_or_else(|| Asks::Access(nobody()));
        rules.push(PolicyRules { name: name.as_str().into(), asks });
    }
    rules
}

/// What stands for a policy that could not be compiled, and so is never served.
fn nobody() -> AccessRules {
    let everyone = policies::AccessRule { networks: Vec::new(), methods: Vec::new() };
    AccessRules { allow: Vec::new(), deny: vec![everyone] }
}

fn access(model: &Access) -> AccessRules {
    let Access { allow, deny } = model;
    let rules = |models: &[AccessRule]| models.iter().map(rule).collect();
    AccessRules { allow: rules(allow), deny: rules(deny) }
}

fn rule(model: &AccessRule) -> policies::AccessRule {
    let AccessRule { networks, methods } = model;
    let methods = methods.iter().filter_map(|method| method.as_str().parse().ok());
    policies::AccessRule { networks: networks.clone(), methods: methods.collect() }
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
