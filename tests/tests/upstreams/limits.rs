//! How much an upstream is given at one time.

use std::time::{Duration, Instant};

use marchproxy_tests::{Connection, Fault, Origin, eventually};

use crate::group::Group;

async fn hold(group: &Group) -> Connection {
    let mut connection = group.proxy.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: hold\r\n\r\n").await;
    connection
}

#[tokio::test]
async fn more_requests_wait_for_their_turn() {
    let group = Group::of(1, "    limits: { requests: 2, wait: 10s }").await;
    let mut held = [hold(&group).await, hold(&group).await];
    eventually("both are there", async || (group.origins[0].seen().len() == 2).then_some(())).await;
    let mut waiting = hold(&group).await;
    eventually("the third waits", async || {
        (group.proxy.status().await["upstreams"][0]["waiting"] == 1).then_some(())
    })
    .await;
    assert_eq!(group.origins[0].seen().len(), 2);
    let upstream = [("upstream", "app")];
    let waiting_now = group.proxy.metric("marchproxy_upstream_waiting_requests", &upstream).await;
    assert_eq!(waiting_now, Some(1.0));
    let limit = group.proxy.metric("marchproxy_upstream_request_limit", &upstream).await;
    assert_eq!(limit, Some(2.0));
    group.origins[0].release();
    for connection in &mut held {
        assert_eq!(connection.answer().await.status, 200);
    }
    assert_eq!(waiting.answer().await.status, 200);
}

