//! TLS to origins: always verified.

use marchproxy_tests::certs::{Authority, EXPIRED, Kind, Leaf};
use marchproxy_tests::client::WebSocket;
use marchproxy_tests::origin::{Behaviour, RawOrigin};
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, eventually};

const BOTH: &[&str] = &["h2", "http/1.1"];

async fn start(origin: &Origin, authority: &Authority, tls: &str) -> Proxy {
    let text = SIMPLE.replace("name: app,", &format!("name: app, {tls},"));
    let setup = Setup::new().set("origin", origin.address()).file("ca.pem", authority.pem());
    setup.start(&text).await
}

fn origin_leaf(authority: &Authority) -> Leaf {
    authority.leaf(&["orders.internal"], Kind::Ecdsa)
}

const VERIFIED: &str = "tls: { verify: orders.internal, ca: \"@dir@/ca.pem\" }";

async fn refused(origin: &Origin, authority: &Authority, tls: &str, reason: &str) {
    let proxy = start(origin, authority, tls).await;
    let answer = proxy.get("/").await;
    assert_eq!((answer.status, answer.reason().as_str()), (502, reason));
    assert_eq!(origin.seen().len(), 0);
}

#[tokio::test]
async fn an_origin_with_the_right_name_and_authority_is_spoken_to() {
    let authority = Authority::new();
    let origin = Origin::tls(&origin_leaf(&authority), BOTH).await;
    let proxy = start(&origin, &authority, VERIFIED).await;
    assert_eq!(proxy.get("/").await.seen().version, "HTTP/1.1");
}

#[tokio::test]
async fn another_authority_a_wrong_name_or_an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let origin = Origin::tls(&origin_leaf(&Authority::new()), BOTH).await;
    refused(&origin, &authority, VERIFIED, "upstream.tls").await;
    let origin = Origin::tls(&authority.leaf(&["other.internal"], Kind::Ecdsa), BOTH).await;
    refused(&origin, &authority, VERIFIED, "upstream.tls").await;
    let expired = authority.leaf_with(&["orders.internal"], Kind::Rsa, EXPIRED);
    let origin = Origin::tls(&expired, BOTH).await;
    refused(&origin, &authority, VERIFIED, "upstream.tls").await;
}

#[tokio::test]
async fn an_origin_that_speaks_no_tls_is_refused() {
    let authority = Authority::new();
    let origin = RawOrigin::start(Behaviour::CloseAtOnce).await;
    let text = SIMPLE.replace("name: app,", &format!("name: app, {VERIFIED},"));
    let setup = Setup::new().set("origin", origin.address()).file("ca.pem", authority.pem());
    let answer = setup.start(&text).await.get("/").await;
    assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream.tls"));
}

#[tokio::test]
async fn the_authorities_of_the_system_do_not_know_a_private_one() {
    let authority = Authority::new();
    let origin = Origin::tls(&origin_leaf(&authority), BOTH).await;
    refused(&origin, &authority, "tls: { verify: orders.internal }", "upstream.tls").await;
}

#[tokio::test]
async fn the_endpoints_own_name_is_verified_when_no_other_is_given() {
    let authority = Authority::new();
    let text = SIMPLE
        .replace("name: app,", "name: app, tls: { ca: \"@dir@/ca.pem\" },")
        .replace("@origin@", "localhost:@port@");
    for (name, status) in [("localhost", 200), ("orders.internal", 502)] {
        let origin = Origin::tls(&authority.leaf(&[name], Kind::Ecdsa), BOTH).await;
        let setup = Setup::new().set("port", origin.address().port());
        let proxy = setup.file("ca.pem", authority.pem()).start(&text).await;
        assert_eq!(proxy.get("/").await.status, status, "{name}");
    }
}

#[tokio::test]
async fn an_address_without_a_name_to_verify_is_no_configuration() {
    let text = SIMPLE.replace("name: app,", "name: app, tls: {},");
    let ended = Setup::new().set("origin", "127.0.0.1:9").run(&["check"], &text).await;
    assert_eq!(ended.code(), 2, "{}", ended.output());
    assert!(ended.output().contains("nothing-to-verify"), "{}", ended.output());
}

#[tokio::test]
async fn a_contradictory_answer_over_tls_is_refused_too() {
    let authority = Authority::new();
    let origin = Origin::tls(&origin_leaf(&authority), BOTH).await;
    let proxy = start(&origin, &authority, VERIFIED).await;
    let contradictory = "GET / HTTP/1.1\r\nHost: a\r\nx-reply-transfer-encoding: chunked\r\n\r\n";
    let answer = proxy.request(contradictory).await;
    assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream.malformed"));
}

