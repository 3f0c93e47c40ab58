//! SIGTERM: what runs may end, within a bound.

use std::time::{Duration, Instant};

use marchproxy_tests::client::frames::{END_STREAM, Frame, RawHttp2, code, get_fields};
use marchproxy_tests::client::{Connection, WebSocket};
use marchproxy_tests::proxy::{SIMPLE, Setup, try_get};
use marchproxy_tests::{Origin, Proxy, eventually};
use rustix::process::Signal;

async fn start(drain: &str) -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let text = format!("{SIMPLE}process: {{ drain: {drain} }}\n");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    (origin, proxy)
}

async fn held(origin: &Origin, proxy: &Proxy) -> Connection {
    let mut connection = proxy.connect().await;
    let before = origin.seen().len();
    connection.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: hold\r\n\r\n").await;
    eventually("the origin has it", async || (origin.seen().len() > before).then_some(())).await;
    connection
}

#[tokio::test]
async fn requests_that_run_are_answered_and_new_connections_refused() {
    let (origin, mut proxy) = start("10s").await;
    let mut running = held(&origin, &proxy).await;
    let mut idle = proxy.connect().await;
    assert_eq!(idle.get("/").await.status, 200);
    proxy.signal(Signal::TERM);
    idle.closed().await;
    let web = proxy.web();
    eventually("the port is closed", async || {
        tokio::net::TcpStream::connect(web).await.is_err().then_some(())
    })
    .await;
    // Whoever balances over proxies must see it; the status listener may be gone later.
    if let Some(answer) = try_get(proxy.address("status"), "/readyz").await {
        assert_eq!(answer.status, 503);
    }
    assert!(proxy.runs());
    origin.release();
    let answer = running.answer().await;
    assert_eq!(answer.status, 200);
    running.closed().await;
    assert_eq!(proxy.ended(Duration::from_secs(5)).await.code(), Some(0));
}

#[tokio::test]
async fn what_does_not_end_is_cut_when_the_drain_is_over() {
    let (origin, mut proxy) = start("500ms").await;
    let mut running = held(&origin, &proxy).await;
    let mut socket = WebSocket::open(proxy.connect().await, "/").await;
    socket.echo("hello").await.unwrap();
    let begin = Instant::now();
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended(Duration::from_secs(5)).await.code(), Some(0));
    assert!(begin.elapsed() >= Duration::from_millis(400), "{:?}", begin.elapsed());
    running.closed().await;
    assert!(socket.next().await.is_err());
}

#[tokio::test]
async fn a_websocket_lives_until_it_is_closed() {
    let (_origin, mut proxy) = start("10s").await;
    let mut socket = WebSocket::open(proxy.connect().await, "/").await;
    proxy.signal(Signal::TERM);
    for _ in 0..5 {
        socket.echo("still here").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    socket.close().await;
    assert_eq!(proxy.ended(Duration::from_secs(5)).await.code(), Some(0));
}

#[tokio::test]
async fn an_http2_connection_gets_goaway_and_its_streams_end() {
    let (origin, mut proxy) = start("10s").await;
    let mut client = RawHttp2::open(proxy.web()).await;
    let mut fields = get_fields("/");
    fields.push(("x-script", "hold"));
    client.send(&[Frame::headers(1, &fields, END_STREAM)]).await;
    eventually("the origin has it", async || (origin.seen().len() == 1).then_some(())).await;
    proxy.signal(Signal::TERM);
    let web = proxy.web();
    eventually("the port is closed", async || {
        tokio::net::TcpStream::connect(web).await.is_err().then_some(())
    })
    .await;
    origin.release();
    let outcome = client.outcome(1).await;
    assert_eq!((outcome.status, outcome.goaway), (Some(200), Some(code::NO_ERROR)));
    assert_eq!(proxy.ended(Duration::from_secs(5)).await.code(), Some(0));
}

#[tokio::test]
async fn a_head_that_is_begun_is_still_taken() {
    let (_origin, mut proxy) = start("10s").await;
    let mut connection = proxy.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: a\r\n").await;
    connection.taken().await;
    proxy.signal(Signal::TERM);
    proxy.log.wait_for("it drains", |line| line.contains("draining")).await;
    connection.send("\r\n").await;
    let answer = connection.answer().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(proxy.ended(Duration::from_secs(5)).await.code(), Some(0));
}

#[tokio::test]
async fn a_second_sigterm_cuts_at_once() {
    let (origin, mut proxy) = start("60s").await;
    let mut running = held(&origin, &proxy).await;
    proxy.signal(Signal::TERM);
    proxy.log.wait_for("it drains", |line| line.contains("draining")).await;
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended(Duration::from_secs(5)).await.code(), Some(0));
    running.closed().await;
}

#[tokio::test]
async fn what_the_end_of_a_drain_cuts_is_not_called_the_clients_doing() {
    let origin = Origin::start().await;
    let text = format!("{SIMPLE}\nprocess: {{ drain: 300ms }}\n");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let mut connection = proxy.connect().await;
    let head = "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: patient\r\nx-script: hold\r\n\r\n";
    connection.send(head).await;
    eventually("the origin has it", async || (!origin.seen().is_empty()).then_some(())).await;
    proxy.signal(Signal::TERM);
    let line = proxy.access_line(|line| line["reason"] == "proxy.draining").await;
    assert_eq!((&line["status"], &line["user_agent"]), (&503.into(), &"patient".into()), "{line}");
}
