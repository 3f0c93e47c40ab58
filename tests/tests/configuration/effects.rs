//! Keys that no other test proves: each is set to something else than its default, and the binary
//! behaves differently.

use std::time::{Duration, Instant};

use marchproxy_tests::certs::{Authority, Kind};
use marchproxy_tests::client::{Connection, Http2, TlsClient, request};
use marchproxy_tests::origin::{Behaviour, RawOrigin};
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, ports};
use tokio::net::TcpStream;

/// Far above what the tests set, and below what would hold by default.
const SOON: Duration = Duration::from_secs(3);

async fn speaks_http1(connection: &mut Connection) -> bool {
    let sent = connection.try_send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    sent.is_ok() && connection.try_answer().await.is_ok_and(|answer| answer.status == 200)
}

async fn speaks_http2(proxy: &Proxy) -> bool {
    let stream = TcpStream::connect(proxy.web()).await.expect("connect");
    match Http2::try_over(stream, "http").await {
        Ok(mut client) => client.try_get("/").await.is_ok_and(|answer| answer.status == 200),
        Err(_) => false,
    }
}

#[tokio::test]
async fn a_listener_speaks_only_the_version_it_is_told() {
    for (protocol, http1, http2) in
        [("auto", true, true), ("http1", true, false), ("http2", false, true)]
    {
        let text = format!(
            "listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\", protocol: {protocol} }}]\n\
             routes: [{{ name: all, respond: {{ status: 200 }} }}]\n"
        );
        let proxy = Proxy::start(&text).await;
        assert_eq!(speaks_http1(&mut proxy.connect().await).await, http1, "{protocol}");
        assert_eq!(speaks_http2(&proxy).await, http2, "{protocol}");
    }
}

/// A listener `web` with TLS by the certificate `shop`.
fn with_tls(protocol: &str, key: &str) -> String {
    format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\", protocol: {protocol}, \
         tls: {{ certificates: [shop] }} }}]\n\
         certificates: [{{ name: shop, chain: \"@dir@/shop.pem\", key: {key} }}]\n\
         routes: [{{ name: all, respond: {{ status: 200 }} }}]\n"
    )
}

#[tokio::test]
async fn a_tls_listener_speaks_only_the_version_it_is_told() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["shop.example.com"], Kind::Ecdsa);
    for (protocol, chosen) in [("auto", "h2"), ("http1", "http/1.1"), ("http2", "h2")] {
        let text = with_tls(protocol, "{ file: \"@dir@/shop.key\" }");
        let proxy = Setup::new().leaf("shop", &leaf).start(&text).await;
        let client = TlsClient::trusting(&authority, "shop.example.com");
        let (_, facts) =
            client.clone().alpn(&["h2", "http/1.1"]).handshake(proxy.web()).await.unwrap();
        assert_eq!(facts.alpn.as_deref(), Some(chosen), "{protocol}");
        let http1 = match client.handshake(proxy.web()).await {
            Ok((stream, _)) => speaks_http1(&mut Connection::over(stream)).await,
            Err(_) => false,
        };
        assert_eq!(http1, protocol != "http2", "{protocol}");
    }
}

#[tokio::test]
async fn a_key_may_come_from_the_environment() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["shop.example.com"], Kind::Ecdsa);
    let key = String::from_utf8(leaf.key_pem()).unwrap();
    let setup = Setup::new().file("shop.pem", leaf.chain_pem()).environment("SHOP_KEY", &key);
    let proxy = setup.start(&with_tls("auto", "{ env: SHOP_KEY }")).await;
    let client = TlsClient::trusting(&authority, "shop.example.com");
    let (mut connection, _) = client.connect(proxy.web()).await;
    assert_eq!(connection.get("/").await.status, 200);
}

#[tokio::test]
async fn conditions_compare_names_and_values() {
    let text = r#"
listeners: [{ name: web, address: "127.0.0.1:@web-port@" }]
routes:
  - { name: all, respond: { status: 200, body: all } }
  - { name: header, match: { headers: [{ name: x-a, value: "1" }] }, respond: { status: 200, body: header } }
  - { name: query, match: { path: /q, query: [{ name: a, value: "1" }] }, respond: { status: 200, body: query } }
"#;
    let proxy = Proxy::start(text).await;
    for (target, field, route) in [
        ("/", "X-A: 1", "header"),
        ("/", "X-A: 2", "all"),
        ("/", "X-B: 1", "all"),
        ("/q?a=1", "X-C: 1", "query"),
        ("/q?a=2", "X-C: 1", "all"),
        ("/q?b=1", "X-C: 1", "all"),
    ] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
        assert_eq!(request(proxy.web(), bytes).await.text(), route, "{target} {field}");
    }
}

