//! What an answer is stored under.

mod reference;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::LazyLock;

pub use reference::Normalise;

/// Keys come from clients: nobody may know beforehand which of them collide.
static HASHING: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A resource: scheme, authority, path and query. Compared as a whole; its hash only finds it.
#[derive(Clone, Debug)]
pub struct Key {
    text: Box<str>,
    authority_start: usize,
    path_start: usize,
    hash: u64,
}

impl Key {
    /// A key. `scheme` is `http` or `https`, `authority` the host and, where it is not the scheme's
    /// own, the port; `path` is in normal form, `query` without its question mark.
    ///
    /// `None` when these could be taken for those of another resource: an authority with a `/`, a
    /// path that does not begin with one, or that has a question mark.
    pub fn new(scheme: &str, authority: &str, path: &str, query: Option<&str>) -> Option<Self> {
        let is_scheme = scheme == "http" || scheme == "https";
        let is_authority = !authority.is_empty() && !authority.contains(['/', '?', '#', '@']);
        let is_path = path.starts_with('/') && !path.contains(['?', '#']);
        if !is_scheme || !is_authority || !is_path {
            return None;
        }
        let (mark, query) = query.map_or(("", ""), |query| ("?", query));
        let parts = [scheme, "://", &authority.to_ascii_lowercase(), path, mark, query];
        let authority_start = scheme.len().checked_add(3)?;
        let path_start = authority_start.checked_add(authority.len())?;
        let text: Box<str> = parts.concat().into();
        let hash = HASHING.hash_one(&text);
        Some(Self { text, authority_start, path_start, hash })
    }

    /// The key as a URI.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &str {
        self.text.split(':').next().unwrap_or_default()
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        self.text.get(self.authority_start..self.path_start).unwrap_or_default()
    }

    /// The path.
    pub fn path(&self) -> &str {
        let target = self.text.get(self.path_start..).unwrap_or_default();
        target.split('?').next().unwrap_or_default()
    }

    /// The hash, the same for equal keys of one process.
    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    /// Bytes it takes.
    pub(crate) fn weight(&self) -> usize {
        self.text.len().saturating_add(size_of::<Self>())
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.text == other.text
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// The hash of anything, the same for equal things of one process.
pub(crate) fn hash_of(thing: &(impl Hash + ?Sized)) -> u64 {
    HASHING.hash_one(thing)
}

/// Takes the hash that a key brings along.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.is_empty(), "only hashes that are ready are taken");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A map whose keys bring their hash along.
pub(crate) type ReadyMap<K, V> = HashMap<K, V, BuildHasherDefault<Ready>>;
