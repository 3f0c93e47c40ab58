//! HTTP/2 on the client's side, by a library that does what it should.

use marchproxy_tests::client::Http2;
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, within};

#[tokio::test]
async fn requests_over_http2_reach_an_http1_origin() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let mut client = Http2::open(proxy.web()).await;
    let answer = client.get("/a?b=c").await;
    let seen = answer.seen();
    assert_eq!((seen.version.as_str(), seen.target.as_str()), ("HTTP/1.1", "/a?b=c"));
    assert_eq!(seen.field("host"), Some("test.example"));
    assert_eq!(seen.field("via"), Some("2 marchproxy"));
    assert_eq!(answer.field("via"), Some("1.1 marchproxy"));
    assert_eq!(answer.field("transfer-encoding"), None);
    let request = client.request("POST", "/up");
    let answer = client.send(request, Some(vec![b'x'; 300_000]), None).await.unwrap();
    assert_eq!(answer.seen().body_length, 300_000);
}

#[tokio::test]
async fn a_hundred_streams_run_at_once() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let mut client = Http2::open(proxy.web()).await;
    let mut running = Vec::new();
    for number in 0..100 {
        let mut request = client.request("GET", &format!("/{number}"));
        request.headers_mut().insert("x-script", "delay 100".parse().unwrap());
        running.push(client.start(request, true).await.unwrap().0);
    }
    for (number, answer) in running.into_iter().enumerate() {
        let answer =
            within("an answer", marchproxy_tests::client::http2::read(answer)).await.unwrap();
        assert_eq!(answer.seen().target, format!("/{number}"));
    }
}

#[tokio::test]
async fn a_refusal_ends_its_stream_and_not_the_connection() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let mut client = Http2::open(proxy.web()).await;
    let answer = client.get("/a%2fb").await;
    assert_eq!((answer.status, answer.reason().as_str()), (400, "sanity.encoded_slash"));
    assert_eq!(client.get("/next").await.status, 200);
}

#[tokio::test]
async fn a_client_that_resets_its_stream_frees_the_origin() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let mut client = Http2::open(proxy.web()).await;
    let mut request = client.request("GET", "/");
    request.headers_mut().insert("x-script", "events 1000 50".parse().unwrap());
    let (answer, _) = client.start(request, true).await.unwrap();
    let body = within("a head", answer).await.unwrap();
    drop(body);
    marchproxy_tests::eventually("the origin's connection ends", async || {
        (origin.open() == 0).then_some(())
    })
    .await;
    assert_eq!(client.get("/next").await.status, 200);
}

#[tokio::test]
async fn a_listener_speaks_the_protocols_it_is_told() {
    let origin = Origin::start().await;
    let only =
        |protocol: &str| SIMPLE.replace("name: web,", &format!("name: web, protocol: {protocol},"));
    let setup = || Setup::new().set("origin", origin.address());
    let proxy = setup().start(&only("http1")).await;
    assert_eq!(proxy.get("/").await.status, 200);
    let mut client = marchproxy_tests::client::frames::RawHttp2::open(proxy.web()).await;
    assert_eq!(client.outcome(1).await.status, None);

    let proxy = setup().start(&only("http2")).await;
    assert_eq!(Http2::open(proxy.web()).await.get("/").await.status, 200);
    let mut connection = proxy.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let said = connection.closed_within(marchproxy_tests::bounded::STEP).await;
    assert!(!said.starts_with(b"HTTP/1.1 2"), "{said:?}");
}

#[tokio::test]
async fn http2_upstreams_are_spoken_to_in_http2() {
    let origin = Origin::http2().await;
    let text = SIMPLE.replace("name: app,", "name: app, protocol: http2,");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let seen = proxy.get("/a?b").await.seen();
    assert_eq!((seen.version.as_str(), seen.target.as_str()), ("HTTP/2", "/a?b"));
    assert_eq!(seen.field("host"), Some("test.example"));
    let answer = proxy
        .request("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        .await;
    assert_eq!(answer.seen().body, "hello");
    let mut client = Http2::open(proxy.web()).await;
    assert_eq!(client.get("/two").await.seen().version, "HTTP/2");
    let mut running = Vec::new();
    for _ in 0..20 {
        let mut request = client.request("GET", "/");
        request.headers_mut().insert("x-script", "delay 100".parse().unwrap());
        running.push(client.start(request, true).await.unwrap().0);
    }
    for answer in running {
        within("an answer", answer).await.unwrap();
    }
    // Many requests at once share few connections.
    assert!(origin.connections() <= 6, "{}", origin.connections());
}