#[tokio::test]
async fn no_more_than_the_bound_wait_and_none_for_longer_than_told() {
    let group = Group::of(1, "    limits: { requests: 1, waiting: 1, wait: 1s }").await;
    let _held = hold(&group).await;
    eventually("it is there", async || (group.origins[0].seen().len() == 1).then_some(())).await;
    let begin = Instant::now();
    let mut waiting = hold(&group).await;
    eventually("the second waits", async || {
        (group.proxy.status().await["upstreams"][0]["waiting"] == 1).then_some(())
    })
    .await;
    let answer = group.proxy.get("/").await;
    assert_eq!((answer.status, answer.reason().as_str()), (503, "upstream.busy"));
    assert!(begin.elapsed() < Duration::from_secs(1), "it did not wait");
    let answer = waiting.answer().await;
    assert_eq!((answer.status, answer.reason().as_str()), (503, "upstream.busy"));
    assert!(begin.elapsed() >= Duration::from_secs(1), "it waited");
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_makes_room() {
    let group = Group::of(1, "    limits: { requests: 1, waiting: 1, wait: 1m }").await;
    let _held = hold(&group).await;
    eventually("it is there", async || (group.origins[0].seen().len() == 1).then_some(())).await;
    let waits = async |count: u64| {
        eventually("as many wait", async || {
            (group.proxy.status().await["upstreams"][0]["waiting"] == count).then_some(())
        })
        .await;
    };
    let waiting = hold(&group).await;
    waits(1).await;
    drop(waiting);
    waits(0).await;
}

#[tokio::test]
async fn an_endpoint_that_is_full_is_passed_over() {
    let group = Group::of(2, "    limits: { endpoint_requests: 1 }").await;
    let _held = [hold(&group).await, hold(&group).await];
    eventually("each has one", async || {
        group.origins.iter().all(|origin| origin.seen().len() == 1).then_some(())
    })
    .await;
    let answer = group.proxy.get("/").await;
    assert_eq!((answer.status, answer.reason().as_str()), (503, "upstream.busy"));
}

#[tokio::test]
async fn a_limit_adapts_to_how_long_answers_take() {
    let keys = "    limits: { adaptive: { least: 3, most: 6 }, waiting: 1000, wait: 30s }";
    let group = Group::of(1, keys).await;
    let limit = async || {
        let status = group.proxy.status().await;
        status["upstreams"][0]["limit"].as_u64().expect("a limit")
    };
    assert_eq!(limit().await, 3);
    // More requests than are let in, all of which take the same time, and so long that a busy
    // machine adds little to it.
    let web = group.proxy.web();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..30 {
        clients.spawn(async move {
            let mut connection = Connection::open(web).await;
            loop {
                connection.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: delay 200\r\n\r\n").await;
                if connection.try_answer().await.is_err() {
                    return;
                }
            }
        });
    }
    eventually("the limit grows as far as it may", async || (limit().await == 6).then_some(()))
        .await;
    group.faults[0].set(Fault::Delay(Duration::from_secs(2)));
    eventually("the limit falls when answers take longer", async || {
        (limit().await < 6).then_some(())
    })
    .await;
    assert!(limit().await >= 3);
}

#[tokio::test]
async fn those_who_wait_count_after_a_reload() {
    let mut group = Group::of(1, "    limits: { requests: 1, waiting: 1, wait: 1m }").await;
    let _held = hold(&group).await;
    eventually("it is there", async || (group.origins[0].seen().len() == 1).then_some(())).await;
    let _waiting = hold(&group).await;
    let waiting = async |group: &Group| {
        group.proxy.status().await["upstreams"][0]["waiting"].as_u64().expect("a number")
    };
    eventually("the second waits", async || (waiting(&group).await == 1).then_some(())).await;
    let text = group.text("    limits: { requests: 1, waiting: 1, wait: 2m }");
    group.proxy.reload(&text).await;
    assert_eq!(waiting(&group).await, 1);
    assert_eq!(group.proxy.get("/").await.reason(), "upstream.busy", "no more may wait");
}

#[tokio::test]
async fn those_who_are_inside_count_after_a_reload() {
    let mut group = Group::of(1, "    limits: { requests: 2, waiting: 0 }").await;
    let mut held = [hold(&group).await, hold(&group).await];
    eventually("both are there", async || (group.origins[0].seen().len() == 2).then_some(())).await;
    let text = group.text("    limits: { requests: 2, waiting: 0 }\n    retry: { attempts: 1 }");
    group.proxy.reload(&text).await;
    assert_eq!(group.proxy.get("/").await.reason(), "upstream.busy");
    let text = group.text("    limits: { requests: 3, waiting: 0 }");
    group.proxy.reload(&text).await;
    let third = hold(&group).await;
    eventually("the third is let in", async || (group.origins[0].seen().len() == 3).then_some(()))
        .await;
    assert_eq!(group.proxy.get("/").await.reason(), "upstream.busy");
    group.origins[0].release();
    for connection in &mut held {
        assert_eq!(connection.answer().await.status, 200);
    }
    drop(third);
}

#[tokio::test]
async fn what_is_waited_for_a_place_is_not_the_time_of_an_attempt() {
    let keys = "    limits: { requests: 2, waiting: 100, wait: 30s }\n    \
                retry: { attempts: 1, attempt_time: 700ms }";
    let group = Group::of(1, keys).await;
    let web = group.proxy.web();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..20 {
        clients.spawn(async move {
            let mut connection = Connection::open(web).await;
            connection.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: delay 100\r\n\r\n").await;
            connection.answer().await.status
        });
    }
    let statuses = clients.join_all().await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
}

#[tokio::test]
async fn no_more_connections_are_made_than_there_may_be() {
    let group = Group::of(1, "    limits: { connections: 2, waiting: 1, wait: 700ms }").await;
    for _ in 0..5 {
        assert_eq!(group.proxy.get("/").await.status, 200, "one is used again and again");
    }
    assert_eq!(group.origins[0].connections(), 1);
    let mut held = [hold(&group).await, hold(&group).await, hold(&group).await];
    eventually("two get through", async || (group.origins[0].seen().len() == 7).then_some(()))
        .await;
    // The third waits; a fourth does not even do that.
    let answer = group.proxy.get("/").await;
    assert_eq!((answer.status, answer.reason().as_str()), (503, "upstream.busy"));
    assert_eq!(group.origins[0].connections(), 2);
    group.origins[0].release();
    for connection in &mut held {
        assert_eq!(connection.answer().await.status, 200, "the third got one that was given back");
    }
    assert_eq!(group.origins[0].connections(), 2);
    assert_eq!(group.states().await, ["serving"], "it is nothing of the endpoint's");
}

#[tokio::test]
async fn requests_that_share_a_connection_do_so_within_the_limit() {
    let keys = "    protocol: http2\n    limits: { connections: 1, waiting: 0 }";
    let group = Group::over(vec![Origin::http2().await], keys).await;
    let mut held = [hold(&group).await, hold(&group).await, hold(&group).await];
    eventually("all are there", async || (group.origins[0].seen().len() == 3).then_some(())).await;
    assert_eq!(group.origins[0].connections(), 1);
    group.origins[0].release();
    for connection in &mut held {
        assert_eq!(connection.answer().await.status, 200);
    }
}

#[tokio::test]
async fn a_connection_that_idles_makes_way_for_one_to_another_endpoint() {
    let keys = "    limits: { connections: 1, wait: 5s }";
    let group = Group::of(2, keys).await;
    let begin = Instant::now();
    let counts = group.answers(6).await;
    assert_eq!((counts["a"], counts["b"]), (3, 3));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}
