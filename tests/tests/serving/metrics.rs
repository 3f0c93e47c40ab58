//! The status listener and its metrics.

use marchproxy_tests::{Origin, Proxy, eventually};

#[tokio::test]
async fn the_status_listener_tells_health_and_state() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    assert_eq!(proxy.ask("/healthz").await.status, 200);
    assert_eq!(proxy.ask("/readyz").await.status, 200);
    assert_eq!(proxy.ask("/nothing").await.status, 404);
    let status = proxy.status().await;
    assert_eq!(status["generation"], 1, "{status}");
    assert!(status["digest"].as_str().is_some_and(|digest| digest.len() >= 64), "{status}");
    assert!(status["listeners"].to_string().contains("web"), "{status}");
    let upstreams = status["upstreams"].to_string();
    assert!(
        upstreams.contains("app") && upstreams.contains(&origin.address().to_string()),
        "{status}"
    );
    assert!(status["pid"].as_u64().is_some(), "{status}");
}

#[tokio::test]
async fn the_digest_names_the_configuration_not_its_spelling() {
    let origin = Origin::start().await;
    let mut proxy = Proxy::before(origin.address()).await;
    let before = proxy.status().await["digest"].clone();
    let spelled = "# a comment\n".to_owned() + marchproxy_tests::proxy::SIMPLE;
    proxy.reload(&spelled).await;
    assert_eq!(proxy.status().await["digest"], before);
    let changed = marchproxy_tests::proxy::SIMPLE.replace("everything", "all");
    proxy.reload(&changed).await;
    assert_ne!(proxy.status().await["digest"], before);
}

#[tokio::test]
async fn metrics_are_in_the_text_format_and_count_requests() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    for _ in 0..3 {
        proxy.get("/").await;
    }
    let answer = proxy.ask("/metrics").await;
    assert!(answer.field("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    for line in answer.text().lines().filter(|line| !line.is_empty()) {
        let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        assert!(name.starts_with("marchproxy_") || name.starts_with("process_"), "{line}");
    }
    eventually("the requests are counted", async || {
        let labels = [("route", "everything")];
        (proxy.metric("marchproxy_requests_total", &labels).await == Some(3.0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn labels_do_not_grow_with_what_clients_send() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    proxy.get("/").await;
    proxy.request("GET / HTTP/1.1\r\n\r\n").await;
    let series = async || proxy.ask("/metrics").await.text().lines().count();
    let before = series().await;
    for number in 0..50 {
        let request = format!(
            "M{number} /path-{number} HTTP/1.1\r\nHost: host-{number}.example\r\nUser-Agent: {number}\r\n\r\n"
        );
        proxy.request(request).await;
    }
    let after = series().await;
    assert!(after < before + 40, "{before} lines became {after}");
}
