//! Terms by name, and connections that are used for another name than they began with.

use boring::ssl::SslVersion;
use marchproxy_tests::Proxy;
use marchproxy_tests::certs::{Authority, Kind, Leaf};
use marchproxy_tests::client::{Http2, Openssl, Shaken, TlsClient};
use marchproxy_tests::proxy::Setup;

const TEXT: &str = r#"
listeners:
  - name: web
    address: "127.0.0.1:@web-port@"
    tls:
      certificates: [shop]
      policies:
        - { names: ["*.example.com"], minimum: "1.3" }
        - { names: [api.example.com], clients: { verify: required, ca: "@dir@/ca.pem" } }
        - { names: [may.example.com], clients: { verify: optional, ca: "@dir@/ca.pem" } }
        - { names: [near.example.com], clients: { verify: required, ca: "@dir@/ca.pem", depth: 0 } }
certificates: [{ name: shop, chain: "@dir@/shop.pem", key: { file: "@dir@/shop.key" } }]
routes: [{ name: all, match: { path: / }, respond: { status: 200, body: fine } }]
"#;

const NAMES: [&str; 3] = ["open.org", "*.example.com", "localhost"];

struct Site {
    proxy: Proxy,
    servers: Authority,
    leaf: Leaf,
    /// Of an authority below.
    deep: Leaf,
}

impl Site {
    async fn start() -> Self {
        let (servers, clients) = (Authority::new(), Authority::new());
        let setup = Setup::new().leaf("shop", &servers.leaf(&NAMES, Kind::Ecdsa));
        let proxy = setup.file("ca.pem", clients.pem()).start(TEXT).await;
        let leaf = clients.leaf(&["client.internal"], Kind::Ecdsa);
        let deep = clients.below("one below").leaf(&["client.internal"], Kind::Ecdsa);
        Self { proxy, servers, leaf, deep }
    }

    fn client(&self, name: &str) -> TlsClient {
        TlsClient::trusting(&self.servers, name)
    }

    /// The status of a request for `host` on a connection that began with another name.
    async fn status(&self, client: &TlsClient, host: &str) -> (u16, String) {
        let (mut connection, _) = client.connect(self.proxy.web()).await;
        connection.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let answer = connection.answer().await;
        let reason = if answer.status == 200 { String::new() } else { answer.reason() };
        (answer.status, reason)
    }
}

fn misdirected() -> (u16, String) {
    (421, "sanity.misdirected".to_owned())
}

fn fine() -> (u16, String) {
    (200, String::new())
}

#[tokio::test]
async fn the_name_that_is_asked_for_decides_the_version_and_the_client_certificate() {
    let site = Site::start().await;
    let old = |name| site.client(name).only(SslVersion::TLS1_2);
    let web = site.proxy.web();
    assert!(old("open.org").handshake(web).await.is_ok());
    assert!(old("new.example.com").handshake(web).await.is_err());
    assert!(site.client("new.example.com").handshake(web).await.is_ok());
    // The exact name before the wildcard: TLS 1.2 is fine again, a certificate is not.
    assert!(old("api.example.com").handshake(web).await.is_err());
    let shown = old("api.example.com").showing(&site.leaf);
    assert_eq!(site.status(&shown, "api.example.com").await, fine());
    assert_eq!(site.status(&site.client("may.example.com"), "may.example.com").await, fine());
}

#[tokio::test]
async fn a_connection_for_one_name_does_not_reach_a_host_of_stricter_terms() {
    let site = Site::start().await;
    let open = site.client("open.org").showing(&site.leaf);
    assert_eq!(site.status(&open, "open.org").await, fine());
    for host in ["api.example.com", "API.example.com:443", "api.example.com.", "may.example.com"] {
        assert_eq!(site.status(&open, host).await, misdirected(), "{host}");
    }
    // The version it has is new enough.
    assert_eq!(site.status(&open, "new.example.com").await, fine());
    let old = open.only(SslVersion::TLS1_2);
    assert_eq!(site.status(&old, "new.example.com").await, misdirected());
    let mut nameless = site.client("localhost");
    nameless.name = None;
    assert_eq!(site.status(&nameless, "api.example.com").await, misdirected());
}

#[tokio::test]
async fn a_certificate_that_was_verified_on_the_same_terms_reaches_the_host() {
    let site = Site::start().await;
    let may = site.client("may.example.com");
    assert_eq!(site.status(&may, "api.example.com").await, misdirected());
    let shown = may.showing(&site.leaf);
    assert_eq!(site.status(&shown, "api.example.com").await, fine());
    assert_eq!(site.status(&shown, "open.org").await, fine());
}

#[tokio::test]
async fn a_policy_has_its_own_depth() {
    let site = Site::start().await;
    for (leaf, is_taken) in [(&site.leaf, true), (&site.deep, false)] {
        let near = site.client("near.example.com").only(SslVersion::TLS1_2).showing(leaf);
        assert_eq!(near.handshake(site.proxy.web()).await.is_ok(), is_taken);
        let api = site.client("api.example.com").showing(leaf);
        assert_eq!(site.status(&api, "api.example.com").await, fine());
        assert_eq!(site.status(&api, "near.example.com").await, misdirected());
    }
}

#[tokio::test]
async fn a_stream_of_a_coalesced_http2_connection_is_refused_alone() {
    let site = Site::start().await;
    let client = site.client("open.org").alpn(&["h2"]);
    let (stream, _) = client.handshake(site.proxy.web()).await.unwrap();
    let mut client = Http2::over(stream, "https").await;
    for (host, status) in [("open.org", 200), ("api.example.com", 421), ("open.org", 200)] {
        let uri = format!("https://{host}/");
        let request = http::Request::builder().uri(uri).body(()).unwrap();
        assert_eq!(client.send(request, None, None).await.unwrap().status, status, "{host}");
    }
}

#[tokio::test]
async fn a_session_of_one_name_is_not_resumed_for_another_that_asks_for_certificates() {
    let site = Site::start().await;
    for version in ["-tls1_2", "-tls1_3"] {
        let mut client = Openssl::new(site.proxy.web(), "open.org", version);
        assert_eq!(client.begin().await, Shaken::New);
        assert_eq!(client.again().await, Shaken::Reused);
        client.ask_for("api.example.com");
        let shaken = client.again().await;
        assert!(matches!(shaken, Shaken::Failed(_)), "{shaken:?}");
        client.ask_for("may.example.com");
        assert_eq!(client.again().await, Shaken::New);
    }
}

#[tokio::test]
async fn terms_that_come_with_a_reload_hold_for_connections_that_are_there() {
    let mut site = Site::start().await;
    let (mut kept, _) = site.client("open.org").connect(site.proxy.web()).await;
    kept.send("GET / HTTP/1.1\r\nHost: open.org\r\n\r\n").await;
    assert_eq!(kept.answer().await.status, 200);
    let stricter =
        "certificates: [shop]\n      clients: { verify: required, ca: \"@dir@/ca.pem\" }";
    site.proxy.reload(&TEXT.replace("certificates: [shop]", stricter)).await;
    kept.send("GET / HTTP/1.1\r\nHost: open.org\r\n\r\n").await;
    assert_eq!(kept.answer().await.reason(), "sanity.misdirected");
    let shown = site.client("open.org").showing(&site.leaf);
    assert_eq!(site.status(&shown, "open.org").await, fine());
}
