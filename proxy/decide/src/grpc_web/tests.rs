use serde_json::json;

use super::*;
use crate::snapshot::Snapshot;
use crate::testing::{Asked, snapshot_of_routes};

fn snapshot() -> Snapshot {
    snapshot_of_routes(json!([
        { "name": "all", "upstream": "app", "grpc_web": { "origins": ["https://app.example"] } },
    ]))
}

fn call(fields: &[(&str, &str)]) -> Option<Call> {
    Call::of(&snapshot().routes[0], &Asked::new("POST", "/a.B/C", fields).head())
}

fn preflighted(method: &str, fields: &[(&str, &str)]) -> Option<Answer> {
    preflight(&snapshot().routes[0], &Asked::new(method, "/a.B/C", fields).head())
}

#[test]
fn a_call_is_known_by_its_media_type_and_its_answer_is_as_it_wishes() {
    for (fields, expected) in [
        (&[("content-type", "application/grpc-web")][..], Some((false, false, ""))),
        (&[("content-type", "application/grpc-web+proto")], Some((false, false, "+proto"))),
        (&[("content-type", "application/grpc-web-text")], Some((true, true, ""))),
        (&[("content-type", "application/grpc-web-text+proto; a=b")], Some((true, true, "+proto"))),
        (
            &[
                ("content-type", "application/grpc-web+proto"),
                ("accept", "application/grpc-web-text"),
            ],
            Some((false, true, "+proto")),
        ),
        (&[("content-type", "application/grpc-web"), ("accept", "*/*")], Some((false, false, ""))),
        (&[("content-type", " Application/gRPC-Web+proto ;a=b")], Some((false, false, "+proto"))),
        (&[("content-type", "application/grpc")], None),
        (&[("content-type", "application/grpc-webx")], None),
        (&[("content-type", "application/grpc-web+a b")], None),
        (&[], None),
    ] {
        let told = call(fields).map(|call| (call.is_text, call.wants_text, call.format));
        let expected = expected.map(|(one, other, format)| (one, other, format.to_owned()));
        assert_eq!(told, expected, "{fields:?}");
    }
    let get = Asked::new("GET", "/", &[("content-type", "application/grpc-web")]);
    assert_eq!(Call::of(&snapshot().routes[0], &get.head()), None);
}

#[test]
fn the_upstream_is_called_in_plain_grpc() {
    let fields = [
        ("content-type", "application/grpc-web-text+proto"),
        ("accept", "application/grpc-web-text"),
        ("x-grpc-web", "1"),
        ("content-length", "8"),
        ("grpc-timeout", "1S"),
    ];
    let mut headers = Asked::new("POST", "/", &fields).headers;
    call(&fields).unwrap().prepare(&mut headers);
    let expected =
        [("content-type", "application/grpc+proto"), ("grpc-timeout", "1S"), ("te", "trailers")];
    assert_eq!(headers, Asked::new("POST", "/", &expected).headers);
}

#[test]
fn an_answer_of_grpc_gets_the_media_type_of_the_web_and_others_keep_theirs() {
    let call = call(&[("content-type", "application/grpc-web-text")]).unwrap();
    for (kind, is_framed, told) in [
        ("application/grpc", true, "application/grpc-web-text"),
        ("application/grpc+proto", true, "application/grpc-web-text+proto"),
        ("Application/grpc+proto; a=b", true, "application/grpc-web-text+proto"),
        ("application/grpc-web", false, "application/grpc-web"),
        ("text/html", false, "text/html"),
    ] {
        let mut headers = Asked::new("GET", "/", &[("content-type", kind)]).headers;
        assert_eq!(call.answer(&mut headers), is_framed, "{kind}");
        assert_eq!(headers[CONTENT_TYPE], told);
    }
}

#[test]
fn only_pages_that_are_named_may_read_answers() {
    let kind = ("content-type", "application/grpc-web");
    for (origin, is_allowed) in [
        ("https://app.example", true),
        ("https://app.example.evil", false),
        ("http://app.example", false),
        ("null", false),
    ] {
        let mut headers = HeaderMap::new();
        call(&[kind, ("origin", origin)]).unwrap().answer(&mut headers);
        let told = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap());
        assert_eq!(told, is_allowed.then_some(origin));
        assert_eq!(headers.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS), is_allowed);
        let asked = [("origin", origin), ("access-control-request-method", "POST")];
        let answer = preflighted("OPTIONS", &asked).unwrap();
        assert_eq!(answer.status, 204);
        assert_eq!(answer.headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), is_allowed);
    }
}

#[test]
fn a_preflight_request_is_told_the_fields_it_asks_for() {
    let asked = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type, x-grpc-web,x-my-key"),
    ];
    let answer = preflighted("OPTIONS", &asked).unwrap();
    assert_eq!(answer.headers[ACCESS_CONTROL_ALLOW_HEADERS], "content-type, x-grpc-web,x-my-key");
    assert_eq!(answer.headers[ACCESS_CONTROL_ALLOW_METHODS], "POST");
    for (method, asked) in [("GET", &asked[..]), ("OPTIONS", &asked[..1]), ("OPTIONS", &asked[1..])]
    {
        assert!(preflighted(method, asked).is_none(), "{method} {asked:?}");
    }
    let odd = [asked[0], asked[1], ("access-control-request-headers", "a b")];
    let answer = preflighted("OPTIONS", &odd).unwrap();
    assert!(!answer.headers.contains_key(ACCESS_CONTROL_ALLOW_HEADERS));
}

#[test]
fn a_refusal_is_a_status_of_grpc_in_the_head() {
    let call = call(&[("content-type", "application/grpc-web+proto")]).unwrap();
    for (reason, status) in
        [(Reason::NoEndpoint, "14"), (Reason::BodySize, "8"), (Reason::Internal, "2")]
    {
        let answer = call.refusal(reason);
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
        assert_eq!(answer.headers[GRPC_STATUS], status);
        assert_eq!(answer.headers[GRPC_MESSAGE], reason.title());
        assert_eq!(answer.headers[CONTENT_TYPE], "application/grpc-web+proto");
    }
}
