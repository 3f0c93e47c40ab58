//! Limits on requests: each is met exactly, and answered with its status.

use marchproxy_tests::client::Http2;
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy};

async fn start(requests: &str) -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let address = "address: \"127.0.0.1:@web-port@\"";
    let text = SIMPLE.replace(address, &format!("{address}, requests: {{ {requests} }}"));
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    (origin, proxy)
}

async fn refused(proxy: &Proxy, request: &str, status: u16, reason: &str) {
    let mut connection = proxy.connect().await;
    let _ = connection.try_send(request).await;
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.reason().as_str()), (status, reason));
    connection.closed().await;
}

fn head_of(size: usize) -> String {
    let frame = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
    format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(size - frame))
}

#[tokio::test]
async fn a_head_may_be_as_long_as_told_and_no_longer() {
    let (_origin, proxy) = start("head_size: 1KiB").await;
    assert_eq!(proxy.request(head_of(1024)).await.status, 200);
    refused(&proxy, &head_of(1025), 431, "limit.head_size").await;
    // An endless head is refused before it ends.
    let endless = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(2000));
    refused(&proxy, &endless, 431, "limit.head_size").await;
    let mut client = Http2::open(proxy.web()).await;
    let mut request = client.request("GET", "/");
    request.headers_mut().insert("x-long", "x".repeat(2000).parse().unwrap());
    match client.send(request, None, None).await {
        Ok(answer) => assert_eq!(answer.status, 431),
        Err(error) => assert!(error.is_reset() || error.is_go_away(), "{error}"),
    }
}

#[tokio::test]
async fn heads_of_the_default_limit_pass() {
    let (_origin, proxy) = start("").await;
    assert_eq!(proxy.request(head_of(32 << 10)).await.status, 200);
    refused(&proxy, &head_of((32 << 10) + 1), 431, "limit.head_size").await;
}

#[tokio::test]
async fn a_target_may_be_as_long_as_told_and_no_longer() {
    let (_origin, proxy) = start("target_size: 100B").await;
    let request =
        |size: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(size - 1));
    assert_eq!(proxy.request(request(100)).await.status, 200);
    refused(&proxy, &request(101), 414, "limit.target_size").await;
    let endless = format!("GET /{}", "a".repeat(5000));
    refused(&proxy, &endless, 414, "limit.target_size").await;
    let mut client = Http2::open(proxy.web()).await;
    let answer = client.get(&format!("/{}", "a".repeat(100))).await;
    assert_eq!((answer.status, answer.reason().as_str()), (414, "limit.target_size"));
}

#[tokio::test]
async fn fields_may_be_as_many_as_told_and_no_more() {
    let (_origin, proxy) = start("fields: 10").await;
    let request =
        |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(count - 1));
    assert_eq!(proxy.request(request(10)).await.status, 200);
    refused(&proxy, &request(11), 431, "limit.fields").await;
    let mut client = Http2::open(proxy.web()).await;
    let mut http2 = client.request("GET", "/");
    for number in 0..12 {
        let name: http::HeaderName = format!("x-{number}").parse().unwrap();
        http2.headers_mut().insert(name, "a".parse().unwrap());
    }
    let answer = client.send(http2, None, None).await.unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (431, "limit.fields"));
}

#[tokio::test]
async fn a_head_of_http2_that_is_too_long_gets_its_reason_too() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let mut client = Http2::open(proxy.web()).await;
    let mut request = client.request("GET", "/");
    for number in 0..5 {
        let name: http::HeaderName = format!("x-{number}").parse().unwrap();
        request.headers_mut().insert(name, "a".repeat(8000).parse().unwrap());
    }
    let answer = client.send(request, None, None).await.unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (431, "limit.head_size"));
}

#[tokio::test]
async fn a_declared_body_that_is_too_long_is_refused_at_its_head() {
    let (origin, proxy) = start("body_size: 1KiB").await;
    let request = |size: usize| {
        format!("POST / HTTP/1.1\r\nHost: a\r\ncontent-length: {size}\r\n\r\n{}", "x".repeat(size))
    };
    assert_eq!(proxy.request(request(1024)).await.status, 200);
    refused(&proxy, &request(1025), 413, "limit.body_size").await;
    let huge = "POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 1125899906842624\r\n\r\n";
    refused(&proxy, huge, 413, "limit.body_size").await;
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn a_streamed_body_is_counted() {
    let (origin, proxy) = start("body_size: 1KiB").await;
    let chunked = |size: usize| {
        let data = "x".repeat(size);
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n{size:x}\r\n{data}\r\n0\r\n\r\n"
        )
    };
    assert_eq!(proxy.request(chunked(1024)).await.status, 200);
    refused(&proxy, &chunked(1025), 413, "limit.body_size").await;
    let mut client = Http2::open(proxy.web()).await;
    let request = client.request("POST", "/");
    let answer = client.send(request, Some(vec![b'x'; 5000]), None).await.unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (413, "limit.body_size"));
    assert_eq!(client.get("/next").await.status, 200);
    assert_eq!(origin.seen().len(), 2);
}

#[tokio::test]
async fn a_route_may_have_a_limit_of_its_own() {
    let origin = Origin::start().await;
    let text = SIMPLE
        .replace(
            "\"127.0.0.1:@web-port@\"",
            "\"127.0.0.1:@web-port@\", requests: { body_size: 10B }",
        )
        .replace(
            "routes: [",
            "routes: [{ name: up, match: { path: /up }, body_size: 100B, upstream: app }, ",
        );
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let request = |path: &str, size: usize| {
        let data = "x".repeat(size);
        format!("POST {path} HTTP/1.1\r\nHost: a\r\ncontent-length: {size}\r\n\r\n{data}")
    };
    assert_eq!(proxy.request(request("/up", 100)).await.status, 200);
    assert_eq!(proxy.request(request("/up", 101)).await.status, 413);
    assert_eq!(proxy.request(request("/", 11)).await.status, 413);
}
