use std::cmp::Ordering;

use http::HeaderValue;
use marchproxy_conf::values::{PathPattern, Segment};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::snapshot::Snapshot;
use crate::testing::{Asked, config, config_of_routes, snapshot_of_routes, try_compile};

fn find(snapshot: &Snapshot, method: &str, host: &str, target: &str) -> Found {
    find_with(snapshot, 0, method, host, target, &[])
}

fn find_with(
    snapshot: &Snapshot,
    listener: usize,
    method: &str,
    host: &str,
    target: &str,
    fields: &[(&str, &str)],
) -> Found {
    let asked = Asked::new(method, "/", fields);
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let query = Query { host, path, query, method: &asked.method, headers: &asked.headers };
    snapshot.routers.find(listener, &query)
}

fn position(found: &Found) -> Option<usize> {
    match found {
        Found::Route(route, _) => Some(*route),
        Found::Method(_) | Found::None => None,
    }
}

fn routes(matches: &[Value]) -> Value {
    let route = |(position, matches): (usize, &Value)| json!({ "name": format!("r{position}"), "match": matches, "upstream": "app" });
    matches.iter().enumerate().map(route).collect()
}

fn problems(matches: &[Value]) -> Vec<(&'static str, String)> {
    let Err(problems) = try_compile(&config_of_routes(routes(matches))) else { return Vec::new() };
    problems.iter().map(|problem| (problem.code, problem.place.to_string())).collect()
}

#[test]
fn the_most_specific_route_wins_whatever_the_order() {
    let snapshot = snapshot_of_routes(routes(&[
        json!({ "path": "/" }),
        json!({ "host": "*.example.com", "path": "/" }),
        json!({ "host": "*.shop.example.com", "path": "/" }),
        json!({ "host": "a.example.com", "path": "/" }),
        json!({ "host": "a.example.com", "path": "/orders" }),
        json!({ "host": "a.example.com", "path": "=/orders" }),
        json!({ "host": "a.example.com", "path": "/orders/{id}" }),
        json!({ "host": "a.example.com", "path": "/orders/{id}/lines" }),
        json!({ "host": "a.example.com", "path": "/orders/new" }),
    ]));
    let cases = [
        ("b.test", "/orders", 0),
        ("example.com", "/", 0),
        ("b.example.com", "/orders", 1),
        ("x.y.example.com", "/", 1),
        ("shop.example.com", "/", 1),
        ("x.shop.example.com", "/", 2),
        ("a.example.com", "/", 3),
        ("a.example.com", "/ordersx", 3),
        ("a.example.com", "/orders", 5),
        ("a.example.com", "/orders/", 4),
        ("a.example.com", "/orders/17", 6),
        ("a.example.com", "/orders/17/x", 4),
        ("a.example.com", "/orders/17/", 4),
        ("a.example.com", "/orders/17/lines", 7),
        ("a.example.com", "/orders/17/lines/2", 7),
        ("a.example.com", "/orders/new", 8),
        ("a.example.com", "/orders/new/lines", 8),
        ("a.example.com", "*", 3),
    ];
    // `/orders/{id}/lines` is a template: it ends there.
    for (host, path, route) in cases {
        let route = if path == "/orders/17/lines/2" { 4 } else { route };
        assert_eq!(position(&find(&snapshot, "GET", host, path)), Some(route), "{host} {path}");
    }
}

#[test]
fn names_in_braces_are_captured() {
    let snapshot = snapshot_of_routes(routes(&[
        json!({ "path": "/a/{x}/b/{y}" }),
        json!({ "path": "/files/{rest...}" }),
        json!({ "path": "/{x}/{y}/{rest...}" }),
    ]));
    let cases: [(&str, usize, &[&str]); 6] = [
        ("/a/1/b/23", 0, &["1", "23"]),
        ("/files", 1, &[""]),
        ("/files/", 1, &[""]),
        ("/files/c/d/", 1, &["c/d/"]),
        ("/a/1/c", 2, &["a", "1", "c"]),
        ("/a/1", 2, &["a", "1", ""]),
    ];
    for (path, route, expected) in cases {
        let Found::Route(found, captures) = find(&snapshot, "GET", "h", path) else {
            panic!("{path}")
        };
        let texts: Vec<&str> = (0..captures.len())
            .filter_map(|position| captures.get(position))
            .map(|range| path.get(range).unwrap())
            .collect();
        assert_eq!((found, texts.as_slice()), (route, expected), "{path}");
    }
    assert_eq!(find(&snapshot, "GET", "h", "/a"), Found::None);
    assert_eq!(find(&snapshot, "GET", "h", "/a/"), Found::None);
}

