//! Field lines of requests.

use crate::refusal::Refuser;

#[tokio::test]
async fn rfc9112_5_1_no_whitespace_stands_before_the_colon() {
    let reason = "sanity.field_name";
    Refuser::start()
        .await
        .refuses(&[
            ("GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello", 400, reason),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n", 400, reason),
        ])
        .await;
}

#[tokio::test]
async fn rfc9110_5_1_a_field_name_is_a_token() {
    let reason = "sanity.field_name";
    Refuser::start()
        .await
        .refuses(&[
            ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: a\r\nX@: b\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\u{0}: b\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\u{e9}: b\r\n\r\n", 400, reason),
        ])
        .await;
}

#[tokio::test]
async fn rfc9112_5_2_obsolete_folding_is_refused() {
    let reason = "sanity.folding";
    Refuser::start()
        .await
        .refuses(&[
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n", 400, reason),
        ])
        .await;
    // Before the first field it cannot be folding (RFC 9112, section 2.2).
    let refuser = Refuser::start().await;
    let answer = refuser.proxy.request("GET / HTTP/1.1\r\n Host: a\r\n\r\n").await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn rfc9110_5_5_a_value_holds_no_controls() {
    let reason = "sanity.field_value";
    Refuser::start()
        .await
        .refuses(&[
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\u{0}c\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\u{1}c\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\u{7f}c\r\n\r\n", 400, reason),
        ])
        .await;
}

#[tokio::test]
async fn rfc9110_5_5_values_with_tabs_and_high_bytes_pass_unchanged() {
    let refuser = Refuser::start().await;
    let mut request = b"GET / HTTP/1.1\r\nHost: a\r\nX-A: a\tb\r\nX-B: ".to_vec();
    request.extend_from_slice(b"\xc3\xa9\r\nX-C:  padded \t\r\nX-D:\r\n\r\n");
    let seen = refuser.proxy.request(&request).await.seen();
    assert_eq!(seen.field("x-a"), Some("a\tb"));
    assert_eq!(seen.field("x-b"), Some("\u{c3}\u{a9}"));
    assert_eq!(seen.field("x-c"), Some("padded"));
    assert_eq!(seen.field("x-d"), Some(""));
}

#[tokio::test]
async fn rfc9110_5_3_fields_of_one_name_keep_their_order() {
    let refuser = Refuser::start().await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 0\r\nx: 2\r\nX: 3\r\n\r\n";
    let seen = refuser.proxy.request(request).await.seen();
    assert_eq!(seen.fields_named("x"), ["1", "2", "3"]);
}

#[tokio::test]
async fn rfc9110_7_6_1_fields_of_the_connection_are_not_forwarded() {
    let refuser = Refuser::start().await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Secret ,x-other\r\n\
                   Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\n\
                   X-Secret: 1\r\nX-Other: 2\r\nX-Kept: 3\r\nUpgrade: foo\r\n\
                   Proxy-Authorization: x\r\n\r\n";
    let seen = refuser.proxy.request(request).await.seen();
    let gone = ["keep-alive", "proxy-connection", "te", "x-secret", "x-other", "upgrade"];
    for name in gone {
        assert_eq!(seen.fields_named(name), [""; 0], "{name}: {seen:?}");
    }
    assert_eq!(seen.field("x-kept"), Some("3"));
}

#[tokio::test]
async fn rfc9110_7_6_1_connection_cannot_nominate_what_the_proxy_or_the_route_needs() {
    let refuser = Refuser::start().await;
    let request =
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: host, x-forwarded-for, x-request-id\r\n\r\n";
    let answer = refuser.proxy.request(request).await;
    if answer.status == 400 {
        return;
    }
    let seen = answer.seen();
    assert_eq!(seen.field("host"), Some("a"));
    assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
    assert!(seen.field("x-request-id").is_some());
}

#[tokio::test]
async fn rfc9110_7_6_3_via_is_added_both_ways() {
    let refuser = Refuser::start().await;
    let answer =
        refuser.proxy.request("GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 before\r\n\r\n").await;
    assert_eq!(answer.field("via"), Some("1.1 marchproxy"));
    let via = answer.seen().fields_named("via").join(", ");
    assert_eq!(via, "1.0 before, 1.1 marchproxy");
    let seen = refuser.proxy.request("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await.seen();
    assert_eq!(seen.field("via"), Some("1.0 marchproxy"));
}
