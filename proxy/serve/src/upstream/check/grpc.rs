//! The gRPC health checking protocol, version 1 (`grpc.health.v1.Health/Check`).

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::{MOST_BODY, OutboundBody, Piece, Session, question};
use crate::upstream::Failure;

/// `HealthCheckResponse.ServingStatus.SERVING`
const SERVING: u64 = 1;

/// Asks whether `service` is served.
pub(super) async fn ask(
    mut session: Session,
    service: &str,
    host: &str,
    scheme: &'static str,
) -> Result<(), String> {
    if matches!(session, Session::Http1(_)) {
        return Err("it speaks no HTTP/2, which gRPC needs".to_owned());
    }
    let message = message(service);
    let mut question = question(Method::POST, "/grpc.health.v1.Health/Check", host, scheme)?;
    question.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    question.headers.insert(TE, HeaderValue::from_static("trailers"));
    question.body = OutboundBody::Length(u64::try_from(message.len()).unwrap_or(u64::MAX));
    let failed = |failure: Failure| failure.reason.title().to_owned();
    session.start(&question).map_err(failed)?;
    std::future::poll_fn(|context| session.poll_room(context)).await.map_err(failed)?;
    session.send(Piece::Data(message)).map_err(failed)?;
    session.send(Piece::End(None)).map_err(failed)?;
    std::future::poll_fn(|context| session.poll_flush(context)).await.map_err(failed)?;
    let head = std::future::poll_fn(|context| session.poll_head(context)).await.map_err(failed)?;
    if head.status != StatusCode::OK {
        return Err(format!("it answers {}", head.status.as_u16()));
    }
    if session.is_answer_over() {
        return Err(status(&head.headers).unwrap_or_else(|| NO_GRPC.to_owned()));
    }
    let mut body = BytesMut::new();
    let trailers = loop {
        match std::future::poll_fn(|context| session.poll_body(context)).await.map_err(failed)? {
            Piece::Data(bytes) if body.len().saturating_add(bytes.len()) <= MOST_BODY => {
                body.extend_from_slice(&bytes);
            }
            Piece::Data(_) => return Err("its answer is too long".to_owned()),
            Piece::End(trailers) => break trailers,
        }
    };
    match trailers.as_deref().and_then(status) {
        Some(error) => Err(error),
        None => serving(&body),
    }
}

const NO_GRPC: &str = "its answer is not gRPC";

/// What a status that is not OK says.
fn status(fields: &HeaderMap) -> Option<String> {
    let code = fields.get("grpc-status")?.to_str().ok()?;
    let said = match code {
        "0" => return None,
        "5" => "the service is not known to it (gRPC status 5)".to_owned(),
        "12" => "it has no health service (gRPC status 12)".to_owned(),
        code => format!("gRPC status {}", code.escape_debug().take(20).collect::<String>()),
    };
    Some(said)
}

/// A `HealthCheckRequest` in its frame.
fn message(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(0x0a);
        // A service has at most 256 characters of at most 4 bytes.
        let mut length = service.len();
        while length > 0x7f {
            message.put_u8(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
            length >>= 7;
        }
        message.put_u8(u8::try_from(length).unwrap_or(0));
        message.put_slice(service.as_bytes());
    }
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(0));
    frame.put_slice(&message);
    frame.freeze()
}

/// Whether a `HealthCheckResponse` in its frame says that the service is served.
fn serving(frame: &[u8]) -> Result<(), String> {
    let Some(([0, _, _, _, _], message)) = frame.split_first_chunk() else {
        return Err(NO_GRPC.to_owned());
    };
    let status = match message {
        // Proto3 leaves out what is 0.
        [] => 0,
        [0x08, status, ..] => u64::from(*status),
        _ => return Err(NO_GRPC.to_owned()),
    };
    match status {
        SERVING => Ok(()),
        0 => Err("its status is UNKNOWN".to_owned()),
        2 => Err("its status is NOT_SERVING".to_owned()),
        3 => Err("its status is SERVICE_UNKNOWN".to_owned()),
        other => Err(format!("its status is {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_framed_as_protobuf_in_grpc() {
        assert_eq!(&*message(""), [0, 0, 0, 0, 0]);
        assert_eq!(&*message("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = message(&"x".repeat(200));
        assert_eq!(long.get(..8), Some(&[0, 0, 0, 0, 203, 0x0a, 0xc8, 0x01][..]));
    }

    #[test]
    fn only_serving_is_well() {
        assert_eq!(serving(&[0, 0, 0, 0, 2, 8, 1]), Ok(()));
        for frame in [&[0, 0, 0, 0, 0][..], &[0, 0, 0, 0, 2, 8, 2], &[0, 0, 0, 0, 2, 8, 3]] {
            assert!(serving(frame).is_err(), "{frame:?}");
        }
        for frame in [&b""[..], b"hello", b"<html>", &[1, 0, 0, 0, 2, 8, 1]] {
            assert_eq!(serving(frame), Err(NO_GRPC.to_owned()), "{frame:?}");
        }
    }
}