type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], usize);

#[test]
fn a_route_that_asks_for_more_comes_first_and_falls_back() {
    let snapshot = snapshot_of_routes(routes(&[
        json!({ "path": "/" }),
        json!({ "path": "/a" }),
        json!({ "path": "/a", "methods": ["POST", "PUT"] }),
        json!({ "path": "/a", "methods": ["POST"] }),
        json!({ "path": "/a", "headers": [{ "name": "x-a" }] }),
        json!({ "path": "/a", "headers": [{ "name": "x-a", "value": "1" }] }),
        json!({ "path": "/a", "query": [{ "name": "q", "value": "a b" }] }),
        json!({ "path": "/a", "query": [{ "name": "p" }] }),
    ]));
    let cases: [Case<'_>; 11] = [
        ("GET", "/a", &[], 1),
        ("PUT", "/a", &[], 2),
        ("POST", "/a", &[("x-a", "1")], 3),
        ("GET", "/a", &[("X-A", "2")], 4),
        ("GET", "/a", &[("x-a", "2"), ("x-a", "1")], 5),
        ("GET", "/a?q=a+b", &[], 6),
        ("GET", "/a?p=1&q=%61%20b", &[], 6),
        ("GET", "/a?q=a%2", &[], 1),
        ("GET", "/a?q", &[], 1),
        ("GET", "/a?p", &[], 7),
        ("GET", "/b?q=a+b", &[("x-a", "1")], 0),
    ];
    for (method, target, fields, route) in cases {
        let found = find_with(&snapshot, 0, method, "h", target, fields);
        assert_eq!(position(&found), Some(route), "{method} {target} {fields:?}");
    }
}

#[test]
fn a_wrong_method_alone_names_the_right_ones() {
    let snapshot = snapshot_of_routes(routes(&[
        json!({ "path": "/a", "methods": ["PUT"] }),
        json!({ "path": "/a/{id}", "methods": ["POST", "GET"] }),
        json!({ "path": "/a/1", "methods": ["DELETE"], "headers": [{ "name": "x" }] }),
        json!({ "host": "h", "path": "/a", "methods": ["PATCH"] }),
    ]));
    let methods =
        |names: &[&str]| Found::Method(names.iter().map(|name| name.parse().unwrap()).collect());
    assert_eq!(find(&snapshot, "HEAD", "h", "/a/1"), methods(&["GET", "PATCH", "POST", "PUT"]));
    assert_eq!(find(&snapshot, "GET", "g", "/a"), methods(&["PUT"]));
    assert_eq!(find(&snapshot, "GET", "g", "/b"), Found::None);
    assert_eq!(position(&find(&snapshot, "PUT", "h", "/a/1")), Some(0));
}

#[test]
fn a_route_that_names_the_listener_comes_first() {
    let snapshot = try_compile(&config(json!({
        "listeners": [
            { "name": "plain", "address": "127.0.0.1:80" },
            { "name": "tls", "address": "127.0.0.1:443" },
        ],
        "upstreams": [{ "name": "app", "endpoints": ["127.0.0.1:3000"] }],
        "routes": [
            { "name": "orders", "match": { "host": "a", "path": "/orders" }, "upstream": "app" },
            { "name": "to-https", "listeners": ["plain"], "redirect": { "scheme": "https" } },
        ],
    })))
    .unwrap();
    assert_eq!(position(&find_with(&snapshot, 0, "GET", "a", "/orders", &[])), Some(1));
    assert_eq!(position(&find_with(&snapshot, 1, "GET", "a", "/orders", &[])), Some(0));
    assert_eq!(find_with(&snapshot, 1, "GET", "a", "/", &[]), Found::None);
}

#[test]
fn routes_that_cannot_be_told_apart_are_a_conflict() {
    let conflicts = [
        [json!({ "path": "/a" }), json!({ "path": "/a/" })],
        [json!({ "path": "/a/{x}" }), json!({ "path": "/a/{y}" })],
        [json!({ "path": "/a" }), json!({ "path": "/a/{rest...}" })],
        [json!({ "host": "a.b" }), json!({ "host": "A.B" })],
        [json!({ "host": "[::1]" }), json!({ "host": "[0:0::1]" })],
        [json!({ "methods": ["GET", "PUT"] }), json!({ "methods": ["GET", "POST"] })],
        [
            json!({ "headers": [{ "name": "a" }, { "name": "b" }] }),
            json!({ "headers": [{ "name": "B" }, { "name": "a" }, { "name": "a" }] }),
        ],
    ];
    for pair in conflicts {
        let expected = vec![("route-conflict", "routes[1].match".to_owned())];
        assert_eq!(problems(&pair), expected, "{pair:?}");
    }
}

