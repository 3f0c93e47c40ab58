//! The values that a key in JSON is made of (RFC 7518 section 6, RFC 8037 section 2).

use boring::bn::BigNum;
use boring::ec::{EcGroup, EcKey};
use boring::error::ErrorStack;
use boring::nid::Nid;
use boring::pkey::{PKey, Public};
use boring::rsa::Rsa;
use serde_json::{Map, Value};

use super::super::key::KeyFault;
use super::{Why, text_of};
use crate::base64url;

/// What comes before the 32 bytes of an Ed25519 key in DER (RFC 8410 section 4).
const ED25519_DER: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0];

pub(super) fn bytes(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Why> {
    let text = text_of(members, name)?.ok_or(Why::Member)?;
    base64url::decode(text.as_bytes()).ok_or(Why::Member)
}

pub(super) fn rsa(members: &Map<String, Value>) -> Result<PKey<Public>, Why> {
    let modulus = number(&bytes(members, "n")?)?;
    let exponent = number(&bytes(members, "e")?)?;
    Rsa::from_public_components(modulus, exponent).and_then(PKey::from_rsa).map_err(broken)
}

pub(super) fn ec(members: &Map<String, Value>) -> Result<PKey<Public>, Why> {
    let (curve, length) = match text_of(members, "crv")? {
        Some("P-256") => (Nid::X9_62_PRIME256V1, 32),
        Some("P-384") => (Nid::SECP384R1, 48),
        Some("P-521") => (Nid::SECP521R1, 66),
        _ => return Err(Why::Kind),
    };
    let (x, y) = (bytes(members, "x")?, bytes(members, "y")?);
    if x.len() != length || y.len() != length {
        return Err(Why::Member);
    }
    let group = EcGroup::from_curve_name(curve).map_err(broken)?;
    let (x, y) = (number(&x)?, number(&y)?);
    EcKey::from_public_key_affine_coordinates(&group, &x, &y)
        .and_then(PKey::from_ec_key)
        .map_err(broken)
}

pub(super) fn okp(members: &Map<String, Value>) -> Result<PKey<Public>, Why> {
    if text_of(members, "crv")? != Some("Ed25519") {
        return Err(Why::Kind);
    }
    let x = bytes(members, "x")?;
    if x.len() != 32 {
        return Err(Why::Member);
    }
    PKey::public_key_from_der(&[&ED25519_DER[..], &x].concat()).map_err(broken)
}

fn number(bytes: &[u8]) -> Result<BigNum, Why> {
    BigNum::from_slice(bytes).map_err(broken)
}

fn broken(_: ErrorStack) -> Why {
    Why::Key(KeyFault::Value)
}
