//! Compares a tree with the shape of the language and finds everything that does not fit.

mod path;
mod scalar;
pub(crate) mod words;

use std::collections::{BTreeSet, HashMap};

use path::Path;

use crate::nearest::nearest;
use crate::problem::{Place, Problem};
use crate::shape::{self, Format, Mapping, Shape};
use crate::source::Span;
use crate::tree::{Entry, Kind, Node};

/// Problems that are shown before the rest is left to the next try.
const MOST_PROBLEMS: usize = 500;

/// Secrets that are looked for outside of where they stand.
const MOST_SECRETS: usize = 1_000;

/// The code of keys that nobody knows, which alone leave enough to check the rest.
pub(crate) const UNKNOWN_KEY: &str = "unknown-key";

/// What a check found.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub problems: Vec<Problem>,
    /// Where secrets stand in the text although they should not.
    pub secrets: Vec<Span>,
    /// What they are.
    pub secret_texts: Vec<String>,
    /// The values that name a file.
    pub files: Vec<Place>,
}

/// Checks a whole configuration.
pub(crate) fn check(root: &Node) -> Checked {
    let mut checker = Checker::default();
    // A file may be empty, or hold nothing but comments.
    if !matches!(root.kind, Kind::Null) {
        checker.value(&Path::root(), root, shape::configuration());
    }
    checker.finish()
}

#[derive(Default)]
struct Checker {
    problems: Vec<Problem>,
    skipped: usize,
    secrets: Vec<Span>,
    secret_texts: BTreeSet<String>,
    files: Vec<Place>,
}

impl Checker {
    fn value(&mut self, path: &Path<'_>, node: &Node, shape: &Shape) {
        if matches!(node.kind, Kind::Null) {
            return self.nothing(path, shape);
        }
        match shape {
            Shape::Mapping(mapping) => self.mapping(path, node, mapping, &[]),
            Shape::Map { keys, values } => self.map(path, node, *keys, values),
            Shape::List { items, least, most } => self.list(path, node, items, *least, *most),
            Shape::Either { text, mappings } => self.either(path, node, text, mappings),
            Shape::Secret(mapping) => self.secret(path, node, mapping),
            Shape::Text { .. } | Shape::Format(_) | Shape::Integer { .. } | Shape::Choice(_) => {
                self.scalar(path, node, shape);
            }
        }
    }

    fn nothing(&mut self, path: &Path<'_>, shape: &Shape) {
        let label = match shape {
            Shape::List { .. } => "write `[]` for an empty list, or remove the key",
            Shape::Mapping(_) | Shape::Map { .. } => {
                "write `{}` for one without keys, or remove the key"
            }
            _ => "give it a value, or remove the key",
        };
        let problem =
            Problem::new("missing-value", path.place(), format!("{} has no value", path.subject()));
        self.add(problem.at_key().label(label));
    }

    /// `others` are mappings that could stand here as well.
    fn mapping(&mut self, path: &Path<'_>, node: &Node, mapping: &Mapping, others: &[Mapping]) {
        let Kind::Mapping(entries) = &node.kind else {
            let label = format!("its keys are {}", words::all(mapping.names()));
            return self.wrong_type(path, node, "a mapping", &label);
        };
        let mut mistyped = Vec::new();
        for entry in entries {
            match mapping.key(&entry.key) {
                Some(key) => self.value(&path.key(&entry.key), &entry.value, &key.shape),
                None => mistyped.extend(self.unknown_key(path, entry, mapping, others)),
            }
        }
        for key in mapping.keys.iter().filter(|key| key.required) {
            let is_there = entries.iter().any(|entry| *entry.key == *key.name);
            if !is_there && !mistyped.contains(&key.name.as_str()) {
                let message = format!("{} needs the key `{}`", mapping.noun, key.name);
                let problem = Problem::new("missing-key", path.place(), message);
                self.add(problem.label("add it here"));
            }
        }
    }

