//! Origins that hang, reset, answer garbage or vanish.

use std::time::{Duration, Instant};

use marchproxy_tests::client::{Broken, Http2};
use marchproxy_tests::origin::{Behaviour, RawOrigin};
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Answer, Origin, Proxy, ports};

async fn answer_before(behaviour: Behaviour, timeouts: &str) -> Answer {
    let origin = RawOrigin::start(behaviour).await;
    let text = SIMPLE.replace("name: app,", &format!("name: app, timeouts: {{ {timeouts} }},"));
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    proxy.get("/").await
}

async fn told(behaviour: Behaviour, timeouts: &str, status: u16, reason: &str) {
    let what = format!("{behaviour:?}");
    let answer = answer_before(behaviour, timeouts).await;
    assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{what}");
}

#[tokio::test]
async fn nobody_there_is_a_502() {
    let away = std::net::SocketAddr::from(([127, 0, 0, 1], ports::free()));
    let proxy = Proxy::before(away).await;
    let answer = proxy.get("/").await;
    assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream.connect_refused"));
    let answer = Http2::open(proxy.web()).await.get("/").await;
    assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream.connect_refused"));
}

#[tokio::test]
async fn a_close_or_reset_before_an_answer_is_a_502() {
    for behaviour in [
        Behaviour::CloseAtOnce,
        Behaviour::ResetAtOnce,
        Behaviour::CloseAfterHead,
        Behaviour::ResetAfterHead,
    ] {
        told(behaviour, "connect: 5s", 502, "upstream.reset").await;
    }
}

#[tokio::test]
async fn silence_is_a_504_at_the_time_for_the_first_byte() {
    let begin = Instant::now();
    told(Behaviour::Silent, "first_byte: 300ms", 504, "upstream.timeout").await;
    told(Behaviour::Deaf, "first_byte: 300ms", 504, "upstream.timeout").await;
    assert!(begin.elapsed() >= Duration::from_millis(600));
}

#[tokio::test]
async fn silence_is_a_504_for_a_client_of_http2_too() {
    let (http1, http2) = (Origin::start().await, Origin::http2().await);
    for (protocol, timeouts, route) in [
        ("http1", "first_byte: 300ms", ""),
        ("http1", "first_byte: 60s", ", timeout: 300ms"),
        ("http2", "first_byte: 300ms, idle: 300ms", ""),
        ("http2", "first_byte: 60s", ", timeout: 300ms"),
    ] {
        let origin = if protocol == "http1" { &http1 } else { &http2 };
        let upstream = format!("name: app, protocol: {protocol}, timeouts: {{ {timeouts} }},");
        let text = SIMPLE
            .replace("name: app,", &upstream)
            .replace("upstream: app }", &format!("upstream: app{route} }}"));
        let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
        let mut client = Http2::open(proxy.web()).await;
        let mut request = client.request("GET", "/");
        request.headers_mut().insert("x-script", "hold".parse().unwrap());
        let answer = client.send(request, None, None).await.unwrap();
        let what = format!("{protocol} {timeouts}{route}");
        assert_eq!((answer.status, answer.reason().as_str()), (504, "upstream.timeout"), "{what}");
    }
}

