//! How an endpoint is chosen.

use std::time::Duration;

use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{Connection, Fault, Origin, Proxy, eventually};

use crate::group::Group;

#[tokio::test]
async fn the_endpoint_with_fewer_requests_is_taken() {
    let group = Group::of(2, "    balance: least_requests").await;
    // One endpoint is given requests that do not end, by which it has more of them than the other.
    let mut held: Vec<Connection> = Vec::new();
    eventually("an endpoint holds requests", async || {
        let mut connection = group.proxy.connect().await;
        connection.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: hold\r\n\r\n").await;
        held.push(connection);
        let running = group.endpoints().await;
        let running = |at: usize| running[at]["running"].as_u64().expect("a number");
        (running(0) + running(1) >= 20).then_some(())
    })
    .await;
    let held_at = |at: usize| group.origins[at].seen().len();
    let (a, b) = (held_at(0), held_at(1));
    assert!(a.abs_diff(b) <= 1, "{a} and {b} requests that do not end");
}

#[tokio::test]
async fn an_endpoint_comes_to_its_share_slowly() {
    let keys = "    slow_start: 1h\n    ejection: { consecutive: 1, time: 200ms }\n";
    let group = Group::of(2, keys).await;
    group.origins[1].fail(503, 1);
    group.is_driven(1, "ejected").await;
    group.origins[1].recover();
    group.becomes(1, "warming").await;
    let counts = group.answers(44).await;
    // A tenth of the weight of the other.
    assert_eq!((counts["a"], counts["b"]), (40, 4), "{counts:?}");
}

/// Who answers a request with these fields, and the cookie it gives.
async fn who(group: &Group, fields: &str) -> (String, Option<String>) {
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let answer = group.proxy.request(request).await;
    (answer.seen().origin, answer.field("set-cookie").map(str::to_owned))
}

#[tokio::test]
async fn the_same_key_leads_to_the_same_endpoint_and_few_move_when_one_goes() {
    let keys = |by: &str| format!("    balance: consistent_hash\n    hash: {{ {by} }}");
    for (by, field) in
        [("by: header, name: X-User", "X-User: "), ("by: cookie, name: user", "Cookie: a=b; user=")]
    {
        let group = Group::of(4, &keys(by)).await;
        let mut before = Vec::new();
        for user in 0..40 {
            let fields = format!("{field}{user}\r\n");
            let (first, _) = who(&group, &fields).await;
            assert_eq!(who(&group, &fields).await.0, first, "{by} {user}");
            before.push(first);
        }
        for name in ["a", "b", "c", "d"] {
            assert!(before.iter().any(|one| one == name), "{by}: {before:?}");
        }
        assert_eq!(group.endpoint("disable", 0, &[]).await.code(), 0);
        for (user, before) in before.iter().enumerate() {
            let (after, _) = who(&group, &format!("{field}{user}\r\n")).await;
            assert!(
                before == "a" || after == *before,
                "{by}: {user} moved from {before} to {after}"
            );
        }
        // Of many that are out each key goes to who is left, and comes back.
        for at in [1, 2] {
            assert_eq!(group.endpoint("disable", at, &[]).await.code(), 0);
        }
        for user in 0..40 {
            assert_eq!(who(&group, &format!("{field}{user}\r\n")).await.0, "d", "{by} {user}");
        }
        for at in 0..3 {
            assert_eq!(group.endpoint("enable", at, &[]).await.code(), 0);
        }
        for (user, before) in before.iter().enumerate() {
            assert_eq!(who(&group, &format!("{field}{user}\r\n")).await.0, *before, "{by} {user}");
        }
    }
    let group = Group::of(4, &keys("by: address")).await;
    assert_eq!(group.answers(10).await.len(), 1, "one client, one endpoint");
    let group = Group::of(4, &keys("by: path")).await;
    let mut all = std::collections::BTreeSet::new();
    for path in 0..40 {
        let first = group.proxy.get(&format!("/{path}")).await.seen().origin;
        let again = group.proxy.get(&format!("/{path}?x=1")).await.seen().origin;
        assert_eq!(first, again, "{path}");
        all.insert(first);
    }
    assert_eq!(all.len(), 4);
}

