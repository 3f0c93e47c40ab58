//! One endpoint of four fails in one way or another, under steady load.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use marchproxy_tests::client::request;
use marchproxy_tests::{Fault, Origin};

use crate::group::Group;

/// What an operator would write who wants the most of it.
const KEYS: &str = "    \
    balance: least_requests
    ejection: { consecutive: 3, failures: 20%, slow: 5, period: 500ms, requests: 10, time: 30s }
    retry: { attempts: 3, on: [connect, reset, timeout], statuses: [500, 502, 503], budget: 20%, attempt_time: 400ms }
    slow_start: 2s
    timeouts: { connect: 400ms }";

/// How long the fault may show.
const GRACE: Duration = Duration::from_secs(2);
/// How long it must not show after that.
const STEADY: Duration = Duration::from_secs(3);
/// Requests that are begun per second.
const RATE: u64 = 150;

#[derive(Default)]
struct Tally {
    good: AtomicUsize,
    bad: AtomicUsize,
    late_good: AtomicUsize,
    late_bad: AtomicUsize,
}

/// Sends requests at a steady rate for so long, whether they are answered or not.
async fn load(group: &Group, line: &str, time: Duration) -> Arc<Tally> {
    let tally = Arc::new(Tally::default());
    let web = group.proxy.web();
    let begin = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    let mut number: u64 = 0;
    while begin.elapsed() < time {
        let head = format!("{line}{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        let (tally, is_late) = (Arc::clone(&tally), begin.elapsed() >= GRACE);
        running.spawn(async move {
            let is_good = request(web, head).await.status == 200;
            let count = match (is_good, is_late) {
                (true, true) => &tally.late_good,
                (false, true) => &tally.late_bad,
                (true, false) => &tally.good,
                (false, false) => &tally.bad,
            };
            count.fetch_add(1, Ordering::Relaxed);
        });
        number += 1;
        tokio::time::sleep_until((begin + Duration::from_millis(number * 1000 / RATE)).into())
            .await;
    }
    while let Some(done) = running.join_next().await {
        done.expect("no request panics");
    }
    tally
}

/// Has one of four endpoints fail while GETs are sent: none of them fails once the proxy has had
/// its time, and retries add little.
async fn one_fails(what: &str, fail: impl Fn(&Group)) {
    let group = Group::of(4, KEYS).await;
    group.answers(40).await;
    let before: usize = group.origins.iter().map(|origin| origin.seen().len()).sum();
    fail(&group);
    let tally = load(&group, "GET /", GRACE + STEADY).await;
    let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    let (good, bad) = (count(&tally.late_good), count(&tally.late_bad));
    assert_eq!(bad, 0, "{what}: {bad} of {} failed after the grace", good + bad);
    assert!(good > 200, "{what}: {good} answers");
    let all = good + count(&tally.good) + count(&tally.bad);
    let labels = [("upstream", "app"), ("result", "done")];
    let retries = group.proxy.metric("marchproxy_upstream_retries_total", &labels).await;
    let retries = retries.unwrap_or(0.0);
    assert!(retries <= all as f64 / 10.0, "{what}: {retries} retries of {all} requests");
    let seen: usize = group.origins.iter().map(|origin| origin.seen().len()).sum();
    println!(
        "{what}: {all} requests, {} bad at first, {retries} retries, {} seen",
        count(&tally.bad),
        seen - before
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_endpoint_costs_no_request_after_two_seconds() {
    one_fails("killed", |group| group.faults[0].set(Fault::Reset)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_endpoint_costs_no_request_after_two_seconds() {
    one_fails("frozen", |group| group.faults[0].set(Fault::Frozen)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_slowed_by_two_seconds_costs_no_request_after_two_seconds() {
    one_fails("slow", |group| group.faults[0].set(Fault::Delay(Duration::from_secs(2)))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_answers_500_to_half_costs_no_request_after_two_seconds() {
    one_fails("500", |group| group.origins[0].fail(500, 2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_post_is_seen_twice_whatever_fails() {
    for fault in [Fault::Reset, Fault::Frozen, Fault::HalfClose] {
        let group = Group::of(4, KEYS).await;
        group.answers(8).await;
        group.faults[0].set(fault);
        load(&group, "POST /once/", GRACE).await;
        let mut targets: Vec<String> = group
            .origins
            .iter()
            .flat_map(Origin::seen)
            .map(|seen| seen.target)
            .filter(|target| target.starts_with("/once/"))
            .collect();
        let all = targets.len();
        targets.sort();
        targets.dedup();
        assert_eq!(targets.len(), all, "{fault:?}: some POST was seen twice");
        assert!(all > 150, "{fault:?}: {all} seen");
    }
}
