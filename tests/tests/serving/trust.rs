//! Proxies in front that are believed.

use marchproxy_tests::origin::Seen;
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy};

async fn start() -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let text = format!("{SIMPLE}\ntrusted_proxies: [127.0.0.1, 10.0.0.0/8]\n");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    (origin, proxy)
}

async fn seen(proxy: &Proxy, fields: &str) -> Seen {
    let request = format!("GET / HTTP/1.1\r\nHost: shop.example\r\n{fields}\r\n");
    proxy.request(request).await.seen()
}

#[tokio::test]
async fn a_trusted_peer_is_believed_and_appended_to() {
    let (_origin, proxy) = start().await;
    let fields = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\
                  X-Forwarded-Host: www.example\r\nX-Request-Id: abc-123\r\n";
    let seen = seen(&proxy, fields).await;
    assert_eq!(seen.field("x-forwarded-for"), Some("203.0.113.9, 127.0.0.1"));
    assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.field("x-forwarded-host"), Some("www.example"));
    assert_eq!(seen.field("x-request-id"), Some("abc-123"));
    let line = proxy.access_line(|line| line["request_id"] == "abc-123").await;
    assert_eq!(line["client"], "203.0.113.9");
}

#[tokio::test]
async fn the_client_is_the_nearest_that_is_not_trusted() {
    let (_origin, proxy) = start().await;
    for (chain, client) in [
        ("203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.1.2.3, 10.9.9.9", "203.0.113.9"),
        ("6.6.6.6, nonsense, 10.1.2.3", "10.1.2.3"),
        ("2001:db8::1", "2001:db8::1"),
        ("203.0.113.9:4711", "203.0.113.9"),
    ] {
        let id = format!("id-{}", chain.len());
        seen(&proxy, &format!("X-Forwarded-For: {chain}\r\nX-Request-Id: {id}\r\n")).await;
        let line = proxy.access_line(|line| line["request_id"] == id.as_str()).await;
        assert_eq!(line["client"], client, "{chain}");
    }
}

#[tokio::test]
async fn forwarded_is_read_as_well() {
    let (_origin, proxy) = start().await;
    seen(
        &proxy,
        "Forwarded: for=\"[2001:db8::7]:80\";proto=https, for=10.0.0.1\r\nX-Request-Id: fw\r\n",
    )
    .await;
    let line = proxy.access_line(|line| line["request_id"] == "fw").await;
    assert_eq!(line["client"], "2001:db8::7");
}

#[tokio::test]
async fn an_unfit_request_id_is_replaced() {
    let (_origin, proxy) = start().await;
    for unfit in ["a b", "x\"y", &"x".repeat(500), ""] {
        let seen = seen(&proxy, &format!("X-Request-Id: {unfit}\r\n")).await;
        let id = seen.field("x-request-id").unwrap();
        assert!(id != unfit && !id.is_empty(), "{id}");
    }
}

#[tokio::test]
async fn a_trusted_peer_may_say_more_but_not_in_another_spelling() {
    let (_origin, proxy) = start().await;
    let fields = "X-Forwarded-Port: 8443\r\nX-Real-IP: 203.0.113.9\r\nX_Forwarded_Port: 1\r\n\
                  X_Real_IP: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\n";
    let seen = seen(&proxy, fields).await;
    assert_eq!(seen.field("x-forwarded-port"), Some("8443"));
    assert_eq!(seen.field("x-real-ip"), Some("203.0.113.9"));
    assert!(!seen.fields.iter().any(|(name, _)| name.contains('_')), "{seen:?}");
}
