use http::header::VARY;
use serde_json::json;

use super::*;
use crate::snapshot::Snapshot;
use crate::testing::{Asked, snapshot_of_routes};

#[expect(clippy::needless_pass_by_value, reason = "tests write the value in place")]
fn rules(keys: serde_json::Value) -> Snapshot {
    let mut route = json!({ "name": "all", "upstream": "app" });
    route.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    snapshot_of_routes(json!([route]))
}

fn compressing() -> Snapshot {
    rules(json!({ "compress": {} }))
}

/// What becomes of an answer to a request, both with these fields.
fn told(
    snapshot: &Snapshot,
    asked: &[(&str, &str)],
    status: u16,
    fields: &[(&str, &str)],
) -> (Recoding, HeaderMap) {
    let wish = Wish::of(&Method::GET, &Asked::new("GET", "/", asked).headers);
    let mut headers = Asked::new("GET", "/", fields).headers;
    let status = StatusCode::from_u16(status).unwrap();
    (answer(&snapshot.routes[0], &wish, status, &mut headers), headers)
}

type Fields<'a> = &'a [(&'a str, &'a str)];

const GZIP: [(&str, &str); 1] = [("accept-encoding", "gzip")];
const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");

fn encoded(asked: &[(&str, &str)], status: u16, fields: &[(&str, &str)]) -> Option<Coding> {
    told(&compressing(), asked, status, fields).0.encode
}

#[test]
fn the_head_of_a_coded_answer_tells_of_another_representation() {
    let fields = [
        HTML,
        ("content-length", "5000"),
        ("etag", "\"x\""),
        ("accept-ranges", "bytes"),
        ("content-digest", "sha-256=:x:"),
        ("vary", "origin"),
    ];
    let (recoding, headers) = told(&compressing(), &GZIP, 200, &fields);
    assert_eq!(recoding, Recoding { decode: None, encode: Some(Coding::Gzip) });
    assert_eq!(headers[CONTENT_ENCODING], "gzip");
    assert_eq!(headers[ETAG], "W/\"x\"");
    for name in ["content-length", "accept-ranges", "content-digest"] {
        assert!(!headers.contains_key(name), "{name}");
    }
    let vary: Vec<_> = headers.get_all(VARY).iter().collect();
    assert_eq!(vary, ["origin", "accept-encoding"]);
}

#[test]
fn a_weak_tag_stays_and_vary_is_said_once() {
    for vary in ["*", "Accept-Encoding", "origin, accept-encoding"] {
        let fields = [HTML, ("etag", "W/\"x\""), ("vary", vary)];
        let (_, headers) = told(&compressing(), &GZIP, 200, &fields);
        assert_eq!(
            (&headers[ETAG], headers.get_all(VARY).iter().count()),
            (&HeaderValue::from_static("W/\"x\""), 1)
        );
    }
}

#[test]
fn an_answer_that_could_be_coded_says_that_it_varies_even_when_it_is_not() {
    let (recoding, headers) = told(&compressing(), &[], 200, &[HTML, ("etag", "\"x\"")]);
    assert_eq!(recoding, Recoding::default());
    assert_eq!(
        (&headers[VARY], &headers[ETAG]),
        (&"accept-encoding".parse().unwrap(), &"\"x\"".parse().unwrap())
    );
    let (_, headers) = told(&compressing(), &GZIP, 200, &[("content-type", "image/png")]);
    assert!(!headers.contains_key(VARY));
}

#[test]
fn what_must_not_or_need_not_be_coded_is_not() {
    assert_eq!(encoded(&GZIP, 200, &[HTML]), Some(Coding::Gzip));
    assert_eq!(encoded(&GZIP, 404, &[HTML]), Some(Coding::Gzip));
    for status in [204, 205, 206, 304] {
        assert_eq!(encoded(&GZIP, status, &[HTML]), None, "{status}");
    }
    for field in [
        ("content-encoding", "br"),
        ("content-encoding", "identity"),
        ("cache-control", "max-age=1, No-Transform"),
        ("content-length", "1023"),
    ] {
        assert_eq!(encoded(&GZIP, 200, &[HTML, field]), None, "{field:?}");
    }
    assert_eq!(encoded(&GZIP, 200, &[HTML, ("content-length", "1024")]), Some(Coding::Gzip));
    for kind in ["image/png", "application/grpc", "application/grpc-web+proto", "video/mp4", "x"] {
        assert_eq!(encoded(&GZIP, 200, &[("content-type", kind)]), None, "{kind}");
    }
    assert_eq!(encoded(&GZIP, 200, &[]), None);
    let no_transform = [GZIP[0], ("cache-control", "no-transform")];
    assert_eq!(encoded(&no_transform, 200, &[HTML]), None);
}

