use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use boring::ec::{EcGroup, EcKey};
use boring::nid::Nid;
use boring::pkey::{PKey, Private};
use boring::rsa::Rsa;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::jwt::Algorithm;

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa_key(bits: u32) -> Value {
    let key = Rsa::generate(bits).unwrap();
    json!({ "kty": "RSA", "n": encode(&key.n().to_vec()), "e": encode(&key.e().to_vec()) })
}

/// A modulus of so many bits; nobody has its factors.
fn modulus(bits: usize) -> String {
    let mut bytes = vec![0x5a; bits.div_ceil(8)];
    let high = 1 << ((bits + 7) % 8);
    bytes[0] = (bytes[0] % high) | high;
    *bytes.last_mut().unwrap() |= 1;
    encode(&bytes)
}

/// RFC 7515 appendix A.3.
fn ec_key() -> Value {
    json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    })
}

fn with(mut key: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        key[name] = value.clone();
    }
    key
}

fn parse(keys: &[Value]) -> Result<Jwks, JwksFault> {
    parse_jwks(json!({ "keys": keys }).to_string().as_bytes(), Oct::Skipped)
}

fn skipped(key: Value) -> Option<Why> {
    let jwks = parse(&[key]).unwrap();
    assert_eq!(jwks.keys.len() + jwks.skipped.len(), 1);
    jwks.skipped.first().map(|skipped| skipped.why)
}

#[test]
fn a_set_of_ten_megabytes_is_refused_unread() {
    let huge = vec![b' '; 10 * 1024 * 1024];
    assert_eq!(parse_jwks(&huge, Oct::Skipped).unwrap_err(), JwksFault::TooLarge);
    let mut fits = json!({ "keys": [ec_key()] }).to_string();
    fits.push_str(&" ".repeat(LARGEST_JWKS - fits.len()));
    assert!(parse_jwks(fits.as_bytes(), Oct::Skipped).is_ok());
    fits.push(' ');
    assert_eq!(parse_jwks(fits.as_bytes(), Oct::Skipped).unwrap_err(), JwksFault::TooLarge);
}

#[test]
fn a_set_has_a_hundred_keys_at_most() {
    let key = json!({ "kty": "EC", "crv": "P-256" });
    assert!(parse(&vec![key.clone(); 100]).is_ok());
    assert_eq!(parse(&vec![key; 101]).unwrap_err(), JwksFault::TooMany);
}

#[test]
fn what_is_no_set_is_refused() {
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, r#"{"keys":[],"keys":[]}"#] {
        let refused = parse_jwks(text.as_bytes(), Oct::Skipped).unwrap_err();
        assert_eq!(refused, JwksFault::Malformed, "{text}");
    }
    assert!(parse(&[]).unwrap().keys.is_empty());
}

#[test]
fn a_set_with_a_private_key_is_refused_as_a_whole() {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        let private = with(ec_key(), &json!({ member: "AQAB" }));
        assert_eq!(parse(&[ec_key(), private]).unwrap_err(), JwksFault::Private(1), "{member}");
    }
    let unknown = json!({ "kty": "AKP", "d": "AQAB" });
    assert_eq!(parse(&[unknown]).unwrap_err(), JwksFault::Private(0));
}

#[test]
fn one_key_that_is_of_no_use_does_no_harm_to_others() {
    let jwks = parse(&[json!({ "kty": "AKP", "kid": "pq" }), ec_key()]).unwrap();
    assert_eq!(jwks.keys.len(), 1);
    let expected = Skipped { position: 0, kid: Some("pq".into()), why: Why::Kind };
    assert_eq!(jwks.skipped, [expected]);
}

#[test]
fn keys_for_something_else_are_skipped() {
    for more in [
        json!({ "use": "sig" }),
        json!({ "key_ops": ["verify"] }),
        json!({ "alg": "ES256", "x5c": ["MIIB"], "unknown": 1 }),
    ] {
        assert_eq!(skipped(with(ec_key(), &more)), None, "{more}");
    }
    for (more, why) in [
        (json!({ "use": "enc" }), Why::Use),
        (json!({ "use": 1 }), Why::Member),
        (json!({ "key_ops": ["encrypt"] }), Why::Use),
        (json!({ "key_ops": "verify" }), Why::Use),
        (json!({ "alg": "ECDH-ES" }), Why::Algorithm),
        (json!({ "alg": "none" }), Why::Algorithm),
        (json!({ "alg": "HS256" }), Why::Key(KeyFault::Algorithm)),
        (json!({ "alg": "ES384" }), Why::Key(KeyFault::Algorithm)),
        (json!({ "kid": 1 }), Why::Member),
    ] {
        assert_eq!(skipped(with(ec_key(), &more)), Some(why), "{more}");
    }
}

#[test]
fn a_key_with_an_algorithm_is_used_with_no_other() {
    let keys = parse(&[with(rsa_key(2048), &json!({ "alg": "PS384" }))]).unwrap().keys;
    let able: Vec<_> =
        Algorithm::ALL.into_iter().filter(|one| keys[0].algorithms().has(*one)).collect();
    assert_eq!(able, [Algorithm::Ps384]);
}

