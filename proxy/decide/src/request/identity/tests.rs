use serde_json::json;

use super::*;
use crate::answer;
use crate::request::{access, forward, route, sanity};
use crate::testing::{Asked, config_of_routes, exchange, try_compile};

/// The policy at 0 knows `one`, the one at 1 knows `two`, and a key that has expired.
struct Known;

impl Identify for Known {
    fn consumer(&self, policy: usize, key: &[u8], _: Duration) -> Result<Arc<str>, Reason> {
        match (policy, key) {
            (0, b"one") => Ok("acme".into()),
            (1, b"two") => Ok("globex".into()),
            (1, b"old") => Err(Reason::ApiKeyExpired),
            _ => Err(Reason::ApiKeyUnknown),
        }
    }
}

fn snapshot() -> Snapshot {
    let mut config = config_of_routes(json!([
        { "name": "guarded", "match": { "path": "/guarded" }, "upstream": "app",
          "policies": ["a", "b", "acme"],
          "request_headers": { "set": { "x-consumer": "{consumer}" } } },
        { "name": "forwarding", "match": { "path": "/forwarding" }, "upstream": "app",
          "policies": ["b"] },
        { "name": "open", "upstream": "app" },
    ]));
    let secret = json!({ "env": "NONE" });
    config.policies = serde_json::from_value(json!([
        { "name": "a", "api_keys": { "hash_key": secret } },
        { "name": "b", "api_keys": { "hash_key": secret, "header": "x-key", "forwarding": "pass" } },
        { "name": "acme", "access": { "allow": [{ "consumers": ["acme", "initech"] }] } },
    ]))
    .unwrap();
    try_compile(&config).unwrap()
}

/// What becomes of a request, as far as to whether it may pass.
fn decided(snapshot: &Snapshot, asked: &Asked) -> (Verdict, Exchange) {
    let mut exchange = exchange();
    let head = asked.head();
    let verdict = sanity::check(snapshot, &head, &mut exchange);
    let verdict = verdict.then(|| route::check(snapshot, &head, &mut exchange));
    let verdict = verdict.then(|| check(snapshot, &Known, &head, &mut exchange));
    let verdict = verdict.then(|| access::check(snapshot, &mut exchange));
    (verdict, exchange)
}

fn asked(path: &str, fields: &[(&str, &str)]) -> Asked {
    Asked::new("GET", path, &[&[("host", "a")][..], fields].concat())
}

#[test]
fn a_consumer_is_known_by_the_first_policy_whose_field_is_there() {
    let snapshot = snapshot();
    for (fields, reason, consumer, policy) in [
        (&[("x-api-key", "one")][..], None, Some("acme"), None),
        (&[("x-key", "two")], Some(Reason::AccessDenied), Some("globex"), Some(2)),
        (&[("x-api-key", "one"), ("x-key", "nonsense")], None, Some("acme"), None),
        (&[("x-api-key", "two"), ("x-key", "two")], Some(Reason::ApiKeyUnknown), None, Some(0)),
        (&[("x-key", "old")], Some(Reason::ApiKeyExpired), None, Some(1)),
        (&[], Some(Reason::IdentityMissing), None, Some(0)),
        (
            &[("x-api-key", "one"), ("x-api-key", "one")],
            Some(Reason::ApiKeyMalformed),
            None,
            Some(0),
        ),
    ] {
        let (verdict, exchange) = decided(&snapshot, &asked("/guarded", fields));
        match (verdict, reason) {
            (Verdict::Pass, None) => {}
            (Verdict::Refuse(found), Some(wanted)) => assert_eq!(found, wanted, "{fields:?}"),
            other => panic!("{fields:?}: {other:?}"),
        }
        assert_eq!(
            (exchange.consumer.as_deref(), exchange.policy),
            (consumer, policy),
            "{fields:?}"
        );
    }
    let (verdict, exchange) = decided(&snapshot, &asked("/", &[("x-api-key", "nonsense")]));
    assert!(matches!(verdict, Verdict::Pass));
    assert_eq!(exchange.consumer, None, "where nobody asks nobody is known");
}

#[test]
fn the_upstream_gets_who_it_is_and_the_key_only_if_it_is_to() {
    let snapshot = snapshot();
    let forwarded = |asked: &Asked| {
        let (verdict, mut exchange) = decided(&snapshot, asked);
        assert!(matches!(verdict, Verdict::Pass));
        let mut headers = asked.headers.clone();
        forward::prepare(&snapshot, &asked.head(), &mut exchange, &mut headers);
        headers
    };
    let fields = [("x-api-key", "one"), ("x-consumer", "forged")];
    let headers = forwarded(&asked("/guarded", &fields));
    assert_eq!(headers["x-consumer"], "acme");
    assert!(!headers.contains_key("x-api-key"));
    let headers = forwarded(&asked("/forwarding", &[("x-key", "two")]));
    assert_eq!(headers["x-key"], "two");
    let headers = forwarded(&asked("/", &[("x-api-key", "one")]));
    assert_eq!(headers["x-api-key"], "one", "on other routes it is a field like others");
}

#[test]
fn who_is_not_known_is_told_how_to_say_who_it_is() {
    let snapshot = snapshot();
    let (_, exchange) = decided(&snapshot, &asked("/guarded", &[]));
    let refused = answer::refusal(&snapshot, &exchange, Reason::IdentityMissing);
    assert_eq!(refused.status, 401);
    assert_eq!(refused.headers["www-authenticate"], "ApiKey realm=\"marchproxy\"");
    let refused = answer::refusal(&snapshot, &exchange, Reason::AccessDenied);
    assert!(!refused.headers.contains_key("www-authenticate"));
}
