use std::ops::Range;

use crate::source::{Source, Sources};

/// Keys whose value is a secret by reference.
const SECRET_KEYS: [&str; 1] = ["key"];
/// How far around what is shown the words of a secret are looked for.
const WORD_REACH: usize = 1 << 10;
/// How far back the start of a private key is looked for.
const KEY_REACH: usize = 64 << 10;

/// The parts of a line that must not be shown, as far as they reach into the bytes `seen` of it:
/// secrets that stand where only a reference may. Where the text is no YAML at all nobody knows what
/// is a secret, so what looks like one is hidden too.
pub(super) fn hidden(
    source: &Source,
    line: Range<usize>,
    seen: Range<usize>,
    file: u32,
    sources: &Sources,
) -> Vec<Range<usize>> {
    let secrets = sources.0.secrets.iter().filter(|secret| secret.file == file);
    let mut hidden: Vec<Range<usize>> =
        secrets.map(|secret| secret.start as usize..secret.end as usize).collect();
    let text = source.text();
    if is_in_private_key(text, &line) {
        hidden.push(line.clone());
    }
    let shown = text.get(line.clone()).unwrap_or_default();
    for start in SECRET_KEYS.iter().filter_map(|key| plain_value(shown, key)) {
        hidden.push(line.start + start..line.end);
    }
    let from = text.floor_char_boundary(seen.start.saturating_sub(WORD_REACH).max(line.start));
    let to = text.floor_char_boundary(seen.end.saturating_add(WORD_REACH).min(line.end));
    let near = text.get(from..to).unwrap_or_default();
    for secret in &sources.0.hidden_words {
        let found = near.match_indices(secret.as_str());
        hidden.extend(found.map(|(at, text)| from + at..from + at + text.len()));
    }
    hidden.retain(|range| range.start < seen.end && range.end > seen.start);
    hidden
}

/// Where in a line the value of `key` starts, if it is neither a mapping nor on the next lines.
fn plain_value(line: &str, key: &str) -> Option<usize> {
    for (at, _) in line.match_indices(key) {
        let before = line.get(..at)?.trim_end_matches(['"', '\'']);
        let starts_a_key =
            before.is_empty() || before.ends_with([' ', '\t', '-', '{', ',', '?', '[']);
        let after = line.get(at + key.len()..)?.trim_start_matches(['"', '\'', ' ', '\t']);
        let Some(value) = after.strip_prefix(':').filter(|_| starts_a_key) else { continue };
        let value = value.trim_start();
        if !value.is_empty() && !value.starts_with(['{', '#']) {
            return Some(line.len() - value.len());
        }
    }
    None
}

fn is_in_private_key(text: &str, line: &Range<usize>) -> bool {
    let from = text.floor_char_boundary(line.start.saturating_sub(KEY_REACH));
    let Some(before) = text.get(from..line.end) else { return false };
    match (before.rfind("-----BEGIN"), before.rfind("-----END")) {
        (Some(begin), Some(end)) => begin > end || from + end >= line.start,
        (Some(_), None) => true,
        (None, end) => end.is_some_and(|end| from + end >= line.start),
    }
}
