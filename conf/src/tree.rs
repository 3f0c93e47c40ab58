//! A configuration's text as a tree: scalars keep their text, and everything keeps its place.

mod parse;

pub(crate) use parse::parse;

use crate::problem::{Place, Step};
use crate::source::Span;

/// A value of the text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    /// Where it stands; of an alias: where the alias stands.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// The kinds of values.
#[derive(Clone, Debug, Default)]
pub(crate) enum Kind {
    /// Nothing, `null` or `~`.
    #[default]
    Null,
    /// Text that is not quoted, and so may also be a number.
    Plain(Box<str>),
    /// Text in quotes or in a block.
    Quoted(Box<str>),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in the order of the text, each key once.
    Mapping(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: Box<str>,
    pub key_span: Span,
    pub value: Node,
}

impl Node {
    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Plain(text) | Kind::Quoted(text) => Some(text),
            Kind::Null | Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }

    /// The items of a list; none of anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The entries of a mapping; none of anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The entry of a mapping with this key. Names of fields are written in capitals or not.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        let entries = self.entries();
        let same_case = entries.iter().find(|entry| *entry.key == *key);
        same_case.or_else(|| entries.iter().find(|entry| entry.key.eq_ignore_ascii_case(key)))
    }

    /// The innermost value on the way to `place` that was written, the entry it is the value of,
    /// and how many steps lead there.
    pub(crate) fn find(&self, place: &Place) -> Found<'_> {
        let mut found = Found { node: self, entry: None, steps: 0 };
        for step in place.steps() {
            let next = match step {
                Step::Key(key) => found.node.entry(key).map(|entry| (&entry.value, Some(entry))),
                Step::Index(index) => found.node.items().get(*index).map(|node| (node, None)),
            };
            let Some((node, entry)) = next else { break };
            found = Found { node, entry, steps: found.steps + 1 };
        }
        found
    }

    /// The value that stands at `place`.
    pub(crate) fn at_mut(&mut self, place: &Place) -> Option<&mut Self> {
        let mut node = self;
        for step in place.steps() {
            node = match (step, &mut node.kind) {
                (Step::Index(index), Kind::Sequence(items)) => items.get_mut(*index)?,
                (Step::Key(key), Kind::Mapping(entries)) => {
                    &mut entries.iter_mut().find(|entry| *entry.key == **key)?.value
                }
                _ => return None,
            };
        }
        Some(node)
    }

    /// A copy, all of whose parts stand where the alias does that repeats it.
    fn standing_at(&self, span: Span) -> Self {
        let kind = match &self.kind {
            Kind::Sequence(items) => {
                Kind::Sequence(items.iter().map(|item| item.standing_at(span)).collect())
            }
            Kind::Mapping(entries) => {
                let entries = entries.iter().map(|entry| Entry {
                    key: entry.key.clone(),
                    key_span: span,
                    value: entry.value.standing_at(span),
                });
                Kind::Mapping(entries.collect())
            }
            other => other.clone(),
        };
        Self { span, kind }
    }

    /// How many values there are in it, itself included, and how deep they are nested.
    fn measure(&self) -> (usize, usize) {
        let mut count = 1;
        let mut depth = 0;
        let inner = self.items().iter().chain(self.entries().iter().map(|entry| &entry.value));
        for node in inner {
            let (inner_count, inner_depth) = node.measure();
            count += inner_count;
            depth = depth.max(inner_depth);
        }
        (count, depth + 1)
    }
}

/// What [`Node::find`] finds.
pub(crate) struct Found<'a> {
    pub node: &'a Node,
    pub entry: Option<&'a Entry>,
    pub steps: usize,
}

#[cfg(test)]
mod tests;
