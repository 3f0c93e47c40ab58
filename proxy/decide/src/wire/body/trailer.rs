//! The trailer section after a chunked body (RFC 9112, section 7.1.2).

use crate::verdict::Reason;
use crate::wire::head::split_field;

/// Bytes of a trailer section.
const MAX_SIZE: usize = 8 * 1024;
/// Lines of a trailer section.
const MAX_LINES: usize = 64;

/// Fields that steer framing, routing, authentication or the meaning of the content come too late
/// in a trailer (RFC 9110, section 6.5.1); whoever merged them into the head would be misled.
const FORBIDDEN: [&[u8]; 25] = [
    b"authorization",
    b"cache-control",
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-range",
    b"content-type",
    b"cookie",
    b"expect",
    b"forwarded",
    b"host",
    b"keep-alive",
    b"max-forwards",
    b"proxy-authorization",
    b"proxy-connection",
    b"range",
    b"set-cookie",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"via",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
];

/// Whether a field of this name must not be a trailer.
pub(crate) fn is_forbidden(name: &[u8]) -> bool {
    FORBIDDEN.iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// Follows a trailer section. Lines are kept until they end: their names must be looked at whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Trailer {
    line: Vec<u8>,
    whole: Vec<u8>,
    after_return: bool,
    size: usize,
    lines: usize,
}

impl Trailer {
    /// Takes one byte; says whether the section ended with it.
    pub(super) fn take(&mut self, c: u8) -> Result<bool, Reason> {
        self.size += 1;
        if self.size > MAX_SIZE {
            return Err(Reason::Trailer);
        }
        match (self.after_return, c) {
            (false, b'\r') => self.after_return = true,
            (false, b'\n') => return Err(Reason::LineEnding),
            (false, _) => self.line.push(c),
            (true, b'\n') if self.line.is_empty() => return Ok(true),
            (true, b'\n') => {
                self.after_return = false;
                self.end_line()?;
            }
            (true, _) => return Err(Reason::LineEnding),
        }
        Ok(false)
    }

    fn end_line(&mut self) -> Result<(), Reason> {
        self.lines += 1;
        let (name, _) = split_field(&self.line).map_err(|_| Reason::Trailer)?;
        if is_forbidden(name) || self.lines > MAX_LINES {
            return Err(Reason::Trailer);
        }
        self.whole.append(&mut self.line);
        self.whole.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// The lines that have passed; each ends with CR LF.
    pub(super) fn take_lines(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.whole)
    }
}
