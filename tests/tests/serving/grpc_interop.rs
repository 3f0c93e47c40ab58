//! gRPC as grpcio speaks it, on both sides of the proxy: what comes of a call is the same as
//! without it.

use std::net::SocketAddr;
use std::process::Stdio;

use marchproxy_tests::bounded::within_time;
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::repository::at;
use marchproxy_tests::{Proxy, eventually, within};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The interpreter that Debian's package of grpcio is for.
const PYTHON: &str = "/usr/bin/python3";
const CALLS: Duration = Duration::from_secs(60);

const TEXT: &str = r#"
listeners:
  - { name: web, address: "127.0.0.1:@web-port@", requests: { body_size: 64MiB } }
routes: [{ name: all, upstream: app }]
upstreams:
  - name: app
    protocol: http2
    endpoints: ["@origin@"]
    panic: 0%
    health: { grpc: "", every: 100ms, up: 1, down: 1 }
"#;

/// A server of grpcio. It is killed when it is dropped.
struct Server {
    address: SocketAddr,
    _child: Child,
}

impl Server {
    async fn start() -> Self {
        let mut child = Command::new(PYTHON)
            .arg("-B")
            .arg(at("tests/grpc/server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("start python3");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let line = within("the server tells its port", lines.next_line()).await.unwrap();
        let port = line.expect("python3-grpcio is installed").parse().expect("a port");
        Self { address: SocketAddr::from(([127, 0, 0, 1], port)), _child: child }
    }
}

/// What the client prints.
async fn client(arguments: &[&str]) -> String {
    let mut command = Command::new(PYTHON);
    command.arg("-B").arg(at("tests/grpc/client.py")).args(arguments).kill_on_drop(true);
    let ended = within_time(CALLS, "the client's calls", command.output()).await.unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{told}");
    String::from_utf8(ended.stdout).expect("text")
}

async fn before(server: &Server) -> Proxy {
    let proxy = Setup::new().set("origin", server.address).start(TEXT).await;
    eventually("the endpoint is well", async || {
        let status = proxy.status().await;
        (status["upstreams"][0]["endpoints"][0]["state"] == "serving").then_some(())
    })
    .await;
    proxy
}

#[tokio::test]
async fn calls_come_to_the_same_with_and_without_the_proxy() {
    let server = Server::start().await;
    let proxy = before(&server).await;
    let (direct, proxied) = (server.address.to_string(), proxy.web().to_string());
    let printed = client(&[&direct, &proxied]).await;
    let told: Vec<Value> =
        printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let expected = json!({
        "unary": ["hello", "OK", [["x-initial", "1"]], [["x-trailing", "2"], ["x-trailing-bin", "00ff"]]],
        "trailers_only": ["FAILED_PRECONDITION", "no tea: 100 % ä", [["x-trailing-bin", "0102"]]],
        "unknown_method": ["UNIMPLEMENTED"],
        "failed_stream": ["one", "DATA_LOSS", "after one", []],
        "server_stream": [1000, true],
        "client_stream": "1000 100000",
        "both_streams": [true, 0, "OK"],
        "big_messages": [true, true],
        "deadline": ["DEADLINE_EXCEEDED", true, "yes", true],
        "cancellation": [true, "yes"],
        "cancelled_stream": ["one", "CANCELLED", "after"],
    });
    let expected = expected.as_object().expect("a mapping");
    for (what, wanted) in expected {
        assert_eq!(&told[0][what], wanted, "{what}, directly");
        assert_eq!(&told[1][what], wanted, "{what}, through the proxy");
    }
    assert_eq!(told[1].as_object().map(serde_json::Map::len), Some(expected.len()));
}

#[tokio::test]
async fn an_endpoint_is_out_while_its_health_service_says_so() {
    let server = Server::start().await;
    let proxy = before(&server).await;
    let (direct, proxied) = (server.address.to_string(), proxy.web().to_string());
    let state = async |wanted: &str| {
        eventually(&format!("the endpoint is {wanted}"), async || {
            let status = proxy.status().await;
            (status["upstreams"][0]["endpoints"][0]["state"] == wanted).then_some(())
        })
        .await;
    };
    assert_eq!(client(&[&proxied, "code"]).await.trim(), "OK");
    client(&[&direct, "ill"]).await;
    state("unhealthy").await;
    assert_eq!(client(&[&proxied, "code"]).await.trim(), "UNAVAILABLE");
    client(&[&direct, "well"]).await;
    state("serving").await;
    assert_eq!(client(&[&proxied, "code"]).await.trim(), "OK");
}
