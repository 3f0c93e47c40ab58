//! What is kept, for whom, and what a client gets of it.

use marchproxy_tests::certs::{Authority, Kind};
use marchproxy_tests::client::{Http2, TlsClient};
use marchproxy_tests::origin::RawOrigin;
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{Origin, eventually};

use crate::site::{FRESH, Site, text, told};

/// The end of a listener's address, and that it takes certificates.
const TLS: &str = r#"@web-port@", tls: { certificates: [shop], clients: { verify: optional, ca: "@dir@/ca.pem" } }"#;
/// Its own certificate.
const SHOP: &str = r#"
certificates: [{ name: shop, chain: "@dir@/shop.pem", key: { file: "@dir@/shop.key" } }]
"#;

#[tokio::test]
async fn what_is_fresh_is_answered_without_the_origin() {
    let site = Site::new("").await;
    let first = site.get("/a?b=c", &[FRESH]).await;
    assert_eq!(told(&first), "marchproxy; fwd=uri-miss; stored");
    let second = site.get("/a?b=c", &[]).await;
    assert_eq!((second.status, &second.body), (200, &first.body));
    assert!(told(&second).starts_with("marchproxy; hit; ttl="), "{second:?}");
    assert!(second.field("age").is_some_and(|age| age.parse::<u64>().is_ok()), "{second:?}");
    assert_eq!(second.field("via"), Some("1.1 marchproxy"));
    assert_ne!(second.field("x-request-id"), first.field("x-request-id"));
    assert_eq!(site.forwarded(), 1);
    site.get("/a?b=d", &[]).await;
    assert_eq!(site.forwarded(), 2, "the query is part of what is asked for");
}

#[tokio::test]
async fn what_does_not_say_how_long_it_is_fresh_is_kept_only_by_default() {
    assert!(!Site::new("").await.keeps("/", &[]).await);
    let site = Site::new("default: 10m").await;
    assert!(site.keeps("/", &[]).await);
    assert!(!site.keeps("/b", &[("x-reply-cache-control", "max-age=0")]).await, "it does say");
}

#[tokio::test]
async fn what_is_for_one_client_is_not_kept() {
    let site = Site::new("default: 10m, credentials: [X-Api-Key]").await;
    let refused = [
        ("set_cookie", FRESH, ("x-reply-set-cookie", "id=1")),
        ("vary", FRESH, ("x-reply-vary", "*")),
        ("private", ("x-reply-cache-control", "private, max-age=600"), ("x-any", "1")),
        ("no_store", ("x-reply-cache-control", "no-store"), ("x-any", "1")),
        ("credentials", FRESH, ("authorization", "Basic YTpi")),
        ("credentials", FRESH, ("x-api-key", "secret")),
    ];
    for (reason, one, other) in refused {
        let count =
            async || site.metric("marchproxy_cache_refusals_total", &[("reason", reason)]).await;
        let before = count().await;
        assert!(!site.keeps(&format!("/{reason}"), &[one, other]).await, "{reason} {other:?}");
        assert!((count().await - before - 2.0).abs() < 0.1, "{reason} {other:?}");
    }
    let for_all = ("x-reply-cache-control", "public, max-age=600");
    assert!(site.keeps("/all", &[for_all, ("authorization", "Basic YTpi")]).await);
}

#[tokio::test]
async fn without_the_key_a_field_does_not_tell_who_asks() {
    assert!(Site::new("").await.keeps("/", &[FRESH, ("x-api-key", "secret")]).await);
}

#[tokio::test]
async fn answers_are_chosen_by_the_fields_that_vary_names() {
    let site = Site::new("").await;
    let get = async |language: &str| {
        let fields = [FRESH, ("x-reply-vary", "accept-language"), ("accept-language", language)];
        site.get("/", &fields).await
    };
    let (german, french) = (get("de").await, get("fr").await);
    assert_eq!(told(&french), "marchproxy; fwd=vary-miss; stored");
    assert_ne!(german.body, french.body);
    assert_eq!(get("de").await.body, german.body);
    assert_eq!(get("fr").await.body, french.body);
    assert_eq!(site.forwarded(), 2);
}

#[tokio::test]
async fn no_more_variants_are_kept_than_told() {
    let site = Site::with("variants: 1", "").await;
    let get = async |language: &str| {
        let fields = [FRESH, ("x-reply-vary", "accept-language"), ("accept-language", language)];
        site.get("/", &fields).await;
    };
    for language in ["de", "fr", "fr", "de"] {
        get(language).await;
    }
    assert_eq!(site.forwarded(), 3);
}

