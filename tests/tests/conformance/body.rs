//! Where a body ends.

use std::fmt::Write;

use marchproxy_tests::bounded::eventually;

use crate::refusal::Refuser;

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\n";

#[tokio::test]
async fn rfc9112_6_1_a_length_beside_a_coding_is_refused() {
    let reason = "sanity.framing_conflict";
    let one = format!("{POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    let other = format!("{POST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n");
    Refuser::start().await.refuses(&[(&one, 400, reason), (&other, 400, reason)]).await;
}

#[tokio::test]
async fn rfc9112_6_3_a_length_is_one_plain_number() {
    let refuser = Refuser::start().await;
    let mut wrong = Vec::new();
    for value in
        ["+5", "-5", "5 5", "5, 5", "5,6", "0x5", "5.0", "", "\t", "18446744073709551616", "5;"]
    {
        let request = format!("{POST}Content-Length: {value}\r\n\r\nhello");
        let answer = refuser.proxy.request(&request).await;
        if answer.status != 400 || answer.reason() != "sanity.length_invalid" {
            wrong.push(format!("{value:?}: {} {}", answer.status, answer.text()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(refuser.origin.seen().len(), 0);
}

#[tokio::test]
async fn rfc9112_6_3_several_lengths_are_refused_even_when_equal() {
    let refuser = Refuser::start().await;
    for (first, second) in [("5", "5"), ("5", "6"), ("0", "5")] {
        let request =
            format!("{POST}Content-Length: {first}\r\nContent-Length: {second}\r\n\r\nhello");
        let answer = refuser.proxy.request(&request).await;
        assert_eq!(answer.status, 400, "{first} {second}");
        assert!(answer.reason().starts_with("sanity."), "{}", answer.reason());
    }
    assert_eq!(refuser.origin.seen().len(), 0);
}

#[tokio::test]
async fn rfc9112_6_1_chunked_is_the_only_coding_and_comes_once() {
    let refuser = Refuser::start().await;
    for value in [
        "gzip",
        "gzip, chunked",
        "chunked, chunked",
        "chunked, gzip",
        "identity",
        "xchunked",
        "chunked;a=b",
        "\"chunked\"",
        "chunked,",
        ", chunked",
        "\u{b}chunked",
        "",
    ] {
        let request = format!("{POST}Transfer-Encoding: {value}\r\n\r\n0\r\n\r\n");
        let answer = refuser.proxy.request(&request).await;
        assert!([400, 501].contains(&answer.status), "{value:?}: {answer:?}");
    }
    let twice =
        format!("{POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_eq!(refuser.proxy.request(&twice).await.status, 400);
    let request = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let answer = refuser.proxy.request(request).await;
    assert_eq!((answer.status, answer.reason().as_str()), (400, "sanity.coding_version"));
    assert_eq!(refuser.origin.seen().len(), 0);
}

#[tokio::test]
async fn rfc9112_7_1_a_coding_is_named_in_any_case() {
    let refuser = Refuser::start().await;
    let request = format!("{POST}Transfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(refuser.proxy.request(request).await.seen().body, "hello");
}

/// The origin may have seen the head of such a request, but never a whole one.
async fn malformed_chunks(refuser: &Refuser, chunks: &str) -> Option<(u16, String)> {
    let request = format!("{POST}Transfer-Encoding: chunked\r\n\r\n{chunks}");
    let mut connection = refuser.proxy.connect().await;
    connection.send(request).await;
    let answer = connection.try_answer().await.ok()?;
    connection.closed().await;
    Some((answer.status, answer.reason()))
}

#[tokio::test]
async fn rfc9112_7_1_malformed_chunks_are_refused_and_never_become_a_whole_request() {
    let refuser = Refuser::start().await;
    let mut wrong = Vec::new();
    for (chunks, reason) in [
        ("g\r\nhello\r\n0\r\n\r\n", "sanity.chunk_size"),
        ("\r\nhello\r\n0\r\n\r\n", "sanity.chunk_size"),
        ("-5\r\nhello\r\n0\r\n\r\n", "sanity.chunk_size"),
        ("0x5\r\nhello\r\n0\r\n\r\n", "sanity.chunk_size"),
        (" 5\r\nhello\r\n0\r\n\r\n", "sanity.chunk_size"),
        ("10000000000000005\r\nhello\r\n0\r\n\r\n", "sanity.chunk_size"),
        ("5\nhello\r\n0\r\n\r\n", ""),
        ("5\r\nhello0\r\n\r\n", "sanity.chunk_end"),
        ("5\r\nhello\n0\r\n\r\n", ""),
        ("5\r\nhelloXX0\r\n\r\n", "sanity.chunk_end"),
        ("5;\u{1}\r\nhello\r\n0\r\n\r\n", "sanity.chunk_extension"),
        ("5;a\nb\r\nhello\r\n0\r\n\r\n", ""),
        ("0\r\nContent-Length: 5\r\n\r\n", "sanity.trailer"),
        ("0\r\nHost: b\r\n\r\n", "sanity.trailer"),
        ("0\r\nTransfer-Encoding: chunked\r\n\r\n", "sanity.trailer"),
        ("0\r\nX : b\r\n\r\n", "sanity.trailer"),
        ("0\r\nX: b\n\r\n", ""),
    ] {
        match malformed_chunks(&refuser, chunks).await {
            Some((400, told)) if told == reason || reason.is_empty() => {}
            other => wrong.push(format!("{chunks:?}: {other:?}, not 400 {reason}")),
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(refuser.origin.seen().len(), 0, "{:?}", refuser.origin.seen());
}

#[tokio::test]
async fn rfc9112_7_1_1_extensions_are_ignored_up_to_a_bound() {
    let refuser = Refuser::start().await;
    let request = format!(
        "{POST}Transfer-Encoding: chunked\r\n\r\n5;a=b;c=\"d e\"\r\nhello\r\n0;end\r\n\r\n"
    );
    assert_eq!(refuser.proxy.request(request).await.seen().body, "hello");
    let long = format!("5;a={}\r\nhello\r\n0\r\n\r\n", "b".repeat(4096));
    let refused = malformed_chunks(&refuser, &long).await;
    assert_eq!(refused, Some((400, "sanity.chunk_extension".to_owned())));
    let mut many = String::new();
    for _ in 0..1000 {
        let _ = write!(many, "1;a={}\r\nx\r\n", "b".repeat(100));
    }
    let refused = malformed_chunks(&refuser, &many).await;
    assert_eq!(refused, Some((400, "sanity.chunk_extension".to_owned())));
}

#[tokio::test]
async fn rfc9112_7_1_any_split_of_a_chunked_body_is_the_same_body() {
    let refuser = Refuser::start().await;
    let request = format!(
        "{POST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00a;x\r\n0123456789\r\n0\r\nx-t: 1\r\n\r\n"
    );
    for size in [1, 2, 3, 7, 1000] {
        let mut connection = refuser.proxy.connect().await;
        for piece in request.as_bytes().chunks(size) {
            connection.send(piece).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(connection.answer().await.seen().body, "hello0123456789", "pieces of {size}");
        assert_eq!(connection.get("/next").await.status, 200);
    }
}

#[tokio::test]
async fn rfc9112_6_3_a_request_without_length_has_no_body() {
    let refuser = Refuser::start().await;
    let mut connection = refuser.proxy.connect().await;
    connection
        .send("POST /one HTTP/1.1\r\nHost: a\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    assert_eq!(connection.answer().await.seen().target, "/one");
    assert_eq!(connection.answer().await.seen().target, "/two");
}

#[tokio::test]
async fn rfc9112_8_an_incomplete_body_never_becomes_a_whole_request() {
    let refuser = Refuser::start().await;
    for head in
        ["Content-Length: 50\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"]
    {
        let mut connection = refuser.proxy.connect().await;
        connection.send(format!("{POST}{head}")).await;
        eventually("the origin is connected", async || (refuser.origin.open() > 0).then_some(()))
            .await;
        drop(connection);
        eventually("the origin's connection ends", async || {
            (refuser.origin.open() == 0).then_some(())
        })
        .await;
    }
    assert_eq!(refuser.origin.seen().len(), 0);
}
