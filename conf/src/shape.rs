//! What a value may look like, compiled once from the JSON Schema of the types, so that the schema,
//! the reference page and the checker cannot disagree.

mod compile;
mod formats;

use std::sync::LazyLock;

pub(crate) use formats::Format;

/// What a value may look like.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Keys that are known by name.
    Mapping(Mapping),
    /// Any keys of one format.
    Map { keys: Format, values: Box<Self> },
    /// A list.
    List { items: Box<Self>, least: usize, most: usize },
    /// Text, with bounds on its length in characters.
    Text { least: usize, most: usize },
    /// Text that is parsed.
    Format(Bounded),
    /// A whole number.
    Integer { least: u64, most: u64 },
    /// One of some words.
    Choice(Vec<String>),
    /// Text, or one of some mappings; which one is known by the keys that only it has.
    Either { text: Box<Self>, mappings: Vec<Mapping> },
    /// A mapping with one key, a secret by reference.
    Secret(Mapping),
}

/// A mapping with known keys.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// What people call it, with its article.
    pub noun: String,
    pub keys: Vec<Key>,
}

/// A key of a mapping.
#[derive(Debug)]
pub(crate) struct Key {
    pub name: String,
    pub required: bool,
    pub shape: Shape,
}

/// Text that is parsed, and compared with bounds.
#[derive(Debug)]
pub(crate) struct Bounded {
    pub format: Format,
    pub least: Option<String>,
    pub most: Option<String>,
}

impl Mapping {
    pub(crate) fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.name.as_str())
    }
}

/// The shape of a whole configuration.
pub(crate) fn configuration() -> &'static Shape {
    static SHAPE: LazyLock<Shape> = LazyLock::new(compile::configuration);
    &SHAPE
}

#[cfg(test)]
mod tests;
