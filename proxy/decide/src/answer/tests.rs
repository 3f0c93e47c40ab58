use serde_json::{Value, json};

use super::*;
use crate::testing::{config, exchange, snapshot_of_routes, try_compile};

fn body_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn a_refusal_says_what_happened_and_nothing_more() {
    let exchange = exchange();
    let snapshot = snapshot_of_routes(json!([{ "name": "all", "upstream": "app" }]));
    let answer = refusal(&snapshot, &exchange, Reason::RouteNone);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    let expected = json!({
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "No route leads there.",
        "reason": "route.none",
        "request_id": exchange.request_id.as_str(),
    });
    assert_eq!(body_of(&answer), expected);
}

#[test]
fn every_reason_makes_valid_json_and_fits_its_length() {
    for reason in Reason::ALL {
        let answer = wire_refusal(*reason, &exchange().request_id);
        assert_eq!(body_of(&answer)["reason"], reason.code());
        assert_eq!(answer.headers["content-length"], answer.body.len().to_string());
        assert_eq!(answer.headers.contains_key(ALLOW), *reason == Reason::MethodRefused);
    }
}

#[test]
fn the_methods_that_would_do_are_named() {
    let mut exchange = exchange();
    exchange.allow = Some("GET, PUT".to_owned());
    let snapshot = snapshot_of_routes(json!([]));
    let answer = refusal(&snapshot, &exchange, Reason::RouteMethod);
    assert_eq!(answer.headers[ALLOW], "GET, PUT");
}

#[test]
fn what_passes_by_itself_says_when_to_try_again() {
    let answer = wire_refusal(Reason::NoEndpoint, &exchange().request_id);
    assert_eq!(answer.headers[RETRY_AFTER], "1");
}

#[test]
fn an_error_page_of_the_route_comes_before_that_of_the_configuration() {
    let page = |file: &str, statuses: Value, kind: &str| json!({ "file": file, "statuses": statuses, "content_type": kind });
    let snapshot = try_compile(&config(json!({
        "listeners": [{ "name": "web", "address": "127.0.0.1:8080" }],
        "upstreams": [{ "name": "app", "endpoints": ["127.0.0.1:3000"] }],
        "error_pages": [page("a.html", json!([502, 503]), "text/a")],
        "routes": [{ "name": "r", "upstream": "app",
            "error_pages": [page("b.html", json!([502]), "text/b")] }],
    })))
    .unwrap();
    let mut exchange = exchange();
    exchange.route = Some(0);
    let kind = |exchange: &Exchange, reason: Reason| {
        let answer = refusal(&snapshot, exchange, reason);
        assert!(answer.headers.contains_key(X_REQUEST_ID));
        answer.headers[CONTENT_TYPE].clone()
    };
    assert_eq!(kind(&exchange, Reason::UpstreamReset), "text/b");
    assert_eq!(kind(&exchange, Reason::NoEndpoint), "text/a");
    assert_eq!(kind(&exchange, Reason::UpstreamTimeout), "application/problem+json");
    exchange.method = Method::HEAD;
    let answer = refusal(&snapshot, &exchange, Reason::UpstreamReset);
    assert!(answer.body.is_empty());
    assert_eq!(answer.headers[CONTENT_LENGTH], "14");
}

#[test]
fn an_error_page_that_cannot_be_read_is_a_problem() {
    let problems = try_compile(&config(json!({
        "error_pages": [{ "file": "missing.html", "statuses": [502] }],
    })))
    .unwrap_err();
    assert_eq!(problems[0].place.to_string(), "error_pages[0].file");
}

#[test]
fn an_answer_is_written_as_http1() {
    let answer = wire_refusal(Reason::HostMissing, &exchange().request_id);
    let mut bytes = Vec::new();
    answer.to_http1("Tue, 24 Nov 2026 04:05:06 GMT", true, &mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    assert!(
        text.starts_with("HTTP/1.1 400 Bad Request\r\ndate: Tue, 24 Nov 2026 04:05:06 GMT\r\n")
    );
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nconnection: close"));
    assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())));
}