#[tokio::test]
async fn what_varies_by_a_field_of_the_proxy_itself_is_not_kept() {
    let site = Site::new("").await;
    assert!(!site.keeps("/", &[FRESH, ("x-reply-vary", "accept, X-Forwarded-For")]).await);
    // What a client says of it is not believed, and no key.
    let claims = ("x-forwarded-for", "192.0.2.1");
    assert!(!site.keeps("/", &[FRESH, ("x-reply-vary", "X-Forwarded-For"), claims]).await);
}

#[tokio::test]
async fn head_and_conditions_are_answered_with_what_is_kept() {
    let site = Site::new("").await;
    let whole = site.get("/", &[FRESH, ("x-reply-etag", "\"1\"")]).await;
    let head = site.ask("HEAD", "/", &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.field("content-length"), Some(whole.body.len().to_string().as_str()));
    let same = site.get("/", &[("if-none-match", "\"0\", \"1\"")]).await;
    assert_eq!((same.status, same.field("etag")), (304, Some("\"1\"")));
    assert_eq!(same.field("content-length"), None);
    let other = site.get("/", &[("if-none-match", "\"0\"")]).await;
    assert_eq!((other.status, &other.body), (200, &whole.body));
    assert_eq!(site.forwarded(), 1);
    site.ask("HEAD", "/b", &[FRESH]).await;
    site.ask("HEAD", "/b", &[FRESH]).await;
    assert_eq!(site.forwarded(), 3, "an answer to HEAD is not kept");
}

#[tokio::test]
async fn parts_bodies_and_other_methods_go_past_the_cache() {
    let site = Site::new("").await;
    site.get("/", &[FRESH]).await;
    let part = site.get("/", &[FRESH, ("range", "bytes=0-1")]).await;
    assert_eq!(told(&part), "marchproxy; fwd=partial");
    assert_eq!(site.last().field("range"), Some("bytes=0-1"));
    let posted = site.ask("POST", "/", &[FRESH, ("content-length", "0")]).await;
    assert_eq!(told(&posted), "marchproxy; fwd=method");
    let passes = site.metric("marchproxy_cache_passes_total", &[("reason", "range")]).await;
    assert!((passes - 1.0).abs() < 0.1, "{passes}");
    assert_eq!(site.forwarded(), 3);
}

#[tokio::test]
async fn a_change_removes_what_is_kept() {
    let site = Site::new("").await;
    for target in ["/", "/list", "/other"] {
        site.get(target, &[FRESH]).await;
    }
    let failed =
        site.ask("POST", "/", &[("x-script", "status 500"), ("content-length", "0")]).await;
    assert_eq!(failed.status, 500);
    assert!(told(&site.get("/", &[]).await).contains("hit"), "nothing has changed");
    let fields = [("x-reply-location", "http://test.example/list"), ("content-length", "0")];
    site.ask("POST", "/", &fields).await;
    for (target, is_kept) in [("/", false), ("/list", false), ("/other", true)] {
        let answer = site.get(target, &[FRESH]).await;
        assert_eq!(told(&answer).contains("hit"), is_kept, "{target}");
    }
}

#[tokio::test]
async fn a_client_that_wants_only_what_is_kept_gets_it_or_504() {
    let site = Site::new("client_control: ignore").await;
    let only = ("cache-control", "only-if-cached");
    let answer = site.get("/", &[only]).await;
    assert_eq!((answer.status, answer.reason().as_str()), (504, "cache.nothing"));
    site.get("/", &[FRESH]).await;
    assert_eq!(site.get("/", &[only]).await.status, 200);
    assert_eq!(site.forwarded(), 1);
}

#[tokio::test]
async fn a_client_may_insist_on_the_origin_where_that_counts() {
    for (keys, forwarded) in [("", 2), ("client_control: ignore", 1)] {
        let site = Site::new(keys).await;
        site.get("/", &[FRESH]).await;
        site.get("/", &[FRESH, ("cache-control", "no-cache")]).await;
        assert_eq!(site.forwarded(), forwarded, "{keys}");
    }
}

#[tokio::test]
async fn fields_for_the_cache_alone_count_and_are_not_passed_on() {
    let site = Site::new("tag_field: Cache-Tag, control_field: CDN-Cache-Control").await;
    let fields = [
        ("x-reply-cache-tag", "a, b"),
        ("x-reply-cdn-cache-control", "max-age=600"),
        ("x-reply-cache-control", "no-store"),
    ];
    assert!(site.keeps("/", &fields).await);
    let passed = site.get("/p", &[fields[0], fields[1], ("range", "bytes=0-1")]).await;
    for answer in [site.get("/", &fields).await, passed] {
        assert_eq!(answer.field("cache-tag"), None, "{answer:?}");
        assert_eq!(answer.field("cdn-cache-control"), None, "{answer:?}");
        assert!(told(&answer).starts_with("marchproxy; "), "{answer:?}");
    }
    let plain = Site::new("").await;
    assert!(!plain.keeps("/", &fields).await, "without the key the field is none of its own");
    assert_eq!(plain.get("/", &fields).await.field("cache-tag"), Some("a, b"));
}