#[test]
fn rsa_keys_are_neither_short_nor_huge_nor_of_an_odd_kind() {
    let key = |bits, e: &[u8]| json!({ "kty": "RSA", "n": modulus(bits), "e": encode(e) });
    for (bits, e) in
        [(2048, &[1, 0, 1][..]), (8192, &[3]), (4096, &[0, 3]), (2048, &[1, 0, 0, 0, 1])]
    {
        assert_eq!(skipped(key(bits, e)), None, "{bits} {e:?}");
    }
    for (bits, e, fault) in [
        (1024, &[1, 0, 1][..], KeyFault::RsaBits(1024)),
        (2047, &[1, 0, 1], KeyFault::RsaBits(2047)),
        (8193, &[1, 0, 1], KeyFault::RsaBits(8193)),
        (2048, &[1], KeyFault::RsaExponent),
        (2048, &[1, 0, 0], KeyFault::RsaExponent),
        (2048, &[], KeyFault::RsaExponent),
        (2048, &[1; 9], KeyFault::RsaExponent),
        (2048, &[2, 0, 0, 0, 1], KeyFault::RsaExponent),
    ] {
        assert_eq!(skipped(key(bits, e)), Some(Why::Key(fault)), "{bits} {e:?}");
    }
    let mut even = vec![0x80; 256];
    even[255] = 2;
    let even = json!({ "kty": "RSA", "n": encode(&even), "e": "AQAB" });
    assert_eq!(skipped(even), Some(Why::Key(KeyFault::Value)));
}

#[test]
fn a_point_has_to_be_on_its_curve() {
    let of = |more: Value| skipped(with(ec_key(), &more));
    let mut y = URL_SAFE_NO_PAD.decode(ec_key()["y"].as_str().unwrap()).unwrap();
    y[31] ^= 1;
    assert_eq!(of(json!({ "y": encode(&y) })), Some(Why::Key(KeyFault::Value)));
    assert_eq!(
        of(json!({ "x": encode(&[0; 32]), "y": encode(&[0; 32]) })),
        Some(Why::Key(KeyFault::Value))
    );
    assert_eq!(of(json!({ "x": encode(&[0xff; 32]) })), Some(Why::Key(KeyFault::Value)));
    assert_eq!(of(json!({ "y": encode(&y[1..]) })), Some(Why::Member));
    assert_eq!(of(json!({ "y": Value::Null })), Some(Why::Member));
    assert_eq!(of(json!({ "crv": "P-384" })), Some(Why::Member));
    for curve in ["secp256k1", "P-224", "p-256", ""] {
        assert_eq!(of(json!({ "crv": curve })), Some(Why::Kind), "{curve}");
    }
}

#[test]
fn other_curves_of_edwards_are_skipped() {
    let of = |curve: &str, x: &[u8]| skipped(json!({ "kty": "OKP", "crv": curve, "x": encode(x) }));
    assert_eq!(of("Ed25519", &[9; 32]), None);
    assert_eq!(of("Ed25519", &[9; 31]), Some(Why::Member));
    assert_eq!(of("Ed25519", &[9; 33]), Some(Why::Member));
    assert_eq!(of("X25519", &[9; 32]), Some(Why::Kind));
    assert_eq!(of("Ed448", &[9; 57]), Some(Why::Kind));
}

#[test]
fn shared_secrets_are_taken_only_where_that_is_said() {
    let set = |length| json!({ "keys": [{ "kty": "oct", "k": encode(&vec![7; length]) }] });
    let parse = |length, oct| parse_jwks(set(length).to_string().as_bytes(), oct).unwrap();
    assert_eq!(parse(64, Oct::Skipped).skipped[0].why, Why::Oct);
    assert_eq!(parse(64, Oct::Taken).keys.len(), 1);
    assert_eq!(parse(31, Oct::Taken).skipped[0].why, Why::Key(KeyFault::ShortSecret));
}

fn private_ec(curve: Nid) -> PKey<Private> {
    let group = EcGroup::from_curve_name(curve).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

#[test]
fn pem_is_one_public_key() {
    let key = private_ec(Nid::X9_62_PRIME256V1);
    let public = key.public_key_to_pem().unwrap();
    let parse = |pem: &[u8]| parse_pem(pem, Some("a"), None).map(|key| key.algorithms());
    assert!(parse(&public).unwrap().has(Algorithm::Es256));
    let pkcs1 = Rsa::generate(2048).unwrap().public_key_to_pem_pkcs1().unwrap();
    assert!(parse(&pkcs1).unwrap().has(Algorithm::Rs256));
    assert_eq!(parse(&[public.clone(), public.clone()].concat()), Err(PemFault::NotOne));
    assert_eq!(parse(&public[..60]), Err(PemFault::NotOne));
    assert_eq!(parse(b""), Err(PemFault::NotOne));
    assert_eq!(parse(&vec![b' '; LARGEST_PEM + 1]), Err(PemFault::TooLarge));
    let private = key.private_key_to_pem_pkcs8().unwrap();
    assert_eq!(parse(&private), Err(PemFault::Private));
    assert_eq!(parse(&[public, private].concat()), Err(PemFault::Private));
    let short = Rsa::generate(1024).unwrap().public_key_to_pem().unwrap();
    assert_eq!(parse(&short), Err(PemFault::Key(KeyFault::RsaBits(1024))));
    let other = private_ec(Nid::SECP224R1).public_key_to_pem().unwrap();
    assert_eq!(parse(&other), Err(PemFault::Key(KeyFault::Curve)));
}

proptest! {
    #[test]
    fn no_bytes_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_jwks(&text, Oct::Taken);
        let _ = parse_pem(&text, None, None);
    }

    #[test]
    fn no_values_panic(
        kind in "RSA|EC|OKP|oct", curve in "P-256|P-521|Ed25519", value in "[A-Za-z0-9_-]{0,90}"
    ) {
        let key = json!({ "kty": kind, "crv": curve, "n": value, "e": value, "x": value, "y": value, "k": value });
        let _ = parse(&[key]);
    }
}
