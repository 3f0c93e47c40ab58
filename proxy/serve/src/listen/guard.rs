//! The stream between an HTTP/1 client and Pingora: the first to see every byte.
//!
//! The request head is read here, whole and within its limits, before Pingora is asked for
//! anything. The body is followed as it streams past, so that bad framing is refused and bytes of
//! a next, pipelined request are kept back. Answers are gathered, so that head and body leave in
//! one system call.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use marchproxy_decide::verdict::Reason;
use marchproxy_decide::wire::body::BodyWatch;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::{SslDigest, SslStream, TlsRef};
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, IO, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::linger;
use super::link::Link;
use super::socket::Socket;

/// Small writes are gathered up to this many bytes before they are sent.
const GATHER: usize = 4096;
/// What one read of a head asks for.
const HEAD_READ: usize = 4096;

/// A stream that a [`Guard`] can stand on: plain text or TLS.
pub trait Transport: IO + Sized + 'static {
    /// Whether a read would find something without asking the kernel.
    fn has_buffered(&self) -> bool;
    /// Resolves when the kernel has something to read, or the end.
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Gives back what is not needed while idle.
    fn trim(&mut self);
}

impl Transport for Socket {
    fn has_buffered(&self) -> bool {
        self.has_read_ahead()
    }

    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_readable(self, context)
    }

    fn trim(&mut self) {
        Self::trim(self);
    }
}

impl Transport for SslStream<Socket> {
    fn has_buffered(&self) -> bool {
        self.ssl().pending() > 0 || self.get_ref().has_read_ahead()
    }

    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_ref().poll_readable(context)
    }

    fn trim(&mut self) {
        self.get_mut().trim();
    }
}

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
        }
    }

    /// Bytes that have been read and not yet passed on: the head that is being read.
    pub fn waiting(&self) -> &[u8] {
        &self.waiting
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
        // Closing with unread bytes in the kernel resets the connection, and the client may lose
        // the answer that it was about to read (RFC 9112, section 9.6).
        let unread = !matches!(self.reading, Reading::Head | Reading::Answer | Reading::Tunnel)
            || !self.waiting.is_empty()
            || self.link.interrupted().is_some();
        if unread && let Some(inner) = self.inner.take() {
            linger::close(inner, std::mem::take(&mut self.gathered));
        }
    }
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

#[async_trait]
impl<S: Transport> Shutdown for Guard<S> {
    async fn shutdown(&mut self) {
        let _ = tokio::io::AsyncWriteExt::flush(self).await;
        if let Some(inner) = &mut self.inner {
            Shutdown::shutdown(inner).await;
        }
    }
}

impl<S: Transport> UniqueID for Guard<S> {
    fn id(&self) -> UniqueIDType {
        self.inner.as_ref().map_or(-1, UniqueID::id)
    }
}

impl<S: Transport> Ssl for Guard<S> {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.inner.as_ref().and_then(Ssl::get_ssl)
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.as_ref().and_then(Ssl::get_ssl_digest)
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.as_ref().and_then(Ssl::selected_alpn_proto)
    }
}

impl<S: Transport> GetTimingDigest for Guard<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl<S: Transport> GetProxyDigest for Guard<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.digest))
    }
}

impl<S: Transport> GetSocketDigest for Guard<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.as_ref().and_then(GetSocketDigest::get_socket_digest)
    }
}

impl<S: Transport> Peek for Guard<S> {}

impl<S: Transport> fmt::Debug for Guard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("inner", &self.inner).finish_non_exhaustive()
    }
}
