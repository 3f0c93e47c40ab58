use super::words;
use crate::problem::{Place, Step};

/// The way to the value that is looked at. It lives on the stack: a [`Place`] is only made when
/// there is something to say.
pub(super) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Link<'a>,
}

#[derive(Clone, Copy)]
enum Link<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    pub(super) const fn root() -> Self {
        Self { parent: None, step: Link::Root }
    }

    pub(super) const fn key(&'a self, key: &'a str) -> Self {
        Self { parent: Some(self), step: Link::Key(key) }
    }

    pub(super) const fn index(&'a self, index: usize) -> Self {
        Self { parent: Some(self), step: Link::Index(index) }
    }

    pub(super) fn place(&self) -> Place {
        let mut steps = Vec::new();
        let mut path = Some(self);
        while let Some(Path { parent, step }) = path {
            match step {
                Link::Root => {}
                Link::Key(key) => steps.push(Step::Key((*key).to_owned())),
                Link::Index(index) => steps.push(Step::Index(*index)),
            }
            path = *parent;
        }
        steps.reverse();
        steps.into_iter().collect()
    }

    /// What to call the value in a message.
    pub(super) fn subject(&self) -> String {
        match (self.step, self.parent) {
            (Link::Root, _) | (Link::Index(_), None) => "the configuration".to_owned(),
            (Link::Key(key), _) => words::quoted(key),
            (Link::Index(_), Some(parent)) => format!("an item of {}", parent.subject()),
        }
    }
}
