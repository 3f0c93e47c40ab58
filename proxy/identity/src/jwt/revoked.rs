//! Tokens that were taken back before they expired.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::Claims;

/// Tokens that were taken back. Looked at each time a token is used, a remembered one too.
#[derive(Clone, Debug, Default)]
pub struct Revoked {
    /// Those with this `jti`.
    pub ids: HashSet<Box<str>>,
    /// Those about this `sub` that were issued before a time, or do not say when: after a password
    /// was changed, or a role was lost, tokens of before say what is no more.
    pub subjects: HashMap<Box<str>, Duration>,
}

impl Revoked {
    pub(super) fn has(&self, claims: &Claims) -> bool {
        let is_taken_back = claims.id().is_some_and(|id| self.ids.contains(id));
        let since = claims.subject().and_then(|subject| self.subjects.get(subject));
        is_taken_back || since.is_some_and(|since| claims.issued().is_none_or(|at| at < *since))
    }
}
