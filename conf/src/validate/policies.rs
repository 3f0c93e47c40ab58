use std::collections::HashSet;

use super::edits::OWN;
use super::item;
use crate::model::{AccessRule, ApiKeys, Config, Limit, LimitKey, Policy};
use crate::problem::{Place, Problem};

pub(super) fn validate(config: &Config, problems: &mut Vec<Problem>) {
    for (index, policy) in config.policies.iter().enumerate() {
        let place = item("policies", index);
        kinds(policy, &place, problems);
        if let Some(known) = &policy.api_keys {
            api_keys(known, &place.key("api_keys"), problems);
        }
        if let Some(access) = &policy.access {
            let place = place.key("access");
            if access.allow.is_empty() && access.deny.is_empty() {
                let message = format!("policy `{}` lets everyone pass", policy.name);
                let problem = Problem::new("empty-access", place.clone(), message).at_key();
                problems.push(problem.label("it needs `allow`, `deny` or both"));
            }
            rules(&access.allow, &place.key("allow"), problems);
            rules(&access.deny, &place.key("deny"), problems);
        }
        if let Some(limit) = &policy.limit {
            keys(limit, &place.key("limit"), problems);
        }
    }
}

fn kinds(policy: &Policy, place: &Place, problems: &mut Vec<Problem>) {
    let kinds = [
        ("api_keys", policy.api_keys.is_some()),
        ("access", policy.access.is_some()),
        ("limit", policy.limit.is_some()),
    ];
    let kinds: Vec<&str> =
        kinds.into_iter().filter_map(|(key, is_there)| is_there.then_some(key)).collect();
    match kinds.as_slice() {
        [] => {
            let message = format!("policy `{}` asks nothing", policy.name);
            let problem = Problem::new("no-kind", place.key("name"), message);
            problems.push(problem.label("it needs one of `api_keys`, `access` and `limit`"));
        }
        [_] => {}
        [first, second, ..] => {
            let message = format!("policy `{}` has both `{first}` and `{second}`", policy.name);
            let problem = Problem::new("two-kinds", place.key(second), message);
            let problem = problem.at_key().label("make it a policy of its own");
            problems.push(problem.note("the other is here", Some(place.key(first))));
        }
    }
}

fn api_keys(known: &ApiKeys, place: &Place, problems: &mut Vec<Problem>) {
    // It is taken away before the request goes on.
    let header = known.header.as_str();
    if header == "host" || OWN.contains(&header) {
        let message = format!("`{header}` cannot hold a key: requests need it for themselves");
        let problem = Problem::new("forbidden-field", place.key("header"), message);
        problems.push(problem.label("choose another field, such as `X-Api-Key`"));
    }
    let place = place.key("keys");
    let mut ids = HashSet::new();
    for (index, key) in known.keys.iter().enumerate() {
        let place = place.index(index);
        if !ids.insert(&key.id) {
            let message = format!("two keys have the id `{}`", key.id);
            let problem = Problem::new("duplicate-name", place.key("id"), message);
            problems.push(problem.label("make another with `marchproxy key new`"));
        }
        let wrong = [
            ("id", key.id.bytes().all(|c| c.is_ascii_alphanumeric())),
            ("hash", key.hash.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))),
        ];
        for (name, _) in wrong.into_iter().filter(|(_, is_fine)| !is_fine) {
            let message = format!("this is no `{name}` of a key");
            let problem = Problem::new("bad-value", place.key(name), message);
            problems.push(problem.label("take it from `marchproxy key new`"));
        }
    }
}

fn rules(rules: &[AccessRule], place: &Place, problems: &mut Vec<Problem>) {
    for (index, rule) in rules.iter().enumerate() {
        if rule.networks.is_empty() && rule.methods.is_empty() && rule.consumers.is_empty() {
            let message = "this rule fits every request";
            let problem = Problem::new("fits-all", place.index(index), message);
            problems.push(problem.label("it needs `networks`, `methods` or `consumers`"));
        }
    }
}

fn keys(limit: &Limit, place: &Place, problems: &mut Vec<Problem>) {
    let has_header = limit.key.contains(&LimitKey::Header);
    if has_header && limit.header.is_none() {
        let message = "the field that counts is not named";
        let problem = Problem::new("no-header", place.key("key"), message).at_key();
        problems.push(problem.label("add `header: NAME` beside it"));
    } else if !has_header && limit.header.is_some() {
        let message = "`header` has no effect without `header` in `key`";
        let problem = Problem::new("no-effect", place.key("header"), message).at_key();
        problems.push(problem.warning().label("remove it, or add `header` to `key`"));
    }
    let mut seen = HashSet::new();
    for (index, key) in limit.key.iter().enumerate() {
        if !seen.insert(key) {
            let place = place.key("key").index(index);
            let problem = Problem::new("repeated-key", place, "this is named twice");
            problems.push(problem.label("remove it"));
        }
    }
}

#[cfg(test)]
mod tests;
