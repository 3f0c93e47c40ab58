//! Endpoints that are told by the PROXY protocol whose connection it is.

use std::net::SocketAddr;

use http::HeaderValue;
use marchproxy_tests::certs::{Authority, Kind};
use marchproxy_tests::client::{Connection, Http2, TlsClient, WebSocket, http2};
use marchproxy_tests::origin::{Behaviour, Haproxy, Nginx, RawOrigin};
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::template::Values;
use marchproxy_tests::{Origin, Proxy, eventually};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Tells who the client is by the header, and which connection of nginx it is.
const NGINX: &str = r#"
log_format told "$proxy_protocol_addr:$proxy_protocol_port $http_x_me";
server {
  listen 127.0.0.1:@web-port@ proxy_protocol;
  access_log @dir@/told.log told;
  keepalive_requests 100000;
  location / { return 200 "$proxy_protocol_addr:$proxy_protocol_port $connection"; }
  location /healthz { if ($proxy_protocol_addr) { return 500; } return 200; }
}
"#;

/// Tells the same, over what the `bind` line says; the request says who it is by `X-Me`.
const HAPROXY: &str = "frontend web
  mode http
  bind 127.0.0.1:@front-port@ accept-proxy @bind@
  http-request return status 200 content-type text/plain lf-string \"%[src]:%[src_port] %[req.hdr(x-me)]\"";

/// `@keys@` are further keys of the upstream.
const TEXT: &str = r#"
listeners: [{ name: web, address: "127.0.0.1:@web-port@" }]
routes: [{ name: all, upstream: app }]
upstreams: [{ name: app, endpoints: ["@origin@"], @keys@ }]
process: { workers: 1 }
"#;

async fn start(origin: SocketAddr, keys: &str) -> Proxy {
    Setup::new().set("origin", origin).set("keys", keys).start(TEXT).await
}

async fn nginx() -> (Nginx, SocketAddr) {
    let mut nginx = Nginx::start(NGINX).await;
    let address = nginx.address("web-port");
    (nginx, address)
}

/// A client, and its own address as text.
async fn client(proxy: &Proxy) -> (Connection, String) {
    let stream = TcpStream::connect(proxy.web()).await.unwrap();
    let own = stream.local_addr().unwrap().to_string();
    (Connection::over(stream), own)
}

/// Whom nginx takes for the client, and on which connection of its own.
async fn told(connection: &mut Connection) -> (String, String) {
    let text = connection.get("/").await.text();
    let (client, number) = text.split_once(' ').unwrap_or_else(|| panic!("{text:?}"));
    (client.to_owned(), number.to_owned())
}

#[tokio::test]
async fn each_client_has_a_connection_that_says_so_and_keeps_it() {
    for version in ["v1", "v2"] {
        let (_nginx, address) = nginx().await;
        let proxy = start(address, &format!("proxy_protocol: {version}")).await;
        let (mut one, one_own) = client(&proxy).await;
        let (mut other, other_own) = client(&proxy).await;
        let (first, second) = (told(&mut one).await, told(&mut other).await);
        assert_eq!((&first.0, &second.0), (&one_own, &other_own), "{version}");
        assert_ne!(first.1, second.1);
        for _ in 0..5 {
            assert_eq!(told(&mut one).await, first);
            assert_eq!(told(&mut other).await, second);
        }
    }
}

/// Has many clients send many requests at once, each with its own address in `X-Me`; every answer
/// must name the same as what the connection was announced as.
async fn nobody_shares(proxy: &Proxy) {
    let mut clients = JoinSet::new();
    for _ in 0..12 {
        let (mut connection, own) = client(proxy).await;
        clients.spawn(async move {
            for _ in 0..25 {
                let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Me: {own}\r\n\r\n");
                connection.send(request).await;
                assert_eq!(connection.answer().await.text(), format!("{own} {own}"));
            }
        });
        let stream = TcpStream::connect(proxy.web()).await.unwrap();
        let own = stream.local_addr().unwrap().to_string();
        let mut connection = Http2::over(stream, "http").await;
        clients.spawn(async move {
            for _ in 0..5 {
                let mut running = Vec::new();
                for _ in 0..5 {
                    let mut request = connection.request("GET", "/");
                    request.headers_mut().insert("x-me", HeaderValue::from_str(&own).unwrap());
                    running.push(connection.start(request, true).await.unwrap().0);
                }
                for answer in running {
                    let answer = http2::read(answer).await.unwrap();
                    assert_eq!(answer.text(), format!("{own} {own}"));
                }
            }
        });
    }
    clients.join_all().await;
}

