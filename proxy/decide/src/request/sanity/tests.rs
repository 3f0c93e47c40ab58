//! RFC 9110, 9112 and 9113 section by section, and what is stricter here.

use http::Version;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::exchange::DeclaredBody;
use crate::testing::{Asked, exchange, exchange_from, snapshot_of_routes};

fn snapshot() -> Snapshot {
    snapshot_of_routes(json!([{ "name": "all", "upstream": "app" }]))
}

fn refused(asked: &Asked) -> Option<Reason> {
    let mut exchange = exchange();
    match check(&snapshot(), &asked.head(), &mut exchange) {
        Verdict::Refuse(reason) => {
            assert_eq!(exchange.reason, Some(reason));
            Some(reason)
        }
        Verdict::Pass => None,
        Verdict::Answer(_) => panic!("sanity answers nothing"),
    }
}

fn passed(asked: &Asked, client: &str) -> Exchange {
    let mut exchange = exchange_from(client);
    let verdict = check(&snapshot(), &asked.head(), &mut exchange);
    assert!(matches!(verdict, Verdict::Pass), "{verdict:?}");
    exchange
}

fn get(target: &str, fields: &[(&str, &str)]) -> Asked {
    Asked::new("GET", target, fields)
}

#[test]
fn what_makes_no_sense_is_refused_with_its_reason() {
    let host = ("host", "a");
    let cases = [
        // RFC 9112, section 3.2.
        (get("/", &[]), Reason::HostMissing),
        (get("/", &[host, host]), Reason::HostRepeated),
        (get("/", &[host, host]).version(Version::HTTP_10), Reason::HostRepeated),
        (get("http://b/", &[host]), Reason::HostDiffers),
        (get("http://a:81/", &[host]), Reason::HostDiffers),
        (get("http://b/", &[host]).version(Version::HTTP_10), Reason::HostDiffers),
        (get("http://u@a/", &[host]), Reason::HostInvalid),
        (get("http:///", &[host]), Reason::HostInvalid),
        (get("ftp://a/", &[host]), Reason::Target),
        (get("a/b", &[host]), Reason::Target),
        (get("*", &[host]), Reason::Target),
        (get("", &[host]), Reason::Target),
        (get("/#a", &[host]), Reason::Target),
        (get("/a b", &[host]), Reason::Target),
        (get("/%2f", &[host]), Reason::EncodedSlash),
        (get("/../a", &[host]), Reason::PathAboveRoot),
        (get("/%00", &[host]), Reason::PathEscape),
        // RFC 9110, sections 9.3.6 and 9.3.8.
        (Asked::new("CONNECT", "a:443", &[host]), Reason::MethodRefused),
        (Asked::new("TRACE", "/", &[host]), Reason::MethodRefused),
        // RFC 9110, section 8.6; RFC 9112, section 6.
        (
            get("/", &[host, ("content-length", "1"), ("content-length", "1")]),
            Reason::LengthInvalid,
        ),
        (get("/", &[host, ("content-length", "+1")]), Reason::LengthInvalid),
        (
            get("/", &[host, ("content-length", "1"), ("transfer-encoding", "chunked")]),
            Reason::FramingConflict,
        ),
        (get("/", &[host, ("transfer-encoding", "gzip, chunked")]), Reason::CodingUnknown),
    ];
    for (asked, reason) in cases {
        assert_eq!(refused(&asked), Some(reason), "{:?}", asked.head());
    }
}

#[test]
fn what_makes_no_sense_over_http2_is_refused_with_its_reason() {
    let long = "x".repeat(40_000);
    let cases = [
        // RFC 9113, section 8.3.1.
        (get("/", &[]).http2(None), Reason::HostMissing),
        (get("/", &[("host", "b")]).http2(Some("a")), Reason::HostDiffers),
        (get("/", &[]).http2(Some("u@a")), Reason::HostInvalid),
        // Section 8.2.2.
        (get("/", &[("connection", "close")]).http2(Some("a")), Reason::Connection),
        (get("/", &[("keep-alive", "1")]).http2(Some("a")), Reason::Connection),
        (get("/", &[("proxy-connection", "a")]).http2(Some("a")), Reason::Connection),
        (get("/", &[("transfer-encoding", "chunked")]).http2(Some("a")), Reason::Connection),
        (get("/", &[("upgrade", "websocket")]).http2(Some("a")), Reason::Connection),
        (get("/", &[("te", "gzip")]).http2(Some("a")), Reason::Connection),
        // As over HTTP/1: RFC 9110, sections 10.1.1 and 7.1.
        (get("/", &[("expect", "foo")]).http2(Some("a")), Reason::Expectation),
        (get("/a#b", &[]).http2(Some("a")), Reason::Target),
        // Section 10.5.1.
        (get("/", &[("x", &long)]).http2(Some("a")), Reason::HeadSize),
        (get("/", &[("x", "y"); 101]).http2(Some("a")), Reason::Fields),
        (get(&format!("/{}", "x".repeat(8192)), &[]).http2(Some("a")), Reason::TargetSize),
        // Section 8.1.1.
        (
            get("/", &[("content-length", "1"), ("content-length", "2")]).http2(Some("a")),
            Reason::LengthInvalid,
        ),
    ];
    for (asked, reason) in cases {
        assert_eq!(refused(&asked), Some(reason));
    }
    assert_eq!(refused(&get("/", &[("te", "trailers")]).http2(Some("a"))), None);
    assert_eq!(refused(&get("/", &[("host", "A:80")]).http2(Some("a"))), None);
}