    /// Gives the key that was most likely meant.
    fn unknown_key<'m>(
        &mut self,
        path: &Path<'_>,
        entry: &Entry,
        mapping: &'m Mapping,
        others: &[Mapping],
    ) -> Option<&'m str> {
        let name = words::quoted(&entry.key);
        let place = path.key(&entry.key).place();
        let message = format!("{name} is not a key of {}", mapping.noun);
        let mut problem = Problem::new(UNKNOWN_KEY, place, message).at_key();
        // Two files of a folder may have the same unknown key, and a place names only the first.
        problem.span = Some(entry.key_span);
        let other = others.iter().find(|other| other.key(&entry.key).is_some());
        let meant = nearest(&entry.key, mapping.names());
        let label = match (other, meant) {
            (Some(other), _) => format!("it is a key of {}", other.noun),
            (None, Some(known)) => format!("did you mean `{known}`?"),
            (None, None) => format!("its keys are {}", words::all(mapping.names())),
        };
        self.add(problem.label(label));
        meant
    }

    fn map(&mut self, parent: &Path<'_>, node: &Node, keys: Format, values: &Shape) {
        let Kind::Mapping(entries) = &node.kind else {
            return self.wrong_type(parent, node, "a mapping", "it is written `{ name: value }`");
        };
        let mut seen: HashMap<String, &str> = HashMap::new();
        for entry in entries {
            let path = parent.key(&entry.key);
            if let Err(why) = keys.check(&entry.key) {
                let message = format!("{} is not allowed as a key", words::quoted(&entry.key));
                self.add(Problem::new("bad-value", path.place(), message).at_key().label(why));
            }
            // Names of fields, the only such keys, are the same in capitals.
            if let Some(first) = seen.insert(entry.key.to_ascii_lowercase(), &entry.key) {
                let message = format!("{} stands here a second time", words::quoted(&entry.key));
                let first = parent.key(first).place();
                let problem = Problem::new("duplicate-key", path.place(), message).at_key();
                self.add(problem.label("remove one").note("the first is here", Some(first)));
            }
            self.value(&path, &entry.value, values);
        }
    }

    fn list(&mut self, path: &Path<'_>, node: &Node, items: &Shape, least: usize, most: usize) {
        let Kind::Sequence(nodes) = &node.kind else {
            let label = "a list is written `[a, b]`, or with `- ` in front of each item";
            return self.wrong_type(path, node, "a list", label);
        };
        if nodes.len() < least || nodes.len() > most {
            let message = format!("{} has {}", path.subject(), words::count(nodes.len(), "item"));
            let label = if nodes.len() < least {
                format!("it needs at least {}", words::count(least, "item"))
            } else {
                format!("it may have at most {}", words::count(most, "item"))
            };
            self.add(Problem::new("wrong-length", path.place(), message).label(label));
        }
        for (index, item) in nodes.iter().enumerate() {
            self.value(&path.index(index), item, items);
        }
    }

    fn either(&mut self, path: &Path<'_>, node: &Node, text: &Shape, mappings: &[Mapping]) {
        let Kind::Mapping(entries) = &node.kind else {
            if node.text().is_some() {
                return self.value(path, node, text);
            }
            let label = "it is text, or a mapping";
            return self.wrong_type(path, node, "text or a mapping", label);
        };
        // The last of equals would win, so they are turned around.
        let best = mappings.iter().rev().max_by_key(|mapping| likeness(entries, mapping));
        if let Some(mapping) = best {
            self.mapping(path, node, mapping, mappings);
        }
    }

    fn secret(&mut self, path: &Path<'_>, node: &Node, mapping: &Mapping) {
        let before = self.problems.len() + self.skipped;
        match node.entries() {
            [entry] if mapping.key(&entry.key).is_some() => {
                self.mapping(path, node, mapping, &[]);
            }
            // Nothing of it is repeated in the message: any part of it may be the secret itself.
            [_, ..] => {
                let message = format!("{} is one reference", mapping.noun);
                let label = format!("write one of {}", references(mapping));
                self.add(Problem::new("bad-secret", path.place(), message).label(label));
            }
            [] => {
                let message = "a secret cannot stand in the configuration itself".to_owned();
                let label = format!("write {} instead", references(mapping));
                self.add(Problem::new("plain-secret", path.place(), message).label(label));
            }
        }
        if self.problems.len() + self.skipped != before {
            self.hide(node);
        }
    }

    fn hide(&mut self, node: &Node) {
        self.secrets.push(node.span);
        // Anything shorter stands in many a word.
        let text = node.text().filter(|text| text.len() >= 4);
        if self.secret_texts.len() < MOST_SECRETS {
            self.secret_texts.extend(text.map(str::to_owned));
        }
        node.items().iter().for_each(|item| self.hide(item));
        node.entries().iter().for_each(|entry| self.hide(&entry.value));
    }

    fn wrong_type(&mut self, path: &Path<'_>, node: &Node, expected: &str, label: &str) {
        let message =
            format!("expected {expected} for {}, found {}", path.subject(), words::kind(node));
        self.add(Problem::new("wrong-type", path.place(), message).label(label));
    }

    fn add(&mut self, problem: Problem) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.skipped += 1;
        }
    }

    fn finish(mut self) -> Checked {
        // An alias can carry a secret to where it is shown as a wrong value.
        for problem in &mut self.problems {
            for secret in &self.secret_texts {
                problem.message = problem.message.replace(secret.as_str(), "***");
            }
        }
        if self.skipped > 0 {
            let message = format!("there are {} more problems", self.skipped);
            self.problems.push(Problem::new("too-many-problems", Place::root(), message));
        }
        let Self { problems, secrets, secret_texts, files, .. } = self;
        Checked { problems, secrets, secret_texts: secret_texts.into_iter().collect(), files }
    }
}

/// How much a mapping with these entries looks like `mapping`: its first key says the most.
fn likeness(entries: &[Entry], mapping: &Mapping) -> usize {
    let Some(first) = mapping.keys.first() else { return 0 };
    let has = |name: &str| entries.iter().any(|entry| *entry.key == *name);
    let known = entries.iter().filter(|entry| mapping.key(&entry.key).is_some()).count();
    if has(&first.name) {
        return known + 2 * entries.len();
    }
    let is_near = |entry: &Entry| nearest(&entry.key, [first.name.as_str()]).is_some();
    known + if entries.iter().any(is_near) { entries.len() } else { 0 }
}

fn references(mapping: &Mapping) -> String {
    let forms: Vec<String> = mapping.names().map(|name| format!("`{{ {name}: ... }}`")).collect();
    forms.join(" or ")
}

#[cfg(test)]
mod tests;
