//! The head of an HTTP/1 answer, read strictly (RFC 9112).
//!
//! Nothing is mended, although RFC 9112 would have lines unfolded, blanks taken from names, and
//! `Transfer-Encoding` win over `Content-Length`: a mended head may be one that the next party along
//! the way reads otherwise.

#[cfg(test)]
mod tests;

use std::ops::Range;

use http::Version;

use super::head::{content_length, split_field, transfer_coding};
use crate::verdict::Reason;
use crate::wire::chars;

/// Bytes in the head of an answer.
pub(crate) const MAX_HEAD: usize = 64 * 1024;
/// Field lines in the head of an answer.
pub(crate) const MAX_FIELDS: usize = 256;

/// How the body of an answer is delimited, as far as its fields say (RFC 9112, section 6.3). That
/// there is none after HEAD, and with some statuses, is for whoever knows the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AnswerFraming {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// All that comes until the connection ends.
    Close,
}

/// A complete head that nothing stands against.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AnswerFacts {
    /// Its length in bytes, the empty line included; the body, or the next head, begins there.
    pub length: usize,
    /// 1.0 or 1.1.
    pub version: Version,
    /// The status.
    pub status: u16,
    /// Where the reason phrase stands.
    pub phrase: Range<usize>,
    /// Where the first field line stands.
    pub fields_start: usize,
    /// Field lines.
    pub fields: usize,
    /// How the body is delimited.
    pub framing: AnswerFraming,
    /// Whether the endpoint lets the connection be used again (RFC 9112, section 9.3).
    pub keep_alive: bool,
}

/// Reads a head that comes in pieces; remembers how far it looked, so that each byte is looked at
/// once, however many pieces there are.
#[derive(Clone, Debug, Default)]
pub struct AnswerScanner {
    scanned: usize,
    line_start: usize,
    status_line: Option<StatusLine>,
    fields: usize,
    length: Option<u64>,
    is_chunked: bool,
    close: bool,
    keep_alive: bool,
}

#[derive(Clone, Debug)]
struct StatusLine {
    version: Version,
    status: u16,
    phrase: Range<usize>,
    end: usize,
}

impl AnswerScanner {
    /// A scanner at the beginning of a head.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at `bytes`: all that came of the head so far, from its first byte on, and perhaps what
    /// follows it. `None`: it goes on beyond them; to be called again with more.
    ///
    /// # Errors
    /// What is wrong with the head.
    pub fn inspect(&mut self, bytes: &[u8]) -> Result<Option<AnswerFacts>, Reason> {
        loop {
            let rest = bytes.get(self.scanned..).unwrap_or_default();
            let Some(found) = memchr::memchr(b'\n', rest) else {
                self.scanned = bytes.len();
                let is_long = bytes.len() > MAX_HEAD;
                return if is_long { Err(Reason::UpstreamHeadSize) } else { Ok(None) };
            };
            let end = self.scanned.saturating_add(found);
            let next = end.saturating_add(1);
            if next > MAX_HEAD {
                return Err(Reason::UpstreamHeadSize);
            }
            let line = bytes.get(self.line_start..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").ok_or(Reason::UpstreamMalformed)?;
            if let Some(facts) = self.take_line(line, next)? {
                return Ok(Some(facts));
            }
            self.line_start = next;
            self.scanned = next;
        }
    }

    fn take_line(&mut self, line: &[u8], next: usize) -> Result<Option<AnswerFacts>, Reason> {
        let Some(status_line) = &self.status_line else {
            let (version, status, phrase) = status_of(line).ok_or(Reason::UpstreamMalformed)?;
            self.status_line = Some(StatusLine { version, status, phrase, end: next });
            return Ok(None);
        };
        if !line.is_empty() {
            return self.take_field(line).map(|()| None);
        }
        let is_10 = status_line.version == Version::HTTP_10;
        // RFC 9112, section 6.3: both at once "ought to be handled as an error"; section 6.1: chunks
        // before HTTP/1.1 mean faulty framing.
        let framing = match (self.length, self.is_chunked) {
            (Some(_), true) => return Err(Reason::UpstreamMalformed),
            (None, true) if is_10 => return Err(Reason::UpstreamMalformed),
            (None, true) => AnswerFraming::Chunked,
            (Some(length), false) => AnswerFraming::Length(length),
            (None, false) => AnswerFraming::Close,
        };
        Ok(Some(AnswerFacts {
            length: next,
            version: status_line.version,
            status: status_line.status,
            phrase: status_line.phrase.clone(),
            fields_start: status_line.end,
            fields: self.fields,
            framing,
            keep_alive: !self.close && (!is_10 || self.keep_alive),
        }))
    }

    fn take_field(&mut self, line: &[u8]) -> Result<(), Reason> {
        self.fields = self.fields.saturating_add(1);
        if self.fields > MAX_FIELDS {
            return Err(Reason::UpstreamHeadSize);
        }
        let malformed = |_| Reason::UpstreamMalformed;
        let (name, value) = split_field(line).map_err(malformed)?;
        match name.len() {
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in value.split(|c| *c == b',').map(chars::trim) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = content_length(value).ok_or(Reason::UpstreamMalformed)?;
                if self.length.replace(length).is_some() {
                    return Err(Reason::UpstreamMalformed);
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                transfer_coding(value).map_err(malformed)?;
                if std::mem::replace(&mut self.is_chunked, true) {
                    return Err(Reason::UpstreamMalformed);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Version, status and reason phrase of `HTTP/1.x SP 3DIGIT [ SP reason ]`. The last blank is
/// required; who leaves it out together with the reason is understood all the same.
fn status_of(line: &[u8]) -> Option<(Version, u16, Range<usize>)> {
    let (version, rest) = match line.strip_prefix(b"HTTP/1.")? {
        [b'0', b' ', rest @ ..] => (Version::HTTP_10, rest),
        [b'1', b' ', rest @ ..] => (Version::HTTP_11, rest),
        _ => return None,
    };
    let (digits, reason) = rest.split_at_checked(3)?;
    let phrase = match reason {
        [] => line.len()..line.len(),
        [b' ', reason @ ..] if chars::is_field_value(reason) => {
            line.len().saturating_sub(reason.len())..line.len()
        }
        _ => return None,
    };
    let status = digits.iter().try_fold(0_u16, |status, c| {
        let digit = c.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        status.checked_mul(10)?.checked_add(u16::from(digit))
    })?;
    (100..600).contains(&status).then_some((version, status, phrase))
}
