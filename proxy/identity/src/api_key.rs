//! API keys: `mp_<id>_<secret><check>`.
//!
//! The id has 12 characters, the secret 32, the check 6, all of `0-9A-Za-z`. The id finds the entry,
//! the secret has 190 bits, and the check is the CRC-32 of what is before it: a key that was cut or
//! mistyped is told from a wrong one without a look-up, and a scanner can tell one from other text.
//! Configuration has the HMAC-SHA256 of the whole key, in hex; its key is the server's. Anybody can
//! make that with `printf %s "$key" | openssl dgst -sha256 -hmac "$server_key"`.

mod base62;
mod hash;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;

use marchproxy_boringssl::cleanse;

pub use hash::{Hash, NoHash};
pub use table::{Entry, Table, Twice};

use crate::secret::{HashKey, Secret};

const PREFIX: &str = "mp_";
const ID: usize = 12;
const SECRET: usize = 32;
const CHECK: usize = 6;
/// Characters of a key.
pub const LENGTH: usize = PREFIX.len() + ID + 1 + SECRET + CHECK;
/// Random bytes that a key is made of: eight for each character, so that none of the 62 is likelier
/// than another by more than 2^-58.
pub const RANDOM: usize = 8 * (ID + SECRET);

/// Why a key is refused.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Refused {
    /// It is no API key of ours.
    Malformed,
    /// Its check is not that of its characters: it was cut or mistyped.
    Mistyped,
    /// Nothing is known of its id.
    Unknown,
    /// Its secret is another one.
    Secret,
    /// It has expired.
    Expired,
}

impl Refused {
    /// The word for it, in logs and metrics; it stays the same. The client is told of none of them
    /// but 401.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Mistyped => "mistyped",
            Self::Unknown => "unknown_key",
            Self::Secret => "wrong_secret",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Refused {}

/// A new key. It is shown once, and only its hash is kept.
#[derive(Clone, Debug)]
pub struct NewKey {
    text: Secret,
}

impl NewKey {
    /// Of random bytes, which must be those of a cryptographic generator; they are overwritten.
    pub fn new(random: &mut [u8; RANDOM]) -> Self {
        let mut text = String::with_capacity(LENGTH);
        text.push_str(PREFIX);
        for (position, bytes) in random.as_chunks::<8>().0.iter().enumerate() {
            if position == ID {
                text.push('_');
            }
            text.push(char::from(base62::digit(u64::from_be_bytes(*bytes))));
        }
        text.extend(check_of(text.as_bytes()).map(char::from));
        cleanse(random);
        Self { text: Secret::new(text.into_bytes()) }
    }

    /// The key itself.
    pub fn text(&self) -> &str {
        str::from_utf8(self.text.bytes()).unwrap_or_default()
    }

    /// The part of it that is no secret.
    pub fn id(&self) -> &str {
        Parts::of(self.text.bytes()).map_or("", |parts| parts.id)
    }

    /// What configuration has of it. None when memory has run out.
    pub fn hash(&self, key: &HashKey) -> Option<Hash> {
        key.hmac(self.text.bytes()).map(Hash::from_bytes)
    }
}

/// A key of the right form.
struct Parts<'a> {
    id: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a [u8]) -> Result<Self, Refused> {
        if text.len() != LENGTH {
            // One that was cut, most likely.
            let is_ours = text.starts_with(PREFIX.as_bytes());
            return Err(if is_ours { Refused::Mistyped } else { Refused::Malformed });
        }
        let text = str::from_utf8(text).map_err(|_| Refused::Malformed)?;
        let rest = text.strip_prefix(PREFIX).ok_or(Refused::Malformed)?;
        let (id, secret) = rest.split_once('_').ok_or(Refused::Malformed)?;
        if id.len() != ID || !base62::is(id) || !base62::is(secret) {
            return Err(Refused::Malformed);
        }
        let end = LENGTH.saturating_sub(CHECK);
        let (signed, check) = text.as_bytes().split_at_checked(end).ok_or(Refused::Malformed)?;
        if check == check_of(signed) { Ok(Self { id }) } else { Err(Refused::Mistyped) }
    }
}

fn check_of(text: &[u8]) -> [u8; CHECK] {
    let mut rest = u64::from(base62::crc32(text));
    let mut check = [0; CHECK];
    for place in check.iter_mut().rev() {
        *place = base62::digit(rest);
        rest /= 62;
    }
    check
}
