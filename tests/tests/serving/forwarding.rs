//! What the proxy adds to a request and an answer.

use marchproxy_tests::{Origin, Proxy};

async fn start() -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    (origin, proxy)
}

#[tokio::test]
async fn the_host_and_everything_unknown_pass_unchanged() {
    let (_origin, proxy) = start().await;
    let request = "GET /a?b=%20c HTTP/1.1\r\nHost: shop.example:8080\r\nAuthorization: Bearer x\r\n\
                   Cookie: a=b\r\nAccept-Encoding: gzip\r\nUser-Agent: test\r\nX-Odd: {}|^\r\n\r\n";
    let seen = proxy.request(request).await.seen();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/a?b=%20c"));
    assert_eq!(seen.version, "HTTP/1.1");
    for (name, value) in [
        ("host", "shop.example:8080"),
        ("authorization", "Bearer x"),
        ("cookie", "a=b"),
        ("accept-encoding", "gzip"),
        ("user-agent", "test"),
        ("x-odd", "{}|^"),
    ] {
        assert_eq!(seen.field(name), Some(value));
    }
}

#[tokio::test]
async fn where_a_request_came_from_is_said_and_never_believed() {
    let (_origin, proxy) = start().await;
    let request = "GET / HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 1.2.3.4\r\n\
                   X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n\
                   Forwarded: for=1.2.3.4;proto=https\r\nX-Request-Id: mine\r\n\r\n";
    let answer = proxy.request(request).await;
    let seen = answer.seen();
    assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.field("x-forwarded-host"), Some("shop.example"));
    for forwarded in seen.fields_named("forwarded") {
        assert!(!forwarded.contains("1.2.3.4") && !forwarded.contains("https"), "{forwarded}");
    }
    let id = seen.field("x-request-id").unwrap();
    assert_ne!(id, "mine");
    assert_eq!(answer.field("x-request-id"), Some(id));
}

#[tokio::test]
async fn every_request_has_an_id_of_its_own() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    let mut ids = std::collections::HashSet::new();
    for _ in 0..20 {
        let answer = connection.get("/").await;
        ids.insert(answer.field("x-request-id").expect("an id").to_owned());
    }
    assert_eq!(ids.len(), 20);
    let answer = proxy.request("GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(Some(answer.json()["request_id"].as_str().unwrap()), answer.field("x-request-id"));
}

#[tokio::test]
async fn a_trace_context_is_passed_on_and_a_broken_one_is_not() {
    let (_origin, proxy) = start().await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a\r\ntraceparent: {parent}\r\ntracestate: a=b,c=d\r\n\r\n"
    );
    let seen = proxy.request(request).await.seen();
    let passed = seen.field("traceparent").expect("traceparent");
    assert_eq!(passed[..36], parent[..36], "the trace stays the same");
    assert_eq!(seen.field("tracestate"), Some("a=b,c=d"));
    for broken in ["nonsense", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "ff-x"] {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\ntraceparent: {broken}\r\n\r\n");
        let seen = proxy.request(request).await.seen();
        assert!(seen.fields_named("traceparent").iter().all(|told| *told != broken), "{seen:?}");
    }
}

#[tokio::test]
async fn the_origins_fields_reach_the_client_in_order() {
    let (_origin, proxy) = start().await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nx-reply-set-cookie: a=b; Path=/\r\n\
                   x-reply-set-cookie: c=d\r\nx-reply-etag: \"x\"\r\nx-reply-server: own\r\n\r\n";
    let answer = proxy.request(request).await;
    assert_eq!(answer.fields_named("set-cookie"), ["a=b; Path=/", "c=d"]);
    assert_eq!(answer.field("etag"), Some("\"x\""));
    assert_eq!(answer.field("server"), Some("own"));
}
