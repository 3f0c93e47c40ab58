use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::problem::{Place, Problem};
use crate::source::Source;

/// The longest file that is read: 16 MiB.
pub(super) const MOST_BYTES: usize = 16 << 20;
/// The most files of a folder.
const MOST_FILES: usize = 10_000;
/// All files of a folder together: 64 MiB.
const MOST_BYTES_IN_ALL: usize = 64 << 20;

/// Reads a file, or the files of a folder.
pub(super) fn read(path: &Path) -> (Vec<Source>, Vec<Problem>) {
    let is_folder = match fs::metadata(path) {
        Ok(metadata) => metadata.is_dir(),
        Err(error) => return (Vec::new(), vec![unreadable(&path.display().to_string(), &error)]),
    };
    if !is_folder {
        return match read_file(path, path.display().to_string()) {
            Ok(source) => (vec![source], Vec::new()),
            Err(problem) => (Vec::new(), vec![*problem]),
        };
    }
    match list(path) {
        Ok(names) if names.is_empty() => {
            let message = format!("the folder `{}` holds no configuration", path.display());
            let problem = Problem::new("empty-folder", Place::root(), message);
            (Vec::new(), vec![problem.note("put a file into it whose name ends in `.yaml`", None)])
        }
        Ok(files) if files.len() > MOST_FILES => {
            let message = format!("the folder `{}` holds too many files", path.display());
            let problem = Problem::new("too-large", Place::root(), message);
            (Vec::new(), vec![problem.note(format!("at most {MOST_FILES} are read"), None)])
        }
        Ok(files) => read_all(path, &files),
        Err(error) => (Vec::new(), vec![unreadable(&path.display().to_string(), &error)]),
    }
}

/// The files that are read for `path`.
pub(super) fn of(path: &Path) -> io::Result<Vec<PathBuf>> {
    if fs::metadata(path)?.is_dir() { list(path) } else { Ok(vec![path.to_owned()]) }
}

/// A problem with a text that is longer than any configuration.
pub(super) fn too_large(name: &str) -> Problem {
    let message = format!("`{name}` is too large to be a configuration");
    let problem = Problem::new("too-large", Place::root(), message);
    problem.note(
        format!(
            "a file has at most {} MiB, a folder {} MiB",
            MOST_BYTES >> 20,
            MOST_BYTES_IN_ALL >> 20
        ),
        None,
    )
}

fn read_all(folder: &Path, files: &[PathBuf]) -> (Vec<Source>, Vec<Problem>) {
    let mut sources = Vec::with_capacity(files.len());
    let mut problems = Vec::new();
    let mut bytes = 0_usize;
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match read_file(file, name) {
            Ok(source) => {
                bytes = bytes.saturating_add(source.text().len());
                sources.push(source);
            }
            Err(problem) => problems.push(*problem),
        }
        if bytes > MOST_BYTES_IN_ALL {
            problems.push(too_large(&folder.display().to_string()));
            break;
        }
    }
    (sources, problems)
}

/// The files of a folder that hold configuration, in the order of the bytes of their names.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let is_meant =
            !name.starts_with(b".") && (name.ends_with(b".yaml") || name.ends_with(b".yml"));
        if is_meant && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path, name: String) -> Result<Source, Box<Problem>> {
    let failed = |error: io::Error| Box::new(unreadable(&name, &error));
    // Opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is not a regular file")));
    }
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MOST_BYTES {
        return Err(Box::new(too_large(&name)));
    }
    let text = String::from_utf8(bytes).map_err(|error| Box::new(not_utf8(&name, &error)))?;
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if path.to_str().is_none() {
        // Files named in it become absolute by this path, and the canonical form is UTF-8.
        let message = format!("the path of `{name}` is not UTF-8 text");
        return Err(Box::new(Problem::new("not-utf8", Place::root(), message)));
    }
    Ok(Source::new(name, Some(path), text))
}

fn unreadable(name: &str, error: &io::Error) -> Problem {
    let message = format!("`{name}` cannot be read: {error}");
    Problem::new("unreadable-file", Place::root(), message)
}

fn not_utf8(name: &str, error: &std::string::FromUtf8Error) -> Problem {
    let valid = error.utf8_error().valid_up_to();
    let before = error.as_bytes().iter().take(valid);
    let line = before.filter(|byte| **byte == b'\n').count() + 1;
    let message = format!("`{name}` is not UTF-8 text: line {line} holds another encoding");
    Problem::new("not-utf8", Place::root(), message)
}
