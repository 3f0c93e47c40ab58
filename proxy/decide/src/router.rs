//! Which route a request takes: the most specific one that matches, whatever the order in the file.
//!
//! Routes are compared by these, in turn; the first difference decides:
//!
//! 1. A route that names the listener comes before those for all listeners.
//! 2. Host: exact, then wildcard (more labels first), then any.
//! 3. Path, segment by segment: text before `{name}` before "whatever follows" (a prefix, or
//!    `{name...}`); a path that ends there before one that goes on.
//! 4. Methods given before none.
//! 5. More header conditions, then more of them with a value.
//! 6. More query conditions, then more of them with a value.
//! 7. Fewer methods.
//! 8. The order of the file; only routes with different conditions of 5 or 6 get that far.
//!
//! When the best candidate's method, headers or query do not match, the next one is tried. When
//! nothing but the method stood in the way, the answer is 405 with the methods that would do. A
//! path is compared as a list of segments: `/a/` has the two segments `a` and the empty one.

mod build;
mod covers;
mod entry;
mod hosts;
#[cfg(test)]
mod tests;
mod trie;

pub(crate) use build::{Pattern, build, conditions};
pub(crate) use entry::{HeaderCondition, QueryCondition};

use http::{HeaderMap, Method};

use crate::exchange::Captures;
use entry::Entry;
use hosts::Hosts;

/// What a route is chosen by.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The host in lower case, without port.
    pub host: &'a str,
    /// The path in normal form.
    pub path: &'a str,
    /// The query without its question mark.
    pub query: Option<&'a str>,
    /// The method.
    pub method: &'a Method,
    /// The fields.
    pub headers: &'a HeaderMap,
}

/// What was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// The route's position in the snapshot, and what its names stand for.
    Route(usize, Captures),
    /// Only the method does not fit; these would, sorted, for the `Allow` field.
    Method(Vec<Method>),
    /// Nothing fits.
    None,
}

/// The routes of all listeners.
#[derive(Debug, Default)]
pub struct Routers {
    /// Routes that name the listener at this position.
    own: Vec<Option<Hosts>>,
    /// Routes for all listeners.
    general: Hosts,
}

impl Routers {
    /// Finds the route of a request that came through the listener at this position.
    pub fn find(&self, listener: usize, query: &Query<'_>) -> Found {
        let mut captures = Captures::default();
        let mut fits = |entry: &Entry| entry.fits_method(query.method) && entry.fits(query);
        let own = self.own.get(listener).and_then(Option::as_ref);
        let routers = || own.into_iter().chain([&self.general]);
        for router in routers() {
            if let Some(route) = router.find(query, &mut captures, &mut fits) {
                return Found::Route(route, captures);
            }
        }
        let mut allowed = Vec::new();
        let mut note_methods = |entry: &Entry| {
            if entry.fits(query) {
                allowed.extend_from_slice(&entry.methods);
            }
            false
        };
        for router in routers() {
            router.find(query, &mut captures, &mut note_methods);
        }
        if allowed.is_empty() {
            return Found::None;
        }
        allowed.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        allowed.dedup();
        Found::Method(allowed)
    }
}
