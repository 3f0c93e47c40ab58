//! The harness itself, proved with a real nginx in the place of the proxy: a test that fails with
//! `MarchProxy` is then no fault of the clients and origins.
#![forbid(unsafe_code)]

use boring::ssl::SslVersion;
use marchproxy_tests::certs::{Authority, Kind};
use marchproxy_tests::client::frames::{END_STREAM, Frame, RawHttp2, code, get_fields, kind};
use marchproxy_tests::client::{Broken, Connection, Http2, TlsClient, WebSocket, connection};
use marchproxy_tests::eventually;
use marchproxy_tests::load::{Load, Mix};
use marchproxy_tests::origin::{Behaviour, Nginx, Origin, RawOrigin};
use marchproxy_tests::template::Values;

const PROXY: &str = r"
map $http_upgrade $forwarded { default upgrade; '' close; }
server {
  listen 127.0.0.1:@web-port@;
  location / {
    proxy_pass http://@origin@; proxy_http_version 1.1; proxy_buffering off;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $forwarded;
  }
}
server { listen 127.0.0.1:@h2c-port@ http2; location / { proxy_pass http://@origin@; } }
server {
  listen 127.0.0.1:@tls-port@ ssl http2; ssl_certificate @dir@/a.pem; ssl_certificate_key @dir@/a.key;
  ssl_protocols TLSv1.2 TLSv1.3; location / { proxy_pass http://@origin@; }
}
";

async fn nginx_before(origin: std::net::SocketAddr, authority: &Authority) -> Nginx {
    let leaf = authority.leaf(&["shop.example.com"], Kind::Ecdsa);
    let mut values = Values::default();
    values.set("origin", origin);
    let (chain, key) = (leaf.chain_pem(), leaf.key_pem());
    Nginx::with(values, &[("a.pem", &chain), ("a.key", &key)], PROXY).await
}

#[tokio::test]
async fn an_origin_tells_what_it_saw() {
    let origin = Origin::start().await;
    let mut nginx = nginx_before(origin.address(), &Authority::new()).await;
    let seen = connection::get(nginx.address("web-port"), "/a?b=c").await.seen();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/a?b=c"));
    assert_eq!(origin.seen().len(), 1);
    let mut client = Connection::open(nginx.address("web-port")).await;
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello").await;
    assert_eq!(client.answer().await.seen().body, "hello");
}

#[tokio::test]
async fn scripts_are_followed() {
    let origin = Origin::start().await;
    let mut nginx = nginx_before(origin.address(), &Authority::new()).await;
    let mut client = Connection::open(nginx.address("web-port")).await;
    for script in ["size 100000", "size 100000;chunked", "size 100000;delay 20"] {
        client.send(format!("GET / HTTP/1.1\r\nhost: a\r\nx-script: {script}\r\n\r\n")).await;
        assert_eq!(client.answer().await.body.len(), 100_000, "{script}");
    }
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-script: events 3 10\r\n\r\n").await;
    assert!(client.answer().await.text().contains("data: event 2"));
    client
        .send("GET / HTTP/1.1\r\nhost: a\r\nx-script: status 404\r\nx-reply-x-a: b\r\n\r\n")
        .await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.field("x-a")), (404, Some("b")));
}

#[tokio::test]
async fn raw_origins_misbehave() {
    for (behaviour, wanted) in [
        (Behaviour::CloseAtOnce, 502),
        (Behaviour::ResetAtOnce, 502),
        (Behaviour::ResetAfterHead, 502),
        (Behaviour::Answer(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec()), 200),
    ] {
        let origin = RawOrigin::start(behaviour.clone()).await;
        let mut nginx = nginx_before(origin.address(), &Authority::new()).await;
        let answer = connection::get(nginx.address("web-port"), "/").await;
        assert_eq!(answer.status, wanted, "{behaviour:?}: {answer:?}");
    }
    let short = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok".to_vec();
    let origin = RawOrigin::start(Behaviour::AnswerAndReset(short)).await;
    let mut nginx = nginx_before(origin.address(), &Authority::new()).await;
    let mut client = Connection::open(nginx.address("web-port")).await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(matches!(client.try_answer().await, Err(Broken::ClosedWithin(_))));
}

#[tokio::test]
async fn http2_is_spoken_by_library_and_by_hand() {
    let origin = Origin::start().await;
    let mut nginx = nginx_before(origin.address(), &Authority::new()).await;
    let address = nginx.address("h2c-port");
    let mut client = Http2::open(address).await;
    assert_eq!(client.get("/x").await.seen().target, "/x");
    let request = client.request("POST", "/y");
    let answer = client.send(request, Some(vec![b'a'; 200_000]), None).await.unwrap();
    assert_eq!(answer.seen().body_length, 200_000);

    let mut raw = RawHttp2::open(address).await;
    raw.send(&[Frame::headers(1, &get_fields("/z"), END_STREAM)]).await;
    let outcome = raw.outcome(1).await;
    assert_eq!(outcome.status, Some(200));
    assert!(String::from_utf8_lossy(&outcome.body).contains("/z"));
    raw.send(&[Frame::new(kind::PING, 0, 0, [1, 2, 3])]).await;
    assert_eq!(raw.outcome(3).await.goaway, Some(code::FRAME_SIZE_ERROR));
}

#[tokio::test]
async fn origins_speak_http2_and_tls() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["origin.example"], Kind::Rsa);
    let origin = Origin::tls(&leaf, &["h2", "http/1.1"]).await;
    let client = TlsClient::trusting(&authority, "origin.example").alpn(&["h2"]);
    let (stream, negotiated) = client.handshake(origin.address()).await.unwrap();
    assert_eq!(negotiated.alpn.as_deref(), Some("h2"));
    assert!(negotiated.rsa);
    assert_eq!(Http2::over(stream, "https").await.get("/b").await.seen().version, "HTTP/2");
    let (mut plain, _) = client.alpn(&["http/1.1"]).connect(origin.address()).await;
    assert_eq!(plain.get("/c").await.seen().version, "HTTP/1.1");

    let origin = Origin::http2().await;
    let mut client = Http2::open(origin.address()).await;
    let mut request = client.request("POST", "/service/method");
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let answer = client.send(request, Some(b"hello".to_vec()), None).await.unwrap();
    assert_eq!((answer.text().as_str(), answer.trailer("grpc-status")), ("hello", Some("0")));
}