#[tokio::test]
async fn a_pin_must_fit_besides() {
    let authority = Authority::new();
    let leaf = origin_leaf(&authority);
    let origin = Origin::tls(&leaf, BOTH).await;
    let with = |pins: &str| {
        format!("tls: {{ verify: orders.internal, ca: \"@dir@/ca.pem\", pins: [{pins}] }}")
    };
    let backup = format!("sha256:{}", "0".repeat(64));
    let proxy = start(&origin, &authority, &with(&format!("{backup}, {}", leaf.pin()))).await;
    assert_eq!(proxy.get("/").await.status, 200);
    let origin = Origin::tls(&leaf, BOTH).await;
    refused(&origin, &authority, &with(&backup), "upstream.pin").await;
}

#[tokio::test]
async fn http2_is_chosen_by_alpn() {
    let authority = Authority::new();
    let leaf = origin_leaf(&authority);
    for (protocol, offered, version) in [
        ("auto", BOTH, "HTTP/2"),
        ("auto", &["http/1.1"][..], "HTTP/1.1"),
        ("http2", BOTH, "HTTP/2"),
        ("http1", BOTH, "HTTP/1.1"),
    ] {
        let origin = Origin::tls(&leaf, offered).await;
        let proxy = start(&origin, &authority, &format!("protocol: {protocol}, {VERIFIED}")).await;
        assert_eq!(proxy.get("/").await.seen().version, version, "{protocol} {offered:?}");
    }
}

#[tokio::test]
async fn a_connection_is_never_shared_between_upstreams_that_verify_differently() {
    let authority = Authority::new();
    let leaf = origin_leaf(&authority);
    let origin = Origin::tls(&leaf, BOTH).await;
    let text = r#"
listeners: [{ name: web, address: "127.0.0.1:@web-port@" }]
routes:
  - { name: good, match: { path: /good }, upstream: good }
  - { name: bad, match: { path: /bad }, upstream: bad }
upstreams:
  - { name: good, endpoints: ["@origin@"], tls: { verify: orders.internal, ca: "@dir@/ca.pem" } }
  - { name: bad, endpoints: ["@origin@"], tls: { verify: other.internal, ca: "@dir@/ca.pem" } }
process: { workers: 1 }
"#;
    let setup = Setup::new().set("origin", origin.address()).file("ca.pem", authority.pem());
    let proxy = setup.start(text).await;
    for _ in 0..3 {
        assert_eq!(proxy.get("/good").await.status, 200);
        assert_eq!(proxy.get("/bad").await.status, 502);
    }
}

#[tokio::test]
async fn a_websocket_goes_by_http1_where_the_endpoint_would_choose_http2() {
    let authority = Authority::new();
    let origin = Origin::tls(&origin_leaf(&authority), BOTH).await;
    let proxy = start(&origin, &authority, &format!("protocol: auto, {VERIFIED}")).await;
    assert_eq!(proxy.get("/").await.seen().version, "HTTP/2");
    let mut socket = WebSocket::open(proxy.connect().await, "/").await;
    socket.echo("hello").await.unwrap();
    socket.close().await;
}

#[tokio::test]
async fn the_time_of_the_whole_request_may_end_before_that_for_connecting() {
    let authority = Authority::new();
    let origin = RawOrigin::start(Behaviour::Silent).await;
    for (timeouts, reason) in [
        ("connect: 10s, request: 300ms", "upstream.timeout"),
        ("connect: 300ms, request: 10s", "upstream.connect_timeout"),
    ] {
        let keys = format!("name: app, {VERIFIED}, timeouts: {{ {timeouts} }},");
        let text = SIMPLE.replace("name: app,", &keys);
        let setup = Setup::new().set("origin", origin.address()).file("ca.pem", authority.pem());
        let answer = setup.start(&text).await.get("/").await;
        assert_eq!((answer.status, answer.reason().as_str()), (504, reason));
    }
}

#[tokio::test]
async fn check_online_tells_whether_an_endpoint_is_trusted() {
    let (authority, other) = (Authority::new(), Authority::new());
    let text = SIMPLE.replace("name: app,", &format!("name: app, {VERIFIED},"));
    for (by, code) in [(&authority, 0), (&other, 1)] {
        let origin = Origin::tls(&origin_leaf(by), BOTH).await;
        let mut setup =
            Setup::new().set("origin", origin.address()).file("ca.pem", authority.pem());
        let ended = setup.run(&["check", "--online"], &text).await;
        assert_eq!(ended.code(), code, "{ended:?}");
    }
}

