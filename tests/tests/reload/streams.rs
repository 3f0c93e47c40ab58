//! Streams on what did not change are never cut by a reload.

use std::time::Duration;

use marchproxy_tests::client::{Http2, WebSocket};
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, within};

async fn start() -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let text = round(0);
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    (origin, proxy)
}

/// Every round has another route and another listener.
fn round(number: usize) -> String {
    let route = format!(
        "routes: [{{ name: r{number}, match: {{ path: /r{number} }}, respond: {{ status: 200 }} }}, "
    );
    let listener =
        format!("listeners: [{{ name: l{number}, address: \"127.0.0.1:@l{number}-port@\" }}, ");
    SIMPLE.replace("routes: [", &route).replace("listeners: [", &listener)
}

#[tokio::test]
async fn a_websocket_lives_through_reloads() {
    let (_origin, mut proxy) = start().await;
    let mut socket = WebSocket::open(proxy.connect().await, "/").await;
    for number in 1..5 {
        proxy.reload(&round(number)).await;
        socket.echo("still here").await.unwrap();
    }
    socket.close().await;
}

#[tokio::test]
async fn an_upload_and_a_download_live_through_reloads() {
    let (_origin, mut proxy) = start().await;
    let mut up = proxy.connect().await;
    up.send("POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 400\r\n\r\n").await;
    let mut down = proxy.connect().await;
    down.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: drip 100 10\r\n\r\n").await;
    for number in 1..5 {
        up.send([b'x'; 100]).await;
        proxy.reload(&round(number)).await;
    }
    assert_eq!(up.answer().await.seen().body_length, 400);
    assert_eq!(down.answer().await.body.len(), 100);
    assert_eq!(up.get("/r4").await.status, 200);
}

#[tokio::test]
async fn streams_of_http2_live_through_reloads() {
    let (_origin, mut proxy) = start().await;
    let mut client = Http2::open(proxy.web()).await;
    let mut request = client.request("GET", "/");
    request.headers_mut().insert("x-script", "events 10 50".parse().unwrap());
    let (answer, _) = client.start(request, true).await.unwrap();
    for number in 1..4 {
        proxy.reload(&round(number)).await;
        assert_eq!(client.get(&format!("/r{number}")).await.status, 200);
    }
    let answer = within("the stream", marchproxy_tests::client::http2::read(answer)).await.unwrap();
    assert!(answer.text().contains("event 9"));
}

#[tokio::test]
async fn idle_connections_live_through_reloads() {
    let (_origin, mut proxy) = start().await;
    let mut kept = proxy.connect().await;
    assert_eq!(kept.get("/").await.status, 200);
    for number in 1..4 {
        proxy.reload(&round(number)).await;
    }
    assert!(kept.silent_for(Duration::from_millis(200)).await);
    assert_eq!(kept.get("/").await.status, 200);
}