#[tokio::test]
async fn tls_tells_what_was_negotiated() {
    let authority = Authority::new();
    let origin = Origin::start().await;
    let mut nginx = nginx_before(origin.address(), &authority).await;
    let address = nginx.address("tls-port");
    let client = TlsClient::trusting(&authority, "shop.example.com");
    let (mut connection, facts) = client.clone().only(SslVersion::TLS1_2).connect(address).await;
    assert_eq!((facts.version.as_str(), facts.rsa), ("TLSv1.2", false));
    assert_eq!(connection.get("/").await.status, 200);
    let (_, facts) = client.connect(address).await;
    assert_eq!(facts.version, "TLSv1.3");
    let wrong = TlsClient::trusting(&authority, "other.example.com");
    assert!(wrong.handshake(address).await.is_err());
    let stranger = TlsClient::trusting(&Authority::new(), "shop.example.com");
    assert!(stranger.handshake(address).await.is_err());
}

#[tokio::test]
async fn an_origin_that_holds_its_answer_notices_that_its_client_left() {
    let origin = Origin::start().await;
    let mut client = Connection::open(origin.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: hold\r\n\r\n").await;
    eventually("the origin has it", async || (origin.seen().len() == 1).then_some(())).await;
    assert_eq!(origin.open(), 1);
    drop(client);
    eventually("the origin is free", async || (origin.open() == 0).then_some(())).await;
}

#[tokio::test]
async fn websockets_echo() {
    let origin = Origin::start().await;
    let mut nginx = nginx_before(origin.address(), &Authority::new()).await;
    let client = Connection::open(nginx.address("web-port")).await;
    let mut socket = WebSocket::open(client, "/chat").await;
    for length in [5, 126, 70_000] {
        socket.echo(&"x".repeat(length)).await.unwrap();
    }
    socket.send(9, b"are you there").await.unwrap();
    assert_eq!(socket.next().await.unwrap().opcode, 10);
    socket.close().await;
}

#[tokio::test]
async fn busy_connections_count_what_goes_well_and_what_fails() {
    let origin = Origin::start().await;
    let mut nginx = nginx_before(origin.address(), &Authority::new()).await;
    let mix = Mix { http1: 4, http2: 0, websocket: 2, upload: 2 };
    let load = Load::start(nginx.address("web-port"), mix);
    eventually("the load runs", async || (load.done() > 100).then_some(())).await;
    let totals = load.stop().await;
    assert!(totals.failed.is_empty() && totals.cut.is_empty(), "{totals:?}");
    assert!(totals.streams > 4, "{totals:?}");

    let mix = Mix { http1: 0, http2: 2, websocket: 0, upload: 0 };
    let load = Load::start(nginx.address("h2c-port"), mix);
    eventually("the load runs", async || (load.done() > 50).then_some(())).await;
    let totals = load.stop().await;
    assert!(totals.failed.is_empty() && totals.cut.is_empty(), "{totals:?}");

    let mix = Mix { http1: 4, http2: 0, websocket: 2, upload: 2 };
    let load = Load::start(nginx.address("web-port"), mix);
    eventually("the load runs", async || (load.done() > 50).then_some(())).await;
    drop(nginx);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let totals = load.stop().await;
    assert!(!totals.failed.is_empty() && !totals.cut.is_empty(), "{totals:?}");
}