#[tokio::test]
async fn an_answer_that_is_too_long_or_ends_with_trailers_or_early_is_not_kept() {
    let site = Site::with("largest: 2KiB", "").await;
    assert!(site.keeps("/fits", &[FRESH, ("x-script", "size 2048")]).await);
    let refused = async |reason: &str, target: &str, script: &str| {
        for _ in 0..2 {
            assert_eq!(site.get(target, &[FRESH, ("x-script", script)]).await.status, 200);
        }
        let name = "marchproxy_cache_refusals_total";
        let count = site.metric(name, &[("reason", reason)]).await;
        assert!((count - 2.0).abs() < 0.1, "{reason}: {count}");
    };
    let before = site.forwarded();
    refused("too_large", "/declared", "size 2049").await;
    refused("trailers", "/trailers", "size 10; chunked; trailers").await;
    assert_eq!(site.forwarded(), before + 4);
    for _ in 0..2 {
        let answer = site.get("/chunked", &[FRESH, ("x-script", "size 9000; chunked")]).await;
        assert_eq!(answer.body.len(), 9000);
    }
    assert_eq!(site.forwarded(), before + 6);
    assert!(site.keeps("/short", &[FRESH, ("x-script", "size 2000; chunked")]).await);
}

#[tokio::test]
async fn what_may_have_been_cut_off_is_not_kept() {
    let head = "HTTP/1.1 200 OK\r\ncache-control: max-age=600\r\n";
    for rest in ["\r\nall, or not", "content-length: 100\r\n\r\nnot all"] {
        let origin = RawOrigin::answering(format!("{head}{rest}")).await;
        let text = text("", "").replace("@origin@", &origin.address().to_string());
        let site = Site::over(Origin::start().await, &text).await;
        for _ in 0..2 {
            let mut client = site.start("GET", "/", &[]).await;
            assert_eq!(client.one_head().await.expect("a head").status, 200, "{rest}");
            let _ = client.try_answer().await;
        }
        assert_eq!(origin.connections(), 2, "{rest}");
    }
}

#[tokio::test]
async fn a_request_that_says_that_it_has_no_body_has_none() {
    assert!(Site::new("").await.keeps("/", &[FRESH, ("content-length", "0")]).await);
}

#[tokio::test]
async fn the_cookie_that_leads_back_to_an_endpoint_is_neither_kept_nor_given_to_others() {
    let text = text("", "").replace(
        "\"@origin@\"]",
        "\"@origin@\"], sticky: { cookie: srv, key: { file: \"@dir@/cookie.key\" } }",
    );
    let site = Site::over(Origin::start().await, &text).await;
    let first = site.get("/", &[FRESH]).await;
    assert!(first.field("set-cookie").is_some_and(|cookie| cookie.starts_with("srv=")));
    let second = site.get("/", &[FRESH]).await;
    assert!(told(&second).contains("hit"));
    assert_eq!(second.field("set-cookie"), None);
}

#[tokio::test]
async fn routes_of_one_url_do_not_share_their_answers() {
    let text = text("", "").replace(
        "routes: [",
        "routes: [{ name: tenant, upstream: app, match: { headers: [{ name: x-tenant }] },\n\
         cache: {} }, { name: none-kept, upstream: app, match: { headers: [{ name: x-off }] } }, ",
    );
    let site = Site::over(Origin::start().await, &text).await;
    site.get("/", &[FRESH]).await;
    let other = site.get("/", &[FRESH, ("x-tenant", "1")]).await;
    assert!(told(&other).contains("fwd"), "{other:?}");
    let off = site.get("/", &[FRESH, ("x-off", "1")]).await;
    assert_eq!(off.field("cache-status"), None, "its route has no cache");
    assert_eq!(site.forwarded(), 3);
}

#[tokio::test]
async fn the_host_that_a_trusted_proxy_was_asked_for_is_part_of_what_is_asked_for() {
    let text = format!("{}trusted_proxies: [127.0.0.1]\n", text("", ""));
    let site = Site::over(Origin::start().await, &text).await;
    for (host, forwarded) in [("a.example", 1), ("b.example", 2), ("a.example", 2)] {
        site.get("/", &[FRESH, ("x-forwarded-host", host)]).await;
        assert_eq!(site.forwarded(), forwarded, "{host}");
    }
}

