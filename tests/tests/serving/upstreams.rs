//! Endpoints: how they are chosen, found, and kept connected.

use std::collections::HashMap;
use std::time::Duration;

use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, eventually};

async fn counts(proxy: &Proxy, requests: usize) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    let mut connection = proxy.connect().await;
    for _ in 0..requests {
        *counts.entry(connection.get("/").await.seen().origin).or_insert(0) += 1;
    }
    counts
}

#[tokio::test]
async fn endpoints_take_turns() {
    let (a, b, c) = (Origin::named("a").await, Origin::named("b").await, Origin::named("c").await);
    let text = SIMPLE.replace("\"@origin@\"", "\"@a@\", \"@b@\", \"@c@\"");
    let setup = Setup::new().set("a", a.address()).set("b", b.address()).set("c", c.address());
    let text = format!("{text}\nprocess: {{ workers: 1 }}\n");
    let proxy = setup.start(&text).await;
    let counts = counts(&proxy, 30).await;
    assert_eq!((counts["a"], counts["b"], counts["c"]), (10, 10, 10), "{counts:?}");
}

#[tokio::test]
async fn weights_are_shares() {
    let (a, b) = (Origin::named("a").await, Origin::named("b").await);
    let text =
        SIMPLE.replace("\"@origin@\"", "{ address: \"@a@\", weight: 3 }, { address: \"@b@\" }");
    let setup = Setup::new().set("a", a.address()).set("b", b.address());
    let proxy = setup.start(&format!("{text}\nprocess: {{ workers: 1 }}\n")).await;
    let counts = counts(&proxy, 40).await;
    assert_eq!((counts["a"], counts["b"]), (30, 10), "{counts:?}");
}

#[tokio::test]
async fn names_are_looked_up() {
    let origin = Origin::named("a").await;
    let port = origin.address().port();
    for endpoint in [format!("\"localhost:{port}\""), format!("{{ dns: localhost, port: {port} }}")]
    {
        let text = SIMPLE.replace("\"@origin@\"", &endpoint);
        let proxy = Proxy::start(&text).await;
        // `localhost` may have an IPv6 address too, where nobody listens.
        eventually("the name leads to the origin", async || {
            (proxy.get("/").await.status == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_a_503_and_the_proxy_starts_all_the_same() {
    let text = SIMPLE.replace("@origin@", "no-such-host.invalid:80");
    let proxy = Proxy::start(&text).await;
    let answer = proxy.get("/").await;
    assert_eq!(answer.status, 503);
    let reason = answer.reason();
    assert!(["upstream.unresolved", "upstream.no_endpoint"].contains(&reason.as_str()), "{reason}");
}

#[tokio::test]
async fn connections_are_kept_as_long_as_told() {
    let origin = Origin::start().await;
    let text = SIMPLE.replace("name: app,", "name: app, keep_alive: { idle: 300ms },");
    let text = format!("{text}\nprocess: {{ workers: 1 }}\n");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    for _ in 0..5 {
        assert_eq!(proxy.get("/").await.status, 200);
    }
    assert_eq!(origin.connections(), 1);
    eventually("the idle connection is closed", async || (origin.open() == 0).then_some(())).await;

    let text = SIMPLE.replace("name: app,", "name: app, keep_alive: { idle: 0s },");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    for _ in 0..3 {
        assert_eq!(proxy.get("/").await.status, 200);
    }
    assert_eq!(origin.connections(), 4);
}

#[tokio::test]
async fn a_kept_connection_that_the_origin_closed_costs_no_request() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    for _ in 0..10 {
        let answer = proxy.request("GET / HTTP/1.1\r\nHost: a\r\nx-script: close\r\n\r\n").await;
        assert_eq!(answer.status, 200);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
