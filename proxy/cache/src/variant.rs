//! Which requests a stored answer is for, by `Vary` (RFC 9111, section 4.1).

#[cfg(test)]
mod tests;

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, HeaderName, VARY};

use crate::fields;
use crate::policy::Refusal;

/// The most fields that an answer may vary on.
const MOST_NAMES: usize = 8;

/// The fields of a request that an answer was chosen by, in normal form and in the order of their
/// names. A field that was not there is told from one that was empty.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Variant(Box<[Chosen]>);

/// A field, and what it must have.
type Chosen = (HeaderName, Option<Box<[u8]>>);

impl Variant {
    /// That of an answer to a request.
    ///
    /// # Errors
    /// The answer may vary on anything, on too much, or says what is no name.
    pub fn of(request: &HeaderMap, answer: &HeaderMap) -> Result<Self, Refusal> {
        let mut names: Vec<HeaderName> = Vec::new();
        for element in fields::all_elements(answer, &VARY) {
            let element = element?;
            if element == b"*" {
                return Err(Refusal::Vary);
            }
            let name = HeaderName::from_bytes(element).map_err(|_| Refusal::Malformed)?;
            if !names.contains(&name) {
                names.push(name);
            }
            if names.len() > MOST_NAMES {
                return Err(Refusal::Vary);
            }
        }
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(Self::chosen(names.into_iter(), request))
    }

    /// What another request has in the same fields.
    pub fn same_fields(&self, request: &HeaderMap) -> Self {
        Self::chosen(self.0.iter().map(|(name, _)| name.clone()), request)
    }

    fn chosen(names: impl Iterator<Item = HeaderName>, request: &HeaderMap) -> Self {
        let chosen = names.map(|name| {
            let value = normal(request, &name).map(Vec::into_boxed_slice);
            (name, value)
        });
        Self(chosen.collect())
    }

    /// Whether a request is one of those that it is for.
    pub fn matches(&self, request: &HeaderMap) -> bool {
        self.0.iter().all(|(name, value)| normal(request, name).as_deref() == value.as_deref())
    }

    /// Bytes it takes.
    pub fn weight(&self) -> usize {
        let weigh = |(name, value): &Chosen| {
            let value = value.as_ref().map_or(0, |value| value.len());
            size_of::<Chosen>().saturating_add(name.as_str().len()).saturating_add(value)
        };
        self.0.iter().map(weigh).fold(0, usize::saturating_add)
    }
}

/// The value of a field in normal form; `None` where there is none. Lines are joined. Of fields
/// known to be lists of what has no case, space and case are levelled, too; of `Accept-Encoding`
/// also the order, which means nothing (RFC 9110, section 12.5.3).
fn normal(request: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    if !request.contains_key(name) {
        return None;
    }
    if [ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE].contains(name)
        && let Some(elements) = levelled(request, name)
    {
        return Some(elements.join(&b","[..]));
    }
    let lines = request.get_all(name).iter().map(|line| line.as_bytes().trim_ascii());
    Some(lines.collect::<Vec<_>>().join(&b", "[..]))
}

fn levelled(request: &HeaderMap, name: &HeaderName) -> Option<Vec<Vec<u8>>> {
    let level = |element: Result<&[u8], _>| {
        let bare = element.ok()?.iter().filter(|c| !matches!(c, b' ' | b'\t'));
        // Quoted parameters have case, and their spaces mean something.
        let bare: Vec<u8> = bare.map(u8::to_ascii_lowercase).collect();
        (!bare.contains(&b'"')).then_some(bare)
    };
    let mut elements: Vec<Vec<u8>> =
        fields::all_elements(request, name).map(level).collect::<Option<_>>()?;
    if *name == ACCEPT_ENCODING {
        elements.sort_unstable();
    }
    Some(elements)
}
