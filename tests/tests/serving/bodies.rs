//! Bodies, streamed both ways.

use std::time::Duration;

use marchproxy_tests::client::Http2;
use marchproxy_tests::client::http2::{next_piece, send_all};
use marchproxy_tests::origin::Nginx;
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, eventually, within};

async fn start() -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    (origin, proxy)
}

#[tokio::test]
async fn bodies_of_many_sizes_arrive_whole_both_ways() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    for size in [0, 1, 1023, 4096, 65_535, 65_536, 1 << 20] {
        let body = "a".repeat(size);
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\ncontent-length: {size}\r\n\r\n");
        connection.send([head.as_bytes(), body.as_bytes()].concat()).await;
        assert_eq!(connection.answer().await.seen().body_length, size);
        for coding in ["", ";chunked"] {
            let get = format!("GET / HTTP/1.1\r\nHost: a\r\nx-script: size {size}{coding}\r\n\r\n");
            connection.send(get).await;
            assert_eq!(connection.answer().await.body.len(), size, "{size}{coding}");
        }
    }
}

#[tokio::test]
async fn a_chunked_body_stays_a_body_of_unknown_length() {
    let (origin, proxy) = start().await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    let seen = proxy.request(request).await.seen();
    assert_eq!(seen.body, "hello world");
    assert_eq!(seen.field("transfer-encoding"), Some("chunked"));
    assert_eq!(origin.seen()[0].field("content-length"), None);
}

#[tokio::test]
async fn an_answer_may_come_before_the_body_is_complete() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nx-script: early;status 401;size 3\r\n\
                content-length: 100000\r\n\r\n";
    connection.send(head).await;
    connection.send(vec![b'x'; 100]).await;
    assert_eq!(connection.answer().await.status, 401);
}

#[tokio::test]
async fn server_sent_events_arrive_one_by_one() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: events 3 300\r\n\r\n").await;
    let head = connection.try_head().await.unwrap();
    assert_eq!(head.field("content-type"), Some("text/event-stream"));
    let begin = std::time::Instant::now();
    let first = within("an event", connection.chunk()).await.unwrap();
    assert!(first.starts_with(b"id: 0"), "{first:?}");
    assert!(begin.elapsed() < Duration::from_millis(250), "it waited for the next one");
    for number in 1..3 {
        let event = within("an event", connection.chunk()).await.unwrap();
        assert!(event.starts_with(format!("id: {number}").as_bytes()), "{event:?}");
    }
    assert!(connection.chunk().await.unwrap().is_empty());
}

#[tokio::test]
async fn server_sent_events_arrive_one_by_one_over_http2() {
    let (_origin, proxy) = start().await;
    let mut client = Http2::open(proxy.web()).await;
    let mut request = client.request("GET", "/");
    request.headers_mut().insert("x-script", "events 3 200".parse().unwrap());
    let (answer, _) = client.start(request, true).await.unwrap();
    let mut body = within("a head", answer).await.unwrap().into_body();
    for number in 0..3 {
        let event = within("an event", next_piece(&mut body)).await.unwrap().unwrap();
        assert!(event.starts_with(format!("id: {number}").as_bytes()), "{event:?}");
    }
}

