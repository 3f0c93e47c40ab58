//! A client's connection as the stream that `BoringSSL` and we read from and write to.

use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Stream;

/// What is read ahead for `BoringSSL`, which asks for 5 bytes and then for the rest of a record:
/// without it, each record would cost two system calls.
const READ_AHEAD: usize = 4096;

/// A client's connection. Holds a buffer only while there is something in it.
pub struct Socket {
    stream: Stream,
    /// Bytes read ahead and not yet asked for; `None` on plain text, where it has no use.
    ahead: Option<Ahead>,
}

#[derive(Default)]
struct Ahead {
    bytes: Vec<u8>,
    taken: usize,
}

impl Socket {
    /// Wraps an accepted connection. `tls` says whether `BoringSSL` will read from it.
    pub fn new(stream: Stream, tls: bool) -> Self {
        Self { stream, ahead: tls.then(Ahead::default) }
    }

    /// Whether a read would find something at once, without asking the kernel for it.
    pub fn has_read_ahead(&self) -> bool {
        self.ahead.as_ref().is_some_and(|ahead| ahead.taken < ahead.bytes.len())
    }

    /// Resolves when the kernel has something to read, or the end.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_read_ready(context)
    }

    /// Has the connection end with a reset.
    pub fn reset_on_close(&self) {
        self.stream.reset_on_close();
    }

    /// Has bytes that were read come again, before all others.
    pub fn give_back(&mut self, mut bytes: Vec<u8>) {
        let ahead = self.ahead.get_or_insert_default();
        bytes.extend_from_slice(ahead.bytes.get(ahead.taken..).unwrap_or_default());
        *ahead = Ahead { bytes, taken: 0 };
    }

    /// Gives back what is not needed while the connection is idle.
    pub fn trim(&mut self) {
        if let Some(ahead) = &mut self.ahead
            && ahead.taken >= ahead.bytes.len()
        {
            *ahead = Ahead::default();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(ahead) = &mut this.ahead else {
            return Pin::new(&mut this.stream).poll_read(context, into);
        };
        if ahead.taken >= ahead.bytes.len() {
            if into.remaining() >= READ_AHEAD {
                return Pin::new(&mut this.stream).poll_read(context, into);
            }
            ahead.taken = 0;
            ahead.bytes.clear();
            ready!(fill(&mut this.stream, &mut ahead.bytes, context))?;
        }
        let waiting = ahead.bytes.get(ahead.taken..).unwrap_or_default();
        let count = waiting.len().min(into.remaining());
        into.put_slice(waiting.get(..count).unwrap_or_default());
        ahead.taken = ahead.taken.saturating_add(count);
        Poll::Ready(Ok(()))
    }
}

fn fill(
    stream: &mut Stream,
    bytes: &mut Vec<u8>,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    // Asking first keeps the buffer unallocated while the client is silent.
    ready!(stream.poll_read_ready(context))?;
    bytes.resize(READ_AHEAD, 0);
    let mut buffer = ReadBuf::new(bytes);
    let result = Pin::new(stream).poll_read(context, &mut buffer);
    let count = buffer.filled().len();
    bytes.truncate(count);
    result
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[async_trait]
impl Shutdown for Socket {
    async fn shutdown(&mut self) {
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut self.stream).await;
    }
}

impl UniqueID for Socket {
    fn id(&self) -> UniqueIDType {
        self.stream.as_raw_fd()
    }
}

impl Ssl for Socket {}

impl GetTimingDigest for Socket {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Socket {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Socket {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

impl Peek for Socket {}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.stream.as_raw_fd())
    }
}
