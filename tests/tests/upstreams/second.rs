//! Requests of which a second upstream or endpoint hears: splits, mirrors, hedges.

use std::time::{Duration, Instant};

use marchproxy_tests::certs::{Authority, Kind};
use marchproxy_tests::origin::{Behaviour, RawOrigin};
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{Fault, FaultProxy, Origin, Proxy, eventually};

/// A route to `app` with these keys, and a second upstream, `next`.
async fn start(app: &[std::net::SocketAddr], next: std::net::SocketAddr, route: &str) -> Proxy {
    let app: Vec<String> = app.iter().map(|address| format!("\"{address}\"")).collect();
    let text = format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\" }}]\n\
         routes:\n  \
           - {{ name: all, upstream: app, {route} }}\n  \
           - {{ name: staff, match: {{ headers: [{{ name: x-staff }}] }}, upstream: next }}\n\
         upstreams:\n  \
           - {{ name: app, endpoints: [{}], ejection: {{ consecutive: 0 }} }}\n  \
           - {{ name: next, endpoints: [\"{next}\"] }}\n\
         process: {{ workers: 1 }}\n",
        app.join(", "),
    );
    Setup::new().start(&text).await
}

#[tokio::test]
async fn a_share_of_the_requests_goes_to_another_upstream_and_so_do_those_with_a_header() {
    let (app, next) = (Origin::named("app").await, Origin::named("next").await);
    let proxy =
        start(&[app.address()], next.address(), "split: [{ upstream: next, share: 30% }]").await;
    let mut connection = proxy.connect().await;
    let mut count = 0;
    for _ in 0..1000 {
        count += usize::from(connection.get("/").await.seen().origin == "next");
    }
    // Five standard deviations around 300.
    assert!((228..=372).contains(&count), "{count} of 1000");
    let line = proxy.access_line(|line| line["upstream"] == "next").await;
    assert_eq!(line["route"], "all", "{line}");
    let staff = proxy.request("GET / HTTP/1.1\r\nHost: a\r\nX-Staff: 1\r\n\r\n").await;
    assert_eq!(staff.seen().origin, "next");
}

#[tokio::test]
async fn a_mirror_gets_a_copy_with_its_body_and_changes_nothing() {
    let (app, shadow) = (Origin::named("app").await, Origin::named("shadow").await);
    let proxy = start(&[app.address()], shadow.address(), "mirror: { upstream: next }").await;
    let body = "x".repeat(100_000);
    let post = format!("POST /a?b=c HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{body}");
    let answer = proxy.request(post).await;
    assert_eq!(answer.seen().origin, "app");
    let copy = eventually("the copy comes", async || shadow.seen().first().cloned()).await;
    assert_eq!((copy.method.as_str(), copy.target.as_str()), ("POST", "/a?b=c"));
    assert_eq!(copy.body_length, 100_000);
    let id = |seen: &marchproxy_tests::origin::Seen| seen.field("x-request-id").map(str::to_owned);
    assert_eq!(id(&copy), id(&app.seen()[0]));
    eventually("it is counted", async || {
        let labels = [("upstream", "next"), ("result", "done")];
        proxy.metric("marchproxy_mirrored_requests_total", &labels).await
    })
    .await;
}

