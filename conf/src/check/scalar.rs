use super::{Checker, Path, words};
use crate::nearest::nearest;
use crate::problem::Problem;
use crate::shape::{Bounded, Format, Shape};
use crate::tree::{Kind, Node};

impl Checker {
    /// A value that is one piece of text.
    pub(super) fn scalar(&mut self, path: &Path<'_>, node: &Node, shape: &Shape) {
        let (expected, label) = match shape {
            Shape::Integer { .. } => ("a whole number", "write one number"),
            _ => ("text", "write one value"),
        };
        let Some(text) = node.text() else {
            return self.wrong_type(path, node, expected, label);
        };
        match shape {
            Shape::Text { least, most } => self.text(path, text, *least, *most),
            Shape::Format(bounded) => self.format(path, text, bounded),
            Shape::Choice(choices) => self.choice(path, text, choices),
            Shape::Integer { least, most } => self.integer(path, node, text, *least, *most),
            _ => {}
        }
    }

    fn text(&mut self, path: &Path<'_>, text: &str, least: usize, most: usize) {
        let length = text.chars().count();
        let label = if length < least {
            format!("it needs at least {}", words::count(least, "character"))
        } else if length > most {
            format!("it may have at most {}", words::count(most, "character"))
        } else {
            return;
        };
        let message = format!("{} has {}", path.subject(), words::count(length, "character"));
        self.add(Problem::new("wrong-length", path.place(), message).label(label));
    }

    fn format(&mut self, path: &Path<'_>, text: &str, bounded: &Bounded) {
        if let Err(why) = bounded.format.check(text) {
            let message = format!("{} cannot be {}", path.subject(), words::quoted(text));
            return self.add(Problem::new("bad-value", path.place(), message).label(why));
        }
        if bounded.format == Format::File {
            self.files.push(path.place());
        }
        let (Some(least), Some(most)) = (&bounded.least, &bounded.most) else { return };
        let amount = |text: &str| bounded.format.amount(text);
        if amount(text) < amount(least) || amount(text) > amount(most) {
            self.out_of_range(path, text, least, most);
        }
    }

    fn choice(&mut self, path: &Path<'_>, text: &str, choices: &[String]) {
        if choices.iter().any(|choice| choice == text) {
            return;
        }
        let label = match nearest(text, choices.iter().map(String::as_str)) {
            Some(known) => format!("did you mean `{known}`?"),
            None if choices.len() == 1 => {
                format!("it can only be {}", words::all(choices.iter().map(String::as_str)))
            }
            None => format!("it is one of {}", words::all(choices.iter().map(String::as_str))),
        };
        let message = format!("{} cannot be {}", path.subject(), words::quoted(text));
        self.add(Problem::new("unknown-value", path.place(), message).label(label));
    }

    fn integer(&mut self, path: &Path<'_>, node: &Node, text: &str, least: u64, most: u64) {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
            return self.wrong_type(path, node, "a whole number", "write digits only");
        }
        if matches!(node.kind, Kind::Quoted(_)) {
            return self.wrong_type(path, node, "a whole number", "remove the quotes");
        }
        // What does not even fit is out of range as well.
        if !text.parse::<u64>().is_ok_and(|number| (least..=most).contains(&number)) {
            self.out_of_range(path, text, &least.to_string(), &most.to_string());
        }
    }

    fn out_of_range(&mut self, path: &Path<'_>, text: &str, least: &str, most: &str) {
        let message = format!("{} cannot be {}", path.subject(), words::quoted(text));
        let label = format!("it is from {least} to {most}");
        self.add(Problem::new("out-of-range", path.place(), message).label(label));
    }
}
