//! Which connections to endpoints are used again, shared, or given up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use marchproxy_tests::origin::{Behaviour, RawOrigin};
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, eventually};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// With one worker, which has all the connections. `upstream` are keys of it.
async fn on_one_worker(origin: SocketAddr, upstream: &str) -> Proxy {
    let text = SIMPLE.replace("name: app,", &format!("name: app, {upstream}"));
    let text = format!("{text}\nprocess: {{ workers: 1 }}\n");
    Setup::new().set("origin", origin).start(&text).await
}

#[tokio::test]
async fn a_shared_connection_on_which_an_answer_did_not_come_is_not_used_again() {
    let origin = Origin::http2().await;
    let upstream = "protocol: http2, timeouts: { first_byte: 300ms },";
    let proxy = on_one_worker(origin.address(), upstream).await;
    let mut connection = proxy.connect().await;
    assert_eq!(connection.get("/").await.status, 200);
    connection.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: hold\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 504);
    assert_eq!(origin.connections(), 1);
    assert_eq!(connection.get("/").await.status, 200);
    assert_eq!(origin.connections(), 2);
}

#[tokio::test]
async fn a_request_that_may_have_been_seen_is_not_sent_twice_unless_it_is_safe() {
    let origin = RawOrigin::start(Behaviour::CloseOnReuse).await;
    let proxy = on_one_worker(origin.address(), "").await;
    let mut connection = proxy.connect().await;
    assert_eq!(connection.get("/").await.status, 200);
    connection.send("POST /once HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 502);
    assert_eq!(origin.received().matches("POST /once").count(), 1);
}

#[tokio::test]
async fn a_connection_with_more_than_the_answer_on_it_is_not_used_again() {
    let more = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n";
    let origin = RawOrigin::start(Behaviour::AnswerAndStay(more.to_vec())).await;
    let proxy = on_one_worker(origin.address(), "").await;
    for made in 1..4 {
        assert_eq!(proxy.get("/").await.text(), "ok");
        assert_eq!(origin.connections(), made);
    }
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_upload_ends_both_connections() {
    let origin = Origin::start().await;
    let proxy = on_one_worker(origin.address(), "").await;
    let mut connection = proxy.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\nx-script: early\r\n\r\nabc";
    connection.send(head).await;
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
    connection.closed().await;
    // What is asked now must not be taken for the rest of that upload.
    assert_eq!(proxy.get("/").await.status, 200);
    assert_eq!(origin.connections(), 2);
}

#[tokio::test]
async fn a_burst_of_requests_shares_the_connections_of_an_http2_upstream() {
    let origin = Origin::http2().await;
    let proxy = on_one_worker(origin.address(), "protocol: http2,").await;
    let mut running = Vec::new();
    for _ in 0..150 {
        let mut connection = proxy.connect().await;
        connection.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: delay 200\r\n\r\n").await;
        running.push(connection);
    }
    for mut connection in running {
        assert_eq!(connection.answer().await.status, 200);
    }
    assert!(origin.connections() <= 3, "{} connections", origin.connections());
}

/// An origin of HTTP/2 with one stream on each connection, which it answers when told to. Told to
/// leave, it says goodbye on all of them.
struct LeavingOrigin {
    address: SocketAddr,
    held: Arc<AtomicUsize>,
    leave: watch::Sender<bool>,
    release: watch::Sender<bool>,
}

impl LeavingOrigin {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let held = Arc::new(AtomicUsize::new(0));
        let (leave, release) = (watch::Sender::new(false), watch::Sender::new(false));
        let (count, leaving, released) =
            (Arc::clone(&held), leave.subscribe(), release.subscribe());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let told = (leaving.clone(), released.clone());
                tokio::spawn(Self::serve(stream, Arc::clone(&count), told));
            }
        });
        Self { address, held, leave, release }
    }

    async fn serve(
        stream: tokio::net::TcpStream,
        held: Arc<AtomicUsize>,
        (mut leaving, released): (watch::Receiver<bool>, watch::Receiver<bool>),
    ) {
        let mut builder = h2::server::Builder::new();
        builder.max_concurrent_streams(1);
        let mut connection = builder.handshake::<_, bytes::Bytes>(stream).await.unwrap();
        let mut pings = connection.ping_pong().unwrap();
        let known = tokio::spawn(async move { pings.ping(h2::Ping::opaque()).await });
        tokio::spawn(async move {
            // Once the ping is back, the proxy knows of the one stream.
            let _ = known.await;
            held.fetch_add(1, Ordering::SeqCst);
        });
        loop {
            let is_leaving = *leaving.borrow();
            tokio::select! {
                accepted = connection.accept() => {
                    let Some(Ok((request, mut respond))) = accepted else { return };
                    let mut released = released.clone();
                    tokio::spawn(async move {
                        if request.uri().path() == "/slow" {
                            let _ = released.wait_for(|released| *released).await;
                        }
                        let _ = respond.send_response(http::Response::new(()), true);
                    });
                }
                _ = leaving.changed(), if !is_leaving => connection.graceful_shutdown(),
            }
        }
    }
}

#[tokio::test]
async fn shared_connections_that_are_being_left_take_no_further_requests() {
    let origin = LeavingOrigin::start().await;
    let proxy = on_one_worker(origin.address, "protocol: http2,").await;
    let mut slow = Vec::new();
    // More than a request is tried times.
    for number in 1..=6 {
        let mut connection = proxy.connect().await;
        connection.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
        slow.push(connection);
        eventually("a connection for each", async || {
            (origin.held.load(Ordering::SeqCst) == number).then_some(())
        })
        .await;
    }
    origin.leave.send_replace(true);
    // Only once the goodbyes are there can it be told from a connection that is just full.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut connection = proxy.connect().await;
    connection.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 200);
    origin.release.send_replace(true);
    for mut connection in slow {
        assert_eq!(connection.answer().await.status, 200);
    }
}
