//! One connection of each kind.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::Tally;
use crate::client::http2::read;
use crate::client::{Answer, Broken, Connection, Http2, WebSocket};

const PAUSE: Duration = Duration::from_millis(5);

pub(super) async fn http1(address: SocketAddr, tally: Arc<Tally>) {
    let mut kept: Option<Connection> = None;
    let mut number = 0;
    while tally.goes_on() {
        number += 1;
        let is_stream = number % 10 == 0;
        let script = if is_stream { "events 5 40" } else { "size 2000" };
        let fresh = kept.is_none();
        let connection = match kept.take() {
            Some(connection) => Some(connection),
            None => open(address, &tally).await,
        };
        let Some(mut connection) = connection else { continue };
        let request =
            format!("GET /load HTTP/1.1\r\nhost: test.example\r\nx-script: {script}\r\n\r\n");
        let answer = match connection.try_send(request).await {
            Ok(()) => connection.try_answer().await,
            Err(_) => Err(Broken::ClosedBefore),
        };
        match answer {
            Ok(answer) if is_whole(&answer, is_stream) => {
                if is_stream {
                    tally.stream();
                } else {
                    tally.fine();
                }
                if answer.field("connection") != Some("close") {
                    kept = Some(connection);
                }
            }
            Ok(answer) => tally.failed(format!("http1: {} {}", answer.status, answer.text())),
            // Nothing of an answer came on a connection that had been idle.
            Err(Broken::ClosedBefore | Broken::Reset) if !fresh => tally.again(),
            Err(broken) if is_stream => tally.cut(format!("events: {broken:?}")),
            Err(broken) => tally.failed(format!("http1, fresh {fresh}: {broken:?}")),
        }
        sleep(PAUSE).await;
    }
}

fn is_whole(answer: &Answer, is_stream: bool) -> bool {
    let whole =
        if is_stream { answer.text().contains("event 4") } else { answer.body.len() == 2000 };
    answer.status == 200 && whole
}

async fn open(address: SocketAddr, tally: &Tally) -> Option<Connection> {
    match Connection::try_open(address).await {
        Ok(connection) => Some(connection),
        Err(error) => {
            tally.failed(format!("connect: {error}"));
            sleep(PAUSE).await;
            None
        }
    }
}

pub(super) async fn http2(address: SocketAddr, tally: Arc<Tally>) {
    while tally.goes_on() {
        let stream = match tokio::net::TcpStream::connect(address).await {
            Ok(stream) => stream,
            Err(error) => {
                tally.failed(format!("http2 connect: {error}"));
                sleep(PAUSE).await;
                continue;
            }
        };
        let mut client = match Http2::try_over(stream, "http").await {
            Ok(client) => client,
            Err(error) => {
                tally.failed(format!("http2 start: {error}"));
                sleep(PAUSE).await;
                continue;
            }
        };
        while tally.goes_on() && http2_round(&mut client, &tally).await {
            sleep(PAUSE).await;
        }
    }
}

/// Four streams at once; whether the connection can go on.
async fn http2_round(client: &mut Http2, tally: &Tally) -> bool {
    let mut running = Vec::new();
    let mut goes_on = true;
    for script in ["size 2000", "size 70000", "delay 20", "events 3 40"] {
        let mut request = client.request("GET", "/load");
        request.headers_mut().insert("x-script", script.parse().expect("a script"));
        if let Ok((answer, _)) = client.start(request, true).await {
            running.push((script, answer))
        } else {
            // The connection said that it takes no more.
            tally.again();
            goes_on = false;
        }
    }
    // All at once: a client that leaves one stream unread stops the others by the connection's
    // window (RFC 9113, section 5.2.1).
    let reading = running.into_iter().map(async |(script, answer)| {
        (script, tokio::time::timeout(Duration::from_secs(20), read(answer)).await)
    });
    for (script, outcome) in futures_util::future::join_all(reading).await {
        match outcome {
            Ok(Ok(answer)) if answer.status == 200 => tally.fine(),
            Ok(Ok(answer)) => tally.failed(format!("http2 {script}: {}", answer.status)),
            Ok(Err(error)) if is_refusal(&error) => {
                tally.again();
                goes_on = false;
            }
            Ok(Err(error)) => {
                tally.failed(format!("http2 {script}: {error:?}"));
                goes_on = false;
            }
            Err(_) => {
                tally.failed(format!("http2 {script}: no answer"));
                goes_on = false;
            }
        }
    }
    goes_on
}

/// RFC 9113, section 8.7: such a request has not been processed.
fn is_refusal(error: &h2::Error) -> bool {
    let graceful =
        error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR);
    graceful || error.reason() == Some(h2::Reason::REFUSED_STREAM)
}

pub(super) async fn websocket(address: SocketAddr, tally: Arc<Tally>) {
    while tally.goes_on() {
        let Some(connection) = open(address, &tally).await else { continue };
        let mut socket = match WebSocket::try_open(connection, "/chat").await {
            Ok((Some(socket), _)) => socket,
            refused => {
                let refused = refused.map(|(_, answer)| answer);
                tally.failed(format!("websocket: {refused:?}"));
                sleep(PAUSE).await;
                continue;
            }
        };
        let mut whole = true;
        for number in 0..50 {
            if let Err(broken) = socket.echo(&format!("message {number}")).await {
                tally.cut(format!("websocket after {number} messages: {broken:?}"));
                whole = false;
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        if whole {
            match socket.try_close().await {
                Ok(()) => tally.stream(),
                Err(broken) => tally.cut(format!("websocket at its close: {broken:?}")),
            }
        }
    }
}

pub(super) async fn upload(address: SocketAddr, tally: Arc<Tally>) {
    const PIECES: usize = 25;
    while tally.goes_on() {
        let Some(mut connection) = open(address, &tally).await else { continue };
        let size = PIECES * 1000;
        let head =
            format!("POST /up HTTP/1.1\r\nhost: test.example\r\ncontent-length: {size}\r\n\r\n");
        let mut sent = connection.try_send(head).await;
        for _ in 0..PIECES {
            if sent.is_err() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
            sent = connection.try_send([b'x'; 1000]).await;
        }
        match connection.try_answer().await {
            Ok(answer) if answer.status == 200 && answer.seen().body_length == size => {
                tally.stream();
            }
            Ok(answer) => tally.cut(format!("upload: {} {}", answer.status, answer.text())),
            Err(broken) => tally.cut(format!("upload: {broken:?}, sent {sent:?}")),
        }
    }
}
