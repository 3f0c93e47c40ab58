//! What it costs a request to say who it comes from: with a token that was verified before, with one
//! that was not, and with an API key.
#![expect(clippy::unwrap_used, reason = "a benchmark may stop at once")]

use std::hint::black_box;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use boring::ec::{EcGroup, EcKey};
use boring::ecdsa::EcdsaSig;
use boring::nid::Nid;
use boring::pkey::{PKey, Private};
use boring::sha::sha256;
use criterion::{Criterion, criterion_group, criterion_main};
use marchproxy_identity::api_key::{Entry, NewKey, RANDOM, Table};
use marchproxy_identity::jwt::{Check, Required, Revoked, Rules};
use marchproxy_identity::keys::{Key, KeySet};
use marchproxy_identity::{HashKey, Limits, Remembered, Secret};

const NOW: Duration = Duration::from_secs(1_730_882_977);
/// Like those of Keycloak, with fewer roles: about 700 bytes of token.
const CLAIMS: &str = r#"{"exp":1730883277,"iat":1730882970,"jti":"0b6c1f0e-3c1a-4d0c-9a53-0f9f5a4b8f11","iss":"https://login.example.com/realms/shop","aud":["orders","account"],"sub":"5d1f2a0e-8c55-4b4b-9f0a-0d4f4a1c7d11","typ":"Bearer","azp":"web","acr":"1","realm_access":{"roles":["buyer","clerk","offline_access"]},"scope":"openid orders:read orders:write","email_verified":true,"preferred_username":"alice"}"#;

fn hash_key() -> HashKey {
    HashKey::new(Secret::new([7; 32])).unwrap()
}

fn sign(key: &EcKey<Private>, claims: &str) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = r#"{"alg":"ES256","typ":"at+jwt","kid":"2024-11"}"#;
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let pair = EcdsaSig::sign(&sha256(signed.as_bytes()), key).unwrap();
    let pair = [pair.r(), pair.s()].map(|half| half.to_vec_padded(32).unwrap()).concat();
    format!("{signed}.{}", encode(&pair))
}

fn rules() -> Rules {
    Rules {
        issuers: vec!["https://login.example.com/realms/shop".into()],
        audiences: vec!["orders".into()],
        required: vec![Required {
            path: "realm_access.roles".into(),
            values: vec!["clerk".into()],
        }],
        scopes: vec!["orders:read".into(), "orders:write".into()],
        ..Rules::default()
    }
}

fn tokens(criterion: &mut Criterion) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let private = EcKey::generate(&group).unwrap();
    let der = PKey::from_ec_key(private.clone()).unwrap().public_key_to_der().unwrap();
    let public = PKey::public_key_from_der(&der).unwrap();
    let keys = KeySet::new([Key::public(public, Some("2024-11"), None).unwrap()]);
    let (rules, revoked) = (rules(), Revoked::default());
    let check = Check { keys: &keys, rules: &rules, revoked: &revoked, now: NOW };
    let remembered = Remembered::new(hash_key(), Limits { entries: 20_000, bytes: 256 << 20 });
    for number in 0..10_000 {
        let token = sign(&private, &CLAIMS.replace("0b6c1f0e", &format!("{number:08x}")));
        remembered.verify(token.as_bytes(), &check).unwrap();
    }
    let token = sign(&private, CLAIMS);
    criterion.bench_function("identity: JWT verified before", |bencher| {
        bencher.iter(|| remembered.verify(black_box(token.as_bytes()), &check).unwrap());
    });
    criterion.bench_function("identity: JWT seen first, ES256", |bencher| {
        bencher.iter(|| check.verify(black_box(token.as_bytes())).unwrap());
    });
    let forged = token.replace('.', "A.");
    criterion.bench_function("identity: JWT that is none", |bencher| {
        bencher.iter(|| remembered.verify(black_box(forged.as_bytes()), &check).unwrap_err());
    });
}

fn new_key(number: u32) -> NewKey {
    let mut random = [0; RANDOM];
    for (block, bytes) in random.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        *bytes = sha256(format!("{number} {block}").as_bytes());
    }
    NewKey::new(&mut random)
}

fn api_keys(criterion: &mut Criterion) {
    let key = hash_key();
    let entry = |number| {
        let new = new_key(number);
        let hash = new.hash(&key).unwrap();
        Entry { id: new.id().into(), hash, expires: None, owner: number }
    };
    let table = Table::new(key.clone(), (0..10_000).map(entry)).unwrap();
    let new = new_key(17);
    criterion.bench_function("identity: API key", |bencher| {
        bencher.iter(|| table.find(black_box(new.text().as_bytes()), NOW).unwrap());
    });
}

criterion_group!(benches, tokens, api_keys);
criterion_main!(benches);
