//! WebSocket (RFC 6455).

use std::time::Duration;

use marchproxy_tests::client::{Connection, WebSocket};
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, eventually, within};

async fn start() -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    (origin, proxy)
}

#[tokio::test]
async fn messages_of_all_sizes_go_both_ways() {
    let (origin, proxy) = start().await;
    let mut socket = WebSocket::open(proxy.connect().await, "/chat?x=1").await;
    for length in [0, 1, 125, 126, 65_535, 65_536, 1_000_000] {
        socket.echo(&"x".repeat(length)).await.unwrap();
    }
    socket.send(9, b"ping").await.unwrap();
    let pong = within("a pong", socket.next()).await.unwrap();
    assert_eq!((pong.opcode, pong.payload.as_slice()), (10, &b"ping"[..]));
    socket.close().await;
    let seen = &origin.seen()[0];
    assert_eq!(seen.target, "/chat?x=1");
    assert_eq!(seen.field("sec-websocket-version"), Some("13"));
    assert!(seen.field("connection").unwrap().eq_ignore_ascii_case("upgrade"));
}

#[tokio::test]
async fn a_frame_sent_with_the_handshake_is_not_lost() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let frame = marchproxy_tests::client::websocket::frame(1, b"early", Some([1, 2, 3, 4]));
    connection.send([head.as_bytes(), &frame].concat()).await;
    let answer = connection.try_head().await.unwrap();
    assert_eq!(answer.status, 101);
    let message =
        within("an echo", marchproxy_tests::client::websocket::read_frame(&mut connection));
    assert_eq!(message.await.unwrap().payload, b"early");
}

#[tokio::test]
async fn the_origin_may_close_first() {
    let (_origin, proxy) = start().await;
    let mut socket = WebSocket::open(proxy.connect().await, "/").await;
    socket.send(1, b"bye").await.unwrap();
    assert_eq!(within("a close", socket.next()).await.unwrap().opcode, 8);
}

#[tokio::test]
async fn a_client_that_vanishes_frees_the_origin() {
    let (origin, proxy) = start().await;
    let mut socket = WebSocket::open(proxy.connect().await, "/").await;
    socket.echo("hello").await.unwrap();
    drop(socket);
    eventually("the origin's side ends", async || (origin.open() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_refused_handshake_is_an_ordinary_answer() {
    let origin = marchproxy_tests::origin::RawOrigin::answering(
        "HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno",
    )
    .await;
    let proxy = Proxy::before(origin.address()).await;
    let (socket, answer) = WebSocket::try_open(proxy.connect().await, "/").await.unwrap();
    assert!(socket.is_none() && answer.status == 403);
}

#[tokio::test]
async fn a_switch_to_anything_else_is_not_forwarded() {
    let (_origin, proxy) = start().await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tls/1.0\r\n\r\n";
    let answer = proxy.request(request).await;
    assert_eq!(answer.seen().fields_named("upgrade"), [""; 0]);
}

#[tokio::test]
async fn a_silent_socket_lives_as_long_as_its_idle_time() {
    let origin = Origin::start().await;
    let text = marchproxy_tests::proxy::SIMPLE
        .replace("name: app,", "name: app, timeouts: { idle: 600ms, request: 100ms },");
    let proxy =
        marchproxy_tests::proxy::Setup::new().set("origin", origin.address()).start(&text).await;
    let mut socket = WebSocket::open(proxy.connect().await, "/").await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        socket.echo("still here").await.unwrap();
    }
    let mut connection: Connection = socket.into_connection();
    connection.closed_within(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_silent_socket_is_not_bound_by_the_times_of_bodies() {
    let origin = Origin::start().await;
    let text = SIMPLE
        .replace("@web-port@\"", "@web-port@\", requests: { body_idle: 300ms, answer_idle: 300ms }")
        .replace("name: app,", "name: app, timeouts: { idle: 30s },");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let mut socket = WebSocket::open(proxy.connect().await, "/").await;
    tokio::time::sleep(std::time::Duration::from_millis(900)).await;
    socket.echo("still here").await.unwrap();
}
