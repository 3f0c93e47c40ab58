//! The stream between an HTTP/1 client and Pingora: the first to see every byte.
//!
//! The request head is read here, whole and within its limits, before Pingora is asked for
//! anything. The body is followed as it streams past, so that bad framing is refused and bytes of
//! a next, pipelined request are kept back. Answers are gathered, so that head and body leave in
//! one system call.

mod pingora;
mod transport;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use marchproxy_decide::wire::body::BodyWatch;
use pingora_core::protocols::raw_connect::ProxyDigest;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::linger;
use super::link::Link;
pub use transport::Transport;

/// Small writes are gathered up to this many bytes before they are sent.
const GATHER: usize = 4096;
/// What one read of a head asks for.
const HEAD_READ: usize = 4096;

/// What the bytes of the client are, right now.
enum Reading {
    /// A request head, or nothing: Pingora is not reading.
    Head,
    /// The body of the running request.
    Body(BodyWatch),
    /// The body is over, the answer is not: Pingora only watches for the client's end.
    Answer,
    /// An upgraded connection: bytes pass as they are.
    Tunnel,
}

/// Where a guard leaves the stream, and what was read from it, when Pingora drops it although the
/// connection can go on. Pingora does so after every failure, even when its refusal was sent whole.
pub type Remains<S> = Arc<Mutex<Option<(S, BytesMut)>>>;

/// The stream between an HTTP/1 client and Pingora.
pub struct Guard<S: Transport> {
    /// `None` once the stream has been handed on.
    inner: Option<S>,
    link: Arc<Link>,
    digest: Arc<ProxyDigest>,
    /// Read from the client and not yet passed on.
    waiting: BytesMut,
    reading: Reading,
    gathered: Vec<u8>,
    remains: Remains<S>,
}

impl<S: Transport> Guard<S> {
    /// Stands on `inner`; `digest` is how Pingora's hooks find `link`.
    pub fn new(inner: S, link: Arc<Link>, digest: Arc<ProxyDigest>) -> Self {
        Self {
            inner: Some(inner),
            link,
            digest,
            waiting: BytesMut::new(),
            reading: Reading::Head,
            gathered: Vec::new(),
            remains: Remains::default(),
        }
    }

    /// Bytes that have been read and not yet passed on: the head that is being read.
    pub fn waiting(&self) -> &[u8] {
        &self.waiting
    }

    /// Where the stream is found after a failure.
    pub fn remains(&self) -> Remains<S> {
        Arc::clone(&self.remains)
    }

    /// Puts bytes in front that were read before the guard stood here.
    pub fn put_back(&mut self, bytes: BytesMut) {
        self.waiting = bytes;
    }

    /// Takes the head of `length` bytes out and lets the body of the same request follow.
    pub fn take_head(&mut self, length: usize, body: Option<BodyWatch>) -> BytesMut {
        self.reading = match body {
            Some(watch) => Reading::Body(watch),
            None => Reading::Answer,
        };
        if length >= self.waiting.len() {
            return std::mem::take(&mut self.waiting);
        }
        let rest = BytesMut::from(self.waiting.get(length..).unwrap_or_default());
        let mut head = std::mem::replace(&mut self.waiting, rest);
        head.truncate(length);
        head
    }

    /// After an answer: ready for the next head, or `false` when the body was left unread and the
    /// connection cannot be used again.
    pub fn next_request(&mut self) -> bool {
        match self.reading {
            Reading::Body(_) | Reading::Tunnel => false,
            Reading::Head | Reading::Answer => {
                self.reading = Reading::Head;
                true
            }
        }
    }

    /// Whether something can be read now, without waiting.
    pub fn has_something(&self) -> bool {
        !self.waiting.is_empty() || self.inner.as_ref().is_some_and(Transport::has_buffered)
    }

    /// Resolves when there is something to read, or the end of the stream.
    pub async fn readable(&self) -> io::Result<()> {
        if self.has_something() {
            return Ok(());
        }
        let inner = self.inner.as_ref().ok_or_else(gone)?;
        std::future::poll_fn(|context| inner.poll_readable(context)).await
    }

    /// Gives back all buffers that hold nothing.
    pub fn trim(&mut self) {
        if self.waiting.is_empty() {
            self.waiting = BytesMut::new();
        }
        self.gathered = Vec::new();
        if let Some(inner) = &mut self.inner {
            inner.trim();
        }
    }

    /// Reads once into what is waiting. Gives the count; 0 is the end of the stream.
    pub async fn read_more(&mut self) -> io::Result<usize> {
        let Self { inner, waiting, .. } = self;
        let inner = inner.as_mut().ok_or_else(gone)?;
        waiting.reserve(HEAD_READ);
        tokio::io::AsyncReadExt::read_buf(inner, waiting).await
    }

