//! Passive ejection.

use std::time::{Duration, Instant};

use marchproxy_tests::{Connection, Fault};

use crate::group::Group;

#[tokio::test]
async fn failures_in_a_row_eject_an_endpoint_and_it_comes_back() {
    let keys = "    ejection: { consecutive: 3, time: 2s }\n    retry: { attempts: 1 }";
    let group = Group::of(3, keys).await;
    group.faults[1].set(Fault::Reset);
    let counts = group.answers(6).await;
    assert_eq!(counts["502"], 2, "two failures are not enough: {counts:?}");
    assert_eq!(group.states().await, ["serving"; 3]);
    group.is_driven(1, "ejected").await;
    let counts = group.answers(10).await;
    assert_eq!((counts["a"], counts["c"]), (5, 5), "{counts:?}");
    let metric = "marchproxy_upstream_ejections_total";
    let count = group.proxy.metric(metric, &[("upstream", "app"), ("cause", "consecutive")]).await;
    assert_eq!(count, Some(1.0));
    group.faults[1].set(Fault::None);
    group.becomes(1, "serving").await;
    let counts = group.answers(30).await;
    assert_eq!((counts["a"], counts["b"], counts["c"]), (10, 10, 10), "{counts:?}");
}

#[tokio::test]
async fn a_500_does_not_count_in_the_row_for_clients_could_provoke_it() {
    let group = Group::of(2, "    ejection: { consecutive: 3 }\n    retry: { attempts: 1 }").await;
    group.origins[0].fail(500, 1);
    let counts = group.answers(20).await;
    assert_eq!((counts["500"], counts["b"]), (10, 10), "{counts:?}");
    assert_eq!(group.states().await, ["serving", "serving"]);
}

#[tokio::test]
async fn no_more_than_the_share_are_ejected() {
    let keys = "    ejection: { consecutive: 1, time: 1m, share: 50% }\n    retry: { attempts: 1 }";
    let group = Group::of(4, keys).await;
    for fault in &group.faults {
        fault.set(Fault::Reset);
    }
    group.answers(40).await;
    let states = group.states().await;
    assert_eq!(states.iter().filter(|state| *state == "ejected").count(), 2, "{states:?}");
    let keys = "    ejection: { consecutive: 0 }\n    retry: { attempts: 1 }";
    let group = Group::of(2, keys).await;
    group.faults[0].set(Fault::Reset);
    let counts = group.answers(40).await;
    assert_eq!(counts["502"], 20, "{counts:?}");
}

#[tokio::test]
async fn an_endpoint_is_out_for_longer_each_time_and_no_longer_than_the_longest() {
    let keys = "    ejection: { consecutive: 1, time: 100ms, longest: 1m }\n    \
                retry: { attempts: 1 }";
    let group = Group::of(2, keys).await;
    group.faults[0].set(Fault::Reset);
    for _ in 0..4 {
        group.is_driven(0, "ejected").await;
        group.becomes(0, "serving").await;
    }
    group.is_driven(0, "ejected").await;
    // The fifth time: 1.6 s.
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(group.states().await[0], "ejected");

    let begin = Instant::now();
    let text = group.text(&keys.replace("1m", "150ms"));
    let mut group = group;
    group.proxy.reload(&text).await;
    group.becomes(0, "serving").await;
    for _ in 0..8 {
        group.is_driven(0, "ejected").await;
        group.becomes(0, "serving").await;
    }
    assert!(begin.elapsed() < Duration::from_secs(8), "doubled each time it is 25 s");
}

#[tokio::test]
async fn one_with_few_answers_is_not_compared() {
    let keys = "    ejection: { failures: 30%, period: 200ms, requests: 100000 }\n    \
                retry: { attempts: 1 }";
    let group = Group::of(3, keys).await;
    group.origins[2].fail(500, 1);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(700) {
        group.answers(6).await;
    }
    assert_eq!(group.states().await, ["serving"; 3]);
}

#[tokio::test]
async fn one_that_fails_more_often_than_the_others_is_ejected() {
    let keys = "    ejection: { failures: 30%, period: 500ms, requests: 5, time: 1m }\n    \
                retry: { attempts: 1 }";
    let group = Group::of(3, keys).await;
    group.origins[2].fail(500, 2);
    eventually_ejected(&group, 2).await;
    let metric = "marchproxy_upstream_ejections_total";
    let count = group.proxy.metric(metric, &[("upstream", "app"), ("cause", "failures")]).await;
    assert_eq!(count, Some(1.0));
    assert_eq!(group.states().await[..2], ["serving", "serving"]);
}

