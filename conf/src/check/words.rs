use crate::tree::{Kind, Node};

/// Longer texts are cut in messages.
const MOST_CHARS: usize = 60;

/// A text of the file in a message: in backquotes, one line, not too long.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(MOST_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST_CHARS).is_some() {
        shown.push_str("...");
    }
    // `escape_debug` escapes quotes too, which need it only inside of quotes.
    let shown = shown.replace("\\\"", "\"").replace("\\'", "'");
    format!("`{shown}`")
}

/// Names in backquotes, with commas.
pub(crate) fn all<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// What a value is, in the words of the language.
pub(super) fn kind(node: &Node) -> &'static str {
    match node.kind {
        Kind::Null => "nothing",
        Kind::Plain(_) => "text",
        Kind::Quoted(_) => "text in quotes",
        Kind::Sequence(_) => "a list",
        Kind::Mapping(_) => "a mapping",
    }
}

/// A number and what it counts.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match number {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}
