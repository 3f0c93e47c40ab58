//! The stream between Pingora and an endpoint that speaks HTTP/1.1: the heads of its answers are
//! checked before Pingora reads, and mends, them.

mod pingora;

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use marchproxy_decide::verdict::Reason;
use marchproxy_decide::wire::answer::AnswerWatch;
use pingora_core::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::listen::link;

/// Polls for which the answer to an upgrade is held back. Pingora takes the end of the request, when it
/// notes it only after the answer, for the end of the tunnel. One side of it tells the other of that
/// end when it is polled first; at the next poll it has been told, and notes it if there is nothing
/// to read.
const HOLD_BACK: u8 = 2;

/// The stream between Pingora and an endpoint.
pub struct Answers {
    inner: Stream,
    /// Set when Pingora begins an exchange on this stream.
    begins: AtomicBool,
    /// Present while the head of an answer is awaited.
    head: Option<AnswerWatch>,
    /// Polls that are still to find nothing.
    held_back: u8,
    /// Resolves when the upstream is gone; `None` when it has.
    end: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

/// Why reading an answer fails.
#[derive(Clone, Copy, Debug)]
pub struct BadAnswer(pub Reason);

impl fmt::Display for BadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.title())
    }
}

impl Error for BadAnswer {}

impl Answers {
    /// Stands on `inner`, which is of no use any more once `end` resolves.
    pub fn new(inner: Stream, end: impl Future<Output = ()> + Send + Sync + 'static) -> Self {
        Self {
            inner,
            begins: AtomicBool::new(true),
            head: None,
            held_back: 0,
            end: Some(Box::pin(end)),
        }
    }

    /// An exchange begins: an answer is to come.
    fn begin(&self) {
        self.begins.store(true, Ordering::Relaxed);
    }

    /// Resolves when the upstream is gone. A running request holds its upstream, so by then this
    /// connection idles; to Pingora it looks as if the endpoint had closed it.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(end) = &mut self.end {
            ready!(end.as_mut().poll(context));
            self.end = None;
        }
        Poll::Ready(())
    }

    fn check(&mut self, arrived: &[u8]) -> Result<(), Reason> {
        if let Some(head) = &mut self.head
            && head.advance(arrived)?
        {
            self.head = None;
        }
        Ok(())
    }
}

impl AsyncRead for Answers {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let request = link::polled();
        if std::mem::take(this.begins.get_mut()) {
            this.head = Some(AnswerWatch::new());
            this.held_back = if request.is_upgrade { HOLD_BACK } else { 0 };
        }
        if request.is_interrupted {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if let Some(left) = this.held_back.checked_sub(1) {
            this.held_back = left;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let start = into.filled().len();
        match Pin::new(&mut this.inner).poll_read(context, into) {
            Poll::Pending => return this.poll_end(context).map(Ok),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {}
        }
        let checked = this.check(into.filled().get(start..).unwrap_or_default());
        Poll::Ready(checked.map_err(|reason| {
            into.set_filled(start);
            io::Error::new(io::ErrorKind::InvalidData, BadAnswer(reason))
        }))
    }
}

impl AsyncWrite for Answers {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}
