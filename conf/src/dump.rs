//! Shows the effective configuration.

use std::fmt::Write;

use serde_json::Value;

use crate::load::Loaded;
use crate::model::Config;
use crate::problem::{Part, Place};
use crate::report::escaped;
use crate::source::Sources;

/// The column that comments start in, if the line leaves room.
const COMMENT_COLUMN: usize = 48;

/// The effective configuration as YAML; a comment on each line says where its value came from. It
/// loads again to the same digest.
pub fn yaml(loaded: &Loaded) -> String {
    let mut dump = Dump { text: String::new(), sources: Some(&loaded.sources) };
    dump.document(&canonical(&loaded.config));
    dump.text
}

/// The effective configuration as YAML without comments.
pub fn plain_yaml(config: &Config) -> String {
    let mut dump = Dump { text: String::new(), sources: None };
    dump.document(&canonical(config));
    dump.text
}

/// The effective configuration as indented JSON: the canonical form that the digest is made of, with
/// spaces.
pub fn json(loaded: &Loaded) -> String {
    format!("{:#}\n", canonical(&loaded.config))
}

fn canonical(config: &Config) -> Value {
    let value = serde_json::to_value(config);
    debug_assert!(value.is_ok(), "a configuration has only text as keys");
    value.unwrap_or_default()
}

struct Dump<'a> {
    text: String,
    sources: Option<&'a Sources>,
}

impl Dump<'_> {
    fn document(&mut self, config: &Value) {
        for (key, value) in config.as_object().into_iter().flatten() {
            self.entry(&Place::root().key(key), key, value, "", 0);
        }
    }

    /// Writes `key: value`. `start` is what stands in front of the key on its line; inner lines are
    /// indented by `indent` and two more.
    fn entry(&mut self, place: &Place, key: &str, value: &Value, start: &str, indent: usize) {
        let start = format!("{start}{}:", scalar(key));
        self.value(place, value, &start, indent + 2);
    }

    fn value(&mut self, place: &Place, value: &Value, start: &str, indent: usize) {
        match value {
            Value::Array(items) if !items.is_empty() => {
                self.line(start, place);
                for (index, item) in items.iter().enumerate() {
                    self.item(&place.index(index), item, indent);
                }
            }
            Value::Object(entries) if !entries.is_empty() => {
                self.line(start, place);
                for (key, value) in entries {
                    self.entry(&place.key(key), key, value, &spaces(indent), indent);
                }
            }
            _ => self.line(&format!("{start} {}", leaf(value)), place),
        }
    }

    /// An item of a list; the first key of a mapping stands behind its dash.
    fn item(&mut self, place: &Place, item: &Value, indent: usize) {
        let dash = format!("{}-", spaces(indent));
        match item {
            Value::Object(entries) if !entries.is_empty() => {
                let mut start = format!("{dash} ");
                for (key, value) in entries {
                    self.entry(&place.key(key), key, value, &start, indent + 2);
                    start = spaces(indent + 2);
                }
            }
            _ => self.value(place, item, &dash, indent + 2),
        }
    }

    fn line(&mut self, line: &str, place: &Place) {
        let Some(sources) = self.sources else {
            let _ = writeln!(self.text, "{line}");
            return;
        };
        let position = sources.position(place, Part::Key).filter(|_| sources.is_written(place));
        let origin = match position {
            Some(position) => format!("{}:{}", escaped(&position.file), position.line),
            None => "default".to_owned(),
        };
        let _ = writeln!(self.text, "{line:COMMENT_COLUMN$}  # {origin}");
    }
}

fn spaces(count: usize) -> String {
    " ".repeat(count)
}

fn leaf(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Text as YAML, in quotes unless every reader of YAML takes it for text without them.
fn scalar(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | "null"
    );
    let starts_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let starts_with_digit = text.starts_with(|c: char| c.is_ascii_digit());
    // `10s` and `64KiB` are text to everyone, `1e3` and `0x1f` are not.
    let is_amount = starts_with_digit && text.ends_with(['s', 'm', 'h', 'd', 'B']) && {
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
        matches!(unit, "ms" | "s" | "m" | "h" | "d" | "B" | "KiB" | "MiB" | "GiB" | "TiB" | "PiB")
    };
    if text.chars().all(is_plain) && !is_word && (starts_plain || is_amount) {
        return text.to_owned();
    }
    quoted(text)
}

fn quoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 2);
    shown.push('"');
    for c in text.chars() {
        match c {
            '"' => shown.push_str("\\\""),
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            ' '..='~' => shown.push(c),
            _ if c.is_alphanumeric() => shown.push(c),
            _ => {
                let _ = match u32::from(c) {
                    code @ 0..=0xff => write!(shown, "\\x{code:02x}"),
                    code @ 0x100..=0xffff => write!(shown, "\\u{code:04x}"),
                    code => write!(shown, "\\U{code:08x}"),
                };
            }
        }
    }
    shown.push('"');
    shown
}

#[cfg(test)]
mod tests;
