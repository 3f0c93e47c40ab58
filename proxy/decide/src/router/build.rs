//! From route patterns to routers, and what is wrong with the patterns together.

use std::collections::HashMap;

use http::Method;
use marchproxy_conf::problem::{Place, Problem};
use marchproxy_conf::values::{HostPattern, PathPattern, Segment};

use super::Routers;
use super::entry::{Conditions, Entry, HeaderCondition, QueryCondition};
use super::hosts::Hosts;
use super::trie::{End, Shape};
use crate::exchange::MAX_CAPTURES;
use crate::path;

/// The most segments of a path pattern: lookups go as deep.
const MAX_SEGMENTS: usize = 64;

/// What is known of a route before it is put in its place.
#[derive(Debug)]
pub(crate) struct Pattern<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Positions of the listeners it names; empty: all.
    pub(crate) listeners: Vec<usize>,
    pub(crate) host: Option<HostPattern>,
    pub(crate) path: &'a PathPattern,
    /// Sorted, without repetition.
    pub(crate) methods: Vec<Method>,
    pub(crate) conditions: Conditions,
}

/// Builds the routers; a pattern's position is its route's. Adds to `problems` what is wrong.
pub(crate) fn build(
    patterns: &[Pattern<'_>],
    listeners: usize,
    problems: &mut Vec<Problem>,
) -> Routers {
    let mut routers = Routers { own: Vec::new(), general: Hosts::default() };
    routers.own.resize_with(listeners, || None);
    let mut general = Vec::new();
    for (route, pattern) in patterns.iter().enumerate() {
        let shape = match shape(pattern.path) {
            Ok(shape) => shape,
            Err(message) => {
                let place = match_of(route).key("path");
                problems.push(Problem::new("path-pattern", place, message));
                continue;
            }
        };
        let entry = Entry {
            route,
            captures_rest: shape.end == End::Rest { named: true },
            methods: pattern.methods.as_slice().into(),
            conditions: pattern.conditions.clone(),
        };
        let host = pattern.host.as_ref();
        if pattern.listeners.is_empty() {
            routers.general.trie(host).insert(&shape, entry.clone());
            general.push((shape, entry));
            continue;
        }
        for listener in &pattern.listeners {
            if let Some(own) = routers.own.get_mut(*listener) {
                own.get_or_insert_default().trie(host).insert(&shape, entry.clone());
            }
        }
    }
    let mut clashes = Vec::new();
    for hosts in routers.own.iter_mut().flatten().chain([&mut routers.general]) {
        for node in hosts.tries_mut().flat_map(|trie| &mut trie.nodes) {
            for entries in [&mut node.exact, &mut node.rest] {
                settle(entries, &mut clashes);
            }
        }
    }
    clashes.sort_unstable();
    clashes.dedup();
    problems.extend(clashes.iter().map(|clash| clash.problem(patterns)));
    find_hidden(&routers, patterns, &general, problems);
    routers
}

/// Two routes at one place that ask for the same.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Clash {
    route: usize,
    with: Vec<usize>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Kind {
    /// Neither comes before the other.
    Conflict,
    /// The others take all requests of the route.
    Hidden,
}

/// Sorts the entries of one place, and finds those that clash: only entries with equal conditions
/// can, so each group of these is gone through once, fewest methods first.
fn settle(entries: &mut [Entry], clashes: &mut Vec<Clash>) {
    entries.sort_by_cached_key(|entry| (entry.rank(), entry.route));
    if entries.len() < 2 {
        return;
    }
    // For each method (or all of them: `None`) of a group: its first taker and how many methods
    // that one has.
    let mut takers: HashMap<(&Conditions, Option<&Method>), (usize, usize)> = HashMap::new();
    for entry in entries.iter() {
        let count = entry.methods.len();
        let keys: Vec<Option<&Method>> =
            if count == 0 { vec![None] } else { entry.methods.iter().map(Some).collect() };
        let mut with = Vec::new();
        let mut rival = None;
        for method in keys {
            let key = (&entry.conditions, method);
            match takers.get(&key) {
                Some((taker, its_count)) => {
                    with.push(*taker);
                    if *its_count == count {
                        rival = rival.or(Some(*taker));
                    }
                }
                None => {
                    takers.insert(key, (entry.route, count));
                }
            }
        }
        let is_hidden = count > 0 && with.len() == count;
        with.sort_unstable();
        with.dedup();
        if let Some(rival) = rival {
            clashes.push(Clash { route: entry.route, with: vec![rival], kind: Kind::Conflict });
        } else if is_hidden {
            clashes.push(Clash { route: entry.route, with, kind: Kind::Hidden });
        }
    }
}

impl Clash {
    fn problem(&self, patterns: &[Pattern<'_>]) -> Problem {
        match self.kind {
            Kind::Conflict => {
                let other = self.with.first().copied().unwrap_or_default();
                let (route, other) = (self.route.max(other), self.route.min(other));
                let message = format!(
                    "`{}` and `{}` can never be told apart",
                    name(patterns, other),
                    name(patterns, route)
                );
                let note = format!(
                    "`{}` matches the same requests, and neither is more specific",
                    name(patterns, other)
                );
                Problem::new("route-conflict", match_of(route), message)
                    .note(note, Some(match_of(other)))
            }
            Kind::Hidden => unreachable(patterns, self.route, &self.with),
        }
    }
}

/// Finds routes for all listeners that, on every single listener, others take everything from.
fn find_hidden(
    routers: &Routers,
    patterns: &[Pattern<'_>],
    general: &[(Shape, Entry)],
    problems: &mut Vec<Problem>,
) {
    if routers.own.is_empty() || routers.own.iter().any(Option::is_none) {
        return;
    }
    for (shape, entry) in general {
        let host = patterns.get(entry.route).and_then(|pattern| pattern.host.as_ref());
        let hiders = routers.own.iter().flatten().map(|own| own.covering(host, shape, entry));
        if let Some(mut by) = hiders.collect::<Option<Vec<usize>>>() {
            by.sort_unstable();
            by.dedup();
            problems.push(unreachable(patterns, entry.route, &by));
        }
    }
}

fn unreachable(patterns: &[Pattern<'_>], route: usize, by: &[usize]) -> Problem {
    let message = format!("`{}` can never be chosen", name(patterns, route));
    let mut problem = Problem::new("unreachable-route", match_of(route), message);
    for other in by {
        let what = if by.len() == 1 { "every request" } else { "requests" };
        let note = format!("`{}` matches {what} that it matches", name(patterns, *other));
        problem = problem.note(note, Some(match_of(*other)));
    }
    problem
}

fn name<'a>(patterns: &[Pattern<'a>], route: usize) -> &'a str {
    patterns.get(route).map(|pattern| pattern.name).unwrap_or_default()
}

fn match_of(route: usize) -> Place {
    Place::root().key("routes").index(route).key("match")
}

/// Takes a pattern apart. Its texts are brought into the spelling that paths of requests have.
pub(super) fn shape(pattern: &PathPattern) -> Result<Shape, String> {
    let mut segments = Vec::new();
    let mut end = End::Exact;
    match pattern {
        PathPattern::Exact(path) => {
            segments.extend(path.split('/').skip(1).map(|text| Segment::Text(text.to_owned())));
        }
        PathPattern::Prefix(path) => {
            segments.extend(path.split('/').skip(1).map(|text| Segment::Text(text.to_owned())));
            end = End::Rest { named: false };
        }
        PathPattern::Template(own) => {
            for segment in own {
                match segment {
                    Segment::Rest(_) => end = End::Rest { named: true },
                    Segment::Text(_) | Segment::One(_) => segments.push(segment.clone()),
                }
            }
        }
    }
    if segments.len() > MAX_SEGMENTS {
        return Err(format!("a path pattern has at most {MAX_SEGMENTS} segments"));
    }
    if pattern.variables().count() > MAX_CAPTURES {
        return Err(format!("a path pattern has at most {MAX_CAPTURES} names"));
    }
    for segment in &mut segments {
        if let Segment::Text(text) = segment {
            *text = normal_segment(text)?;
        }
    }
    Ok(Shape { segments, end })
}

fn normal_segment(text: &str) -> Result<String, String> {
    let path = format!("/{text}");
    let normal = path::normalise(path.as_bytes())
        .map_err(|reason| format!("no request has the segment `{text}`: {}", reason.code()))?;
    Ok(normal.trim_start_matches('/').to_owned())
}

/// Sorts what a route asks for, and drops repetitions.
pub(crate) fn conditions(
    mut headers: Vec<HeaderCondition>,
    mut query: Vec<QueryCondition>,
) -> Conditions {
    headers
        .sort_unstable_by(|one, other| (one.0.as_str(), &one.1).cmp(&(other.0.as_str(), &other.1)));
    headers.dedup();
    query.sort_unstable();
    query.dedup();
    Conditions { headers: headers.into(), query: query.into() }
}
