use marchproxy_identity::Secret;
use marchproxy_identity::jwt::{Algorithm, Refused, Rules};
use marchproxy_identity::keys::{Key, KeyFault, KeySet};
use serde_json::json;

use super::maker::{Issuer, World, claims, set};

#[test]
fn old_and_new_keys_overlap_until_the_old_one_is_retired() {
    let (old, new) = (Issuer::new("2023"), Issuer::new("2024"));
    let mut world = World::of(&[&old, &new]);
    let tokens = [old.sign(&claims(&json!({}))), new.sign(&claims(&json!({})))];
    assert_eq!(tokens.each_ref().map(|token| world.refused(token)), [None, None]);
    world.keys = set(&[&new]);
    let refused = tokens.each_ref().map(|token| world.refused(token));
    assert_eq!(refused, [Some(Refused::UnknownKey), None]);
}

#[test]
fn two_keys_of_one_name_are_both_tried() {
    let (one, other) = (Issuer::new("same"), Issuer::new("same"));
    let world = World::of(&[&one, &other]);
    for issuer in [&one, &other] {
        assert_eq!(world.refused(&issuer.sign(&claims(&json!({})))), None);
    }
}

#[test]
fn a_named_token_is_not_tried_with_keys_of_other_names() {
    let (one, other) = (Issuer::new("one"), Issuer::new("other"));
    let world = World::of(&[&one, &other]);
    let claims = claims(&json!({}));
    let misnamed = one.sign_with(&json!({ "alg": "ES256", "kid": "other" }), &claims);
    assert_eq!(world.refused(&misnamed), Some(Refused::BadSignature));
    let unknown = one.sign_with(&json!({ "alg": "ES256", "kid": "third" }), &claims);
    assert_eq!(world.refused(&unknown), Some(Refused::UnknownKey));
}

#[test]
fn a_key_without_a_name_takes_tokens_of_any() {
    let issuer = Issuer::new("a");
    let mut world = World::of(&[]);
    world.keys = KeySet::new([Key::public(issuer.public(), None, None).unwrap()]);
    assert_eq!(world.refused(&issuer.sign(&claims(&json!({})))), None);
}

#[test]
fn a_token_without_a_name_is_tried_with_four_keys_and_no_more() {
    let issuers: Vec<_> = ["a", "b", "c", "d", "e"].map(Issuer::new).into();
    let world = World::of(&issuers.iter().collect::<Vec<_>>());
    let nameless =
        |issuer: &Issuer| issuer.sign_with(&json!({ "alg": "ES256" }), &claims(&json!({})));
    let refused: Vec<_> = issuers.iter().map(|issuer| world.refused(&nameless(issuer))).collect();
    assert_eq!(refused, [None, None, None, None, Some(Refused::BadSignature)]);
}

#[test]
fn keys_that_cannot_have_signed_do_not_count_as_tries() {
    let issuer = Issuer::new("last");
    let mut secrets: Vec<_> =
        (0..9).map(|n| Key::shared(Secret::new([n; 64]), None, None).unwrap()).collect();
    secrets.push(issuer.key());
    let mut world = World::of(&[]);
    world.keys = KeySet::new(secrets);
    let token = issuer.sign_with(&json!({ "alg": "ES256" }), &claims(&json!({})));
    assert_eq!(world.refused(&token), None);
}

#[test]
fn a_shared_secret_is_as_long_as_its_hash_and_no_public_key() {
    let shared = |bytes: &[u8], algorithm| Key::shared(Secret::new(bytes), None, algorithm);
    assert_eq!(shared(&[1; 31], None).unwrap_err(), KeyFault::ShortSecret);
    assert_eq!(shared(&[1; 47], Some(Algorithm::Hs384)).unwrap_err(), KeyFault::Algorithm);
    assert_eq!(shared(&[1; 64], Some(Algorithm::Es256)).unwrap_err(), KeyFault::Algorithm);
    let pem = b"\n-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";
    assert_eq!(shared(pem, None).unwrap_err(), KeyFault::SecretIsPem);
    assert!(shared(&[1; 64], None).unwrap().algorithms().has(Algorithm::Hs512));
    assert!(!shared(&[1; 32], None).unwrap().algorithms().has(Algorithm::Hs384));
}

#[test]
fn a_key_is_known_by_all_that_matters_of_it() {
    let issuer = Issuer::new("a");
    let digest = |kid, algorithm| *Key::public(issuer.public(), kid, algorithm).unwrap().digest();
    assert_eq!(digest(Some("a"), None), *issuer.key().digest());
    assert_ne!(digest(Some("b"), None), *issuer.key().digest());
    assert_ne!(digest(None, None), digest(Some(""), None));
    assert_eq!(digest(None, None), digest(None, Some(Algorithm::Es256)));
    assert_eq!(KeySet::new([issuer.key(), issuer.key()]).len(), 1);
}

#[test]
fn no_secret_is_shown() {
    let key = Key::shared(Secret::new(*b"0123456789abcdef0123456789abcdef"), Some("a"), None);
    let shown = format!("{:?} {:?}", key.clone(), KeySet::new(key));
    assert!(!shown.contains("0123") && !shown.contains("48, 49"), "{shown}");
}

#[test]
fn a_failed_signature_leaves_no_error_behind_for_others_on_the_thread() {
    let (one, other) = (Issuer::new("same"), Issuer::new("same"));
    let world = World { rules: Rules::default(), ..World::of(&[&one]) };
    let good = other.sign(&claims(&json!({})));
    let (signed, _) = good.rsplit_once('.').unwrap();
    let zeros = format!("{signed}.{}", "A".repeat(86));
    for token in [&good, &zeros] {
        assert_eq!(world.refused(token), Some(Refused::BadSignature));
        assert!(boring::error::ErrorStack::get().errors().is_empty());
    }
}
