//! The client's side of an HTTP/1 connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use marchproxy_decide::verdict::Reason;
use marchproxy_decide::wire::body::BodyWatch;
use marchproxy_decide::wire::head::{Framing, HeadFacts};
use tokio::io::{AsyncWriteExt, ReadBuf};

use super::super::caller::Caller;
use super::super::linger;
use super::super::transport::Transport;
use crate::edge::{AnswerHead, Client, Piece, Request};
use crate::http1::{Arriving, Broken, Incoming, Leaving, Outgoing, fields};

/// The client's side of an HTTP/1 connection, from request to request.
#[expect(clippy::struct_excessive_bools, reason = "each is one fact of a request")]
pub struct Http1Client<S: Transport> {
    /// `None` once it has been handed on.
    stream: Option<S>,
    incoming: Incoming,
    outgoing: Outgoing,
    caller: Caller,
    has_body: bool,
    is_head_request: bool,
    version: Version,
    keep_alive: bool,
    is_tunnel: bool,
    is_answered: bool,
    is_aborted: bool,
}

impl<S: Transport> Http1Client<S> {
    /// On a connection that nothing has come on yet.
    pub fn new(stream: S, caller: Caller) -> Self {
        Self {
            stream: Some(stream),
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            caller,
            has_body: false,
            is_head_request: false,
            version: Version::HTTP_11,
            keep_alive: false,
            is_tunnel: false,
            is_answered: true,
            is_aborted: false,
        }
    }

    /// Bytes that have been read and not yet taken: the head that is being read.
    pub fn waiting(&self) -> &[u8] {
        self.incoming.waiting()
    }

    /// Whether something can be read now, without waiting.
    pub fn has_something(&self) -> bool {
        !self.waiting().is_empty() || self.stream.as_ref().is_some_and(Transport::has_buffered)
    }

    /// Resolves when there is something to read, or the end of the stream.
    pub async fn readable(&self) -> io::Result<()> {
        if self.has_something() {
            return Ok(());
        }
        let stream = self.stream.as_ref().ok_or_else(gone)?;
        std::future::poll_fn(|context| stream.poll_readable(context)).await
    }

    /// Gives back all buffers that hold nothing.
    pub fn trim(&mut self) {
        self.incoming.trim();
        self.outgoing.trim();
        if let Some(stream) = &mut self.stream {
            stream.trim();
        }
    }

    /// Reads once into what is waiting. Gives the count; 0 is the end of the stream.
    pub async fn read_more(&mut self) -> io::Result<usize> {
        let Self { stream, incoming, .. } = self;
        let stream = stream.as_mut().ok_or_else(gone)?;
        std::future::poll_fn(|context| incoming.poll_read(stream, context)).await
    }

    /// Takes the head that `facts` are of, and lets its body follow. `None`: it was never checked.
    pub fn take_request(&mut self, facts: &HeadFacts) -> Option<Request> {
        let framing = facts.framing;
        self.has_body = !matches!(framing, Framing::None | Framing::Length(0));
        // The content's own limit depends on the route and is kept where the body is forwarded.
        let body = if self.has_body {
            Arriving::Body(BodyWatch::new(framing, u64::MAX))
        } else {
            Arriving::Over
        };
        let head = self.incoming.take_head(facts.length, body);
        let method = Method::from_bytes(head.get(facts.method.clone())?).ok()?;
        let target = head.slice_ref(head.get(facts.target.clone())?);
        let line_end = memchr::memchr(b'\n', head.get(facts.target.end..)?)?;
        let lines_start = facts.target.end.checked_add(line_end)?.checked_add(1)?;
        let headers = fields::read(&head.slice(lines_start..), facts.fields)?;
        self.is_head_request = method == Method::HEAD;
        self.version = facts.version;
        self.keep_alive = facts.keep_alive;
        self.is_answered = false;
        Some(Request { method, target, authority: None, version: facts.version, headers })
    }

    /// Takes all that waits, and the stream.
    pub fn into_parts(mut self) -> Option<(S, Bytes)> {
        let waiting = self.incoming.take_waiting().freeze();
        Some((self.stream.take()?, waiting))
    }

    /// Sends `bytes` and ends the connection.
    pub fn end_with(mut self, bytes: &[u8]) {
        self.is_aborted = true;
        self.outgoing.head(Leaving::Nothing).extend_from_slice(bytes);
    }

    /// Whether the connection can be used for another request. Finishes with the one before.
    pub fn is_reusable(&self) -> bool {
        let is_over = self.is_answered && self.outgoing.is_empty() && self.incoming.is_over();
        is_over && self.keep_alive && !self.is_tunnel && !self.is_aborted
    }