#[test]
fn hosts_are_names_or_addresses_and_nothing_else() {
    let good = [
        ("Shop.Example.com", "shop.example.com", "shop.example.com"),
        ("a.", "a", "a"),
        ("a:80", "a", "a"),
        ("a:", "a", "a"),
        ("a:8080", "a", "a:8080"),
        ("a_b.c", "a_b.c", "a_b.c"),
        ("192.0.2.1:81", "192.0.2.1", "192.0.2.1:81"),
        ("[2001:DB8:0::1]:81", "[2001:db8::1]", "[2001:db8::1]:81"),
    ];
    for (given, host, authority) in good {
        let exchange = passed(&get("/", &[("host", given)]), "203.0.113.9");
        assert_eq!((exchange.host(), exchange.authority()), (host, authority), "{given}");
    }
    let bad = [
        "",
        ":80",
        ".",
        "..",
        "a..b",
        ".a",
        "a:0",
        "a:65536",
        "a:+1",
        "a:1x",
        "a:080080",
        "a b",
        "a,b",
        "a/b",
        "a@b",
        "a%41",
        "a?b",
        "é",
        "[::1",
        "[::g]",
        "[::1%25eth0]",
        "[1.2.3.4]",
        "[::1]x",
        "::1",
        "a:80:81",
    ];
    for given in bad {
        let reason = refused(&get("/", &[("host", given)]));
        assert_eq!(reason, Some(Reason::HostInvalid), "{given}");
    }
}

#[test]
fn the_forms_of_a_target_are_read() {
    let cases = [
        ("GET", "/a?b?c", "/a", Some("b?c")),
        ("GET", "/a?", "/a", Some("")),
        ("GET", "http://a", "/", None),
        ("GET", "HTTPS://A:80?x", "/", Some("x")),
        ("GET", "http://a/b/../c?d", "/c", Some("d")),
        ("OPTIONS", "*", "*", None),
        ("OPTIONS", "http://a", "*", None),
        ("GET", "/?%zz=\\", "/", Some("%zz=\\")),
    ];
    for (method, target, path, query) in cases {
        let asked = Asked::new(method, target, &[("host", "a")]);
        let exchange = passed(&asked, "203.0.113.9");
        assert_eq!((exchange.path(), exchange.query()), (path, query), "{target}");
    }
}

#[test]
fn http10_without_a_host_is_for_the_address_it_came_to() {
    let exchange = passed(&get("/", &[]).version(Version::HTTP_10), "203.0.113.9");
    assert_eq!((exchange.host(), exchange.authority()), ("192.0.2.1", "192.0.2.1:8080"));
}

#[test]
fn the_body_is_as_declared() {
    let body = |fields: &[(&str, &str)]| {
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("host", "a")]).collect();
        passed(&get("/", &fields), "203.0.113.9").body
    };
    assert_eq!(body(&[]), DeclaredBody::None);
    assert_eq!(body(&[("content-length", "17")]), DeclaredBody::Length(17));
    assert_eq!(body(&[("transfer-encoding", "chunked")]), DeclaredBody::Chunked);
}

#[test]
fn an_upgrade_is_a_websocket_or_nothing() {
    let asks = |method: &str, upgrade: &str, connection: &str| {
        let fields = [("host", "a"), ("upgrade", upgrade), ("connection", connection)];
        passed(&Asked::new(method, "/", &fields), "203.0.113.9").websocket
    };
    assert!(asks("GET", "WebSocket", "keep-alive, Upgrade"));
    assert!(!asks("GET", "h2c", "upgrade, http2-settings"));
    assert!(!asks("GET", "websocket, h2c", "upgrade"));
    assert!(!asks("GET", "websocket", "close"));
    assert!(!asks("POST", "websocket", "upgrade"));
}

