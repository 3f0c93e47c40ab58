//! The HTTP/2 side of the well-behaved origin, gRPC included.

use std::sync::Arc;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use super::script::Script;
use super::{Seen, Shared};
use crate::client::http2::{next_piece, pairs, send_all};

pub(super) async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut streams = tokio::task::JoinSet::new();
    while let Some(accepted) = connection.accept().await {
        let Ok((request, respond)) = accepted else { return };
        let shared = Arc::clone(&shared);
        streams.spawn(async move {
            // A peer that resets its stream ends the exchange; tests look at the peer's side.
            let _ = exchange(request, respond, &shared).await;
        });
    }
}

async fn exchange(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    shared: &Shared,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let mut seen = Seen {
        origin: shared.name.clone(),
        version: "HTTP/2".to_owned(),
        method: head.method.to_string(),
        target: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        fields: pairs(&head.headers),
        ..Seen::default()
    };
    if let Some(authority) = head.uri.authority() {
        seen.fields.push(("host".to_owned(), authority.to_string()));
    }
    if let Some(scheme) = head.uri.scheme_str() {
        seen.fields.push((":scheme".to_owned(), scheme.to_owned()));
    }
    let script = Script::of(&seen.fields);
    let is_grpc =
        seen.field("content-type").is_some_and(|kind| kind.starts_with("application/grpc"));
    if is_grpc && seen.target == "/grpc.health.v1.Health/Check" {
        remember(shared, &seen);
        return health(shared, &mut respond).await;
    }
    if is_grpc && !script.early && !script.hold {
        remember(shared, &seen);
        return grpc(&script, &mut body, &mut respond).await;
    }
    if !script.early {
        read_body(&mut body, &mut seen).await?;
    }
    remember(shared, &seen);
    answer(&script, &seen, &mut respond, shared).await
}

fn remember(shared: &Shared, seen: &Seen) {
    shared.seen.lock().expect("no panic with the list in hand").push(seen.clone());
}

async fn read_body(body: &mut RecvStream, seen: &mut Seen) -> Result<(), h2::Error> {
    let mut kept = Vec::new();
    while let Some(piece) = next_piece(body).await? {
        seen.body_length += piece.len();
        let room = (64_usize << 10).saturating_sub(kept.len()).min(piece.len());
        kept.extend_from_slice(&piece[..room]);
    }
    if let Some(trailers) = body.trailers().await? {
        seen.trailers = pairs(&trailers);
    }
    seen.body = String::from_utf8_lossy(&kept).into_owned();
    Ok(())
}

async fn answer(
    script: &Script,
    seen: &Seen,
    respond: &mut SendResponse<Bytes>,
    shared: &Shared,
) -> Result<(), h2::Error> {
    tokio::select! {
        biased;
        () = script.wait(&shared.released) => {}
        // Who asked has gone: nothing is left to wait for.
        _ = std::future::poll_fn(|context| respond.poll_reset(context)) => return Ok(()),
    }
    let (body, kind) = script.body(seen);
    let status = shared.forced_status().or(script.status).unwrap_or(200);
    let mut head = Response::builder().status(status);
    head = match script.events {
        Some(_) => head.header("content-type", "text/event-stream"),
        None => head.header("content-type", kind),
    };
    for (name, value) in Script::reply_fields(seen) {
        head = head.header(name, value);
    }
    let mut stream = respond.send_response(head.body(()).expect("an answer"), false)?;
    if let Some((count, pause)) = script.events {
        for number in 0..count {
            if number > 0 {
                sleep(pause).await;
            }
            send_all(&mut stream, Script::event(number).into(), false).await?;
        }
        return stream.send_data(Bytes::new(), true);
    }
    send_all(&mut stream, body.into(), !script.trailers).await?;
    if script.trailers { stream.send_trailers(fields(&[("x-checksum", "1")])) } else { Ok(()) }
}

/// Gives every message back as it comes, then the status as trailers; or the status alone, in the
/// head, when it is not 0 (gRPC over HTTP/2, "Trailers-Only").
async fn grpc(
    script: &Script,
    body: &mut RecvStream,
    respond: &mut SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let head = Response::builder().status(200).header("content-type", "application/grpc");
    if let Some(status) = script.grpc_status.filter(|status| *status != 0) {
        let head = head.header("grpc-status", status.to_string()).header("grpc-message", "no");
        respond.send_response(head.body(()).expect("an answer"), true)?;
        return Ok(());
    }
    let mut stream = respond.send_response(head.body(()).expect("an answer"), false)?;
    while let Some(piece) = next_piece(body).await? {
        send_all(&mut stream, piece, false).await?;
    }
    stream.send_trailers(fields(&[("grpc-status", "0"), ("grpc-message", "done")]))
}

/// The health service of gRPC: `SERVING`, or `NOT_SERVING` while it is told to fail.
async fn health(shared: &Shared, respond: &mut SendResponse<Bytes>) -> Result<(), h2::Error> {
    let head = Response::builder().status(200).header("content-type", "application/grpc");
    let mut stream = respond.send_response(head.body(()).expect("an answer"), false)?;
    let status = if shared.forced_status().is_some() { 2 } else { 1 };
    send_all(&mut stream, Bytes::from(vec![0, 0, 0, 0, 2, 8, status]), false).await?;
    stream.send_trailers(fields(&[("grpc-status", "0")]))
}

fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    pairs.iter().map(field).collect()
}
