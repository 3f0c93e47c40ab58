//! One key, and what it may be used for.

use std::fmt;
use std::ops::RangeInclusive;

use boring::nid::Nid;
use boring::pkey::{Id, PKey, Public};
use boring::rsa::Rsa;
use boring::sha::Sha256;

use crate::jwt::{Algorithm, Algorithms};
use crate::secret::Secret;

/// What a key is known by: SHA-256 of the key, its identifier and what it may be used for.
pub type Digest = [u8; 32];

/// Bits of an RSA modulus: less is weak (RFC 7518 section 3.3), more only takes time.
const RSA_BITS: RangeInclusive<i32> = 2048..=8192;
/// Bits of its exponent, which must be three at least; more only takes time, and `BoringSSL` does not
/// take more either.
const RSA_EXPONENT_BITS: RangeInclusive<i32> = 2..=33;

/// A key that tokens are verified with.
#[derive(Clone)]
pub struct Key {
    material: Material,
    kid: Option<Box<str>>,
    algorithms: Algorithms,
    digest: Digest,
}

#[derive(Clone)]
pub(crate) enum Material {
    Public(PKey<Public>),
    Shared(Secret),
}

/// Why a key is not used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyFault {
    /// It is not RSA, EC or Ed25519.
    Kind,
    /// An RSA key of so many bits.
    RsaBits(i32),
    /// The public exponent of an RSA key is even, less than three, or longer than 33 bits.
    RsaExponent,
    /// The curve is not P-256, P-384 or P-521.
    Curve,
    /// What it is made of is not what it has to be: a point off its curve, for one.
    Value,
    /// A shared secret with fewer bytes than the hash of HS256.
    ShortSecret,
    /// A shared secret that is the PEM of a key, which anybody may have.
    SecretIsPem,
    /// It may be used with no algorithm that it could be used with.
    Algorithm,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind => f.write_str("the key is not RSA, EC or Ed25519"),
            Self::RsaBits(bits) => write!(f, "an RSA key of {bits} bits; 2048 to 8192 are taken"),
            Self::RsaExponent => f.write_str(
                "the exponent of the RSA key is even, less than 3 or longer than 33 bits",
            ),
            Self::Curve => f.write_str("the curve is not P-256, P-384 or P-521"),
            Self::Value => f.write_str("the values of the key make no key"),
            Self::ShortSecret => f.write_str("the shared secret is shorter than 32 bytes"),
            Self::SecretIsPem => f.write_str("the shared secret is a key in PEM"),
            Self::Algorithm => f.write_str("the key is of no use with its algorithm"),
        }
    }
}

impl std::error::Error for KeyFault {}

impl Key {
    /// A public key. `algorithm` is what it may be used with, if that is said somewhere; else it is
    /// all that a key of its kind can do.
    ///
    /// # Errors
    /// It is weak, broken, or of another kind.
    pub fn public(
        key: PKey<Public>,
        kid: Option<&str>,
        algorithm: Option<Algorithm>,
    ) -> Result<Self, KeyFault> {
        let algorithms = narrow(abilities(&key)?, algorithm)?;
        let der = key.public_key_to_der().map_err(|_| KeyFault::Value)?;
        let digest = digest(b'p', &der, kid, algorithms);
        Ok(Self { material: Material::Public(key), kid: kid.map(Into::into), algorithms, digest })
    }

    /// A secret that the issuer has too. It may be used with HMACs whose hash is no longer than the
    /// secret (RFC 7518 section 3.2).
    ///
    /// # Errors
    /// It is too short, or no secret.
    pub fn shared(
        secret: Secret,
        kid: Option<&str>,
        algorithm: Option<Algorithm>,
    ) -> Result<Self, KeyFault> {
        let bytes = secret.bytes();
        if bytes.trim_ascii_start().starts_with(b"-----BEGIN ") {
            return Err(KeyFault::SecretIsPem);
        }
        let able = match bytes.len() {
            0..32 => return Err(KeyFault::ShortSecret),
            32..48 => Algorithms::of(&[Algorithm::Hs256]),
            48..64 => Algorithms::of(&[Algorithm::Hs256, Algorithm::Hs384]),
            64.. => Algorithms::SHARED,
        };
        let algorithms = narrow(able, algorithm)?;
        let digest = digest(b's', bytes, kid, algorithms);
        Ok(Self {
            material: Material::Shared(secret),
            kid: kid.map(Into::into),
            algorithms,
            digest,
        })
    }

    /// Its identifier.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What it may be used with.
    pub const fn algorithms(&self) -> Algorithms {
        self.algorithms
    }

    /// What it is known by. Two keys with the same one are the same.
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    pub(crate) const fn material(&self) -> &Material {
        &self.material
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.material {
            Material::Public(_) => "public",
            Material::Shared(_) => "shared",
        };
        f.debug_struct("Key").field("kid", &self.kid).field("kind", &kind).finish_non_exhaustive()
    }
}

fn digest(tag: u8, bytes: &[u8], kid: Option<&str>, algorithms: Algorithms) -> Digest {
    let mut hash = Sha256::new();
    hash.update(&[tag, u8::from(kid.is_some())]);
    hash.update(&algorithms.bits().to_be_bytes());
    let id = kid.unwrap_or_default();
    hash.update(&id.len().to_be_bytes());
    hash.update(id.as_bytes());
    hash.update(bytes);
    hash.finish()
}

fn narrow(able: Algorithms, algorithm: Option<Algorithm>) -> Result<Algorithms, KeyFault> {
    let wanted = algorithm.map_or(able, |algorithm| able.and(Algorithms::of(&[algorithm])));
    if wanted.is_empty() { Err(KeyFault::Algorithm) } else { Ok(wanted) }
}

/// What a public key can be used with.
fn abilities(key: &PKey<Public>) -> Result<Algorithms, KeyFault> {
    match key.id() {
        Id::RSA => {
            check_rsa(&key.rsa().map_err(|_| KeyFault::Value)?)?;
            Ok(Algorithms::RSA)
        }
        Id::EC => {
            let key = key.ec_key().map_err(|_| KeyFault::Value)?;
            // BoringSSL did when it made the point; this is once for each key, and costs little.
            key.check_key().map_err(|_| KeyFault::Value)?;
            let algorithm = match key.group().curve_name() {
                Some(Nid::X9_62_PRIME256V1) => Algorithm::Es256,
                Some(Nid::SECP384R1) => Algorithm::Es384,
                Some(Nid::SECP521R1) => Algorithm::Es512,
                _ => return Err(KeyFault::Curve),
            };
            Ok(Algorithms::of(&[algorithm]))
        }
        Id::ED25519 => Ok(Algorithms::of(&[Algorithm::EdDsa])),
        _ => Err(KeyFault::Kind),
    }
}

fn check_rsa(key: &Rsa<Public>) -> Result<(), KeyFault> {
    let bits = key.n().num_bits();
    if !RSA_BITS.contains(&bits) {
        return Err(KeyFault::RsaBits(bits));
    }
    if !key.e().is_odd() || !RSA_EXPONENT_BITS.contains(&key.e().num_bits()) {
        return Err(KeyFault::RsaExponent);
    }
    if key.n().is_odd() { Ok(()) } else { Err(KeyFault::Value) }
}
