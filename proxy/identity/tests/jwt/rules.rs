use std::time::Duration;

use marchproxy_identity::jwt::{Algorithm, Algorithms, Refused, Required, Rules};
use serde_json::{Value, json};

use super::maker::{Issuer, NOW, World, claims, now};

fn refused_by(rules: Rules, more: &Value) -> Option<Refused> {
    let issuer = Issuer::new("a");
    let world = World { rules, ..World::of(&[&issuer]) };
    world.refused(&issuer.sign(&claims(more)))
}

fn required(path: &str, values: &[&str]) -> Rules {
    let values = values.iter().map(|value| (*value).into()).collect();
    Rules { required: vec![Required { path: path.into(), values }], ..Rules::default() }
}

#[test]
fn an_algorithm_has_to_be_among_those_of_the_rules() {
    let of = |algorithm| Rules { algorithms: Algorithms::of(&[algorithm]), ..Rules::default() };
    assert_eq!(refused_by(of(Algorithm::Es256), &json!({})), None);
    assert_eq!(refused_by(of(Algorithm::Es384), &json!({})), Some(Refused::Algorithm));
}

#[test]
fn hmacs_are_not_taken_unless_the_rules_say_so() {
    assert!(Rules::default().algorithms.and(Algorithms::SHARED).is_empty());
}

#[test]
fn claims_have_to_be_there_or_to_be_one_of_some_values() {
    let role = json!({ "realm": { "roles": ["buyer", "clerk"] }, "verified": true, "none": null });
    for (path, values, is_met) in [
        ("realm.roles", &["clerk", "admin"][..], true),
        ("realm.roles", &["admin"], false),
        ("verified", &["true"], true),
        ("verified", &["false"], false),
        ("realm", &[], true),
        ("none", &[], false),
        ("missing", &[], false),
    ] {
        let expected = (!is_met).then_some(Refused::Claims);
        assert_eq!(refused_by(required(path, values), &role), expected, "{path} {values:?}");
    }
}

/// Keycloak says in a claim what kind of token it is.
#[test]
fn a_refresh_token_is_told_by_a_claim_too() {
    let rules = required("typ", &["Bearer"]);
    assert_eq!(refused_by(rules.clone(), &json!({ "typ": "Bearer" })), None);
    for kind in ["Refresh", "ID", "Offline"] {
        assert_eq!(refused_by(rules.clone(), &json!({ "typ": kind })), Some(Refused::Claims));
    }
}

#[test]
fn all_scopes_have_to_be_granted() {
    let rules = Rules { scopes: vec!["read".into(), "write".into()], ..Rules::default() };
    assert_eq!(refused_by(rules.clone(), &json!({ "scope": "write x read" })), None);
    assert_eq!(refused_by(rules.clone(), &json!({ "scp": ["read", "write"] })), None);
    for granted in [json!({}), json!({ "scope": "read" }), json!({ "scope": "readwrite reads" })] {
        assert_eq!(refused_by(rules.clone(), &granted), Some(Refused::Scope), "{granted}");
    }
}

#[test]
fn a_type_that_is_asked_for_has_to_be_said() {
    let issuer = Issuer::new("a");
    let mut world = World::of(&[&issuer]);
    let token = |kind: Option<&str>| {
        let header = match kind {
            Some(kind) => json!({ "alg": "ES256", "typ": kind }),
            None => json!({ "alg": "ES256" }),
        };
        issuer.sign_with(&header, &claims(&json!({})))
    };
    world.rules.types = Some(vec!["at+jwt".into()]);
    assert_eq!(world.refused(&token(Some("at+jwt"))), None);
    assert_eq!(world.refused(&token(Some("Application/AT+JWT"))), None);
    for other in [None, Some("JWT"), Some("at+jw"), Some("application/"), Some("")] {
        assert_eq!(world.refused(&token(other)), Some(Refused::Type), "{other:?}");
    }
    world.rules.types = Some(vec!["application/logout+jwt".into()]);
    assert_eq!(world.refused(&token(Some("logout+jwt"))), None);
}

#[test]
fn times_have_sharp_edges() {
    let leeway = Duration::from_secs(5);
    let rules = || Rules { leeway, ..Rules::default() };
    let refused = |more: Value| refused_by(rules(), &more);
    assert_eq!(refused(json!({ "exp": now() - 4 })), None);
    assert_eq!(refused(json!({ "exp": now() - 5 })), Some(Refused::Expired));
    assert_eq!(refused(json!({ "nbf": now() + 5 })), None);
    assert_eq!(refused(json!({ "nbf": now() + 6 })), Some(Refused::NotYet));
    assert_eq!(refused(json!({ "iat": now() + 6 })), Some(Refused::NotYet));
    assert_eq!(refused_by(Rules { leeway: Duration::MAX, ..Rules::default() }, &json!({})), None);
}

#[test]
fn the_clock_may_have_fractions() {
    let issuer = Issuer::new("a");
    let mut world = World::of(&[&issuer]);
    world.rules.leeway = Duration::ZERO;
    let token = issuer.sign(&claims(&json!({ "exp": NOW.as_secs_f64() + 0.5 })));
    for (millis, refused) in [(499, None), (500, Some(Refused::Expired))] {
        world.now = NOW + Duration::from_millis(millis);
        assert_eq!(world.refused(&token), refused, "{millis}");
    }
}

#[test]
fn a_token_may_be_too_old_although_it_has_not_expired() {
    let max_age = Some(Duration::from_mins(1));
    let rules = || Rules { max_age, leeway: Duration::ZERO, ..Rules::default() };
    assert_eq!(refused_by(rules(), &json!({ "iat": now() - 59 })), None);
    assert_eq!(refused_by(rules(), &json!({ "iat": now() - 60 })), Some(Refused::Expired));
    let issuer = Issuer::new("a");
    let world = World { rules: rules(), ..World::of(&[&issuer]) };
    let silent = issuer.sign(&json!({ "exp": now() + 600 }));
    assert_eq!(world.refused(&silent), Some(Refused::Malformed));
}

#[test]
fn what_was_taken_back_is_refused() {
    let issuer = Issuer::new("a");
    let mut world = World::of(&[&issuer]);
    let token = |more: Value| issuer.sign(&claims(&more));
    world.revoked.ids.insert("1".into());
    assert_eq!(world.refused(&token(json!({ "jti": "1" }))), Some(Refused::Revoked));
    assert_eq!(world.refused(&token(json!({ "jti": "2" }))), None);
}

/// A role or a password that was changed, an account that was disabled.
#[test]
fn tokens_of_before_a_subject_changed_are_refused() {
    let issuer = Issuer::new("a");
    let mut world = World::of(&[&issuer]);
    world.revoked.subjects.insert("alice".into(), NOW);
    let token = |more: Value| issuer.sign(&claims(&more));
    assert_eq!(world.refused(&token(json!({ "iat": now() - 1 }))), Some(Refused::Revoked));
    assert_eq!(world.refused(&token(json!({ "iat": now() }))), None);
    assert_eq!(world.refused(&token(json!({ "sub": "bob", "iat": now() - 1 }))), None);
    let silent = issuer.sign(&json!({ "sub": "alice", "exp": now() + 600 }));
    assert_eq!(world.refused(&silent), Some(Refused::Revoked));
}
