//! Bodies that are decompressed, and those that would burst.

use std::process::Stdio;

use marchproxy_tests::client::{Answer, Broken};
use marchproxy_tests::origin::{Behaviour, RawOrigin};
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, eventually, within};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const TEXT: &str = "what is repeated is short. ";

/// `text` as other implementations code it.
async fn coded(coding: &str, text: &[u8]) -> Vec<u8> {
    let mut child = match coding {
        "br" => return brotli(text).await,
        name => Command::new(name).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn(),
    }
    .expect("start the compressor");
    let mut input = child.stdin.take().expect("piped");
    let text = text.to_vec();
    let writing = tokio::spawn(async move { input.write_all(&text).await });
    let output = within("the compressor", child.wait_with_output()).await.expect("its output");
    writing.await.unwrap().unwrap();
    output.stdout
}

/// Another proxy's word, which curl has been the judge of.
async fn brotli(text: &[u8]) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n";
    let origin = RawOrigin::answering([head.as_bytes(), text].concat()).await;
    let keys = "upstream: app, compress: { least: 0B, codings: [br] }";
    let text = SIMPLE.replace("upstream: app", keys);
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    get(&proxy, "br").await.body
}

/// A proxy before an origin that sends this body with this coding.
async fn before(coding: &str, body: &[u8], keys: &str) -> (RawOrigin, Proxy) {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\netag: \"x\"\r\n\
         content-encoding: {coding}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let answer = [head.as_bytes(), body].concat();
    let origin = RawOrigin::start(Behaviour::AnswerAndStay(answer)).await;
    let text = SIMPLE.replace("upstream: app", &format!("upstream: app, {keys}"));
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    (origin, proxy)
}

async fn try_get(proxy: &Proxy, accepted: &str) -> Result<Answer, Broken> {
    let mut connection = proxy.connect().await;
    let field = format!("accept-encoding: {accepted}");
    connection.send(format!("GET / HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\n")).await;
    connection.try_answer().await
}

async fn get(proxy: &Proxy, accepted: &str) -> Answer {
    try_get(proxy, accepted).await.expect("a whole answer")
}

#[tokio::test]
async fn an_answer_is_decoded_for_who_does_not_take_its_coding() {
    let text = TEXT.repeat(30_000);
    for coding in ["gzip", "zstd", "br"] {
        let body = coded(coding, text.as_bytes()).await;
        let (_origin, proxy) = before(coding, &body, "decompress: {}").await;
        let answer = get(&proxy, "identity").await;
        assert_eq!(
            (answer.field("content-encoding"), answer.field("content-length")),
            (None, None)
        );
        assert_eq!(
            (answer.field("etag"), answer.field("vary")),
            (Some("W/\"x\""), Some("accept-encoding"))
        );
        assert!(answer.body == text.as_bytes(), "{coding}");
        let answer = get(&proxy, coding).await;
        assert_eq!(answer.field("content-encoding"), Some(coding));
        assert!(answer.body == body && answer.field("etag") == Some("\"x\""), "{coding}");
        let labels = [("work", "decode"), ("coding", coding)];
        let counted = proxy.metric("marchproxy_recoded_bodies_total", &labels);
        assert_eq!(counted.await, Some(1.0), "{coding}");
    }
}

#[tokio::test]
async fn members_that_follow_each_other_are_one_body() {
    for coding in ["gzip", "zstd"] {
        let body = [coded(coding, b"one ").await, coded(coding, b"two").await].concat();
        let (_origin, proxy) = before(coding, &body, "decompress: {}").await;
        assert_eq!(get(&proxy, "identity").await.text(), "one two", "{coding}");
    }
}

#[tokio::test]
async fn an_answer_may_change_its_coding() {
    let text = TEXT.repeat(4000);
    let body = coded("gzip", text.as_bytes()).await;
    let (_origin, proxy) = before("gzip", &body, "decompress: {}, compress: {}").await;
    let answer = get(&proxy, "br, zstd").await;
    assert_eq!(answer.field("content-encoding"), Some("zstd"));
    let (_origin, back) = before("zstd", &answer.body, "decompress: {}").await;
    assert!(get(&back, "identity").await.body == text.as_bytes());
}

