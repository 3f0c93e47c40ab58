//! Request targets (RFC 9112, section 3.2).

use std::borrow::Cow;

use http::Method;

use crate::authority::split_target;
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
    let (authority, rest) = match split_target(target)? {
        Some((authority, rest)) => (Some(authority), rest),
        None => (None, target),
    };
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
