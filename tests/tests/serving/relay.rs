//! What passes between the two sides of a request, whatever each speaks.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use http::HeaderMap;
use marchproxy_tests::client::curl::curl;
use marchproxy_tests::client::{Broken, Http2, WebSocket};
use marchproxy_tests::origin::{Behaviour, RawOrigin};
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, ports};
use tokio::io::AsyncWriteExt;

async fn before(origin: &Origin, upstream: &str) -> Proxy {
    let text = SIMPLE.replace("name: app,", &format!("name: app, {upstream},"));
    Setup::new().set("origin", origin.address()).start(&text).await
}

/// An origin of each version, and a proxy before it.
async fn both() -> [(Origin, Proxy); 2] {
    let (http1, http2) = (Origin::start().await, Origin::http2().await);
    let proxies =
        (before(&http1, "protocol: http1").await, before(&http2, "protocol: http2").await);
    [(http1, proxies.0), (http2, proxies.1)]
}

#[tokio::test]
async fn trailers_of_answers_pass_whatever_each_side_speaks() {
    for (origin, proxy) in &both().await {
        let version = proxy.get("/").await.seen().version;
        let request = "GET / HTTP/1.1\r\nHost: a\r\nx-script: trailers;size 10\r\n\r\n";
        let answer = proxy.request(request).await;
        assert_eq!((answer.body.len(), answer.trailers.len()), (10, 1), "{version}: {answer:?}");
        let mut client = Http2::open(proxy.web()).await;
        let mut request = client.request("GET", "/");
        request.headers_mut().insert("x-script", "trailers;size 10".parse().unwrap());
        let answer = client.send(request, None, None).await.unwrap();
        assert!(answer.trailer("x-checksum").is_some(), "{version}: {answer:?}");
        assert_eq!(origin.seen().len(), 3);
    }
}

#[tokio::test]
async fn trailers_of_requests_pass_whatever_each_side_speaks() {
    for (origin, proxy) in &both().await {
        let version = proxy.get("/").await.seen().version;
        let request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                       3\r\nabc\r\n0\r\nX-Checksum: 7\r\n\r\n";
        assert_eq!(proxy.request(request).await.status, 200);
        let mut client = Http2::open(proxy.web()).await;
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", "7".parse().unwrap());
        let request = client.request("POST", "/");
        let answer = client.send(request, Some(b"abc".to_vec()), Some(trailers)).await.unwrap();
        assert_eq!(answer.status, 200);
        for seen in origin.seen().iter().skip(1) {
            let checksum = seen.trailers.iter().find(|(name, _)| name == "x-checksum");
            assert_eq!(checksum.map(|(_, value)| value.as_str()), Some("7"), "{version}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn a_trailer_that_would_change_the_message_is_refused_over_http2_too() {
    for (origin, proxy) in &both().await {
        let mut client = Http2::open(proxy.web()).await;
        let mut trailers = HeaderMap::new();
        trailers.insert("content-length", "7".parse().unwrap());
        let request = client.request("POST", "/");
        let answer = client.send(request, Some(b"abc".to_vec()), Some(trailers)).await.unwrap();
        assert_eq!((answer.status, answer.reason().as_str()), (400, "sanity.trailer"));
        let whole = origin.seen().iter().filter(|seen| !seen.trailers.is_empty()).count();
        assert_eq!(whole, 0);
    }
}

#[tokio::test]
async fn interim_answers_pass_but_not_to_http_1_0() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    for (version, interim) in [("1.1", vec![103]), ("1.0", vec![])] {
        let request = format!("GET / HTTP/{version}\r\nHost: a\r\nx-script: early-hints\r\n\r\n");
        let answer = proxy.request(request).await;
        assert_eq!((answer.status, answer.interim), (200, interim), "HTTP/{version}");
    }
    let url = format!("http://{}/", proxy.web());
    let script = "x-script: early-hints";
    let answer = curl(&["--http2-prior-knowledge", "-H", script, &url]).await;
    assert_eq!((answer.version.as_str(), answer.interim), ("HTTP/2", vec![103]));
}

#[tokio::test]
async fn a_client_cannot_nominate_away_what_the_proxy_says_of_it() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let options = "X-Forwarded-For, a b, , 1, 2, 3, 4, 5, 6, 7, 8, 9, x-forwarded-proto";
    let answer =
        proxy.request(format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {options}\r\n\r\n"));
    let seen = answer.await.seen();
    assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
}

#[tokio::test]
async fn a_websocket_cannot_go_by_an_upstream_that_only_speaks_http2() {
    let origin = Origin::http2().await;
    let proxy = before(&origin, "protocol: http2").await;
    let answer = proxy
        .request(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
    assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream.no_upgrade"));
}

#[tokio::test]
async fn an_answer_broken_off_is_reset_where_its_end_would_look_like_the_last_byte() {
    let part = b"HTTP/1.1 200 OK\r\n\r\nthe first part".to_vec();
    let origin = RawOrigin::start(Behaviour::AnswerAndReset(part)).await;
    let proxy = Proxy::before(origin.address()).await;
    let mut connection = proxy.connect().await;
    connection.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert_eq!(connection.try_answer().await.unwrap_err(), Broken::Reset);
}

#[tokio::test]
async fn an_upload_that_is_refused_over_http2_still_gets_its_answer() {
    let origin = Origin::start().await;
    let text = SIMPLE.replace("path: /", "path: /only");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let mut client = Http2::open(proxy.web()).await;
    for _ in 0..20 {
        let request = client.request("POST", "/elsewhere");
        let answer = client.send(request, Some(vec![b'x'; 300_000]), None).await.unwrap();
        assert_eq!((answer.status, answer.reason().as_str()), (404, "route.none"));
    }
}

#[tokio::test]
async fn an_upstream_is_not_blamed_for_a_client_that_sends_slowly() {
    let origin = Origin::start().await;
    let proxy = before(&origin, "timeouts: { first_byte: 300ms }").await;
    let mut connection = proxy.connect().await;
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na";
    connection.send_slowly(&[head, b"b"], Duration::from_millis(700)).await;
    assert_eq!(connection.answer().await.status, 200);
}

#[tokio::test]
async fn the_host_of_a_target_may_be_spelled_in_another_way() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let request = "GET http://TEST.example:80/a HTTP/1.1\r\nHost: test.example\r\n\r\n";
    let seen = proxy.request(request).await.seen();
    assert_eq!((seen.target.as_str(), seen.field("host")), ("/a", Some("test.example")));
}

#[tokio::test]
async fn what_can_be_read_of_a_refused_head_is_in_the_log() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    for (head, method, path) in [
        ("POST /upload?a=b HTTP/1.1\r\nHost : a\r\n\r\n", "POST", "/upload?a=b"),
        ("\x01\x02 / HTTP/1.1\r\n\r\n", "-", ""),
    ] {
        assert_eq!(proxy.request(head).await.status, 400);
        let line = proxy.access_line(|line| line["method"] == method).await;
        assert_eq!((&line["path"], &line["status"]), (&path.into(), &400.into()), "{line}");
    }
}

#[tokio::test]
async fn options_goes_no_further_than_it_may() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let options =
        |left: &str| format!("OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: {left}\r\n\r\n");
    let answer = proxy.request(options("0")).await;
    assert_eq!((answer.status, origin.seen().len()), (204, 0));
    assert!(answer.field("allow").unwrap().contains("GET"), "{answer:?}");
    for (left, passed) in [("2", "1"), ("many", "many")] {
        assert_eq!(proxy.request(options(left)).await.seen().field("max-forwards"), Some(passed));
    }
}

