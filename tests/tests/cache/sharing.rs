//! Many requests for the same: one goes to the origin.

use marchproxy_tests::eventually;
use marchproxy_tests::origin::Seen;
use tokio::task::JoinSet;

use crate::site::{FRESH, Site, get_at, told};

const HOLD: (&str, &str) = ("x-script", "hold");

/// Waits until the origin has got so many requests.
async fn forwarded(site: &Site, count: usize) -> Vec<Seen> {
    eventually("the origin gets them", async || {
        Some(site.origin.seen()).filter(|seen| seen.len() >= count)
    })
    .await
}

#[tokio::test]
async fn of_fifty_clients_one_goes_to_the_origin() {
    let site = Site::new("").await;
    let address = site.proxy.web();
    let mut clients = JoinSet::new();
    for _ in 0..50 {
        clients.spawn(async move { get_at(address, "/", &[FRESH, HOLD]).await });
    }
    forwarded(&site, 1).await;
    eventually("all of them are there", async || {
        let open = site.metric("marchproxy_connections_open", &[("listener", "web")]).await;
        (open > 49.5).then_some(())
    })
    .await;
    site.origin.release();
    let answers = clients.join_all().await;
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    assert_eq!(answers.iter().filter(|answer| told(answer).contains("stored")).count(), 1);
    assert_eq!(site.forwarded(), 1);
    let labels = [("route", "site"), ("result", "collapsed")];
    let waited = site.metric("marchproxy_cache_answers_total", &labels).await;
    assert!(waited > 0.9, "{waited} have waited");
}

#[tokio::test]
async fn those_who_ask_for_something_else_do_not_wait() {
    let site = Site::new("").await;
    let _held = site.start("GET", "/", &[FRESH, HOLD]).await;
    forwarded(&site, 1).await;
    assert_eq!(site.get("/?other", &[FRESH]).await.status, 200);
}

#[tokio::test]
async fn a_request_waits_no_longer_than_told() {
    for keys in ["wait: 100ms", "wait: 0s"] {
        let site = Site::new(keys).await;
        let mut held = site.start("GET", "/", &[FRESH, HOLD]).await;
        forwarded(&site, 1).await;
        let impatient = site.get("/", &[FRESH]).await;
        assert_eq!((impatient.status, site.forwarded()), (200, 2), "{keys}");
        site.origin.release();
        assert_eq!(held.answer().await.status, 200);
    }
}

#[tokio::test]
async fn when_the_one_that_fetches_leaves_another_takes_its_place() {
    let site = Site::new("wait: 1m").await;
    let leaving = site.start("GET", "/", &[FRESH, HOLD]).await;
    forwarded(&site, 1).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(site.start("GET", "/", &[FRESH, HOLD]).await);
    }
    drop(leaving);
    forwarded(&site, 2).await;
    site.origin.release();
    for mut client in waiting {
        assert_eq!(client.answer().await.status, 200);
    }
    assert_eq!(site.forwarded(), 2);
}

#[tokio::test]
async fn what_a_client_that_left_did_not_get_whole_is_not_kept() {
    let site = Site::new("").await;
    for (target, script) in [("/length", "drip 1000 10"), ("/chunks", "events 1000 10")] {
        let mut leaving = site.start("GET", target, &[FRESH, ("x-script", script)]).await;
        assert_eq!(leaving.one_head().await.expect("a head").status, 200);
        drop(leaving);
        let is_gone = |line: &serde_json::Value| line["reason"] == "client.gone";
        site.proxy.access_line(|line| is_gone(line) && line["path"] == target).await;
        let next = site.get(target, &[FRESH]).await;
        assert!(told(&next).contains("fwd=uri-miss; stored"), "{target}: {next:?}");
    }
}

#[tokio::test]
async fn nobody_waits_for_what_is_not_kept() {
    let site = Site::new("wait: 1m").await;
    let private = ("x-reply-cache-control", "private");
    site.get("/", &[private]).await;
    let _held = site.start("GET", "/", &[private, HOLD]).await;
    forwarded(&site, 2).await;
    assert_eq!(site.get("/", &[private]).await.status, 200);
}

#[tokio::test]
async fn those_who_waited_for_a_failure_go_to_the_origin_themselves() {
    let site = Site::new("wait: 1m").await;
    let mut first = site.start("GET", "/", &[FRESH, ("x-script", "hold; status 500")]).await;
    forwarded(&site, 1).await;
    let mut second = site.start("GET", "/", &[FRESH]).await;
    site.origin.release();
    assert_eq!(first.answer().await.status, 500);
    assert_eq!(second.answer().await.status, 200);
    assert_eq!(site.forwarded(), 2);
}
