use serde_json::json;

use super::*;

fn own_name(about: &str) -> String {
    format!("marchproxy-test/{}/{about}", std::process::id())
}

async fn asked(name: &str, order: Order) -> Result<Value, String> {
    let name = name.to_owned();
    tokio::task::spawn_blocking(move || ask(&name, &order)).await.unwrap()
}

#[tokio::test]
async fn an_order_is_followed_or_refused() {
    let name = own_name("orders");
    let _socket = LocalSocket::open(&name, |order| match order {
        Order::Upstreams { upstream: None } => Reply::Done(json!(["a"])),
        other => Reply::Refused(format!("not {other:?}")),
    });
    assert_eq!(asked(&name, Order::Upstreams { upstream: None }).await, Ok(json!(["a"])));
    let refused = asked(&name, Order::Upstreams { upstream: Some("b".to_owned()) }).await;
    assert!(refused.unwrap_err().starts_with("not "));
}

#[tokio::test]
async fn a_line_that_is_no_order_is_refused() {
    use std::os::linux::net::SocketAddrExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let name = own_name("lines");
    let _socket = LocalSocket::open(&name, |_| Reply::Done(Value::Null));
    for line in ["hello\n", "{\"upstreams\":{\"x\":1}}\n", "\n", &"x".repeat(60_000)] {
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let stream = std::os::unix::net::UnixStream::connect_addr(&address).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut stream = tokio::net::UnixStream::from_std(stream).unwrap();
        stream.write_all(line.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(answer.starts_with("{\"refused\":"), "{answer}");
    }
}

#[tokio::test]
async fn nobody_there_is_told() {
    let error = asked(&own_name("nobody"), Order::Upstreams { upstream: None }).await.unwrap_err();
    assert!(error.starts_with("no running marchproxy answers at"), "{error}");
}
