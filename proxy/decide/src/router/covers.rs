//! Whether a route can never be reached because, on a listener, another one takes all its requests.

use marchproxy_conf::values::{HostPattern, Segment};

use super::entry::Entry;
use super::hosts::{Hosts, parents};
use super::trie::{End, Node, Shape, Trie};

impl Hosts {
    /// A route here that matches whatever `entry`, with this host and shape, matches.
    pub(super) fn covering(
        &self,
        host: Option<&HostPattern>,
        shape: &Shape,
        entry: &Entry,
    ) -> Option<usize> {
        let find =
            |trie: &Trie| trie.nodes.first().and_then(|root| trie.cover(root, 0, shape, entry));
        let mut found = None;
        match host {
            Some(HostPattern::Exact(host)) => {
                found = self.exact.get(host.as_str()).and_then(find);
                found = found.or_else(|| {
                    parents(host).filter_map(|parent| self.wildcard.get(parent)).find_map(find)
                });
            }
            Some(HostPattern::Wildcard(parent)) => {
                let all = std::iter::once(parent.as_str()).chain(parents(parent));
                found = all.filter_map(|parent| self.wildcard.get(parent)).find_map(find);
            }
            None => {}
        }
        found.or_else(|| self.any.as_ref().and_then(find))
    }
}

impl Trie {
    /// Follows `shape` from its segment at `depth` on. As deep as the deepest pattern.
    fn cover(&self, node: &Node, depth: usize, shape: &Shape, entry: &Entry) -> Option<usize> {
        let here = |entries: &[Entry]| {
            entries.iter().find(|other| other.covers(entry)).map(|other| other.route)
        };
        let child = |place: usize| {
            self.nodes.get(place).and_then(|child| self.cover(child, depth + 1, shape, entry))
        };
        let deeper = match shape.segments.get(depth) {
            Some(Segment::Text(text)) => {
                let by_text = node.texts.get(text.as_str()).and_then(|place| child(*place));
                by_text.or_else(|| node.one.filter(|_| !text.is_empty()).and_then(child))
            }
            Some(Segment::One(_) | Segment::Rest(_)) => node.one.and_then(child),
            None if shape.end == End::Exact => here(&node.exact),
            None => None,
        };
        deeper.or_else(|| here(&node.rest))
    }
}

impl Entry {
    /// Whether this asks for nothing that `other` does not ask for too.
    fn covers(&self, other: &Self) -> bool {
        let methods_cover = self.methods.is_empty()
            || (!other.methods.is_empty()
                && other.methods.iter().all(|method| self.methods.contains(method)));
        methods_cover && self.conditions.are_implied_by(&other.conditions)
    }
}
