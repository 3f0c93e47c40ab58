//! Paths in normal form: what routes are matched with is what is forwarded, byte for byte.
//!
//! The normal form of RFC 3986, section 6.2.2, made strict where servers are known to disagree:
//!
//! | in the request | becomes |
//! |---|---|
//! | `%41`, `%7e` (an unreserved character) | the character itself |
//! | other escapes | kept, with upper-case digits |
//! | `%2F`, `%5C`, `\` | refused: some servers take them for a slash, some do not |
//! | `%00` to `%1F`, `%7F`, `%` without two digits, overlong UTF-8 | refused |
//! | `"`, `[`, `]`, `^`, `{`, `\|`, `}` | escaped |
//! | `.` and `..` segments | resolved (section 5.2.4); above the root: refused |
//! | `..;x` and `.;x` segments | refused: some servers drop what follows the semicolon |
//! | `//` | `/`: an empty segment must not lead past a prefix such as `/admin` |

use std::borrow::Cow;

use crate::verdict::Reason;
use crate::wire::chars;

/// Brings the path of a request target into normal form. A path that is in normal form already is
/// borrowed. An empty path is `/`.
///
/// # Errors
/// Why the path is refused.
pub fn normalise(path: &[u8]) -> Result<Cow<'_, str>, Reason> {
    if path.is_empty() {
        return Ok(Cow::Borrowed("/"));
    }
    if path.first() != Some(&b'/') {
        return Err(Reason::Target);
    }
    if is_normal(path)
        && let Ok(text) = std::str::from_utf8(path)
    {
        return Ok(Cow::Borrowed(text));
    }
    let escaped = escape(path)?;
    resolve(&escaped).map(Cow::Owned)
}

/// Whether nothing needs a closer look: only plain characters, no empty segment, none that begins
/// with a dot.
fn is_normal(path: &[u8]) -> bool {
    let mut previous = 0;
    for c in path {
        let c = *c;
        if !chars::is_path(c) || (previous == b'/' && (c == b'/' || c == b'.')) {
            return false;
        }
        previous = c;
    }
    true
}

/// Brings every character into its normal spelling.
fn escape(path: &[u8]) -> Result<String, Reason> {
    let mut out = String::with_capacity(path.len() + 16);
    let mut rest = path;
    let mut previous_escape = 0;
    while let Some((c, after)) = rest.split_first() {
        rest = after;
        let mut this_escape = 0;
        match *c {
            b'%' => {
                let (value, after) = read_escape(rest)?;
                rest = after;
                if is_overlong(previous_escape, value) {
                    return Err(Reason::PathEscape);
                }
                this_escape = value;
                if chars::is_unreserved(value) {
                    out.push(char::from(value));
                } else {
                    push_escape(value, &mut out);
                }
            }
            b'\\' => return Err(Reason::EncodedSlash),
            c if chars::is_path(c) => out.push(char::from(c)),
            c if chars::is_target(&[c]) && c != b'?' => push_escape(c, &mut out),
            _ => return Err(Reason::Target),
        }
        previous_escape = this_escape;
    }
    Ok(out)
}

fn read_escape(digits: &[u8]) -> Result<(u8, &[u8]), Reason> {
    let [high, low, rest @ ..] = digits else { return Err(Reason::PathEscape) };
    let (Some(high), Some(low)) = (chars::hex_value(*high), chars::hex_value(*low)) else {
        return Err(Reason::PathEscape);
    };
    match high << 4 | low {
        b'/' | b'\\' => Err(Reason::EncodedSlash),
        0..=0x1f | 0x7f => Err(Reason::PathEscape),
        value => Ok((value, rest)),
    }
}

/// UTF-8 that spells a character in more bytes than it needs (RFC 3629, section 3): a way to hide
/// a slash or a dot from everyone but the last decoder.
const fn is_overlong(first: u8, second: u8) -> bool {
    matches!(
        (first, second),
        (0xc0 | 0xc1, 0x80..=0xbf) | (0xe0, 0x80..=0x9f) | (0xf0, 0x80..=0x8f)
    )
}

fn push_escape(value: u8, out: &mut String) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    out.push('%');
    for digit in [value >> 4, value & 15] {
        out.push(DIGITS.get(usize::from(digit)).copied().unwrap_or('0'));
    }
}

/// Resolves dot segments and merges slashes. The path begins with a slash.
fn resolve(path: &str) -> Result<String, Reason> {
    let mut out = String::with_capacity(path.len());
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        let before_parameters = segment.split(';').next().unwrap_or_default();
        match (segment, before_parameters) {
            ("" | ".", _) if is_last => out.push('/'),
            ("" | ".", _) => {}
            ("..", _) => {
                let parent = out.rfind('/').ok_or(Reason::PathAboveRoot)?;
                out.truncate(parent);
                if is_last {
                    out.push('/');
                }
            }
            (_, "." | "..") => return Err(Reason::PathDots),
            _ => {
                out.push('/');
                out.push_str(segment);
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
