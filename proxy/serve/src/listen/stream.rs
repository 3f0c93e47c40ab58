//! A client's connection as the system has it: over TCP or a Unix socket.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::proxied::Ends;

/// A client's connection.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

/// Does the same with either kind.
macro_rules! either {
    ($stream:expr, $inner:ident => $body:expr) => {
        match $stream {
            Stream::Tcp($inner) => $body,
            Stream::Unix($inner) => $body,
        }
    };
}

impl Stream {
    /// Both ends; `peer` is the other one's address. Those of a Unix socket have none: they are on this
    /// machine, which is 127.0.0.1; the client has the port 0, and we have the usual one.
    pub fn ends(&self, peer: Option<SocketAddr>, is_tls: bool) -> io::Result<Ends> {
        let here = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let local = match self {
            Self::Tcp(tcp) => tcp.local_addr()?,
            Self::Unix(_) => here(if is_tls { 443 } else { 80 }),
        };
        Ok(Ends { client: peer.unwrap_or(here(0)), local })
    }

    /// Whether it came by a Unix socket.
    pub const fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// Has small pieces sent at once.
    pub fn set_nodelay(&self) {
        if let Self::Tcp(tcp) = self {
            // A connection that is gone needs no setting.
            let _ = tcp.set_nodelay(true);
        }
    }

    /// Has the connection end with a reset. Over a Unix socket there is none: there it ends as it is.
    pub fn reset_on_close(&self) {
        if let Self::Tcp(tcp) = self {
            // A connection that is gone needs no reset.
            let _ = tcp.set_zero_linger();
        }
    }

    /// Resolves when there is something to read, or the end.
    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, inner => inner.poll_read_ready(context))
    }

    /// Waits for something and looks at it, without taking it. 0: the end.
    pub async fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.peek(into).await,
            Self::Unix(unix) => {
                let look = || Ok(recv(unix, &mut *into, RecvFlags::PEEK)?.0);
                unix.async_io(Interest::READABLE, look).await
            }
        }
    }

    /// Takes what is there.
    pub fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        either!(self, inner => inner.try_read(into))
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        either!(self, inner => inner.as_raw_fd())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_read(context, into))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_shutdown(context))
    }
}
