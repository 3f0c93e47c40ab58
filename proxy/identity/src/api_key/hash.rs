//! What is kept of a key.

use std::fmt;
use std::str::FromStr;

/// The keyed hash of an API key, 64 hexadecimal digits in text.
#[derive(Clone, Copy)]
pub struct Hash([u8; 32]);

/// It is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoHash;

impl fmt::Display for NoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not 64 hexadecimal digits")
    }
}

impl std::error::Error for NoHash {}

impl Hash {
    pub(super) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Hash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(NoHash) };
        if pairs.len() != 32 {
            return Err(NoHash);
        }
        let mut hash = [0; 32];
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            let value = |digit: u8| {
                char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
            };
            let (high, low) = (value(*high).ok_or(NoHash)?, value(*low).ok_or(NoHash)?);
            *byte = high << 4 | low;
        }
        Ok(Self(hash))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash")
    }
}