#[tokio::test]
async fn no_request_travels_on_a_connection_that_was_announced_for_another() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["app.internal"], Kind::Ecdsa);
    for (bind, keys) in [
        ("", "proxy_protocol: v1"),
        ("", "proxy_protocol: v2"),
        ("proto h2", "proxy_protocol: v2, protocol: http2"),
        ("ssl crt @pem@ alpn http/1.1", "proxy_protocol: v1, @tls@"),
        ("ssl crt @pem@ alpn h2,http/1.1", "proxy_protocol: v2, protocol: http2, @tls@"),
        ("ssl crt @pem@ alpn h2,http/1.1", "proxy_protocol: v2, protocol: auto, @tls@"),
    ] {
        let both = [leaf.chain_pem(), leaf.key_pem()].concat();
        let setup = Setup::new().file("both.pem", both).file("ca.pem", authority.pem());
        let folder = setup.folder().path().display().to_string();
        let mut values = Values::default();
        values.set("bind", bind.replace("@pem@", &format!("{folder}/both.pem")));
        let mut haproxy = Haproxy::start(values, HAPROXY).await;
        let tls = format!("tls: {{ verify: app.internal, ca: {folder}/ca.pem }}");
        let setup = setup.set("origin", haproxy.address("front-port"));
        let proxy = setup.set("keys", keys.replace("@tls@", &tls)).start(TEXT).await;
        nobody_shares(&proxy).await;
    }
}

#[tokio::test]
async fn the_connection_of_a_client_goes_when_the_client_does() {
    let origin = Origin::start().await;
    let mut values = Values::default();
    values.set("origin", origin.address());
    let sections = "listen web
  bind 127.0.0.1:@front-port@ accept-proxy
  server origin @origin@";
    let mut haproxy = Haproxy::start(values, sections).await;
    let proxy = start(haproxy.address("front-port"), "proxy_protocol: v2").await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut connection = proxy.connect().await;
        assert_eq!(connection.get("/").await.status, 200);
        clients.push(connection);
    }
    assert_eq!((origin.connections(), origin.open()), (3, 3));
    clients.truncate(1);
    // Long before `keep_alive.idle` is over.
    eventually("two are closed", async || (origin.open() == 1).then_some(())).await;
    assert_eq!(clients[0].get("/").await.status, 200);
    assert_eq!(origin.connections(), 3);
}

#[tokio::test]
async fn a_client_that_a_trusted_proxy_names_is_announced_and_its_connection_is_not_kept() {
    let (_nginx, address) = nginx().await;
    let text = format!("{TEXT}trusted_proxies: [127.0.0.1]\n");
    let setup = Setup::new().set("origin", address).set("keys", "proxy_protocol: v2");
    let proxy = setup.start(&text).await;
    let (mut connection, own) = client(&proxy).await;
    let mut numbers = Vec::new();
    for named in ["203.0.113.9", "2001:db8::7", "203.0.113.9"] {
        let field = format!("X-Forwarded-For: {named}");
        connection.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n")).await;
        let text = connection.answer().await.text();
        let (client, number) = text.split_once(' ').unwrap();
        // So nginx writes the port 0.
        assert_eq!(client, format!("{named}:"));
        numbers.push(number.to_owned());
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 3, "{numbers:?}");
    // What the trusted proxy asks for itself is its own.
    let first = told(&mut connection).await;
    assert_eq!(first.0, own);
    assert_eq!(told(&mut connection).await, first);
}

