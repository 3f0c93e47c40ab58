//! Connections that are passed on as they come, by the name that is asked for.

use std::time::Duration;

use marchproxy_tests::certs::{Authority, Kind, Leaf, serial};
use marchproxy_tests::client::{Connection, Http2, TlsClient};
use marchproxy_tests::origin::{Behaviour, RawOrigin};
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{Origin, Proxy, eventually, ports};

const TEXT: &str = r#"
listeners:
  - name: web
    address: "127.0.0.1:@web-port@"
    connections: { handshake: 500ms }
    tls:
      certificates: [shop]
      passthrough: [{ names: [bank.example.com, "*.far.example.com"], upstream: bank }]
certificates: [{ name: shop, chain: "@dir@/shop.pem", key: { file: "@dir@/shop.key" } }]
routes: [{ name: all, match: { path: / }, respond: { status: 200, body: here } }]
upstreams: [{ name: bank, endpoints: ["@origin@"], timeouts: { connect: 500ms, idle: 1s } }]
"#;

struct Site {
    proxy: Proxy,
    authority: Authority,
}

impl Site {
    async fn start(origin: impl ToString) -> Self {
        Self::with(TEXT, origin).await
    }

    async fn with(text: &str, origin: impl ToString) -> Self {
        let authority = Authority::new();
        let own = authority.leaf(&["*.example.com"], Kind::Ecdsa);
        let setup = Setup::new().leaf("shop", &own).set("origin", origin);
        Self { proxy: setup.start(text).await, authority }
    }

    fn client(&self, name: &str) -> TlsClient {
        TlsClient::trusting(&self.authority, name)
    }

    async fn count(&self, outcome: &str) -> f64 {
        let labels = [("listener", "web"), ("outcome", outcome)];
        let name = "marchproxy_passthrough_connections_total";
        self.proxy.metric(name, &labels).await.unwrap_or(0.0)
    }
}

/// Of an authority that the proxy has nothing to do with.
fn bank() -> (Authority, Leaf) {
    let authority = Authority::new();
    let leaf = authority.leaf(&["bank.example.com", "a.far.example.com"], Kind::Rsa);
    (authority, leaf)
}

#[tokio::test]
async fn the_client_and_the_endpoint_speak_tls_with_each_other() {
    let (theirs, leaf) = bank();
    let origin = Origin::tls(&leaf, &["h2", "http/1.1"]).await;
    let site = Site::start(origin.address()).await;
    for name in ["bank.example.com", "BANK.example.com", "a.far.example.com"] {
        let (mut connection, facts) =
            TlsClient::trusting(&theirs, name).connect(site.proxy.web()).await;
        assert_eq!(facts.serial, serial(&leaf.certificate));
        let seen = connection.get("/a").await.seen();
        assert_eq!(seen.field("x-forwarded-for"), None, "nothing is added");
    }
    let client = TlsClient::trusting(&theirs, "bank.example.com").alpn(&["h2"]);
    let (stream, _) = client.handshake(site.proxy.web()).await.unwrap();
    let body = vec![b'x'; 3_000_000];
    let mut client = Http2::over(stream, "https").await;
    let request = client.request("POST", "/large");
    let seen = client.send(request, Some(body), None).await.unwrap().seen();
    assert_eq!((seen.version.as_str(), seen.body_length), ("HTTP/2", 3_000_000));
    assert_eq!(site.count("passed").await, 4.0);
    // Other names are served here.
    let (mut connection, _) = site.client("shop.example.com").connect(site.proxy.web()).await;
    assert_eq!(connection.get("/").await.text(), "here");
}

#[tokio::test]
async fn a_request_for_a_name_that_is_passed_on_is_not_served_here() {
    let site = Site::start("127.0.0.1:9").await;
    let (mut connection, _) = site.client("shop.example.com").connect(site.proxy.web()).await;
    for host in ["bank.example.com", "a.far.example.com"] {
        connection.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(connection.answer().await.reason(), "sanity.misdirected");
    }
}

#[tokio::test]
async fn a_connection_that_nothing_comes_on_is_given_up() {
    let silent = RawOrigin::start(Behaviour::Deaf).await;
    let site = Site::start(silent.address()).await;
    // Neither a hello, nor what follows one, is waited for without an end.
    for begun in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut connection = Connection::open(site.proxy.web()).await;
        connection.send(begun).await;
        connection.closed_within(Duration::from_secs(3)).await;
    }
    assert!(site.client("bank.example.com").handshake(site.proxy.web()).await.is_err());
    assert_eq!(site.count("passed").await, 1.0);
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_counted() {
    let site = Site::start(format!("127.0.0.1:{}", ports::free())).await;
    assert!(site.client("bank.example.com").handshake(site.proxy.web()).await.is_err());
    assert_eq!(site.count("unreachable").await, 1.0);
    assert!(site.client("shop.example.com").handshake(site.proxy.web()).await.is_ok());
}

