//! The keys of one issuer.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::key::{Digest, Key};

/// The keys of one issuer, as they are at one time. A new time has a new set.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    all: Vec<Arc<Key>>,
    of_kid: HashMap<Box<str>, Vec<Arc<Key>>>,
    nameless: Vec<Arc<Key>>,
    digests: HashSet<Digest>,
}

impl KeySet {
    /// Of these keys, in this order. Several may have the same identifier; a key that is there
    /// twice counts once.
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Self {
        let mut set = Self::default();
        for key in keys {
            if !set.digests.insert(*key.digest()) {
                continue;
            }
            let key = Arc::new(key);
            set.all.push(Arc::clone(&key));
            match key.kid() {
                Some(kid) => set.of_kid.entry(kid.into()).or_default().push(Arc::clone(&key)),
                None => set.nameless.push(Arc::clone(&key)),
            }
        }
        set
    }

    /// The keys that a token with an identifier may have been signed with: those that are called
    /// so, or, when there are none, those without a name. Without an identifier: any.
    pub fn of(&self, kid: Option<&str>) -> impl Iterator<Item = &Key> + use<'_> {
        let keys = match kid {
            Some(kid) => self.of_kid.get(kid).unwrap_or(&self.nameless),
            None => &self.all,
        };
        keys.iter().map(|key| &**key)
    }

    /// Whether a key is in it.
    pub fn has(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
