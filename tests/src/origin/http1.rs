//! The HTTP/1.1 side of the well-behaved origin.

use std::fmt::Write;
use std::io;
use std::sync::Arc;

use tokio::time::sleep;

use super::script::Script;
use super::{Seen, Shared};
use crate::client::Connection;
use crate::client::answer::{Broken, named, parse_head};
use crate::client::websocket::{accept_value, frame, read_frame};

const KEPT: usize = 64 << 10;

pub(super) async fn serve(mut connection: Connection, shared: &Arc<Shared>) {
    while let Ok(true) = exchange(&mut connection, shared).await {}
}

/// One request and its answer; whether there may be another.
async fn exchange(connection: &mut Connection, shared: &Arc<Shared>) -> Result<bool, Broken> {
    let head = connection.until(b"\r\n\r\n").await?;
    // The scripted origin is strict as well: what is malformed is shown in the answer.
    let Ok((start, fields)) = parse_head(&head) else {
        let _ = connection.try_send("HTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n").await;
        return Ok(false);
    };
    let mut words = start.split(' ').map(str::to_owned);
    let mut seen = Seen {
        origin: shared.name.clone(),
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        version: words.next().unwrap_or_default(),
        fields,
        ..Seen::default()
    };
    let script = Script::of(&seen.fields);
    if named(&seen.fields, "upgrade").iter().any(|name| name.eq_ignore_ascii_case("websocket")) {
        remember(shared, &seen);
        return websocket(connection, &seen).await;
    }
    let expects = !named(&seen.fields, "expect").is_empty();
    if expects && !script.early && !script.no_continue {
        sent(connection.try_send("HTTP/1.1 100 Continue\r\n\r\n").await)?;
    }
    if script.early {
        remember(shared, &seen);
        answer(connection, shared, &script, &seen).await?;
        read_body(connection, &mut seen).await?;
    } else {
        read_body(connection, &mut seen).await?;
        remember(shared, &seen);
        answer(connection, shared, &script, &seen).await?;
    }
    Ok(!script.close)
}

fn remember(shared: &Shared, seen: &Seen) {
    shared.seen.lock().expect("no panic with the list in hand").push(seen.clone());
}

async fn read_body(connection: &mut Connection, seen: &mut Seen) -> Result<(), Broken> {
    let mut kept = Vec::new();
    let mut keep = |piece: &[u8], length: &mut usize| {
        *length += piece.len();
        let room = KEPT.saturating_sub(kept.len()).min(piece.len());
        kept.extend_from_slice(&piece[..room]);
    };
    if !named(&seen.fields, "transfer-encoding").is_empty() {
        loop {
            let chunk = connection.chunk().await?;
            if chunk.is_empty() {
                break;
            }
            keep(&chunk, &mut seen.body_length);
        }
        loop {
            let line = connection.until(b"\r\n").await?;
            if line.is_empty() {
                break;
            }
            let line = [b"trailer\r\n".as_slice(), &line].concat();
            seen.trailers.extend(parse_head(&line).map_err(Broken::Malformed)?.1);
        }
    } else if let Some(length) = named(&seen.fields, "content-length").first() {
        let mut rest: usize = length.parse().map_err(|_| Broken::Malformed("length".into()))?;
        while rest > 0 {
            let piece = connection.piece(rest).await?;
            rest -= piece.len();
            keep(&piece, &mut seen.body_length);
        }
    }
    seen.body = String::from_utf8_lossy(&kept).into_owned();
    Ok(())
}

async fn answer(
    connection: &mut Connection,
    shared: &Shared,
    script: &Script,
    seen: &Seen,
) -> Result<(), Broken> {
    if script.early_hints {
        sent(connection.try_send("HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n").await)?;
    }
    tokio::select! {
        biased;
        () = script.wait(&shared.released) => {}
        // Who asked has gone: nothing is left to wait for.
        () = connection.gone() => return Err(Broken::Reset),
    }
    let status = shared.forced_status().or(script.status).unwrap_or(200);
    let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
    for (name, value) in Script::reply_fields(seen) {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if script.close {
        head.push_str("connection: close\r\n");
    }
    if let Some((count, pause)) = script.events {
        return events(connection, head, count, pause).await;
    }
    if let Some((count, pause)) = script.drip {
        let _ = write!(head, "content-length: {count}\r\n\r\n");
        sent(connection.try_send(head).await)?;
        for _ in 0..count {
            sleep(pause).await;
            sent(connection.try_send("x").await)?;
        }
        return Ok(());
    }
    whole(connection, head, script, seen, status).await
}

async fn whole(
    connection: &mut Connection,
    mut head: String,
    script: &Script,
    seen: &Seen,
    status: u16,
) -> Result<(), Broken> {
    let (body, kind) = script.body(seen);
    let bodyless = seen.method == "HEAD" || status == 204 || status == 304;
    let _ = write!(head, "content-type: {kind}\r\n");
    if script.chunked || script.trailers {
        head.push_str("transfer-encoding: chunked\r\n");
        if script.trailers {
            head.push_str("trailer: x-checksum\r\n");
        }
    } else if status != 204 {
        let _ = write!(head, "content-length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    sent(connection.try_send(head).await)?;
    if bodyless {
        return Ok(());
    }
    if !script.chunked && !script.trailers {
        return sent(connection.try_send(body).await);
    }
    for chunk in body.chunks(1024) {
        let size = format!("{:x}\r\n", chunk.len());
        sent(connection.try_send([size.as_bytes(), chunk, b"\r\n"].concat()).await)?;
    }
    let end = if script.trailers { "0\r\nx-checksum: 1\r\n\r\n" } else { "0\r\n\r\n" };
    sent(connection.try_send(end).await)
}

async fn events(
    connection: &mut Connection,
    mut head: String,
    count: usize,
    pause: std::time::Duration,
) -> Result<(), Broken> {
    head.push_str("content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
    sent(connection.try_send(head).await)?;
    for number in 0..count {
        if number > 0 {
            sleep(pause).await;
        }
        let event = Script::event(number);
        sent(connection.try_send(format!("{:x}\r\n{event}\r\n", event.len())).await)?;
    }
    sent(connection.try_send("0\r\n\r\n").await)
}

/// Switches and gives every message back; a message `bye` makes the origin close first.
async fn websocket(connection: &mut Connection, seen: &Seen) -> Result<bool, Broken> {
    let key = seen.field("sec-websocket-key").unwrap_or_default();
    let mut head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: {}\r\n",
        accept_value(key)
    );
    for (name, value) in Script::reply_fields(seen) {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    sent(connection.try_send(head).await)?;
    loop {
        let message = read_frame(connection).await?;
        match message.opcode {
            8 => {
                sent(connection.try_send(frame(8, &message.payload, None)).await)?;
                return Ok(false);
            }
            9 => sent(connection.try_send(frame(10, &message.payload, None)).await)?,
            10 => {}
            _ if message.payload == b"bye" => {
                sent(connection.try_send(frame(8, &1000_u16.to_be_bytes(), None)).await)?;
            }
            opcode => sent(connection.try_send(frame(opcode, &message.payload, None)).await)?,
        }
    }
}

fn sent(result: io::Result<()>) -> Result<(), Broken> {
    result.map_err(|_| Broken::Reset)
}
