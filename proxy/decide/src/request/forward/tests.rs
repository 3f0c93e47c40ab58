use std::sync::Arc;

use http::HeaderMap;
use marchproxy_conf::model::TlsVersion;
use serde_json::{Value, json};

use super::*;
use crate::exchange::{Connection, TlsFacts};
use crate::request::{route, sanity};
use crate::testing::{Asked, exchange_from, snapshot_of_routes};
use crate::verdict::Verdict;

/// What is forwarded of a request from `client` through one route.
fn forwarded(route: &Value, asked: &Asked, client: &str) -> (String, HeaderMap, Exchange) {
    let snapshot = snapshot_of_routes(json!([route]));
    let mut exchange = exchange_from(client);
    assert!(matches!(sanity::check(&snapshot, &asked.head(), &mut exchange), Verdict::Pass));
    assert!(matches!(route::check(&snapshot, &asked.head(), &mut exchange), Verdict::Pass));
    assert!(matches!(route::act(&snapshot, &asked.head(), &mut exchange), Verdict::Pass));
    let mut fields = asked.headers.clone();
    prepare(&snapshot, &asked.head(), &mut exchange, &mut fields);
    (target(&snapshot, &exchange).into_owned(), fields, exchange)
}

fn all() -> Value {
    json!({ "name": "all", "upstream": "app" })
}

fn values<'a>(fields: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    fields.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

fn get(fields: &[(&str, &str)]) -> Asked {
    let fields: Vec<(&str, &str)> = [("host", "a")].iter().chain(fields).copied().collect();
    Asked::new("GET", "/", &fields)
}

