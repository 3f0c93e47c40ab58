//! Reads a file or a folder into a checked configuration.

mod files;
mod merge;

use std::collections::HashSet;
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::check::{self, Checked};
use crate::decode;
use crate::model::Config;
use crate::problem::{Place, Problem, Severity};
use crate::source::{Source, Sources, Span, Texts};
use crate::tree::{self, Entry, Kind, Node};
use crate::validate;

/// The SHA-256 hash of a configuration's canonical form: its JSON with the defaults filled in. Of
/// secrets only the reference is part of it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Digest([u8; 32]);

/// A configuration that may be served.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says, defaults filled in, files absolute.
    pub config: Config,
    /// Equal for two configurations that say the same.
    pub digest: Digest,
    /// Where each value was written.
    pub sources: Sources,
    /// What is odd but no reason to refuse it.
    pub warnings: Vec<Problem>,
}

/// A configuration that may not be served.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Everything that is wrong with it, at least one of them an error.
    pub problems: Vec<Problem>,
    /// What was read.
    pub sources: Sources,
    /// What it says, as far as that can be told, so that further checks can add their problems.
    /// Never to be served.
    pub config: Option<Box<Config>>,
}

/// Loads a file, or a folder: all `*.yaml` and `*.yml` files directly in it that are not hidden, in
/// the order of the bytes of their names. Lists of several files are put together; any other key may
/// stand in one of them only. Files that are named relative to the file that names them become
/// absolute.
///
/// # Errors
/// Every problem of the configuration, when at least one is an error.
pub fn load(path: &Path) -> Result<Loaded, Refused> {
    let (files, problems) = files::read(path);
    read(files, problems)
}

/// The files that [`load`] reads for `path`, in its order.
///
/// # Errors
/// The path, or the folder, cannot be looked at.
pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    files::of(path)
}

/// Loads a text; `name` is shown as its file in problems. Files that it names stay as they are.
///
/// # Errors
/// Every problem of the configuration, when at least one is an error.
pub fn parse_str(name: &str, text: &str) -> Result<Loaded, Refused> {
    if text.len() > files::MOST_BYTES {
        return read(Vec::new(), vec![files::too_large(name)]);
    }
    read(vec![Source::new(name.to_owned(), None, text.to_owned())], Vec::new())
}

impl Digest {
    /// The hash.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of a configuration.
    fn of(config: &Config) -> Self {
        let mut hash = BufWriter::with_capacity(1 << 16, HashWriter(Sha256::new()));
        let written = serde_json::to_writer(&mut hash, config);
        debug_assert!(written.is_ok(), "a configuration has only text as keys");
        let hash = hash.into_inner().map(|writer| writer.0).unwrap_or_default();
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

struct HashWriter(Sha256);

impl Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The way of every configuration: texts, one tree, checked, decoded, validated.
fn read(files: Vec<Source>, mut problems: Vec<Problem>) -> Result<Loaded, Refused> {
    let mut trees = Vec::with_capacity(files.len());
    for (source, file) in files.iter().zip(0..) {
        let (tree, found) = tree::parse(file, source.text());
        trees.push(tree);
        problems.extend(found);
    }
    let is_readable = problems.is_empty();
    let (root, conflicts) = merge::merge(trees);
    problems.extend(conflicts);
    let Checked { problems: found, secrets, secret_texts, files: named } = check::check(&root);
    problems.extend(found);

    let config = decode(&with_absolute_files(&root, &named, &files), is_readable, &mut problems);
    let sources = Sources(Arc::new(Texts {
        files,
        root,
        secrets,
        hidden_words: secret_texts,
        is_whole: is_readable,
    }));
    let has_error =
        |problems: &[Problem]| problems.iter().any(|problem| problem.severity == Severity::Error);
    match config {
        Some(config) if !has_error(&problems) => {
            Ok(Loaded { digest: Digest::of(&config), config, sources, warnings: problems })
        }
        config => Err(Refused { problems, sources, config: config.map(Box::new) }),
    }
}

/// Decodes and validates. A tree with nothing wrong but unknown keys is decoded without them, so
/// that all problems are shown at once.
fn decode(root: &Node, is_readable: bool, problems: &mut Vec<Problem>) -> Option<Config> {
    let unknown: Vec<&Problem> =
        problems.iter().filter(|problem| problem.code == check::UNKNOWN_KEY).collect();
    if !is_readable || unknown.len() != problems.len() {
        return None;
    }
    let decoded = if unknown.is_empty() {
        decode::decode(root)
    } else {
        let keys = unknown.iter().filter_map(|problem| problem.span).collect();
        decode::decode(&without(root, &keys))
    };
    match decoded {
        Ok(config) => {
            let incomplete: HashSet<Place> =
                unknown.iter().filter_map(|problem| problem.place.parent()).collect();
            let found = validate::validate(&config);
            problems.extend(found.into_iter().filter(|problem| may_follow(problem, &incomplete)));
            Some(config)
        }
        // A key that is needed was mistyped, as was already said.
        Err(_) if !unknown.is_empty() => None,
        Err(why) => {
            let message = format!("this was checked but cannot be read: {why}");
            let problem = Problem::new("undecodable", Place::root(), message);
            problems.push(problem.note("this is a fault of MarchProxy: please report it", None));
            None
        }
    }
}

/// Whether a problem still says something when some mappings have unknown keys: what is missing
/// there may only be mistyped.
fn may_follow(problem: &Problem, incomplete: &HashSet<Place>) -> bool {
    let is_certain = incomplete.is_empty()
        || (problem.severity == Severity::Error && !incomplete.contains(&Place::root()));
    let parent = problem.place.parent().unwrap_or_default();
    is_certain && !incomplete.contains(&parent)
}

fn without(node: &Node, keys: &HashSet<Span>) -> Node {
    let kind = match &node.kind {
        Kind::Sequence(items) => {
            Kind::Sequence(items.iter().map(|item| without(item, keys)).collect())
        }
        Kind::Mapping(entries) => {
            let known = entries.iter().filter(|entry| !keys.contains(&entry.key_span));
            let entries = known.map(|entry| Entry {
                key: entry.key.clone(),
                key_span: entry.key_span,
                value: without(&entry.value, keys),
            });
            Kind::Mapping(entries.collect())
        }
        other => other.clone(),
    };
    Node { span: node.span, kind }
}

/// The tree with the files that it names made absolute, as seen from the file that names them.
fn with_absolute_files(root: &Node, places: &[Place], files: &[Source]) -> Node {
    let mut root = root.clone();
    for place in places {
        let Some(node) = root.at_mut(place) else { continue };
        let source = usize::try_from(node.span.file).ok().and_then(|at| files.get(at));
        let folder = source.and_then(Source::folder);
        let path = folder.zip(node.text()).map(|(folder, name)| folder.join(name));
        // What is no text cannot be told on, and stays as it is.
        if let Some(path) = path.as_deref().and_then(Path::to_str) {
            node.kind = Kind::Quoted(path.into());
        }
    }
    root
}

#[cfg(test)]
mod tests;
