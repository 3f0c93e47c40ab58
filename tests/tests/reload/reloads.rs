//! When a reload happens, and what a bad one does: nothing.

use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, eventually};
use rustix::process::Signal;

fn answering(body: &str) -> String {
    format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\" }}]\n\
         routes: [{{ name: all, respond: {{ status: 200, body: \"{body}\" }} }}]\n"
    )
}

#[tokio::test]
async fn a_changed_file_is_served_without_being_asked() {
    let mut proxy = Proxy::start(&answering("one")).await;
    assert_eq!(proxy.get("/").await.text(), "one");
    // Put in place by renaming.
    proxy.reload(&answering("two")).await;
    assert_eq!(proxy.get("/").await.text(), "two");
    assert_eq!(proxy.generation().await, 2);
    // Written in place.
    let path = proxy.folder().path().join("marchproxy.yaml");
    let text = std::fs::read_to_string(&path).unwrap().replace("two", "three");
    std::fs::write(&path, text).unwrap();
    proxy.generation_after(2).await;
    assert_eq!(proxy.get("/").await.text(), "three");
}

#[tokio::test]
async fn sighup_reloads() {
    let mut proxy = Proxy::start(&answering("one")).await;
    proxy.write(&answering("two"));
    proxy.signal(Signal::HUP);
    proxy.generation_after(1).await;
    assert_eq!(proxy.get("/").await.text(), "two");
}

#[tokio::test]
async fn a_bad_file_keeps_the_old_configuration_and_says_why() {
    let mut proxy = Proxy::start(&answering("one")).await;
    let digest = proxy.status().await["digest"].clone();
    let bad = answering("two").replace("respond", "respnd");
    let told = proxy.refused_reload(&bad).await;
    assert!(told.contains("respnd"), "{told}");
    assert_eq!(proxy.get("/").await.text(), "one");
    let status = proxy.status().await;
    assert_eq!((status["generation"].as_u64(), &status["digest"]), (Some(1), &digest));
    proxy.log.wait_for("the error is logged", |line| line.contains("respnd")).await;
    let failures = async || {
        let text = proxy.ask("/metrics").await.text();
        text.lines().any(|line| {
            line.starts_with("marchproxy_") && line.contains("reload") && line.contains("fail")
                || line.contains("result=\"refused\"") && !line.ends_with(" 0")
        })
    };
    assert!(failures().await, "{}", proxy.ask("/metrics").await.text());
    // The next good one is taken, and the error is over.
    proxy.reload(&answering("three")).await;
    assert_eq!(proxy.get("/").await.text(), "three");
    eventually("the error is gone", async || {
        proxy
            .status()
            .await
            .get("last_reload_error")
            .is_none_or(serde_json::Value::is_null)
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_reload_is_all_or_nothing() {
    let mut proxy = Proxy::start(&answering("one")).await;
    // The listener is fine and new; the route is bad.
    let bad = answering("two")
        .replace("listeners: [", "listeners: [{ name: new, address: \"127.0.0.1:@new-port@\" }, ")
        .replace("name: all,", "name: all, upstream: nobody,");
    proxy.refused_reload(&bad).await;
    assert!(tokio::net::TcpStream::connect(proxy.address("new")).await.is_err());
    assert_eq!(proxy.get("/").await.text(), "one");
}

#[tokio::test]
async fn a_file_that_vanishes_changes_nothing() {
    let proxy = Proxy::start(&answering("one")).await;
    std::fs::remove_file(proxy.folder().path().join("marchproxy.yaml")).unwrap();
    proxy.signal(Signal::HUP);
    proxy.log.wait_for("it is told", |line| line.contains("marchproxy.yaml")).await;
    assert_eq!(proxy.get("/").await.text(), "one");
}

#[tokio::test]
async fn routes_and_upstreams_change_for_the_next_request_of_a_kept_connection() {
    let (one, other) = (Origin::named("one").await, Origin::named("other").await);
    let mut proxy = Setup::new().set("origin", one.address()).start(SIMPLE).await;
    let mut connection = proxy.connect().await;
    assert_eq!(connection.get("/").await.seen().origin, "one");
    proxy.values().set("origin", other.address());
    proxy.reload(SIMPLE).await;
    assert_eq!(connection.get("/").await.seen().origin, "other");
    // The idle connections to an endpoint that is gone are closed.
    eventually("the old origin is left", async || (one.open() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_request_keeps_the_configuration_it_began_with() {
    let origin = Origin::start().await;
    let mut proxy = Setup::new().set("origin", origin.address()).start(SIMPLE).await;
    let mut connection = proxy.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: hold\r\n\r\n").await;
    eventually("the origin has it", async || (origin.seen().len() == 1).then_some(())).await;
    proxy.reload(&answering("new")).await;
    assert_eq!(proxy.get("/").await.text(), "new");
    origin.release();
    assert_eq!(connection.answer().await.seen().origin, "origin");
    assert_eq!(connection.get("/").await.text(), "new");
}

#[tokio::test]
async fn a_change_that_needs_a_restart_is_told() {
    let with = |workers: u32| format!("{}process: {{ workers: {workers} }}\n", answering("x"));
    let mut proxy = Proxy::start(&with(1)).await;
    proxy.reload(&with(2)).await;
    proxy.log.wait_for("the key is named", |line| line.contains("workers")).await;
}

#[tokio::test]
async fn many_changes_in_a_row_end_with_the_last() {
    let mut proxy = Proxy::start(&answering("0")).await;
    for number in 1..=20 {
        proxy.write(&answering(&number.to_string()));
    }
    eventually("the last one is served", async || {
        (proxy.get("/").await.text() == "20").then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_access_log_that_cannot_be_opened_keeps_the_old_configuration() {
    let mut proxy = Proxy::start(&answering("one")).await;
    let bad = format!("{}access_log: {{ file: \"@dir@/none/access.log\" }}\n", answering("two"));
    let told = proxy.refused_reload(&bad).await;
    assert!(told.contains("access.log"), "{told}");
    assert_eq!(proxy.get("/").await.text(), "one");
}
