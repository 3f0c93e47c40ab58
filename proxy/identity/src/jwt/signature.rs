//! Signatures, through `BoringSSL`.

use boring::bn::BigNum;
use boring::ecdsa::EcdsaSig;
use boring::error::ErrorStack;
use boring::hash::MessageDigest;
use boring::hmac::Hmac;
use boring::pkey::{PKeyRef, Public};
use boring::rsa::Padding;
use boring::sign::{RsaPssSaltlen, Verifier};

use super::Algorithm;
use super::Algorithm::{
    EdDsa, Es256, Es384, Es512, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512,
};
use crate::keys::Material;

/// Whether `signature` is that of `signed`. Where it cannot be told, it is not.
pub(super) fn holds(
    material: &Material,
    algorithm: Algorithm,
    signed: &[u8],
    signature: &[u8],
) -> bool {
    let verdict = match (material, algorithm) {
        (Material::Public(key), Rs256 | Rs384 | Rs512) => pkcs1(key, algorithm, signed, signature),
        (Material::Public(key), Ps256 | Ps384 | Ps512) => pss(key, algorithm, signed, signature),
        (Material::Public(key), Es256 | Es384 | Es512) => ecdsa(key, algorithm, signed, signature),
        (Material::Public(key), EdDsa) => eddsa(key, signed, signature),
        (Material::Shared(secret), Hs256 | Hs384 | Hs512) => {
            hmac(secret.bytes(), algorithm, signed, signature)
        }
        (Material::Public(_), Hs256 | Hs384 | Hs512) | (Material::Shared(_), _) => Ok(false),
    };
    verdict.unwrap_or(false)
}

fn digest(algorithm: Algorithm) -> MessageDigest {
    match algorithm {
        Rs256 | Ps256 | Es256 | Hs256 => MessageDigest::sha256(),
        Rs384 | Ps384 | Es384 | Hs384 => MessageDigest::sha384(),
        Rs512 | Ps512 | Es512 | Hs512 | EdDsa => MessageDigest::sha512(),
    }
}

fn pkcs1(
    key: &PKeyRef<Public>,
    algorithm: Algorithm,
    signed: &[u8],
    signature: &[u8],
) -> Result<bool, ErrorStack> {
    Verifier::new(digest(algorithm), key)?.verify_oneshot(signature, signed)
}

/// RFC 7518 section 3.5: the salt is as long as the hash, the mask is made with the same hash.
fn pss(
    key: &PKeyRef<Public>,
    algorithm: Algorithm,
    signed: &[u8],
    signature: &[u8],
) -> Result<bool, ErrorStack> {
    let mut verifier = Verifier::new(digest(algorithm), key)?;
    verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
    verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
    verifier.set_rsa_mgf1_md(digest(algorithm))?;
    verifier.verify_oneshot(signature, signed)
}

/// RFC 7518 section 3.4: r and s, each as long as the order of the curve, and nothing else.
///
/// Whoever has a signature (r, s) can make (r, n - s) of it, which is as good: RFC 7518 does not ask
/// for the smaller s, and signers make either. So a token may be written in two ways; nothing here
/// takes a token for another one because it is written otherwise.
fn ecdsa(
    key: &PKeyRef<Public>,
    algorithm: Algorithm,
    signed: &[u8],
    signature: &[u8],
) -> Result<bool, ErrorStack> {
    let length = match algorithm {
        Es256 => 32,
        Es384 => 48,
        _ => 66,
    };
    let Some((r, s)) = signature.split_at_checked(length) else { return Ok(false) };
    if s.len() != length {
        return Ok(false);
    }
    let pair = EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
    // `EcdsaSig::verify` leaves its errors behind on the thread, where a TLS connection finds them.
    Verifier::new(digest(algorithm), key)?.verify_oneshot(&pair.to_der()?, signed)
}

fn eddsa(key: &PKeyRef<Public>, signed: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
    Verifier::new_without_digest(key)?.verify_oneshot(signature, signed)
}

fn hmac(
    secret: &[u8],
    algorithm: Algorithm,
    signed: &[u8],
    signature: &[u8],
) -> Result<bool, ErrorStack> {
    let mut hmac = Hmac::init(secret, &digest(algorithm))?;
    hmac.update(signed)?;
    let expected = hmac.finalize()?;
    Ok(expected.len() == signature.len() && boring::memcmp::eq(&expected, signature))
}
