//! The chunked transfer coding (RFC 9112, section 7.1).

use ExtensionAt::{Name, NameStart, Quoted, QuotedEnd, QuotedPair, Value, ValueStart};

use super::Step;
use super::trailer::Trailer;
use crate::verdict::Reason;
use crate::wire::chars;

/// The largest body: beyond it, parsers that count with signed numbers go wrong, the one behind us
/// among them.
const LARGEST_BODY: u64 = u64::MAX >> 1;
/// Hex digits of a chunk size.
const MAX_SIZE_DIGITS: u8 = 16;
/// Extension bytes of one chunk.
const MAX_EXTENSION: usize = 256;
/// Extension bytes of one body.
const MAX_EXTENSIONS: usize = 16 * 1024;

/// Where in the coding the next byte stands.
#[derive(Clone, Copy, Debug, Default)]
enum At {
    /// At the first digit of a size.
    #[default]
    SizeStart,
    /// After the first digit of a size.
    Size,
    /// In the extensions after a size.
    Extension(ExtensionAt),
    /// At the LF that ends the line of a size.
    SizeLineFeed,
    /// In the content of a chunk.
    Content,
    /// At the CR after the content of a chunk.
    ContentReturn,
    /// At the LF after the content of a chunk.
    ContentLineFeed,
    /// In the trailer section.
    Trailer,
}

/// Where in `;name=value` the next byte stands. Blanks around `;` and `=` were for old senders
/// (`BWS`); nobody was seen to send them, and they are refused.
#[derive(Clone, Copy, Debug)]
enum ExtensionAt {
    NameStart,
    Name,
    ValueStart,
    Value,
    Quoted,
    QuotedPair,
    QuotedEnd,
}

/// Follows a chunked body.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunked {
    at: At,
    digits: u8,
    size: u64,
    left: u64,
    content: u64,
    extension: usize,
    extensions: usize,
    trailer: Trailer,
}

impl Chunked {
    /// Content bytes that have passed.
    pub(super) const fn content(&self) -> u64 {
        self.content
    }

    /// Content bytes that have passed or that the current chunk still has.
    pub(super) const fn announced(&self) -> u64 {
        self.content.saturating_add(self.left)
    }

    /// The lines of the trailer section.
    pub(super) fn take_trailers(&mut self) -> Vec<u8> {
        self.trailer.take_lines()
    }

    pub(super) fn step(&mut self, bytes: &[u8], limit: u64) -> Result<Step, Reason> {
        let mut framing = 0;
        while let Some(c) = bytes.get(framing) {
            if matches!(self.at, At::Content) {
                let content = self.skip_content(bytes.len() - framing);
                return Ok(Step { framing, content, done: false });
            }
            framing += 1;
            if self.take(*c, limit)? {
                return Ok(Step { framing, content: 0, done: true });
            }
        }
        Ok(Step { framing, content: 0, done: false })
    }

    fn skip_content(&mut self, available: usize) -> usize {
        let count = available.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let passed = u64::try_from(count).unwrap_or(u64::MAX);
        self.left = self.left.saturating_sub(passed);
        self.content = self.content.saturating_add(passed);
        if self.left == 0 {
            self.at = At::ContentReturn;
        }
        count
    }

    /// Takes one byte of framing; says whether the body ended with it.
    fn take(&mut self, c: u8, limit: u64) -> Result<bool, Reason> {
        match (self.at, c) {
            (At::Size, b'\r') => self.at = At::SizeLineFeed,
            (At::Size, b';') => {
                self.extension = 0;
                self.at = At::Extension(NameStart);
            }
            (At::SizeStart | At::Size, _) => self.take_digit(c)?,
            (At::Extension(at), _) => self.take_extension(at, c)?,
            (At::SizeLineFeed, b'\n') => self.begin_chunk(limit)?,
            (At::ContentReturn, b'\r') => self.at = At::ContentLineFeed,
            (At::ContentLineFeed, b'\n') => self.at = At::SizeStart,
            (At::Trailer, _) => return self.trailer.take(c),
            (At::SizeLineFeed, _) => return Err(Reason::ChunkSize),
            (At::Content | At::ContentReturn | At::ContentLineFeed, _) => {
                return Err(Reason::ChunkEnd);
            }
        }
        Ok(false)
    }

    fn take_digit(&mut self, c: u8) -> Result<(), Reason> {
        let digit = chars::hex_value(c).ok_or(Reason::ChunkSize)?;
        if matches!(self.at, At::SizeStart) {
            self.digits = 0;
            self.size = 0;
            self.at = At::Size;
        }
        self.digits += 1;
        if self.digits > MAX_SIZE_DIGITS {
            return Err(Reason::ChunkSize);
        }
        self.size = self.size << 4 | u64::from(digit);
        Ok(())
    }

    fn take_extension(&mut self, at: ExtensionAt, c: u8) -> Result<(), Reason> {
        self.extension += 1;
        self.extensions += 1;
        if self.extension > MAX_EXTENSION || self.extensions > MAX_EXTENSIONS {
            return Err(Reason::ChunkExtension);
        }
        let next = match (at, c) {
            (NameStart | Name, _) if chars::is_token(c) => Name,
            (Name, b'=') => ValueStart,
            (ValueStart, b'"') => Quoted,
            (ValueStart | Value, _) if chars::is_token(c) => Value,
            (Quoted, b'"') => QuotedEnd,
            (Quoted, b'\\') => QuotedPair,
            (Quoted | QuotedPair, _) if chars::is_field_value(&[c]) => Quoted,
            (Name | Value | QuotedEnd, b';') => NameStart,
            (Name | Value | QuotedEnd, b'\r') => {
                self.at = At::SizeLineFeed;
                return Ok(());
            }
            _ => return Err(Reason::ChunkExtension),
        };
        self.at = At::Extension(next);
        Ok(())
    }

    fn begin_chunk(&mut self, limit: u64) -> Result<(), Reason> {
        if self.size == 0 {
            self.at = At::Trailer;
            return Ok(());
        }
        let total = self.content.checked_add(self.size);
        let total = total.filter(|total| *total <= LARGEST_BODY).ok_or(Reason::ChunkSize)?;
        if total > limit {
            return Err(Reason::BodySize);
        }
        self.left = self.size;
        self.at = At::Content;
        Ok(())
    }
}
