//! Answers of origins: what is malformed becomes 502, never a split answer (RFC 9112).

use marchproxy_tests::origin::{Behaviour, RawOrigin};
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy};

/// Statuses and reasons of the answers to `bytes` from an origin, and that nothing follows them.
async fn refused(bytes: impl Into<Vec<u8>>, reason: &str) -> Result<(), String> {
    let bytes = bytes.into();
    let origin = RawOrigin::start(Behaviour::Answer(bytes.clone())).await;
    let proxy = Proxy::before(origin.address()).await;
    let mut connection = proxy.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let what = String::from_utf8_lossy(&bytes).chars().take(100).collect::<String>();
    let answer = connection.try_answer().await.map_err(|broken| format!("{what:?}: {broken:?}"))?;
    if answer.status != 502 {
        return Err(format!("{what:?}: {} {}", answer.status, answer.text()));
    }
    if answer.reason() != reason {
        return Err(format!("{what:?}: {}", answer.reason()));
    }
    let rest = connection.closed_within(marchproxy_tests::bounded::STEP).await;
    if rest.is_empty() { Ok(()) } else { Err(format!("{what:?}: more after it: {rest:?}")) }
}

async fn all_refused(answers: &[&str]) {
    let mut wrong = Vec::new();
    for answer in answers {
        if let Err(what) = refused(*answer, "upstream.malformed").await {
            wrong.push(what);
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn rfc9112_6_3_an_answer_with_contradictory_framing_is_refused() {
    all_refused(&[
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello",
    ])
    .await;
}

#[tokio::test]
async fn rfc9112_6_3_every_answer_on_a_kept_connection_is_looked_at() {
    let origin = Origin::start().await;
    let one_worker = format!("{SIMPLE}\nprocess: {{ workers: 1 }}\n");
    let proxy = Setup::new().set("origin", origin.address()).start(&one_worker).await;
    for _ in 0..3 {
        assert_eq!(proxy.get("/").await.status, 200);
    }
    let contradictory = "GET / HTTP/1.1\r\nHost: a\r\nx-reply-transfer-encoding: chunked\r\n\r\n";
    let answer = proxy.request(contradictory).await;
    assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream.malformed"));
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn rfc9112_6_1_an_answer_with_an_unknown_coding_is_refused() {
    all_refused(&[
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ])
    .await;
}

#[tokio::test]
async fn rfc9112_4_an_answer_without_a_status_line_is_refused() {
    all_refused(&[
        "garbage\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 99 OK\r\n\r\n",
        "HTTP/1.1 1000 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
        "<html>hello</html>\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ])
    .await;
}

#[tokio::test]
async fn rfc9112_5_malformed_fields_of_an_answer_are_refused() {
    all_refused(&[
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\u{0}b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n",
    ])
    .await;
}

#[tokio::test]
async fn rfc9112_2_2_bare_line_feeds_never_reach_the_client() {
    let bytes = "HTTP/1.1 200 OK\nX: a\nContent-Length: 0\n\n";
    let origin = RawOrigin::answering(bytes).await;
    let proxy = Proxy::before(origin.address()).await;
    // The client of the test refuses them; a proxy may repair them or refuse them.
    let answer = proxy.get("/").await;
    assert!([200, 502].contains(&answer.status), "{answer:?}");
}

#[tokio::test]
async fn rfc9112_2_2_an_endless_or_huge_head_of_an_answer_is_refused() {
    let huge =
        format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "X: a\r\n".repeat(2000));
    for bytes in [huge, many] {
        let origin = RawOrigin::answering(bytes).await;
        let proxy = Proxy::before(origin.address()).await;
        let answer = proxy.get("/").await;
        assert_eq!(answer.status, 502);
        let reason = answer.reason();
        assert!(
            ["upstream.head_size", "upstream.malformed"].contains(&reason.as_str()),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn rfc9112_7_1_broken_chunks_of_an_answer_end_it_visibly() {
    for chunks in ["zz\r\nhello\r\n0\r\n\r\n", "5\r\nhelloXX0\r\n\r\n", "5\r\nhello\r\n"] {
        let bytes = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        let origin = RawOrigin::answering(bytes).await;
        let proxy = Proxy::before(origin.address()).await;
        let mut connection = proxy.connect().await;
        connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        match connection.try_answer().await {
            Ok(answer) => assert_eq!(answer.status, 502, "{chunks:?}: {answer:?}"),
            Err(broken) => println!("{chunks:?} ends with {broken:?}"),
        }
        let line = proxy.access_line_of("/").await;
        let whole = chunks.starts_with("5\r\nhello\r\n");
        let reason = if whole { "upstream.reset" } else { "upstream.malformed" };
        assert_eq!(line["reason"], reason, "{chunks:?}: {line}");
    }
}

#[tokio::test]
async fn rfc9112_8_a_short_answer_ends_visibly() {
    let bytes = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello";
    let origin = RawOrigin::answering(bytes).await;
    let proxy = Proxy::before(origin.address()).await;
    let mut connection = proxy.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    match connection.try_answer().await {
        Ok(answer) => assert_eq!(answer.status, 502),
        Err(broken) => println!("{broken:?}"),
    }
}

#[tokio::test]
async fn rfc9112_9_bytes_beyond_an_answer_do_not_become_the_next_one() {
    let bytes = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let origin = RawOrigin::start(Behaviour::AnswerAndStay(bytes.into())).await;
    let proxy = Proxy::before(origin.address()).await;
    for _ in 0..5 {
        let answer = proxy.get("/").await;
        assert!(answer.text() == "ok" || answer.status == 502, "{answer:?} {}", answer.text());
    }
}

#[tokio::test]
async fn rfc9112_6_3_an_answer_that_ends_with_its_connection_is_whole() {
    let origin = RawOrigin::answering("HTTP/1.1 200 OK\r\n\r\nhello").await;
    let proxy = Proxy::before(origin.address()).await;
    assert_eq!(proxy.get("/").await.text(), "hello");
    let origin = RawOrigin::answering("HTTP/1.0 200 OK\r\n\r\nhello").await;
    let proxy = Proxy::before(origin.address()).await;
    assert_eq!(proxy.get("/").await.text(), "hello");
}

#[tokio::test]
async fn rfc9110_7_6_1_fields_of_the_origins_connection_do_not_reach_the_client() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nx-reply-connection: x-secret\r\nx-reply-x-secret: 1\r\n\
                   x-reply-keep-alive: timeout=1\r\nx-reply-proxy-connection: a\r\n\
                   x-reply-upgrade: foo\r\nx-reply-x-kept: 2\r\n\r\n";
    let answer = proxy.request(request).await;
    for name in ["x-secret", "keep-alive", "proxy-connection", "upgrade"] {
        assert_eq!(answer.field(name), None, "{answer:?}");
    }
    assert_eq!(answer.field("x-kept"), Some("2"));
}

#[tokio::test]
async fn rfc9112_7_1_a_client_of_http_1_0_gets_no_chunks() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let mut connection = proxy.connect().await;
    connection.send("GET / HTTP/1.0\r\nHost: a\r\nx-script: size 5000;chunked\r\n\r\n").await;
    let answer = connection.answer().await;
    assert_eq!(answer.field("transfer-encoding"), None);
    assert_eq!(answer.body.len(), 5000);
}

#[tokio::test]
async fn rfc9110_7_6_1_an_interim_answer_keeps_what_belongs_to_its_connection() {
    let bytes = "HTTP/1.1 103 Early Hints\r\nConnection: X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\n\
                 Upgrade: foo\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let origin = RawOrigin::answering(bytes).await;
    let proxy = Proxy::before(origin.address()).await;
    let mut connection = proxy.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let interim = connection.one_head().await.unwrap();
    assert_eq!((interim.status, interim.field("link")), (103, Some("</a>")));
    for name in ["connection", "x-mine", "keep-alive", "upgrade"] {
        assert_eq!(interim.field(name), None, "{name}");
    }
    assert_eq!(connection.one_head().await.unwrap().status, 200);
}
