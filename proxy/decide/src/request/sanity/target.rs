//! Request targets (RFC 9112, section 3.2).

use std::borrow::Cow;

use http::Method;

use crate::path;
use crate::verdict::Reason;
use crate::wire::chars;

/// A target, taken apart.
#[derive(Debug)]
pub(super) struct Target<'a> {
    /// Only in absolute-form.
    pub(super) authority: Option<&'a [u8]>,
    /// In normal form, or `*`.
    pub(super) path: Cow<'a, str>,
    /// Without its question mark.
    pub(super) query: Option<&'a str>,
}

/// Reads origin-form, absolute-form or asterisk-form.
pub(super) fn read<'a>(target: &'a [u8], method: &Method) -> Result<Target<'a>, Reason> {
    if !chars::is_target(target) {
        return Err(Reason::Target);
    }
    if target == b"*" {
        return asterisk(method, None);
    }
    let (authority, rest) =
        if target.first() == Some(&b'/') { (None, target) } else { absolute(target)? };
    let question = memchr::memchr(b'?', rest);
    let (path, query) = rest.split_at_checked(question.unwrap_or(rest.len())).unwrap_or_default();
    if path.is_empty() && query.is_empty() && *method == Method::OPTIONS {
        // RFC 9112, section 3.2.4: an absolute target without path and query means `*`.
        return asterisk(method, authority);
    }
    let query = match query.get(1..) {
        Some(query) => Some(std::str::from_utf8(query).map_err(|_| Reason::Target)?),
        None => None,
    };
    Ok(Target { authority, path: path::normalise(path)?, query })
}

fn asterisk<'a>(method: &Method, authority: Option<&'a [u8]>) -> Result<Target<'a>, Reason> {
    if *method != Method::OPTIONS {
        return Err(Reason::Target);
    }
    Ok(Target { authority, path: Cow::Borrowed("*"), query: None })
}

/// Splits off scheme and authority. The scheme is not believed: whether the request came over TLS
/// is known better.
fn absolute(target: &[u8]) -> Result<(Option<&[u8]>, &[u8]), Reason> {
    let colon = memchr::memchr(b':', target).ok_or(Reason::Target)?;
    let (scheme, rest) = target.split_at_checked(colon).ok_or(Reason::Target)?;
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Err(Reason::Target);
    }
    let rest = rest.strip_prefix(b"://").ok_or(Reason::Target)?;
    let end = rest.iter().position(|c| matches!(c, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end).ok_or(Reason::Target)?;
    Ok((Some(authority), rest))
}
