//! `marchproxy upgrade`: the sockets go to a new process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use marchproxy_tests::client::WebSocket;
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, binary, eventually};

const BOUND: Duration = Duration::from_secs(20);

async fn start() -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let text = format!("{SIMPLE}process: {{ drain: 10s }}\n");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    (origin, proxy)
}

#[tokio::test]
async fn the_new_process_serves_and_the_old_one_ends() {
    let (_origin, mut proxy) = start().await;
    for _ in 0..2 {
        let before = proxy.status().await["pid"].clone();
        proxy.upgrade().await;
        assert_eq!(proxy.old_ended(BOUND).await.code(), Some(0));
        assert_ne!(proxy.status().await["pid"], before);
        assert_eq!(proxy.get("/").await.status, 200);
    }
}

#[tokio::test]
async fn what_runs_in_the_old_process_ends_there() {
    let (origin, mut proxy) = start().await;
    let mut running = proxy.connect().await;
    running.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: hold\r\n\r\n").await;
    eventually("the origin has it", async || (origin.seen().len() == 1).then_some(())).await;
    let mut socket = WebSocket::open(proxy.connect().await, "/").await;
    let mut upload = proxy.connect().await;
    upload.send("POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 10\r\n\r\nhello").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    proxy.upgrade().await;
    socket.echo("still here").await.unwrap();
    upload.send("world").await;
    assert_eq!(upload.answer().await.seen().body, "helloworld");
    origin.release();
    assert_eq!(running.answer().await.status, 200);
    socket.close().await;
    assert_eq!(proxy.old_ended(BOUND).await.code(), Some(0));
}

#[tokio::test]
async fn an_upgrade_with_a_bad_file_fails_and_the_old_process_goes_on() {
    let (_origin, mut proxy) = start().await;
    // The running process may look at the file too: it must refuse it as well.
    proxy.write(&SIMPLE.replace("upstream: app", "upsteam: app"));
    let path = proxy.folder().path().join("marchproxy.yaml");
    let ended = binary::run(&["upgrade".as_ref(), "--config".as_ref(), path.as_os_str()]).await;
    assert_eq!(ended.code(), 2, "{ended:?}");
    assert!(ended.output().contains("upsteam"), "{ended:?}");
    assert_eq!(proxy.get("/").await.status, 200);
    assert!(proxy.runs());
}

#[tokio::test]
async fn no_connection_is_refused_during_an_upgrade() {
    let (_origin, mut proxy) = start().await;
    let web = proxy.web();
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (seen, counted) = (Arc::clone(&stop), Arc::clone(&count));
    let clients = tokio::spawn(async move {
        while !seen.load(Ordering::SeqCst) {
            assert_eq!(marchproxy_tests::client::get(web, "/").await.status, 200);
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    for round in 1..=3 {
        eventually("requests are answered", async || {
            (count.load(Ordering::SeqCst) > round * 50).then_some(())
        })
        .await;
        if round < 3 {
            proxy.upgrade().await;
            proxy.old_ended(BOUND).await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    clients.await.expect("no request failed");
}