#[test]
fn what_belongs_to_the_connection_is_not_forwarded() {
    // RFC 9110, section 7.6.1.
    let asked = get(&[
        ("connection", "keep-alive, X-Mine"),
        ("connection", "x-other, bad name, Host, Content-Length"),
        ("x-mine", "1"),
        ("x-other", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic x"),
        ("te", "gzip"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABk"),
        ("content-length", "0"),
        ("accept", "*/*"),
    ]);
    let (_, fields, _) = forwarded(&all(), &asked, "203.0.113.9");
    let mut names: Vec<&str> = fields.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    let expected = [
        "accept",
        "content-length",
        "host",
        "traceparent",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-request-id",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_websocket_and_trailers_are_asked_for_onward() {
    let asked = get(&[("connection", "Upgrade, TE"), ("upgrade", "WebSocket"), ("te", "trailers")]);
    let (_, fields, _) = forwarded(&all(), &asked, "203.0.113.9");
    assert_eq!(values(&fields, "connection"), ["upgrade"]);
    assert_eq!(values(&fields, "upgrade"), ["websocket"]);
    assert_eq!(values(&fields, "te"), ["trailers"]);
}

#[test]
fn the_host_is_forwarded_in_normal_spelling() {
    let asked = Asked::new("GET", "/", &[("host", "Shop.Example.com.:80")]);
    let (_, fields, _) = forwarded(&all(), &asked, "203.0.113.9");
    assert_eq!(values(&fields, "host"), ["shop.example.com"]);
    let asked = Asked::new("GET", "/", &[]).http2(Some("a:81"));
    let (_, fields, _) = forwarded(&all(), &asked, "203.0.113.9");
    assert_eq!(values(&fields, "host"), ["a:81"]);
    assert_eq!(values(&fields, "via"), ["2 marchproxy"]);
}

#[test]
fn what_an_untrusted_peer_says_of_the_origin_is_replaced() {
    let asked = get(&[
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-for", "7.7.7.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "b"),
        ("forwarded", "for=6.6.6.6"),
        ("x-request-id", "chosen"),
        ("via", "1.1 other"),
    ]);
    let (_, fields, exchange) = forwarded(&all(), &asked, "203.0.113.9");
    assert_eq!(values(&fields, "x-forwarded-for"), ["203.0.113.9"]);
    assert_eq!(values(&fields, "x-forwarded-proto"), ["http"]);
    assert_eq!(values(&fields, "x-forwarded-host"), ["a"]);
    assert_eq!(values(&fields, "forwarded"), ["for=203.0.113.9;host=\"a\";proto=http"]);
    assert_eq!(values(&fields, "x-request-id"), [exchange.request_id.as_str()]);
    assert_eq!(values(&fields, "via"), ["1.1 other", "1.1 marchproxy"]);
}

#[test]
fn what_a_trusted_peer_says_of_the_origin_is_appended_to() {
    let asked = get(&[
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-for", "10.0.0.2"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "b"),
        ("forwarded", "for=6.6.6.6"),
        ("x-request-id", "chosen"),
    ]);
    let (_, fields, _) = forwarded(&all(), &asked, "10.0.0.1");
    assert_eq!(values(&fields, "x-forwarded-for"), ["6.6.6.6, 10.0.0.2, 10.0.0.1"]);
    assert_eq!(values(&fields, "x-forwarded-proto"), ["https"]);
    assert_eq!(values(&fields, "x-forwarded-host"), ["b"]);
    let element = "for=6.6.6.6, for=10.0.0.1;host=\"b\";proto=https";
    assert_eq!(values(&fields, "forwarded"), [element]);
    assert_eq!(values(&fields, "x-request-id"), ["chosen"]);
}

#[test]
fn tls_makes_the_scheme_https() {
    let mut exchange = exchange_from("203.0.113.9");
    let tls = TlsFacts {
        version: TlsVersion::Tls13,
        cipher: "x".into(),
        sni: None,
        asked: None,
        client: None,
    };
    let Connection { client, local, .. } = *exchange.connection;
    let connection = Connection::new(client, local, "web".into(), Some(tls));
    exchange = Exchange::new(crate::exchange::Start {
        connection: Arc::new(connection),
        listener: 0,
        moment: exchange.marks.start,
        unix_millis: 0,
        random: [0; 4],
    });
    let asked = get(&[]);
    let snapshot = snapshot_of_routes(json!([all()]));
    sanity::check(&snapshot, &asked.head(), &mut exchange);
    let mut fields = asked.headers.clone();
    prepare(&snapshot, &asked.head(), &mut exchange, &mut fields);
    assert_eq!(values(&fields, "x-forwarded-proto"), ["https"]);
}

#[test]
fn a_trace_is_passed_on_or_begun() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let asked = get(&[("traceparent", parent), ("tracestate", "a=b")]);
    let (_, fields, exchange) = forwarded(&all(), &asked, "203.0.113.9");
    assert_eq!(values(&fields, "traceparent"), [parent]);
    assert_eq!(values(&fields, "tracestate"), ["a=b"]);
    assert_eq!(exchange.trace_id, Some(*b"0af7651916cd43dd8448eb211c80319c"));
    let bad = [
        "",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ];
    for parent in bad {
        let asked = get(&[("traceparent", parent), ("tracestate", "a=b")]);
        let (_, fields, exchange) = forwarded(&all(), &asked, "203.0.113.9");
        let made = "00-00000000000000010000000000000002-0000000000000003-00";
        assert_eq!(values(&fields, "traceparent"), [made], "{parent}");
        assert!(!fields.contains_key("tracestate"));
        assert!(exchange.trace_id.is_some());
    }
    let later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x";
    let (_, fields, _) = forwarded(&all(), &get(&[("traceparent", later)]), "203.0.113.9");
    assert_eq!(values(&fields, "traceparent"), [later]);
}

#[test]
fn the_path_is_rewritten_as_configured() {
    let cases = [
        (json!({ "strip_prefix": "/orders" }), "/orders/17?a=b", "/17?a=b"),
        (json!({ "strip_prefix": "/orders/" }), "/orders/17", "/17"),
        (json!({ "strip_prefix": "/orders/17" }), "/orders/17", "/"),
        (json!({ "strip_prefix": "/ord" }), "/orders/17", "/orders/17"),
        (json!({ "add_prefix": "/v1/" }), "/orders/17?", "/v1/orders/17?"),
        (json!({ "strip_prefix": "/orders", "add_prefix": "/o" }), "/orders/17", "/o/17"),
        (json!({ "path": "/item/{id}/x" }), "/orders/17?a", "/item/17/x?a"),
        (json!({ "path": "{id}" }), "/orders/17", "/17"),
        (json!({}), "/orders/./17?a=%20", "/orders/17?a=%20"),
    ];
    for (rewrite, asked, expected) in cases {
        let route = json!({ "name": "r", "match": { "path": "/orders/{id}" },
            "upstream": "app", "rewrite": rewrite });
        let asked = Asked::new("GET", asked, &[("host", "a")]);
        assert_eq!(forwarded(&route, &asked, "203.0.113.9").0, expected, "{rewrite}");
    }
}

#[test]
fn an_asterisk_is_never_rewritten() {
    let route = json!({ "name": "r", "upstream": "app", "rewrite": { "add_prefix": "/v1" } });
    let asked = Asked::new("OPTIONS", "*", &[("host", "a")]);
    assert_eq!(forwarded(&route, &asked, "203.0.113.9").0, "*");
}

#[test]
fn header_edits_come_last_and_in_their_order() {
    let route = json!({ "name": "r", "upstream": "app", "match": { "path": "/a/{x}" },
        "request_headers": {
            "remove": ["x-gone", "via"],
            "set": { "x-set": "{client} {method} {scheme}://{host}{path}?{query} {route} {x} {{}}",
                     "host": "origin.internal" },
            "add": { "x-gone": "new", "x-many": "2" },
        } });
    let fields = [("host", "h"), ("x-gone", "old"), ("x-set", "old"), ("x-many", "1")];
    let asked = Asked::new("GET", "/a/b?c=d", &fields);
    let (_, fields, _) = forwarded(&route, &asked, "203.0.113.9");
    assert_eq!(values(&fields, "x-gone"), ["new"]);
    assert_eq!(values(&fields, "x-set"), ["203.0.113.9 GET http://h/a/b?c=d r b {}"]);
    assert_eq!(values(&fields, "x-many"), ["1", "2"]);
    assert_eq!(values(&fields, "host"), ["origin.internal"]);
    assert!(!fields.contains_key("via"));
}

#[test]
fn cookies_in_several_fields_become_one() {
    let asked = get(&[("cookie", "a=b"), ("accept", "*/*"), ("cookie", "c=d"), ("cookie", "e")]);
    let (_, fields, _) = forwarded(&all(), &asked, "203.0.113.9");
    assert_eq!(values(&fields, "cookie"), ["a=b; c=d; e"]);
}

#[test]
fn an_expectation_of_http_1_0_means_nothing() {
    // RFC 9110, section 10.1.1.
    for (version, expected) in [(Version::HTTP_10, &[][..]), (Version::HTTP_11, &["100-continue"])]
    {
        let mut asked = get(&[("expect", "100-continue")]);
        asked.version = version;
        let (_, fields, _) = forwarded(&all(), &asked, "203.0.113.9");
        assert_eq!(values(&fields, "expect"), expected, "{version:?}");
    }
}