#[test]
fn routes_that_can_be_told_apart_are_none() {
    let pairs = [
        [json!({ "path": "/a" }), json!({ "path": "=/a" })],
        [json!({ "path": "/a/{x}" }), json!({ "path": "/a/x" })],
        [json!({ "host": "a" }), json!({})],
        [json!({ "methods": ["GET"] }), json!({})],
        [json!({ "methods": ["GET"] }), json!({ "methods": ["GET", "POST"] })],
        [json!({ "headers": [{ "name": "a" }] }), json!({ "headers": [{ "name": "b" }] })],
        [json!({ "query": [{ "name": "a" }] }), json!({ "query": [{ "name": "a", "value": "" }] })],
    ];
    for pair in pairs {
        assert_eq!(problems(&pair), Vec::new(), "{pair:?}");
    }
}

#[test]
fn a_route_whose_methods_are_all_taken_is_unreachable() {
    let expected = vec![("unreachable-route", "routes[1].match".to_owned())];
    let found = problems(&[
        json!({ "methods": ["GET"] }),
        json!({ "methods": ["GET", "POST"] }),
        json!({ "methods": ["POST"] }),
    ]);
    assert_eq!(found, expected);
}

fn two_listeners(routes: &Value) -> Result<Snapshot, Vec<marchproxy_conf::problem::Problem>> {
    try_compile(&config(json!({
        "listeners": [
            { "name": "one", "address": "127.0.0.1:80" },
            { "name": "two", "address": "127.0.0.1:443" },
        ],
        "upstreams": [{ "name": "app", "endpoints": ["127.0.0.1:3000"] }],
        "routes": routes,
    })))
}

#[test]
fn a_route_hidden_on_every_listener_is_unreachable() {
    let old = json!({ "name": "old", "upstream": "app",
        "match": { "host": "a.b", "path": "/x/{id}", "methods": ["GET"] } });
    let hiders = |first: Value, second: Value| {
        json!([
            old,
            { "name": "h1", "listeners": ["one"], "upstream": "app", "match": first },
            { "name": "h2", "listeners": ["two"], "upstream": "app", "match": second },
        ])
    };
    let hiding = [json!({}), json!({ "host": "*.b", "path": "/x" }), json!({ "path": "/{a}/{b}" })];
    for first in &hiding {
        let problems = two_listeners(&hiders(first.clone(), json!({}))).unwrap_err();
        assert_eq!(problems.len(), 1, "{first}");
        assert_eq!(problems[0].code, "unreachable-route");
        assert_eq!(problems[0].message, "`old` can never be chosen");
        assert_eq!(problems[0].notes.len(), 2);
    }
    let not_hiding = [
        json!({ "path": "/x/{a}/{b}" }),
        json!({ "path": "=/x/1" }),
        json!({ "host": "a.a.b" }),
        json!({ "methods": ["POST"] }),
        json!({ "headers": [{ "name": "x" }] }),
    ];
    for first in &not_hiding {
        assert!(two_listeners(&hiders(first.clone(), json!({}))).is_ok(), "{first}");
    }
}

#[test]
fn a_pattern_that_is_too_deep_or_impossible_is_a_problem() {
    let deep = "/a".repeat(65);
    assert_eq!(problems(&[json!({ "path": deep })])[0].0, "path-pattern");
    let names: Vec<String> = (0..17).map(|number| format!("/{{n{number}}}")).collect();
    assert_eq!(problems(&[json!({ "path": names.concat() })])[0].0, "path-pattern");
    assert_eq!(problems(&[json!({ "path": "/a/..;b" })])[0].0, "path-pattern");
}

#[test]
fn a_pattern_matches_however_its_characters_are_spelled() {
    let snapshot = snapshot_of_routes(routes(&[json!({ "path": "/a|b" })]));
    assert_eq!(position(&find(&snapshot, "GET", "h", "/a%7Cb")), Some(0));
}

// The reference: sort all routes by the documented order, take the first that matches.

#[derive(Clone, Debug)]
#[expect(clippy::option_option, reason = "no condition, any value, this value")]
struct Plain {
    listener: Option<usize>,
    host: Option<&'static str>,
    path: &'static str,
    methods: Vec<&'static str>,
    header: Option<Option<&'static str>>,
    query: Option<Option<&'static str>>,
}

