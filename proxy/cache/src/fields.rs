//! Reading fields strictly: what is malformed is told from what is not there.

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use http::header::{
    AGE, CONNECTION, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue};

use bytes::{Bytes, BytesMut};

/// A number of seconds at least as great as this is written as this (RFC 9111, section 1.2.2).
pub(crate) const MOST_SECONDS: u64 = 1 << 31;

/// A field that does not have the form it must have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Malformed;

/// What is not stored (RFC 9111, section 3.1). `Age` is told anew each time.
static NOT_STORED: [HeaderName; 11] = [
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    AGE,
];

/// The elements of a list (RFC 9110, section 5.6.1): commas in quotes do not end one, empty ones are
/// left out.
pub(crate) struct Elements<'a>(Option<&'a [u8]>);

/// The elements of one line of a list field.
pub(crate) const fn elements(line: &[u8]) -> Elements<'_> {
    Elements(Some(line))
}

/// The elements of all lines of a field.
pub(crate) fn all_elements<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = Result<&'a [u8], Malformed>> {
    headers.get_all(name).into_iter().flat_map(|line| elements(line.as_bytes()))
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<&'a [u8], Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.0.take()?;
            let element = match first_comma(rest) {
                Err(malformed) => return Some(Err(malformed)),
                Ok(None) => rest,
                Ok(Some(comma)) => {
                    let (element, others) = rest.split_at_checked(comma)?;
                    self.0 = others.split_first().map(|(_, others)| others);
                    element
                }
            };
            let element = element.trim_ascii();
            if !element.is_empty() {
                return Some(Ok(element));
            }
        }
    }
}

fn first_comma(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (position, byte) in bytes.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => return Ok(Some(position)),
            _ => {}
        }
    }
    if is_quoted { Err(Malformed) } else { Ok(None) }
}

/// Whether these bytes are a token (RFC 9110, section 5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    let is_of_token = |c: &u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(c);
    !bytes.is_empty() && bytes.iter().all(is_of_token)
}

/// Seconds (RFC 9111, section 1.2.2): digits only, and never more than [`MOST_SECONDS`].
pub(crate) fn seconds(bytes: &[u8]) -> Result<u64, Malformed> {
    if bytes.is_empty() {
        return Err(Malformed);
    }
    let mut number: u64 = 0;
    for c in bytes {
        let digit = c.checked_sub(b'0').filter(|digit| *digit <= 9).ok_or(Malformed)?;
        number = number.saturating_mul(10).saturating_add(u64::from(digit)).min(MOST_SECONDS);
    }
    Ok(number)
}

/// The only line of a field.
///
/// # Errors
/// There are several.
pub(crate) fn only<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, Malformed> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next();
    if lines.next().is_some() { Err(Malformed) } else { Ok(first) }
}

/// A date (RFC 9110, section 5.6.7), in seconds since 1970-01-01 UTC.
///
/// # Errors
/// There are several, or it is none.
pub(crate) fn date(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Malformed> {
    only(headers, name)?.map(parse_date).transpose()
}

fn parse_date(value: &HeaderValue) -> Result<u64, Malformed> {
    let text = value.to_str().map_err(|_| Malformed)?;
    let time = httpdate::parse_http_date(text).map_err(|_| Malformed)?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| Malformed)?;
    Ok(since.as_secs())
}

/// A date as it is written in a field.
pub(crate) fn date_value(unix: u64) -> Option<HeaderValue> {
    // What lies beyond the year 9999 cannot be written.
    const LAST: u64 = 253_402_300_799;
    let since = std::time::Duration::from_secs(unix.min(LAST));
    let time = SystemTime::UNIX_EPOCH.checked_add(since)?;
    HeaderValue::try_from(httpdate::fmt_http_date(time)).ok()
}

/// The fields of an answer that may be stored, without those that `unstored` names. Their values are
/// copied into one allocation: as received, each may keep a whole read buffer alive.
pub(crate) fn storable(headers: &HeaderMap, unstored: &[HeaderName]) -> HeaderMap {
    let is_kept = |name: &HeaderName| {
        !NOT_STORED.contains(name) && !unstored.contains(name) && !is_nominated(headers, name)
    };
    let mut text = BytesMut::with_capacity(headers.values().map(HeaderValue::len).sum());
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if !is_kept(name) {
            continue;
        }
        text.extend_from_slice(value.as_bytes());
        let value: Bytes = text.split().freeze();
        if let Ok(value) = HeaderValue::from_maybe_shared(value) {
            kept.append(name.clone(), value);
        }
    }
    kept
}

fn is_nominated(headers: &HeaderMap, name: &HeaderName) -> bool {
    let mut options = all_elements(headers, &CONNECTION).flatten();
    options.any(|option| option.eq_ignore_ascii_case(name.as_str().as_bytes()))
}
