//! A password's hash in the PHC form: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::secret;

/// KiB of memory: what is less is no protection (RFC 9106 section 4 has 64 MiB), what is more takes
/// the memory of others.
const MEMORY: std::ops::RangeInclusive<u32> = 4096..=262_144;
const PASSES: std::ops::RangeInclusive<u32> = 1..=16;
const LANES: std::ops::RangeInclusive<u32> = 1..=16;
/// KiB times passes: about a second.
const MOST_WORK: u32 = 1 << 20;
const SALT: std::ops::RangeInclusive<usize> = 8..=64;
const HASH: usize = 32;

/// What a hash was made with.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Cost {
    memory: u32,
    passes: u32,
    lanes: u32,
}

/// The hash of a password.
#[derive(Clone)]
pub(super) struct Argon2id {
    pub cost: Cost,
    salt: Box<[u8]>,
    hash: [u8; HASH],
}

/// Why a hash is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flaw {
    /// It is not argon2id, version 19.
    Algorithm,
    /// It is not of the form `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.
    Form,
    /// Its memory is not 4 to 256 MiB.
    Memory,
    /// Its passes or lanes are not 1 to 16, or memory times passes are more than 1 GiB.
    Work,
    /// Its salt does not have 8 to 64 bytes, or its hash not 32.
    Length,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Algorithm => "the hash is not argon2id, version 19",
            Self::Form => "the hash is not like $argon2id$v=19$m=19456,t=2,p=1$salt$hash",
            Self::Memory => "m is not 4096 to 262144 KiB",
            Self::Work => "t or p is not 1 to 16, or m times t is more than 1048576",
            Self::Length => "the salt does not have 8 to 64 bytes, or the hash not 32",
        })
    }
}

impl Argon2id {
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let mut parts = text.split('$');
        if parts.next() != Some("")
            || parts.next() != Some("argon2id")
            || parts.next() != Some("v=19")
        {
            return Err(Flaw::Algorithm);
        }
        let (Some(cost), Some(salt), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Flaw::Form);
        };
        let cost = Cost::parse(cost)?;
        let decode = |text: &str| STANDARD_NO_PAD.decode(text).map_err(|_| Flaw::Form);
        let (salt, hash) = (decode(salt)?, decode(hash)?);
        if !SALT.contains(&salt.len()) {
            return Err(Flaw::Length);
        }
        let hash = hash.try_into().map_err(|_| Flaw::Length)?;
        Ok(Self { cost, salt: salt.into(), hash })
    }

    /// One that no password has, as good as any: nobody knows a password of just this hash.
    pub fn of_nobody(cost: Cost) -> Self {
        Self { cost, salt: Box::new([0; 16]), hash: [0; HASH] }
    }

    /// Whether it is the hash of a password. This takes as much time and memory as it says.
    pub fn is_of(&self, password: &[u8]) -> bool {
        let Cost { memory, passes, lanes } = self.cost;
        let Ok(params) = Params::new(memory, passes, lanes, Some(HASH)) else { return false };
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut hash = [0; HASH];
        argon2.hash_password_into(password, &self.salt, &mut hash).is_ok()
            && secret::same(&hash, &self.hash)
    }

    /// What tells it from others.
    pub fn parts(&self) -> [&[u8]; 2] {
        [&self.salt, &self.hash]
    }
}

impl Cost {
    pub const USUAL: Self = Self { memory: 19_456, passes: 2, lanes: 1 };

    fn parse(text: &str) -> Result<Self, Flaw> {
        let mut parts = text.split(',');
        let mut next = |name: &str| {
            let value = parts.next()?.strip_prefix(name)?.strip_prefix('=')?;
            // One way to write a number: no sign, no zeros before it.
            let is_plain =
                value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
            is_plain.then(|| value.parse().ok())?
        };
        let (memory, passes, lanes): (Option<u32>, Option<u32>, Option<u32>) =
            (next("m"), next("t"), next("p"));
        let (Some(memory), Some(passes), Some(lanes), None) = (memory, passes, lanes, parts.next())
        else {
            return Err(Flaw::Form);
        };
        if !MEMORY.contains(&memory) {
            return Err(Flaw::Memory);
        }
        let is_bearable = memory.checked_mul(passes).is_some_and(|work| work <= MOST_WORK);
        if !PASSES.contains(&passes) || !LANES.contains(&lanes) || !is_bearable {
            return Err(Flaw::Work);
        }
        Ok(Self { memory, passes, lanes })
    }
}
