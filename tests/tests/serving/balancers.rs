//! Real load balancers in front of the proxy, which say by the PROXY protocol whose connection it is.

use std::net::SocketAddr;

use marchproxy_tests::certs::{Authority, Kind};
use marchproxy_tests::client::{Connection, TlsClient, get};
use marchproxy_tests::origin::{Haproxy, Nginx};
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::template::Values;
use marchproxy_tests::{Origin, Proxy, eventually, within};
use tokio::net::TcpSocket;

const TEXT: &str = r#"
listeners:
  - name: web
    address: "127.0.0.1:@web-port@"
    proxy_protocol: { from: [127.0.0.1] }
  - name: tls
    address: "127.0.0.1:@tls-port@"
    proxy_protocol: { from: [127.0.0.1] }
    tls: { certificates: [shop] }
  - { name: socket, address: "unix:@dir@/web.sock", proxy_protocol: {} }
certificates: [{ name: shop, chain: "@dir@/shop.pem", key: { file: "@dir@/shop.key" } }]
routes: [{ name: everything, match: { path: / }, upstream: app }]
upstreams: [{ name: app, endpoints: ["@origin@"] }]
"#;

struct Site {
    _origin: Origin,
    proxy: Proxy,
    client: TlsClient,
}

async fn start() -> Site {
    let authority = Authority::new();
    let leaf = authority.leaf(&["shop.example.com"], Kind::Ecdsa);
    let origin = Origin::start().await;
    let setup = Setup::new().set("origin", origin.address()).leaf("shop", &leaf);
    let proxy = setup.start(TEXT).await;
    let client = TlsClient::trusting(&authority, "shop.example.com").alpn(&["http/1.1"]);
    Site { _origin: origin, proxy, client }
}

/// Values for the template of a load balancer.
fn values(site: &Site) -> Values {
    let mut values = Values::default();
    values.set("plain", site.proxy.address("web"));
    values.set("tls", site.proxy.address("tls"));
    values.set("socket", site.proxy.folder().path().join("web.sock").display());
    values
}

/// A connection from 127.0.0.2, and the address of this end.
async fn connect(to: SocketAddr) -> (tokio::net::TcpStream, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    let stream = within("connect", socket.connect(to)).await.unwrap();
    let own = stream.local_addr().unwrap();
    (stream, own)
}

/// A request through the load balancer at `front`: the origin and the log must know the client.
async fn tells_the_client(site: &Site, front: SocketAddr, is_tls: bool) {
    let (stream, own) = connect(front).await;
    let mut connection = if is_tls {
        Connection::over(site.client.over(stream).await.expect("a handshake").0)
    } else {
        Connection::over(stream)
    };
    for path in ["/first", "/second"] {
        let seen = connection.get(path).await.seen();
        assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.2"), "by {front}");
    }
    let peer = own.to_string();
    let line = site.proxy.access_line(|line| line["peer"] == peer.as_str()).await;
    assert_eq!(line["client"], "127.0.0.2");
}

async fn refusals(proxy: &Proxy) -> Option<f64> {
    proxy.metric("marchproxy_proxy_protocol_refusals_total", &[]).await
}

#[tokio::test]
async fn haproxy_says_by_version_1_and_by_version_2_who_the_client_is() {
    let site = start().await;
    for how in [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 proxy-v2-options crc32c",
        "send-proxy-v2-ssl proxy-v2-options crc32c,authority,unique-id",
    ] {
        let sections = format!(
            "listen plain\n  bind 127.0.0.1:@front-port@\n  server one @plain@ {how}\n\
             listen tls\n  bind 127.0.0.1:@secure-port@\n  server one @tls@ {how}\n\
             listen socket\n  bind 127.0.0.1:@local-port@\n  server one unix@@socket@ {how}\n"
        );
        let mut haproxy = Haproxy::start(values(&site), &sections).await;
        tells_the_client(&site, haproxy.address("front-port"), false).await;
        tells_the_client(&site, haproxy.address("secure-port"), true).await;
        tells_the_client(&site, haproxy.address("local-port"), false).await;
    }
    assert_eq!(refusals(&site.proxy).await, None);
}

#[tokio::test]
async fn health_checks_of_haproxy_are_answered() {
    let site = start().await;
    for how in ["send-proxy", "send-proxy-v2"] {
        let sections = format!(
            "listen plain\n  mode http\n  bind 127.0.0.1:@front-port@\n  option httpchk\n\
             \x20 http-check send meth GET uri /checked-{how} ver HTTP/1.1 hdr Host check.example\n\
             \x20 server one @plain@ {how} check inter 100ms check-send-proxy\n"
        );
        let mut haproxy = Haproxy::start(values(&site), &sections).await;
        let line = site.proxy.access_line_of(&format!("/checked-{how}")).await;
        assert_eq!((&line["client"], &line["status"]), (&"127.0.0.1".into(), &200.into()));
        tells_the_client(&site, haproxy.address("front-port"), false).await;
    }
    assert_eq!(refusals(&site.proxy).await, None);
}

#[tokio::test]
async fn haproxy_without_a_header_is_closed_and_counted() {
    let site = start().await;
    let sections =
        "listen plain\n  mode http\n  bind 127.0.0.1:@front-port@\n  server one @plain@\n";
    let mut haproxy = Haproxy::start(values(&site), sections).await;
    assert_eq!(get(haproxy.address("front-port"), "/").await.status, 502);
    eventually("it is counted", async || refusals(&site.proxy).await.filter(|count| *count > 0.0))
        .await;
}

#[tokio::test]
async fn nginx_says_by_version_1_who_the_client_is() {
    let site = start().await;
    let stream = "server { listen 127.0.0.1:@web-port@; proxy_pass @plain@; proxy_protocol on; }
                  server { listen 127.0.0.1:@secure-port@; proxy_pass @tls@; proxy_protocol on; }
                  server { listen 127.0.0.1:@local-port@; proxy_pass unix:@socket@; proxy_protocol on; }";
    let mut nginx = Nginx::stream(values(&site), stream).await;
    tells_the_client(&site, nginx.address("web-port"), false).await;
    tells_the_client(&site, nginx.address("secure-port"), true).await;
    tells_the_client(&site, nginx.address("local-port"), false).await;
    assert_eq!(refusals(&site.proxy).await, None);
}
