//! Tokens that `PyJWT` made, and attacks on them: `vectors.py` says how.

use std::collections::HashMap;
use std::time::Duration;

use marchproxy_identity::jwt::{Algorithm, Algorithms, Check, Refused, Revoked, Rules};
use marchproxy_identity::keys::{Key, KeySet, Oct, parse_jwks, parse_pem};
use marchproxy_identity::{HashKey, Limits, Remembered, Secret};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub struct Vectors {
    pub now: u64,
    leeway: u64,
    secret: String,
    jwks: Value,
    pem: HashMap<String, String>,
    certificate: String,
    pub valid: Vec<Case>,
    attacks: Vec<Case>,
}

#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    pub token: String,
    refused: Option<String>,
}

pub fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors.json")).unwrap()
}

impl Vectors {
    pub fn keys(&self) -> KeySet {
        let jwks = parse_jwks(self.jwks.to_string().as_bytes(), Oct::Skipped).unwrap();
        assert!(jwks.skipped.is_empty(), "{:?}", jwks.skipped);
        let secret = Secret::new(self.secret.as_bytes());
        let shared = Key::shared(secret, Some("hmac"), None).unwrap();
        KeySet::new(jwks.keys.into_iter().chain([shared]))
    }

    pub fn rules(&self) -> Rules {
        Rules {
            algorithms: Algorithms::of(&Algorithm::ALL),
            issuers: vec!["https://issuer.example".into()],
            audiences: vec!["shop".into()],
            leeway: Duration::from_secs(self.leeway),
            ..Rules::default()
        }
    }

    pub const fn now(&self) -> Duration {
        Duration::from_secs(self.now)
    }

    fn refused(&self, keys: &KeySet, token: &str) -> Option<Refused> {
        let (rules, revoked) = (self.rules(), Revoked::default());
        let check = Check { keys, rules: &rules, revoked: &revoked, now: self.now() };
        check.verify(token.as_bytes()).err()
    }
}

#[test]
fn tokens_of_every_algorithm_are_taken() {
    let vectors = vectors();
    let keys = vectors.keys();
    for case in &vectors.valid {
        assert_eq!(vectors.refused(&keys, &case.token), None, "{}", case.name);
    }
    let names: Vec<_> = vectors.valid.iter().map(|case| &*case.name).collect();
    assert!(Algorithm::ALL.iter().all(|algorithm| names.contains(&algorithm.name())));
}

#[test]
fn every_attack_is_refused_for_its_reason() {
    let vectors = vectors();
    let keys = vectors.keys();
    let mut wrong = Vec::new();
    for case in &vectors.attacks {
        let refused = vectors.refused(&keys, &case.token).map(Refused::reason);
        if refused != case.refused.as_deref() {
            wrong.push(format!("{}: {refused:?}, not {:?}", case.name, case.refused));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(vectors.attacks.len() > 150);
}

#[test]
fn no_attack_is_remembered_as_good() {
    let vectors = vectors();
    let (keys, rules, revoked) = (vectors.keys(), vectors.rules(), Revoked::default());
    let check = Check { keys: &keys, rules: &rules, revoked: &revoked, now: vectors.now() };
    let key = HashKey::new(Secret::new([7; 32])).unwrap();
    let remembered = Remembered::new(key, Limits { entries: 1000, bytes: 1 << 20 });
    for case in vectors.attacks.iter().chain(&vectors.attacks) {
        let refused = remembered.verify(case.token.as_bytes(), &check).err();
        assert_eq!(refused.map(Refused::reason), case.refused.as_deref(), "{}", case.name);
    }
    assert_eq!(remembered.figures().entries, 0);
}

#[test]
fn no_token_is_taken_with_the_keys_of_others() {
    let vectors = vectors();
    let stranger = super::maker::Issuer::new("p256");
    let keys = KeySet::new([stranger.key()]);
    for case in vectors.valid.iter().chain(&vectors.attacks) {
        assert!(vectors.refused(&keys, &case.token).is_some(), "{}", case.name);
        assert!(vectors.refused(&KeySet::default(), &case.token).is_some(), "{}", case.name);
    }
}

#[test]
fn keys_in_pem_are_the_same_as_those_of_the_set() {
    let vectors = vectors();
    let key = |(kid, pem): (&String, &String)| parse_pem(pem.as_bytes(), Some(kid), None).unwrap();
    let keys = KeySet::new(vectors.pem.iter().map(key));
    let is_of_a_pair = |case: &&Case| !case.name.starts_with("HS");
    for case in vectors.valid.iter().filter(is_of_a_pair) {
        assert_eq!(vectors.refused(&keys, &case.token), None, "{}", case.name);
    }
}

/// Its dates are long over: who configured it vouches for the key.
#[test]
fn a_certificate_is_as_good_as_its_key() {
    let vectors = vectors();
    let parse = |pem: &str| parse_pem(pem.as_bytes(), Some("p256"), None);
    let key = parse(&vectors.certificate).unwrap();
    assert_eq!(key.digest(), parse(&vectors.pem["p256"]).unwrap().digest());
    let keys = KeySet::new([key]);
    let of_it = vectors.valid.iter().find(|case| case.name == "ES256").unwrap();
    assert_eq!(vectors.refused(&keys, &of_it.token), None);
    assert!(parse(&vectors.certificate.repeat(2)).is_err());
}

/// RFC 7515 appendices A.1 and A.3; the times of their claims are long over.
#[test]
fn the_examples_of_the_rfc_are_verified() {
    let set = r#"{"keys":[
        {"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"},
        {"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
    let keys = KeySet::new(parse_jwks(set.as_bytes(), Oct::Taken).unwrap().keys);
    let rules = Rules { algorithms: Algorithms::of(&Algorithm::ALL), ..Rules::default() };
    let (revoked, now) = (Revoked::default(), Duration::from_secs(1_300_819_379));
    let check = Check { keys: &keys, rules: &rules, revoked: &revoked, now };
    let claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    for (header, signature) in [
        ("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        (
            "eyJhbGciOiJFUzI1NiJ9",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
    ] {
        let token = format!("{header}.{claims}.{signature}");
        let verified = check.verify(token.as_bytes()).unwrap();
        assert_eq!(verified.claims.issuer(), Some("joe"));
        assert!(verified.claims.says("http://example.com/is_root", "true"));
    }
}
