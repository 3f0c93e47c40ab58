//! Methods, statuses and expectations (RFC 9110).

use marchproxy_tests::origin::{Behaviour, RawOrigin};
use marchproxy_tests::{Origin, Proxy};

async fn start() -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    (origin, proxy)
}

#[tokio::test]
async fn rfc9110_9_3_2_an_answer_to_head_has_no_body_but_its_length() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    connection.send("HEAD / HTTP/1.1\r\nHost: a\r\nx-script: size 1234\r\n\r\n").await;
    let answer = connection.try_answer_to("HEAD").await.unwrap();
    assert_eq!(answer.field("content-length"), Some("1234"));
    assert_eq!(connection.get("/next").await.seen().target, "/next");
}

#[tokio::test]
async fn rfc9110_9_3_2_a_refused_head_request_gets_no_body() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    connection.send("HEAD /../.. HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = connection.try_answer_to("HEAD").await.unwrap();
    assert_eq!(answer.status, 400);
    assert!(connection.closed_within(std::time::Duration::from_secs(5)).await.is_empty());
}

#[tokio::test]
async fn rfc9110_15_204_and_304_have_no_body() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    for status in [204, 304] {
        let script = format!("status {status}");
        connection.send(format!("GET / HTTP/1.1\r\nHost: a\r\nx-script: {script}\r\n\r\n")).await;
        let answer = connection.answer().await;
        assert_eq!(answer.status, status);
        assert!(answer.field("transfer-encoding").is_none());
        assert_eq!(connection.get("/next").await.seen().target, "/next");
    }
}

#[tokio::test]
async fn rfc9110_15_every_status_of_an_origin_passes_unchanged() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    for status in [200, 201, 206, 299, 301, 400, 401, 404, 418, 451, 500, 502, 503, 599] {
        let script = format!("status {status};size 3");
        connection.send(format!("GET / HTTP/1.1\r\nHost: a\r\nx-script: {script}\r\n\r\n")).await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.text().as_str()), (status, "xxx"));
    }
}

#[tokio::test]
async fn rfc9110_10_1_1_a_client_that_waits_for_100_gets_it() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    connection
        .send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        .await;
    assert_eq!(connection.one_head().await.unwrap().status, 100);
    connection.send("hello").await;
    assert_eq!(connection.answer().await.seen().body, "hello");
    assert_eq!(connection.get("/next").await.seen().target, "/next");
}

#[tokio::test]
async fn rfc9110_10_1_1_a_body_that_is_too_long_is_refused_before_it_is_sent() {
    let origin = Origin::start().await;
    let proxy = marchproxy_tests::proxy::Setup::new()
        .set("origin", origin.address())
        .start(&marchproxy_tests::proxy::SIMPLE.replace(
            "address: \"127.0.0.1:@web-port@\"",
            "address: \"127.0.0.1:@web-port@\", requests: { body_size: 10B }",
        ))
        .await;
    let mut connection = proxy.connect().await;
    connection
        .send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 50\r\n\r\n")
        .await;
    let answer = connection.answer().await;
    assert!(answer.interim.is_empty(), "{:?}", answer.interim);
    assert_eq!((answer.status, answer.reason().as_str()), (413, "limit.body_size"));
}

#[tokio::test]
async fn rfc9110_10_1_1_an_origin_may_answer_without_100() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\
                x-script: early;status 403;size 2\r\n\r\n";
    connection.send(head).await;
    let answer = connection.answer().await;
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn rfc9110_10_1_1_other_expectations_fail() {
    let (origin, proxy) = start().await;
    let answer = proxy.request("GET / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\n\r\n").await;
    assert_eq!((answer.status, answer.reason().as_str()), (417, "sanity.expectation"));
    assert_eq!(origin.seen().len(), 0);
}

#[tokio::test]
async fn rfc9110_15_2_interim_answers_do_not_disturb_the_final_one() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: early-hints;size 7\r\n\r\n").await;
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.body.len()), (200, 7));
    assert!(answer.interim.iter().all(|status| *status == 103), "{:?}", answer.interim);
    assert_eq!(connection.get("/next").await.seen().target, "/next");
}

#[tokio::test]
async fn rfc9110_7_8_an_upgrade_to_h2c_is_not_made_and_not_forwarded() {
    let (_origin, proxy) = start().await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                   Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let answer = proxy.request(request).await;
    assert_ne!(answer.status, 101);
    let seen = answer.seen();
    assert_eq!(seen.fields_named("upgrade"), [""; 0]);
    assert_eq!(seen.fields_named("http2-settings"), [""; 0]);
}

#[tokio::test]
async fn rfc9110_7_8_an_origin_cannot_switch_protocols_unasked() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    let origin = RawOrigin::start(Behaviour::Answer(switch.into())).await;
    let proxy = Proxy::before(origin.address()).await;
    let answer = proxy.get("/").await;
    assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream.upgrade"));
}

#[tokio::test]
async fn rfc9110_9_unknown_methods_are_forwarded() {
    let (_origin, proxy) = start().await;
    for method in ["PROPFIND", "PATCH", "DELETE", "PURGE", "M-SEARCH", "QUERY"] {
        let answer = proxy.request(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(answer.seen().method, method);
    }
}

#[tokio::test]
async fn rfc9110_9_a_method_is_told_apart_by_case() {
    let (_origin, proxy) = start().await;
    let answer = proxy.request("get / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.status != 200 || answer.seen().method == "get", "{answer:?}");
}

#[tokio::test]
async fn rfc9110_6_6_1_refusals_have_a_date() {
    let (_origin, proxy) = start().await;
    let answer = proxy.request("GET / HTTP/1.1\r\n\r\n").await;
    let date = answer.field("date").expect("a date").to_owned();
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
}

#[tokio::test]
async fn rfc9110_10_2_1_a_405_names_the_methods_that_are_allowed() {
    let origin = Origin::start().await;
    let text = marchproxy_tests::proxy::SIMPLE.replace("path: /", "path: /, methods: [GET, HEAD]");
    let proxy =
        marchproxy_tests::proxy::Setup::new().set("origin", origin.address()).start(&text).await;
    let answer = proxy.request("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((answer.status, answer.reason().as_str()), (405, "route.method"));
    let allowed = answer.field("allow").expect("Allow").to_owned();
    let mut allowed: Vec<&str> = allowed.split(',').map(str::trim).collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD"]);
}
