//! Tokens and keys for tests, made with `BoringSSL` itself.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use boring::ec::{EcGroup, EcKey};
use boring::ecdsa::EcdsaSig;
use boring::nid::Nid;
use boring::pkey::{PKey, Private, Public};
use boring::sha::sha256;
use marchproxy_identity::jwt::{Check, Refused, Revoked, Rules, Verified};
use marchproxy_identity::keys::{Key, KeySet};
use serde_json::{Value, json};

pub const NOW: Duration = Duration::from_secs(1_730_882_977);

pub fn now() -> u64 {
    NOW.as_secs()
}

/// Who signs.
pub struct Issuer {
    key: EcKey<Private>,
    pub kid: &'static str,
}

impl Issuer {
    pub fn new(kid: &'static str) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        Self { key: EcKey::generate(&group).unwrap(), kid }
    }

    pub fn public(&self) -> PKey<Public> {
        let key = PKey::from_ec_key(self.key.clone()).unwrap();
        PKey::public_key_from_der(&key.public_key_to_der().unwrap()).unwrap()
    }

    pub fn key(&self) -> Key {
        Key::public(self.public(), Some(self.kid), None).unwrap()
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(&json!({ "alg": "ES256", "kid": self.kid }), claims)
    }

    pub fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (header, claims) = (header.to_string(), claims.to_string());
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let pair = EcdsaSig::sign(&sha256(signed.as_bytes()), &self.key).unwrap();
        let pair = [pair.r(), pair.s()].map(|half| half.to_vec_padded(32).unwrap()).concat();
        format!("{signed}.{}", encode(&pair))
    }
}

pub fn set(issuers: &[&Issuer]) -> KeySet {
    KeySet::new(issuers.iter().map(|issuer| issuer.key()))
}

/// All that a token is checked with.
pub struct World {
    pub keys: KeySet,
    pub rules: Rules,
    pub revoked: Revoked,
    pub now: Duration,
}

impl World {
    pub fn of(issuers: &[&Issuer]) -> Self {
        let (rules, revoked) = (Rules::default(), Revoked::default());
        Self { keys: set(issuers), rules, revoked, now: NOW }
    }

    pub fn check(&self) -> Check<'_> {
        let Self { keys, rules, revoked, now } = self;
        Check { keys, rules, revoked, now: *now }
    }

    pub fn verify(&self, token: &str) -> Result<Verified, Refused> {
        self.check().verify(token.as_bytes())
    }

    pub fn refused(&self, token: &str) -> Option<Refused> {
        self.verify(token).err()
    }
}

/// Those of a token that is good for ten minutes, and `more`.
pub fn claims(more: &Value) -> Value {
    let mut claims = json!({ "sub": "alice", "iat": now(), "exp": now() + 600 });
    let all = claims.as_object_mut().unwrap();
    for (name, value) in more.as_object().unwrap() {
        all.insert(name.clone(), value.clone());
    }
    claims
}
