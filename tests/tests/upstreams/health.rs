//! Active health checks.

use std::time::{Duration, Instant};

use marchproxy_tests::{Fault, Origin, eventually};

use crate::group::Group;

/// Nothing here takes long, but a test machine may.
const QUICK: &str = "every: 100ms, timeout: 5s, up: 2, down: 2";

async fn check_error(group: &Group, endpoint: usize) -> String {
    group.endpoints().await[endpoint]["check_error"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_endpoint_that_is_not_well_gets_nothing_until_it_is() {
    let keys = format!("    panic: 0%\n    health: {{ http: /health, {QUICK} }}");
    let group = Group::of(2, &keys).await;
    group.origins[0].fail(500, 1);
    group.becomes(0, "unhealthy").await;
    assert_eq!(check_error(&group, 0).await, "it answers 500");
    let counts = group.answers(10).await;
    assert_eq!(counts["b"], 10, "{counts:?}");
    group.origins[0].recover();
    group.becomes(0, "serving").await;
    assert_eq!(group.answers(10).await["a"], 5);
    let seen = group.origins[1].seen();
    let check = seen.iter().find(|seen| seen.target == "/health").expect("a check");
    assert_eq!(check.field("host"), Some(group.faults[1].address().to_string().as_str()));
    for result in ["ok", "failed"] {
        let labels = [("upstream", "app"), ("result", result)];
        let count = group.proxy.metric("marchproxy_upstream_checks_total", &labels).await;
        assert!(count.is_some_and(|count| count >= 1.0), "{result}: {count:?}");
    }
}

#[tokio::test]
async fn statuses_host_and_port_of_a_check_are_as_told() {
    let health = Origin::named("health").await;
    let port = health.address().port();
    let keys = format!(
        "    health: {{ http: /h, statuses: [418], host: check.example, port: {port}, {QUICK} }}"
    );
    let group = Group::of(1, &keys).await;
    group.becomes(0, "unhealthy").await;
    health.fail(418, 1);
    group.becomes(0, "serving").await;
    assert_eq!(health.seen()[0].field("host"), Some("check.example"));
    assert!(group.origins[0].seen().is_empty());
}

#[tokio::test]
async fn a_check_that_takes_too_long_has_failed() {
    let quick = QUICK.replace("5s", "300ms");
    let group = Group::of(2, &format!("    health: {{ http: /, {quick} }}")).await;
    group.faults[0].set(Fault::Frozen);
    group.becomes(0, "unhealthy").await;
    assert_eq!(check_error(&group, 0).await, "no answer within 300ms");
}

#[tokio::test]
async fn a_connection_is_enough_when_nothing_is_asked_for() {
    let group = Group::of(2, &format!("    health: {{ {QUICK} }}")).await;
    group.origins[0].fail(500, 1);
    eventually("each was checked twice", async || {
        group.faults.iter().all(|fault| fault.connections() >= 3).then_some(())
    })
    .await;
    assert_eq!(group.states().await, ["serving", "serving"]);
    assert!(group.origins[0].seen().is_empty(), "nothing was said");
}

#[tokio::test]
async fn all_are_used_when_too_few_are_well() {
    let keys = |panic: &str| {
        format!(
            "    panic: {panic}\n    health: {{ http: /health, {QUICK} }}\n    retry: {{ attempts: 1 }}"
        )
    };
    let mut group = Group::of(4, &keys("50%")).await;
    for at in 0..3 {
        group.origins[at].fail(500, 1);
        group.becomes(at, "unhealthy").await;
    }
    assert_eq!(group.proxy.status().await["upstreams"][0]["panic"], true);
    let panic = group.proxy.metric("marchproxy_upstream_panic", &[("upstream", "app")]).await;
    assert_eq!(panic, Some(1.0));
    assert_eq!(group.answers(20).await["500"], 15);
    let text = group.text(&keys("0%"));
    group.proxy.reload(&text).await;
    assert_eq!(group.answers(20).await["d"], 20);
    assert_eq!(group.proxy.status().await["upstreams"][0]["panic"], false);
}

#[tokio::test]
async fn what_checks_found_is_forgotten_with_the_checks() {
    let mut group = Group::of(2, &format!("    health: {{ http: /health, {QUICK} }}")).await;
    group.origins[0].fail(500, 1);
    group.becomes(0, "unhealthy").await;
    let text = group.text("    retry: { attempts: 1 }");
    group.proxy.reload(&text).await;
    assert_eq!(group.states().await, ["serving", "serving"]);
}

#[tokio::test]
async fn a_grpc_server_says_whether_its_service_is_served() {
    let keys = format!("    protocol: http2\n    health: {{ grpc: shop.Orders, {QUICK} }}");
    let group = Group::over(vec![Origin::http2().await], &keys).await;
    let check = eventually("a check", async || group.origins[0].seen().first().cloned()).await;
    assert_eq!(check.target, "/grpc.health.v1.Health/Check");
    assert_eq!(check.field("content-type"), Some("application/grpc"));
    group.becomes(0, "serving").await;
    group.origins[0].fail(500, 1);
    group.becomes(0, "unhealthy").await;
    assert_eq!(check_error(&group, 0).await, "its status is NOT_SERVING");
    group.origins[0].recover();
    group.becomes(0, "serving").await;
}

#[tokio::test]
async fn a_grpc_check_against_a_plain_server_says_why_it_fails() {
    let keys = format!("    protocol: http2\n    health: {{ grpc: \"\", {QUICK} }}");
    let group = Group::over(vec![Origin::start().await], &keys).await;
    group.becomes(0, "unhealthy").await;
    let error = check_error(&group, 0).await;
    assert!(error.starts_with("The server "), "{error}");
}

#[tokio::test]
async fn it_takes_as_many_results_in_a_row_as_told() {
    let keys = "    health: { http: /, every: 100ms, timeout: 2s, up: 50, down: 1 }";
    let group = Group::of(1, keys).await;
    group.becomes(0, "serving").await;
    group.origins[0].fail(500, 1);
    group.becomes(0, "unhealthy").await;
    group.origins[0].recover();
    checked_more_often(&group, 4).await;
    assert_eq!(group.states().await, ["unhealthy"], "fifty are needed");

    let keys = "    health: { http: /, every: 100ms, timeout: 2s, up: 1, down: 50 }";
    let group = Group::of(1, keys).await;
    checked_more_often(&group, 1).await;
    group.origins[0].fail(500, 1);
    checked_more_often(&group, 4).await;
    assert_eq!(group.states().await, ["serving"], "fifty are needed");
}

async fn checked_more_often(group: &Group, times: usize) {
    let before = group.origins[0].seen().len();
    eventually("there are more checks", async || {
        (group.origins[0].seen().len() >= before + times).then_some(())
    })
    .await;
}

#[tokio::test]
async fn pauses_between_checks_differ() {
    let keys = "    health: { every: 200ms, jitter: 50%, timeout: 1s }";
    let group = Group::of(1, keys).await;
    let mut pauses = Vec::new();
    let mut last = Instant::now();
    for count in 1..=13 {
        eventually("a check", async || (group.faults[0].connections() >= count).then_some(()))
            .await;
        pauses.push(last.elapsed());
        last = Instant::now();
    }
    // The first is from the start; of the others each is between 100 and 300 ms.
    let (least, most) = (pauses[1..].iter().min().unwrap(), pauses[1..].iter().max().unwrap());
    assert!(*most - *least >= Duration::from_millis(70), "{pauses:?}");
}
