//! Limits on connections, and running out of file descriptors.

use std::time::Duration;

use marchproxy_tests::client::Connection;
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, eventually};
use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

async fn start(connections: &str) -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let address = "address: \"127.0.0.1:@web-port@\"";
    let text = SIMPLE.replace(address, &format!("{address}, connections: {{ {connections} }}"));
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    (origin, proxy)
}

/// Opens connections and proves each by a request.
async fn open(proxy: &Proxy, count: usize) -> Vec<Connection> {
    let mut connections = Vec::new();
    for _ in 0..count {
        let mut connection = proxy.connect().await;
        assert_eq!(connection.get("/").await.status, 200);
        connections.push(connection);
    }
    connections
}

async fn is_refused(proxy: &Proxy) -> bool {
    let Ok(mut connection) = Connection::try_open(proxy.web()).await else { return true };
    let _ = connection.try_send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    match connection.try_answer().await {
        Ok(answer) => answer.status == 503,
        Err(_) => true,
    }
}

#[tokio::test]
async fn more_connections_than_allowed_are_closed_and_room_is_given_back() {
    for limit in ["total: 4", "per_source: 4"] {
        let (_origin, proxy) = start(limit).await;
        let connections = open(&proxy, 4).await;
        assert!(is_refused(&proxy).await, "{limit}");
        drop(connections);
        eventually("there is room again", async || (!is_refused(&proxy).await).then_some(())).await;
    }
}

#[tokio::test]
async fn a_source_at_its_limit_leaves_the_others_alone() {
    let (_origin, proxy) = start("per_source: 2").await;
    let _connections = open(&proxy, 2).await;
    assert!(is_refused(&proxy).await);
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(std::net::SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    let stream = socket.connect(proxy.web()).await.unwrap();
    assert_eq!(Connection::over(stream).get("/").await.status, 200);
}

#[tokio::test]
async fn refused_connections_are_counted() {
    let (_origin, proxy) = start("total: 1").await;
    let _connections = open(&proxy, 1).await;
    assert!(is_refused(&proxy).await);
    let text = proxy.ask("/metrics").await.text();
    let counted = text.lines().any(|line| {
        line.starts_with("marchproxy_connections")
            && line.contains("refused")
            && !line.ends_with(" 0")
    });
    assert!(counted, "{text}");
}

#[tokio::test]
async fn without_file_descriptors_accept_pauses_and_goes_on_later() {
    let (_origin, mut proxy) = start("total: 10000, per_source: 10000").await;
    let mut connections = open(&proxy, 3).await;
    let used = std::fs::read_dir(format!("/proc/{}/fd", proxy.pid().as_raw_nonzero()))
        .unwrap()
        .count() as u64;
    // The hard limit stays: to raise it takes a privilege that not every machine gives.
    let before = getrlimit(Resource::Nofile);
    let tight = Rlimit { current: Some(used + 4), ..before };
    prlimit(Some(proxy.pid()), Resource::Nofile, tight).unwrap();
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(proxy.connect().await);
    }
    for connection in &mut connections {
        let answer = connection.get("/").await;
        assert!([200, 502, 503].contains(&answer.status), "{answer:?}");
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(proxy.runs());
    prlimit(Some(proxy.pid()), Resource::Nofile, before).unwrap();
    for connection in &mut waiting {
        assert_eq!(connection.get("/").await.status, 200);
    }
    let text = proxy.ask("/metrics").await.text();
    let told = text.lines().any(|line| {
        line.starts_with("marchproxy_") && line.contains("accept") && !line.ends_with(" 0")
    });
    assert!(told, "{text}");
    assert!(!proxy.log.text().contains("panicked"), "{}", proxy.log.text());
}

#[tokio::test]
async fn connections_that_are_refused_and_stay_count_as_connections() {
    let (_origin, proxy) = start("total: 4").await;
    let mut kept = Vec::new();
    for _ in 0..4 {
        let mut connection = proxy.connect().await;
        connection.send("BAD\r\n\r\n").await;
        assert_eq!(connection.one_head().await.unwrap().status, 400);
        kept.push(connection);
    }
    assert!(is_refused(&proxy).await);
    eventually("they are given up", async || (!is_refused(&proxy).await).then_some(())).await;
    drop(kept);
}

#[tokio::test]
async fn without_file_descriptors_the_status_listener_still_answers() {
    let (_origin, proxy) = start("total: 10000, per_source: 10000").await;
    let _connections = open(&proxy, 3).await;
    let used = std::fs::read_dir(format!("/proc/{}/fd", proxy.pid().as_raw_nonzero()))
        .unwrap()
        .count() as u64;
    let before = getrlimit(Resource::Nofile);
    // Of so few, a quarter is kept back.
    let limit = (used + 4) * 4 / 3;
    let tight = Rlimit { current: Some(limit), ..before };
    prlimit(Some(proxy.pid()), Resource::Nofile, tight).unwrap();
    let mut waiting = Vec::new();
    for _ in 0..limit {
        waiting.push(proxy.connect().await);
    }
    eventually("accepting pauses", async || {
        let pauses = proxy.metric("marchproxy_accept_pauses_total", &[]).await?;
        (pauses > 0.0).then_some(())
    })
    .await;
    for _ in 0..3 {
        assert_eq!(proxy.ask("/healthz").await.status, 200);
    }
    prlimit(Some(proxy.pid()), Resource::Nofile, before).unwrap();
}