/// A proxy that demands client certificates, as an origin.
const DEMANDING: &str = r#"
listeners:
  - name: web
    address: "127.0.0.1:@web-port@"
    tls: { certificates: [own], clients: { verify: required, ca: "@dir@/ca.pem" } }
certificates: [{ name: own, chain: "@dir@/own.pem", key: { file: "@dir@/own.key" } }]
routes:
  - name: all
    match: { path: / }
    upstream: app
    request_headers: { set: { X-Client-Subject: "{client_subject}" } }
upstreams: [{ name: app, endpoints: ["@origin@"] }]
"#;

fn presenting(tls: &str) -> String {
    let own =
        r#"certificates: [{ name: own, chain: "@dir@/own.pem", key: { file: "@dir@/own.key" } }]"#;
    format!("{}{own}\n", SIMPLE.replace("name: app,", &format!("name: app, {tls},")))
}

#[tokio::test]
async fn a_certificate_is_presented_to_an_origin_that_asks_for_one() {
    let authority = Authority::new();
    let origin = Origin::start().await;
    let setup = Setup::new().set("origin", origin.address()).file("ca.pem", authority.pem());
    let demanding = setup.leaf("own", &origin_leaf(&authority)).start(DEMANDING).await;
    let below = authority.below("one below");
    let with = |tls: &str| {
        let setup = Setup::new().set("origin", demanding.web()).file("ca.pem", authority.pem());
        let setup = setup.leaf("own", &below.leaf(&["first.internal"], Kind::Ecdsa));
        let text = presenting(tls);
        async move { setup.start(&text).await }
    };
    let text = "tls: { verify: orders.internal, ca: \"@dir@/ca.pem\", certificate: own }";
    let proxy = with(text).await;
    let subject = || async {
        let answer = proxy.get("/").await;
        answer.seen().field("x-client-subject").map(str::to_owned).unwrap()
    };
    assert_eq!(subject().await, "CN=first.internal");
    let second = authority.leaf(&["second.internal"], Kind::Rsa);
    proxy.folder().write("own.pem", second.chain_pem());
    proxy.folder().write("own.key", second.key_pem());
    eventually("the renewed certificate is presented", async || {
        (subject().await == "CN=second.internal").then_some(())
    })
    .await;
    let text = text.replace(", certificate: own", "");
    let without = with(&text).await;
    // With TLS 1.3 the connection stands before it is refused.
    let answer = without.get("/").await;
    assert_eq!(answer.status, 502, "{}", answer.reason());
}

#[tokio::test]
async fn check_online_presents_the_certificate_too() {
    let authority = Authority::new();
    let setup = Setup::new().set("origin", "127.0.0.1:9").file("ca.pem", authority.pem());
    let text = DEMANDING.replace("routes:", "process: { workers: 1 }\nroutes:");
    let demanding = setup.leaf("own", &origin_leaf(&authority)).start(&text).await;
    let tls = "tls: { verify: orders.internal, ca: \"@dir@/ca.pem\", certificate: own }";
    let setup = Setup::new().set("origin", demanding.web()).file("ca.pem", authority.pem());
    let mut setup = setup.leaf("own", &authority.leaf(&["client.internal"], Kind::Ecdsa));
    let ended = setup.run(&["check", "--online"], &presenting(tls)).await;
    assert_eq!(ended.code(), 0, "{}", ended.output());
    let missing = presenting(tls).replace("certificate: own", "certificate: won");
    let ended = setup.run(&["check"], &missing).await;
    assert!(ended.output().contains("unknown-certificate"), "{}", ended.output());
}

#[tokio::test]
async fn one_pin_alone_is_warned_of() {
    let pin = |digit: &str| format!("sha256:{}", digit.repeat(64));
    for (pins, is_warned) in [
        (pin("0"), true),
        (format!("{0}, {0}", pin("0")), true),
        (format!("{}, {}", pin("0"), pin("1")), false),
    ] {
        let tls = format!("name: app, tls: {{ verify: orders.internal, pins: [{pins}] }},");
        let text = SIMPLE.replace("name: app,", &tls);
        let ended = Setup::new().set("origin", "127.0.0.1:9").run(&["check"], &text).await;
        assert_eq!(ended.code(), 0, "{}", ended.output());
        assert_eq!(ended.output().contains("no-backup-pin"), is_warned, "{}", ended.output());
    }
}
