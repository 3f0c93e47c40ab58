//! gRPC: HTTP/2 on both sides, with trailers.

use http::{HeaderMap, Request};
use marchproxy_tests::client::Http2;
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy};

async fn start() -> (Origin, Proxy, Http2) {
    let origin = Origin::http2().await;
    let text = SIMPLE.replace("name: app,", "name: app, protocol: http2,");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let client = Http2::open(proxy.web()).await;
    (origin, proxy, client)
}

fn call(client: &Http2) -> Request<()> {
    let mut request = client.request("POST", "/helloworld.Greeter/SayHello");
    let fields = request.headers_mut();
    fields.insert("content-type", "application/grpc".parse().unwrap());
    fields.insert("te", "trailers".parse().unwrap());
    request
}

#[tokio::test]
async fn a_call_gets_its_message_and_its_status_in_trailers() {
    let (origin, _proxy, mut client) = start().await;
    let request = call(&client);
    let answer = client.send(request, Some(b"\0\0\0\0\x05hello".to_vec()), None).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, b"\0\0\0\0\x05hello");
    assert_eq!(answer.trailer("grpc-status"), Some("0"));
    assert_eq!(answer.trailer("grpc-message"), Some("done"));
    let seen = &origin.seen()[0];
    assert_eq!(seen.field("te"), Some("trailers"));
    assert_eq!(seen.target, "/helloworld.Greeter/SayHello");
}

#[tokio::test]
async fn a_failed_call_is_told_in_the_head_alone() {
    let (_origin, _proxy, mut client) = start().await;
    let mut request = call(&client);
    request.headers_mut().insert("x-script", "grpc-status 5".parse().unwrap());
    let answer = client.send(request, Some(Vec::new()), None).await.unwrap();
    assert_eq!((answer.status, answer.field("grpc-status")), (200, Some("5")));
}

#[tokio::test]
async fn trailers_of_a_request_reach_the_origin_or_are_dropped_whole() {
    let (_origin, _proxy, mut client) = start().await;
    let request = client.request("POST", "/");
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", "7".parse().unwrap());
    let answer = client.send(request, Some(b"body".to_vec()), Some(trailers)).await.unwrap();
    let seen = answer.seen();
    assert_eq!(seen.body, "body");
    let told: Vec<_> =
        seen.trailers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    assert!(told.is_empty() || told == ["x-checksum: 7"], "{told:?}");
}

#[tokio::test]
async fn trailers_of_an_http2_answer_reach_an_http2_client() {
    let (_origin, _proxy, mut client) = start().await;
    let mut request = client.request("GET", "/");
    request.headers_mut().insert("x-script", "trailers;size 10".parse().unwrap());
    request.headers_mut().insert("te", "trailers".parse().unwrap());
    let answer = client.send(request, None, None).await.unwrap();
    assert_eq!((answer.body.len(), answer.trailer("x-checksum")), (10, Some("1")));
}