impl Plain {
    fn json(&self, position: usize) -> Value {
        let mut matches = json!({ "path": self.path, "methods": self.methods });
        if let Some(host) = self.host {
            matches["host"] = json!(host);
        }
        if let Some(value) = self.header {
            matches["headers"] = json!([{ "name": "x", "value": value }]);
        }
        if let Some(value) = self.query {
            matches["query"] = json!([{ "name": "q", "value": value }]);
        }
        let listeners: Vec<&str> =
            self.listener.iter().map(|index| ["one", "two"][*index]).collect();
        json!({ "name": format!("r{position}"), "listeners": listeners, "match": matches, "upstream": "app" })
    }

    fn pattern(&self) -> PathPattern {
        self.path.parse().unwrap()
    }

    /// For each segment 0 (text) or 1 (a name), and at the end 0 (there) or 2 (goes on).
    fn path_rank(&self) -> Vec<u8> {
        let shape = build::shape(&self.pattern()).unwrap();
        let one = |segment: &Segment| u8::from(!matches!(segment, Segment::Text(_)));
        let mut rank: Vec<u8> = shape.segments.iter().map(one).collect();
        rank.push(if shape.end == trie::End::Exact { 0 } else { 2 });
        rank
    }

    fn order(&self, other: &Self) -> Ordering {
        let host = |plain: &Self| match plain.host {
            Some(host) if host.starts_with("*.") => (1, usize::MAX - host.len()),
            Some(_) => (0, 0),
            None => (2, 0),
        };
        let valued = |condition: &Option<Option<&str>>| match condition {
            Some(Some(_)) => 0,
            Some(None) => 1,
            None => 2,
        };
        let rest = |plain: &Self| {
            (
                plain.methods.is_empty(),
                valued(&plain.header),
                valued(&plain.query),
                plain.methods.len(),
            )
        };
        self.listener
            .is_none()
            .cmp(&other.listener.is_none())
            .then(host(self).cmp(&host(other)))
            .then_with(|| self.path_rank().cmp(&other.path_rank()))
            .then(rest(self).cmp(&rest(other)))
    }

    fn matches(
        &self,
        listener: usize,
        method: &str,
        host: &str,
        path: &str,
        header: Option<&str>,
        query: Option<&str>,
    ) -> bool {
        let host_fits = match self.host {
            None => true,
            Some(own) => match own.strip_prefix('*') {
                Some(suffix) => host.ends_with(suffix),
                None => own == host,
            },
        };
        let condition = |own: Option<Option<&str>>, given: Option<&str>| match (own, given) {
            (None, _) | (Some(None), Some(_)) => true,
            (Some(Some(own)), Some(given)) => own == given,
            (Some(_), None) => false,
        };
        self.listener.is_none_or(|own| own == listener)
            && host_fits
            && self.path_fits(path)
            && (self.methods.is_empty() || self.methods.contains(&method))
            && condition(self.header, header)
            && condition(self.query, query)
    }