#[tokio::test]
async fn the_time_for_the_first_byte_begins_with_the_end_of_the_request() {
    let origin = Origin::start().await;
    let proxy = before(&origin, "timeouts: { first_byte: 500ms }").await;
    let mut connection = proxy.connect().await;
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n";
    connection.send_slowly(&[head, b"0\r\n\r\n"], Duration::from_millis(900)).await;
    assert_eq!(connection.answer().await.status, 200);
}

#[tokio::test]
async fn chunks_stay_whole_for_a_client_that_reads_slowly() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let size = 8 << 20;
    let mut connection = proxy.connect().await;
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nx-script: chunked;size {size}\r\n\r\n");
    connection.send(request).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let answer = connection.answer().await;
    assert_eq!(answer.body.len(), size);
    assert!(answer.body.iter().all(|byte| *byte == b'x'));
}

#[tokio::test]
async fn interim_answers_without_end_are_a_502() {
    let flood = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000);
    let origin = RawOrigin::start(Behaviour::Answer(flood)).await;
    let proxy = Proxy::before(origin.address()).await;
    let answer = proxy.get("/").await;
    assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream.malformed"));
}

#[tokio::test]
async fn a_websocket_that_its_client_ends_is_no_failure() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let mut socket = WebSocket::open(proxy.connect().await, "/").await;
    socket.echo("hello").await.unwrap();
    drop(socket);
    let line = proxy.access_line(|line| line["status"] == 101).await;
    assert_eq!(line.get("reason"), None, "{line}");
}

#[tokio::test]
async fn te_is_an_option_of_the_connection_to_an_endpoint_of_http1() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n";
    let seen = proxy.request(request).await.seen();
    assert_eq!((seen.field("te"), seen.field("connection")), (Some("trailers"), Some("te")));
}

#[tokio::test]
async fn an_endpoint_that_does_not_take_the_body_is_given_the_time_for_pauses() {
    let origin = RawOrigin::start(Behaviour::Deaf).await;
    let text = SIMPLE
        .replace("name: app,", "name: app, timeouts: { first_byte: 200ms, idle: 1s },")
        .replace("name: web,", "name: web, requests: { body_size: 1GiB },");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let begin = Instant::now();
    let mut connection = proxy.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000000\r\n\r\n";
    connection.send(head).await;
    let piece = vec![b'x'; 1 << 16];
    let pour = async { while connection.try_send(&piece).await.is_ok() {} };
    tokio::select! {
        () = pour => {}
        line = proxy.access_line(|line| line["reason"] == "upstream.timeout") => {
            assert_eq!(line["status"], 504, "{line}");
        }
    }
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
}

