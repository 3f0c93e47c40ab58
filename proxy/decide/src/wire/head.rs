//! The head of an HTTP/1 request, read strictly (RFC 9112).

mod fields;
mod line;
#[cfg(test)]
mod tests;

pub(crate) use fields::{content_length, split_field, transfer_coding};

use std::ops::Range;

use http::Version;

use crate::verdict::Reason;
use crate::wire::chars;
use fields::Fields;
use line::RequestLine;

/// How much a head may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeadLimits {
    /// The whole head in bytes, leading empty lines and the last one included.
    pub head_size: usize,
    /// The request target in bytes.
    pub target_size: usize,
    /// Field lines.
    pub fields: usize,
}

/// How the body of a request is delimited (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// There is no body.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// A complete head that nothing stands against.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeadFacts {
    /// Its length in bytes, leading empty lines and the last one included; the body begins there.
    pub length: usize,
    /// 1.0 or 1.1.
    pub version: Version,
    /// Where the method stands.
    pub method: Range<usize>,
    /// Where the target stands.
    pub target: Range<usize>,
    /// Field lines.
    pub fields: usize,
    /// How the body is delimited.
    pub framing: Framing,
    /// Whether the client lets the connection be used again (RFC 9112, section 9.3).
    pub keep_alive: bool,
    /// Whether the client waits for a `100 Continue` before it sends the body.
    pub expect_continue: bool,
}

/// What was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Inspected {
    /// The head goes on beyond the bytes at hand; nothing stands against it so far.
    Incomplete,
    /// The head is complete.
    Complete(HeadFacts),
    /// The head is refused; the connection must be closed after the answer.
    Refused(Reason),
}

/// Empty lines that may stand in front of a request: some clients send one after a body
/// (RFC 9112, section 2.2).
const MAX_EMPTY_LINES: u8 = 4;

/// Room for method, version and spaces in a request line, beside the target.
const LINE_SLACK: usize = 64;

/// Reads a head that comes in pieces; remembers how far it looked, so that each byte is looked at
/// once, however many pieces there are.
#[derive(Clone, Debug, Default)]
pub struct HeadScanner {
    scanned: usize,
    line_start: usize,
    empty_lines: u8,
    request_line: Option<RequestLine>,
    fields: Fields,
}

impl HeadScanner {
    /// A scanner at the beginning of a head.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at `bytes`: all that came of the head so far, from its first byte on, and perhaps what
    /// follows it. Called again with a longer `bytes` when it was incomplete.
    pub fn inspect(&mut self, bytes: &[u8], limits: &HeadLimits) -> Inspected {
        match self.scan(bytes, limits) {
            Ok(None) => Inspected::Incomplete,
            Ok(Some(facts)) => Inspected::Complete(facts),
            Err(reason) => Inspected::Refused(reason),
        }
    }

    /// Whether a byte other than those of empty lines has been seen: the request has begun.
    pub fn has_begun(&self) -> bool {
        self.scanned > self.line_start || self.request_line.is_some()
    }

    fn scan(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Option<HeadFacts>, Reason> {
        loop {
            let rest = bytes.get(self.scanned..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'\r', b'\n', rest) else {
                self.scanned = bytes.len();
                return self.check_unfinished(bytes, limits);
            };
            let end = self.scanned + found;
            // RFC 9112, section 2.2 lets a bare LF pass as a line end; two parties that disagree on
            // it see two different messages, so it is refused, like a bare CR.
            match bytes.get(end..end + 2) {
                Some(b"\r\n") => {}
                None if rest.get(found) == Some(&b'\r') => {
                    self.scanned = end;
                    return self.check_unfinished(bytes, limits);
                }
                Some(_) | None => return Err(Reason::LineEnding),
            }
            let line = bytes.get(self.line_start..end).unwrap_or_default();
            let next = end + 2;
            if let Some(facts) = self.take_line(line, next, limits)? {
                return Ok(Some(facts));
            }
            self.line_start = next;
            self.scanned = next;
        }
    }

    fn take_line(
        &mut self,
        line: &[u8],
        next: usize,
        limits: &HeadLimits,
    ) -> Result<Option<HeadFacts>, Reason> {
        let Some(request_line) = &self.request_line else {
            if line.is_empty() && self.empty_lines < MAX_EMPTY_LINES {
                self.empty_lines += 1;
                return Ok(None);
            }
            self.request_line = Some(RequestLine::read(line, self.line_start, limits)?);
            return if next > limits.head_size { Err(Reason::HeadSize) } else { Ok(None) };
        };
        if next > limits.head_size {
            return Err(Reason::HeadSize);
        }
        if line.is_empty() {
            return self.fields.finish(request_line, next).map(Some);
        }
        self.fields.take(line, limits.fields)?;
        Ok(None)
    }

    /// Refuses a head that is not complete and yet wrong already.
    fn check_unfinished(
        &self,
        bytes: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<HeadFacts>, Reason> {
        let line = bytes.get(self.line_start..).unwrap_or_default();
        if self.request_line.is_none() {
            match line.first() {
                Some(b'\r') | None => {}
                Some(c) if chars::is_token(*c) => {}
                Some(_) => return Err(Reason::RequestLine),
            }
            if line.len() > limits.target_size.saturating_add(LINE_SLACK) {
                return Err(line::too_long(line));
            }
        }
        if bytes.len() > limits.head_size { Err(Reason::HeadSize) } else { Ok(None) }
    }
}

/// Looks at a head that is all there, or not.
pub fn inspect(bytes: &[u8], limits: &HeadLimits) -> Inspected {
    HeadScanner::new().inspect(bytes, limits)
}
