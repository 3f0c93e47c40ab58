//! The field lines of a head (RFC 9112, section 5), as far as framing and routing hang on them.

use http::Version;

use super::line::RequestLine;
use super::{Framing, HeadFacts};
use crate::authority::Authority;
use crate::verdict::Reason;
use crate::wire::chars;

#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one fact of a head")]
pub(super) struct Fields {
    count: usize,
    has_host: bool,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expect_continue: bool,
}

impl Fields {
    /// Takes one line, without its line end.
    pub(super) fn take(&mut self, line: &[u8], most: usize) -> Result<(), Reason> {
        let (name, value) = split_field(line)?;
        self.count += 1;
        if self.count > most {
            return Err(Reason::Fields);
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.take_host(value),
            6 if name.eq_ignore_ascii_case(b"expect") => self.take_expect(value),
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.take_connection(value);
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.take_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.take_coding(value),
            _ => Ok(()),
        }
    }

    /// What the head says as a whole; it ends at `length`.
    pub(super) fn finish(&self, line: &RequestLine, length: usize) -> Result<HeadFacts, Reason> {
        let is_10 = line.version == Version::HTTP_10;
        // RFC 9112, section 3.2: a server MUST answer 400 to a request without Host in HTTP/1.1.
        if !is_10 && !self.has_host {
            return Err(Reason::HostMissing);
        }
        // RFC 9112, section 6.1: chunked in an HTTP/1.0 message means faulty framing.
        if is_10 && self.chunked {
            return Err(Reason::CodingVersion);
        }
        let framing = match (self.chunked, self.length) {
            (true, _) => Framing::Chunked,
            (false, None | Some(0)) => Framing::None,
            (false, Some(length)) => Framing::Length(length),
        };
        Ok(HeadFacts {
            length,
            version: line.version,
            method: line.method.clone(),
            target: line.target.clone(),
            fields: self.count,
            framing,
            keep_alive: !self.close && (!is_10 || self.keep_alive),
            // RFC 9110, section 10.1.1: ignored in an HTTP/1.0 request.
            expect_continue: self.expect_continue && !is_10,
        })
    }

    fn take_host(&mut self, value: &[u8]) -> Result<(), Reason> {
        if self.has_host {
            return Err(Reason::HostRepeated);
        }
        self.has_host = true;
        Authority::check(value)
    }

    /// RFC 9110, section 10.1.1: 417 when an expectation cannot be met.
    fn take_expect(&mut self, value: &[u8]) -> Result<(), Reason> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Reason::Expectation);
        }
        self.expect_continue = true;
        Ok(())
    }

    fn take_connection(&mut self, value: &[u8]) {
        for option in value.split(|c| *c == b',').map(chars::trim) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// RFC 9112, section 6.3, lets equal lengths pass as one; here there is one, or none.
    fn take_length(&mut self, value: &[u8]) -> Result<(), Reason> {
        if self.chunked {
            return Err(Reason::FramingConflict);
        }
        let length = content_length(value).ok_or(Reason::LengthInvalid)?;
        if self.length.replace(length).is_some() {
            return Err(Reason::LengthInvalid);
        }
        Ok(())
    }

    /// RFC 9112, section 6.1, lets Transfer-Encoding win over Content-Length; here both together
    /// are refused.
    fn take_coding(&mut self, value: &[u8]) -> Result<(), Reason> {
        if self.chunked || self.length.is_some() {
            return Err(Reason::FramingConflict);
        }
        transfer_coding(value)?;
        self.chunked = true;
        Ok(())
    }
}

/// Splits a field line into name and value, and checks both.
pub(crate) fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), Reason> {
    if let [b' ' | b'\t', ..] = line {
        // RFC 9112, section 5.2: obsolete line folding; section 2.2: space before the first field.
        return Err(Reason::Folding);
    }
    let colon = memchr::memchr(b':', line).ok_or(Reason::FieldName)?;
    let (name, value) = line.split_at_checked(colon).ok_or(Reason::FieldName)?;
    // A space before the colon is no token character (RFC 9112, section 5.1).
    if !chars::is_token_text(name) {
        return Err(Reason::FieldName);
    }
    let value = value.get(1..).unwrap_or_default();
    if !chars::is_field_value(value) {
        return Err(Reason::FieldValue);
    }
    Ok((name, chars::trim(value)))
}

/// A length of 1 to 19 digits; no sign, no list, no space.
pub(crate) fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    value.iter().try_fold(0u64, |length, c| {
        let digit = c.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        length.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Accepts `chunked` alone. Other codings before one last `chunked` are merely not supported
/// (RFC 9112, section 6.1: 501); anything else leaves the length unknown (section 6.3: 400).
pub(crate) fn transfer_coding(value: &[u8]) -> Result<(), Reason> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let mut codings = value.split(|c| *c == b',').map(chars::trim).rev();
    let ends_chunked = codings.next().is_some_and(is_chunked);
    let others_are_fine = codings.all(|coding| chars::is_token_text(coding) && !is_chunked(coding));
    Err(if ends_chunked && others_are_fine { Reason::CodingUnknown } else { Reason::CodingInvalid })
}
