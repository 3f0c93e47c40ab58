use std::fmt;
use std::str::FromStr;

use super::scalar;

/// A piece of a template.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Piece {
    /// Copied as it is.
    Text(String),
    /// `{name}`: the value of a variable. Which names there are depends on where it stands.
    Variable(String),
}

/// Text with variables in braces; `{{` and `}}` stand for a brace.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Template(Vec<Piece>);
scalar!(Template, "template", "text with variables in braces, such as `https://{host}/`");

impl Template {
    /// The pieces in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// The variables in order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Variable(name) => Some(name.as_str()),
        })
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(bad) = text.chars().find(|c| c.is_control()) {
            return Err(format!("a value cannot hold the control character {bad:?}"));
        }
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '{' | '}' if chars.peek() == Some(&c) => {
                    chars.next();
                    plain.push(c);
                }
                '{' => {
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some('}') => break,
                            Some(c) if c.is_ascii_alphanumeric() || c == '_' => name.push(c),
                            _ => return Err(
                                "`{` must be followed by a name and `}` (write `{{` for a brace)"
                                    .to_owned(),
                            ),
                        }
                    }
                    if name.is_empty() {
                        return Err("`{}` holds no name (write `{{}}` for braces)".to_owned());
                    }
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Variable(name));
                }
                '}' => return Err("`}` without `{` (write `}}` for a brace)".to_owned()),
                _ => plain.push(c),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Piece::Variable(name) => write!(f, "{{{name}}}"),
        })
    }
}
