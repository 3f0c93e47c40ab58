//! `Cache-Control` (RFC 9111, section 5.2), read strictly: what is malformed or contradicts itself
//! is an error, not a guess.

#[cfg(test)]
mod tests;

use http::HeaderMap;
use http::header::{CACHE_CONTROL, HeaderName, PRAGMA};

use crate::fields::{self, MOST_SECONDS, Malformed};

/// What an answer says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a directive that stands alone")]
pub(crate) struct AnswerControl {
    pub no_store: bool,
    /// Without field names: the whole answer.
    pub no_cache: bool,
    /// With field names or without: a shared cache that kept the rest would have to be sure that
    /// nothing else is private.
    pub private: bool,
    pub public: bool,
    pub must_revalidate: bool,
    pub proxy_revalidate: bool,
    pub max_age: Option<u64>,
    pub s_maxage: Option<u64>,
    pub stale_while_revalidate: Option<u64>,
    pub stale_if_error: Option<u64>,
    /// What `no-cache="..."` names.
    pub unstored: Vec<HeaderName>,
}

/// What a request says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct RequestControl {
    pub no_store: bool,
    pub no_cache: bool,
    pub only_if_cached: bool,
    pub max_age: Option<u64>,
    pub min_fresh: Option<u64>,
    /// How stale an answer may be; [`MOST_SECONDS`]: as stale as it likes.
    pub max_stale: Option<u64>,
}

/// What stands after the equals sign.
#[derive(Clone, Copy, Debug)]
enum Argument<'a> {
    None,
    Token(&'a [u8]),
    /// Without its quotes.
    Quoted(&'a [u8]),
}

impl AnswerControl {
    /// Reads the field `name`, which has the form of `Cache-Control`.
    pub fn read(headers: &HeaderMap, name: &HeaderName) -> Result<Self, Malformed> {
        let mut control = Self::default();
        for element in fields::all_elements(headers, name) {
            let (directive, argument) = split(element?)?;
            control.take(directive, argument)?;
        }
        Ok(control)
    }

    fn take(&mut self, directive: &[u8], argument: Argument<'_>) -> Result<(), Malformed> {
        let is = |name: &str| directive.eq_ignore_ascii_case(name.as_bytes());
        if is("no-store") {
            self.no_store = true;
        } else if is("private") {
            self.private = true;
        } else if is("no-cache") {
            match argument {
                Argument::Quoted(names) => self.unstored.extend(field_names(names)?),
                Argument::None | Argument::Token(_) => self.no_cache = true,
            }
        } else if is("public") {
            self.public = true;
        } else if is("must-revalidate") {
            self.must_revalidate = true;
        } else if is("proxy-revalidate") {
            self.proxy_revalidate = true;
        } else if is("max-age") {
            set(&mut self.max_age, argument)?;
        } else if is("s-maxage") {
            set(&mut self.s_maxage, argument)?;
        } else if is("stale-while-revalidate") {
            set(&mut self.stale_while_revalidate, argument)?;
        } else if is("stale-if-error") {
            set(&mut self.stale_if_error, argument)?;
        }
        Ok(())
    }
}

impl RequestControl {
    /// Reads `Cache-Control`, or `Pragma` where there is none (RFC 9111, section 5.4).
    pub fn read(headers: &HeaderMap) -> Result<Self, Malformed> {
        let mut control = Self::default();
        if !headers.contains_key(CACHE_CONTROL) {
            for element in fields::all_elements(headers, &PRAGMA) {
                control.no_cache |= element?.eq_ignore_ascii_case(b"no-cache");
            }
            return Ok(control);
        }
        for element in fields::all_elements(headers, &CACHE_CONTROL) {
            let (directive, argument) = split(element?)?;
            control.take(directive, argument)?;
        }
        Ok(control)
    }

    fn take(&mut self, directive: &[u8], argument: Argument<'_>) -> Result<(), Malformed> {
        let is = |name: &str| directive.eq_ignore_ascii_case(name.as_bytes());
        if is("no-store") {
            self.no_store = true;
        } else if is("no-cache") {
            self.no_cache = true;
        } else if is("only-if-cached") {
            self.only_if_cached = true;
        } else if is("max-age") {
            set(&mut self.max_age, argument)?;
        } else if is("min-fresh") {
            set(&mut self.min_fresh, argument)?;
        } else if is("max-stale") {
            match argument {
                Argument::None => self.max_stale = Some(MOST_SECONDS),
                given => set(&mut self.max_stale, given)?,
            }
        }
        Ok(())
    }
}

/// Sets a directive that has a number. Said twice, it must say the same.
fn set(slot: &mut Option<u64>, argument: Argument<'_>) -> Result<(), Malformed> {
    let (Argument::Token(digits) | Argument::Quoted(digits)) = argument else {
        return Err(Malformed);
    };
    let number = fields::seconds(digits)?;
    if slot.replace(number).is_some_and(|earlier| earlier != number) {
        return Err(Malformed);
    }
    Ok(())
}

fn split(element: &[u8]) -> Result<(&[u8], Argument<'_>), Malformed> {
    let mut halves = element.splitn(2, |c| *c == b'=');
    let name = halves.next().filter(|name| fields::is_token(name)).ok_or(Malformed)?;
    let argument = match halves.next() {
        None => Argument::None,
        Some([b'"', inner @ .., b'"']) if is_quotable(inner) => Argument::Quoted(inner),
        Some(token) if fields::is_token(token) => Argument::Token(token),
        Some(_) => return Err(Malformed),
    };
    Ok((name, argument))
}

/// Whether the quotes around it are those of one string (RFC 9110, section 5.6.4).
fn is_quotable(inner: &[u8]) -> bool {
    let mut is_escaped = false;
    for c in inner {
        match c {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return false,
            _ => {}
        }
    }
    !is_escaped
}

fn field_names(list: &[u8]) -> Result<Vec<HeaderName>, Malformed> {
    let name =
        |element: Result<&[u8], Malformed>| HeaderName::from_bytes(element?).map_err(|_| Malformed);
    fields::elements(list).map(name).collect()
}
