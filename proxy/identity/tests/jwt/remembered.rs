use std::sync::Arc;
use std::time::Duration;

use marchproxy_identity::jwt::{Refused, Rules, Verified};
use marchproxy_identity::{HashKey, Limits, Remembered, Secret};
use serde_json::json;

use super::maker::{Issuer, NOW, World, claims, now, set};

fn remembered(entries: usize) -> Remembered {
    let key = HashKey::new(Secret::new([7; 32])).unwrap();
    Remembered::new(key, Limits { entries, bytes: 1 << 20 })
}

fn verify(remembered: &Remembered, token: &str, world: &World) -> Result<Arc<Verified>, Refused> {
    remembered.verify(token.as_bytes(), &world.check())
}

#[test]
fn a_signature_is_verified_once() {
    let issuer = Issuer::new("a");
    let (world, remembered) = (World::of(&[&issuer]), remembered(100));
    let token = issuer.sign(&claims(&json!({})));
    let first = verify(&remembered, &token, &world).unwrap();
    let again = verify(&remembered, &token, &world).unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    assert_eq!(remembered.figures().entries, 1);
}

#[test]
fn it_is_forgotten_when_it_expires() {
    let issuer = Issuer::new("a");
    let (mut world, remembered) = (World::of(&[&issuer]), remembered(100));
    let token = issuer.sign(&claims(&json!({})));
    verify(&remembered, &token, &world).unwrap();
    world.now = NOW + Duration::from_mins(10) + world.rules.leeway;
    assert_eq!(verify(&remembered, &token, &world), Err(Refused::Expired));
    assert_eq!(remembered.figures().entries, 0);
    assert_eq!(verify(&remembered, &token, &world), Err(Refused::Expired));
}

#[test]
fn times_are_looked_at_each_time_even_when_the_clock_is_set_back() {
    let issuer = Issuer::new("a");
    let (mut world, remembered) = (World::of(&[&issuer]), remembered(100));
    let token = issuer.sign(&claims(&json!({ "nbf": now() })));
    verify(&remembered, &token, &world).unwrap();
    world.now = NOW - Duration::from_hours(1);
    assert_eq!(verify(&remembered, &token, &world), Err(Refused::NotYet));
}

#[test]
fn it_is_of_no_use_when_its_key_is_withdrawn() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let (mut world, remembered) = (World::of(&[&old, &new]), remembered(100));
    let token = old.sign(&claims(&json!({})));
    verify(&remembered, &token, &world).unwrap();
    world.keys = set(&[&new]);
    assert_eq!(verify(&remembered, &token, &world), Err(Refused::UnknownKey));
    remembered.tidy(NOW, |digest| world.keys.has(digest));
    assert_eq!(remembered.figures().entries, 0);
}

/// Another key with the name of the one that was withdrawn.
#[test]
fn a_key_of_the_same_name_is_not_the_same_key() {
    let (old, new) = (Issuer::new("same"), Issuer::new("same"));
    let (mut world, remembered) = (World::of(&[&old]), remembered(100));
    let token = old.sign(&claims(&json!({})));
    verify(&remembered, &token, &world).unwrap();
    world.keys = set(&[&new]);
    assert_eq!(verify(&remembered, &token, &world), Err(Refused::BadSignature));
}

#[test]
fn what_is_good_by_some_rules_is_not_good_by_others() {
    let issuer = Issuer::new("a");
    let (mut world, remembered) = (World::of(&[&issuer]), remembered(100));
    let token = issuer.sign(&claims(&json!({ "jti": "1" })));
    verify(&remembered, &token, &world).unwrap();
    world.rules = Rules { audiences: vec!["shop".into()], ..Rules::default() };
    assert_eq!(verify(&remembered, &token, &world), Err(Refused::Audience));
    world.rules =
        Rules { algorithms: marchproxy_identity::jwt::Algorithms::SHARED, ..Rules::default() };
    assert_eq!(verify(&remembered, &token, &world), Err(Refused::Algorithm));
    world.rules = Rules::default();
    world.revoked.ids.insert("1".into());
    assert_eq!(verify(&remembered, &token, &world), Err(Refused::Revoked));
    world.revoked.ids.clear();
    assert!(verify(&remembered, &token, &world).is_ok());
}

#[test]
fn what_was_refused_is_not_remembered() {
    let issuer = Issuer::new("a");
    let (world, remembered) = (World::of(&[&issuer]), remembered(100));
    let token = issuer.sign(&claims(&json!({ "exp": now() - 600 })));
    for _ in 0..2 {
        assert_eq!(verify(&remembered, &token, &world), Err(Refused::Expired));
    }
    let forged = Issuer::new("a").sign(&claims(&json!({})));
    assert_eq!(verify(&remembered, &forged, &world), Err(Refused::BadSignature));
    assert_eq!(remembered.figures().entries, 0);
}

#[test]
fn a_token_that_differs_in_a_letter_is_another_one() {
    let issuer = Issuer::new("a");
    let (world, remembered) = (World::of(&[&issuer]), remembered(100));
    let token = issuer.sign(&claims(&json!({})));
    verify(&remembered, &token, &world).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{signed}.{other}{}", &signature[1..]);
    assert_eq!(verify(&remembered, &forged, &world), Err(Refused::BadSignature));
}

#[test]
fn however_many_tokens_there_are_few_are_remembered() {
    let issuer = Issuer::new("a");
    let (world, remembered) = (World::of(&[&issuer]), remembered(32));
    for number in 0..300 {
        let token = issuer.sign(&claims(&json!({ "jti": number.to_string() })));
        verify(&remembered, &token, &world).unwrap();
    }
    assert!(remembered.figures().entries <= 32);
    assert!(remembered.figures().evictions >= 300 - 32);
}

#[test]
fn an_expired_token_that_nobody_asks_for_is_forgotten_when_tidied() {
    let issuer = Issuer::new("a");
    let (world, remembered) = (World::of(&[&issuer]), remembered(32));
    verify(&remembered, &issuer.sign(&claims(&json!({}))), &world).unwrap();
    let end = NOW + Duration::from_mins(10) + world.rules.leeway;
    remembered.tidy(end - Duration::from_secs(1), |_| true);
    assert_eq!(remembered.figures().entries, 1);
    remembered.tidy(end, |_| true);
    assert_eq!(remembered.figures().entries, 0);
}