#[tokio::test]
async fn the_time_of_the_whole_request_bounds_a_dripping_answer() {
    let pieces = vec![b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n".to_vec()];
    let drip = std::iter::repeat_n(b"x".to_vec(), 100);
    let pieces: Vec<_> = pieces.into_iter().chain(drip).collect();
    let origin = RawOrigin::start(Behaviour::Pieces(pieces, Duration::from_millis(50))).await;
    let text = SIMPLE.replace("upstream: app }", "upstream: app, timeout: 500ms }");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let begin = Instant::now();
    let mut connection = proxy.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let broken = connection.try_answer().await;
    assert!(matches!(broken, Err(Broken::ClosedWithin(_) | Broken::Reset)), "{broken:?}");
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_pause_within_an_answer_is_bounded() {
    let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhello".to_vec();
    let origin = RawOrigin::start(Behaviour::AnswerAndStay(begun)).await;
    let text = SIMPLE.replace("name: app,", "name: app, timeouts: { idle: 300ms },");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let mut connection = proxy.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(connection.try_answer().await.is_err());
    let line = proxy.access_line_of("/").await;
    assert_eq!(line["reason"], "upstream.timeout", "{line}");
}

#[tokio::test]
async fn a_reset_in_the_middle_of_an_answer_is_seen_by_the_client_and_logged() {
    let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhello".to_vec();
    let origin = RawOrigin::start(Behaviour::AnswerAndReset(begun.clone())).await;
    let proxy = Proxy::before(origin.address()).await;
    let mut connection = proxy.connect().await;
    connection.send("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(connection.try_answer().await.is_err());
    assert_eq!(proxy.access_line_of("/cut").await["reason"], "upstream.reset");
    assert!(Http2::open(proxy.web()).await.try_get("/cut").await.is_err());
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_in_time_is_a_504() {
    // A socket whose queue is full takes no more connections: SYNs get no answer.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let mut fillers = Vec::new();
    for _ in 0..4 {
        let connecting = tokio::net::TcpStream::connect(address);
        if let Ok(stream) = tokio::time::timeout(Duration::from_millis(200), connecting).await {
            fillers.push(stream);
        }
    }
    let text = SIMPLE.replace("name: app,", "name: app, timeouts: { connect: 300ms },");
    let proxy = Setup::new().set("origin", address).start(&text).await;
    let answer = proxy.get("/").await;
    assert_eq!((answer.status, answer.reason().as_str()), (504, "upstream.connect_timeout"));
}

#[tokio::test]
async fn a_request_is_never_sent_twice_when_it_is_not_safe() {
    let origin = RawOrigin::start(Behaviour::CloseAfterHead).await;
    let proxy = Proxy::before(origin.address()).await;
    let answer =
        proxy.request("POST /pay HTTP/1.1\r\nHost: a\r\ncontent-length: 2\r\n\r\nok").await;
    assert_eq!(answer.status, 502);
    assert_eq!(origin.received().matches("POST /pay").count(), 1);
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn a_kept_connection_that_dies_on_reuse_costs_a_safe_request_nothing() {
    let origin = RawOrigin::start(Behaviour::CloseOnReuse).await;
    let proxy = Proxy::before(origin.address()).await;
    let mut connection = proxy.connect().await;
    for _ in 0..5 {
        assert_eq!(connection.get("/").await.status, 200);
    }
}

#[tokio::test]
async fn after_a_failure_the_clients_connection_goes_on() {
    let origin = RawOrigin::start(Behaviour::CloseAfterHead).await;
    let proxy = Proxy::before(origin.address()).await;
    let mut connection = proxy.connect().await;
    for _ in 0..3 {
        assert_eq!(connection.get("/").await.status, 502);
    }
}

#[tokio::test]
async fn a_failure_after_an_interim_answer_is_told_all_the_same() {
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
    let origin = RawOrigin::start(Behaviour::Answer(interim)).await;
    let proxy = Proxy::before(origin.address()).await;
    let answer = proxy.get("/").await;
    assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream.reset"));
}

#[tokio::test]
async fn an_origin_that_comes_back_is_used_at_once() {
    let port = ports::free();
    let proxy = Proxy::before(std::net::SocketAddr::from(([127, 0, 0, 1], port))).await;
    assert_eq!(proxy.get("/").await.status, 502);
    let origin = Origin::on_port("back", port).await;
    assert_eq!(proxy.get("/").await.seen().origin, "back");
    drop(origin);
}

#[tokio::test]
async fn one_hanging_origin_does_not_hold_up_the_others() {
    let hanging = RawOrigin::start(Behaviour::Silent).await;
    let origin = Origin::start().await;
    let text = r#"
listeners: [{ name: web, address: "127.0.0.1:@web-port@" }]
routes:
  - { name: hang, match: { path: /hang }, upstream: hanging }
  - { name: fine, match: { path: /fine }, upstream: app }
upstreams:
  - { name: hanging, endpoints: ["@hanging@"], timeouts: { first_byte: 30s } }
  - { name: app, endpoints: ["@origin@"] }
"#;
    let setup = Setup::new().set("hanging", hanging.address()).set("origin", origin.address());
    let proxy = setup.start(text).await;
    let mut held = Vec::new();
    for _ in 0..200 {
        let mut connection = proxy.connect().await;
        connection.send("GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await;
        held.push(connection);
    }
    let begin = Instant::now();
    assert_eq!(proxy.get("/fine").await.status, 200);
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn an_answer_with_a_length_reaches_the_client_as_it_comes() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n".to_vec();
    let pieces = vec![head, b"ab".to_vec(), b"cd".to_vec(), b"ef".to_vec()];
    let pause = Duration::from_millis(300);
    let origin = RawOrigin::start(Behaviour::Pieces(pieces, pause)).await;
    let proxy = Proxy::before(origin.address()).await;
    let mut connection = proxy.connect().await;
    let begin = std::time::Instant::now();
    connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(connection.one_head().await.unwrap().status, 200);
    let head_after = begin.elapsed();
    assert_eq!(connection.bytes(2).await.unwrap(), b"ab");
    let piece_after = begin.elapsed();
    assert_eq!(connection.bytes(4).await.unwrap(), b"cdef");
    // In terms of the origin's own pauses, so that a slow machine makes no difference.
    assert!(begin.elapsed() >= head_after + 2 * pause, "the head waited for the body");
    assert!(begin.elapsed() >= piece_after + pause, "a piece waited for the next");
}

#[tokio::test]
async fn what_had_come_of_an_answer_that_breaks_off_reaches_the_client() {
    let begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nbegun".to_vec();
    for behaviour in [Behaviour::Answer(begun.clone()), Behaviour::AnswerAndReset(begun)] {
        let what = format!("{behaviour:?}");
        let origin = RawOrigin::start(behaviour).await;
        let proxy = Proxy::before(origin.address()).await;
        let mut connection = proxy.connect().await;
        connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let got = connection.closed_within(Duration::from_secs(5)).await;
        let text = String::from_utf8_lossy(&got);
        assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("begun"), "{what}: {text}");
    }
}