#[tokio::test]
async fn a_bomb_is_broken_off_and_counted() {
    for coding in ["gzip", "zstd", "br"] {
        let bomb = coded(coding, &vec![0; 30 << 20]).await;
        let reason = [("reason", "upstream.decoded_size")];
        for keys in ["limit: 4MiB, ratio: 100000", "limit: 1GiB, ratio: 20"] {
            let keys = format!("decompress: {{ {keys} }}");
            let (_origin, proxy) = before(coding, &bomb, &keys).await;
            let got = try_get(&proxy, "identity").await;
            assert!(matches!(got, Err(Broken::ClosedWithin(_) | Broken::Reset)), "{coding} {keys}");
            eventually("it is counted", async || {
                proxy.metric("marchproxy_refusals_total", &reason).await.filter(|n| *n == 1.0)
            })
            .await;
        }
        let (_origin, proxy) = before(coding, &bomb, "decompress: { ratio: 100000 }").await;
        assert_eq!(get(&proxy, "identity").await.body.len(), 30 << 20, "{coding}");
    }
}

#[tokio::test]
async fn what_is_not_coded_as_it_says_or_ends_early_is_broken_off() {
    for coding in ["gzip", "zstd", "br"] {
        let body = coded(coding, TEXT.repeat(400).as_bytes()).await;
        let cut = &body[..body.len() - 5];
        let more = [&body[..], b"more"].concat();
        for body in [cut, &more, b"what is this"] {
            let (_origin, proxy) = before(coding, body, "decompress: {}").await;
            assert!(try_get(&proxy, "identity").await.is_err(), "{coding} {}", body.len());
            let reason = [("reason", "upstream.malformed")];
            eventually("it is counted", async || {
                proxy.metric("marchproxy_refusals_total", &reason).await.filter(|n| *n == 1.0)
            })
            .await;
        }
    }
}

async fn post(proxy: &Proxy, coding: &str, body: &[u8]) -> Answer {
    let head = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    proxy.request([head.as_bytes(), body].concat()).await
}

async fn before_echo(keys: &str) -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let text = SIMPLE.replace("upstream: app", &format!("upstream: app, {keys}"));
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    (origin, proxy)
}

#[tokio::test]
async fn requests_are_decoded_only_where_that_is_asked_for() {
    let text = TEXT.repeat(1000);
    let (_one, decoding) = before_echo("decompress: { requests: decode }").await;
    let (_other, keeping) = before_echo("decompress: {}").await;
    for coding in ["gzip", "zstd", "br"] {
        let body = coded(coding, text.as_bytes()).await;
        let seen = post(&decoding, coding, &body).await.seen();
        assert_eq!(seen.body, text, "{coding}");
        assert_eq!((seen.field("content-encoding"), seen.field("content-length")), (None, None));
        let seen = post(&keeping, coding, &body).await.seen();
        assert_eq!((seen.field("content-encoding"), seen.body_length), (Some(coding), body.len()));
    }
    let seen = post(&decoding, "compress", b"as it is").await.seen();
    assert_eq!(
        (seen.field("content-encoding"), seen.body.as_str()),
        (Some("compress"), "as it is")
    );
}

#[tokio::test]
async fn a_request_that_bursts_or_is_not_coded_as_it_says_is_refused() {
    let keys = "body_size: 2MiB, decompress: { requests: decode, limit: 4MiB }";
    let (_origin, proxy) = before_echo(keys).await;
    for coding in ["gzip", "zstd", "br"] {
        let (long, bomb) =
            (coded(coding, &vec![0; 3 << 20]).await, coded(coding, &vec![0; 9 << 20]).await);
        let answer = post(&proxy, coding, &long).await;
        assert_eq!(answer.status, 413, "{coding}");
        let answer = post(&proxy, coding, &bomb).await;
        assert_eq!(answer.status, 413, "{coding}");
        let answer = post(&proxy, coding, b"what is this").await;
        assert_eq!((answer.status, answer.reason().as_str()), (400, "sanity.content_coding"));
    }
    let keys = "body_size: 1GiB, decompress: { requests: decode, limit: 4MiB }";
    let (_origin, proxy) = before_echo(keys).await;
    let answer = post(&proxy, "gzip", &coded("gzip", &vec![0; 9 << 20]).await).await;
    assert_eq!((answer.status, answer.reason().as_str()), (413, "limit.decoded_size"));
}
