//! Requests that are tried again.

use std::time::{Duration, Instant};

use marchproxy_tests::origin::{Behaviour, RawOrigin};
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Fault, Origin};

use crate::group::Group;

/// Without ejection, so that the endpoint that fails is tried each time its turn comes.
const NO_EJECTION: &str = "    ejection: { consecutive: 0 }\n";

async fn group(count: usize, retry: &str) -> Group {
    Group::of(count, &format!("{NO_EJECTION}    retry: {{ {retry} }}")).await
}

async fn retries(group: &Group, result: &str) -> f64 {
    let labels = [("upstream", "app"), ("result", result)];
    group.proxy.metric("marchproxy_upstream_retries_total", &labels).await.unwrap_or(0.0)
}

#[tokio::test]
async fn a_request_that_was_never_sent_is_tried_elsewhere_whatever_its_method() {
    let group = group(2, "floor: 1000").await;
    group.faults[0].set(Fault::Reset);
    for method in ["GET", "POST"] {
        for _ in 0..6 {
            let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
            let answer = group.proxy.request(request).await;
            // A reset of a connection that was made may come when the request has been sent.
            assert!(answer.status == 200 || method == "POST", "{method}: {}", answer.status);
        }
    }
    assert!(retries(&group, "done").await >= 3.0);
    let line = group.proxy.access_line(|line| line["attempts"] == 2).await;
    assert_eq!(line["endpoint"], group.faults[1].address().to_string(), "{line}");
}

#[tokio::test]
async fn a_post_is_never_sent_twice() {
    let group = group(2, "attempts: 3, on: [connect, reset, timeout], statuses: [503], attempt_time: 300ms, floor: 1000").await;
    group.origins[0].fail(503, 1);
    group.origins[1].fail(503, 1);
    let post = "POST /once HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(group.proxy.request(post).await.status, 503);
    let post = "POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nx-script: hold\r\n\r\nabc";
    assert_eq!(group.proxy.request(post).await.status, 504);
    let post = "POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    for fault in &group.faults {
        fault.set(Fault::HalfClose);
    }
    assert_eq!(group.proxy.request(post).await.status, 502);
    let all: Vec<String> =
        group.origins.iter().flat_map(|origin| origin.seen()).map(|seen| seen.target).collect();
    for target in ["/once", "/late", "/half"] {
        assert_eq!(all.iter().filter(|seen| *seen == target).count(), 1, "{target}: {all:?}");
    }
}

#[tokio::test]
async fn an_idempotent_request_is_tried_again_with_its_body_after_a_status_a_reset_or_silence() {
    let keys = "on: [connect, reset, timeout], statuses: [500], attempt_time: 300ms, floor: 1000";
    let group = group(2, keys).await;
    let put = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let try_all = async |what: &str| {
        let before = retries(&group, "done").await;
        for _ in 0..4 {
            let answer = group.proxy.request(put).await;
            assert_eq!(answer.status, 200, "{what}");
            let seen = answer.seen();
            assert_eq!((seen.origin.as_str(), seen.body.as_str()), ("b", "hello"), "{what}");
        }
        assert!(retries(&group, "done").await >= before + 2.0, "{what}");
    };
    group.origins[0].fail(500, 1);
    try_all("a status").await;
    group.origins[0].recover();
    group.faults[0].set(Fault::HalfClose);
    try_all("a close before the answer").await;
    group.faults[0].set(Fault::Frozen);
    try_all("silence").await;
}

#[tokio::test]
async fn a_failure_that_is_not_listed_is_not_tried_again() {
    let group = group(2, "on: [connect], floor: 1000").await;
    group.faults[0].set(Fault::HalfClose);
    let counts = group.answers(10).await;
    assert_eq!((counts["502"], counts["b"]), (5, 5), "{counts:?}");
}

#[tokio::test]
async fn retries_are_bounded_by_the_budget() {
    let group = group(2, "budget: 10%, floor: 0").await;
    group.faults[0].set(Fault::HalfClose);
    let counts = group.answers(60).await;
    let done = retries(&group, "done").await;
    assert!((4.0..=6.0).contains(&done), "{done} of 60 requests: {counts:?}");
    assert!(retries(&group, "no_budget").await >= 20.0);
    assert!(counts["502"] >= 20, "{counts:?}");
}

#[tokio::test]
async fn an_endpoint_is_tried_once_and_no_more_often_than_told() {
    let group = group(4, "attempts: 3, floor: 1000, pause: 0ms").await;
    for fault in &group.faults {
        fault.set(Fault::HalfClose);
    }
    assert_eq!(group.proxy.get("/").await.status, 502);
    let seen: Vec<usize> = group.origins.iter().map(|origin| origin.seen().len()).collect();
    assert_eq!(seen.iter().sum::<usize>(), 3, "{seen:?}");
    assert!(seen.iter().all(|count| *count <= 1), "{seen:?}");
    let group = self::group(1, "attempts: 3, floor: 1000, pause: 0ms").await;
    group.faults[0].set(Fault::HalfClose);
    assert_eq!(group.proxy.get("/").await.status, 502);
    assert_eq!(group.origins[0].seen().len(), 1);
    assert_eq!(retries(&group, "no_endpoint").await, 1.0);
}

