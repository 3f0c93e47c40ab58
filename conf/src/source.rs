//! The texts a configuration was read from, and where in them each value stands.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::Status;
use crate::problem::{Part, Place, Problem};
use crate::tree::Node;

/// A range of bytes in one of the files of a [`Sources`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Span {
    /// Which file, counted from 0.
    pub file: u32,
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

/// A place in a text, as people count it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Position {
    /// The name of the file, as it is shown.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// The texts that were read and their trees. A clone shares them.
#[derive(Clone, Debug, Default)]
pub struct Sources(pub(crate) Arc<Texts>);

/// What [`Sources`] shares.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub files: Vec<Source>,
    /// The trees of all files, merged.
    pub root: Node,
    /// Secrets that stand in a text although they should not, never to be shown.
    pub secrets: Vec<Span>,
    /// What they are; they may stand elsewhere as well.
    pub hidden_words: Vec<String>,
    /// Whether all files could be read and all their text is YAML.
    pub is_whole: bool,
}

/// One text.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    path: Option<PathBuf>,
    text: String,
    /// Where each line starts.
    lines: Vec<u32>,
}

impl Sources {
    /// Where `part` of `place` stands. A place that was not written, such as a default, stands where
    /// the innermost value around it does; `None` when there is no text at all.
    pub fn position(&self, place: &Place, part: Part) -> Option<Position> {
        self.position_of(self.span(place, part)?)
    }

    /// Where a problem stands; `None` when it stands in no text.
    pub fn position_of_problem(&self, problem: &Problem) -> Option<Position> {
        self.position_of(self.span_of_problem(problem)?)
    }

    /// The bytes of `part` of `place`, or of the innermost value around it that was written.
    pub fn span(&self, place: &Place, part: Part) -> Option<Span> {
        if self.0.files.is_empty() {
            return None;
        }
        let found = self.0.root.find(place);
        let is_exact = found.steps == place.steps().len();
        Some(match (part, found.entry) {
            (Part::Key, Some(entry)) => entry.key_span,
            // Of something that is missing, the key around it says more than the text around it.
            (Part::Value, Some(entry)) if !is_exact => entry.key_span,
            _ => found.node.span,
        })
    }

    /// The bytes that a problem points at.
    pub fn span_of_problem(&self, problem: &Problem) -> Option<Span> {
        match problem.span {
            Some(span) => Some(span),
            // What is missing at the root has no line to point at.
            None if self.0.root.find(&problem.place).steps == 0 => None,
            None => self.span(&problem.place, problem.part),
        }
    }

    /// A byte range's start, as people count it.
    pub fn position_of(&self, span: Span) -> Option<Position> {
        let source = self.0.files.get(usize::try_from(span.file).ok()?)?;
        let line = source.line_at(span.start);
        let column = source.line_before(line, span.start).chars().count() + 1;
        Some(Position { file: source.name.clone(), line, column })
    }

    /// The files that were read, in the order of reading.
    pub fn files(&self) -> &[Source] {
        &self.0.files
    }

    /// Where the status listener is to be, also when something else is wrong; `None` when that
    /// cannot be told.
    pub fn status_address(&self) -> Option<SocketAddr> {
        if !self.0.is_whole {
            return None;
        }
        let place = Place::root().key("status").key("address");
        if !self.is_written(&place) {
            return Some(Status::default().address.get());
        }
        self.0.root.find(&place).node.text()?.parse().ok()
    }

    /// Whether the value at `place` was written, rather than being a default.
    pub fn is_written(&self, place: &Place) -> bool {
        self.0.root.find(place).steps == place.steps().len()
    }
}

impl Source {
    pub(crate) fn new(name: String, path: Option<PathBuf>, text: String) -> Self {
        let starts = text.bytes().zip(1..).filter(|(byte, _)| *byte == b'\n').map(|(_, next)| next);
        let lines = std::iter::once(0).chain(starts).collect();
        Self { name, path, text, lines }
    }

    /// The folder that it is in; `None` for text that is not a file.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.path.as_deref()?.parent()
    }

    /// The name that is shown.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file; `None` for text that is not a file.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What it says.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The number of the line, from 1, that holds a byte.
    pub(crate) fn line_at(&self, offset: u32) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    /// The bytes of a line, without its end, as a range.
    pub(crate) fn line_range(&self, line: usize) -> std::ops::Range<usize> {
        let at = |line: usize| self.lines.get(line).map(|start| *start as usize);
        let start = line.checked_sub(1).and_then(at).unwrap_or(self.text.len());
        let end = at(line).unwrap_or(self.text.len());
        let text = self.text.get(start..end).unwrap_or_default();
        start..start + text.trim_end_matches(['\n', '\r']).len()
    }

    /// The part of a line before a byte.
    pub(crate) fn line_before(&self, line: usize, offset: u32) -> &str {
        let range = self.line_range(line);
        let end = self.text.floor_char_boundary((offset as usize).clamp(range.start, range.end));
        self.text.get(range.start..end).unwrap_or_default()
    }
}
