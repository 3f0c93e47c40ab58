//! Shows problems to people and to programs.

mod excerpt;
mod mask;

use std::fmt::Write;

use serde_json::{Value, json};

use crate::check::words;
use crate::problem::{Part, Problem, Severity};
use crate::source::Sources;

/// All problems for a terminal, sorted by place, and a last line that counts them.
pub fn render(problems: &[Problem], sources: &Sources) -> String {
    let mut text = render_problems(problems, sources);
    text.push_str(&summary(problems, sources));
    text.push('\n');
    text
}

/// All problems for a terminal, sorted by place, each with an empty line after it.
pub fn render_problems(problems: &[Problem], sources: &Sources) -> String {
    let mut text = String::new();
    for problem in sorted(problems, sources) {
        text.push_str(&one(problem, sources));
        text.push('\n');
    }
    text
}

/// Only the last line of [`render`], without a line break: how many errors and warnings there are in
/// how many files.
pub fn summary(problems: &[Problem], sources: &Sources) -> String {
    let count_of = |severity: Severity, noun: &str| {
        let count = problems.iter().filter(|problem| problem.severity == severity).count();
        (count > 0).then(|| words::count(count, noun))
    };
    let counts = [count_of(Severity::Error, "error"), count_of(Severity::Warning, "warning")];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    let counts = if counts.is_empty() { "no problems".to_owned() } else { counts.join(" and ") };
    match sources.files().len() {
        0 => format!("{counts}."),
        files => format!("{counts} in {}.", words::count(files, "file")),
    }
}

/// All problems as a JSON array, sorted by place. Lines and columns count from 1; they are absent
/// when a problem stands in no text.
pub fn to_json(problems: &[Problem], sources: &Sources) -> Value {
    sorted(problems, sources).into_iter().map(|problem| one_as_json(problem, sources)).collect()
}

fn sorted<'a>(problems: &'a [Problem], sources: &Sources) -> Vec<&'a Problem> {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort_by_cached_key(|problem| sources.span_of_problem(problem));
    sorted
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn one(problem: &Problem, sources: &Sources) -> String {
    let mut text =
        format!("{}[{}]: {}\n", word(problem.severity), problem.code, escaped(&problem.message));
    let span = sources.span_of_problem(problem);
    let excerpt = span.and_then(|span| excerpt::of(span, problem.label.as_deref(), sources));
    let margin = excerpt.as_ref().map_or(0, |excerpt| excerpt.margin);
    if let Some(excerpt) = excerpt {
        text.push_str(&excerpt.text);
    } else if let Some(label) = &problem.label {
        let _ = writeln!(text, " = {}", escaped(label));
    }
    for note in notes(problem, sources) {
        let _ = writeln!(text, "{:margin$} = note: {}", "", escaped(&note));
    }
    text
}

/// The notes of a problem, each with the file and line that it speaks of.
fn notes(problem: &Problem, sources: &Sources) -> impl Iterator<Item = String> {
    problem.notes.iter().map(|(note, place)| {
        let position = place.as_ref().and_then(|place| sources.position(place, Part::Key));
        match position {
            Some(position) => format!("{note} ({}:{})", position.file, position.line),
            None => note.clone(),
        }
    })
}

fn one_as_json(problem: &Problem, sources: &Sources) -> Value {
    let mut value = json!({
        "severity": word(problem.severity),
        "code": problem.code,
        "message": problem.message,
        "place": problem.place.to_string(),
    });
    if let (Some(position), Some(fields)) =
        (sources.position_of_problem(problem), value.as_object_mut())
    {
        fields.insert("file".to_owned(), position.file.into());
        fields.insert("line".to_owned(), position.line.into());
        fields.insert("column".to_owned(), position.column.into());
    }
    if let Some(fields) = value.as_object_mut() {
        if let Some(label) = &problem.label {
            fields.insert("label".to_owned(), label.clone().into());
        }
        if !problem.notes.is_empty() {
            fields.insert("notes".to_owned(), notes(problem, sources).collect());
        }
    }
    value
}

/// Text of a file must not steer the terminal it is shown on.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if excerpt::is_unseen(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests;