#[tokio::test]
async fn clients_that_a_trusted_proxy_names_share_nothing_at_an_endpoint_that_speaks_http2() {
    let mut values = Values::default();
    values.set("bind", "proto h2");
    let mut haproxy = Haproxy::start(values, HAPROXY).await;
    let text = format!("{TEXT}trusted_proxies: [127.0.0.1]\n");
    let keys = "proxy_protocol: v2, protocol: http2";
    let setup = Setup::new().set("origin", haproxy.address("front-port")).set("keys", keys);
    let proxy = setup.start(&text).await;
    let mut cdn = Http2::open(proxy.web()).await;
    for _ in 0..3 {
        let mut running = Vec::new();
        for last in 1..=10 {
            let named = HeaderValue::from_str(&format!("198.51.100.{last}")).unwrap();
            let mut request = cdn.request("GET", "/");
            request.headers_mut().insert("x-forwarded-for", named.clone());
            request.headers_mut().insert("x-me", named);
            running.push((last, cdn.start(request, true).await.unwrap().0));
        }
        for (last, answer) in running {
            // So haproxy writes the port 0.
            let text = http2::read(answer).await.unwrap().text();
            assert_eq!(text, format!("198.51.100.{last}: 198.51.100.{last}"));
        }
    }
}

#[tokio::test]
async fn a_websocket_is_announced_too() {
    let origin = Origin::start().await;
    let mut values = Values::default();
    values.set("origin", origin.address());
    let sections = "listen web
  mode http
  bind 127.0.0.1:@front-port@ accept-proxy
  timeout tunnel 10s
  server origin @origin@";
    let mut haproxy = Haproxy::start(values, sections).await;
    let proxy = start(haproxy.address("front-port"), "proxy_protocol: v2").await;
    let mut socket = WebSocket::open(proxy.connect().await, "/").await;
    socket.echo("hello").await.unwrap();
}

#[tokio::test]
async fn whom_a_load_balancer_in_front_names_is_passed_on_with_the_address_that_it_came_to() {
    let origin = RawOrigin::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let address = "address: \"127.0.0.1:@web-port@\"";
    let text =
        TEXT.replace(address, &format!("{address}, proxy_protocol: {{ from: [127.0.0.1] }}"));
    let setup = Setup::new().set("origin", origin.address()).set("keys", "proxy_protocol: v1");
    let proxy = setup.start(&text).await;
    let header = "PROXY TCP6 2001:db8::7 2001:db8::1 5 443\r\n";
    let answer = proxy.request(format!("{header}GET / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    assert_eq!(answer.status, 200);
    assert!(origin.received().starts_with(&format!("{header}GET / ")), "{}", origin.received());
}

#[tokio::test]
async fn health_checks_come_in_the_name_of_the_proxy_itself() {
    for version in ["v1", "v2"] {
        let (_nginx, address) = nginx().await;
        let health = "health: { every: 100ms, http: /healthz }";
        let proxy = start(address, &format!("proxy_protocol: {version}, {health}")).await;
        let checks = async |result| {
            let labels = [("upstream", "app"), ("result", result)];
            proxy.metric("marchproxy_upstream_checks_total", &labels).await.unwrap_or(0.0)
        };
        eventually("it is well", async || (checks("ok").await > 1.0).then_some(())).await;
        assert!(checks("failed").await < 1.0, "{version}");
    }
    let origin = RawOrigin::start(Behaviour::Silent).await;
    let _proxy = start(origin.address(), "proxy_protocol: v1, health: { http: / }").await;
    let asked = async || origin.received().starts_with("PROXY UNKNOWN\r\nGET /").then_some(());
    eventually("it is asked", asked).await;
}

#[tokio::test]
async fn mirrors_and_hedges_are_announced_for_the_client_as_well() {
    let (nginx, address) = nginx().await;
    let app = Origin::start().await;
    let text =
        TEXT.replace("upstream: app }]", "upstream: app, mirror: { upstream: copies } }]").replace(
            "@keys@ }]",
            "@keys@ }, { name: copies, endpoints: [\"@copies@\"], proxy_protocol: v2 }]",
        );
    let setup = Setup::new().set("origin", app.address()).set("keys", "").set("copies", address);
    let proxy = setup.start(&text).await;
    let mut sent = Vec::new();
    let mut clients = [client(&proxy).await, client(&proxy).await];
    for _ in 0..5 {
        for (connection, own) in &mut clients {
            connection.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Me: {own}\r\n\r\n")).await;
            assert_eq!(connection.answer().await.status, 200);
            sent.push(format!("{own} {own}"));
        }
    }
    sent.sort_unstable();
    eventually("all copies come", async || {
        let log = std::fs::read_to_string(nginx.folder().path().join("told.log")).ok()?;
        let mut lines: Vec<&str> = log.lines().collect();
        lines.sort_unstable();
        (lines == sent).then_some(())
    })
    .await;

    let silent = RawOrigin::start(Behaviour::Silent).await;
    let endpoints = format!("[\"@origin@\", \"{}\"]", silent.address());
    let text = TEXT
        .replace("[\"@origin@\"]", &endpoints)
        .replace("upstream: app }]", "upstream: app, hedge: 50ms }]");
    let keys = "proxy_protocol: v2, ejection: { consecutive: 0 }, retry: { budget: 100% }";
    let proxy = Setup::new().set("origin", address).set("keys", keys).start(&text).await;
    let mut clients = [client(&proxy).await, client(&proxy).await];
    for _ in 0..4 {
        for (connection, own) in &mut clients {
            assert_eq!(told(connection).await.0, *own);
        }
    }
    assert!(silent.connections() > 0);
}

#[tokio::test]
async fn a_connection_that_is_passed_on_begins_with_the_header() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["bank.example.com"], Kind::Ecdsa);
    let both = [leaf.chain_pem(), leaf.key_pem()].concat();
    let setup = Setup::new().file("both.pem", both).leaf("own", &leaf);
    let mut values = Values::default();
    values.set("bind", format!("ssl crt {}/both.pem", setup.folder().path().display()));
    let mut haproxy = Haproxy::start(values, HAPROXY).await;
    let tls =
        "tls: { certificates: [own], passthrough: [{ names: [bank.example.com], upstream: app }] }";
    let text = TEXT.replace("@web-port@\" }]", &format!("@web-port@\", {tls} }}]"))
        + "certificates: [{ name: own, chain: \"@dir@/own.pem\", key: { file: \"@dir@/own.key\" } }]\n";
    for version in ["v1", "v2"] {
        let setup = Setup::new()
            .leaf("own", &leaf)
            .set("origin", haproxy.address("front-port"))
            .set("keys", format!("proxy_protocol: {version}"));
        let proxy = setup.start(&text).await;
        let stream = TcpStream::connect(proxy.web()).await.unwrap();
        let own = stream.local_addr().unwrap().to_string();
        let client = TlsClient::trusting(&authority, "bank.example.com");
        let (stream, _) = client.over(stream).await.unwrap();
        let answer = Connection::over(stream).get("/").await;
        assert_eq!(answer.text(), format!("{own} "), "{version}");
    }
}

