//! Stale answers: validated, refreshed meanwhile, or used because the origin fails.

use marchproxy_tests::{Fault, FaultProxy, Origin, eventually};

use crate::site::{FRESH, OLD, Site, text, told};

const ETAG: (&str, &str) = ("x-reply-etag", "\"1\"");
const GOOD: (&str, &str) = ("x-script", "status 304");

/// Waits until a refresh has come to this.
async fn refreshed(site: &Site, result: &str) {
    eventually("a refresh is counted", async || {
        let count = site.metric("marchproxy_cache_refreshes_total", &[("result", result)]).await;
        (count > 0.9).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_stale_answer_is_validated_and_used_when_the_origin_says_that_it_holds() {
    let site = Site::new("").await;
    let first = site.get("/", &[FRESH, OLD, ETAG]).await;
    let second = site.get("/", &[FRESH, ETAG, GOOD]).await;
    assert_eq!(site.last().field("if-none-match"), Some("\"1\""));
    assert_eq!((second.status, &second.body), (200, &first.body));
    assert_eq!(told(&second), "marchproxy; fwd=stale; fwd-status=304");
    let third = site.get("/", &[]).await;
    assert!(told(&third).contains("; hit"), "it is fresh again: {third:?}");
    assert_eq!((third.body, site.forwarded()), (first.body, 2));
    assert_eq!(site.proxy.access_line(|line| line["cache"] == "revalidated").await["status"], 200);
}

#[tokio::test]
async fn the_connection_is_kept_after_a_validation() {
    let site = Site::new("").await;
    for fields in
        [[FRESH, OLD, ETAG, ("x-any", "1")], [FRESH, OLD, ETAG, GOOD], [FRESH, OLD, ETAG, GOOD]]
    {
        site.get("/", &fields).await;
    }
    assert!(site.origin.connections() <= 2, "one for each worker at the most");
    assert_eq!(site.forwarded(), 3);
}

#[tokio::test]
async fn a_stale_answer_that_has_changed_is_replaced() {
    let site = Site::new("").await;
    let first = site.get("/", &[FRESH, OLD, ETAG]).await;
    let second = site.get("/", &[FRESH, ("x-reply-etag", "\"2\"")]).await;
    assert_ne!(first.body, second.body);
    assert_eq!(site.get("/", &[]).await.body, second.body);
    assert_eq!(site.forwarded(), 2);
}

#[tokio::test]
async fn a_condition_of_the_client_is_answered_after_a_validation() {
    let site = Site::new("").await;
    site.get("/", &[FRESH, OLD, ETAG]).await;
    let same = site.get("/", &[FRESH, ETAG, GOOD, ("if-none-match", "\"1\"")]).await;
    assert_eq!(same.status, 304);
    site.get("/b", &[FRESH, OLD, ETAG]).await;
    let other = site.get("/b", &[FRESH, ETAG, GOOD, ("if-none-match", "\"0\"")]).await;
    assert_eq!(other.status, 200, "what it has is not what is kept");
    assert_eq!(site.last().field("if-none-match"), Some("\"1\""));
}

#[tokio::test]
async fn what_contradicts_itself_is_502_once() {
    let site = Site::new("").await;
    site.get("/", &[FRESH, OLD, ETAG]).await;
    let answer = site.get("/", &[FRESH, GOOD, ("x-reply-etag", "\"2\"")]).await;
    assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream.malformed"));
    let next = site.get("/", &[FRESH]).await;
    assert_eq!((next.status, site.last().field("if-none-match")), (200, None));
}

#[tokio::test]
async fn a_stale_answer_is_used_while_a_fresh_one_is_fetched() {
    let old = ("x-reply-cache-control", "max-age=10, stale-while-revalidate=100000");
    for (keys, control) in [("", old), ("stale_while_revalidate: 1d", FRESH)] {
        let site = Site::new(keys).await;
        let first = site.get("/", &[control, OLD]).await;
        for _ in 0..3 {
            let stale = site.get("/", &[FRESH, ("x-script", "hold")]).await;
            assert_eq!(stale.body, first.body, "{keys}");
            assert!(told(&stale).starts_with("marchproxy; hit; ttl=-"), "{stale:?}");
        }
        eventually("it is fetched", async || (site.forwarded() == 2).then_some(())).await;
        site.origin.release();
        eventually("there is a fresh one", async || {
            let answer = site.get("/", &[FRESH]).await;
            (answer.body != first.body && told(&answer).contains("; hit")).then_some(())
        })
        .await;
        assert_eq!(site.forwarded(), 2, "one has fetched for all");
        refreshed(&site, "stored").await;
        for cache in ["miss", "stale"] {
            site.proxy.access_line(|line| line["cache"] == cache).await;
        }
        let labels = [("route", "site"), ("result", "miss")];
        let misses = site.metric("marchproxy_cache_answers_total", &labels).await;
        assert!((misses - 1.0).abs() < 0.1, "the fetch is no client's request: {misses}");
    }
}

#[tokio::test]
async fn a_refresh_may_find_that_it_still_holds_or_fail() {
    let control = ("x-reply-cache-control", "max-age=10, stale-while-revalidate=100000");
    let site = Site::new("").await;
    let first = site.get("/", &[control, OLD, ETAG]).await;
    site.get("/", &[control, ETAG, GOOD]).await;
    refreshed(&site, "revalidated").await;
    assert_eq!(site.get("/", &[]).await.body, first.body);
    assert_eq!(site.forwarded(), 2);
    site.get("/b", &[control, OLD]).await;
    site.get("/b", &[("x-script", "status 500")]).await;
    refreshed(&site, "uncacheable").await;
    site.get("/c", &[control, OLD]).await;
    let Site { origin, proxy } = site;
    drop(origin);
    let answer = crate::site::get_at(proxy.web(), "/c", &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    eventually("the failure is counted", async || {
        let labels = [("result", "failed")];
        let count = proxy.metric("marchproxy_cache_refreshes_total", &labels).await;
        (count.unwrap_or(0.0) > 0.9).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_stale_answer_stands_in_for_an_origin_that_fails() {
    let own = ("x-reply-cache-control", "max-age=10, stale-if-error=100000");
    for (keys, control) in [("", own), ("stale_if_error: 1d", FRESH)] {
        let origin = Origin::start().await;
        let fault = FaultProxy::before(origin.address()).await;
        let text = text("", keys).replace("@origin@", &fault.address().to_string());
        let site = Site::over(origin, &text).await;
        let first = site.get("/", &[control, OLD]).await;
        let failed = site.get("/", &[("x-script", "status 503")]).await;
        assert_eq!((failed.status, &failed.body), (200, &first.body), "{keys}");
        assert_eq!(told(&failed), "marchproxy; fwd=stale; fwd-status=503");
        fault.set(Fault::Reset);
        let dead = site.get("/", &[]).await;
        assert_eq!((dead.status, &dead.body), (200, &first.body), "{keys}");
        assert_eq!(told(&dead), "marchproxy; fwd=stale");
        let line = site.proxy.access_line(|line| line["cache"] == "stale_on_error").await;
        assert_eq!(line["status"], 200);
        assert_eq!(site.get("/other", &[]).await.status, 502, "there is nothing to use");
    }
}

#[tokio::test]
async fn without_leave_no_stale_answer_stands_in_for_a_failure() {
    let site = Site::new("").await;
    site.get("/", &[FRESH, OLD, ETAG]).await;
    let failed = site.get("/", &[("x-script", "status 503")]).await;
    assert_eq!(failed.status, 503);
}

#[tokio::test]
async fn a_copy_for_a_second_upstream_asks_as_the_client_did() {
    let second = Origin::named("second").await;
    let route = "upstream: app, mirror: { upstream: second },";
    let upstreams =
        format!("upstreams: [{{ name: second, endpoints: [\"{}\"] }},", second.address());
    let text = text("", "").replace("upstream: app,", route).replace("upstreams: [", &upstreams);
    let site = Site::over(Origin::start().await, &text).await;
    site.get("/", &[FRESH, OLD, ETAG]).await;
    site.get("/", &[FRESH, ETAG, GOOD]).await;
    assert_eq!(site.last().field("if-none-match"), Some("\"1\""));
    eventually("the copies come", async || (second.seen().len() == 2).then_some(())).await;
    assert!(second.seen().iter().all(|copy| copy.field("if-none-match").is_none()));
}
