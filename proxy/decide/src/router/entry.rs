//! One route at its place in a trie: what else it asks for, and how it ranks.

use std::cmp::Reverse;

use http::{HeaderMap, HeaderName, Method};

use super::Query;

/// A header condition: name, and value if one is asked for.
pub(crate) type HeaderCondition = (HeaderName, Option<Box<[u8]>>);

/// A query condition: name, and value if one is asked for, percent-decoded.
pub(crate) type QueryCondition = (Box<[u8]>, Option<Box<[u8]>>);

/// What a route asks for besides host and path, in one order and without repetition.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Conditions {
    pub(crate) headers: Box<[HeaderCondition]>,
    pub(crate) query: Box<[QueryCondition]>,
}

/// One route at its place in a trie.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) route: usize,
    /// Whether what follows has a name.
    pub(super) captures_rest: bool,
    /// Sorted, without repetition; empty: all.
    pub(super) methods: Box<[Method]>,
    pub(super) conditions: Conditions,
}

/// What entries at one place are sorted by: see the module above, 4 to 8.
pub(super) type Rank =
    (bool, Reverse<usize>, Reverse<usize>, Reverse<usize>, Reverse<usize>, usize);

impl Entry {
    pub(super) fn rank(&self) -> Rank {
        let Conditions { headers, query } = &self.conditions;
        (
            self.methods.is_empty(),
            Reverse(headers.len()),
            Reverse(headers.iter().filter(|(_, value)| value.is_some()).count()),
            Reverse(query.len()),
            Reverse(query.iter().filter(|(_, value)| value.is_some()).count()),
            self.methods.len(),
        )
    }

    pub(super) fn fits_method(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }

    /// Whether all but the method fits.
    pub(super) fn fits(&self, query: &Query<'_>) -> bool {
        self.conditions
            .headers
            .iter()
            .all(|(name, value)| has_field(query.headers, name, value.as_deref()))
            && self
                .conditions
                .query
                .iter()
                .all(|(name, value)| has_pair(query.query, name, value.as_deref()))
    }
}

impl Conditions {
    /// Whether whatever meets `other` meets these as well.
    pub(super) fn are_implied_by(&self, other: &Self) -> bool {
        self.headers.iter().all(|one| other.headers.iter().any(|more| is_implied(one, more)))
            && self.query.iter().all(|one| other.query.iter().any(|more| is_implied(one, more)))
    }
}

fn is_implied<N: PartialEq, V: PartialEq>(one: &(N, Option<V>), by: &(N, Option<V>)) -> bool {
    one.0 == by.0 && (one.1.is_none() || one.1 == by.1)
}

fn has_field(headers: &HeaderMap, name: &HeaderName, value: Option<&[u8]>) -> bool {
    match value {
        None => headers.contains_key(name),
        Some(value) => headers.get_all(name).iter().any(|other| other.as_bytes() == value),
    }
}

fn has_pair(query: Option<&str>, name: &[u8], value: Option<&[u8]>) -> bool {
    let Some(query) = query else { return false };
    query.as_bytes().split(|c| *c == b'&').any(|pair| {
        let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        let (own_name, own_value) = pair.split_at_checked(equals).unwrap_or_default();
        let own_value = own_value.get(1..).unwrap_or_default();
        is_decoded(own_name, name) && value.is_none_or(|value| is_decoded(own_value, value))
    })
}

/// Whether `encoded` decodes to `plain`, as forms are encoded: `+` is a space, and an escape that is
/// none stands for itself.
fn is_decoded(encoded: &[u8], plain: &[u8]) -> bool {
    let mut encoded = encoded;
    let mut plain = plain.iter();
    while let Some((c, rest)) = encoded.split_first() {
        let (value, rest) = match (c, rest) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (b'%', rest),
            },
            (b'+', _) => (b' ', rest),
            _ => (*c, rest),
        };
        if plain.next() != Some(&value) {
            return false;
        }
        encoded = rest;
    }
    plain.next().is_none()
}

fn hex(c: u8) -> Option<u8> {
    crate::wire::chars::hex_value(c)
}