#[tokio::test]
async fn a_long_poll_waits_as_long_as_it_may() {
    let (origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: hold\r\n\r\n").await;
    assert!(connection.silent_for(Duration::from_millis(300)).await);
    origin.release();
    assert_eq!(connection.answer().await.status, 200);
}

#[tokio::test]
async fn a_slow_upload_streams_through_before_it_is_complete() {
    let (origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    connection
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        .await;
    eventually("the head is forwarded", async || (origin.open() == 1).then_some(())).await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        connection.send("5\r\nhello\r\n").await;
    }
    connection.send("0\r\n\r\n").await;
    assert_eq!(connection.answer().await.seen().body_length, 30);
}

#[tokio::test]
async fn an_answer_streams_on_while_its_request_is_still_sent() {
    let origin = Origin::http2().await;
    let text = marchproxy_tests::proxy::SIMPLE.replace("name: app,", "name: app, protocol: http2,");
    let proxy =
        marchproxy_tests::proxy::Setup::new().set("origin", origin.address()).start(&text).await;
    let mut client = Http2::open(proxy.web()).await;
    let mut request = client.request("POST", "/");
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let (answer, mut up) = client.start(request, false).await.unwrap();
    send_all(&mut up, "one".into(), false).await.unwrap();
    let mut body = within("a head", answer).await.unwrap().into_body();
    for word in ["one", "two", "three"] {
        assert_eq!(within("an echo", next_piece(&mut body)).await.unwrap().unwrap(), word);
        let next = if word == "one" { "two" } else { "three" };
        if word != "three" {
            send_all(&mut up, next.into(), false).await.unwrap();
        }
    }
    send_all(&mut up, "".into(), true).await.unwrap();
    assert_eq!(within("the end", next_piece(&mut body)).await.unwrap(), None);
}

#[tokio::test]
async fn files_of_a_real_nginx_arrive_whole_with_ranges() {
    let file: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let http = "server { listen 127.0.0.1:@web-port@; root @dir@/www; }";
    let files: [(&str, &[u8]); 1] = [("www/big.bin", &file)];
    let mut nginx = Nginx::with(Default::default(), &files, http).await;
    let proxy = Proxy::before(nginx.address("web-port")).await;
    let mut connection = proxy.connect().await;
    let answer = connection.get("/big.bin").await;
    assert!(answer.status == 200 && answer.body == file, "{}", answer.body.len());
    connection.send("GET /big.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=10-19\r\n\r\n").await;
    let part = connection.answer().await;
    assert_eq!((part.status, part.body.as_slice()), (206, &file[10..20]));
    let etag = answer.field("etag").unwrap().to_owned();
    connection
        .send(format!("GET /big.bin HTTP/1.1\r\nHost: a\r\nIf-None-Match: {etag}\r\n\r\n"))
        .await;
    assert_eq!(connection.answer().await.status, 304);
    assert_eq!(connection.get("/none").await.status, 404);
    let mut client = Http2::open(proxy.web()).await;
    assert!(client.get("/big.bin").await.body == file);
}

async fn buffering(most: &str, mirror: bool) -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let mirror = if mirror { ", mirror: { upstream: app }" } else { "" };
    let route = format!("upstream: app, request_buffer: {most}{mirror} }}");
    let text = SIMPLE.replace("upstream: app }", &route) + "process: { workers: 1 }\n";
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    (origin, proxy)
}

#[tokio::test]
async fn a_slow_client_holds_no_endpoint_when_its_body_is_taken_first() {
    let (origin, proxy) = buffering("64KiB", false).await;
    for framing in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let is_chunked = framing.starts_with('T');
        let part = |text: &str| {
            if is_chunked { format!("5\r\n{text}\r\n") } else { text.to_owned() }
        };
        let before = origin.connections();
        let mut connection = proxy.connect().await;
        connection.send(format!("PUT / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n")).await;
        connection.send(part("hello")).await;
        // Whoever comes after it is answered, and it has no connection yet.
        assert_eq!(proxy.get("/other").await.status, 200);
        assert_eq!(origin.connections(), 1.max(before));
        assert!(origin.seen().iter().all(|seen| seen.target == "/other" || seen.body_length == 10));
        connection.send(part("world")).await;
        if is_chunked {
            connection.send("0\r\n\r\n").await;
        }
        assert_eq!(connection.answer().await.seen().body, "helloworld");
    }
}

#[tokio::test]
async fn more_than_is_taken_first_is_passed_on_as_it_comes() {
    let (origin, proxy) = buffering("4KiB", false).await;
    let mut connection = proxy.connect().await;
    connection.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n").await;
    connection.send(vec![b'x'; 50_000]).await;
    eventually("the endpoint is asked", async || (origin.connections() == 1).then_some(())).await;
    connection.send(vec![b'x'; 50_000]).await;
    assert_eq!(connection.answer().await.seen().body_length, 100_000);
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_its_body_is_asked_when_it_is_taken_first() {
    let (origin, proxy) = buffering("4KiB", true).await;
    let mut connection = proxy.connect().await;
    let head = "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    connection.send(head).await;
    assert_eq!(connection.one_head().await.unwrap().status, 100);
    assert_eq!(origin.connections(), 0);
    connection.send("hello").await;
    assert_eq!(connection.answer().await.seen().body, "hello");
    eventually("the copy has the body too", async || (origin.seen().len() == 2).then_some(()))
        .await;
    assert!(origin.seen().iter().all(|seen| seen.body == "hello"));
    let mut client = Http2::open(proxy.web()).await;
    let request = client.request("PUT", "/");
    let answer = client.send(request, Some(b"hello".as_slice().into()), None).await.unwrap();
    assert_eq!(answer.seen().body, "hello");
}

#[tokio::test]
async fn a_body_that_is_taken_first_has_its_limits() {
    let origin = Origin::start().await;
    let text = SIMPLE
        .replace("upstream: app }", "upstream: app, request_buffer: 64KiB, body_size: 9B }")
        .replace("port@\" }", "port@\", requests: { body_idle: 300ms } }");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let chunked = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = proxy.request(format!("{chunked}a\r\n0123456789\r\n0\r\n\r\n")).await;
    assert_eq!((answer.status, answer.reason().as_str()), (413, "limit.body_size"));
    let answer = proxy.request(format!("{chunked}5\r\nhello\r\n")).await;
    assert_eq!((answer.status, answer.reason().as_str()), (408, "limit.body_time"));
    assert_eq!(origin.connections(), 0);
}