#[tokio::test]
async fn a_body_that_is_longer_than_the_buffer_is_not_sent_again() {
    let group = group(2, "buffer: 4KiB, floor: 1000").await;
    group.faults[0].set(Fault::HalfClose);
    let body = "x".repeat(5000);
    let put = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n{body}");
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(group.proxy.request(&put).await.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 502, 502]);
}

#[tokio::test]
async fn there_is_a_pause_before_a_retry() {
    let group = group(2, "pause: 600ms, floor: 1000").await;
    for fault in &group.faults {
        fault.set(Fault::HalfClose);
    }
    let begin = Instant::now();
    assert_eq!(group.proxy.get("/").await.status, 502);
    assert!(begin.elapsed() >= Duration::from_millis(300), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_long_body_is_not_sent_again_on_another_connection_either() {
    let origin = RawOrigin::start(Behaviour::CloseOnReuse).await;
    let text = SIMPLE.replace("name: app,", "name: app, retry: { buffer: 1KiB },")
        + "process: { workers: 1 }\n";
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    assert_eq!(proxy.get("/first").await.status, 200);
    let body = "x".repeat(5000);
    let put = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n{body}");
    let answer = proxy.request(&put).await;
    assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream.reset"));
    assert_eq!(origin.connections(), 1);
}

/// An endpoint that speaks HTTP/2 and takes no request, in good order.
async fn leaving() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await?;
                while let Some(request) = connection.accept().await {
                    request?.1.send_reset(h2::Reason::REFUSED_STREAM);
                }
                Ok::<_, h2::Error>(())
            });
        }
    });
    address
}

#[tokio::test]
async fn an_endpoint_that_says_that_it_takes_no_more_has_not_failed() {
    let (leaving, good) = (leaving().await, Origin::http2().await);
    let text = format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\" }}]\n\
         routes: [{{ name: all, upstream: app }}]\n\
         upstreams:\n  - name: app\n    endpoints: [\"{leaving}\", \"{}\"]\n    \
           protocol: http2\n    ejection: {{ consecutive: 2, share: 100% }}\n    \
           retry: {{ floor: 1000, pause: 0ms }}\n",
        good.address()
    );
    let proxy = Setup::new().start(&text).await;
    for _ in 0..8 {
        let post = "POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 1\r\n\r\nx";
        assert_eq!(proxy.request(post).await.status, 200, "nothing was done, so it goes twice");
    }
    let cause = [("upstream", "app"), ("cause", "consecutive")];
    let metric = "marchproxy_upstream_ejections_total";
    assert_eq!(proxy.metric(metric, &cause).await, Some(0.0));
}

#[tokio::test]
async fn what_a_client_takes_to_send_is_not_the_time_of_an_attempt() {
    let keys = "    ejection: { consecutive: 1, share: 100% }\n    \
                retry: { attempts: 1, attempt_time: 400ms }";
    let group = Group::of(1, keys).await;
    let mut connection = group.proxy.connect().await;
    connection.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n").await;
    connection.send_slowly(&[&b"a"[..]; 5], Duration::from_millis(250)).await;
    assert_eq!(connection.answer().await.status, 200);
    // The endpoint has no more time than it is given, once it has all of it.
    group.faults[0].set(Fault::Frozen);
    let begin = Instant::now();
    assert_eq!(group.proxy.get("/").await.status, 504);
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn an_endpoint_that_takes_no_more_has_not_failed_for_a_hedge_either() {
    let (leaving, good) = (leaving().await, Origin::http2().await);
    let slow = marchproxy_tests::FaultProxy::before(good.address()).await;
    slow.set(Fault::Delay(Duration::from_millis(100)));
    let text = format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\" }}]\n\
         routes: [{{ name: all, upstream: app, hedge: 20ms }}]\n\
         upstreams:\n  - name: app\n    endpoints: [\"{leaving}\", \"{}\"]\n    \
           protocol: http2\n    ejection: {{ consecutive: 2, share: 100% }}\n    \
           retry: {{ floor: 1000, pause: 0ms }}\n",
        slow.address()
    );
    let proxy = Setup::new().start(&text).await;
    for _ in 0..8 {
        assert_eq!(proxy.get("/").await.status, 200);
    }
    let cause = [("upstream", "app"), ("cause", "consecutive")];
    let metric = "marchproxy_upstream_ejections_total";
    assert_eq!(proxy.metric(metric, &cause).await, Some(0.0));
}
