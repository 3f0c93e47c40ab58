use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput};

use super::{Entry, Kind, Node};
use crate::problem::Problem;
use crate::source::Span;

/// Values of one text, counting what aliases repeat.
const MOST_NODES: usize = 1_000_000;
/// Lists and mappings in each other. The language itself needs fewer than ten.
const DEEPEST: usize = 32;
/// Duplicate keys that are reported before the rest is left to the next try.
const MOST_DUPLICATES: usize = 100;
/// Below this, looking through the keys is faster than hashing them.
const FEW_KEYS: usize = 16;

/// Reads the text of file number `file`. Problems are duplicate keys, or the one thing that made
/// reading on impossible; then the tree is what was read before it.
pub(crate) fn parse(file: u32, text: &str) -> (Node, Vec<Problem>) {
    let mut options = granit_parser::Options::default();
    options.disallow_directives = true;
    options.flow_nesting_limit = DEEPEST;
    options.block_nesting_limit = DEEPEST;
    options.set_emit_comments(false);
    let mut builder = Builder {
        parser: Parser::new_from_str_with_options(text, options),
        text,
        file,
        nodes: 0,
        anchors: HashMap::new(),
        duplicates: Vec::new(),
    };
    match builder.document() {
        Ok(root) => (root, builder.duplicates),
        Err(stop) => {
            let mut problems = builder.duplicates;
            problems.push(*stop);
            (Node::default(), problems)
        }
    }
}

struct Builder<'text> {
    parser: Parser<'text, StrInput<'text>>,
    text: &'text str,
    file: u32,
    nodes: usize,
    anchors: HashMap<usize, Node>,
    duplicates: Vec<Problem>,
}

type Stop = Box<Problem>;

