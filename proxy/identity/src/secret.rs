//! Secrets, and hashes that only who has a secret can make.

use std::fmt;

use boring::hash::hmac_sha256;
use boring::sha::Sha256;
use marchproxy_boringssl::cleanse;

/// Bytes that show themselves to nobody but who asks for them, and are overwritten when they are
/// not needed any more.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Keeps `bytes`.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The secret itself.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        cleanse(&mut self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The key of hashes is too short to keep anybody from trying all of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooShort;

impl fmt::Display for TooShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shorter than {} bytes", HashKey::SHORTEST)
    }
}

impl std::error::Error for TooShort {}

/// The key that hashes of API keys, tokens and passwords are made with.
#[derive(Clone, Debug)]
pub struct HashKey(Secret);

impl HashKey {
    /// Bytes that a key has at least: as many as the hash (RFC 2104 section 3).
    pub const SHORTEST: usize = 32;

    /// # Errors
    /// It has fewer than [`Self::SHORTEST`] bytes.
    pub fn new(secret: Secret) -> Result<Self, TooShort> {
        if secret.bytes().len() < Self::SHORTEST { Err(TooShort) } else { Ok(Self(secret)) }
    }

    /// HMAC-SHA256: for what is kept or shown to others. None when memory has run out.
    pub(crate) fn hmac(&self, data: &[u8]) -> Option<[u8; 32]> {
        hmac_sha256(self.0.bytes(), data).ok()
    }

    /// SHA-256 of the key and the parts. Half the time of an HMAC, and as good for hashes that never
    /// leave the process: who sees none of them has nothing to lengthen.
    pub(crate) fn place(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.0.bytes());
        for part in parts {
            hash.update(part);
        }
        hash.finish()
    }
}

/// Whether two hashes are the same, found in a time that does not tell where they differ.
pub(crate) fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    boring::memcmp::eq(one, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let key = HashKey::new(Secret::new(*b"0123456789abcdef0123456789abcdef")).unwrap();
        let shown = format!("{key:?} {:#?}", Secret::new(*b"0123"));
        assert!(!shown.contains("0123") && !shown.contains("48"), "{shown}");
    }

    #[test]
    fn a_short_hash_key_is_refused() {
        assert_eq!(HashKey::new(Secret::new([7; 31])).err(), Some(TooShort));
        assert!(HashKey::new(Secret::new([7; 32])).is_ok());
    }

    /// RFC 4231 section 4.8, test case 7: its key is longer than a block.
    #[test]
    fn the_hash_is_hmac_sha256() {
        let key = HashKey::new(Secret::new([0xaa; 131])).unwrap();
        let text = b"This is a test using a larger than block-size key and a larger than \
            block-size data. The key needs to be hashed before being used by the HMAC algorithm.";
        let hash = key.hmac(text).unwrap();
        assert_eq!(hash[..4], [0x9b, 0x09, 0xff, 0xa7]);
    }
}