#[tokio::test]
async fn failures_with_a_connection_between_them_are_not_in_a_row() {
    let (theirs, leaf) = bank();
    let port = ports::free();
    let ejection = "ejection: { consecutive: 2, share: 100% }, timeouts:";
    let text = TEXT.replace("timeouts:", ejection);
    let site = Site::with(&text, format!("127.0.0.1:{port}")).await;
    let begin = async || {
        TlsClient::trusting(&theirs, "bank.example.com").handshake(site.proxy.web()).await.is_ok()
    };
    for _ in 0..2 {
        assert!(!begin().await);
        let origin = Origin::tls_on_port(&leaf, &["http/1.1"], port).await;
        assert!(begin().await);
        drop(origin);
        let free = async || std::net::TcpListener::bind(("127.0.0.1", port)).ok();
        eventually("nobody listens any more", free).await;
    }
    let origin = Origin::tls_on_port(&leaf, &["http/1.1"], port).await;
    assert!(begin().await);
    drop(origin);
    let cause = [("upstream", "bank"), ("cause", "consecutive")];
    let metric = "marchproxy_upstream_ejections_total";
    assert!(site.proxy.metric(metric, &cause).await.is_none_or(|count| count == 0.0));
}

#[tokio::test]
async fn garbage_does_no_harm() {
    let site = Site::start("127.0.0.1:9").await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16; 50_000], &[22, 3, 1, 0, 0]] {
        let mut connection = Connection::open(site.proxy.web()).await;
        let _ = connection.try_send(garbage).await;
        connection.closed_within(Duration::from_secs(3)).await;
    }
    assert!(site.client("shop.example.com").handshake(site.proxy.web()).await.is_ok());
}

#[tokio::test]
async fn an_upstream_that_encrypts_is_no_place_to_pass_on_to() {
    let text = TEXT.replace("timeouts:", "tls: { verify: bank.example.com }, timeouts:");
    let mut setup = Setup::new().set("origin", "127.0.0.1:9");
    let ended = setup.run(&["check"], &text).await;
    assert!(ended.output().contains("passthrough-tls"), "{}", ended.output());
    let ended = setup.run(&["check"], &TEXT.replace("upstream: bank", "upstream: bonk")).await;
    assert!(ended.output().contains("unknown-upstream"), "{}", ended.output());
}

#[tokio::test]
async fn the_limits_and_the_hash_of_the_upstream_hold() {
    let (theirs, leaf) = bank();
    let origins = [
        Origin::tls(&leaf, &["http/1.1"]).await,
        Origin::tls(&leaf, &["http/1.1"]).await,
        Origin::tls(&leaf, &["http/1.1"]).await,
    ];
    let addresses = origins.each_ref().map(|origin| format!("\"{}\"", origin.address())).join(", ");
    let keys = "balance: consistent_hash, hash: { by: address, bound: 1000 }, \
                limits: { requests: 4, waiting: 0 }, timeouts:";
    let text = TEXT.replace("\"@origin@\"", &addresses).replace("timeouts:", keys);
    let site = Site::with(&text, "").await;
    let client = TlsClient::trusting(&theirs, "bank.example.com");
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(client.connect(site.proxy.web()).await);
    }
    let mut counts = origins.each_ref().map(Origin::connections);
    counts.sort_unstable();
    assert_eq!(counts, [0, 0, 4], "one address, one endpoint");
    assert!(client.handshake(site.proxy.web()).await.is_err());
    assert_eq!(site.count("busy").await, 1.0);
    drop(held);
    eventually("there is room again", async || {
        client.handshake(site.proxy.web()).await.is_ok().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_is_passed_on_is_one_of_those_that_there_may_be() {
    let (theirs, leaf) = bank();
    let origin = Origin::tls(&leaf, &["http/1.1"]).await;
    let keys = "limits: { connections: 1, waiting: 0 }, timeouts:";
    let site = Site::with(&TEXT.replace("timeouts:", keys), origin.address()).await;
    let client = TlsClient::trusting(&theirs, "bank.example.com");
    let held = client.connect(site.proxy.web()).await;
    assert!(client.handshake(site.proxy.web()).await.is_err());
    assert_eq!(site.count("busy").await, 1.0);
    drop(held);
    eventually("there is room again", async || {
        client.handshake(site.proxy.web()).await.is_ok().then_some(())
    })
    .await;
}
