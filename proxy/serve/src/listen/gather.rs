//! Gathers what is written between two flushes, for HTTP/2: its frames are written one by one, and
//! each would become a TLS record and a system call of its own.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is gathered at most: what a TLS record can hold (RFC 8446, section 5.1).
const ROOM: usize = 16 << 10;

/// A stream that gathers what is written to it. Holds a buffer only while there is something in it.
pub struct Gather<S> {
    inner: S,
    /// Read already, before it stood here.
    came: Bytes,
    gathered: Vec<u8>,
    sent: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Gather<S> {
    /// Stands on `inner`, of which `came` has been read already.
    pub fn new(inner: S, came: Bytes) -> Self {
        Self { inner, came, gathered: Vec::new(), sent: 0 }
    }

    fn inner(&mut self) -> Pin<&mut S> {
        Pin::new(&mut self.inner)
    }

    fn has_room_for(&self, count: usize) -> bool {
        self.gathered.len().saturating_add(count) <= ROOM
    }

    fn gather(&mut self, bytes: &[u8]) {
        if self.gathered.capacity() == 0 {
            self.gathered.reserve_exact(ROOM);
        }
        self.gathered.extend_from_slice(bytes);
    }

    /// Sends what is gathered.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.gathered.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let count = ready!(Pin::new(&mut self.inner).poll_write(context, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent = self.sent.saturating_add(count);
        }
        self.gathered = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gather<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.came.is_empty() {
            return this.inner().poll_read(context, into);
        }
        let count = this.came.len().min(into.remaining());
        into.put_slice(&this.came.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.has_room_for(bytes.len()) {
            ready!(this.poll_send(context))?;
        }
        if !this.has_room_for(bytes.len()) {
            return this.inner().poll_write(context, bytes);
        }
        this.gather(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = parts.iter().map(|part| part.len()).fold(0, usize::saturating_add);
        if !this.has_room_for(count) {
            ready!(this.poll_send(context))?;
        }
        if !this.has_room_for(count) {
            return this.inner().poll_write_vectored(context, parts);
        }
        for part in parts {
            this.gather(part);
        }
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        this.inner().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        this.inner().poll_shutdown(context)
    }
}
