use serde_json::json;

use super::*;
use crate::testing::{Asked, exchange, snapshot_of_routes};

fn reason(status: u16, version: Version, fields: &[(&str, &str)]) -> Option<Reason> {
    let headers = Asked::new("GET", "/", fields).headers;
    match check(&exchange(), StatusCode::from_u16(status).unwrap(), version, &headers) {
        Verdict::Pass => None,
        Verdict::Refuse(reason) => Some(reason),
        Verdict::Answer(_) => panic!("nothing is answered here"),
    }
}

type Case<'a> = (u16, Version, &'a [(&'a str, &'a str)]);

#[test]
fn a_contradictory_answer_is_refused() {
    let malformed = Some(Reason::UpstreamMalformed);
    let length = ("content-length", "1");
    let chunked = ("transfer-encoding", "chunked");
    let cases: [Case<'_>; 11] = [
        // RFC 9112, section 6.
        (200, Version::HTTP_11, &[length, length]),
        (200, Version::HTTP_11, &[("content-length", "1, 1")]),
        (200, Version::HTTP_11, &[("content-length", "-1")]),
        (200, Version::HTTP_11, &[length, chunked]),
        (200, Version::HTTP_11, &[chunked, chunked]),
        (200, Version::HTTP_11, &[("transfer-encoding", "gzip, chunked")]),
        (200, Version::HTTP_10, &[chunked]),
        (204, Version::HTTP_11, &[chunked]),
        (103, Version::HTTP_11, &[chunked]),
        (200, Version::HTTP_2, &[chunked]),
        (600, Version::HTTP_11, &[]),
    ];
    for (status, version, fields) in cases {
        assert_eq!(reason(status, version, fields), malformed, "{status} {fields:?}");
    }
    assert_eq!(reason(200, Version::HTTP_11, &[length]), None);
    assert_eq!(reason(200, Version::HTTP_11, &[chunked]), None);
    assert_eq!(reason(204, Version::HTTP_11, &[("content-length", "0")]), None);
}

#[test]
fn an_answer_with_an_endless_head_is_refused() {
    let long = "x".repeat(40_000);
    let size = Some(Reason::UpstreamHeadSize);
    assert_eq!(reason(200, Version::HTTP_11, &[("a", &long), ("b", &long)]), size);
    assert_eq!(reason(200, Version::HTTP_11, &[("a", "b"); 257]), size);
    assert_eq!(reason(200, Version::HTTP_11, &[("a", "b"); 256]), None);
}

#[test]
fn protocols_are_switched_only_when_asked() {
    assert_eq!(reason(101, Version::HTTP_11, &[]), Some(Reason::UpstreamUpgrade));
    let mut exchange = exchange();
    exchange.websocket = true;
    let status = StatusCode::SWITCHING_PROTOCOLS;
    for (protocol, passes) in [("WebSocket", true), ("h2c", false)] {
        let headers = HeaderMap::from_iter([(UPGRADE, protocol.parse().unwrap())]);
        let verdict = check(&exchange, status, Version::HTTP_11, &headers);
        assert_eq!(matches!(verdict, Verdict::Pass), passes, "{protocol}");
    }
}

fn prepared(websocket: bool, fields: &[(&str, &str)]) -> HeaderMap {
    let snapshot = snapshot_of_routes(json!([{ "name": "all", "upstream": "app",
        "response_headers": { "remove": ["server"], "set": { "x-route": "{route}" } } }]));
    let mut exchange = exchange();
    exchange.route = Some(0);
    exchange.websocket = websocket;
    let mut headers = Asked::new("GET", "/", fields).headers;
    prepare(&snapshot, &exchange, Version::HTTP_11, &mut headers);
    headers
}

#[test]
fn what_belongs_to_the_connection_stays_there() {
    let headers = prepared(
        false,
        &[
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "close"),
            ("upgrade", "h2c"),
            ("server", "nginx"),
            ("content-length", "3"),
            ("trailer", "x"),
            ("x-request-id", "upstream's"),
        ],
    );
    let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "trailer", "via", "x-request-id", "x-route"]);
    assert_eq!(headers["x-request-id"], exchange().request_id.as_str());
    assert_eq!(headers["x-route"], "all");
}

#[test]
fn the_switch_to_a_websocket_reaches_the_client() {
    let fields =
        [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", "x")];
    let headers = prepared(true, &fields);
    assert_eq!(headers["connection"], "upgrade");
    assert_eq!(headers["upgrade"], "websocket");
    assert!(!prepared(false, &fields).contains_key("upgrade"));
}

#[test]
fn a_client_of_http_1_0_is_not_sent_chunks() {
    let snapshot = snapshot_of_routes(json!([{ "name": "all", "upstream": "app" }]));
    for (version, kept) in [(Version::HTTP_10, false), (Version::HTTP_11, true)] {
        let mut exchange = exchange();
        exchange.version = version;
        let mut headers = Asked::new("GET", "/", &[("transfer-encoding", "chunked")]).headers;
        prepare(&snapshot, &exchange, Version::HTTP_11, &mut headers);
        assert_eq!(headers.contains_key(TRANSFER_ENCODING), kept);
    }
}

#[test]
fn an_answer_without_content_has_no_length() {
    // RFC 9110, section 8.6.
    let snapshot = snapshot_of_routes(json!([{ "name": "all", "upstream": "app" }]));
    for (status, kept) in [(204, false), (200, true)] {
        let mut exchange = exchange();
        exchange.status = status;
        let mut headers = Asked::new("GET", "/", &[("content-length", "3")]).headers;
        prepare(&snapshot, &exchange, Version::HTTP_11, &mut headers);
        assert_eq!(headers.contains_key("content-length"), kept, "{status}");
    }
}

#[test]
fn an_interim_answer_has_neither_length_nor_fields_of_its_connection() {
    let fields = [("content-length", "3"), ("connection", "close"), ("link", "</a>")];
    let mut headers = Asked::new("GET", "/", &fields).headers;
    prepare_interim(&mut headers);
    let names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["link"]);
}