    /// Tells the client that nothing more comes, when the last answer was whole.
    pub fn close(&mut self) {
        let is_whole = self.is_answered && !self.is_aborted && self.outgoing.is_empty();
        // Else it lingers.
        let is_read = self.waiting().is_empty() && self.incoming.is_idle();
        if is_whole
            && is_read
            && let Some(stream) = &mut self.stream
        {
            // What cannot be sent at once is not waited for: the connection ends either way.
            let _ = AsyncWriteExt::shutdown(stream).now_or_never();
        }
    }

    /// Ready for the next head.
    pub fn next_request(&mut self) {
        self.incoming.expect(Arriving::Head);
    }

    /// How the client learns where the body ends, and the fields that tell it.
    fn frame(&self, head: &mut AnswerHead, is_empty: bool) -> (Leaving, bool) {
        let status = head.status;
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return (Leaving::UntilEnd, self.keep_alive);
        }
        let has_none = self.is_head_request
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if has_none {
            return (Leaving::Nothing, self.keep_alive);
        }
        head.headers.remove(TRANSFER_ENCODING);
        let length = head.headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes);
        let length = length.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        match length {
            Some(length) => (Leaving::Length(length), self.keep_alive),
            None if is_empty => {
                head.headers.insert(CONTENT_LENGTH, 0.into());
                (Leaving::Nothing, self.keep_alive)
            }
            None if self.version == Version::HTTP_10 => (Leaving::UntilEnd, false),
            None => {
                head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
                (Leaving::Chunks, self.keep_alive)
            }
        }
    }
}

impl<S: Transport> Client for Http1Client<S> {
    fn has_body(&self) -> bool {
        self.has_body
    }

    fn is_body_done(&self) -> bool {
        self.incoming.is_over()
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece, Reason>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(Reason::ClientGone)) };
        let piece = ready!(self.incoming.poll_piece(stream, context));
        Poll::Ready(piece.map_err(|broken| match broken {
            Broken::Io(_) | Broken::Ended => Reason::ClientGone,
            Broken::Framing(reason) => reason,
        }))
    }

    /// What the client sends meanwhile belongs to its next request and stays in the kernel.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.waiting().is_empty() {
            return Poll::Pending;
        }
        let Some(stream) = &mut self.stream else { return Poll::Ready(()) };
        let mut byte = [0; 1];
        let mut buffer = ReadBuf::new(&mut byte);
        let is_fine = ready!(Pin::new(stream).poll_read(context, &mut buffer)).is_ok();
        match buffer.filled().first() {
            Some(byte) if is_fine => {
                self.incoming.push(*byte);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    fn close_after(&mut self) {
        self.keep_alive = false;
    }

    fn send_interim(&mut self, status: StatusCode, headers: HeaderMap) -> Result<(), Reason> {
        // RFC 9110, section 15.2: HTTP/1.0 knows none.
        if self.version == Version::HTTP_11 {
            let into = self.outgoing.head(Leaving::Nothing);
            fields::write_status_line(status, None, into);
            fields::write(&headers, into);
            into.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn begin_answer(&mut self, mut head: AnswerHead, is_empty: bool) -> Result<(), Reason> {
        let (leaving, keep_alive) = self.frame(&mut head, is_empty);
        self.keep_alive = keep_alive;
        self.is_tunnel = head.status == StatusCode::SWITCHING_PROTOCOLS;
        if self.is_tunnel {
            self.incoming.expect(Arriving::UntilEnd);
        } else if !self.keep_alive {
            head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        } else if self.version == Version::HTTP_10 {
            head.headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
        }
        let into = self.outgoing.head(leaving);
        into.reserve(1024);
        fields::write_status_line(head.status, head.phrase.as_deref(), into);
        fields::write(&head.headers, into);
        into.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        if self.outgoing.has_room() { Poll::Ready(Ok(())) } else { self.poll_flush(context) }
    }

    fn send(&mut self, piece: Piece) -> Result<(), Reason> {
        self.is_answered = matches!(piece, Piece::End(_));
        // HEAD, and a 304, have a length and no body.
        if self.outgoing.add(piece) { Ok(()) } else { Err(Reason::UpstreamMalformed) }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(Reason::ClientGone)) };
        self.outgoing.poll_send(stream, context).map_err(|_| Reason::ClientGone)
    }

    fn abort(&mut self) {
        self.is_aborted = true;
    }
}

impl<S: Transport> Drop for Http1Client<S> {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        let is_cut = !self.is_answered && !self.is_tunnel;
        if is_cut && self.outgoing.ends_with_stream() {
            return stream.reset_on_close();
        }
        // Closing with unread bytes in the kernel resets the connection, and the client may lose
        // the answer that it was about to read (RFC 9112, section 9.6).
        let is_unread = self.is_aborted || !self.waiting().is_empty() || !self.incoming.is_idle();
        // What was written is the beginning of an answer, and its status is in the log.
        if is_unread || !self.outgoing.is_empty() {
            linger::close(stream, self.outgoing.take_unsent(), self.caller.clone());
        }
    }
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}
