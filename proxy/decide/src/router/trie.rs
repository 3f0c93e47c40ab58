//! Paths of one host, as a trie of segments.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use marchproxy_conf::values::Segment;

use super::entry::Entry;
use crate::exchange::Captures;

/// Where a pattern ends.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum End {
    /// With its last segment.
    Exact,
    /// Not: whatever follows belongs to it.
    Rest {
        /// Whether what follows has a name.
        named: bool,
    },
}

/// A path pattern as a list of segments; none of them is [`Segment::Rest`].
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) segments: Vec<Segment>,
    pub(super) end: End,
}

#[derive(Debug)]
pub(super) struct Trie {
    pub(super) nodes: Vec<Node>,
}

#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) texts: HashMap<Box<str>, usize, RandomState>,
    pub(super) one: Option<usize>,
    /// Routes whose path ends here.
    pub(super) exact: Vec<Entry>,
    /// Routes to which everything from here on belongs.
    pub(super) rest: Vec<Entry>,
}

impl Default for Trie {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl Trie {
    /// Puts a route in its place.
    pub(super) fn insert(&mut self, shape: &Shape, entry: Entry) {
        let mut place = 0;
        for segment in &shape.segments {
            let next = self.nodes.len();
            let Some(node) = self.nodes.get_mut(place) else { return };
            place = match segment {
                Segment::Text(text) => *node.texts.entry(text.as_str().into()).or_insert(next),
                Segment::One(_) | Segment::Rest(_) => *node.one.get_or_insert(next),
            };
            if place == next {
                self.nodes.push(Node::default());
            }
        }
        let Some(node) = self.nodes.get_mut(place) else { return };
        match shape.end {
            End::Exact => node.exact.push(entry),
            End::Rest { .. } => node.rest.push(entry),
        }
    }

    /// The best route for `path` that `fits` agrees to.
    pub(super) fn find(
        &self,
        path: &str,
        captures: &mut Captures,
        fits: &mut impl FnMut(&Entry) -> bool,
    ) -> Option<usize> {
        let root = self.nodes.first()?;
        // `*` has no segments: only a route for everything takes it.
        match path.strip_prefix('/') {
            Some(_) => self.walk(root, path, Some(1), captures, fits),
            None => pick(&root.rest, path.len()..path.len(), captures, fits),
        }
    }

    /// `from` is where the next segment begins; `None` after the last one. As deep as the deepest
    /// pattern, which is bounded when it is compiled; each node is visited at most once.
    fn walk(
        &self,
        node: &Node,
        path: &str,
        from: Option<usize>,
        captures: &mut Captures,
        fits: &mut impl FnMut(&Entry) -> bool,
    ) -> Option<usize> {
        let Some(from) = from else {
            let end = path.len()..path.len();
            let exact = pick(&node.exact, end.clone(), captures, fits);
            return exact.or_else(|| pick(&node.rest, end, captures, fits));
        };
        if !node.texts.is_empty() || node.one.is_some() {
            let tail = path.get(from..).unwrap_or_default();
            let slash = memchr::memchr(b'/', tail.as_bytes());
            let segment = tail.get(..slash.unwrap_or(tail.len())).unwrap_or_default();
            let next = slash.map(|slash| from + slash + 1);
            if let Some(child) = node.texts.get(segment).and_then(|place| self.nodes.get(*place))
                && let Some(found) = self.walk(child, path, next, captures, fits)
            {
                return Some(found);
            }
            if let Some(child) = node.one.and_then(|place| self.nodes.get(place))
                && !segment.is_empty()
            {
                let before = captures.len();
                captures.push(from..from + segment.len());
                if let Some(found) = self.walk(child, path, next, captures, fits) {
                    return Some(found);
                }
                captures.truncate(before);
            }
        }
        pick(&node.rest, from..path.len(), captures, fits)
    }
}

fn pick(
    entries: &[Entry],
    rest: std::ops::Range<usize>,
    captures: &mut Captures,
    fits: &mut impl FnMut(&Entry) -> bool,
) -> Option<usize> {
    let entry = entries.iter().find(|entry| fits(entry))?;
    if entry.captures_rest {
        captures.push(rest);
    }
    Some(entry.route)
}