#[tokio::test]
async fn check_online_begins_with_a_header_too() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["app.internal"], Kind::Ecdsa);
    let both = [leaf.chain_pem(), leaf.key_pem()].concat();
    let setup = Setup::new().file("both.pem", both).file("ca.pem", authority.pem());
    let mut values = Values::default();
    values.set("bind", format!("ssl crt {}/both.pem", setup.folder().path().display()));
    let mut haproxy = Haproxy::start(values, HAPROXY).await;
    let mut setup = setup.set("origin", haproxy.address("front-port")).set("keys", "");
    let tls = "tls: { verify: app.internal, ca: \"@dir@/ca.pem\" }";
    for (keys, works) in
        [("proxy_protocol: v1, ", true), ("proxy_protocol: v2, ", true), ("", false)]
    {
        let text = TEXT.replace("@keys@", &format!("{keys}{tls}"));
        let ended = setup.run(&["check", "--online"], &text).await;
        assert_eq!(ended.output().contains("and is trusted"), works, "{ended:?}");
    }
}

#[tokio::test]
async fn a_reload_switches_it_for_new_connections() {
    let (_nginx, address) = nginx().await;
    let plain = Origin::start().await;
    let mut proxy = start(plain.address(), "").await;
    let (mut connection, own) = client(&proxy).await;
    assert_eq!(connection.get("/").await.seen().origin, "origin");
    proxy.values().set("origin", address);
    proxy.values().set("keys", "proxy_protocol: v1");
    proxy.reload(TEXT).await;
    assert_eq!(told(&mut connection).await.0, own);
}
