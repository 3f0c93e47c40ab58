//! The streams that clients come by.

use std::io;
use std::task::{Context, Poll};

use pingora_core::protocols::IO;
use pingora_core::protocols::tls::SslStream;

use crate::listen::socket::Socket;

/// A stream that a client comes by: plain text or TLS.
pub trait Transport: IO + Sized + 'static {
    /// Whether a read would find something without asking the kernel.
    fn has_buffered(&self) -> bool;
    /// Resolves when the kernel has something to read, or the end.
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Gives back what is not needed while idle.
    fn trim(&mut self);
    /// Has the connection end with a reset, which nobody takes for the end of a message.
    fn reset_on_close(&self);
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

    fn reset_on_close(&self) {
        Self::reset_on_close(self);
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

    fn reset_on_close(&self) {
        self.get_ref().reset_on_close();
    }
}