#[tokio::test]
async fn a_key_that_everyone_asks_for_overloads_nobody() {
    let keys = "    balance: consistent_hash\n    hash: { by: path, bound: 100 }";
    let group = Group::of(4, keys).await;
    let mut held: Vec<Connection> = Vec::new();
    for _ in 0..8 {
        let mut connection = group.proxy.connect().await;
        connection.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: hold\r\n\r\n").await;
        held.push(connection);
    }
    eventually("each has its share", async || {
        group.origins.iter().all(|origin| origin.seen().len() == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_comes_back_to_its_endpoint_by_a_signed_cookie() {
    let keys = "    sticky: { cookie: srv, key: { file: cookie.key }, age: 1h }";
    let group = Group::of(3, keys).await;
    let (first, cookie) = who(&group, "").await;
    let cookie = cookie.expect("a cookie");
    assert!(cookie.starts_with("srv=") && cookie.contains("Max-Age=3600"), "{cookie}");
    assert!(cookie.contains("HttpOnly") && !cookie.contains("Secure"), "{cookie}");
    let value = cookie.split(';').next().expect("a value");
    for _ in 0..6 {
        assert_eq!(who(&group, &format!("Cookie: {value}\r\n")).await, (first.clone(), None));
    }
    // One who makes a cookie up is sent anywhere, and gets one of ours.
    let forged = format!("Cookie: {}0\r\n", &value[..value.len() - 1]);
    let forged = if forged.contains(value) { forged.replace("0\r\n", "1\r\n") } else { forged };
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..6 {
        let (origin, cookie) = who(&group, &forged).await;
        assert!(cookie.is_some());
        seen.insert(origin);
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
    // Drained, it keeps those that it has, and gets no new ones.
    let at = group
        .origins
        .iter()
        .position(|origin| origin.seen().first().is_some_and(|seen| seen.origin == first));
    let at = at.expect("it has been seen");
    assert_eq!(group.endpoint("drain", at, &[]).await.code(), 0);
    assert_eq!(who(&group, &format!("Cookie: {value}\r\n")).await.0, first);
    for _ in 0..4 {
        assert_ne!(who(&group, "").await.0, first);
    }
    // Disabled, it has nobody, and its clients get another cookie.
    assert_eq!(group.endpoint("disable", at, &[]).await.code(), 0);
    let (other, cookie) = who(&group, &format!("Cookie: {value}\r\n")).await;
    assert!(other != first && cookie.is_some(), "{other} {cookie:?}");
}

#[tokio::test]
async fn the_endpoint_that_answers_sooner_is_taken_and_one_that_asks_for_rest_gets_it() {
    let group = Group::of(2, "    balance: peak_ewma").await;
    group.faults[0].set(Fault::Delay(Duration::from_millis(100)));
    let counts = group.answers(40).await;
    assert!(counts["b"] >= 30, "{counts:?}");
    group.faults[0].set(Fault::None);

    let group = Group::of(2, "    balance: peak_ewma").await;
    let busy =
        "GET / HTTP/1.1\r\nHost: a\r\nx-script: status 429\r\nx-reply-retry-after: 60\r\n\r\n";
    assert_eq!(group.proxy.request(busy).await.status, 429);
    let resting = if group.origins[0].seen().is_empty() { "b" } else { "a" };
    let counts = group.answers(20).await;
    assert!(!counts.contains_key(resting), "{resting} rests: {counts:?}");
}

#[tokio::test]
async fn endpoints_of_the_own_zone_are_preferred_while_enough_of_them_are_well() {
    let origins = ["a", "b", "c", "d"];
    let mut started = Vec::new();
    for name in origins {
        started.push(Origin::named(name).await);
    }
    let endpoint = |at: usize, zone: &str| {
        format!("{{ address: \"{}\", zone: {zone} }}", started[at].address())
    };
    let endpoints =
        [endpoint(0, "here"), endpoint(1, "here"), endpoint(2, "there"), endpoint(3, "there")];
    let text = |keys: &str| {
        format!(
            "listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\" }}]\n\
             routes: [{{ name: everything, upstream: app }}]\n\
             upstreams:\n  - name: app\n    endpoints: [{}]\n    {keys}\n\
             process: {{ workers: 1, zone: here }}\n",
            endpoints.join(", "),
        )
    };
    let mut proxy = Setup::new().start(&text("ejection: { consecutive: 1, time: 1m }")).await;
    let counts = async |proxy: &Proxy| {
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..40 {
            let answer = proxy.get("/").await;
            if answer.status == 200 {
                *counts.entry(answer.seen().origin).or_insert(0) += 1;
            }
        }
        counts
    };
    let all = counts(&proxy).await;
    assert_eq!((all["a"], all["b"], all.len()), (20, 20, 2), "{all:?}");
    // Half of the own ones is less than 70 %: 50/70 of the requests stay.
    started[0].fail(503, 1);
    eventually("one is ejected", async || {
        proxy.get("/").await;
        let status = proxy.status().await;
        (status["upstreams"][0]["endpoints"][0]["state"] == "ejected").then_some(())
    })
    .await;
    let all = counts(&proxy).await;
    assert!((25..=32).contains(&all["b"]), "{all:?}");
    assert!(all["c"] >= 3 && all["d"] >= 3, "{all:?}");
    started[0].recover();
    proxy.reload(&text("local: 0%\n    ejection: { consecutive: 0 }")).await;
    let all = counts(&proxy).await;
    assert!(all["c"] >= 10 && all["d"] >= 10, "{all:?}");
}
