//! The API keys that are known.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::{Hash, Parts, Refused};
use crate::secret::{self, HashKey};

/// What is known of a key.
#[derive(Clone, Debug)]
pub struct Entry<T> {
    /// Its id, as it is in the key.
    pub id: Box<str>,
    /// The hash of the whole key.
    pub hash: Hash,
    /// From when on it is refused, since 1970-01-01 UTC.
    pub expires: Option<Duration>,
    /// Whose it is, and what else the caller wants to know: networks, routes.
    pub owner: T,
}

/// Two entries have this id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Twice(pub Box<str>);

impl fmt::Display for Twice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "two API keys have the id {}", self.0)
    }
}

impl std::error::Error for Twice {}

/// All keys that are known. A consumer may have several: that is how one is replaced by another.
#[derive(Debug)]
pub struct Table<T> {
    key: HashKey,
    entries: HashMap<Box<str>, Entry<T>>,
}

impl<T> Table<T> {
    /// With the server's key, which the hashes were made with.
    ///
    /// # Errors
    /// An id is there twice.
    pub fn new(key: HashKey, all: impl IntoIterator<Item = Entry<T>>) -> Result<Self, Twice> {
        let mut entries = HashMap::new();
        for entry in all {
            if let Some(other) = entries.insert(entry.id.clone(), entry) {
                return Err(Twice(other.id));
            }
        }
        Ok(Self { key, entries })
    }

    /// The entry of a key, if it is the right key and has not expired at `now`, since 1970-01-01
    /// UTC. Whether it has is told only to who has the secret, and a wrong secret takes as long
    /// wherever it differs.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn find(&self, text: &[u8], now: Duration) -> Result<&Entry<T>, Refused> {
        let parts = Parts::of(text)?;
        // For an id that is not known too, which is then found out no sooner.
        let hash = self.key.hmac(text).ok_or(Refused::Secret)?;
        let entry = self.entries.get(parts.id).ok_or(Refused::Unknown)?;
        if !secret::same(&hash, entry.hash.bytes()) {
            return Err(Refused::Secret);
        }
        if entry.expires.is_some_and(|expires| now >= expires) {
            return Err(Refused::Expired);
        }
        Ok(entry)
    }
}
