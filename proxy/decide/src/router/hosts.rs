//! Hosts, each with its paths.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use marchproxy_conf::values::HostPattern;

use super::Query;
use super::entry::Entry;
use super::trie::Trie;
use crate::exchange::Captures;

#[derive(Debug, Default)]
pub(super) struct Hosts {
    pub(super) exact: HashMap<Box<str>, Trie, RandomState>,
    /// By what follows `*.`.
    pub(super) wildcard: HashMap<Box<str>, Trie, RandomState>,
    pub(super) any: Option<Trie>,
}

impl Hosts {
    /// The paths of a host, begun when there are none.
    pub(super) fn trie(&mut self, host: Option<&HostPattern>) -> &mut Trie {
        match host {
            Some(HostPattern::Exact(host)) => self.exact.entry(host.as_str().into()).or_default(),
            Some(HostPattern::Wildcard(parent)) => {
                self.wildcard.entry(parent.as_str().into()).or_default()
            }
            None => self.any.get_or_insert_default(),
        }
    }

    pub(super) fn tries_mut(&mut self) -> impl Iterator<Item = &mut Trie> {
        self.exact.values_mut().chain(self.wildcard.values_mut()).chain(&mut self.any)
    }

    /// The best route that `fits` agrees to.
    pub(super) fn find(
        &self,
        query: &Query<'_>,
        captures: &mut Captures,
        fits: &mut impl FnMut(&Entry) -> bool,
    ) -> Option<usize> {
        if let Some(trie) = self.exact.get(query.host)
            && let Some(found) = trie.find(query.path, captures, fits)
        {
            return Some(found);
        }
        for parent in parents(query.host) {
            if self.wildcard.is_empty() {
                break;
            }
            if let Some(trie) = self.wildcard.get(parent)
                && let Some(found) = trie.find(query.path, captures, fits)
            {
                return Some(found);
            }
        }
        self.any.as_ref()?.find(query.path, captures, fits)
    }
}

/// What follows each dot of a host, longest first: what a wildcard may stand in front of. An
/// address has no parents.
pub(super) fn parents(host: &str) -> impl Iterator<Item = &str> {
    let mut rest = if host.starts_with('[') { "" } else { host };
    std::iter::from_fn(move || {
        let (label, parent) = rest.split_once('.')?;
        rest = parent;
        (!label.is_empty()).then_some(parent)
    })
}
