//! Validators and conditions (RFC 9110, sections 8.8 and 13).

#[cfg(test)]
mod tests;

use http::header::{DATE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::fields;

/// What tells one state of a resource from another; one of them at least is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Validators {
    tag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
}

impl Validators {
    /// Those of an answer, if it has any that are well-formed.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let tag = fields::only(headers, &ETAG).ok().flatten();
        let tag = tag.filter(|tag| is_entity_tag(tag.as_bytes()));
        let modified = fields::date(headers, &LAST_MODIFIED).ok().flatten();
        let modified = modified.and_then(|_| headers.get(LAST_MODIFIED));
        if tag.is_none() && modified.is_none() {
            return None;
        }
        Some(Self { tag: tag.cloned(), modified: modified.cloned() })
    }

    /// Makes a request conditional on them (RFC 9111, section 4.3.1).
    pub fn ask(&self, headers: &mut HeaderMap) {
        if let Some(tag) = &self.tag {
            headers.insert(IF_NONE_MATCH, tag.clone());
        }
        if let Some(modified) = &self.modified {
            headers.insert(IF_MODIFIED_SINCE, modified.clone());
        }
    }

    /// Whether an answer of 304 is about the same state (RFC 9111, section 4.3.4). One without
    /// validators is: only one was asked about.
    pub fn agree_with(&self, headers: &HeaderMap) -> bool {
        match (headers.get(ETAG), &self.tag) {
            (Some(theirs), Some(ours)) => opaque(theirs.as_bytes()) == opaque(ours.as_bytes()),
            (Some(_), None) => false,
            (None, _) => match (headers.get(LAST_MODIFIED), &self.modified) {
                (Some(theirs), Some(ours)) => theirs == ours,
                (Some(_), None) => self.tag.is_some(),
                (None, _) => true,
            },
        }
    }
}

/// Whether the client has what is stored already: it is answered with 304 then (RFC 9110, section
/// 13.2.2). `stored` are the fields of the stored answer.
pub(crate) fn client_has(request: &HeaderMap, status: StatusCode, stored: &HeaderMap) -> bool {
    if status != StatusCode::OK {
        return false;
    }
    if request.contains_key(IF_NONE_MATCH) {
        let tag = fields::only(stored, &ETAG).ok().flatten();
        let tag = tag.and_then(|tag| opaque(tag.as_bytes()));
        let mut lines = request.get_all(IF_NONE_MATCH).iter();
        return lines.any(|line| names(line.as_bytes(), tag));
    }
    let Ok(Some(since)) = fields::date(request, &IF_MODIFIED_SINCE) else { return false };
    // RFC 9111, section 4.3.2: without a modification date, that of the answer counts.
    let modified = match fields::date(stored, &LAST_MODIFIED) {
        Ok(None) => fields::date(stored, &DATE),
        modified => modified,
    };
    modified.ok().flatten().is_some_and(|modified| modified <= since)
}

/// Whether a line of `If-None-Match` names a tag, compared weakly (RFC 9110, section 13.1.2). A
/// line that is malformed names nothing from there on.
fn names(line: &[u8], tag: Option<&[u8]>) -> bool {
    if line.trim_ascii() == b"*" {
        return true;
    }
    let mut rest = line;
    loop {
        rest = skip_separators(rest);
        let Some((candidate, others)) = split_tag(rest) else { return false };
        if Some(candidate) == tag {
            return true;
        }
        rest = others;
    }
}

fn skip_separators(mut rest: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b',', others @ ..] = rest {
        rest = others;
    }
    rest
}

/// The opaque part of the tag that these bytes begin with, and what follows it. In a tag nothing is
/// escaped (RFC 9110, section 8.8.3).
fn split_tag(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let quoted = bytes.strip_prefix(b"W/").unwrap_or(bytes);
    let inner = quoted.strip_prefix(b"\"")?;
    let end = inner.iter().position(|c| *c == b'"')?;
    let (inner, rest) = inner.split_at_checked(end)?;
    let is_fine = inner.iter().all(|c| *c > b' ' && *c != 0x7f);
    rest.split_first().filter(|_| is_fine).map(|(_, rest)| (inner, rest))
}

fn opaque(tag: &[u8]) -> Option<&[u8]> {
    split_tag(tag).filter(|(_, rest)| rest.is_empty()).map(|(inner, _)| inner)
}

fn is_entity_tag(tag: &[u8]) -> bool {
    opaque(tag).is_some()
}
