//! Connections that are used again, and when they are not (RFC 9112, section 9).

use std::time::Duration;

use marchproxy_tests::{Origin, Proxy};

async fn start() -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    (origin, proxy)
}

#[tokio::test]
async fn rfc9112_9_3_a_connection_of_http_1_1_is_used_again() {
    let (origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    for number in 0..5 {
        assert_eq!(connection.get(&format!("/{number}")).await.seen().target, format!("/{number}"));
    }
    // The connection to the origin is used again as well.
    assert!(origin.connections() <= 2, "{} connections", origin.connections());
}

#[tokio::test]
async fn rfc9112_9_6_close_is_honoured_and_said() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let answer = connection.answer().await;
    assert_eq!(answer.status, 200);
    assert!(answer.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")));
    connection.closed().await;
}

#[tokio::test]
async fn rfc9112_9_3_a_connection_of_http_1_0_closes_unless_asked() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    connection.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 200);
    connection.closed().await;
    let mut connection = proxy.connect().await;
    connection.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").await;
    let answer = connection.answer().await;
    if answer.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("keep-alive")) {
        assert_eq!(connection.get("/").await.status, 200);
    } else {
        connection.closed().await;
    }
}

#[tokio::test]
async fn rfc9112_9_3_2_pipelined_requests_are_answered_in_order() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    let one = |path: &str, script: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: a\r\nx-script: {script}\r\n\r\n")
    };
    let body = "POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let all = [one("/a", "delay 100"), one("/b", "delay 1"), body.to_owned(), one("/d", "delay 1")];
    connection.send(all.concat()).await;
    for path in ["/a", "/b", "/c", "/d"] {
        assert_eq!(connection.answer().await.seen().target, path);
    }
}

#[tokio::test]
async fn rfc9112_2_2_a_head_may_come_byte_by_byte() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    for _ in 0..2 {
        let request = b"GET /slow HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n";
        let pieces: Vec<&[u8]> = request.chunks(1).collect();
        connection.send_slowly(&pieces, Duration::from_millis(1)).await;
        assert_eq!(connection.answer().await.seen().target, "/slow");
    }
}

#[tokio::test]
async fn rfc9112_9_5_a_close_between_requests_is_no_error() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    assert_eq!(connection.get("/").await.status, 200);
    connection.finish().await;
    let rest = connection.closed_within(Duration::from_secs(5)).await;
    assert!(rest.is_empty(), "{rest:?}");
    // Nor is a connection that never asks for anything.
    let mut connection = proxy.connect().await;
    connection.finish().await;
    assert!(connection.closed_within(Duration::from_secs(5)).await.is_empty());
}