#[tokio::test]
async fn a_fixed_answer_has_its_media_type() {
    let text = r#"
listeners: [{ name: web, address: "127.0.0.1:@web-port@" }]
routes: [{ name: all, respond: { status: 200, body: "a,b", content_type: text/csv } }]
"#;
    let answer = Proxy::start(text).await.get("/").await;
    assert_eq!(answer.field("content-type"), Some("text/csv"));
}

#[tokio::test]
async fn a_page_is_for_its_statuses_and_has_its_media_type() {
    let text = r#"
listeners: [{ name: web, address: "127.0.0.1:@web-port@" }]
routes:
  - name: own
    match: { path: /own }
    upstream: away
    error_pages: [{ statuses: [502], file: "@dir@/own.txt", content_type: text/csv }]
  - name: other
    match: { path: /other }
    upstream: away
    error_pages: [{ statuses: [503], file: "@dir@/own.txt" }]
error_pages: [{ statuses: [502], file: "@dir@/all.txt", content_type: text/markdown }]
upstreams: [{ name: away, endpoints: ["127.0.0.1:@away@"] }]
"#;
    let setup = Setup::new().set("away", ports::free());
    let proxy = setup.file("own.txt", "own").file("all.txt", "all").start(text).await;
    for (path, page, media_type) in
        [("/own", "own", "text/csv"), ("/other", "all", "text/markdown")]
    {
        let answer = proxy.get(path).await;
        assert_eq!((answer.status, answer.text().as_str()), (502, page));
        assert_eq!(answer.field("content-type"), Some(media_type));
    }
    assert_eq!(proxy.get("/nowhere").await.reason(), "route.none");
}

#[tokio::test]
async fn endpoints_take_turns_unless_told_otherwise() {
    let (a, b) = (Origin::named("a").await, Origin::named("b").await);
    let text = SIMPLE.replace("[\"@origin@\"]", "[\"@a@\", \"@b@\"], balance: round_robin")
        + "process: { workers: 1 }\n";
    let proxy = Setup::new().set("a", a.address()).set("b", b.address()).start(&text).await;
    let mut connection = proxy.connect().await;
    let first = connection.get("/").await.seen().origin;
    for number in 1..6 {
        let origin = connection.get("/").await.seen().origin;
        assert_eq!(origin == first, number % 2 == 0, "{number}: {origin} after {first}");
    }
    let mut setup = Setup::new().set("a", a.address()).set("b", b.address());
    let ended = setup.run(&["check"], &text.replace("round_robin", "by_dice")).await;
    assert_eq!(ended.code(), 2, "{ended:?}");
    assert!(ended.output().contains("round_robin"), "{ended:?}");
}

/// What an upstream with these keys, whose endpoint never says a word, leads to, and soon.
async fn told_of_silence(keys: &str) -> (u16, String) {
    let origin = RawOrigin::start(Behaviour::Silent).await;
    let text = SIMPLE.replace("name: app,", &format!("name: app, {keys},"));
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let begin = Instant::now();
    let answer = proxy.get("/").await;
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    assert_eq!(origin.connections(), 1);
    (answer.status, answer.reason())
}

#[tokio::test]
async fn a_connection_is_given_up_at_its_time() {
    // TLS belongs to connecting, and is what the endpoint does not answer to.
    let (status, reason) =
        told_of_silence("timeouts: { connect: 300ms }, tls: { verify: app.internal }").await;
    assert_eq!((status, reason.as_str()), (504, "upstream.connect_timeout"));
}

#[tokio::test]
async fn an_upstream_bounds_the_whole_request() {
    let (status, reason) = told_of_silence("timeouts: { request: 300ms }").await;
    assert_eq!((status, reason.as_str()), (504, "upstream.timeout"));
}
