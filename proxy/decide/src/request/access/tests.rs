use serde_json::{Value, json};

use super::*;
use crate::testing::{Asked, config_of_routes, exchange, try_compile};

/// What becomes of requests of this method from these addresses on a route with these policies.
fn decided(policies: &Value, method: &str, clients: &[&str]) -> Vec<Option<usize>> {
    let names: Vec<&Value> =
        policies.as_array().unwrap().iter().map(|policy| &policy["name"]).collect();
    let mut config =
        config_of_routes(json!([{ "name": "r", "upstream": "app", "policies": names }]));
    config.policies = serde_json::from_value(policies.clone()).unwrap();
    let snapshot = try_compile(&config).unwrap();
    let decide = |client: &&str| {
        let mut exchange = exchange();
        let asked = Asked::new(method, "/", &[("host", "a")]);
        let sane = crate::request::sanity::check(&snapshot, &asked.head(), &mut exchange);
        assert!(matches!(sane, Verdict::Pass));
        let found = crate::request::route::check(&snapshot, &asked.head(), &mut exchange);
        assert!(matches!(found, Verdict::Pass));
        exchange.client = client.parse().unwrap();
        match check(&snapshot, &mut exchange) {
            Verdict::Pass => None,
            Verdict::Refuse(Reason::AccessDenied) => exchange.policy,
            other => panic!("{other:?}"),
        }
    };
    clients.iter().map(decide).collect()
}

const CLIENTS: [&str; 4] = ["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.9", "2001:db8::1"];

#[test]
fn with_a_list_of_who_may_pass_nobody_else_does() {
    let policies = json!([{ "name": "a", "access": { "allow": [
        { "networks": ["10.0.0.0/8"] }, { "networks": ["2001:db8::/32"] } ] } }]);
    assert_eq!(decided(&policies, "GET", &CLIENTS), [None, None, Some(0), None]);
}

#[test]
fn who_is_denied_does_not_pass_even_if_allowed() {
    let policies = json!([{ "name": "a", "access": {
        "allow": [{ "networks": ["10.0.0.0/8", "192.0.2.0/24"] }],
        "deny": [{ "networks": ["10.1.0.0/16"] }] } }]);
    let denied = Some(0);
    assert_eq!(decided(&policies, "GET", &CLIENTS), [denied, denied, None, denied]);
}

#[test]
fn without_a_list_all_pass_but_who_is_denied() {
    let policies = json!([{ "name": "a", "access": { "deny": [
        { "networks": ["192.0.2.0/24"], "methods": ["POST", "DELETE"] } ] } }]);
    assert_eq!(decided(&policies, "GET", &CLIENTS), [None; 4]);
    assert_eq!(decided(&policies, "POST", &CLIENTS), [None, None, Some(0), None]);
}

#[test]
fn all_policies_of_a_route_must_agree_and_the_first_that_does_not_is_noted() {
    let policies = json!([
        { "name": "a", "access": { "allow": [{ "methods": ["GET"] }] } },
        { "name": "l", "limit": { "rate": "1/s" } },
        { "name": "b", "access": { "deny": [{ "networks": ["10.0.0.0/8"] }] } },
    ]);
    assert_eq!(decided(&policies, "GET", &CLIENTS), [Some(2), Some(2), None, None]);
    assert_eq!(decided(&policies, "PUT", &CLIENTS), [Some(0); 4]);
}
