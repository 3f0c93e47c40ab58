//! What is wrong with a configuration, and where.

use std::fmt;

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

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
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
    /// A stable, hyphenated name of the kind of error, such as `unknown-key`.
    pub code: &'static str,
    /// What is wrong, in one line: lower case, no full stop.
    pub message: String,
    /// Where.
    pub place: Place,
    /// What to point at there.
    pub part: Part,
    /// Written under the excerpt, beside the carets: what to do.
    pub label: Option<String>,
    /// Further lines, each with a place to name when it speaks of one.
    pub notes: Vec<(String, Option<Place>)>,
}

impl Problem {
    /// A problem with the value at `place`.
    pub fn new(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            place,
            part: Part::Value,
            label: None,
            notes: Vec::new(),
        }
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