#[test]
fn what_may_hold_secrets_is_coded_only_where_that_is_allowed() {
    let allowing = rules(json!({ "compress": { "authenticated": "allow" } }));
    let secret: [(Fields<'_>, Fields<'_>); 4] = [
        (&[GZIP[0], ("cookie", "a=b")], &[HTML]),
        (&[GZIP[0], ("authorization", "Basic x")], &[HTML]),
        (&GZIP, &[HTML, ("set-cookie", "a=b")]),
        (&GZIP, &[HTML, ("cache-control", "Private=\"x\", max-age=5")]),
    ];
    for (asked, fields) in secret {
        assert_eq!(encoded(asked, 200, fields), None, "{asked:?} {fields:?}");
        let coded = told(&allowing, asked, 200, fields).0.encode;
        assert_eq!(coded, Some(Coding::Gzip), "{asked:?} {fields:?}");
    }
    let cookie = [GZIP[0], ("cookie", "a=b")];
    let public = [HTML, ("cache-control", "public, max-age=60")];
    assert_eq!(encoded(&cookie, 200, &public), Some(Coding::Gzip));
    let both = [HTML, ("cache-control", "public"), ("set-cookie", "a=b")];
    assert_eq!(encoded(&cookie, 200, &both), None);
}

#[test]
fn an_answer_is_decoded_for_who_does_not_take_its_coding_and_for_nobody_else() {
    let snapshot = rules(json!({ "decompress": {} }));
    let fields = [HTML, ("content-encoding", "gzip"), ("content-length", "9"), ("etag", "\"x\"")];
    for asked in [&[][..], &[("accept-encoding", "br")], &[("accept-encoding", "gzip;q=0")]] {
        let (recoding, headers) = told(&snapshot, asked, 200, &fields);
        assert_eq!(recoding, Recoding { decode: Some(Coding::Gzip), encode: None }, "{asked:?}");
        assert!(!headers.contains_key(CONTENT_ENCODING) && !headers.contains_key(CONTENT_LENGTH));
        assert_eq!(
            (&headers[ETAG], &headers[VARY]),
            (&"W/\"x\"".parse().unwrap(), &"accept-encoding".parse().unwrap())
        );
    }
    let (recoding, headers) = told(&snapshot, &GZIP, 200, &fields);
    assert_eq!(recoding, Recoding::default());
    assert_eq!(
        (&headers[CONTENT_ENCODING], &headers[CONTENT_LENGTH]),
        (&"gzip".parse().unwrap(), &"9".parse().unwrap())
    );
    for coding in ["gzip, br", "compress", ""] {
        let fields = [HTML, ("content-encoding", coding)];
        assert_eq!(told(&snapshot, &[], 200, &fields).0, Recoding::default(), "{coding}");
    }
    assert_eq!(told(&snapshot, &[], 206, &fields).0, Recoding::default());
    assert_eq!(told(&compressing(), &[], 200, &fields).0, Recoding::default());
}

#[test]
fn what_is_decoded_may_be_coded_anew() {
    let snapshot = rules(json!({ "decompress": {}, "compress": {} }));
    let fields = [HTML, ("content-encoding", "gzip")];
    let (recoding, headers) = told(&snapshot, &[("accept-encoding", "br")], 200, &fields);
    assert_eq!(recoding, Recoding { decode: Some(Coding::Gzip), encode: Some(Coding::Brotli) });
    assert_eq!(headers[CONTENT_ENCODING], "br");
}

#[test]
fn a_client_knows_its_own_copy_by_the_tag_of_a_304() {
    let tag = |asked: &[(&str, &str)]| {
        told(&compressing(), asked, 304, &[("etag", "\"x\"")]).1[ETAG].clone()
    };
    assert_eq!(tag(&[GZIP[0], ("if-none-match", "\"y\", W/\"x\"")]), "W/\"x\"");
    assert_eq!(tag(&[GZIP[0], ("if-none-match", "\"x\"")]), "\"x\"");
    assert_eq!(tag(&GZIP), "\"x\"");
}

#[test]
fn a_request_is_decoded_where_that_is_asked_for() {
    let fields = [("content-encoding", "zstd"), ("content-length", "9"), ("content-md5", "x")];
    let decoded = |keys: serde_json::Value| {
        let mut headers = Asked::new("POST", "/", &fields).headers;
        let coding = request(&rules(keys).routes[0], &headers);
        coding.inspect(|_| prepare_request(&mut headers));
        (coding, headers.len())
    };
    assert_eq!(decoded(json!({ "decompress": { "requests": "decode" } })), (Some(Coding::Zstd), 0));
    assert_eq!(decoded(json!({ "decompress": {} })), (None, 3));
    assert_eq!(decoded(json!({})), (None, 3));
}