impl<'text> Builder<'text> {
    fn document(&mut self) -> Result<Node, Stop> {
        let mut root = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                _ if root.is_some() => {
                    let problem = Problem::at_span(
                        "second-document",
                        span,
                        "a file holds one document, but here a second one starts",
                    );
                    return Err(Box::new(problem.label("remove the `---` in front of it")));
                }
                event => root = Some(self.node(event, span, 0)?),
            }
        }
        Ok(root.unwrap_or_else(|| Node { span: self.nothing(), kind: Kind::Null }))
    }

    fn next(&mut self) -> Result<Option<(Event<'text>, Span)>, Stop> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                let span = self.span(span.start, span.end);
                Ok(Some((event, span)))
            }
            Some(Err(error)) => Err(Box::new(self.syntax(&error))),
        }
    }

    fn node(&mut self, event: Event<'text>, span: Span, depth: usize) -> Result<Node, Stop> {
        self.nodes += 1;
        if self.nodes > MOST_NODES || depth > DEEPEST {
            return Err(Box::new(too_much(span)));
        }
        let (anchor, tag, node) = match event {
            Event::Alias(anchor) => return self.alias(anchor, span, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let kind = match style {
                    ScalarStyle::Plain if is_null(&text) => Kind::Null,
                    ScalarStyle::Plain => Kind::Plain(text.into()),
                    _ => Kind::Quoted(text.into()),
                };
                (anchor, tag, Node { span, kind })
            }
            Event::SequenceStart(_, anchor, tag) => (anchor, tag, self.sequence(span, depth)?),
            Event::MappingStart(_, anchor, tag) => (anchor, tag, self.mapping(span, depth)?),
            _ => return Err(Box::new(unreadable(span))),
        };
        if tag.is_some() {
            let problem = Problem::at_span("yaml-tag", span, "YAML tags have no meaning here");
            return Err(Box::new(problem.label("remove the `!` and the word after it")));
        }
        if anchor != 0 {
            self.nodes += node.measure().0;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn sequence(&mut self, mut span: Span, depth: usize) -> Result<Node, Stop> {
        let mut items = Vec::new();
        loop {
            match self.inner()? {
                (Event::SequenceEnd, end) => {
                    span.end = last_end(span, items.last().map(|item: &Node| item.span), end);
                    return Ok(Node { span, kind: Kind::Sequence(items) });
                }
                (event, inner) => items.push(self.node(event, inner, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, mut span: Span, depth: usize) -> Result<Node, Stop> {
        let mut keys = Keys::default();
        loop {
            let (event, key_span) = self.inner()?;
            let key: Box<str> = match event {
                Event::MappingEnd => {
                    let last = keys.entries.last().map(|entry| entry.value.span);
                    span.end = last_end(span, last, key_span);
                    return Ok(Node { span, kind: Kind::Mapping(keys.entries) });
                }
                Event::Scalar(text, _, 0, None) => text.into(),
                _ => {
                    let problem = Problem::at_span("bad-key", key_span, "a key is plain text");
                    return Err(Box::new(problem));
                }
            };
            let (event, value_span) = self.inner()?;
            let value = self.node(event, value_span, depth + 1)?;
            if let Some(problem) = keys.add(Entry { key, key_span, value }, self.text)
                && self.duplicates.len() < MOST_DUPLICATES
            {
                self.duplicates.push(problem);
            }
        }
    }

    fn inner(&mut self) -> Result<(Event<'text>, Span), Stop> {
        match self.next()? {
            Some(inner) => Ok(inner),
            None => Err(Box::new(unreadable(self.nothing()))),
        }
    }

    fn alias(&mut self, anchor: usize, span: Span, depth: usize) -> Result<Node, Stop> {
        let Some(node) = self.anchors.get(&anchor) else {
            let message = "an alias cannot stand inside of what it repeats";
            return Err(Box::new(Problem::at_span("bad-alias", span, message)));
        };
        let (count, inner_depth) = node.measure();
        self.nodes += count;
        if self.nodes > MOST_NODES || depth + inner_depth > DEEPEST {
            return Err(Box::new(too_much(span)));
        }
        Ok(node.standing_at(span))
    }

    fn syntax(&self, error: &ScanError) -> Problem {
        let marker = *error.marker();
        Problem::at_span(
            "yaml-syntax",
            self.span(marker, marker),
            format!("this is not YAML: {}", error.info()),
        )
    }

    fn nothing(&self) -> Span {
        Span { file: self.file, start: 0, end: 0 }
    }

    fn span(&self, start: Marker, end: Marker) -> Span {
        let offset =
            |marker: Marker| u32::try_from(marker.byte_offset().unwrap_or(0)).unwrap_or(u32::MAX);
        Span { file: self.file, start: offset(start), end: offset(end).max(offset(start)) }
    }
}

/// The entries of a mapping as it is read.
#[derive(Default)]
struct Keys {
    entries: Vec<Entry>,
    /// All keys, once they are many.
    known: HashSet<Box<str>>,
}

impl Keys {
    /// Adds an entry, unless its key is there; then says so.
    fn add(&mut self, entry: Entry, text: &str) -> Option<Problem> {
        let is_there = if self.entries.len() < FEW_KEYS {
            self.entries.iter().any(|other| other.key == entry.key)
        } else {
            if self.known.is_empty() {
                self.known.extend(self.entries.iter().map(|entry| entry.key.clone()));
            }
            !self.known.insert(entry.key.clone())
        };
        if !is_there {
            self.entries.push(entry);
            return None;
        }
        let first = self.entries.iter().find(|other| other.key == entry.key)?;
        let message = format!("`{}` stands here a second time", entry.key.escape_debug());
        let line = line_of(text, first.key_span.start);
        let problem = Problem::at_span("duplicate-key", entry.key_span, message);
        Some(problem.label("remove one").note(format!("the first is on line {line}"), None))
    }
}

fn line_of(text: &str, offset: u32) -> usize {
    text.get(..offset as usize).unwrap_or_default().matches('\n').count() + 1
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// A block has no end of its own, only what comes after it: it ends where its last part ends.
fn last_end(own: Span, last: Option<Span>, end: Span) -> u32 {
    match last {
        Some(last) if end.start == end.end => last.end.max(own.start),
        _ => end.end.max(own.start),
    }
}

fn unreadable(span: Span) -> Problem {
    Problem::at_span("yaml-syntax", span, "this is not YAML: the text ends too early")
}

fn too_much(span: Span) -> Problem {
    let message = "there is too much here to be a configuration";
    let problem = Problem::at_span("too-large", span, message);
    problem.label(format!(
        "at most {MOST_NODES} values, at most {DEEPEST} deep, counting what aliases repeat"
    ))
}
