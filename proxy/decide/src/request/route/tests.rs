use http::StatusCode;
use serde_json::{Value, json};

use super::*;
use crate::request::sanity;
use crate::testing::{Asked, exchange, snapshot_of_routes};

fn decided(routes: Value, asked: &Asked) -> (Verdict, Exchange) {
    let snapshot = snapshot_of_routes(routes);
    let mut exchange = exchange();
    assert!(matches!(sanity::check(&snapshot, &asked.head(), &mut exchange), Verdict::Pass));
    let verdict = match check(&snapshot, &asked.head(), &mut exchange) {
        Verdict::Pass => act(&snapshot, &asked.head(), &mut exchange),
        refused => refused,
    };
    (verdict, exchange)
}

fn answered(routes: Value, asked: &Asked) -> Answer {
    match decided(routes, asked).0 {
        Verdict::Answer(answer) => *answer,
        verdict => panic!("{verdict:?}"),
    }
}

#[test]
fn a_request_finds_its_route_and_upstream() {
    let routes = json!([
        { "name": "app", "upstream": "app" },
        { "name": "other", "match": { "path": "/o/{id}" }, "upstream": "other" },
    ]);
    let (verdict, exchange) = decided(routes, &Asked::new("GET", "/o/17", &[("host", "a")]));
    assert!(matches!(verdict, Verdict::Pass));
    assert_eq!((exchange.route, exchange.upstream), (Some(1), Some(1)));
    assert_eq!(exchange.capture(0), "17");
}

#[test]
fn no_route_is_404_and_a_wrong_method_405() {
    let routes = json!([{ "name": "r", "match": { "path": "/a", "methods": ["PUT", "GET"] },
        "upstream": "app" }]);
    let (verdict, _) = decided(routes.clone(), &Asked::new("GET", "/b", &[("host", "a")]));
    assert!(matches!(verdict, Verdict::Refuse(Reason::RouteNone)));
    let (verdict, exchange) = decided(routes, &Asked::new("POST", "/a", &[("host", "a")]));
    assert!(matches!(verdict, Verdict::Refuse(Reason::RouteMethod)));
    assert_eq!(exchange.allow.as_deref(), Some("GET, PUT"));
}

#[test]
fn a_declared_body_is_held_against_the_routes_limit() {
    let routes = json!([
        { "name": "small", "match": { "path": "/small" }, "upstream": "app", "body_size": "10B" },
        { "name": "all", "upstream": "app" },
    ]);
    let ask = |path: &str, length: &str| {
        let fields = [("host", "a"), ("content-length", length)];
        decided(routes.clone(), &Asked::new("POST", path, &fields)).0
    };
    assert!(matches!(ask("/small", "10"), Verdict::Pass));
    assert!(matches!(ask("/small", "11"), Verdict::Refuse(Reason::BodySize)));
    assert!(matches!(ask("/", "104857600"), Verdict::Pass));
    assert!(matches!(ask("/", "104857601"), Verdict::Refuse(Reason::BodySize)));
}

#[test]
fn a_redirect_leads_where_it_should() {
    let cases = [
        (json!({ "scheme": "https" }), "a:8080", "/x/y?z", "https://a/x/y?z"),
        (json!({ "scheme": "http" }), "a:8080", "/x/y", "http://a:8080/x/y"),
        (json!({ "scheme": "https" }), "[::1]:8080", "/x/y", "https://[::1]/x/y"),
        (json!({ "host": "b.test:81" }), "a", "//x/y", "http://b.test:81/x/y"),
        (json!({ "host": "{name}.test" }), "a", "/x/y", "http://y.test/x/y"),
        (json!({ "path": "/new/{name}" }), "a", "/x/y?z", "http://a/new/y?z"),
        (json!({ "path": "{name}" }), "a", "/x/y", "http://a/y"),
    ];
    for (redirect, host, target, location) in cases {
        let routes =
            json!([{ "name": "r", "match": { "path": "/x/{name}" }, "redirect": redirect }]);
        let answer = answered(routes, &Asked::new("GET", target, &[("host", host)]));
        assert_eq!(answer.status, StatusCode::PERMANENT_REDIRECT);
        assert_eq!(answer.headers["location"], location, "{redirect}");
        assert_eq!(answer.headers["content-length"], "0");
    }
}

#[test]
fn a_client_cannot_choose_another_host_to_be_sent_to() {
    let routes = json!([{ "name": "r", "match": { "path": "/x/{name}" },
        "redirect": { "host": "{name}" } }]);
    let asked = Asked::new("GET", "/x/u@evil.test", &[("host", "a")]);
    let (verdict, _) = decided(routes, &asked);
    assert!(matches!(verdict, Verdict::Refuse(Reason::HostInvalid)));
}

#[test]
fn a_fixed_response_is_given_with_id_and_edits() {
    let routes = json!([{ "name": "r",
        "respond": { "status": 503, "body": "later", "content_type": "text/plain" },
        "response_headers": { "set": { "retry-after": "60" } } }]);
    let answer = answered(routes.clone(), &Asked::new("GET", "/", &[("host", "a")]));
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (503, &b"later"[..]));
    assert_eq!(answer.headers["content-type"], "text/plain");
    assert_eq!(answer.headers["content-length"], "5");
    assert_eq!(answer.headers["retry-after"], "60");
    assert_eq!(answer.headers["x-request-id"], exchange().request_id.as_str());
    let answer = answered(routes, &Asked::new("HEAD", "/", &[("host", "a")]));
    assert!(answer.body.is_empty());
    assert_eq!(answer.headers["content-length"], "5");
}

#[test]
fn a_response_without_content_has_no_length() {
    let routes = json!([{ "name": "r", "respond": { "status": 204, "body": "x" } }]);
    let answer = answered(routes, &Asked::new("GET", "/", &[("host", "a")]));
    assert!(answer.body.is_empty());
    assert!(!answer.headers.contains_key("content-length"));
}
