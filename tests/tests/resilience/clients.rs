//! Clients that are slow, silent, or leave.

use std::time::{Duration, Instant};

use marchproxy_tests::client::frames::{END_STREAM, Frame, PREFACE, RawHttp2, code, get_fields};
use marchproxy_tests::client::{Answer, Connection};
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, eventually};

async fn start(requests: &str, connections: &str) -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let address = "address: \"127.0.0.1:@web-port@\"";
    let more = format!("{address}, requests: {{ {requests} }}, connections: {{ {connections} }}");
    let text = SIMPLE.replace(address, &more);
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    (origin, proxy)
}

async fn timed_out(mut connection: Connection, reason: &str) -> Answer {
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.reason().as_str()), (408, reason));
    connection.closed().await;
    answer
}

#[tokio::test]
async fn a_head_that_drips_gets_408_at_its_deadline() {
    let (_origin, proxy) = start("head_time: 500ms", "keep_alive: 60s").await;
    let begin = Instant::now();
    let mut connection = proxy.connect().await;
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let pieces: Vec<&[u8]> = head.chunks(1).take(10).collect();
    // One byte each 100 ms would take a minute: each byte must not begin the time anew.
    connection.send_slowly(&pieces, Duration::from_millis(100)).await;
    timed_out(connection, "limit.head_time").await;
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_second_head_has_the_same_deadline() {
    let (_origin, proxy) = start("head_time: 300ms", "keep_alive: 60s").await;
    let mut connection = proxy.connect().await;
    assert_eq!(connection.get("/").await.status, 200);
    // Idle time between requests is not time of a head.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(connection.get("/").await.status, 200);
    connection.send("GET / HT").await;
    timed_out(connection, "limit.head_time").await;
}

#[tokio::test]
async fn a_body_that_stops_gets_408() {
    let (origin, proxy) = start("body_idle: 300ms", "keep_alive: 60s").await;
    for head in
        ["content-length: 100\r\n\r\nhello", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"]
    {
        let mut connection = proxy.connect().await;
        connection.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{head}")).await;
        timed_out(connection, "limit.body_time").await;
    }
    assert_eq!(origin.seen().len(), 0);
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let (_origin, proxy) = start("head_time: 10s", "keep_alive: 300ms").await;
    let mut fresh = proxy.connect().await;
    let mut used = proxy.connect().await;
    assert_eq!(used.get("/").await.status, 200);
    assert!(used.closed_within(Duration::from_secs(3)).await.is_empty());
    assert!(fresh.closed_within(Duration::from_secs(12)).await.is_empty());
}

#[tokio::test]
async fn an_http2_connection_that_says_nothing_is_closed() {
    let (_origin, proxy) = start("head_time: 300ms", "keep_alive: 500ms").await;
    for begun in [&PREFACE[..10], PREFACE] {
        let mut connection = proxy.connect().await;
        connection.send(begun).await;
        connection.closed_within(Duration::from_secs(3)).await;
    }
    // Used once and idle then.
    let mut client = RawHttp2::open(proxy.web()).await;
    client.send(&[Frame::headers(1, &get_fields("/"), END_STREAM)]).await;
    assert_eq!(client.outcome(1).await.status, Some(200));
    // It is told before it is left, so that a request on its way is not lost unawares.
    let outcome = client.outcome(3).await;
    assert_eq!(outcome.goaway, Some(code::NO_ERROR), "{outcome:?}");
}

#[tokio::test]
async fn a_short_http_1_0_request_is_not_taken_for_half_a_preface() {
    let (_origin, proxy) = start("head_time: 5s", "keep_alive: 5s").await;
    let begin = Instant::now();
    assert_eq!(proxy.request("GET / HTTP/1.0\r\n\r\n").await.status, 200);
    assert_eq!(proxy.request("PRI / HTTP/1.0\r\n\r\n").await.status, 200);
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let (origin, proxy) = start("answer_idle: 500ms", "keep_alive: 5s").await;
    let mut connection = proxy.connect().await;
    connection.send("GET /big HTTP/1.1\r\nHost: a\r\nx-script: size 50000000\r\n\r\n").await;
    let line = proxy.access_line_of("/big").await;
    assert_eq!(line["reason"], "client.slow", "{line}");
    eventually("the origin is free again", async || (origin.open() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_client_that_leaves_frees_the_origin() {
    let (origin, proxy) = start("head_time: 5s", "keep_alive: 5s").await;
    let mut connection = proxy.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: hold\r\n\r\n").await;
    eventually("the origin has it", async || (origin.seen().len() == 1).then_some(())).await;
    drop(connection);
    eventually("the origin is free again", async || (origin.open() == 0).then_some(())).await;
}