#[tokio::test]
async fn a_mirror_that_hangs_or_is_not_there_neither_delays_nor_fails_the_first() {
    let app = Origin::named("app").await;
    let deaf = RawOrigin::start(Behaviour::Deaf).await;
    let away = std::net::SocketAddr::from(([127, 0, 0, 1], marchproxy_tests::ports::free()));
    for shadow in [deaf.address(), away] {
        let proxy = start(&[app.address()], shadow, "mirror: { upstream: next }").await;
        let begin = Instant::now();
        for _ in 0..10 {
            let body = "x".repeat(300_000);
            let put = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n{body}");
            let answer = proxy.request(put).await;
            assert_eq!((answer.status, answer.seen().body_length), (200, 300_000));
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn an_endpoint_that_takes_no_copies_is_ejected_as_one_that_takes_no_requests() {
    let app = Origin::named("app").await;
    let away = std::net::SocketAddr::from(([127, 0, 0, 1], marchproxy_tests::ports::free()));
    let broken = Origin::named("shadow").await;
    broken.fail(503, 1);
    for shadow in [away, broken.address()] {
        let text = format!(
            "listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\" }}]\n\
             routes: [{{ name: all, upstream: app, mirror: {{ upstream: next }} }}]\n\
             upstreams:\n  \
               - {{ name: app, endpoints: [\"{}\"] }}\n  \
               - name: next\n    endpoints: [\"{shadow}\"]\n    \
                 ejection: {{ consecutive: 3, share: 100% }}\n",
            app.address(),
        );
        let proxy = Setup::new().start(&text).await;
        let cause = [("upstream", "next"), ("cause", "consecutive")];
        eventually("it is ejected", async || {
            assert_eq!(proxy.get("/").await.status, 200);
            let count = proxy.metric("marchproxy_upstream_ejections_total", &cause).await;
            count.filter(|count| *count == 1.0)
        })
        .await;
    }
}

#[tokio::test]
async fn a_copy_is_sent_as_its_own_upstream_is_to_be_spoken_to() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["shadow.example.com"], Kind::Ecdsa);
    let app = Origin::named("app").await;
    let shadow = Origin::tls(&leaf, &["h2"]).await;
    let text = format!(
        "process: {{ workers: 1 }}\n\
         listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\" }}]\n\
         routes: [{{ name: all, upstream: app, mirror: {{ upstream: next }} }}]\n\
         upstreams:\n  \
           - {{ name: app, endpoints: [\"{}\"], keep_alive: {{ idle: 0s }} }}\n  \
           - name: next\n    endpoints: [\"{}\"]\n    protocol: http2\n    \
             tls: {{ verify: shadow.example.com, ca: \"@dir@/authority.pem\" }}\n",
        app.address(),
        shadow.address(),
    );
    let setup = Setup::new().file("authority.pem", authority.pem());
    let proxy = setup.start(&text).await;
    for count in 1..=3 {
        assert_eq!(proxy.get("/").await.seen().origin, "app");
        eventually("the copy comes", async || (shadow.seen().len() == count).then_some(())).await;
    }
    assert_eq!(shadow.seen()[0].field(":scheme"), Some("https"));
    assert_eq!((app.connections(), shadow.connections()), (3, 1));
}

#[tokio::test]
async fn a_share_of_the_requests_is_mirrored() {
    let (app, shadow) = (Origin::named("app").await, Origin::named("shadow").await);
    let keys = "mirror: { upstream: next, share: 0% }";
    let proxy = start(&[app.address()], shadow.address(), keys).await;
    for _ in 0..20 {
        assert_eq!(proxy.get("/").await.status, 200);
    }
    let metric = proxy.metric("marchproxy_mirrored_requests_total", &[]).await;
    assert!(metric.is_none_or(|count| count < 1.0), "{metric:?}");
    assert!(shadow.seen().is_empty());
}

#[tokio::test]
async fn a_second_endpoint_is_asked_when_the_first_takes_long_and_the_first_to_answer_is_heard() {
    let origins = [Origin::named("a").await, Origin::named("b").await];
    let slow = FaultProxy::before(origins[0].address()).await;
    slow.set(Fault::Delay(Duration::from_secs(2)));
    let app = [slow.address(), origins[1].address()];
    let mut proxy = start(&app, origins[1].address(), "hedge: 100ms").await;
    let begin = Instant::now();
    for _ in 0..6 {
        assert_eq!(proxy.get("/").await.seen().origin, "b");
    }
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    let labels = [("upstream", "app"), ("result", "hedged")];
    let count = proxy.metric("marchproxy_upstream_retries_total", &labels).await;
    assert!(count.is_some_and(|count| (3.0..=6.0).contains(&count)), "{count:?}");
    let line = proxy.access_line(|line| line["attempts"] == 2).await;
    assert_eq!(line["endpoint"], origins[1].address().to_string(), "{line}");

    // The budget is that of retries.
    let text = proxy.folder().path().join("marchproxy.yaml");
    let text = std::fs::read_to_string(text).expect("the configuration");
    let broke = "ejection: { consecutive: 0 }, retry: { budget: 0%, floor: 0 }";
    proxy.reload(&text.replace("ejection: { consecutive: 0 }", broke)).await;
    for _ in 0..4 {
        assert_eq!(proxy.get("/").await.status, 200);
    }
    assert_eq!(proxy.metric("marchproxy_upstream_retries_total", &labels).await, count);

    // Not idempotent: it waits.
    for _ in 0..2 {
        let post = "POST /once HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(proxy.request(post).await.status, 200);
    }
    let all = origins.iter().flat_map(Origin::seen).filter(|seen| seen.target == "/once");
    assert_eq!(all.count(), 2);
}

#[tokio::test]
async fn a_hedged_request_is_mirrored_too() {
    let (app, shadow) = (Origin::named("app").await, Origin::named("shadow").await);
    let keys = "hedge: 100ms, mirror: { upstream: next }";
    let proxy = start(&[app.address()], shadow.address(), keys).await;
    assert_eq!(proxy.get("/copied").await.seen().origin, "app");
    eventually("the copy is answered", async || {
        let labels = [("upstream", "next"), ("result", "done")];
        proxy.metric("marchproxy_mirrored_requests_total", &labels).await
    })
    .await;
    assert_eq!(shadow.seen()[0].target, "/copied");
}

#[tokio::test]
async fn a_hedged_request_that_fails_everywhere_is_a_502() {
    let origin = RawOrigin::start(Behaviour::CloseAfterHead).await;
    let other = RawOrigin::start(Behaviour::CloseAfterHead).await;
    let proxy = start(&[origin.address(), other.address()], origin.address(), "hedge: 50ms").await;
    let answer = proxy.get("/").await;
    assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream.reset"));
    let silent = RawOrigin::start(Behaviour::Silent).await;
    let proxy = start(&[silent.address()], origin.address(), "hedge: 50ms, timeout: 300ms").await;
    let answer = proxy.get("/").await;
    assert_eq!((answer.status, answer.reason().as_str()), (504, "upstream.timeout"));
}

/// An upstream with these endpoints and keys, behind a route that hedges after so long.
async fn hedged(endpoints: &[std::net::SocketAddr], keys: &str, after: &str) -> Proxy {
    let endpoints: Vec<String> = endpoints.iter().map(|address| format!("\"{address}\"")).collect();
    let text = format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\" }}]\n\
         routes: [{{ name: all, upstream: app, hedge: {after} }}]\n\
         upstreams: [{{ name: app, endpoints: [{}], ejection: {{ consecutive: 0 }}, {keys} }}]\n\
         process: {{ workers: 1 }}\n",
        endpoints.join(", "),
    );
    Setup::new().start(&text).await
}

