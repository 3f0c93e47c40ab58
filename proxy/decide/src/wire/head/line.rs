//! The request line (RFC 9112, section 3).

use std::ops::Range;

use http::Version;

use super::HeadLimits;
use crate::authority::{Authority, split_target};
use crate::verdict::Reason;
use crate::wire::chars;

/// The longest method; the longest registered one (`UPDATEREDIRECTREF`) has 17 characters.
const MAX_METHOD: usize = 32;

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct RequestLine {
    pub(super) method: Range<usize>,
    pub(super) target: Range<usize>,
    pub(super) version: Version,
}

impl RequestLine {
    /// Reads a line that begins at `start`.
    pub(super) fn read(line: &[u8], start: usize, limits: &HeadLimits) -> Result<Self, Reason> {
        let mut parts = line.split(|c| *c == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Reason::RequestLine);
        };
        if method.len() > MAX_METHOD || !chars::is_token_text(method) {
            return Err(Reason::RequestLine);
        }
        let version = version_of(version)?;
        // What follows a CONNECT may not be HTTP at all, so it is refused before anything reads on.
        if matches!(method, b"CONNECT" | b"TRACE") {
            return Err(Reason::MethodRefused);
        }
        if target.len() > limits.target_size {
            return Err(Reason::TargetSize);
        }
        if !chars::is_target(target) {
            return Err(Reason::Target);
        }
        let authority = split_target(target)?.map(|(authority, _)| authority);
        authority.map_or(Ok(()), Authority::check)?;
        let method = start..start + method.len();
        let target_start = method.end + 1;
        Ok(Self { method, target: target_start..target_start + target.len(), version })
    }
}

/// What is too long in a request line of which only the beginning is there.
pub(super) fn too_long(line: &[u8]) -> Reason {
    match line.iter().take(MAX_METHOD + 1).position(|c| *c == b' ') {
        Some(_) => Reason::TargetSize,
        None => Reason::RequestLine,
    }
}

fn version_of(text: &[u8]) -> Result<Version, Reason> {
    match text {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        b"HTTP/1.0" => Ok(Version::HTTP_10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Reason::Version)
        }
        _ => Err(Reason::RequestLine),
    }
}
