use serde_json::json;

use super::*;

/// An address that no other test has, as names of sockets are those of the whole machine.
fn own_address(test: u8) -> SocketAddr {
    let port = 1024 + u16::try_from(std::process::id() % 60_000).unwrap();
    SocketAddr::from(([127, 9, 9, test], port))
}

async fn asked(status: SocketAddr, order: Order) -> Result<Value, NotDone> {
    tokio::task::spawn_blocking(move || ask(status, &order)).await.unwrap()
}

#[tokio::test]
async fn an_order_is_followed_or_refused() {
    let address = own_address(1);
    let _socket = LocalSocket::open(&name(address), |order| match order {
        Order::Upstreams { upstream: None } => Reply::Done(json!(["a"])),
        other => Reply::Refused(format!("not {other:?}")),
    });
    assert_eq!(asked(address, Order::Upstreams { upstream: None }).await, Ok(json!(["a"])));
    let refused = asked(address, Order::Upstreams { upstream: Some("b".to_owned()) }).await;
    assert!(matches!(refused, Err(NotDone::Refused(why)) if why.starts_with("not ")));
}

#[tokio::test]
async fn a_line_that_is_no_order_is_refused() {
    use std::os::linux::net::SocketAddrExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let name = name(own_address(2));
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
    let error = asked(own_address(3), Order::Upstreams { upstream: None }).await.unwrap_err();
    assert!(
        matches!(&error, NotDone::Failed(why) if why.contains("no marchproxy runs")),
        "{error:?}"
    );
}
