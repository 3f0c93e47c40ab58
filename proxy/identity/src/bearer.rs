//! Where the token of a request is.

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName};

use crate::jwt::Refused;

/// A place where a token may be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// `Authorization: Bearer` (RFC 6750 section 2.1).
    Authorization,
    /// A header of which it is the whole value.
    Header(HeaderName),
    /// The cookie of a name.
    Cookie(Box<str>),
    /// A parameter of the query. It ends up in logs and histories (RFC 6750 section 5.3).
    Query(Box<str>),
}

/// A token, and where it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Found<'a> {
    /// It, as it was sent.
    pub token: &'a [u8],
    /// Where it was, so that it can be kept from going further.
    pub source: &'a Source,
}

/// The token of a request, in any of `sources`.
///
/// # Errors
/// There is none, there is more than one (even the same twice: who reads the request after us may
/// take the other), or one is empty.
pub fn find<'a>(
    sources: &'a [Source],
    headers: &'a HeaderMap,
    query: Option<&'a str>,
) -> Result<Found<'a>, Refused> {
    let mut found = None;
    for source in sources {
        let mut note = |token: &'a [u8]| match found.replace(Found { token, source }) {
            None => Ok(()),
            Some(_) => Err(Refused::Several),
        };
        match source {
            Source::Authorization => {
                headers
                    .get_all(AUTHORIZATION)
                    .iter()
                    .filter_map(|value| bearer(value.as_bytes()))
                    .try_for_each(&mut note)?;
            }
            Source::Header(name) => {
                headers
                    .get_all(name)
                    .iter()
                    .map(|value| value.as_bytes().trim_ascii())
                    .try_for_each(&mut note)?;
            }
            Source::Cookie(name) => cookies(headers, name).try_for_each(&mut note)?,
            Source::Query(name) => parameters(query, name).try_for_each(&mut note)?,
        }
    }
    match found {
        None => Err(Refused::Missing),
        Some(Found { token: [], .. }) => Err(Refused::Malformed),
        Some(found) => Ok(found),
    }
}

/// What follows the scheme, which may be written in upper and lower case (RFC 9110 section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(b"bearer".len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer");
    (is_bearer && rest.first().is_none_or(|byte| *byte == b' ')).then(|| rest.trim_ascii())
}

/// The values of a cookie (RFC 6265 section 4.2.1), which may be in quotes.
fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii));
    pairs.filter_map(|pair| value_of(pair, name)).map(|value| match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    })
}

/// The values of a parameter. A token needs no escapes, so none are undone.
fn parameters<'a>(query: Option<&'a str>, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = query.unwrap_or_default().split('&').map(str::as_bytes);
    pairs.filter_map(|pair| value_of(pair, name))
}

fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

#[cfg(test)]
mod tests;
