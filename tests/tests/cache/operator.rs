//! What an operator sees and does: purging, bounds, reloads.

use marchproxy_tests::eventually;

use crate::site::{FRESH, Site, text, told};

async fn is_kept(site: &Site, target: &str) -> bool {
    told(&site.get(target, &[("cache-control", "only-if-cached")]).await).contains("; hit")
}

/// Which of these are kept.
async fn kept<'a>(site: &Site, targets: &[&'a str]) -> Vec<&'a str> {
    let mut kept = Vec::new();
    for target in targets {
        let only = [("cache-control", "only-if-cached")];
        if site.get(target, &only).await.status == 200 {
            kept.push(*target);
        }
    }
    kept
}

#[tokio::test]
async fn answers_are_purged_by_url_by_tag_and_all_at_once() {
    let site = Site::new("tag_field: Cache-Tag").await;
    let targets = ["/a", "/a?q=1", "/b", "/c"];
    for (target, tags) in targets.into_iter().zip(["x", "x", "x y", "y"]) {
        site.get(target, &[FRESH, ("x-reply-cache-tag", tags)]).await;
    }
    assert_eq!(kept(&site, &targets).await, targets);
    let ended = site.command(&["cache", "purge", "--url", "http://test.example/z/../a"]).await;
    assert_eq!((ended.code(), ended.stdout.as_str()), (0, "1 answer was purged\n"), "{ended:?}");
    assert_eq!(kept(&site, &targets).await, ["/a?q=1", "/b", "/c"]);
    let ended = site.command(&["cache", "purge", "--tag", "y"]).await;
    assert_eq!(ended.stdout, "2 answers were purged\n", "{ended:?}");
    assert_eq!(kept(&site, &targets).await, ["/a?q=1"]);
    let ended = site.command(&["cache", "purge", "--all"]).await;
    assert_eq!(ended.stdout, "1 answer was purged\n", "{ended:?}");
    assert!(kept(&site, &targets).await.is_empty());
}

#[tokio::test]
async fn what_is_purged_on_its_way_is_not_kept() {
    let site = Site::new("").await;
    let mut client = site.start("GET", "/", &[FRESH, ("x-script", "hold")]).await;
    eventually("it is on its way", async || (site.forwarded() == 1).then_some(())).await;
    assert_eq!(site.command(&["cache", "purge", "--all"]).await.code(), 0);
    site.origin.release();
    assert_eq!(client.answer().await.status, 200);
    assert!(kept(&site, &["/"]).await.is_empty());
}

#[tokio::test]
async fn without_tags_nothing_has_one() {
    let site = Site::new("").await;
    site.get("/", &[FRESH, ("x-reply-cache-tag", "x")]).await;
    let ended = site.command(&["cache", "purge", "--tag", "x"]).await;
    assert_eq!(ended.stdout, "0 answers were purged\n", "{ended:?}");
    assert!(is_kept(&site, "/").await);
}

#[tokio::test]
async fn what_the_cache_holds_is_shown() {
    let site = Site::new("").await;
    site.get("/", &[FRESH, ("x-script", "size 5000")]).await;
    let ended = site.command(&["cache", "show"]).await;
    assert!(ended.stdout.contains("answers    1\n"), "{ended:?}");
    assert!(ended.stdout.contains(" of 8388608\n"), "{ended:?}");
    let ended = site.command(&["cache", "show", "--json"]).await;
    let told: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(told["entries"], 1);
    assert!(told["bytes"].as_u64() > Some(5000), "{told}");
    assert!(site.metric("marchproxy_cache_bytes", &[]).await > 5000.0);
    assert!((site.metric("marchproxy_cache_entries", &[]).await - 1.0).abs() < 0.1);
}

#[tokio::test]
async fn what_cannot_be_done_is_told() {
    let site = Site::new("").await;
    let ended = site.command(&["cache", "purge", "--url", "test.example/a"]).await;
    assert_eq!(ended.code(), 2);
    assert!(ended.output().contains("`test.example/a` is no URL"), "{ended:?}");
    for words in [&["cache", "purge"][..], &["cache", "purge", "--all", "--tag", "x"]] {
        assert_eq!(site.command(words).await.code(), 2, "{words:?}");
    }
    let plain = text("", "").replace("cache: {  }\n", "").replace(", cache: {  }", "");
    let mut site = site;
    site.proxy.reload(&plain).await;
    let ended = site.command(&["cache", "show"]).await;
    assert!(ended.output().contains("the configuration has no `cache`"), "{ended:?}");
}

#[tokio::test]
async fn no_more_memory_is_taken_than_told() {
    let site = Site::with("memory: 1MiB, largest: 200KiB", "").await;
    for number in 0..20 {
        let fields = [FRESH, ("x-script", "size 100000")];
        assert_eq!(site.get(&format!("/{number}"), &fields).await.body.len(), 100_000);
        let bytes = site.metric("marchproxy_cache_bytes", &[]).await;
        assert!(bytes <= f64::from(1 << 20), "{bytes}");
    }
    let entries = site.metric("marchproxy_cache_entries", &[]).await;
    assert!((5.0..=10.0).contains(&entries), "{entries}");
    let evictions = site.metric("marchproxy_cache_evictions_total", &[]).await;
    assert!((entries + evictions - 20.0).abs() < 0.1, "{entries} and {evictions}");
}

#[tokio::test]
async fn a_reload_keeps_what_is_kept_unless_its_route_has_changed() {
    let mut site = Site::new("").await;
    site.get("/", &[FRESH]).await;
    let before = text("memory: 8MiB", "");
    let added = before.replace(
        "routes: [",
        "routes: [{ name: other, match: { path: /other }, respond: { status: 204 } }, ",
    );
    let edited = added.replace(
        "upstream: app,",
        "upstream: app, timeout: 9s,\n\
         response_headers: { set: { x-served-by: me } },",
    );
    for text in [&added, &edited] {
        site.proxy.reload(text).await;
        assert!(is_kept(&site, "/").await);
    }
    assert_eq!(site.get("/", &[]).await.field("x-served-by"), Some("me"));
    let rewritten =
        edited.replace("upstream: app,", "upstream: app, rewrite: { add_prefix: /v2 },");
    site.proxy.reload(&rewritten).await;
    assert!(kept(&site, &["/"]).await.is_empty(), "it is not what the route leads to now");
    site.proxy.reload(&edited).await;
    assert!(is_kept(&site, "/").await);
    site.proxy.reload(&edited.replace("8MiB", "9MiB")).await;
    assert!(kept(&site, &["/"]).await.is_empty(), "another bound is another cache");
}

#[tokio::test]
async fn a_route_without_a_cache_to_use_is_refused_at_check() {
    let mut site = Site::new("").await;
    let refused = text("", "").replace("cache: {  }\nlisteners", "listeners");
    let error = site.proxy.refused_reload(&refused).await;
    assert!(error.contains("has nowhere to keep answers"), "{error}");
}
