//! The client's side of one HTTP/2 stream.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason as Code, RecvStream};
use http::header::TRANSFER_ENCODING;
use http::{HeaderMap, Response, StatusCode, Version};
use marchproxy_decide::verdict::Reason;
use tokio::time::timeout;

use super::super::linger;
use crate::edge::{AnswerHead, Client, Piece, Request};
use crate::http2::{Sending, poll_piece};

/// The client's side of one HTTP/2 stream.
pub struct Http2Client {
    body: RecvStream,
    has_body: bool,
    is_body_done: bool,
    respond: SendResponse<Bytes>,
    sending: Option<Sending>,
    is_aborted: bool,
}

impl Http2Client {
    /// Of a stream that has been accepted.
    pub fn new(
        request: http::Request<RecvStream>,
        respond: SendResponse<Bytes>,
    ) -> (Self, Request) {
        let (parts, body) = request.into_parts();
        let target = match parts.uri.path_and_query() {
            Some(target) => Bytes::copy_from_slice(target.as_str().as_bytes()),
            None => Bytes::new(),
        };
        let authority = parts.uri.authority();
        let authority = authority.map(|text| Bytes::copy_from_slice(text.as_str().as_bytes()));
        let request = Request {
            method: parts.method,
            target,
            authority,
            version: Version::HTTP_2,
            headers: parts.headers,
        };
        let is_body_done = body.is_end_stream();
        let client = Self {
            body,
            has_body: !is_body_done,
            is_body_done,
            respond,
            sending: None,
            is_aborted: false,
        };
        (client, request)
    }

    /// Ends the stream. One that is broken off first lets what was sent of it leave: a reset takes
    /// away what still waits. Of one that is answered before its request has come, the rest is taken
    /// for a while: told to stop at once, some clients forget the answer. Bounded in time and bytes.
    pub async fn finish(mut self) {
        if self.is_aborted {
            // The connection is polled before this goes on.
            tokio::task::yield_now().await;
            match &mut self.sending {
                Some(sending) => sending.reset(Code::INTERNAL_ERROR),
                None => self.respond.send_reset(Code::INTERNAL_ERROR),
            }
            return;
        }
        if self.is_body_done {
            return;
        }
        let mut seen = 0_usize;
        let rest = async {
            while seen < linger::BYTES {
                match std::future::poll_fn(|context| self.poll_body(context)).await {
                    Ok(Piece::Data(bytes)) => seen = seen.saturating_add(bytes.len()),
                    Ok(Piece::End(_)) | Err(_) => return,
                }
            }
        };
        let _ = timeout(linger::TIME, rest).await;
    }
}

impl Client for Http2Client {
    fn has_body(&self) -> bool {
        self.has_body
    }

    fn is_body_done(&self) -> bool {
        self.is_body_done
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece, Reason>> {
        let piece = if self.is_body_done {
            Ok(Piece::End(None))
        } else {
            ready!(poll_piece(&mut self.body, context))
        };
        self.is_body_done |= matches!(piece, Ok(Piece::End(_)));
        Poll::Ready(piece.map_err(|error| reason_of(&error)))
    }

    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.sending {
            Some(sending) => sending.poll_reset(context),
            None => self.respond.poll_reset(context).map(|_| ()),
        }
    }

    /// Other streams of the connection are not this one's affair.
    fn close_after(&mut self) {}

    fn send_interim(&mut self, status: StatusCode, headers: HeaderMap) -> Result<(), Reason> {
        let sent = self.respond.send_informational(response(status, headers));
        sent.map_err(|error| reason_of(&error))
    }

    fn begin_answer(&mut self, head: AnswerHead, is_empty: bool) -> Result<(), Reason> {
        let AnswerHead { status, mut headers, .. } = head;
        // RFC 9113, section 8.2.2.
        headers.remove(TRANSFER_ENCODING);
        let sent = self.respond.send_response(response(status, headers), is_empty);
        let stream = sent.map_err(|error| reason_of(&error))?;
        self.sending = Some(if is_empty { Sending::over(stream) } else { Sending::new(stream) });
        Ok(())
    }

    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        match &mut self.sending {
            Some(sending) => sending.poll_room(context).map_err(|error| reason_of(&error)),
            None => Poll::Ready(Ok(())),
        }
    }

    fn send(&mut self, piece: Piece) -> Result<(), Reason> {
        let Some(sending) = &mut self.sending else { return Err(Reason::Internal) };
        sending.add(piece).map_err(|error| reason_of(&error))
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        match &mut self.sending {
            Some(sending) => sending.poll_flush(context).map_err(|error| reason_of(&error)),
            None => Poll::Ready(Ok(())),
        }
    }

    fn abort(&mut self) {
        self.is_aborted = true;
    }
}

fn response(status: StatusCode, headers: HeaderMap) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = Version::HTTP_2;
    *response.headers_mut() = headers;
    response
}

/// What our own side found wrong with what came is the client's breach; all else is its end.
fn reason_of(error: &h2::Error) -> Reason {
    let is_breach = !error.is_remote() && error.reason() == Some(Code::PROTOCOL_ERROR);
    if is_breach { Reason::ClientProtocol } else { Reason::ClientGone }
}
