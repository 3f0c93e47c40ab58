//! A public key in PEM, by itself or in a certificate.

use std::fmt;

use boring::pkey::PKey;
use boring::rsa::Rsa;
use boring::x509::X509;

use super::key::{Key, KeyFault};
use crate::jwt::Algorithm;

/// Bytes that PEM has at most.
pub const LARGEST_PEM: usize = 64 * 1024;

/// Why no key is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PemFault {
    /// More than [`LARGEST_PEM`] bytes.
    TooLarge,
    /// There is no public key and no certificate, or there is something else beside it.
    NotOne,
    /// A private key, which is not needed and has no business here.
    Private,
    /// The key is not used.
    Key(KeyFault),
}

impl fmt::Display for PemFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "larger than {LARGEST_PEM} bytes"),
            Self::NotOne => f.write_str("not one public key or one certificate in PEM"),
            Self::Private => f.write_str("a private key; tokens are verified with the public one"),
            Self::Key(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for PemFault {}

/// The key of `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`. A certificate is where the key is
/// found and no more: who configured it vouches for it, so neither its dates nor its issuer are
/// looked at.
///
/// # Errors
/// It is not one such key, or not one that is used.
pub fn parse_pem(
    pem: &[u8],
    kid: Option<&str>,
    algorithm: Option<Algorithm>,
) -> Result<Key, PemFault> {
    if pem.len() > LARGEST_PEM {
        return Err(PemFault::TooLarge);
    }
    let text = str::from_utf8(pem).map_err(|_| PemFault::NotOne)?;
    if text.contains("PRIVATE KEY-----") {
        return Err(PemFault::Private);
    }
    let mut labels = text.lines().filter_map(|line| line.trim().strip_prefix("-----BEGIN "));
    let (Some(label), None) = (labels.next(), labels.next()) else {
        return Err(PemFault::NotOne);
    };
    let key = match label {
        "PUBLIC KEY-----" => PKey::public_key_from_pem(pem),
        "RSA PUBLIC KEY-----" => Rsa::public_key_from_pem_pkcs1(pem).and_then(PKey::from_rsa),
        "CERTIFICATE-----" => X509::from_pem(pem).and_then(|certificate| certificate.public_key()),
        _ => return Err(PemFault::NotOne),
    };
    let key = key.map_err(|_| PemFault::NotOne)?;
    Key::public(key, kid, algorithm).map_err(PemFault::Key)
}