#[tokio::test]
async fn both_ends_may_speak_http2() {
    let text = text("", "").replace("\"@origin@\"]", "\"@origin@\"], protocol: http2");
    let site = Site::over(Origin::http2().await, &text).await;
    let mut client = Http2::open(site.proxy.web()).await;
    let ask = |client: &Http2, method: &str| {
        let mut request = client.request(method, "/");
        let fields = request.headers_mut();
        fields.insert("x-reply-cache-control", "max-age=600".parse().unwrap());
        fields.insert("x-script", "size 300000".parse().unwrap());
        request
    };
    let first = client.send(ask(&client, "GET"), None, None).await.unwrap();
    let second = client.send(ask(&client, "GET"), None, None).await.unwrap();
    assert!(told(&second).contains("hit"), "{:?}", second.fields);
    assert_eq!((first.body.len(), &first.body), (300_000, &second.body));
    let head = client.send(ask(&client, "HEAD"), None, None).await.unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    let http1 = site.get("/", &[]).await;
    assert_eq!(http1.body, first.body, "the version is not part of what is asked for");
    assert_eq!(site.forwarded(), 1);
}

#[tokio::test]
async fn the_access_log_and_the_metrics_tell_what_the_cache_did() {
    let site = Site::new("").await;
    site.get("/a", &[FRESH]).await;
    site.get("/b", &[("x-reply-cache-control", "private")]).await;
    site.ask("POST", "/c", &[("content-length", "0")]).await;
    site.get("/a", &[]).await;
    let line = |path: &'static str, cache: &'static str| {
        site.proxy.access_line(move |line| line["path"] == path && line["cache"] == cache)
    };
    assert_eq!(line("/a", "miss").await["attempts"], 1);
    assert_eq!(line("/b", "uncacheable").await["route"], "site");
    assert_eq!(line("/c", "pass").await["attempts"], 1);
    let hit = line("/a", "hit").await;
    assert_eq!((hit["attempts"].as_u64(), hit["endpoint"].as_str()), (Some(0), None));
    assert!(hit["bytes_out"].as_u64() > Some(0), "{hit}");
    for result in ["miss", "uncacheable", "pass", "hit"] {
        eventually("it is counted", async || {
            let labels = [("route", "site"), ("result", result)];
            let count = site.metric("marchproxy_cache_answers_total", &labels).await;
            ((count - 1.0).abs() < 0.1).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn what_a_client_with_a_certificate_gets_is_for_it_alone() {
    let (servers, authority) = (Authority::new(), Authority::new());
    let own = authority.leaf(&["client.internal"], Kind::Ecdsa);
    let origin = Origin::start().await;
    let text = text("", "").replace("@web-port@\"", TLS) + SHOP;
    let setup = Setup::new().set("origin", origin.address()).file("ca.pem", authority.pem());
    let proxy = setup.leaf("shop", &servers.leaf(&["shop.example.com"], Kind::Ecdsa));
    let proxy = proxy.start(&text).await;
    let without = TlsClient::trusting(&servers, "shop.example.com");
    let with = without.clone().showing(&own);
    let ask = async |client: &TlsClient, method: &str| {
        let (mut connection, _) = client.connect(proxy.web()).await;
        let (name, value) = FRESH;
        let length = if method == "POST" { "content-length: 0\r\n" } else { "" };
        let head = format!(
            "{method} / HTTP/1.1\r\nhost: shop.example.com\r\n{length}{name}: {value}\r\n\r\n"
        );
        connection.send(head).await;
        connection.answer().await
    };
    for _ in 0..2 {
        let answer = ask(&with, "GET").await;
        assert_eq!(told(&answer), "marchproxy; fwd=bypass", "nothing of it is kept");
    }
    assert!(told(&ask(&without, "GET").await).contains("stored"));
    assert!(told(&ask(&without, "GET").await).contains("; hit"));
    assert_eq!(told(&ask(&with, "GET").await), "marchproxy; fwd=bypass", "nor is it used");
    let labels = [("reason", "certificate")];
    assert_eq!(proxy.metric("marchproxy_cache_passes_total", &labels).await, Some(3.0));
    ask(&with, "POST").await;
    let after = ask(&without, "GET").await;
    assert!(told(&after).contains("fwd=uri-miss"), "what it changes is not kept: {after:?}");
}

#[tokio::test]
async fn what_is_changed_by_way_of_another_route_is_not_kept_either() {
    let routes = "routes: [{ name: write, match: { path: /, methods: [POST] }, upstream: app }, ";
    let text = text("", "").replace("routes: [", routes);
    let site = Site::over(Origin::start().await, &text).await;
    assert!(site.keeps("/", &[FRESH]).await);
    let failed = [("content-length", "0"), ("x-script", "status 500")];
    assert_eq!(site.ask("POST", "/", &failed).await.status, 500);
    assert!(told(&site.get("/", &[]).await).contains("; hit"), "nothing has changed");
    assert_eq!(site.ask("POST", "/", &[("content-length", "0")]).await.status, 200);
    assert!(told(&site.get("/", &[FRESH]).await).contains("fwd=uri-miss"));
}