#[test]
fn nobody_but_a_trusted_peer_is_believed() {
    let fields = [
        ("host", "a"),
        ("x-forwarded-for", "198.51.100.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "b"),
        ("x-request-id", "chosen"),
    ];
    let exchange = passed(&get("/", &fields), "203.0.113.9");
    assert_eq!(exchange.client.to_string(), "203.0.113.9");
    assert_eq!((exchange.scheme, exchange.outer_authority()), (Scheme::Http, "a"));
    assert_ne!(exchange.request_id.as_str(), "chosen");
    let exchange = passed(&get("/", &fields), "10.0.0.1");
    assert_eq!(exchange.client.to_string(), "198.51.100.7");
    assert_eq!((exchange.scheme, exchange.outer_authority()), (Scheme::Https, "b"));
    assert_eq!(exchange.request_id.as_str(), "chosen");
    assert_eq!(exchange.host(), "a");
}

#[test]
fn the_client_is_the_nearest_address_that_is_not_trusted() {
    let cases: [(&[(&str, &str)], &str); 13] = [
        (&[], "10.0.0.1"),
        (&[("x-forwarded-for", "1.1.1.1")], "1.1.1.1"),
        (&[("x-forwarded-for", "6.6.6.6, 1.1.1.1, 10.0.0.2")], "1.1.1.1"),
        (&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.1.1.1,10.0.0.2")], "1.1.1.1"),
        (&[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
        (&[("x-forwarded-for", "1.1.1.1, junk, 10.0.0.2")], "10.0.0.2"),
        (&[("x-forwarded-for", "")], "10.0.0.1"),
        (&[("x-forwarded-for", "1.1.1.1:5000")], "1.1.1.1"),
        (&[("x-forwarded-for", "[2001:db8::1]:5000")], "2001:db8::1"),
        (&[("x-forwarded-for", "[2001:db8::1]")], "2001:db8::1"),
        (&[("forwarded", "for=1.1.1.1;proto=https, For=\"10.0.0.2:80\"")], "1.1.1.1"),
        (&[("forwarded", "for=\"[2001:db8::1]\"")], "2001:db8::1"),
        (&[("forwarded", "for=1.1.1.1, for=_hidden")], "10.0.0.1"),
    ];
    for (fields, client) in cases {
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("host", "a")]).collect();
        let exchange = passed(&get("/", &fields), "10.0.0.1");
        assert_eq!(exchange.client.to_string(), client, "{fields:?}");
    }
}

#[test]
fn a_trusted_peer_that_talks_nonsense_is_not_believed() {
    let fields = [
        ("host", "a"),
        ("x-forwarded-proto", "gopher"),
        ("x-forwarded-host", "b/../c"),
        ("x-request-id", "a\"b"),
    ];
    let exchange = passed(&get("/", &fields), "10.0.0.1");
    assert_eq!((exchange.scheme, exchange.outer_authority()), (Scheme::Http, "a"));
    assert_eq!(exchange.request_id.as_str().len(), 26);
}

#[test]
fn a_refused_target_is_kept_for_the_log() {
    let asked = get("/a/../../etc", &[("host", "a")]);
    let mut exchange = exchange();
    check(&snapshot(), &asked.head(), &mut exchange);
    assert_eq!(exchange.path(), "/a/../../etc");
}

#[test]
fn ids_sort_by_time_and_are_bounded() {
    use crate::exchange::RequestId;
    let early = RequestId::ulid(1_000, [u64::MAX, u64::MAX]);
    let late = RequestId::ulid(1_001, [0, 0]);
    assert!(early.as_str() < late.as_str());
    assert_eq!(RequestId::ulid(0, [1, 0]).as_str(), "00000000000000000000000001");
    assert_eq!(
        RequestId::ulid((1 << 48) - 1, [u64::MAX; 2]).as_str(),
        "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
    );
    assert!(RequestId::accept(&[b'a'; 64]).is_some());
    assert!(RequestId::accept(&[b'a'; 65]).is_none());
    assert!(RequestId::accept(b"").is_none());
    assert!(RequestId::accept(b"a b").is_none());
}

proptest! {
    #[test]
    fn no_head_makes_it_panic(
        target in proptest::collection::vec(any::<u8>(), 0..40),
        host in "[ -~]{0,16}", chain in "[0-9a-f.:, \\[\\]=\"for]{0,40}",
    ) {
        let mut asked = get("/", &[("host", &host), ("x-forwarded-for", &chain), ("forwarded", &chain)]);
        asked.target = target;
        let mut exchange = exchange_from("10.0.0.1");
        let _ = check(&snapshot(), &asked.head(), &mut exchange);
    }
}