    fn path_fits(&self, path: &str) -> bool {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match self.pattern() {
            PathPattern::Exact(own) => own == path,
            PathPattern::Prefix(own) => path
                .strip_prefix(own.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            PathPattern::Template(own) => {
                let has_rest = matches!(own.last(), Some(Segment::Rest(_)));
                let fixed = if has_rest { own.len() - 1 } else { own.len() };
                let length_fits =
                    if has_rest { segments.len() >= fixed } else { segments.len() == fixed };
                length_fits
                    && own.iter().zip(&segments).all(|(segment, text)| match segment {
                        Segment::Text(own) => own == text,
                        Segment::One(_) => !text.is_empty(),
                        Segment::Rest(_) => true,
                    })
            }
        }
    }
}

/// Routes all over the place, and routes crowded at a few places, where the last criteria decide.
fn any_plains() -> impl Strategy<Value = Vec<Plain>> {
    let hosts = vec![None, Some("a.b"), Some("c.a.b"), Some("*.b"), Some("*.a.b")];
    let paths = vec![
        "/",
        "/x",
        "/x/",
        "=/x",
        "=/x/",
        "=/",
        "/{a}",
        "/{a...}",
        "/x/{a}",
        "/{a}/x",
        "/{a}/{b}",
        "/x/y",
        "/x/{a...}",
        "/x/{a}/y",
        "/{a}/x/{b...}",
        "=/x/y",
        "/{a}/",
    ];
    let listeners = vec![None, None, Some(0), Some(1)];
    let wide = proptest::collection::vec(any_plain(listeners, hosts, paths), 1..12);
    let crowded = any_plain(vec![None], vec![None, Some("*.b")], vec!["/", "/{a}"]);
    prop_oneof![wide, proptest::collection::vec(crowded, 1..12)]
}

fn any_plain(
    listeners: Vec<Option<usize>>,
    hosts: Vec<Option<&'static str>>,
    paths: Vec<&'static str>,
) -> impl Strategy<Value = Plain> {
    let host = proptest::sample::select(hosts);
    let methods = vec![vec![], vec!["GET"], vec!["PUT"], vec!["GET", "PUT"]];
    let condition = || proptest::sample::select(vec![None, None, Some(None), Some(Some("1"))]);
    (
        proptest::sample::select(listeners),
        host,
        proptest::sample::select(paths),
        proptest::sample::select(methods),
        condition(),
        condition(),
    )
        .prop_map(|(listener, host, path, methods, header, query)| Plain {
            listener,
            host,
            path,
            methods,
            header,
            query,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn the_router_agrees_with_sorting_and_taking_the_first(
        plains in any_plains(),
        asked in proptest::collection::vec(
            (0..2_usize, proptest::sample::select(vec!["GET", "PUT", "HEAD"]),
             proptest::sample::select(vec!["a.b", "b", "c.a.b", "d.b", "z"]),
             "(/[xyz]?){1,4}", proptest::option::of(proptest::sample::select(vec!["1", "2"])),
             proptest::option::of(proptest::sample::select(vec!["1", "2"]))),
            1..12),
    ) {
        // Routes that conflict are an error elsewhere: keep the first of those that compare equal.
        let mut kept: Vec<Plain> = Vec::new();
        for plain in plains {
            let clashes = |other: &Plain| plain.order(other).is_eq()
                && plain.listener.is_none_or(|own| other.listener.is_none_or(|index| index == own))
                && plain.host == other.host && plain.shape_text() == other.shape_text()
                && (plain.methods.is_empty() || plain.methods.iter().any(|method| other.methods.contains(method)));
            if !kept.iter().any(clashes) {
                kept.push(plain);
            }
        }
        let routes: Vec<Value> = kept.iter().enumerate().map(|(position, plain)| plain.json(position)).collect();
        let snapshot = match two_listeners(&json!(routes)) {
            Ok(snapshot) => snapshot,
            Err(problems) => {
                prop_assert!(problems.iter().all(|problem| problem.code == "unreachable-route"), "{problems:?}");
                return Ok(());
            }
        };
        let mut order: Vec<usize> = (0..kept.len()).collect();
        order.sort_by(|one, other| kept[*one].order(&kept[*other]));
        for (listener, method, host, path, header, query) in asked {
            let expected = order.iter().copied()
                .find(|route| kept[*route].matches(listener, method, host, &path, header, query));
            let target = query.map_or_else(|| path.clone(), |value| format!("{path}?q={value}"));
            let fields: Vec<(&str, &str)> = header.iter().map(|value| ("x", *value)).collect();
            let found = find_with(&snapshot, listener, method, host, &target, &fields);
            prop_assert_eq!(position(&found), expected, "{} {} {}", method, host, target);
            if expected.is_none() {
                let others = ["GET", "PUT"].iter().any(|method| order.iter()
                    .any(|route| kept[*route].matches(listener, method, host, &path, header, query)));
                prop_assert_eq!(matches!(found, Found::Method(_)), others);
            }
        }
    }
}

impl Plain {
    /// The path with all names called the same: equal for routes at one place.
    fn shape_text(&self) -> String {
        format!(
            "{:?}",
            build::shape(&self.pattern()).map(|shape| {
                let text = |segment: &Segment| match segment {
                    Segment::Text(text) => text.clone(),
                    Segment::One(_) | Segment::Rest(_) => "{}".to_owned(),
                };
                (shape.segments.iter().map(text).collect::<Vec<_>>(), shape.end == trie::End::Exact)
            })
        )
    }
}

#[test]
fn a_header_value_is_compared_byte_by_byte() {
    let snapshot =
        snapshot_of_routes(routes(&[json!({ "headers": [{ "name": "x", "value": "é" }] })]));
    let mut headers = HeaderMap::new();
    headers.insert("x", HeaderValue::from_bytes("é".as_bytes()).unwrap());
    let query =
        Query { host: "h", path: "/", query: None, method: &Method::GET, headers: &headers };
    assert_eq!(position(&snapshot.routers.find(0, &query)), Some(0));
}
