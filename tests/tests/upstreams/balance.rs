//! How an endpoint is chosen.

use marchproxy_tests::{Connection, eventually};

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
