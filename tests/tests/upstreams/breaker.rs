//! Circuit breakers.

use std::time::Duration;

use marchproxy_tests::Fault;

use crate::group::Group;

const KEYS: &str = "    breaker: { failures: 50%, window: 5s, requests: 6, open: 1s, probes: 2 }\n    \
                    ejection: { consecutive: 0 }\n    retry: { attempts: 1 }";

#[tokio::test]
async fn a_breaker_opens_is_probed_and_closes() {
    let group = Group::of(2, KEYS).await;
    group.faults[0].set(Fault::Reset);
    let counts = group.answers(10).await;
    assert_eq!(counts["502"], 5, "five are not enough: {counts:?}");
    assert_eq!(group.states().await, ["serving", "serving"]);
    group.is_driven(0, "open").await;
    let metric = "marchproxy_upstream_breaker_openings_total";
    assert_eq!(group.proxy.metric(metric, &[("upstream", "app")]).await, Some(1.0));
    group.becomes(0, "half_open").await;
    // A probe that fails opens it again.
    let counts = group.answers(10).await;
    assert!((1..=2).contains(&counts["502"]), "{counts:?}");
    group.faults[0].set(Fault::None);
    group.is_driven(0, "serving").await;
    let counts = group.answers(20).await;
    assert_eq!((counts["a"], counts["b"]), (10, 10), "{counts:?}");
}

#[tokio::test]
async fn with_all_breakers_open_requests_fail_at_once() {
    let group = Group::of(1, KEYS).await;
    group.faults[0].set(Fault::Reset);
    group.is_driven(0, "open").await;
    let connections = group.faults[0].connections();
    let answer = group.proxy.get("/").await;
    assert_eq!((answer.status, answer.reason().as_str()), (503, "upstream.no_endpoint"));
    assert_eq!(group.faults[0].connections(), connections);
}

#[tokio::test]
async fn a_smaller_share_of_failures_leaves_it_closed_and_old_ones_are_forgotten() {
    let keys = KEYS.replace("50%", "90%");
    let group = Group::of(1, &keys).await;
    group.origins[0].fail(500, 2);
    group.answers(30).await;
    assert_eq!(group.states().await, ["serving"]);

    let group = Group::of(1, &KEYS.replace("5s", "500ms")).await;
    group.origins[0].fail(500, 1);
    for _ in 0..3 {
        group.answers(3).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    assert_eq!(group.states().await, ["serving"], "never six within the window");
}