#[tokio::test]
async fn a_hedged_request_that_was_never_sent_is_tried_elsewhere_at_once() {
    let origin = Origin::named("app").await;
    let away = std::net::SocketAddr::from(([127, 0, 0, 1], marchproxy_tests::ports::free()));
    let proxy = hedged(&[away, origin.address()], "retry: { floor: 1000 }", "5s").await;
    let begin = Instant::now();
    for _ in 0..6 {
        assert_eq!(proxy.get("/").await.status, 200);
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    let labels = [("upstream", "app"), ("result", "done")];
    let count = proxy.metric("marchproxy_upstream_retries_total", &labels).await;
    // A retry takes a turn as well, so more than every other request may begin at the one away.
    assert!(count.is_some_and(|count| (3.0..=6.0).contains(&count)), "{count:?}");
}

#[tokio::test]
async fn an_endpoint_that_was_asked_besides_is_not_asked_again() {
    let silent = RawOrigin::start(Behaviour::Silent).await;
    let closing = RawOrigin::start(Behaviour::CloseAfterHead).await;
    let keys = "retry: { attempts: 4, on: [reset, timeout], attempt_time: 400ms, floor: 1000, \
                pause: 0ms }";
    let proxy = hedged(&[silent.address(), closing.address()], keys, "50ms").await;
    for _ in 0..2 {
        assert!([502, 504].contains(&proxy.get("/").await.status));
    }
    let asked = |origin: &RawOrigin| origin.received().matches("GET / ").count();
    assert_eq!((asked(&silent), asked(&closing)), (2, 2), "once for each request");
}

#[tokio::test]
async fn a_connection_for_a_hedged_request_is_given_up_at_its_time() {
    let silent = RawOrigin::start(Behaviour::Silent).await;
    let keys = "tls: { verify: a.example }, timeouts: { connect: 300ms }";
    let proxy = hedged(&[silent.address()], keys, "10s").await;
    let begin = Instant::now();
    let answer = proxy.get("/").await;
    assert_eq!((answer.status, answer.reason().as_str()), (504, "upstream.connect_timeout"));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_bad_answer_is_not_heard_while_a_good_one_may_come() {
    let (good, bad) = (Origin::named("good").await, Origin::named("bad").await);
    let slow = FaultProxy::before(good.address()).await;
    slow.set(Fault::Delay(Duration::from_millis(300)));
    let endpoints = [slow.address(), bad.address()];
    let keys = "retry: { floor: 1000, statuses: [503] }";
    let proxy = hedged(&endpoints, keys, "50ms").await;
    bad.fail(503, 1);
    for _ in 0..6 {
        let answer = proxy.get("/").await;
        assert_eq!((answer.status, answer.seen().origin.as_str()), (200, "good"));
    }
    let labels = [("upstream", "app"), ("result", "hedged")];
    let hedged = proxy.metric("marchproxy_upstream_retries_total", &labels).await;
    assert!(hedged.is_some_and(|count| count >= 3.0), "{hedged:?}");
    // Where both are bad one of them is heard.
    good.fail(503, 1);
    assert_eq!(proxy.get("/").await.status, 503);
}

#[tokio::test]
async fn an_endpoint_for_which_others_answer_is_the_one_that_is_asked_least() {
    let (near, far) = (Origin::named("near").await, Origin::named("far").await);
    let frozen = FaultProxy::before(far.address()).await;
    let keys = "balance: peak_ewma, retry: { floor: 1000 }";
    let proxy = hedged(&[frozen.address(), near.address()], keys, "50ms").await;
    frozen.set(Fault::Frozen);
    for _ in 0..40 {
        assert_eq!(proxy.get("/").await.seen().origin, "near");
    }
    let labels = [("upstream", "app"), ("result", "hedged")];
    let hedged = proxy.metric("marchproxy_upstream_retries_total", &labels).await;
    assert!(hedged.is_some_and(|count| (1.0..=10.0).contains(&count)), "{hedged:?}");
}
