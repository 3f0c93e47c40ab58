//! Single fields.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, VARY};
use http::{HeaderMap, HeaderValue};

use crate::wire::chars::trim;

/// Whether `Cache-Control` has this directive, with an argument or without.
pub(super) fn has_directive(headers: &HeaderMap, name: &str) -> bool {
    let mut values = headers.get_all(CACHE_CONTROL).iter();
    values.any(|value| {
        value.as_bytes().split(|c| *c == b',').any(|directive| {
            let word = directive.split(|c| *c == b'=').next().unwrap_or_default();
            trim(word).eq_ignore_ascii_case(name.as_bytes())
        })
    })
}

/// The media type without its parameters.
pub(super) fn media_type(value: &[u8]) -> Option<&str> {
    let kind = value.split(|c| *c == b';').next().unwrap_or_default();
    std::str::from_utf8(trim(kind)).ok()
}

/// Says that the answer depends on `Accept-Encoding`, unless it says so.
pub(super) fn vary_on_coding(headers: &mut HeaderMap) {
    let mut names =
        headers.get_all(VARY).iter().flat_map(|value| value.as_bytes().split(|c| *c == b','));
    let is_said = names.any(|name| {
        let name = trim(name);
        name == b"*" || name.eq_ignore_ascii_case(ACCEPT_ENCODING.as_str().as_bytes())
    });
    if !is_said {
        headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    }
}

/// Makes a strong entity tag a weak one (RFC 9110, section 8.8.1): the content means the same, and
/// is not the same bytes.
pub(super) fn weaken(tag: &mut HeaderValue) {
    if tag.as_bytes().starts_with(b"\"")
        && let Ok(weak) =
            HeaderValue::from_maybe_shared(Bytes::from([b"W/", tag.as_bytes()].concat()))
    {
        *tag = weak;
    }
}
