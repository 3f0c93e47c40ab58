//! One line, as JSON or as text. Whatever bytes a client sends, they stay in one line and in their
//! own field, and JSON stays JSON.

use std::time::Duration;

/// A line that is being written. Text is `name=value` pairs; a value with anything but plain
/// characters is quoted as in JSON.
pub(super) struct Line<'a> {
    into: &'a mut Vec<u8>,
    is_json: bool,
    is_first: bool,
}

impl<'a> Line<'a> {
    pub(super) fn json(into: &'a mut Vec<u8>) -> Self {
        into.push(b'{');
        Self { into, is_json: true, is_first: true }
    }

    pub(super) fn text(into: &'a mut Vec<u8>) -> Self {
        Self { into, is_json: false, is_first: true }
    }

    pub(super) fn end(self) {
        self.into.extend_from_slice(if self.is_json { b"}\n" } else { b"\n" });
    }

    fn name(&mut self, name: &str) {
        if !self.is_first {
            self.into.push(if self.is_json { b',' } else { b' ' });
        }
        self.is_first = false;
        if self.is_json {
            self.into.push(b'"');
            self.into.extend_from_slice(name.as_bytes());
            self.into.extend_from_slice(b"\":");
        } else {
            self.into.extend_from_slice(name.as_bytes());
            self.into.push(b'=');
        }
    }

    /// A value that the proxy made itself, of harmless characters.
    pub(super) fn plain(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        if self.is_json {
            self.into.push(b'"');
            self.into.extend_from_slice(value);
            self.into.push(b'"');
        } else {
            self.into.extend_from_slice(value);
        }
    }

    /// Any value.
    pub(super) fn bytes(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        if !self.is_json && is_bare(value) {
            self.into.extend_from_slice(value);
            return;
        }
        self.into.push(b'"');
        escape(value, self.into);
        self.into.push(b'"');
    }

    pub(super) fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        self.into.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// Milliseconds with three decimals.
    pub(super) fn millis(&mut self, name: &str, value: Duration) {
        self.name(name);
        let micros = value.as_micros();
        self.into.extend_from_slice(itoa::Buffer::new().format(micros / 1000).as_bytes());
        let mut fraction = *b".000";
        let mut rest = micros % 1000;
        for place in fraction.iter_mut().skip(1).rev() {
            *place = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
        self.into.extend_from_slice(&fraction);
    }
}

/// Whether a value can stand in a text line as it is.
fn is_bare(value: &[u8]) -> bool {
    let is_fine = |c: &u8| c.is_ascii_graphic() && !matches!(c, b'"' | b'\\');
    !value.is_empty() && value.iter().all(is_fine)
}

/// Whether no character of a JSON string needs escaping; without a branch, so that it is compiled
/// to vector code.
#[expect(clippy::needless_bitwise_bool, reason = "without a branch it becomes vector code")]
fn is_harmless(value: &[u8]) -> bool {
    let is_bad = |c: u8| !matches!(c, b' '..0x7f) | (c == b'"') | (c == b'\\');
    !value.iter().fold(false, |bad, c| bad | is_bad(*c))
}

/// Appends the inside of a JSON string. Control characters, also those beyond ASCII, are escaped: a
/// log is read in terminals. Bytes that are no UTF-8 are written as the Latin-1 characters they
/// would be.
fn escape(value: &[u8], into: &mut Vec<u8>) {
    if is_harmless(value) {
        into.extend_from_slice(value);
        return;
    }
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => into.extend_from_slice(b"\\\""),
                '\\' => into.extend_from_slice(b"\\\\"),
                c if c.is_control() => push_escape(u32::from(c), into),
                c => into.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        for byte in chunk.invalid() {
            push_escape(u32::from(*byte), into);
        }
    }
}

fn push_escape(value: u32, into: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    into.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        let digit = usize::try_from(value >> shift & 15).unwrap_or_default();
        into.push(DIGITS.get(digit).copied().unwrap_or(b'0'));
    }
}
