//! gRPC-Web: calls as browsers make them.

use std::process::Stdio;

use marchproxy_tests::client::{Answer, Http2};
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, within};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const MESSAGE: &[u8] = b"\0\0\0\0\x05hello";
const TRAILERS: &[u8] = b"\x80\0\0\0\x22grpc-status:0\r\ngrpc-message:done\r\n";

async fn start() -> (Origin, Proxy) {
    let origin = Origin::http2().await;
    let proxy = before(&origin.address().to_string()).await;
    (origin, proxy)
}

async fn before(origin: &str) -> Proxy {
    let keys = "upstream: app, grpc_web: { origins: [\"https://app.example\"] }";
    let text = SIMPLE.replace("upstream: app", keys);
    let text = text.replace("name: app,", "name: app, protocol: http2,");
    Setup::new().start(&text.replace("@origin@", origin)).await
}

/// A call with these fields, over HTTP/1.1.
async fn call(proxy: &Proxy, kind: &str, fields: &str, body: &[u8]) -> Answer {
    let head = format!(
        "POST /helloworld.Greeter/SayHello HTTP/1.1\r\nhost: a\r\nx-grpc-web: 1\r\n\
         content-type: {kind}\r\n{fields}content-length: {}\r\n\r\n",
        body.len()
    );
    proxy.request([head.as_bytes(), body].concat()).await
}

/// base64 of another implementation.
async fn base64(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("base64");
    let command = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("start base64");
    child.stdin.take().expect("piped").write_all(input).await.expect("give it its input");
    let output = within("base64", child.wait_with_output()).await.expect("its output");
    assert!(output.status.success());
    output.stdout
}

/// Text whose pieces are padded each.
async fn decoded(text: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for piece in text.split_inclusive(|c| *c == b'=') {
        // The second of two paddings is no piece.
        if piece != b"=" {
            let padded = [piece, b"="].concat();
            let whole = if padded.len() % 4 == 0 { &padded[..] } else { piece };
            all.extend(base64(&["-d"], whole).await);
        }
    }
    all
}

#[tokio::test]
async fn a_call_becomes_one_of_grpc_and_its_trailers_the_last_frame() {
    let (origin, proxy) = start().await;
    let answer = call(&proxy, "application/grpc-web+proto", "", MESSAGE).await;
    assert_eq!((answer.status, answer.field("content-type")), (200, Some("application/grpc-web")));
    assert_eq!(answer.body, [MESSAGE, TRAILERS].concat());
    assert!(answer.trailers.is_empty());
    let seen = &origin.seen()[0];
    assert_eq!(seen.field("content-type"), Some("application/grpc+proto"));
    assert_eq!((seen.field("te"), seen.field("x-grpc-web")), (Some("trailers"), None));
}

#[tokio::test]
async fn a_call_over_http2_is_the_same() {
    let (_origin, proxy) = start().await;
    let mut client = Http2::open(proxy.web()).await;
    let mut request = client.request("POST", "/helloworld.Greeter/SayHello");
    let kind = "application/grpc-web".parse().unwrap();
    request.headers_mut().insert("content-type", kind);
    let answer = client.send(request, Some(MESSAGE.to_vec()), None).await.unwrap();
    assert_eq!(answer.body, [MESSAGE, TRAILERS].concat());
    assert!(answer.trailers.is_empty());
}

#[tokio::test]
async fn a_call_in_text_is_answered_in_text() {
    let (origin, proxy) = start().await;
    let body = base64(&["-w0"], MESSAGE).await;
    let answer = call(&proxy, "application/grpc-web-text", "", &body).await;
    assert_eq!(answer.field("content-type"), Some("application/grpc-web-text"));
    assert_eq!(decoded(&answer.body).await, [MESSAGE, TRAILERS].concat());
    assert_eq!(origin.seen()[0].field("content-length"), None);
    let accept = "accept: application/grpc-web-text\r\n";
    let answer = call(&proxy, "application/grpc-web", accept, MESSAGE).await;
    assert_eq!(decoded(&answer.body).await, [MESSAGE, TRAILERS].concat());
}

#[tokio::test]
async fn text_that_is_none_is_refused_as_grpc_does() {
    let (_origin, proxy) = start().await;
    let answer = call(&proxy, "application/grpc-web-text", "", b"!!!!").await;
    assert_eq!((answer.status, answer.field("grpc-status")), (200, Some("13")));
}

#[tokio::test]
async fn a_call_that_fails_in_the_head_fails_in_the_head() {
    let (_origin, proxy) = start().await;
    let script = "x-script: grpc-status 5\r\n";
    let answer = call(&proxy, "application/grpc-web", script, MESSAGE).await;
    assert_eq!((answer.status, answer.field("grpc-status")), (200, Some("5")));
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn a_refusal_of_the_proxy_is_a_status_of_grpc() {
    // Nobody listens there.
    let proxy = before("127.0.0.1:@dead-port@").await;
    let origin = "origin: https://app.example\r\n";
    let answer = call(&proxy, "application/grpc-web+proto", origin, MESSAGE).await;
    assert_eq!((answer.status, answer.field("grpc-status")), (200, Some("14")));
    assert_eq!(answer.field("content-type"), Some("application/grpc-web+proto"));
    assert_eq!(answer.field("access-control-allow-origin"), Some("https://app.example"));
    assert!(answer.field("grpc-message").is_some_and(|message| !message.is_empty()));
    let line = proxy.access_line_of("/helloworld.Greeter/SayHello").await;
    assert_eq!(line["reason"], "upstream.connect_refused", "{line}");
}

#[tokio::test]
async fn pages_that_are_named_may_call_and_no_others() {
    let (origin, proxy) = start().await;
    for (page, is_allowed) in [("https://app.example", true), ("https://evil.example", false)] {
        let preflight = format!(
            "OPTIONS /a.B/C HTTP/1.1\r\nhost: a\r\norigin: {page}\r\n\
             access-control-request-method: POST\r\n\
             access-control-request-headers: content-type,x-grpc-web\r\n\r\n"
        );
        let answer = proxy.request(preflight).await;
        let allowed = is_allowed.then_some(page);
        assert_eq!((answer.status, answer.field("access-control-allow-origin")), (204, allowed));
        let names = answer.field("access-control-allow-headers");
        assert_eq!(names, is_allowed.then_some("content-type,x-grpc-web"));
        let field = format!("origin: {page}\r\n");
        let answer = call(&proxy, "application/grpc-web", &field, MESSAGE).await;
        assert_eq!(answer.field("access-control-allow-origin"), allowed);
        let exposed = answer.field("access-control-expose-headers").unwrap_or_default();
        assert_eq!(exposed.contains("grpc-status"), is_allowed);
    }
    assert_eq!(origin.seen().len(), 2, "preflight requests stay here");
}

#[tokio::test]
async fn calls_of_plain_grpc_go_on_as_they_are() {
    let (_origin, proxy) = start().await;
    let mut client = Http2::open(proxy.web()).await;
    let mut request = client.request("POST", "/helloworld.Greeter/SayHello");
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let answer = client.send(request, Some(MESSAGE.to_vec()), None).await.unwrap();
    assert_eq!((answer.body.as_slice(), answer.trailer("grpc-status")), (MESSAGE, Some("0")));
}
