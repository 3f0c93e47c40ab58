//! What is wrong with a configuration, and where.

use std::fmt;

use crate::source::Span;

/// One step from the root of a configuration to a value in it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Step {
    /// Into a mapping, by key.
    Key(String),
    /// Into a sequence, by position from 0.
    Index(usize),
}

/// The way from the root of a configuration to a value in it, such as `routes[3].upstream`.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Place(Vec<Step>);

impl Place {
    /// The configuration as a whole.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// The place one key further in.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    /// The place one position further in.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    /// The steps, outermost first.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The place one step further out; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, steps) = self.0.split_last()?;
        Some(Self(steps.to_vec()))
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl FromIterator<Step> for Place {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Whether a problem stops a configuration from being served.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// It does.
    #[default]
    Error,
    /// It does not, but is most likely not what was meant.
    Warning,
}

/// Which part of a place an error points at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// The key itself.
    Key,
    /// The value.
    Value,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// A stable, hyphenated name of the kind of error, such as `unknown-key`.
    pub code: &'static str,
    /// What is wrong, in one line: lower case, no full stop.
    pub message: String,
    /// Where.
    pub place: Place,
    /// What to point at there.
    pub part: Part,
    /// The bytes to point at, when `place` cannot say it: text that is not YAML, a second key.
    pub span: Option<Span>,
    /// Written under the excerpt, beside the carets: what to do.
    pub label: Option<String>,
    /// Further lines, each with a place to name when it speaks of one.
    pub notes: Vec<(String, Option<Place>)>,
}

impl Problem {
    /// A problem with the value at `place`.
    pub fn new(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            place,
            part: Part::Value,
            span: None,
            label: None,
            notes: Vec::new(),
        }
    }

    /// A problem with these bytes.
    pub fn at_span(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { span: Some(span), ..Self::new(code, Place::root(), message) }
    }

    /// Only a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Points at the key instead of the value.
    #[must_use]
    pub fn at_key(mut self) -> Self {
        self.part = Part::Key;
        self
    }

    /// Says what to do, beside the excerpt.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds a line, and the place it speaks of.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>, place: Option<Place>) -> Self {
        self.notes.push((note.into(), place));
        self
    }
}
