//! The whole way of a request: wire, sanity, route, forward, respond, record.

use http::{HeaderMap, HeaderValue, StatusCode, Version};
use marchproxy_conf::model::AccessLogFormat;
use serde_json::json;

use super::{forward, record, respond, route, sanity};
use crate::testing::{Asked, exchange, snapshot_of_routes};
use crate::verdict::Verdict;
use crate::wire::head::{self, HeadLimits, Inspected};

#[test]
fn a_plain_get_goes_all_the_way() {
    let wire = b"GET /shop//cart/%7e17?a=1 HTTP/1.1\r\nHost: Shop.example.com\r\n\
        User-Agent: test\r\nConnection: close, X-Drop\r\nX-Drop: 1\r\n\r\n";
    let limits = HeadLimits { head_size: 1024, target_size: 256, fields: 16 };
    assert!(matches!(head::inspect(wire, &limits), Inspected::Complete(_)));
    let snapshot = snapshot_of_routes(json!([{
        "name": "shop", "match": { "host": "shop.example.com", "path": "/shop/{page}/{id}" },
        "upstream": "app", "rewrite": { "strip_prefix": "/shop" },
        "request_headers": { "set": { "x-item": "{id} of {host}" } },
        "response_headers": { "remove": ["server"] },
    }]));
    let asked = Asked::new(
        "GET",
        "/shop//cart/%7e17?a=1",
        &[
            ("host", "Shop.example.com"),
            ("user-agent", "test"),
            ("connection", "close, X-Drop"),
            ("x-drop", "1"),
        ],
    );
    let mut exchange = exchange();
    assert!(matches!(sanity::check(&snapshot, &asked.head(), &mut exchange), Verdict::Pass));
    assert!(matches!(route::check(&snapshot, &asked.head(), &mut exchange), Verdict::Pass));
    assert!(matches!(route::act(&snapshot, &asked.head(), &mut exchange), Verdict::Pass));
    assert_eq!(exchange.route, Some(0));
    assert_eq!(forward::target(&snapshot, &exchange), "/cart/~17?a=1");
    let mut fields = asked.headers.clone();
    forward::prepare(&snapshot, &asked.head(), &mut exchange, &mut fields);
    let expected = [
        ("host", "shop.example.com"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "shop.example.com"),
        ("via", "1.1 marchproxy"),
        ("x-item", "~17 of shop.example.com"),
        ("x-request-id", exchange.request_id.as_str()),
    ];
    for (name, value) in expected {
        assert_eq!(fields.get(name).map(HeaderValue::as_bytes), Some(value.as_bytes()), "{name}");
    }
    assert!(!fields.contains_key("connection") && !fields.contains_key("x-drop"));

    let mut answer = HeaderMap::new();
    answer.insert("server", HeaderValue::from_static("origin"));
    answer.insert("content-length", HeaderValue::from_static("3"));
    let verdict = respond::check(&exchange, StatusCode::OK, Version::HTTP_11, &answer);
    assert!(matches!(verdict, Verdict::Pass));
    respond::prepare(&snapshot, &exchange, Version::HTTP_11, &mut answer);
    assert!(!answer.contains_key("server") && answer.contains_key("x-request-id"));
    exchange.status = 200;

    let mut line = Vec::new();
    record::write(AccessLogFormat::Json, &snapshot, &exchange, Some(&asked.headers), &mut line);
    let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(line["path"], "/shop/cart/~17?a=1");
    assert_eq!(line["route"], "shop");
    assert_eq!(line["time"], "2026-11-24T04:05:06.789Z");
}
