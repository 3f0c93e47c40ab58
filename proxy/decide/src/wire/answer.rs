//! The head of an HTTP/1 answer, followed as it streams past (RFC 9112).
//!
//! A parser may mend what it reads: it unfolds lines, takes blanks from names, and lets
//! `Transfer-Encoding` win over `Content-Length`. All that is refused here, before a parser sees it,
//! for a mended head may be one that the next party along the way reads otherwise.

#[cfg(test)]
mod tests;

use super::head::{content_length, split_field};
use crate::verdict::Reason;
use crate::wire::chars;

/// Bytes in the head of an answer.
pub(crate) const MAX_HEAD: usize = 64 * 1024;
/// Field lines in the head of an answer.
pub(crate) const MAX_FIELDS: usize = 256;

/// Follows the heads of one answer: those of 1xx, if any, and the final one.
#[derive(Clone, Debug, Default)]
pub struct AnswerWatch {
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    size: usize,
    fields: usize,
    status: Option<u16>,
    has_length: bool,
    has_coding: bool,
}

impl AnswerWatch {
    /// Follows an answer from its first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Follows the next bytes. Says whether the final head ends within them; what comes after it is
    /// not looked at.
    ///
    /// # Errors
    /// What is wrong with the head.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<bool, Reason> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at_checked(end).unwrap_or_default();
            let is_final = if self.partial.is_empty() {
                self.take_line(line)?
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                self.take_line(&whole)?
            };
            if is_final {
                return Ok(true);
            }
            rest = after.get(1..).unwrap_or_default();
        }
        self.partial.extend_from_slice(rest);
        let size = self.size.saturating_add(self.partial.len());
        if size > MAX_HEAD { Err(Reason::UpstreamHeadSize) } else { Ok(false) }
    }

    /// Takes a line without its line feed. Says whether the final head ends with it.
    fn take_line(&mut self, line: &[u8]) -> Result<bool, Reason> {
        self.size = self.size.saturating_add(line.len()).saturating_add(1);
        if self.size > MAX_HEAD {
            return Err(Reason::UpstreamHeadSize);
        }
        let line = line.strip_suffix(b"\r").ok_or(Reason::UpstreamMalformed)?;
        match self.status {
            None => {
                self.status = Some(status_of(line).ok_or(Reason::UpstreamMalformed)?);
                Ok(false)
            }
            Some(status) if line.is_empty() => self.finish(status),
            Some(_) => self.take_field(line).map(|()| false),
        }
    }

    fn take_field(&mut self, line: &[u8]) -> Result<(), Reason> {
        self.fields = self.fields.saturating_add(1);
        if self.fields > MAX_FIELDS {
            return Err(Reason::UpstreamHeadSize);
        }
        let (name, value) = split_field(line).map_err(|_| Reason::UpstreamMalformed)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            if content_length(value).is_none() || self.has_length {
                return Err(Reason::UpstreamMalformed);
            }
            self.has_length = true;
        }
        self.has_coding |= name.eq_ignore_ascii_case(b"transfer-encoding");
        Ok(())
    }

    /// RFC 9112, section 6.3: both at once "ought to be handled as an error".
    fn finish(&mut self, status: u16) -> Result<bool, Reason> {
        if self.has_length && self.has_coding {
            return Err(Reason::UpstreamMalformed);
        }
        // RFC 9110, section 15.2: after a 1xx comes another head; not after 101.
        let is_final = status == 101 || status >= 200;
        *self = Self::new();
        Ok(is_final)
    }
}

/// The status of `HTTP/1.x SP 3DIGIT [ SP reason ]`. The last blank is required; who leaves it out
/// together with the reason is understood all the same.
fn status_of(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.").and_then(|rest| match rest {
        [b'0' | b'1', b' ', rest @ ..] => Some(rest),
        _ => None,
    })?;
    let (digits, reason) = rest.split_at_checked(3)?;
    let reason_is_fine = match reason {
        [] => true,
        [b' ', reason @ ..] => chars::is_field_value(reason),
        _ => false,
    };
    let status = digits.iter().try_fold(0_u16, |status, c| {
        let digit = c.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        status.checked_mul(10)?.checked_add(u16::from(digit))
    })?;
    (reason_is_fine && (100..600).contains(&status)).then_some(status)
}
