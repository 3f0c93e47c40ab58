//! Texts with `@name@` in them, for configurations: braces and dollars have meanings of their own
//! there.

use std::collections::HashMap;

use crate::ports;

/// Values of names; a name that ends in `-port` and has no value gets a free port.
#[derive(Debug, Default)]
pub struct Values(HashMap<String, String>);

impl Values {
    /// Gives `name` a value.
    pub fn set(&mut self, name: &str, value: impl ToString) {
        self.0.insert(name.to_owned(), value.to_string());
    }

    /// The value of `name`; a port is chosen at the first look.
    ///
    /// # Panics
    /// When there is none.
    pub fn get(&mut self, name: &str) -> &str {
        if !self.0.contains_key(name) {
            assert!(name.ends_with("-port"), "the template names `@{name}@`, which has no value");
            self.set(name, ports::free());
        }
        &self.0[name]
    }

    /// The value of a name that was given one, or was used in a template.
    ///
    /// # Panics
    /// When there is none.
    pub fn known(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("no template named `@{name}@` until now"))
    }

    /// `text` with every `@name@` replaced.
    ///
    /// # Panics
    /// When a name has no value.
    pub fn fill(&mut self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('@') {
            filled.push_str(before);
            if let Some((name, tail)) = after.split_once('@').filter(|(name, _)| is_name(name)) {
                filled.push_str(self.get(name));
                rest = tail;
            } else {
                filled.push('@');
                rest = after;
            }
        }
        filled.push_str(rest);
        filled
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_port_and_other_text_stays() {
        let mut values = Values::default();
        values.set("dir", "/tmp/x");
        let filled = values.fill("a@web-port@ b@web-port@ c@dir@/d me@example.com {x} $y");
        let port = values.get("web-port").to_owned();
        assert_eq!(filled, format!("a{port} b{port} c/tmp/x/d me@example.com {{x}} $y"));
    }
}