#[tokio::test]
async fn one_that_is_slower_than_the_others_is_ejected() {
    let keys = "    ejection: { slow: 3, period: 500ms, requests: 3, time: 1m }";
    let group = Group::of(3, keys).await;
    group.faults[0].set(Fault::Delay(Duration::from_millis(60)));
    eventually_ejected(&group, 0).await;
    let metric = "marchproxy_upstream_ejections_total";
    let count = group.proxy.metric(metric, &[("upstream", "app"), ("cause", "slow")]).await;
    assert_eq!(count, Some(1.0));
}

async fn eventually_ejected(group: &Group, endpoint: usize) {
    marchproxy_tests::eventually("the endpoint is ejected", async || {
        for _ in 0..6 {
            group.proxy.get("/").await;
        }
        (group.states().await[endpoint] == "ejected").then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_known_of_an_endpoint_stays_over_a_reload_that_changes_its_upstream() {
    let keys = "    ejection: { consecutive: 2, time: 1m }\n    retry: { attempts: 1 }";
    let mut group = Group::of(2, keys).await;
    group.faults[0].set(Fault::Reset);
    group.is_driven(0, "ejected").await;
    group.faults[0].set(Fault::None);
    let text = group.text(&format!("{keys}\n    keep_alive: {{ idle: 5s }}"));
    group.proxy.reload(&text).await;
    assert_eq!(group.states().await, ["ejected", "serving"]);
    let counts = group.answers(10).await;
    assert_eq!(counts["b"], 10, "{counts:?}");
}

#[tokio::test]
async fn what_a_client_causes_is_not_blamed_on_an_endpoint() {
    let keys = "    ejection: { consecutive: 2, time: 1m }\n    \
                timeouts: { request: 300ms }\n    retry: { attempts: 1 }";
    let group = Group::of(2, keys).await;
    for _ in 0..6 {
        // Bodies that never come to their end, until the time of the request is over.
        let mut connection = group.proxy.connect().await;
        connection.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc").await;
        assert_eq!(connection.answer().await.status, 504);
        // Clients that leave before they are answered.
        let mut connection = group.proxy.connect().await;
        connection.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: hold\r\n\r\n").await;
        drop(connection);
    }
    assert_eq!(group.states().await, ["serving", "serving"]);
}

#[tokio::test]
async fn a_client_that_sends_slowly_does_not_make_an_endpoint_slow() {
    let keys = "    ejection: { slow: 3, period: 500ms, requests: 3, time: 1m }\n    \
                balance: consistent_hash\n    hash: { by: path }";
    let group = Group::of(2, keys).await;
    let web = group.proxy.web();
    // A path that leads to the first, and one that leads to the second.
    let mut paths = [String::new(), String::new()];
    for path in (0..20).map(|number| format!("/{number}")) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nx-script: delay 50\r\n\r\n");
        let at = usize::from(group.proxy.request(request).await.seen().origin == "b");
        paths[at] = path;
    }
    assert!(paths.iter().all(|path| !path.is_empty()), "{paths:?}");
    for _ in 0..3 {
        let mut clients = tokio::task::JoinSet::new();
        for number in 0..16 {
            let path = paths[number % 2].clone();
            clients.spawn(async move {
                let mut connection = Connection::open(web).await;
                // Those of the first endpoint take long to send theirs.
                let length = if number % 2 == 0 { 3 } else { 0 };
                let head = format!(
                    "POST {path} HTTP/1.1\r\nHost: a\r\nx-script: delay 50\r\n\
                     content-length: {length}\r\n\r\n"
                );
                connection.send(head).await;
                for _ in 0..length {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    connection.send("x").await;
                }
                connection.answer().await.status
            });
        }
        assert!(clients.join_all().await.iter().all(|status| *status == 200));
    }
    let slow = [("upstream", "app"), ("cause", "slow")];
    assert_eq!(group.proxy.metric("marchproxy_upstream_ejections_total", &slow).await, Some(0.0));
}