    /// Writes all of `bytes` and sends them.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let inner = self.inner.as_mut().ok_or_else(gone)?;
        tokio::io::AsyncWriteExt::write_all(inner, bytes).await?;
        tokio::io::AsyncWriteExt::flush(inner).await
    }

    /// Sends what is gathered.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = self.inner.as_mut().ok_or_else(gone)?;
        while !self.gathered.is_empty() {
            let count = ready!(Pin::new(&mut *inner).poll_write(context, &self.gathered))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gathered.drain(..count.min(self.gathered.len()));
        }
        Poll::Ready(Ok(()))
    }

    /// Passes on what the running request may have of the bytes that arrive.
    fn poll_body(
        &mut self,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let start = into.filled().len();
        if self.waiting.is_empty() {
            let inner = self.inner.as_mut().ok_or_else(gone)?;
            ready!(Pin::new(inner).poll_read(context, into))?;
        } else {
            let count = self.waiting.len().min(into.remaining());
            into.put_slice(self.waiting.get(..count).unwrap_or_default());
            self.waiting.advance(count);
        }
        self.link.touch();
        let Reading::Body(watch) = &mut self.reading else { return Poll::Ready(Ok(())) };
        let arrived = into.filled().get(start..).unwrap_or_default();
        let progress = match watch.advance(arrived) {
            Ok(progress) => progress,
            Err(reason) => {
                self.link.interrupt(reason);
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
        };
        let beyond = arrived.get(progress.taken..).unwrap_or_default();
        if !beyond.is_empty() {
            let mut kept = BytesMut::from(beyond);
            kept.unsplit(std::mem::take(&mut self.waiting));
            self.waiting = kept;
            into.set_filled(start.saturating_add(progress.taken));
        }
        if progress.done {
            self.reading = Reading::Answer;
        }
        Poll::Ready(Ok(()))
    }

    /// While the answer is on its way, only the client's end is news. What it sends meanwhile
    /// belongs to its next request and stays in the kernel.
    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.waiting.is_empty() {
            return Poll::Pending;
        }
        let inner = self.inner.as_mut().ok_or_else(gone)?;
        let mut byte = [0; 1];
        let mut buffer = ReadBuf::new(&mut byte);
        ready!(Pin::new(inner).poll_read(context, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.waiting.extend_from_slice(buffer.filled());
        Poll::Pending
    }
}

impl<S: Transport> AsyncRead for Guard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.link.interrupted().is_some() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        // Pingora reads while it waits for more of the answer: what there is of it is due.
        if !this.gathered.is_empty()
            && let Poll::Ready(Err(error)) = this.poll_send(context)
        {
            return Poll::Ready(Err(error));
        }
        match this.reading {
            Reading::Answer if this.link.is_tunnel() => {
                this.reading = Reading::Tunnel;
                this.poll_body(context, into)
            }
            Reading::Answer => this.poll_answer(context),
            Reading::Head | Reading::Body(_) | Reading::Tunnel => this.poll_body(context, into),
        }
    }
}

impl<S: Transport> AsyncWrite for Guard<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.gathered.len().saturating_add(bytes.len()) <= GATHER {
            this.gathered.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        let inner = this.inner.as_mut().ok_or_else(gone)?;
        if this.gathered.is_empty() {
            return Pin::new(inner).poll_write(context, bytes);
        }
        let parts = [IoSlice::new(&this.gathered), IoSlice::new(bytes)];
        let count = ready!(Pin::new(inner).poll_write_vectored(context, &parts))?;
        let of_gathered = count.min(this.gathered.len());
        this.gathered.drain(..of_gathered);
        let of_bytes = count.saturating_sub(of_gathered);
        if of_bytes > 0 {
            return Poll::Ready(Ok(of_bytes));
        }
        ready!(this.poll_send(context))?;
        let inner = this.inner.as_mut().ok_or_else(gone)?;
        Pin::new(inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        let inner = this.inner.as_mut().ok_or_else(gone)?;
        Pin::new(inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        let inner = this.inner.as_mut().ok_or_else(gone)?;
        Pin::new(inner).poll_shutdown(context)
    }
}

impl<S: Transport> Drop for Guard<S> {
    fn drop(&mut self) {
        let is_over = matches!(self.reading, Reading::Answer) && self.gathered.is_empty();
        if is_over
            && self.link.goes_on()
            && let Some(inner) = self.inner.take()
        {
            let mut remains = self.remains.lock().unwrap_or_else(PoisonError::into_inner);
            *remains = Some((inner, std::mem::take(&mut self.waiting)));
            return;
        }
        // Closing with unread bytes in the kernel resets the connection, and the client may lose
        // the answer that it was about to read (RFC 9112, section 9.6).
        let unread = !matches!(self.reading, Reading::Head | Reading::Answer | Reading::Tunnel)
            || !self.waiting.is_empty()
            || self.link.interrupted().is_some();
        // What was written is the beginning of an answer, and its status is in the log.
        let unsent = !self.gathered.is_empty();
        if (unread || unsent)
            && let Some(inner) = self.inner.take()
        {
            linger::close(inner, std::mem::take(&mut self.gathered), Arc::clone(&self.link));
        }
    }
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}