/// By curl, which forgets an answer when its stream is reset before it has sent all.
#[tokio::test]
async fn curl_shows_the_refusal_of_an_upload_over_http2() {
    let origin = Origin::start().await;
    let text = SIMPLE.replace("path: /", "path: /only");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let url = format!("http://{}/elsewhere", proxy.web());
    for _ in 0..5 {
        let mut curl = tokio::process::Command::new("curl")
            .args([
                "-sS",
                "--max-time",
                "10",
                "--http2-prior-knowledge",
                "--data-binary",
                "@-",
                &url,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut input = curl.stdin.take().unwrap();
        let body = vec![b'x'; 2_000_000];
        // curl may stop reading when it has been refused.
        let _ = input.write_all(&body).await;
        drop(input);
        let told = curl.wait_with_output().await.unwrap();
        let (out, err) =
            (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
        assert!(out.contains("route.none"), "{out} {err}");
    }
}

#[tokio::test]
async fn codings_of_a_request_are_refused_with_their_reasons() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    for (coding, status, reason) in [
        ("gzip, chunked", 501, "sanity.coding_unknown"),
        ("chunked, chunked", 400, "sanity.coding_invalid"),
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {coding}\r\n\r\n");
        let answer = proxy.request(request).await;
        assert_eq!((answer.status, answer.reason().as_str()), (status, reason));
    }
}

#[tokio::test]
async fn what_only_a_proxy_may_say_does_not_pass_in_any_spelling() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let lies = [
        "X_Forwarded_For",
        "x-forwarded_for",
        "X-Forwarded-Port",
        "X-Real-IP",
        "X_Real_IP",
        "X-Client-IP",
        "True-Client-IP",
        "Proxy",
        "X_Request_Id",
        "X-Forwarded-Client-Cert",
    ];
    let fields: String = lies.iter().map(|name| format!("{name}: 8.8.8.8\r\n")).collect();
    let request =
        format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}X_Mine: 1\r\nX-Forwarded: 1\r\n\r\n");
    let seen = proxy.request(request).await.seen();
    assert!(!seen.fields.iter().any(|(_, value)| value.contains("8.8.8.8")), "{seen:?}");
    assert_eq!((seen.field("x_mine"), seen.field("x-forwarded")), (Some("1"), Some("1")));
}

#[tokio::test]
async fn a_refusal_keeps_the_connection_when_the_body_has_come() {
    let origin = Origin::start().await;
    let text = SIMPLE.replace("path: /", "path: /only");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let mut connection = proxy.connect().await;
    for _ in 0..3 {
        connection.send("POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.field("connection")), (404, None));
    }
}

#[tokio::test]
async fn interim_answers_do_not_put_off_the_first_byte() {
    let pieces = vec![b"HTTP/1.1 102 Processing\r\n\r\n".to_vec(); 12];
    let origin = RawOrigin::start(Behaviour::Pieces(pieces, Duration::from_millis(200))).await;
    let text = SIMPLE.replace("name: app,", "name: app, timeouts: { first_byte: 500ms },");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let answer = proxy.get("/").await;
    assert_eq!((answer.status, answer.reason().as_str()), (504, "upstream.timeout"));
}

#[tokio::test]
async fn what_had_come_of_a_broken_answer_reaches_a_client_of_http2() {
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nabc";
    let origin = RawOrigin::answering(short).await;
    let proxy = Proxy::before(origin.address()).await;
    let mut client = Http2::open(proxy.web()).await;
    for _ in 0..10 {
        let request = client.request("GET", "/");
        let (answer, _) = client.start(request, true).await.unwrap();
        let mut body = answer.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "abc");
        assert!(body.data().await.unwrap().is_err());
    }
}

#[tokio::test]
async fn the_host_of_a_refused_target_is_in_the_log() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let request = "GET /../etc/passwd HTTP/1.1\r\nHost: shop.example:8080\r\n\r\n";
    assert_eq!(proxy.request(request).await.status, 400);
    let line = proxy.access_line(|line| line["reason"] == "sanity.path_above_root").await;
    assert_eq!(
        (&line["host"], &line["path"]),
        (&"shop.example:8080".into(), &"/../etc/passwd".into())
    );
}

#[tokio::test]
async fn why_an_endpoint_cannot_be_reached_is_logged_once() {
    let away = SocketAddr::from(([127, 0, 0, 1], ports::free()));
    let proxy = Proxy::before(away).await;
    for _ in 0..3 {
        assert_eq!(proxy.get("/").await.status, 502);
    }
    let log = proxy.log.text();
    assert_eq!(log.matches("cannot connect to an endpoint").count(), 1, "{log}");
    assert!(log.contains("refused"), "{log}");
}
